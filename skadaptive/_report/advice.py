"""Recommendations that follow from the results of a comparison or an evaluation."""

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy.special import logit

from .._assessment.measures import is_near_perfect, measure_title
from .._assessment.threshold_counts import (
    ScoredRows,
    calibration_verdict,
    cost_by_threshold,
)
from .._io.findings import Finding
from ..contenders import OURS
from .formatting import amount, join_names, seconds_text, threshold_text

if TYPE_CHECKING:
    from ..comparison import Comparison
    from ..evaluation import Evaluation

# With fewer rare rows than this, more of them help more than another classifier.
_FEW_RARE = 100
#: Titles of the kinds of :class:`skadaptive.comparison.Finding`.
KINDS = {
    "identifier": "Identifier",
    "time": "Order of time",
    "constant": "Constant column",
    "leak": "Possible target leakage",
    "telling_values": "Values that give the class away",
    "missing_code": "Possible code for a missing value",
    "duplicates": "Duplicate rows",
}
#: Who reads the advice: someone who called a function, or typed a command.
Interface: TypeAlias = Literal["python", "command"]


@dataclass(frozen=True)
class _Wording:
    """Parts of the advice that name functions, or options of the command.

    Attributes
    ----------
    resume : str
        How to continue an interrupted comparison.
    cache : str
        What keeps finished folds.
    probabilities : str
        What to do where the values of probabilities are needed.
    prior : str
        What to do if the share of the rare class has changed.
    costs : str
        What else chooses a threshold for costs.
    weights : str
        Where else the adaptation of the loss weights is shown.
    best : str
        What to do with the best contender, whose name stands for {best}.
    saved : str
        The same where it was saved in a file, {model}.
    later : str
        What to do when new rows arrive.
    """

    resume: str
    cache: str
    probabilities: str
    prior: str
    costs: str
    weights: str
    best: str
    saved: str
    later: str


_WORDING = {
    "python": _Wording(
        resume="With the same cache_dir and seed it resumes where it stopped.",
        cache="with cache_dir",
        probabilities=" If you need their values, wrap the classifier in "
        "sklearn.calibration.CalibratedClassifierCV.",
        prior=" If the prevalence of the rare class has changed since training, "
        "correct them with skadaptive.drift.adjust_to_prior.",
        costs=" skadaptive.thresholds.expected_cost tunes it for them in training.",
        weights=" This page shows the adaptation of the loss weights only for a best "
        "contender; for any fitted estimator use "
        "skadaptive.AdaptationDisplay.from_estimator.",
        best="comparison.best_ is {best}, fitted on all rows. Evaluate it on later "
        "rows with skadaptive.evaluate, and check with skadaptive.drift whether new "
        "rows still resemble these.",
        saved="",
        later="Evaluate again when new labels arrive, and check with skadaptive.drift "
        "whether new rows still resemble the training rows.",
    ),
    "command": _Wording(
        resume="With the same --cache DIR and --seed it resumes where it stopped.",
        cache="with --cache DIR",
        probabilities=" Do not take them for the chance that a row is rare.",
        prior="",
        costs=" For a saved model, skadaptive predict --costs finds it.",
        weights="",
        best="To use {best}: skadaptive compare --save FILE writes it, fitted on all "
        "rows, to a file. Measure it on later rows with skadaptive evaluate, and apply "
        "it to new ones with skadaptive predict.",
        saved="{best} is saved in {model}, fitted on all rows. Measure it on later "
        "rows with skadaptive evaluate {model} FILE --target COLUMN, and apply it to "
        "new ones with skadaptive predict {model} FILE.",
        later="Evaluate again when new labels arrive.",
    ),
}


def finding_text(finding: Finding, interface: Interface = "python") -> str:
    """A finding, for a command with the option that acts on it.

    Parameters
    ----------
    finding : Finding
    interface : {"python", "command"}, default="python"

    Returns
    -------
    str
    """
    if interface == "python":
        return finding.message
    if finding.kind == "missing_code":
        code = f"{finding.values[0]:.12g}"
        return f"{finding.message} The option is --missing {code}."
    if finding.kind == "duplicates":
        return f"{finding.message} The option is --group COLUMN."
    if finding.kind == "identifier":
        key, *others = map(shlex.quote, finding.columns)
        name = key if not others else "COLUMN for one of them"
        return (
            f"{finding.message} The option is --id {name}, which copies it into the "
            f"predictions, or --drop {shlex.join(finding.columns)}."
        )
    return f"{finding.message} The option is --drop {shlex.join(finding.columns)}."


