"""What was found, as one HTML file that needs nothing else: no network, no script.

:func:`comparison_report` is for :func:`skadaptive.compare`, :func:`evaluation_report`
for :func:`skadaptive.evaluate`. Here is what they say; the templates are what it looks
like. Figures are drawn by matplotlib and put into the page as SVG, in colours that
follow the page's, light or dark. The same results give the same bytes.

Inside, ``counts`` and ``costs`` are those of :mod:`skadaptive.forecasts`.
"""

import os
import platform
from importlib import metadata
from pathlib import Path

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import precision_recall_curve

from ._version import __version__
from .advice import KINDS, advice, evaluation_advice
from .contenders import OURS
from .figures import DASHES, MUTED, PALETTE, TEXT, Figure, legend_below
from .forecasts import (
    Rows,
    calibration_bins,
    calibration_verdict,
    cost_by_threshold,
    cost_ceiling,
    label_scores,
)
from .wording import (
    amount,
    capital,
    duration,
    enumerated,
    name_of_measure,
    number,
    p_value,
    seconds_text,
    signed,
    threshold_text,
)

_OF_PROBABILITY = ("average_precision", "roc_auc", "brier_score")
_OF_LABELS = ("f1", "precision", "recall", "accuracy")
# Curves that can still be told apart in one figure.
_MAX_CURVES = 6
_BEST_CURVES = 4
_N_THRESHOLDS = 200
# Thresholds outside of these change next to nothing, unless a rare row is there.
_LEAST, _GREATEST = 1e-3, 1 - 1e-3
_RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_TICKS = (1e-5, 1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
# A miss as dear as ten false alarms, until the reader says what they cost.
_COST_MATRIX = ((0, 1), (10, 0))
_PACKAGES = (
    "scikit-learn",
    "imbalanced-learn",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "xgboost",
    "xgboost-cpu",
    "lightgbm",
    "numpy",
    "pandas",
)


# ------------------------------------------------------------------------- the reports


def comparison_report(comparison, path=None, *, title=None, cost_matrix=None):
    """Write what a comparison found as one self-contained HTML file.

    Parameters
    ----------
    comparison : Comparison
        From :func:`skadaptive.compare`.
    path : str or path-like, default=None
        Where to. A file that is there is replaced once the new one is complete. None
        returns the page.
    title : str, default=None
        Heading of the page.
    cost_matrix : array-like of shape (2, 2), default=None
        ``cost_matrix[i][j]`` is the cost of predicting class j for a row of class i, 1
        being the rare class. What the costs in the page begin with, and the reader can
        change there. None: a miss costs as much as 10 false alarms.

    Returns
    -------
    pathlib.Path or str
        The path, or the page if there is none.

    Raises
    ------
    ImportError
        If Jinja2 or matplotlib are not installed.
    FileNotFoundError
        If there is no such folder.
    ValueError
        If the costs are not 2 x 2, finite, and mistakes at least as dear as no
        mistakes.
    """
    render = _renderer()
    costs = _costs(cost_matrix)
    path = _checked(path)
    best = comparison.best_name_
    rows = Rows.pooled(comparison, best)
    tuned = float(comparison.scores("threshold")[best].mean())
    ranked = comparison.table
    page = render(
        "comparison.html.jinja",
        title=title or "Which classifier finds the rare class best?",
        comparison=comparison,
        best=best,
        ours=OURS,
        facts=_facts(comparison),
        findings=[(KINDS[f.kind], f.message) for f in comparison.findings_],
        summary=_answer(comparison),
        ranking_figure=_ranking_figure(comparison),
        ranking=_ranking(comparison),
        decisions=_decisions(comparison),
        ranked_by=name_of_measure(comparison.scoring_),
        tests=_tests(comparison),
        curves=_curves_figure(comparison),
        threshold=_threshold(rows, {"tuned": tuned}, costs),
        calibration=_calibration(rows, best),
        confusions=_confusions(comparison, tuned),
        adaptation=_adaptation(comparison),
        advice=advice(comparison, rows, tuned),
        n_folds=len(comparison.test_folds_),
        repeated=_is_repeated(comparison),
        place={name: i for i, name in enumerate(ranked.index, 1)},
        footer=_footer(comparison),
    )
    return page if path is None else _write(page, path)


def evaluation_report(evaluation, path=None, *, title=None, cost_matrix=None):
    """Write what an evaluation found as one self-contained HTML file.

    Parameters
    ----------
    evaluation : Evaluation
        From :func:`skadaptive.evaluate`.
    path, title, cost_matrix
        See :func:`comparison_report`.

    Returns
    -------
    pathlib.Path or str
        The path, or the page if there is none.

    Raises
    ------
    ImportError, FileNotFoundError, ValueError
        See :func:`comparison_report`.
    """
    render = _renderer()
    costs = _costs(cost_matrix)
    path = _checked(path)
    label, name = evaluation.pos_label_, evaluation.name
    rows = Rows(evaluation.y_ == label, evaluation.scores_, evaluation.sample_weight_)
    both = 0 < rows.y.sum() < len(rows.y)
    decides = evaluation.threshold_
    marks = {} if decides in (None, 0.5) else {"its own": decides}
    probable = evaluation.probabilities_ is not None
    page = render(
        "evaluation.html.jinja",
        title=title or f"How well {name} finds the rare class",
        evaluation=evaluation,
        facts=_evaluation_facts(evaluation, rows),
        measures=_measures(evaluation),
        confusion=_evaluation_confusion(evaluation),
        level=f"{100 * evaluation.confidence_level:g} %",
        curves=_evaluation_curves(evaluation, rows) if both else [],
        threshold=_threshold(rows, marks, costs) if both and probable else None,
        calibration=_calibration(rows, name) if both and probable else None,
        advice=evaluation_advice(evaluation, rows, both and probable),
        footer={"Versions": _versions()},
    )
    return page if path is None else _write(page, path)


def _renderer():
    """A function that fills in a template; a clear error where something lacks."""
    try:
        import matplotlib  # noqa: F401
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise ImportError(
            f"A report needs Jinja2 and matplotlib ({error}): "
            'pip install "skadaptive[compare]"'
        ) from error
    environment = Environment(
        loader=PackageLoader("skadaptive"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals["sentence"] = capital

    def render(name, **values):
        return environment.get_template(name).render(version=__version__, **values)

    return render


def _costs(cost_matrix):
    """What a miss and a false alarm cost more than no mistake."""
    costs = np.asarray(_COST_MATRIX if cost_matrix is None else cost_matrix, float)
    if costs.shape == (2, 2) and np.isfinite(costs).all():
        miss, alarm = costs[1, 0] - costs[1, 1], costs[0, 1] - costs[0, 0]
        if miss >= 0 and alarm >= 0:
            return {"miss": miss, "alarm": alarm}
    raise ValueError(
        "cost_matrix must be 2 x 2, finite, rows by true class and columns by "
        "predicted class, and a mistake no cheaper than none, such as "
        f"[[0, 1], [10, 0]]; got {cost_matrix!r}."
    )


def _checked(path):
    if path is None:
        return None
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {path.parent} to write {path.name} into: make it "
            "first, or name another."
        )
    return path


def _write(page, path):
    """Write beside, then rename: nobody finds half a report."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(page, encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def _is_repeated(comparison):
    times = np.bincount(np.concatenate(comparison.test_folds_))
    return bool(times.max() > 1)


# ---------------------------------------------------------------- what the data are


def _facts(comparison):
    y, weight = comparison.y_, comparison.sample_weight_
    share = f"{np.average(y, weights=weight):.2%}"
    return {
        "Rows": f"{len(y):,}" + ("" if weight is None else ", weighted"),
        "Features": f"{comparison.n_features_in_:,}",
        "Rare class": str(comparison.pos_label_),
        "Rare rows": f"{int(y.sum()):,}, {share}"
        + ("" if weight is None else " by weight"),
    }


def _answer(comparison):
    """The summary without what has a place of its own further up in the page."""
    said = {finding.message for finding in comparison.findings_}
    return [line for line in comparison.summary() if line not in said]


def _evaluation_facts(evaluation, rows):
    facts = {
        "Classifier": evaluation.name,
        "Rows": f"{len(evaluation.y_):,}" + (", weighted" if rows.weighted else ""),
        "Class to be found": str(evaluation.pos_label_),
        "Rows of it": f"{int(np.sum(evaluation.y_ == evaluation.pos_label_)):,}, "
        f"{rows.share:.2%}" + (" by weight" if rows.weighted else ""),
    }
    if evaluation.threshold_ is not None:
        facts["Threshold"] = threshold_text(evaluation.threshold_)
    return facts


# ------------------------------------------------------------------------ the ranking


def _ranking(comparison):
    """How well they rank, in which the order is, and what they cost in time."""
    scoring, table = comparison.scoring_, comparison.table
    found = comparison.intervals()
    columns = [(f"{name_of_measure(scoring)}, 95\u00a0% interval", scoring)]
    columns += [(name_of_measure(m), m) for m in _OF_PROBABILITY if m != scoring]
    headings = ["Contender", *(h for h, _ in columns), "mean rank"]
    headings += ["fit, seconds", "predict, seconds"]
    best = {m: _best_of(table, m) for _, m in columns}
    d = _decimals(table, scoring)
    rows = []
    for name in table.index:
        row = table.loc[name]
        low, high = found.loc[name, ["low", "high"]]
        cells = [
            {
                **_mean(row, scoring, best[scoring]),
                "spread": ""
                if np.isnan(low)
                else f"{number(low, d)} to {number(high, d)}",
            }
        ]
        cells += [_mean(row, m, best[m]) for _, m in columns[1:]]
        plain = [f"{row['mean_rank']:.1f}"]
        plain += [seconds_text(row[f"mean_{t}"]) for t in ("fit_time", "predict_time")]
        cells += [{"value": text, "spread": "", "best": False} for text in plain]
        rows.append((name, cells))
    return {"headings": [capital(h) for h in headings], "rows": rows}


def _decisions(comparison):
    """How good their decisions are, at the tuned threshold and at 0.5."""
    table = comparison.table
    columns = [*_OF_LABELS, *(f"{name}_at_0.5" for name in _OF_LABELS)]
    best = {m: _best_of(table, m) for m in columns}
    rows = [
        (name, [_mean(table.loc[name], m, best[m]) for m in columns])
        for name in table.index
    ]
    return {"headings": [capital(name_of_measure(m)) for m in _OF_LABELS], "rows": rows}


def _mean(row, measure, best):
    """A cell; ``best`` is the best text of its column and its decimals."""
    spread, (top, decimals) = row[f"std_{measure}"], best
    value = number(row[f"mean_{measure}"], decimals)
    return {
        "value": value,
        "spread": "" if np.isnan(spread) else f"± {spread:.{decimals}f}",
        "best": value == top,
    }


def _best_of(table, measure):
    """The best value of a column as it is shown, and its decimals."""
    values, decimals = table[f"mean_{measure}"], _decimals(table, measure)
    top = values.min() if measure == "brier_score" else values.max()
    return number(top, decimals), decimals


def _decimals(table, measure):
    """Three, more where the values are small, as Brier scores of rare classes are."""
    greatest = table[f"mean_{measure}"].abs().max()
    return 3 + (greatest < 0.1) + (greatest < 0.01)


def _tests(comparison):
    decimals = _decimals(comparison.table, comparison.scoring_)
    return [
        (
            name,
            {
                "difference": signed(row["difference"], decimals),
                "low": signed(row["low"], decimals),
                "high": signed(row["high"], decimals),
                "p": p_value(row["p_value"]),
                "holm": p_value(row["p_holm"]),
                "verdict": row["verdict"],
            },
        )
        for name, row in comparison.tests_.iterrows()
    ]


def _confusions(comparison, tuned):
    """Matrices at 0.5 and at the tuned threshold, and what they say."""
    captions = {
        0.5: "At the threshold 0.5",
        "tuned": f"At the tuned threshold, {threshold_text(tuned)} on average",
    }
    found = []
    for threshold, caption in captions.items():
        counts = comparison.confusion(threshold=threshold)
        found.append(
            {
                "caption": caption,
                "cells": [[f"{c:,.0f}" for c in row] for row in counts],
                "words": _confusion_words(counts.ravel(), comparison.pos_label_),
            }
        )
    return found


def _confusion_words(counts, label):
    tn, fp, fn, tp = counts
    text = f"Of {tp + fn:,.0f} rows that are {label}, {tp:,.0f} are found"
    text += f" ({tp / (tp + fn):.0%}). " if tp + fn else ". "
    if tp + fp == 0:
        return text + "There is no alarm."
    return text + (
        f"Of {tp + fp:,.0f} alarms, {tp:,.0f} are right ({tp / (tp + fp):.0%})."
    )


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


def _threshold(rows, marks, costs):
    """Everything that the page knows about thresholds.

    Parameters
    ----------
    rows : Rows
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
            **{name: _plain(value) for name, value in counts.items()},
            "shown": [threshold_text(value) for value in thresholds],
            **places,
        },
    }


