"""The section on what drives the best contender, and on its most instructive rows."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .._messages import shortened
from .._typing import IntArray
from ..display import EffectDisplay, ImportanceDisplay
from ..explanation import Explanation
from .formatting import number, shown_decimals, threshold_text
from .source import Source
from .svg import Figure

if TYPE_CHECKING:
    from ..comparison import Comparison

# Predictions that the importances may take, so that they add seconds to a comparison.
_MOST_PREDICTIONS = 300_000
_LEAST_ROWS, _MOST_ROWS = 500, 5_000
_N_REPEATS = 5
_MOST_FEATURES = 1_000
# Groups in the figure and the table, effects, and reasons of a row.
_MOST_GROUPS, _N_EFFECTS, _N_REASONS = 12, 2, 5


def drivers(
    comparison: "Comparison", tuned: float, source: Source | None = None
) -> dict[str, Any] | None:
    """Importances, effects and instructive rows of the best contender.

    Parameters
    ----------
    comparison : Comparison
    tuned : float
        Threshold above which a row is predicted rare.
    source : Source, default=None
        It tells which rows of the file were compared.

    Returns
    -------
    dict or None
        ``failure``, a sentence, if there is no explanation. Otherwise ``rows``, a
        sentence about the explained rows; ``figure`` and ``table`` of the importances;
        ``effects``, pairs of a caption and a figure; ``instructive``, dicts of
        ``title``, ``text`` and ``reasons``; ``chosen``, a sentence on which rows these
        are. None if the best contender was not fitted, as after an interrupt.
    """
    if not hasattr(comparison, "best_"):
        return None
    n_features = comparison.n_features_in_
    if n_features > _MOST_FEATURES:
        return {
            "failure": f"The table has {n_features:,} features, and only up to "
            f"{_MOST_FEATURES:,} are explained here. In Python, "
            "skadaptive.explain has no such bound."
        }
    numbers = None if source is None else source.row_numbers
    if numbers is None:
        numbers = np.arange(1, len(comparison.y_) + 1)
    most = _MOST_PREDICTIONS // (_N_REPEATS * n_features)
    try:
        explanation, rows = comparison._explain(
            n_repeats=_N_REPEATS,
            max_samples=int(np.clip(most, _LEAST_ROWS, _MOST_ROWS)),
        )
        return {
            "failure": None,
            "rows": _rows_sentence(comparison, explanation, rows),
            "figure": _importance_figure(explanation),
            **_importance_table(explanation),
            "effects": _effects(explanation),
            "chosen": _chosen_sentence(explanation),
            "instructive": _instructive(
                comparison, explanation, rows, numbers[rows], tuned
            ),
        }
    # The folds are done, and may have taken hours: the page is written without it.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return {"failure": f"It could not be explained: {reason}"}


def _rows_sentence(
    comparison: "Comparison", explanation: Explanation, rows: Any
) -> str:
    n_rare = int(comparison.y_[rows].sum())
    counts = f"{len(rows):,} rows, {n_rare:,} of them {comparison.pos_label_}"
    score = f"average precision {explanation.score_:.3f}"
    scored = ""
    if explanation.n_scored_ < len(rows):
        scored = f", of which {explanation.n_scored_:,} were drawn for the importance"
    if explanation.rows_ == "out of fold":
        return (
            f"It is explained on {counts}{scored}. Each row went through the committee "
            f"members that had not trained on it ({score})."
        )
    return (
        "It was fitted once more, without the test rows of the last fold, and is "
        f"explained on these {counts}{scored} ({score})."
    )


def _chosen_sentence(explanation: Explanation) -> str:
    if explanation.rows_ == "out of fold":
        return (
            "They are the greatest mistakes of the committee that is explained, whose "
            "probabilities differ slightly from those of the sections above."
        )
    return (
        f"They are the greatest mistakes among the {len(explanation.proba_):,} rows "
        "of the last fold, which are explained; other folds may have greater ones."
    )


def _importance_figure(explanation: Explanation) -> Any:
    shown = explanation.importances_[:_MOST_GROUPS]
    with Figure("importance", (5.8, 1.1 + 0.28 * len(shown))) as drawing:
        ImportanceDisplay.from_explanation(
            explanation, ax=drawing.ax, max_groups=_MOST_GROUPS
        )
        drawing.ax.set_xlabel("loss of average precision, 95 % interval")
        drawing.ax.set_title("")
        rounded = shown[["importance", "low", "high"]].astype(float).round(3) + 0.0
        values = "; ".join(
            f"{name} {row.importance:.3f} ({row.low:.3f} to {row.high:.3f})"
            for name, row in zip(rounded.index, rounded.itertuples(), strict=True)
        )
        return drawing.svg(f"Permutation importance, greatest first: {values}.")


def _importance_table(explanation: Explanation) -> dict[str, Any]:
    """Rows of the table, and how many groups are left out of it."""
    table = explanation.importances_
    decimals = shown_decimals(table["importance"])
    rows = [
        {
            "name": name,
            "features": ", ".join(row["features"]) if len(row["features"]) > 1 else "",
            # Adding 0 turns -0.0 into 0.0.
            **{
                column: number(round(row[column], decimals) + 0.0, decimals)
                for column in ("importance", "low", "high")
            },
        }
        for name, row in table[:_MOST_GROUPS].iterrows()
    ]
    return {"table": rows, "left_out": len(table) - len(rows)}


def _effects(explanation: Explanation) -> list[tuple[str, Any]]:
    """Captions and figures of the feature with most effect in each of the first groups.

    Correlated features each have a part of the effect of their group.
    """
    effects = []
    for place, features in enumerate(explanation.importances_["features"][:_N_EFFECTS]):
        found = [
            explanation.effect(name)
            for name, columns in explanation.units_.items()
            if set(columns) <= set(features)
        ]
        # Most values of a free text occur once.
        found = [e for e in found if e.is_ordered or e.table["share"].sum() > 0.5]
        if not found:
            continue
        effect = max(found, key=lambda effect: np.ptp(effect.table["probability"]))
        name, proba = effect.feature, effect.table["probability"]
        with Figure(f"effect-{place}", (4.6, 3.4)) as drawing:
            EffectDisplay(effect=effect).plot(ax=drawing.ax)
            drawing.ax.set_xlabel(f"{shortened(name)}; bars: number of rows")
            svg = drawing.svg(
                f"Mean probability by {name}: from {proba.min():.3f} to "
                f"{proba.max():.3f}."
            )
        others = "; the features shuffled together with it keep theirs"
        effects.append(
            (
                f"Mean probability if all rows had this value of {name}"
                f"{others if len(found) > 1 else ''}.",
                svg,
            )
        )
    return effects


def _instructive(
    comparison: "Comparison",
    explanation: Explanation,
    rows: IntArray,
    numbers: IntArray,
    tuned: float,
) -> list[dict[str, Any]]:
    """The surest false alarm and the worst miss, with their reasons."""
    rare = comparison.y_[rows] == 1
    held_out = explanation._model.held_out
    usable = np.ones(len(rows), dtype=bool) if held_out is None else held_out
    proba, label = explanation.proba_, comparison.pos_label_
    where = "" if explanation.rows_ == "out of fold" else " in the last fold"
    cases = []
    for is_rare in (False, True):
        candidates = np.flatnonzero((rare == is_rare) & usable)
        if not len(candidates):
            continue
        sign = 1 if is_rare else -1
        row = candidates[np.argmin(sign * proba[candidates])]
        is_wrong = (proba[row] > tuned) != is_rare
        error = "miss" if is_rare else "false alarm"
        kind = "worst" if is_rare else "surest"
        contributions = explanation.contributions([row])
        reasons = contributions.reasons(_N_REASONS).iloc[0]
        base = 1 / (1 + np.exp(-contributions.base_.iloc[0]))
        cases.append(
            {
                "title": (
                    f"The {kind} {error}" if is_wrong else f"Closest to a {error}"
                )
                + where,
                "text": f"Row {numbers[row]:,} of the table is "
                f"{'' if is_rare else 'not '}{label}, and has the probability "
                f"{_probability(proba[row])}; a typical row has "
                f"{_probability(base)}.",
                "reasons": [reason for reason in reasons if reason],
            }
        )
    return cases


def _probability(value: float) -> str:
    return threshold_text(value) if value >= 1e-4 else "less than 0.0001"