def advice(
    comparison: "Comparison",
    rows: ScoredRows,
    tuned: float,
    interface: Interface = "python",
    costs: dict[str, float] | None = None,
    model: str = "",
) -> list[str]:
    """Recommendations after a comparison, in the order in which to follow them.

    Parameters
    ----------
    comparison : Comparison
    rows : ScoredRows
        All rows with the out-of-fold probabilities of the best contender.
    tuned : float
        Mean of the thresholds tuned for the best contender.
    interface : {"python", "command"}, default="python"
        Who reads them.
    costs : dict of float, default=None
        ``miss`` and ``alarm``, if they are known.
    model : str, default=""
        File of the best contender, for a shell; empty if it was not saved.

    Returns
    -------
    list of str
    """
    wording = _WORDING[interface]
    best, table = comparison.best_name_, comparison.table
    lines = []
    if not hasattr(comparison, "best_"):
        lines.append(f"The comparison was interrupted: run it again. {wording.resume}")
    elif comparison.unfinished_:
        lines.append(
            f"The time limit left out {join_names(comparison.unfinished_)}. Run the "
            f"comparison again with more time to rank them, too. {wording.resume}"
        )
    harmless = ("constant", "missing_code")
    problems = [f for f in comparison.findings_ if f.kind not in harmless]
    if problems:
        kinds = dict.fromkeys(KINDS[f.kind].lower() for f in problems)
        lines.append(
            f"Fix the problems in the data first ({', '.join(kinds)}; see the section "
            "on the data) and compare again. Until then the scores may be higher than "
            "on new rows."
        )
    if is_near_perfect(table.loc[best]):
        lines.append(
            f"The scores of {best} are near perfect. Before you use it, look for a "
            "column that is known only after the outcome is, drop it and compare again."
        )
    if comparison.failures_:
        lines.append(
            f"{join_names(comparison.failures_)} failed and could not be compared. "
            "Install what is missing, or fix what the message names, and run the "
            f"comparison again; {wording.cache}, finished folds are not computed again."
        )
    lines += _choice(comparison)
    if OURS in table.index and best != OURS:
        lines.append(_ours_behind(comparison) + wording.weights)
    lines.append(_threshold(comparison, tuned, costs) + wording.costs)
    miscalibrated, _ = calibration_verdict(rows)
    if miscalibrated:
        lines.append(
            f"The probabilities of {best} are miscalibrated. Use them to rank rows and "
            f"to choose the threshold.{wording.probabilities}"
        )
    n_rare = int(comparison.y_.sum())
    if n_rare < _FEW_RARE:
        lines.append(
            f"Collect more rare rows if you can. With {n_rare} the intervals are wide, "
            "and more rare rows help more than another classifier."
        )
    if hasattr(comparison, "best_"):
        text = wording.saved if model else wording.best
        lines.append(text.format(best=best, model=model))
    return lines


def _choice(comparison: "Comparison") -> list[str]:
    """Recommend the best contender, or a quicker one that may be as good."""
    best, table, tests = comparison.best_name_, comparison.table, comparison.tests_
    if tests.empty:
        return []
    if (tests["verdict"] == "ahead").all():
        return [
            f"Use {best}: it is significantly better than every other contender here."
        ]
    level = list(tests.index[tests["verdict"] == "could be luck"])
    if not level:
        return [
            f"Use {best}. Some of its differences are significant only without the "
            "correction for the number of contenders. More rare rows would make the "
            "comparison more certain."
        ]
    seconds = table["mean_fit_time"] + table["mean_predict_time"]
    quickest = seconds[[best, *level]].idxmin()
    not_significant = (
        f"The difference between {best} and {join_names(level)} is not significant"
    )
    if quickest == best:
        return [
            f"Use {best}. {not_significant}, but {best} is also the quickest of them: "
            f"{seconds_text(seconds[best])} s per fold."
        ]
    loss = f"{abs(tests.at[quickest, 'difference']):.3f}"
    worse = "the same" if float(loss) == 0 else f"{loss} worse"
    return [
        f"{not_significant}. Use whichever is easiest to run. The quickest is "
        f"{quickest}: {seconds_text(seconds[quickest])} s per fold, {best} takes "
        f"{seconds_text(seconds[best])} s; its {measure_title(comparison.scoring_)} is "
        f"{worse} here. More rare rows would make the comparison more certain."
    ]


