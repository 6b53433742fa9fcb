"""The parts of a report that are drawn: a figure, and what it says in words and tables.

``counts`` and ``costs`` are those of ``_assessment.threshold_counts``.
"""

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import precision_recall_curve

from .._assessment.measures import measure_title
from .._assessment.response import unwrap
from .._assessment.threshold_counts import (
    ScoredRows,
    calibration_bins,
    calibration_verdict,
    cost_by_threshold,
    cost_ceiling,
    label_scores,
)
from ..adaptation import TERM_TITLES
from ..classifier import AdaptiveHybridClassifier
from ..contenders import OURS
from ..display import AdaptationDisplay
from .formatting import amount, capital, join_names, number, threshold_text
from .svg import DASHES, MUTED, PALETTE, TEXT, Figure, legend_below

# Curves that can still be told apart in one figure.
_MAX_CURVES = 6
_BEST_CURVES = 4
_N_THRESHOLDS = 200
# Thresholds outside of these change next to nothing, unless a rare row is there.
_LEAST, _GREATEST = 1e-3, 1 - 1e-3
_RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_TICKS = (1e-5, 1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


# ------------------------------------------------------------------------------ ranking


def ranking_figure(comparison):
    found = comparison.intervals()
    scoring = measure_title(comparison.scoring_)
    with Figure("ranking", (5.8, 1 + 0.26 * len(found))) as drawing:
        comparison.plot(ax=drawing.ax)
        drawing.ax.set_ylim(-0.6, len(found) - 0.4)
        words = "; ".join(
            f"{name} {row['mean']:.3f}"
            + (
                ""
                if np.isnan(row["low"])
                else f" ({row['low']:.3f} to {row['high']:.3f})"
            )
            for name, row in found.iterrows()
        )
        return drawing.svg(
            f"Mean {scoring} with 95 % intervals, the best first: {words}."
        )


# ----------------------------------------------------------------- precision and recall


def _curves_shown(comparison):
    """The best, ours, and one that anybody would have used."""
    names = list(comparison.table.index)
    if len(names) <= _MAX_CURVES:
        return names
    shown = names[:_BEST_CURVES]
    plain = [name for name in names if "logistic" in name.lower()] or names[-1:]
    shown += [name for name in (OURS, plain[0]) if name in names]
    return [name for name in names if name in shown]


def _curves(comparison, name, grid):
    """Precision at each recall of a grid, fold by fold, (n_folds, n_grid).

    At a recall stands the precision of the greatest threshold that reaches it, the
    step that average precision sums up.
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
        at = np.searchsorted(recall, grid - 1e-12)
        curves.append(precision[np.minimum(at, len(recall) - 1)])
    return np.array(curves)


def curves_figure(comparison):
    from sklearn.metrics import PrecisionRecallDisplay

    grid = np.linspace(0, 1, 101)
    shown, said = _curves_shown(comparison), []
    # More bands than three hide each other: the first, the last and ours.
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
                label=f"{name}, {table[name]:.3f}",
            )
            said.append(_curve_words(name, mean, table[name]))
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
        share = np.average(comparison.y_, weights=comparison.sample_weight_)
        _finish_curves(drawing, share)
        figure = drawing.svg(
            f"Precision against recall, mean over {len(comparison.test_folds_)} folds. "
            f"Precision at recall: {'; '.join(said)}; drawing lots {share:.3f}."
        )
    return {
        "svg": figure,
        "banded": join_names(name for name in shown if name in banded),
    }


def _curve_words(name, mean, average_precision):
    at = ", ".join(f"{mean[round(100 * r)]:.2f} at {r}" for r in (0.5, 0.8, 0.9))
    return f"{name} {at} (average precision {average_precision:.3f})"


def _finish_curves(drawing, share):
    """Labels, a legend, and the line of drawing lots."""
    ax = drawing.ax
    ax.axhline(share, linestyle=":", color=MUTED, label=f"drawing lots, {share:.3f}")
    ax.set(xlabel="recall", ylabel="precision", ylim=(-0.01, 1.03))
    legend_below(drawing)


def evaluation_curves(evaluation, rows):
    from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay, roc_curve

    value = evaluation.table["value"]
    precision, recall, _ = precision_recall_curve(
        rows.y, rows.proba, sample_weight=rows.weight
    )
    with Figure("precision-recall", (5, 5)) as drawing:
        PrecisionRecallDisplay(precision, recall).plot(ax=drawing.ax)
        drawing.ax.lines[-1].set(color=PALETTE[0], label=evaluation.name)
        _finish_curves(drawing, rows.share)
        at = [(r, precision[recall >= r - 1e-12].max()) for r in (0.5, 0.8, 0.9)]
        words = ", ".join(f"{p:.2f} at recall {r}" for r, p in at)
        curve = drawing.svg(
            f"Precision against recall: at best {words}. Average precision "
            f"{value['average_precision']:.3f}; drawing lots, {rows.share:.3f}."
        )
    fpr, tpr, _ = roc_curve(rows.y, rows.proba, sample_weight=rows.weight)
    with Figure("roc", (5, 5)) as drawing:
        name = "true against false alarms"
        RocCurveDisplay(fpr=fpr, tpr=tpr).plot(ax=drawing.ax, name=name)
        drawing.ax.lines[-1].set(color=PALETTE[0], label=name)
        drawing.ax.plot([0, 1], [0, 1], ":", color=MUTED, label="drawing lots")
        drawing.ax.set(xlabel="share of other rows with an alarm", ylabel="recall")
        drawing.ax.legend(loc="lower right")
        at = ", ".join(f"{np.interp(x, fpr, tpr):.2f} at {x:.0%}" for x in (0.01, 0.1))
        roc = drawing.svg(
            "Recall against the share of other rows with an alarm, ROC curve: recall "
            f"{at}. ROC AUC {value['roc_auc']:.3f}."
        )
    return [
        ("Precision and recall at every threshold.", curve),
        ("ROC curve: rare rows found against other rows with an alarm.", roc),
    ]


# -------------------------------------------------------------------------- thresholds


def _grid(rows, marks):
    """Thresholds at even steps of their log-odds, and the marked ones."""
    rare, marked = rows.proba[rows.y == 1], [0.5, *marks.values()]
    least = max(rare.min(), min(_LEAST, rows.share / 10))
    greatest = min(rows.proba.max(), _GREATEST)
    least, greatest = min(least, *marked), max(greatest, *marked)
    edge = 1e-9
    ends = logit(np.clip([least, greatest], edge, 1 - edge)) + [-0.1, 0.1]
    steps = expit(np.linspace(*ends, _N_THRESHOLDS))
    # Those that are shown are those that are meant.
    meant = {threshold_text(value) for value in marked}
    shown = {threshold_text(value) for value in steps} - meant
    return np.unique([*map(float, shown), *(m for m in marked if 0 < m < 1)])


def threshold(rows, marks, costs):
    """Everything that the page knows about thresholds.

    Parameters
    ----------
    rows : ScoredRows
    marks : dict of str to float
        Thresholds to mark, beside 0.5.
    costs : dict of float
        ``miss`` and ``alarm``.

    Returns
    -------
    dict
        ``figure``; ``table``, rows as dicts of text; ``data``, what the script
        computes from; ``start``, the row that is shown first; ``buttons``.
    """
    thresholds = _grid(rows, marks)
    tp, fp = rows.above(thresholds)
    rare, other = (float(rows.weight[rows.y == label].sum()) for label in (1, 0))
    counts = {
        "thresholds": thresholds,
        "tp": tp,
        "fp": fp,
        "rare": rare,
        "other": other,
    }
    marked = {
        name: int(np.argmin(np.abs(thresholds - value)))
        for name, value in {"0.5": 0.5, **marks}.items()
    }
    wanted = {at: [] for at in sorted(set(marked.values()))}
    for name, at in marked.items():
        wanted[at].append("the default" if name == "0.5" else f"{name}")
    for recall in _RECALLS:
        (enough,) = np.nonzero(tp >= recall * rare * (1 - 1e-12))
        if enough.size:
            wanted.setdefault(int(enough[-1]), []).append(f"recall of {recall:.0%}")
    table = [
        {"why": ", ".join(wanted[at]), **_at(counts, at, costs)}
        for at in sorted(wanted)
    ]
    start = next(reversed(marked.values()))
    figure, places = _threshold_figure(counts, marked, costs, start)
    return {
        "figure": figure,
        "table": table,
        "start": {"at": start, **_at(counts, start, costs)},
        "least": threshold_text(
            thresholds[np.argmin(cost_by_threshold(counts, costs))]
        ),
        "buttons": [
            (
                at,
                "0.5" if name == "0.5" else f"{capital(name)}: {_text(thresholds, at)}",
            )
            for name, at in marked.items()
        ],
        "last": len(thresholds) - 1,
        "costs": {name: f"{value:g}" for name, value in costs.items()},
        "data": {
            **{name: np.asarray(value).tolist() for name, value in counts.items()},
            "shown": [threshold_text(value) for value in thresholds],
            **places,
        },
    }


def _text(thresholds, at):
    return threshold_text(thresholds[at])


def _at(counts, at, costs):
    """What one threshold leads to, as text."""
    precision, recall, f1 = (scores[at] for scores in label_scores(counts))
    per = 1000 / (counts["rare"] + counts["other"])
    return {
        "threshold": _text(counts["thresholds"], at),
        "precision": number(precision),
        "recall": number(recall),
        "f1": number(f1),
        "alarms": amount(per * (counts["tp"][at] + counts["fp"][at])),
        "missed": amount(per * (counts["rare"] - counts["tp"][at])),
        "cost": amount(cost_by_threshold(counts, costs)[at]),
    }


def _threshold_figure(counts, marked, costs, start):
    """Scores and cost by threshold, and where things are in it.

    Returns
    -------
    svg : Markup
    places : dict
        ``x``, horizontal place of each threshold, and ``y``, vertical places of cost 0
        and of the top of the panel, in units of the drawing: the script moves the line
        and draws the costs anew.
    """
    thresholds, cost = counts["thresholds"], cost_by_threshold(counts, costs)
    x = logit(thresholds)
    precision, recall, f1 = label_scores(counts)
    shape = {"nrows": 2, "sharex": True, "height_ratios": [3, 1.3]}
    with Figure("threshold", (5, 5.2), shape) as drawing:
        top, bottom = drawing.ax
        lines = {"precision": precision, "recall": recall, "F1": f1}
        for i, (name, values) in enumerate(lines.items()):
            top.plot(x, values, DASHES[i], color=PALETTE[i], label=name)
        for i, (name, at) in enumerate(marked.items()):
            text = name if name == "0.5" else f"{name}, {_text(thresholds, at)}"
            style = {"color": MUTED, "linestyle": (":", "--")[i > 0], "linewidth": 1.2}
            top.axvline(x[at], label=text, **style)
            bottom.axvline(x[at], **style)
        top.set(ylabel="score", ylim=(-0.02, 1.03))
        handles, labels = top.get_legend_handles_labels()
        drawing.figure.legend(
            handles, labels, loc="outside upper center", ncols=len(handles) // 5 + 4
        )
        ceiling = cost_ceiling(counts, costs, cost)
        bottom.plot(x, cost / ceiling, color=PALETTE[3], gid="cost")
        bottom.set(
            ylabel="cost per\n1,000 rows",
            xlabel="threshold (steps of log-odds)",
            ylim=(0, 1),
            yticks=[0, 1],
        )
        bottom.set_yticks([0, 1], ["0", amount(ceiling)])
        bottom.get_yticklabels()[1].set_gid("ceiling")
        low, high = x[0], x[-1]
        ticks = [t for t in _TICKS if low <= logit(t) <= high]
        bottom.set_xticks(logit(ticks), [f"{t:g}" for t in ticks])
        for ax in drawing.ax:
            ax.set_xlim(low, high)
            ax.axvline(x[start], color=TEXT, linewidth=1.4, gid=f"cursor-{ax is top:d}")
        drawing.figure.draw_without_rendering()
        found = ", ".join(
            f"at {_text(thresholds, at)} precision {number(precision[at])}, recall "
            f"{recall[at]:.3f}, F1 {f1[at]:.3f}"
            for at in dict.fromkeys(marked.values())
        )
        least = int(np.argmin(cost))
        words = (
            f"Precision, recall, F1 and cost by threshold: {found}. The cost is least "
            f"at {_text(thresholds, least)}, {amount(cost[least])} per 1,000 rows."
        )
        svg = drawing.svg(words)
        # Points from the top left; the figure is laid out by now.
        height = 72 * drawing.figure.get_size_inches()[1]
        across = bottom.transData.transform(np.c_[x, np.zeros_like(x)])[:, 0]
        up = bottom.transData.transform([(0, 0), (0, 1)])[:, 1]
    return svg, {
        "x": np.round(across, 2).tolist(),
        "y": np.round(height - up, 2).tolist(),
    }


# -------------------------------------------------------------------------- calibration


def calibration(rows, name):
    """Figure, table and a verdict."""
    from sklearn.calibration import CalibrationDisplay

    bins = calibration_bins(rows)
    with Figure("calibration", (5, 4.6)) as drawing:
        CalibrationDisplay(
            bins["observed"].to_numpy(), bins["predicted"].to_numpy(), rows.proba
        ).plot(ax=drawing.ax, name=name, color=PALETTE[0], markersize=5)
        drawing.ax.set(xlabel="mean predicted probability", ylabel="share of rare rows")
        legend_below(drawing)
        words = "; ".join(
            f"predicted {p:.3f}, observed {o:.3f}"
            for p, o in zip(bins["predicted"], bins["observed"], strict=True)
        )
        figure = drawing.svg(
            f"Share of rare rows against predicted probability: {words}."
        )
    table = [
        {
            "range": f"{threshold_text(b.low)} to {threshold_text(b.high)}",
            "rows": f"{b.rows:,}",
            "predicted": number(b.predicted),
            "observed": number(b.observed),
        }
        for b in bins.itertuples()
    ]
    return {"figure": figure, "table": table, "words": calibration_verdict(rows)[1]}


# --------------------------------------------------------------------------- adaptation


def adaptation(comparison):
    """How the mix moved, if the winner is ours; otherwise None."""
    classifier = _adaptive(getattr(comparison, "best_", None))
    if classifier is None:
        return None
    history, epoch = classifier.history_, classifier.best_epoch_

    def mix(at):
        return ", ".join(
            f"{title} {history[f'weight_{term}'][at]:.2f}"
            for term, title in TERM_TITLES.items()
        )

    words = (
        f"Training ran for {classifier.n_iter_} epochs; the weights of epoch {epoch} "
        f"were kept. The mix began at {mix(0)}, and was {mix(epoch - 1)} in the epoch "
        "that was kept."
    )
    if np.isfinite(classifier.best_score_):
        words += (
            f" The score of the rows held out was {history['score'][0]:.3f} after the "
            f"first epoch, {classifier.best_score_:.3f} in the one that was kept."
        )
    with Figure("adaptation", (5, 4.2)) as drawing:
        AdaptationDisplay.from_estimator(classifier, ax=drawing.ax)
        figure = drawing.svg(f"Mix of the losses and score by epoch. {words}")
    return {"figure": figure, "words": words}


def _adaptive(estimator):
    """The AdaptiveHybridClassifier that an estimator is or ends in, or None."""
    if estimator is None:
        return None
    ours = (at for at in unwrap(estimator) if isinstance(at, AdaptiveHybridClassifier))
    return next(ours, None)
