"""HTML reports of a comparison and of an evaluation, one self-contained file each.

A page loads nothing from elsewhere: its style sheet, its figures and the script of its
threshold slider are part of the file, and without JavaScript a table takes the place of
the slider. This module collects what a page says; the templates hold its layout and
wording. Matplotlib draws the figures as SVG, in colours that follow the light or dark
scheme of the page. The same results give the same bytes.
"""

import platform
from pathlib import Path

import numpy as np

from .._assessment.measures import measure_title
from .._assessment.threshold_counts import ScoredRows
from .._io.atomic import replace_atomically
from .._packages import installed_versions, require
from .._version import __version__
from ..contenders import OURS
from ..thresholds import check_cost_matrix
from .advice import KINDS, advice, evaluation_advice
from .charts import (
    adaptation,
    calibration,
    curves_figure,
    evaluation_curves,
    ranking_figure,
    threshold,
)
from .formatting import (
    capital,
    duration,
    number,
    p_value,
    seconds_text,
    signed,
    threshold_text,
)

_OF_PROBABILITY = ("average_precision", "roc_auc", "brier_score")
_OF_LABELS = ("f1", "precision", "recall", "accuracy")
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
        File to write; an existing one is replaced once the new one is complete. None
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
    rows = ScoredRows.pooled(comparison, best)
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
        ranking_figure=ranking_figure(comparison),
        ranking=_ranking(comparison),
        decisions=_decisions(comparison),
        ranked_by=measure_title(comparison.scoring_),
        tests=_tests(comparison),
        curves=curves_figure(comparison),
        threshold=threshold(rows, {"tuned": tuned}, costs),
        calibration=calibration(rows, best),
        confusions=_confusions(comparison, tuned),
        adaptation=adaptation(comparison),
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
    rows = ScoredRows(
        evaluation.y_ == label, evaluation.scores_, evaluation.sample_weight_
    )
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
        curves=evaluation_curves(evaluation, rows) if both else [],
        threshold=threshold(rows, marks, costs) if both and probable else None,
        calibration=calibration(rows, name) if both and probable else None,
        advice=evaluation_advice(evaluation, rows, both and probable),
        footer={"Versions": _versions()},
    )
    return page if path is None else _write(page, path)


def _renderer():
    """A function that fills in a template; a clear error where something lacks."""
    require("jinja2", "matplotlib", purpose="A report")
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("skadaptive._report"),
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
    costs = check_cost_matrix(_COST_MATRIX if cost_matrix is None else cost_matrix)
    miss, alarm = costs[1, 0] - costs[1, 1], costs[0, 1] - costs[0, 0]
    if miss < 0 or alarm < 0:
        raise ValueError(
            "cost_matrix must make no mistake cheaper than the right prediction for "
            f"the same class, such as [[0, 1], [10, 0]]; got {cost_matrix!r}."
        )
    return {"miss": miss, "alarm": alarm}


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
    with replace_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
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
    columns = [(f"{measure_title(scoring)}, 95\u00a0% interval", scoring)]
    columns += [(measure_title(m), m) for m in _OF_PROBABILITY if m != scoring]
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
    return {"headings": [capital(measure_title(m)) for m in _OF_LABELS], "rows": rows}


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
    for decided, caption in captions.items():
        counts = comparison.confusion(threshold=decided)
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


# -------------------------------------------------------------------------- evaluations


def _measures(evaluation):
    return [
        (
            capital(measure_title(measure)),
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


# ------------------------------------------------------------------------------- footer


def _footer(comparison):
    folds = comparison.folds_
    sizes = folds.groupby("fold")[["n_train", "n_test"]].first().mean()
    seconds = folds[["fit_time", "predict_time"]].sum().sum()
    return {
        "Ranked by": f"{measure_title(comparison.scoring_)} ({comparison.scoring_})",
        "Folds": f"{len(comparison.test_folds_)}, on average {sizes['n_train']:,.0f} "
        f"rows to train on and {sizes['n_test']:,.0f} to test",
        "Seed": str(comparison.seed_),
        "Time": f"{duration(seconds)} of fitting and predicting, one after the other",
        "Versions": _versions(),
    }


def _versions():
    versions = installed_versions(_PACKAGES) | {"Python": platform.python_version()}
    return ", ".join(f"{name} {version}" for name, version in versions.items())