def _ours_behind(comparison: "Comparison") -> str:
    row = comparison.tests_.loc[OURS]
    significance = {
        "ahead": "and the difference is significant. Nothing here speaks for "
        f"{OURS} on this table.",
        "perhaps ahead": "a difference that is significant only without the correction "
        "for the number of contenders.",
        "could be luck": "but the difference is not significant.",
    }
    return (
        f"{OURS} is not the best here: {comparison.best_name_} is "
        f"{abs(row['difference']):.3f} better in {measure_title(comparison.scoring_)}, "
        f"{significance[row['verdict']]}"
    )


def _threshold(
    comparison: "Comparison", tuned: float, costs: dict[str, float] | None
) -> str:
    row = comparison.table.loc[comparison.best_name_]
    f1, f1_at_half = row["mean_f1"], row["mean_f1_at_0.5"]
    shown = threshold_text(tuned)
    if round(f1, 3) > round(f1_at_half, 3):
        text = (
            f"Use a threshold of about {shown} in place of 0.5: F1 is {f1:.3f} instead "
            f"of {f1_at_half:.3f}."
        )
    else:
        text = (
            f"The tuned threshold, about {shown}, is no better than 0.5 here: F1 is "
            f"{f1:.3f}, and {f1_at_half:.3f} at 0.5."
        )
    by_fold = comparison.scores("threshold")[comparison.best_name_]
    low, high = (threshold_text(value) for value in (by_fold.min(), by_fold.max()))
    if logit(np.clip(by_fold, 1e-9, 1 - 1e-9)).std() > 1:
        text += (
            f" It varies from {low} to {high} between the folds: there are too few "
            "rare rows to estimate it well."
        )
    used = comparison._decides_at
    if used is not None and threshold_text(used) != shown:
        text += (
            f" The model that was fitted on all rows uses {threshold_text(used)}: it "
            "was tuned in the same way, but on other rows."
        )
    choose = "If you know them, choose" if costs is None else "For those given, choose"
    return text + (
        f" F1 ignores the costs of mistakes. {choose} the threshold in the section on "
        "threshold and cost."
    )


def evaluation_advice(
    evaluation: "Evaluation",
    rows: ScoredRows,
    can_choose: bool,
    interface: Interface = "python",
    costs: dict[str, float] | None = None,
) -> list[str]:
    """Recommendations after an evaluation, in the order in which to follow them.

    Parameters
    ----------
    evaluation : Evaluation
    rows : ScoredRows
        The rows of the evaluation.
    can_choose : bool
        Whether there are probabilities, and rows of both classes, so that a threshold
        can be chosen.
    interface : {"python", "command"}, default="python"
        Who reads them.
    costs : dict of float, default=None
        ``miss`` and ``alarm``, if they are known.

    Returns
    -------
    list of str
    """
    wording = _WORDING[interface]
    name, lines = evaluation.name, []
    row = evaluation.table.loc["average_precision"]
    if not np.isnan(row["low"]) and row["low"] <= rows.share:
        lines.append(
            f"Do not use {name} yet: average precision is {row['value']:.3f}, and the "
            f"lower end of its interval, {row['low']:.3f}, is not above the chance "
            f"level, {rows.share:.3f}."
        )
    if can_choose:
        lines.append(
            f"{_choice_by_costs(evaluation, rows, costs)} A threshold "
            "chosen on these rows looks better on them than on new rows."
            # Someone who has told the costs has found that out.
            + (wording.costs if costs is None else "")
        )
        miscalibrated, _ = calibration_verdict(rows)
        if miscalibrated:
            lines.append(
                "The probabilities are miscalibrated."
                f"{wording.probabilities}{wording.prior}"
            )
    n_rare = int(rows.y.sum())
    if n_rare < _FEW_RARE:
        lines.append(
            f"Collect more rare rows if you can: with {n_rare} the intervals are wide."
        )
    lines.append(wording.later)
    return lines


def _choice_by_costs(
    evaluation: "Evaluation", rows: ScoredRows, costs: dict[str, float] | None
) -> str:
    """How to choose a threshold, or what the one in use costs."""
    section = "the section on threshold and cost"
    if costs is None:
        return (
            "If you know what a miss and a false alarm cost, choose the threshold in "
            f"{section}."
        )
    used = evaluation.threshold_
    per_mistake = f"if a false alarm costs {costs['alarm']:g} and a miss"
    per_mistake += f" {costs['miss']:g}"
    if used is None:
        return f"See in {section} what thresholds cost, {per_mistake}."
    (cost,) = cost_by_threshold(rows.counts(np.array([used])), costs)
    return (
        f"The threshold {threshold_text(used)} costs {amount(cost)} per 1,000 rows, "
        f"{per_mistake}; see in {section} what others cost."
    )
