"""HTML reports of a comparison and of an evaluation, one self-contained file each.

A page loads nothing from elsewhere: its style sheet, its figures and the script of its
threshold slider are part of the file, and without JavaScript a table takes the place of
the slider. This module collects what a page says; the templates hold its layout and
wording. Matplotlib draws the figures as SVG, in colours that follow the light or dark
scheme of the page. The same results give the same bytes.
"""

import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._assessment.measures import (
    LABEL_MEASURES,
    PROBABILITY_MEASURES,
    is_loss,
    measure_title,
)
from .._assessment.threshold_counts import ScoredRows
from .._io.atomic import replace_atomically
from .._messages import shown, visible
from .._packages import installed_versions, require
from .._typing import ArrayLike, FilePath, FloatArray, Label
from .._version import __version__
from ..contenders import OURS
from ..thresholds import check_cost_matrix
from .advice import KINDS, Interface, advice, evaluation_advice, finding_text
from .charts import (
    adaptation,
    calibration,
    curves_figure,
    evaluation_curves,
    ranking_figure,
    threshold,
)
from .drivers import drivers
from .formatting import (
    capital,
    duration,
    number,
    p_value,
    seconds_text,
    shown_decimals,
    signed,
    threshold_text,
)
from .source import Source

if TYPE_CHECKING:
    from ..comparison import Comparison
    from ..evaluation import Evaluation

# Used until the reader enters other costs: a miss costs as much as ten false alarms.
_COST_MATRIX = ((0, 1), (10, 0))
# How the threshold of the model that predicts is marked.
_USED = "used by predict"
# No text of ours has a word as long.
_LONG_WORD = re.compile(r"(\S{60})\S{20,}")
# Packages whose versions the page lists.
_PACKAGES = (
    "scikit-learn",
    "imbalanced-learn",
    "jax",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "xgboost",
    "xgboost-cpu",
    "lightgbm",
    "catboost",
    "numpy",
    "pandas",
)


# ------------------------------------------------------------------------- the reports


def comparison_report(
    comparison: "Comparison",
    path: FilePath | None = None,
    *,
    title: str | None = None,
    cost_matrix: ArrayLike | None = None,
    source: Source | None = None,
) -> Path | str:
    """Write a report of a comparison as one self-contained HTML file.

    Parameters
    ----------
    comparison : Comparison
        Result of :func:`skadaptive.compare`.
    path : str or path-like, default=None
        File to write; an existing one is replaced once the new one is complete. None
        returns the page.
    title : str, default=None
        Heading of the page. None: a question that it answers.
    cost_matrix : array-like of shape (2, 2), default=None
        ``cost_matrix[i][j]`` is the cost of predicting class j for a row of class i,
        where class 1 is the rare one. The page opens with these costs, and the reader
        can change them there. None: a miss costs as much as 10 false alarms.
    source : Source, default=None
        The file of the table, where the command has read one.

    Returns
    -------
    pathlib.Path or str
        The path, or the page if ``path`` is None.

    Raises
    ------
    ImportError
        If Jinja2 or matplotlib is not installed.
    FileNotFoundError
        If the folder of ``path`` does not exist.
    ValueError
        If ``cost_matrix`` is not 2 x 2 and finite, or makes a mistake cheaper than
        the right prediction for the same class.
    """
    render = renderer()
    costs = _mistake_costs(cost_matrix)
    path = check_folder(path)
    interface = _interface(source)
    best = comparison.best_name_
    rows = ScoredRows.pooled(comparison, best)
    tuned = float(comparison.scores("threshold")[best].mean())
    used = comparison._decides_at
    marks = {"tuned": tuned} if used is None else {"tuned": tuned, _USED: used}
    page = render(
        "comparison.html.jinja",
        title=title or "Which classifier finds the rare class best?",
        comparison=comparison,
        best=best,
        ours=OURS,
        facts=source_facts(source) | _facts(comparison),
        source=source,
        findings=[
            (KINDS[f.kind], finding_text(f, interface)) for f in comparison.findings_
        ],
        summary=_summary(comparison),
        ranking_figure=ranking_figure(comparison),
        ranking=_ranking(comparison),
        decisions=_decisions(comparison),
        ranked_by=measure_title(comparison.scoring_),
        tests=_tests(comparison),
        curves=curves_figure(comparison),
        threshold=threshold(rows, marks, costs),
        tuned=threshold_text(tuned),
        decides=None if used is None else threshold_text(used),
        application=_application(
            source,
            # An interrupted comparison has no best_.
            "comparison.best_" if hasattr(comparison, "best_") else "classifier",
            comparison.classes_,
            comparison.pos_label_,
        ),
        calibration=calibration(rows, best),
        confusions=_confusions(comparison),
        other=str(next(c for c in comparison.classes_ if c != comparison.pos_label_)),
        drivers=drivers(comparison, tuned, source),
        adaptation=adaptation(comparison),
        advice=advice(
            comparison,
            rows,
            tuned,
            interface,
            None if cost_matrix is None else costs,
            source.shell_model if source is not None and source.model else "",
        ),
        n_folds=len(comparison.test_folds_),
        order=_order(comparison, source),
        repeated=_is_repeated(comparison),
        place={name: i for i, name in enumerate(comparison.table.index, 1)},
        footer=_footer(comparison),
    )
    return page if path is None else write_page(page, path)


