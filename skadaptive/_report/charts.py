"""The figures of a report, each with a description and, where it has one, a table.

``counts`` and ``costs`` are those of ``_assessment.threshold_counts``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import precision_recall_curve, roc_curve

from .._assessment.measures import measure_title
from .._assessment.response import unwrap
from .._assessment.threshold_counts import (
    ScoredRows,
    calibration_bins,
    calibration_verdict,
    cost_by_threshold,
    cost_ceiling,
    label_scores,
    least_cost_thresholds,
)
from .._messages import shortened
from .._typing import FloatArray
from ..adaptation import TERM_TITLES
from ..classifier import AdaptiveHybridClassifier
from ..contenders import OURS
from ..display import AdaptationDisplay
from .formatting import amount, capital, join_names, number, threshold_text
from .svg import DASHES, MUTED, PALETTE, TEXT, Figure, legend_below

if TYPE_CHECKING:
    from markupsafe import Markup

    from ..comparison import Comparison
    from ..evaluation import Evaluation

# More curves than this cannot be told apart in one figure.
_MAX_CURVES = 6
_BEST_CURVES = 4
_N_THRESHOLDS = 200
# Thresholds outside these change little, unless a rare row is there.
_LEAST, _GREATEST = 1e-3, 1 - 1e-3
_RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_TICKS = (1e-5, 1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
# Lines of the marked thresholds, of which there are up to three.
_MARK_DASHES = (":", "--", (0, (8, 2, 1, 2)))
# Guards comparisons of a recall with a sum of weights against rounding.
_ROUNDING = 1e-12


# ------------------------------------------------------------------------------ ranking


def ranking_figure(comparison: "Comparison") -> "Markup":
    """Mean score of each contender, with its interval."""
    intervals = comparison.intervals()
    with Figure("ranking", (5.8, 1 + 0.26 * len(intervals))) as drawing:
        comparison.plot(ax=drawing.ax)
        drawing.ax.set_ylim(-0.6, len(intervals) - 0.4)
        means = "; ".join(
            f"{name} {row['mean']:.3f}"
            + (
                ""
                if np.isnan(row["low"])
                else f" ({row['low']:.3f} to {row['high']:.3f})"
            )
            for name, row in intervals.iterrows()
        )
        return drawing.svg(
            f"Mean {measure_title(comparison.scoring_)} with 95 % intervals, best "
            f"first: {means}."
        )


# ----------------------------------------------------------------- precision and recall


def curves_figure(comparison: "Comparison") -> dict[str, Any]:
    """Mean precision-recall curves, and the names of those with a band."""
    from sklearn.metrics import PrecisionRecallDisplay

    grid = np.linspace(0, 1, 101)
    shown, descriptions = _curves_shown(comparison), []
    # More than three bands hide each other: the first, the last and ours get one.
    banded = {shown[0], shown[-1], OURS} if len(shown) > 3 else set(shown)
    table = comparison.table["mean_average_precision"]
    with Figure("curves", (5, 4.7 + 0.2 * len(shown))) as drawing:
        for i, name in enumerate(shown):
            curves = _curves(comparison, name, grid)
            mean, spread = curves.mean(axis=0), curves.std(axis=0)
            PrecisionRecallDisplay(mean[::-1], grid[::-1]).plot(ax=drawing.ax)
            drawing.ax.lines[-1].set(
                color=PALETTE[i],
                linestyle=DASHES[i],
                label=f"{shortened(name, 48)}, {table[name]:.3f}",
            )
            precisions = ", ".join(
                f"{mean[round(100 * recall)]:.2f} at {recall}"
                for recall in (0.5, 0.8, 0.9)
            )
            descriptions.append(
                f"{name} {precisions} (average precision {table[name]:.3f})"
            )
            if name not in banded:
                continue
            drawing.ax.fill_between(
                grid,
                np.clip(mean - spread, 0, 1),
                np.clip(mean + spread, 0, 1),
                step="pre",
                color=PALETTE[i],
                alpha=0.13,
                linewidth=0,
            )
        prevalence = np.average(comparison.y_, weights=comparison.sample_weight_)
        _finish_curves(drawing, prevalence)
        figure = drawing.svg(
            f"Precision against recall, mean over {len(comparison.test_folds_)} folds. "
            f"Precision at recall: {'; '.join(descriptions)}; chance level "
            f"{prevalence:.3f}."
        )
    return {
        "svg": figure,
        "banded": join_names(name for name in shown if name in banded),
    }


def _curves_shown(comparison: "Comparison") -> list[str]:
    """The best contenders, ours, and a logistic regression or else the last."""
    names = list(comparison.table.index)
    if len(names) <= _MAX_CURVES:
        return names
    baseline = [name for name in names if "logistic" in name.lower()] or names[-1:]
    shown = {*names[:_BEST_CURVES], OURS, baseline[0]}
    return [name for name in names if name in shown]


def _curves(comparison: "Comparison", name: str, grid: FloatArray) -> FloatArray:
    """Precision at each recall of a grid, fold by fold, (n_folds, n_grid).

    The precision at a recall is that of the greatest threshold that reaches it, as in
    the sum that is average precision.
    """
    proba = comparison.out_of_fold_[name].to_numpy()
    weight = comparison.sample_weight_
    curves = []
    for test in comparison.test_folds_:
        rows = ScoredRows(
            comparison.y_[test], proba[test], None if weight is None else weight[test]
        )
        precision, recall, _ = precision_recall_curve(
            rows.y, rows.proba, sample_weight=rows.weight
        )
        recall, precision = recall[::-1], precision[::-1]  # now rising
        places = np.searchsorted(recall, grid - _ROUNDING)
        curves.append(precision[np.minimum(places, len(recall) - 1)])
    return np.array(curves)


def _finish_curves(drawing: Figure, prevalence: float) -> None:
    """Add labels, the chance level and a legend."""
    label = f"chance level, {prevalence:.3f}"
    drawing.ax.axhline(prevalence, linestyle=":", color=MUTED, label=label)
    drawing.ax.set(xlabel="recall", ylabel="precision", ylim=(-0.01, 1.03))
    legend_below(drawing)


def evaluation_curves(
    evaluation: "Evaluation", rows: ScoredRows
) -> "list[tuple[str, Markup]]":
    """Captions and figures of the precision-recall and the ROC curve."""
    from sklearn.metrics import PrecisionRecallDisplay

    value = evaluation.table["value"]
    precision, recall, _ = precision_recall_curve(
        rows.y, rows.proba, sample_weight=rows.weight
    )
    with Figure("precision-recall", (5, 5)) as drawing:
        PrecisionRecallDisplay(precision, recall).plot(ax=drawing.ax)
        drawing.ax.lines[-1].set(color=PALETTE[0], label=shortened(evaluation.name, 48))
        _finish_curves(drawing, rows.share)
        precisions = ", ".join(
            f"{precision[recall >= least - _ROUNDING].max():.2f} at recall {least}"
            for least in (0.5, 0.8, 0.9)
        )
        precision_recall = drawing.svg(
            f"Precision against recall: greatest precision {precisions}. Average "
            f"precision {value['average_precision']:.3f}, chance level "
            f"{rows.share:.3f}."
        )
    fpr, tpr, _ = roc_curve(rows.y, rows.proba, sample_weight=rows.weight)
    with Figure("roc", (5, 5)) as drawing:
        # RocCurveDisplay of scikit-learn 1.6 warns where a curve has no name.
        drawing.ax.plot(
            fpr, tpr, color=PALETTE[0], label=shortened(evaluation.name, 48)
        )
        drawing.ax.plot([0, 1], [0, 1], ":", color=MUTED, label="chance level")
        drawing.ax.set(xlabel="false positive rate", ylabel="recall", aspect="equal")
        drawing.ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        drawing.ax.legend(loc="lower right")
        recalls = ", ".join(
            f"{np.interp(rate, fpr, tpr):.2f} at {rate:.0%}" for rate in (0.01, 0.1)
        )
        roc = drawing.svg(
            "ROC curve, recall against the false positive rate: recall "
            f"{recalls}. ROC AUC {value['roc_auc']:.3f}."
        )
    return [
        ("Precision and recall at every threshold.", precision_recall),
        (
            "ROC curve: recall against the false positive rate, the share of other "
            "rows that are predicted rare.",
            roc,
        ),
    ]


# -------------------------------------------------------------------------- thresholds


def threshold(
    rows: ScoredRows, marks: dict[str, float], costs: dict[str, float]
) -> dict[str, Any]:
    """Figure, table and data of the section on thresholds.

    Parameters
    ----------
    rows : ScoredRows
    marks : dict of str to float
        Thresholds to mark, beside 0.5, by name.
    costs : dict of float
        ``miss`` and ``alarm``.

    Returns
    -------
    dict
        ``figure``; ``table``, rows as dicts of text and an ``index``; ``start``, the
        row that is shown first; ``least``, that of the least cost, ``helps``, whether
        it is less than that of both ``constant`` predictions, which are rows, too;
        ``buttons``, pairs of an index and a text; ``last``, the greatest index;
        ``costs`` as text; ``data``, from which the script computes.
    """
    by_text = _marks_by_text(marks)
    grid = _grid(rows, [value for _, value in by_text.values()])
    thresholds, texts = np.array(list(grid.shown)), list(grid.shown.values())
    counts = rows.counts(thresholds)
    marked = {
        int(np.argmin(np.abs(thresholds - value))): names
        for names, value in by_text.values()
    }
    reasons = {
        i: [*(["the default"] if texts[i] == "0.5" else []), *names]
        for i, names in marked.items()
    }
    for recall in _RECALLS:
        (reaching,) = np.nonzero(
            counts["tp"] >= recall * counts["rare"] * (1 - _ROUNDING)
        )
        if reaching.size:
            reasons.setdefault(int(reaching[-1]), []).append(f"recall of {recall:.0%}")
    cost = cost_by_threshold(counts, costs)
    least = _least_cost_index(cost, grid.optimal)
    constant = rows.constant_counts()
    constant_cost = cost_by_threshold(constant, costs)
    start = list(marked)[-1]
    figure, positions = _threshold_figure(counts, marked, costs, start, grid.ends)

    def row(i: int) -> dict[str, Any]:
        made = _threshold_row(counts, i, costs)
        return {**made, "threshold": texts[i], "index": i}

    return {
        "figure": figure,
        "table": [{**row(i), "reason": ", ".join(reasons[i])} for i in sorted(reasons)],
        "start": row(start),
        "least": row(least),
        "helps": bool(cost[least] < constant_cost.min() * (1 - _ROUNDING)),
        "constant": {
            name: _threshold_row(constant, i, costs)
            for i, name in enumerate(("all", "none"))
        },
        "cheaper": "all rows" if constant_cost[0] < constant_cost[1] else "no row",
        "buttons": [
            (i, f"{capital(' and '.join(names))}: {texts[i]}" if names else texts[i])
            for i, names in marked.items()
        ],
        "last": len(thresholds) - 1,
        "costs": {name: f"{value:g}" for name, value in costs.items()},
        "data": {
            **{name: np.asarray(value).tolist() for name, value in counts.items()},
            "shown": texts,
            "optimal": grid.optimal,
            **positions,
        },
    }


@dataclass(frozen=True)
class _Grid:
    """Thresholds of a page.

    Attributes
    ----------
    shown : dict of float to str
        The thresholds, rising, as text.
    optimal : list of int
        Places of those that ``predict --costs`` takes for some costs.
    ends : ndarray of shape (2,)
        Log-odds of the ends of the axis, where thresholds beyond are drawn.
    """

    shown: dict[float, str]
    optimal: list[int]
    ends: FloatArray


def _marks_by_text(marks: dict[str, float]) -> dict[str, tuple[list[str], float]]:
    """Names and value of each marked threshold, the last of those given at the end.

    0.5 comes first. Those that look the same on the page are one, with the last value.
    """
    by_text: dict[str, tuple[list[str], float]] = {"0.5": ([], 0.5)}
    for name, value in marks.items():
        text = threshold_text(value)
        names, _ = by_text.pop(text, ([], 0.0))
        by_text[text] = [*names, name], value
    return by_text


def _grid(rows: ScoredRows, marked: list[float]) -> _Grid:
    """Thresholds at even steps of their log-odds, the marked and the optimal ones."""
    rare = rows.proba[rows.y == 1]
    least = max(rare.min(), min(_LEAST, rows.share / 10))
    greatest = min(rows.proba.max(), _GREATEST)
    least, greatest = min(least, *marked), max(greatest, *marked)
    edge = 1e-9
    ends = logit(np.clip([least, greatest], edge, 1 - edge)) + [-0.1, 0.1]
    steps = expit(np.linspace(ends[0], ends[1], _N_THRESHOLDS))
    optimal = least_cost_thresholds(rows)
    # Thresholds are rounded to what the page shows, so that its counts are those of
    # the number that a reader takes from it. The marked ones stay exact.
    exact = {m: threshold_text(m) for m in marked if 0 < m < 1}
    exact |= {value: f"{value}" for value in optimal}
    rounded = {threshold_text(value) for value in steps} - set(exact.values())
    shown = dict(sorted(({float(text): text for text in rounded} | exact).items()))
    places = {value: i for i, value in enumerate(shown)}
    return _Grid(shown, [places[value] for value in optimal], ends)


def _least_cost_index(cost: FloatArray, optimal: list[int]) -> int:
    """Place of the least cost, at an optimal threshold if that is one.

    It is none where predicting all rows alike is best. The script of the page does the
    same.
    """
    best = min(optimal, key=lambda i: cost[i], default=0)
    return best if cost[best] <= cost.min() else int(np.argmin(cost))


def _threshold_row(
    counts: dict[str, Any], index: int, costs: dict[str, float]
) -> dict[str, str]:
    """Scores, counts and cost at one threshold, as text."""
    precision, recall, f1 = (scores[index] for scores in label_scores(counts))
    per_1000 = 1000 / (counts["rare"] + counts["other"])
    return {
        "threshold": threshold_text(counts["thresholds"][index]),
        "precision": number(precision),
        "recall": number(recall),
        "f1": number(f1),
        "alarms": amount(per_1000 * (counts["tp"][index] + counts["fp"][index])),
        "missed": amount(per_1000 * (counts["rare"] - counts["tp"][index])),
        "cost": amount(cost_by_threshold(counts, costs)[index]),
    }


def _threshold_figure(
    counts: dict[str, Any],
    marked: dict[int, list[str]],
    costs: dict[str, float],
    start: int,
    ends: FloatArray,
) -> "tuple[Markup, dict[str, list[float]]]":
    """Scores and cost by threshold, and the positions that the script needs.

    Returns
    -------
    svg : Markup
    positions : dict
        ``x``, horizontal position of each threshold, and ``y``, vertical positions of
        cost 0 and of the top of the lower panel, in units of the SVG element. With
        them the script moves the line of the threshold and redraws the costs.
    """
    thresholds, cost = counts["thresholds"], cost_by_threshold(counts, costs)
    x = np.clip(logit(thresholds), *ends)
    precision, recall, f1 = label_scores(counts)
    with Figure(
        "threshold", (5, 5.2), nrows=2, sharex=True, height_ratios=[3, 1.3]
    ) as drawing:
        top, bottom = drawing.ax
        lines = {"precision": precision, "recall": recall, "F1": f1}
        for i, (name, values) in enumerate(lines.items()):
            top.plot(x, values, DASHES[i], color=PALETTE[i], label=name)
        for (i, names), dash in zip(marked.items(), _MARK_DASHES, strict=False):
            label = ", ".join([" and ".join(names), threshold_text(thresholds[i])])
            style = {"color": MUTED, "linestyle": dash, "linewidth": 1.2}
            top.axvline(x[i], label=label.removeprefix(", "), **style)
            bottom.axvline(x[i], **style)
        top.set(ylabel="score", ylim=(-0.02, 1.03))
        handles, labels = top.get_legend_handles_labels()
        # Matplotlib fills columns: so the curves make a row, and the marks the next.
        order = [i for column in range(3) for i in (column, column + 3)]
        order = [i for i in order if i < len(handles)]
        drawing.figure.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="outside upper center",
            ncols=3,
        )
        ceiling = cost_ceiling(counts, costs, cost)
        bottom.plot(x, cost / ceiling, color=PALETTE[3], gid="cost")
        bottom.set(
            ylabel="cost per\n1,000 rows",
            xlabel="threshold (logit scale)",
            ylim=(0, 1),
        )
        bottom.set_yticks([0, 1], ["0", amount(ceiling)])
        bottom.get_yticklabels()[1].set_gid("ceiling")
        low, high = x[0], x[-1]
        ticks = [tick for tick in _TICKS if low <= logit(tick) <= high]
        bottom.set_xticks(logit(ticks), [f"{tick:g}" for tick in ticks])
        for i, ax in enumerate((bottom, top)):
            ax.set_xlim(low, high)
            ax.axvline(x[start], color=TEXT, linewidth=1.4, gid=f"cursor-{i}")
        scores = "; ".join(
            f"at {threshold_text(thresholds[i])} precision {number(precision[i])}, "
            f"recall {recall[i]:.3f}, F1 {f1[i]:.3f}"
            for i in marked
        )
        drawing.figure.draw_without_rendering()
        # The reader may change the costs, and the text stays as it is.
        svg = drawing.svg(
            f"Precision, recall, F1 and cost by threshold: {scores}. The least cost is "
            f"{amount(cost.min())} per 1,000 rows, at {costs['miss']:g} for a miss and "
            f"{costs['alarm']:g} for a false alarm."
        )
        # The layout is final now. SVG measures points from the top left.
        height = 72 * drawing.figure.get_size_inches()[1]
        across = bottom.transData.transform(np.c_[x, np.zeros_like(x)])[:, 0]
        up = bottom.transData.transform([(0, 0), (0, 1)])[:, 1]
    return svg, {
        "x": np.round(across, 2).tolist(),
        "y": np.round(height - up, 2).tolist(),
    }


# -------------------------------------------------------------------------- calibration


def calibration(rows: ScoredRows, name: str) -> dict[str, Any]:
    """Figure, table and verdict of the section on calibration."""
    from sklearn.calibration import CalibrationDisplay

    bins = calibration_bins(rows)
    with Figure("calibration", (5, 4.6)) as drawing:
        CalibrationDisplay(
            bins["observed"].to_numpy(), bins["predicted"].to_numpy(), rows.proba
        ).plot(ax=drawing.ax, name=name, color=PALETTE[0], markersize=5)
        drawing.ax.set(
            xlabel="mean predicted probability", ylabel="observed share of rare rows"
        )
        legend_below(drawing)
        points = "; ".join(
            f"predicted {row.predicted:.3f}, observed {row.observed:.3f}"
            for row in bins.itertuples()
        )
        figure = drawing.svg(
            f"Observed share of rare rows against predicted probability: {points}."
        )
    table = [
        {
            "range": f"{threshold_text(row.low)} to {threshold_text(row.high)}",
            "rows": f"{row.rows:,}",
            "predicted": number(row.predicted),
            "observed": number(row.observed),
        }
        for row in bins.itertuples()
    ]
    return {"figure": figure, "table": table, "verdict": calibration_verdict(rows)[1]}


# --------------------------------------------------------------------------- adaptation


def adaptation(comparison: "Comparison") -> dict[str, Any] | None:
    """Loss weights and score by epoch, if the best contender adapts; otherwise None."""
    layers = unwrap(getattr(comparison, "best_", None))
    adaptive = (
        layer for layer in layers if isinstance(layer, AdaptiveHybridClassifier)
    )
    classifier = next(adaptive, None)
    if classifier is None:
        return None
    history, epoch = classifier.history_, classifier.best_epoch_

    def loss_weights(index: int) -> str:
        return ", ".join(
            f"{title} {history[f'weight_{term}'][index]:.2f}"
            for term, title in TERM_TITLES.items()
        )

    text = (
        f"Training ran for {classifier.n_iter_} epochs and kept the network parameters "
        f"of epoch {epoch}. Loss weights in the first epoch: {loss_weights(0)}; in "
        f"epoch {epoch}: {loss_weights(epoch - 1)}."
    )
    if np.isfinite(classifier.best_score_):
        text += (
            f" The score on held-out rows was {history['score'][0]:.3f} after the "
            f"first epoch and {classifier.best_score_:.3f} after epoch {epoch}."
        )
    with Figure("adaptation", (5, 4.2)) as drawing:
        AdaptationDisplay.from_estimator(classifier, ax=drawing.ax)
        figure = drawing.svg(f"Loss weights and score by epoch. {text}")
    return {"figure": figure, "caption": text}
