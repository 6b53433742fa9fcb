"""What to do next, in plain words that follow from the results."""

import numpy as np
from scipy.special import logit

from .._assessment.measures import measure_title
from .._assessment.threshold_counts import calibration_verdict
from ..contenders import OURS
from .formatting import join_names, seconds_text, threshold_text

# Below this many rare rows more of them tell more than another classifier.
_FEW_RARE = 100
#: What a :class:`skadaptive.comparison.Finding` is called.
KINDS = {
    "identifier": "Identifier",
    "constant": "Constant",
    "leak": "Gives the target away",
    "duplicates": "Repeated rows",
}


def advice(comparison, rows, tuned):
    """What to do after a comparison, in the order in which to do it.

    Parameters
    ----------
    comparison : Comparison
    rows : ScoredRows
        Of its best.
    tuned : float
        Mean of the thresholds tuned for the best.

    Returns
    -------
    list of str
    """
    best, table = comparison.best_name_, comparison.table
    lines = []
    if not hasattr(comparison, "best_"):
        lines.append(
            "The comparison was interrupted: run it again. With the same cache_dir and "
            "seed it goes on where it stopped."
        )
    spoils = [f for f in comparison.findings_ if f.kind != "constant"]
    if spoils:
        kinds = dict.fromkeys(KINDS[f.kind].lower() for f in spoils)
        lines.append(
            f"Put right first what can spoil the comparison ({', '.join(kinds)}; see "
            "the data above) and compare again. Until then the scores may be better "
            "than those of new rows."
        )
    if comparison.failures_:
        lines.append(
            f"{join_names(comparison.failures_)} failed and could not be compared. "
            "Install what is missing, or put right what the message names, and run "
            "again; with cache_dir, only what is new is computed."
        )
    lines += _choice(comparison)
    if OURS in table.index and best != OURS:
        lines.append(_ours_behind(comparison))
    lines.append(_decide(comparison, tuned))
    wrong, _ = calibration_verdict(rows)
    if wrong:
        lines.append(
            f"Do not take the probabilities of {best} at their word: rank by them and "
            "choose the threshold on them. For ones that mean what they say, wrap it "
            "in sklearn.calibration.CalibratedClassifierCV."
        )
    n_rare = int(comparison.y_.sum())
    if n_rare < _FEW_RARE:
        lines.append(
            f"Gather more rare rows if you can. With {n_rare} the intervals are wide, "
            "and more of them tell more than another classifier would."
        )
    if hasattr(comparison, "best_"):
        lines.append(
            f"{best}, fitted on all rows, is comparison.best_. Judge it on rows that "
            "come later with skadaptive.evaluate, and look with skadaptive.drift "
            "whether they still resemble these."
        )
    return lines


def _choice(comparison):
    """Which to take: the winner, or of those level with it what is quicker."""
    best, table, tests = comparison.best_name_, comparison.table, comparison.tests_
    if tests.empty:
        return []
    if (tests["verdict"] == "ahead").all():
        return [f"Take {best}: its lead over every other contender is more than luck."]
    level = list(tests.index[tests["verdict"] == "could be luck"])
    if not level:
        return [
            f"Take {best}. Over some its lead is more than luck only if nobody else is "
            "counted; more rare rows would tell."
        ]
    seconds = table["mean_fit_time"] + table["mean_predict_time"]
    quick = seconds[[best, *level]].idxmin()
    if quick == best:
        return [
            f"Take {best}. Its lead over {join_names(level)} could be luck, but it is "
            f"the quickest as well, {seconds_text(seconds[best])} s a fold."
        ]
    lost = abs(tests.at[quick, "difference"])
    which = "it" if len(level) == 1 else "one of these"
    return [
        f"The lead of {best} over {join_names(level)} could be luck. If {which} is "
        f"simpler to run, take it. The quickest is {quick}: "
        f"{seconds_text(seconds[quick])} s a fold against "
        f"{seconds_text(seconds[best])} s, {lost:.3f} worse in "
        f"{measure_title(comparison.scoring_)} here. To tell them apart, gather "
        "more rare rows."
    ]


def _ours_behind(comparison):
    row = comparison.tests_.loc[OURS]
    luck = {
        "ahead": f"more than luck. There is no reason to prefer {OURS} here.",
        "perhaps ahead": "perhaps more than luck.",
        "could be luck": "which could be luck.",
    }
    return (
        f"{OURS} is not first: {comparison.best_name_} is ahead of it by "
        f"{abs(row['difference']):.3f} in {measure_title(comparison.scoring_)}, "
        f"{luck[row['verdict']]} How its mix moved is drawn for a winner only; "
        "skadaptive.AdaptationDisplay.from_estimator draws it for any fitted one."
    )


def _decide(comparison, tuned):
    row = comparison.table.loc[comparison.best_name_]
    f1, at_half = row["mean_f1"], row["mean_f1_at_0.5"]
    shown = threshold_text(tuned)
    if round(f1, 3) > round(at_half, 3):
        text = (
            f"Decide at about {shown}, not at 0.5: F1 {f1:.3f} instead of "
            f"{at_half:.3f}."
        )
    else:
        text = (
            f"The tuned threshold, about {shown}, does not do better than 0.5 here: F1 "
            f"{f1:.3f} against {at_half:.3f}."
        )
    spread = comparison.scores("threshold")[comparison.best_name_]
    low, high = (threshold_text(v) for v in (spread.min(), spread.max()))
    if logit(np.clip(spread, 1e-9, 1 - 1e-9)).std() > 1:
        text += (
            f" It varies from {low} to {high} between the folds, so there are too few "
            "rare rows to know it well."
        )
    return text + (
        " F1 knows nothing of what mistakes cost. If you do, choose by the threshold "
        "section above; skadaptive.thresholds.expected_cost tunes for it."
    )


def evaluation_advice(evaluation, rows, can_choose):
    """What to do after an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
    rows : ScoredRows
    can_choose : bool
        Whether there are probabilities, and rows of both classes.

    Returns
    -------
    list of str
    """
    name, lines = evaluation.name, []
    row = evaluation.table.loc["average_precision"]
    if not np.isnan(row["low"]) and row["low"] <= rows.share:
        lines.append(
            f"Average precision is {row['value']:.3f}, the lower end of its interval "
            f"{row['low']:.3f}; drawing lots would give {rows.share:.3f}. These rows "
            f"do not show that {name} tells the classes apart. Do not use it yet."
        )
    if can_choose:
        lines.append(
            "If you know what a miss and a false alarm cost, choose the threshold by "
            "the section above; but one that was chosen on these rows looks better on "
            "them than it will be. skadaptive.thresholds.expected_cost tunes it in "
            "training."
        )
    if can_choose:
        wrong, _ = calibration_verdict(rows)
        if wrong:
            lines.append(
                "Do not take the probabilities at their word; wrap the classifier in "
                "sklearn.calibration.CalibratedClassifierCV. If the rare class has "
                "become more or less frequent since training, "
                "skadaptive.drift.adjust_to_prior puts them right."
            )
    n_rare = int(rows.y.sum())
    if n_rare < _FEW_RARE:
        lines.append(
            f"Gather more rare rows if you can: with {n_rare} the intervals are wide."
        )
    lines.append(
        "Judge it again when new labels come in, and look with skadaptive.drift "
        "whether the rows still resemble those of the training."
    )
    return lines