def evaluation_report(
    evaluation: "Evaluation",
    path: FilePath | None = None,
    *,
    title: str | None = None,
    cost_matrix: ArrayLike | None = None,
    source: Source | None = None,
) -> Path | str:
    """Write a report of an evaluation as one self-contained HTML file.

    Parameters
    ----------
    evaluation : Evaluation
        Result of :func:`skadaptive.evaluate`.
    path, title, cost_matrix, source
        See :func:`comparison_report`.

    Returns
    -------
    pathlib.Path or str
        The path, or the page if ``path`` is None.

    Raises
    ------
    ImportError, FileNotFoundError, ValueError
        See :func:`comparison_report`.
    """
    render = renderer()
    costs = _mistake_costs(cost_matrix)
    path = check_folder(path)
    interface = _interface(source)
    name, used = evaluation.name, evaluation.threshold_
    rows = ScoredRows(
        evaluation.y_ == evaluation.pos_label_,
        evaluation.scores_,
        evaluation.sample_weight_,
    )
    both_classes = 0 < rows.y.sum() < len(rows.y)
    can_choose = both_classes and evaluation.probabilities_ is not None
    marks = {} if used is None else {_USED: used}
    page = render(
        "evaluation.html.jinja",
        title=title or f"How well does {name} find the rare class?",
        evaluation=evaluation,
        facts=source_facts(source) | _evaluation_facts(evaluation, rows),
        source=source,
        measures=_measures(evaluation),
        confusion=_evaluation_confusion(evaluation),
        level=f"{100 * evaluation.confidence_level:g} %",
        curves=evaluation_curves(evaluation, rows) if both_classes else [],
        threshold=threshold(rows, marks, costs) if can_choose else None,
        application=_application(
            source, "classifier", evaluation.classes_, evaluation.pos_label_
        ),
        calibration=calibration(rows, name) if can_choose else None,
        advice=evaluation_advice(
            evaluation,
            rows,
            can_choose,
            interface,
            None if cost_matrix is None else costs,
        ),
        footer={"Versions": versions()},
    )
    return page if path is None else write_page(page, path)


def _interface(source: Source | None) -> Interface:
    """What the advice names: functions, or options of the command that read a file."""
    return "python" if source is None else "command"


def _application(
    source: Source | None, name: str, classes: Any, pos_label: Label
) -> str:
    """What applies a threshold to new rows, up to the threshold itself."""
    if source is not None:
        return f"skadaptive predict {source.shell_model} FILE --threshold "
    index = list(classes).index(pos_label)
    return f"{name}.predict_proba(X)[:, {index}] > "


def renderer() -> Callable[..., str]:
    """A function that fills in a template, by its name, with values."""
    require("jinja2", "matplotlib", purpose="A report")
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("skadaptive._report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_finalized,
    )
    environment.globals["sentence"] = capital

    def render(name: str, **values: Any) -> str:
        return environment.get_template(name).render(version=__version__, **values)

    return render