def _text(thresholds, at):
    return threshold_text(thresholds[at])


def _plain(values):
    """Numbers as JSON has them, whole ones without a point."""
    values = np.asarray(values)
    if values.dtype == float and np.all(values == np.round(values)):
        values = values.astype(int)
    return values.tolist()


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


# -------------------------------------------------------------------------- calibration


def _calibration(rows, name):
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


def _adaptation(comparison):
    """How the mix moved, if the winner is ours; otherwise None."""
    classifier = _adaptive(getattr(comparison, "best_", None))
    if classifier is None:
        return None
    from .display import AdaptationDisplay

    history, epoch = classifier.history_, classifier.best_epoch_
    terms = {
        "cross-entropy": "weight_cross_entropy",
        "focal loss": "weight_focal",
        "Dice loss": "weight_dice",
    }

    def mix(at):
        return ", ".join(
            f"{name} {history[key][at]:.2f}" for name, key in terms.items()
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
    from .classifier import AdaptiveHybridClassifier

    if hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return estimator if isinstance(estimator, AdaptiveHybridClassifier) else None


# -------------------------------------------------------------------------- evaluations


def _measures(evaluation):
    return [
        (
            capital(name_of_measure(measure)),
            [number(row[c]) for c in ("value", "low", "high")],
        )
        for measure, row in evaluation.table.iterrows()
    ]


def _evaluation_confusion(evaluation):
    matrix, classes = evaluation.confusion_matrix_, evaluation.classes_
    cells = [
        {"value": f"{r.value:,.0f}", "spread": f"{r.low:,.0f} to {r.high:,.0f}"}
        for r in matrix.itertuples()
    ]
    values = matrix["value"].to_numpy().reshape(2, 2)
    if evaluation.pos_label_ != classes[1]:  # the class to be found comes second
        values, cells = values[::-1, ::-1], cells[::-1]
        classes = classes[::-1]
    return {
        "classes": [str(label) for label in classes],
        "cells": [cells[:2], cells[2:]],
        "words": _confusion_words(values.ravel(), evaluation.pos_label_),
    }


def _evaluation_curves(evaluation, rows):
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
        RocCurveDisplay(fpr=fpr, tpr=tpr).plot(ax=drawing.ax)
        drawing.ax.lines[-1].set(color=PALETTE[0], label="true against false alarms")
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


# ------------------------------------------------------------------------------- footer


def _footer(comparison):
    folds = comparison.folds_
    sizes = folds.groupby("fold")[["n_train", "n_test"]].first().mean()
    seconds = folds[["fit_time", "predict_time"]].sum().sum()
    return {
        "Ranked by": f"{name_of_measure(comparison.scoring_)} ({comparison.scoring_})",
        "Folds": f"{len(comparison.test_folds_)}, on average {sizes['n_train']:,.0f} "
        f"rows to train on and {sizes['n_test']:,.0f} to test",
        "Seed": str(comparison.seed_),
        "Time": f"{duration(seconds)} of fitting and predicting, one after the other",
        "Versions": _versions(),
    }


def _versions():
    found = [f"skadaptive {__version__}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join([*found, f"Python {platform.python_version()}"])


# ------------------------------------------------------------------------------ figures


def _ranking_figure(comparison):
    found = comparison.intervals()
    scoring = name_of_measure(comparison.scoring_)
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
        rows = Rows(
            comparison.y_[test], proba[test], None if weight is None else weight[test]
        )
        precision, recall, _ = precision_recall_curve(
            rows.y, rows.proba, sample_weight=rows.weight
        )
        recall, precision = recall[::-1], precision[::-1]  # now rising
        at = np.searchsorted(recall, grid - 1e-12)
        curves.append(precision[np.minimum(at, len(recall) - 1)])
    return np.array(curves)


def _curves_figure(comparison):
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
        "banded": enumerated(name for name in shown if name in banded),
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