def _finalized(value: Any) -> Any:
    """A value of a template as text; markup that we made stays as it is.

    A word that is longer than a line, such as a column name of 10,000 characters, would
    make tables as wide.
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _LONG_WORD.sub(lambda word: f"{word.group(1)}…", visible(value))


def _mistake_costs(cost_matrix: ArrayLike | None) -> dict[str, float]:
    """By how much a miss and a false alarm cost more than the right prediction."""
    costs = check_cost_matrix(_COST_MATRIX if cost_matrix is None else cost_matrix)
    miss, alarm = costs[1, 0] - costs[1, 1], costs[0, 1] - costs[0, 0]
    if miss < 0 or alarm < 0:
        raise ValueError(
            "cost_matrix must make no mistake cheaper than the right prediction for "
            f"the same class, such as [[0, 1], [10, 0]]; got {shown(cost_matrix)}."
        )
    return {"miss": miss, "alarm": alarm}


def check_folder(path: FilePath | None) -> Path | None:
    """Refuse a path whose folder does not exist, before the work."""
    if path is None:
        return None
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {path.parent} to write {path.name} into: create it "
            "first, or name another one."
        )
    return path


def write_page(page: str, path: Path) -> Path:
    """Write a page, and return its path."""
    with replace_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _order(comparison: "Comparison", source: Source | None) -> str:
    """Which rows were tested after which; empty where folds are in no order."""
    if not comparison._is_ordered:
        return ""
    tested = np.unique(np.concatenate(comparison.test_folds_))
    span = "" if source is None else source.span(tested)
    return (
        "In each fold they were trained on earlier rows and tested on later "
        f"ones{span}. {len(tested):,} of the {len(comparison.y_):,} rows were tested; "
        "the first rows served training alone. "
    )


def _is_repeated(comparison: "Comparison") -> bool:
    """Whether a row is in more than one test fold."""
    return bool(np.bincount(np.concatenate(comparison.test_folds_)).max() > 1)


# ----------------------------------------------------------------------------- the data


def source_facts(source: Source | None) -> dict[str, str]:
    """File and target, as far as there are any."""
    if source is None:
        return {}
    facts = {"File": source.file, "Target": source.target}
    return {name: value for name, value in facts.items() if value}


def _facts(comparison: "Comparison") -> dict[str, str]:
    y, weight = comparison.y_, comparison.sample_weight_
    share = f"{np.average(y, weights=weight):.2%}"
    return {
        "Rows": f"{len(y):,}" + ("" if weight is None else ", weighted"),
        "Features": f"{comparison.n_features_in_:,}",
        "Rare class": str(comparison.pos_label_),
        "Rare rows": f"{int(y.sum()):,}, {share}"
        + ("" if weight is None else " by weight"),
    }


def _summary(comparison: "Comparison") -> list[str]:
    """The summary without the findings, which the page has listed before."""
    findings = {finding.message for finding in comparison.findings_}
    return [line for line in comparison.summary() if line not in findings]


def _evaluation_facts(evaluation: "Evaluation", rows: ScoredRows) -> dict[str, str]:
    facts = {
        "Classifier": evaluation.name,
        "Rows": f"{len(evaluation.y_):,}" + (", weighted" if rows.weighted else ""),
        "Rare class": str(evaluation.pos_label_),
        "Rare rows": f"{int(np.sum(evaluation.y_ == evaluation.pos_label_)):,}, "
        f"{rows.share:.2%}" + (" by weight" if rows.weighted else ""),
    }
    if evaluation.threshold_ is not None:
        facts["Threshold"] = threshold_text(evaluation.threshold_)
    return facts


# ------------------------------------------------------------------------ the ranking


@dataclass(frozen=True)
class Cell:
    """A number in a table, as text.

    Attributes
    ----------
    value : str
    spread : str
        Its standard deviation or interval; empty if it has none.
    best : bool
        Whether it is the best of its column, as far as the digits shown tell.
    """

    value: str
    spread: str = ""
    best: bool = False


def _ranking(comparison: "Comparison") -> dict[str, Any]:
    """Measures of the probabilities, mean rank and seconds, by contender."""
    scoring, table = comparison.scoring_, comparison.table
    intervals = comparison.intervals()
    columns = [(f"{measure_title(scoring)}, 95\u00a0% interval", scoring)]
    columns += [(measure_title(m), m) for m in PROBABILITY_MEASURES if m != scoring]
    headings = ["Contender", *(heading for heading, _ in columns), "mean rank"]
    headings += ["fit, seconds", "predict, seconds"]
    decimals = _decimals(table, scoring)
    cells = {measure: _cells(table, measure) for _, measure in columns}
    rows = []
    for name, row in table.iterrows():
        low, high = (
            number(intervals.at[name, end], decimals) for end in ("low", "high")
        )
        first, *others = (column[name] for column in cells.values())
        interval = "" if np.isnan(intervals.at[name, "low"]) else f"{low} to {high}"
        rows.append(
            (
                name,
                [
                    Cell(first.value, interval, first.best),
                    *others,
                    Cell(f"{row['mean_rank']:.1f}"),
                    Cell(seconds_text(row["mean_fit_time"])),
                    Cell(seconds_text(row["mean_predict_time"])),
                ],
            )
        )
    return {"headings": [capital(heading) for heading in headings], "rows": rows}


def _decisions(comparison: "Comparison") -> dict[str, Any]:
    """Measures of the predicted labels, at the tuned threshold and at 0.5."""
    table = comparison.table
    measures = [*LABEL_MEASURES, *(f"{name}_at_0.5" for name in LABEL_MEASURES)]
    columns = [_cells(table, measure) for measure in measures]
    return {
        "headings": [capital(measure_title(m)) for m in LABEL_MEASURES],
        "rows": [(name, [column[name] for column in columns]) for name in table.index],
    }


def _cells(table: pd.DataFrame, measure: str) -> dict[str, Cell]:
    """A column of a table: mean ± standard deviation by contender, the best marked."""
    means, decimals = table[f"mean_{measure}"], _decimals(table, measure)
    best = number(means.min() if is_loss(measure) else means.max(), decimals)
    cells = {}
    for name, spread in table[f"std_{measure}"].items():
        value = number(means[name], decimals)
        plus_minus = "" if np.isnan(spread) else f"± {spread:.{decimals}f}"
        cells[name] = Cell(value, plus_minus, value == best)
    return cells


def _decimals(table: pd.DataFrame, measure: str) -> int:
    return shown_decimals(table[f"mean_{measure}"])


def _tests(comparison: "Comparison") -> list[tuple[str, dict[str, str]]]:
    decimals = _decimals(comparison.table, comparison.scoring_)
    return [
        (
            name,
            {
                **{c: signed(row[c], decimals) for c in ("difference", "low", "high")},
                "p": p_value(row["p_value"]),
                "holm": p_value(row["p_holm"]),
                "verdict": row["verdict"],
            },
        )
        for name, row in comparison.tests_.iterrows()
    ]


def _confusions(comparison: "Comparison") -> list[dict[str, Any]]:
    """Confusion matrices at 0.5 and at the tuned thresholds, each with a sentence."""
    tuned = comparison.scores("threshold")[comparison.best_name_]
    ends = dict.fromkeys(threshold_text(value) for value in (tuned.min(), tuned.max()))
    captions: dict[str | float, str] = {
        0.5: "At the threshold 0.5",
        "tuned": f"At the tuned thresholds of the folds ({' to '.join(ends)})",
    }
    confusions = []
    for decided, caption in captions.items():
        counts = comparison.confusion(threshold=decided)
        confusions.append(
            {
                "caption": caption,
                "cells": [[f"{count:,.0f}" for count in row] for row in counts],
                "sentence": _confusion_sentence(counts, comparison.pos_label_),
            }
        )
    return confusions


def _confusion_sentence(matrix: FloatArray, label: Label) -> str:
    (_, fp), (fn, tp) = matrix
    recall = f" ({tp / (tp + fn):.0%})" if tp + fn else ""
    text = f"Of {tp + fn:,.0f} rows that are {label}, {tp:,.0f} are found{recall}. "
    if tp + fp == 0:
        return text + f"No row is predicted {label}."
    return text + (
        f"Of {tp + fp:,.0f} rows predicted {label}, {tp:,.0f} are correct "
        f"({tp / (tp + fp):.0%})."
    )


# -------------------------------------------------------------------------- evaluations


def _measures(evaluation: "Evaluation") -> list[tuple[str, list[str]]]:
    return [
        (
            capital(measure_title(measure)),
            [number(row[column]) for column in ("value", "low", "high")],
        )
        for measure, row in evaluation.table.iterrows()
    ]


def _evaluation_confusion(evaluation: "Evaluation") -> dict[str, Any]:
    matrix, classes = evaluation.confusion_matrix_, evaluation.classes_
    cells = [
        Cell(f"{row.value:,.0f}", f"{row.low:,.0f} to {row.high:,.0f}")
        for row in matrix.itertuples()
    ]
    counts = matrix["value"].to_numpy().reshape(2, 2)
    if evaluation.pos_label_ != classes[1]:  # the rare class comes second
        counts, cells, classes = counts[::-1, ::-1], cells[::-1], classes[::-1]
    return {
        "classes": [str(label) for label in classes],
        "cells": [cells[:2], cells[2:]],
        "sentence": _confusion_sentence(counts, evaluation.pos_label_),
    }


# ------------------------------------------------------------------------------- footer


def _footer(comparison: "Comparison") -> dict[str, str]:
    folds = comparison.folds_
    sizes = folds.groupby("fold")[["n_train", "n_test"]].first().mean()
    seconds = folds[["fit_time", "predict_time"]].sum().sum()
    limit = comparison.time_limit_
    ended = {} if limit is None else {"Time limit": f"{limit:g} seconds, reached"}
    return {
        "Ranked by": f"{measure_title(comparison.scoring_)} ({comparison.scoring_})",
        "Folds": f"{len(comparison.test_folds_)}, on average {sizes['n_train']:,.0f} "
        f"training rows and {sizes['n_test']:,.0f} test rows",
        "Seed": str(comparison.seed_),
        "Time": f"{duration(seconds)} of fitting and predicting, summed over all fits",
        **ended,
        "Versions": versions(),
    }


def versions() -> str:
    """The packages that matter to the results, and their versions."""
    found = installed_versions(_PACKAGES) | {"Python": platform.python_version()}
    return ", ".join(f"{name} {version}" for name, version in found.items())
