"""The reports: content, accessibility, and behaviour in a browser."""

import copy
import json
import re
import sys
import time
from collections import Counter
from html import escape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from browsing import headless_chromium
from numpy.testing import assert_allclose
from scipy.special import expit, logit
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)
from sklearn.model_selection import TimeSeriesSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from skadaptive import AdaptiveHybridClassifier, monitor
from skadaptive._assessment.threshold_counts import (
    ScoredRows,
    calibration_verdict,
    least_cost,
)
from skadaptive._io import atomic
from skadaptive._io.findings import Finding
from skadaptive._report import charts
from skadaptive._report.drivers import _importance_figure, drivers
from skadaptive._report.monitoring import monitoring_report
from skadaptive._report.pages import (
    _decisions,
    _mistake_costs,
    _ranking,
    comparison_report,
    evaluation_report,
)
from skadaptive._report.source import Source
from skadaptive.comparison import compare
from skadaptive.contenders import OURS
from skadaptive.datasets import load_rare
from skadaptive.evaluation import evaluate

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

NASTY = '<b>&"x" costs $1$'
VOID = {"meta", "link", "input", "br", "hr", "img", "col"}


@pytest.fixture(scope="module")
def comparison():
    """Ours is far ahead of one feature alone and of the chance level."""
    bunch = load_rare("breast_cancer", as_frame=True)
    alone = FunctionTransformer(lambda X: X[["smoothness error"]])
    contenders = {
        NASTY: DummyClassifier(),
        OURS: AdaptiveHybridClassifier(
            hidden_layer_sizes=(8,), max_epochs=5, cv=3, random_state=0
        ),
        "logistic": make_pipeline(alone, StandardScaler(), LogisticRegression()),
    }
    return compare(
        bunch.data, bunch.target, contenders=contenders, cv=3, random_state=0, verbose=0
    )


@pytest.fixture(scope="module")
def behind():
    """A dummy named like ours is last; one fails; there are weights and row numbers."""
    bunch = load_rare("breast_cancer", as_frame=True)
    contenders = {
        OURS: DummyClassifier(),
        "logistic": table_free(LogisticRegression()),
        "bayes": GaussianNB(),
        "failing": make_pipeline(
            FunctionTransformer(lambda X: X["<i>no such"]), LogisticRegression()
        ),
    }
    weight = np.random.default_rng(0).uniform(0.2, 3, len(bunch.target))
    with pytest.warns(UserWarning, match="failing failed"):
        return compare(
            bunch.data.assign(number=np.arange(len(weight))),
            bunch.target.map({0: "benign", 1: "<malignant>"}),
            contenders=contenders,
            sample_weight=weight,
            cv=3,
            random_state=0,
            verbose=0,
        )


class _Classifier(LogisticRegression):
    """Takes sample weights directly, which a pipeline does not."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(np.asarray(X) / np.abs(X).max().max(), y, sample_weight)


def table_free(classifier):
    return _Classifier(**classifier.get_params())


@pytest.fixture(scope="module")
def evaluation():
    X, y = load_rare("breast_cancer", return_X_y=True)
    y = np.where(y == 1, "<rare>", "other")
    model = GaussianNB().fit(X[::2], y[::2])
    return evaluate(model, X[1::2], y[1::2], n_bootstraps=50, random_state=0)


@pytest.fixture(scope="module")
def pages(comparison, behind, evaluation):
    return {
        "comparison": comparison_report(comparison),
        "behind": comparison_report(behind),
        "evaluation": evaluation_report(evaluation),
        "monitoring": monitoring_report(monitor_later_rows(comparison)),
    }


def monitor_later_rows(comparison):
    """Four periods of the same rows; a feature moves, and labels are wrong."""
    bunch = load_rare("breast_cancer", as_frame=True)
    X, y = bunch.data.copy(), bunch.target.to_numpy().copy()
    X.loc[X.index % 4 == 3, "mean area"] *= 3
    y[3::8] = 1 - y[3::8]
    return monitor(comparison, X, y, time=np.arange(len(y)) % 4)


class Page(HTMLParser):
    """Elements in order, as (tag, attributes, their text, tags around them)."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        around = tuple(element[0] for element in self._open)
        element = [tag, dict(attributes), "", around]
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag
        self.handle_data(" ")  # cells and items stand apart

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def all(self, *tags):
        return [element for element in self.elements if element[0] in tags]

    def text(self):
        (main,) = self.all("main")
        return " ".join(main[2].split())


def data_of(page):
    (script,) = [e for e in Page(page).all("script") if e[1].get("id")]
    return json.loads(script[2])


def section(page, name):
    (found,) = [e for e in Page(page).all("section") if e[1]["id"] == name]
    # A space stands after each element, such as a number of a sentence.
    return re.sub(r" (?=[.,] )", "", " ".join(found[2].split()) + " ").strip()


# --------------------------------------------------------------------- accessibility

PAGES = ["comparison", "behind", "evaluation"]


@pytest.mark.parametrize("name", [*PAGES, "monitoring"])
def test_page_needs_nothing_else(pages, name):
    page = Page(pages[name])
    assert not re.search(r"https?://|//www|@import|url\((?!#)", pages[name])
    for tag, attributes, *_ in page.elements:
        for key in ("src", "href"):
            assert re.match(r"#|data:,", attributes.get(key, "#")), (tag, attributes)
    (policy,) = [e[1]["content"] for e in page.all("meta") if "http-equiv" in e[1]]
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("name", [*PAGES, "monitoring"])
def test_page_is_accessible(pages, name):
    page = Page(pages[name])
    (root,) = page.all("html")
    assert root[1]["lang"] == "en"
    assert len(page.all("title")) == len(page.all("main")) == len(page.all("nav")) == 1
    levels = [int(e[0][1]) for e in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert max(np.diff(levels)) <= 1
    ids = [e[1]["id"] for e in page.elements if "id" in e[1]]
    assert len(ids) == len(set(ids))
    for attribute in ("href", "for", "aria-labelledby"):
        wanted = [e[1][attribute] for e in page.elements if attribute in e[1]]
        assert {w.removeprefix("#") for w in wanted} - {"data:,"} <= set(ids)
    for svg in page.all("svg"):
        assert svg[1]["role"] == "img"
        assert re.search(r"\d\.\d\d", svg[1]["aria-label"])
    assert len(page.all("svg")) == len(page.all("figure")) > 2
    labelled = {e[1]["for"] for e in page.all("label")}
    assert {e[1]["id"] for e in page.all("input")} <= labelled
    assert all(e[2].strip() for e in page.all("button", "a", "caption", "figcaption"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in e[1] for e in page.all("th"))
    assert {"row", "col"} <= {e[1]["scope"] for e in page.all("th")}
    for box in (e for e in page.elements if e[1].get("class") == "scroll"):
        assert box[1]["tabindex"] == "0" and box[1]["aria-label"]


def test_names_are_escaped(pages, comparison, behind):
    page = pages["comparison"]
    assert NASTY not in page and escape(NASTY).replace("&quot;", "&#34;") in page
    assert NASTY in section(page, "ranking")
    assert NASTY in {e[2].strip() for e in Page(page).all("text")}  # no formula
    assert "<malignant>" in section(pages["behind"], "data")
    assert "<malignant>" not in pages["behind"]
    assert "<i>no such" not in pages["behind"]
    assert "<rare>" not in pages["evaluation"]


# --------------------------------------------------------------------------- content


def rows_of(page, caption):
    """Cells of the body of a table by row heading, without rank and label."""
    parser, found, current = Page(page), {}, None
    for tag, _, text, around in parser.elements:
        if tag == "table":
            current = None
        if tag == "caption":
            current = caption in " ".join(text.split())
        if not current or "tbody" not in around:
            continue
        text = " ".join(text.split())
        if tag == "th":
            name = re.sub(r"^\d+\. ", "", text.removesuffix(" skadaptive"))
            found[name] = []
        elif tag == "td":
            found[name].append(text)
    return found


@pytest.mark.parametrize("name", ["comparison", "behind"])
def test_tables_hold_the_figures_of_the_comparison(pages, name, request):
    comparison = request.getfixturevalue(name)
    table, intervals = comparison.table, comparison.intervals()
    ranking = rows_of(pages[name], "Ranking by average precision")
    decisions = rows_of(pages[name], "Decisions at the threshold")
    tests = rows_of(pages[name], "against each other contender")
    assert list(ranking) == list(decisions) == table.index.tolist()
    assert list(tests) == comparison.tests_.index.tolist()
    for name, row in table.iterrows():
        cell = ranking[name][0].replace("\u2212", "-")
        numbers = [float(n) for n in re.findall(r"[-\d.]+", cell)]
        assert_allclose(numbers, intervals.loc[name], atol=6e-4)
        for cell, measure in zip(
            ranking[name][1:3], ("roc_auc", "brier_score"), strict=True
        ):
            value, spread = map(float, cell.split(" ± "))
            assert value == pytest.approx(row[f"mean_{measure}"], abs=6e-4)
            assert spread == pytest.approx(row[f"std_{measure}"], abs=6e-4)
        measures = ["f1", "precision", "recall", "accuracy"]
        measures += [f"{measure}_at_0.5" for measure in measures]
        found = [float(cell.split()[0]) for cell in decisions[name]]
        assert_allclose(found, [row[f"mean_{m}"] for m in measures], atol=6e-4)
    for name, row in comparison.tests_.iterrows():
        difference = float(tests[name][0].replace("\u2212", "-"))
        assert difference == pytest.approx(row["difference"], abs=6e-4)
        assert tests[name][-1] == row["verdict"]


@pytest.mark.parametrize("name", ["comparison", "behind"])
def test_best_of_each_column_is_bold(name, request):
    """The greatest value, but the least Brier score; ties of the digits shown count."""
    comparison = request.getfixturevalue(name)
    # Average precision, ROC AUC and Brier score; four measures at two thresholds.
    for make, signs in ((_ranking, [1, 1, -1]), (_decisions, [1] * 8)):
        rows = [cells for _, cells in make(comparison)["rows"]]
        for column, sign in zip(zip(*rows, strict=True), signs, strict=False):
            values = [sign * float(cell.value) for cell in column]
            bold = [value == max(values) for value in values]
            assert [cell.best for cell in column] == bold


@pytest.mark.parametrize("name", ["comparison", "behind"])
def test_confusion_matrices_and_summary_are_those_of_the_comparison(
    pages, name, request
):
    comparison = request.getfixturevalue(name)
    shown = section(pages[name], "confusion")
    for threshold in (0.5, "tuned"):
        (tn, fp), (fn, tp) = comparison.confusion(threshold=threshold)
        other = next(c for c in comparison.classes_ if c != comparison.pos_label_)
        assert f"True {other} {tn:,.0f} {fp:,.0f}" in shown
        assert f"{fn:,.0f} {tp:,.0f} Of {tp + fn:,.0f} rows" in shown
    text = Page(pages[name]).text()
    for line in comparison.summary():
        assert " ".join(line.split()) in text


@pytest.mark.parametrize("name", PAGES)
def test_embedded_counts_are_those_of_the_rows(pages, name, request):
    found, data = request.getfixturevalue(name), data_of(pages[name])
    if name == "evaluation":
        y, proba, weight = found.y_ == found.pos_label_, found.scores_, None
    else:
        y, proba = found.y_, found.out_of_fold_[found.best_name_]
        weight = found.sample_weight_
    thresholds = np.array(data["thresholds"])
    assert 100 < len(thresholds) < 300 and np.all(np.diff(thresholds) > 0)
    assert data["shown"].count("0.5") == 1
    assert [float(t) for t in data["shown"]] == pytest.approx(thresholds, rel=6e-3)
    for i in range(0, len(thresholds), 7):
        called = proba > thresholds[i]
        tn, fp, fn, tp = confusion_matrix(
            y, called, sample_weight=weight, labels=[0, 1]
        ).ravel()
        assert_allclose([data["tp"][i], data["fp"][i]], [tp, fp], atol=1e-9)
        assert_allclose([data["rare"], data["other"]], [tp + fn, tn + fp])


def test_row_at_the_threshold_is_not_above_it():
    rows = ScoredRows([1, 0, 1, 0, 1], [0.2, 0.5, 0.5, 0.7, np.nan], [1, 2, 4, 8, 16])
    tp, fp = rows.above(np.array([0.1, 0.2, 0.5, 0.7]))
    assert tp.tolist() == [5, 4, 0, 0]
    assert fp.tolist() == [10, 10, 8, 0]


def test_selected_thresholds(pages, comparison):
    y, proba = comparison.y_, comparison.out_of_fold_[comparison.best_name_]
    shown = rows_of(pages["comparison"], "Selected thresholds")
    everyone, nobody = shown.pop("all rows rare"), shown.pop("no row rare")
    (cost_of_all, cost_of_none) = (float(row[-2]) for row in (everyone, nobody))
    assert cost_of_all == pytest.approx(1000 * np.mean(y == 0), rel=6e-3)
    assert cost_of_none == pytest.approx(10_000 * np.mean(y == 1), rel=6e-3)
    assert everyone[1] == "1.000" and nobody[:2] == ["–", "0.000"]
    tuned = comparison.scores("threshold")[comparison.best_name_].mean()
    (at,) = [float(t) for t, cells in shown.items() if "tuned" in cells[-1]]
    assert at == pytest.approx(tuned, rel=6e-3)
    # The model that predicts was tuned on all rows, and its decisions are at this.
    (used,) = [float(t) for t, cells in shown.items() if "predict" in cells[-1]]
    model, X = comparison.best_, comparison._data.X
    rare = list(model.classes_).index(comparison.pos_label_)
    alarms = model.predict_proba(X)[:, rare] > comparison._decides_at
    assert used == pytest.approx(comparison._decides_at, rel=6e-3)
    assert (alarms == (model.predict(X) == comparison.pos_label_)).all()
    assert f"decides at {used:g}," in section(pages["comparison"], "thresholds")
    text = section(pages["comparison"], "thresholds")
    assert f"“tuned” is their mean, {charts.threshold_text(tuned)}." in text
    exact = {"tuned": tuned, "predict": comparison._decides_at}
    assert "default" in shown["0.5"][-1]
    for threshold, cells in shown.items():
        # Of models these are exact and shown rounded; all others are as they are shown.
        at = [value for name, value in exact.items() if name in cells[-1]]
        called = proba > (at[-1] if at else float(threshold))
        expected = [
            precision_score(y, called),
            recall_score(y, called),
            f1_score(y, called),
            1000 * np.mean(called),
            1000 * np.mean((y == 1) & ~called),
            1000 * np.mean(np.where(y == 1, 10 * ~called, called)),
        ]
        assert_allclose([float(c) for c in cells[:-1]], expected, rtol=6e-3, atol=6e-4)
        for recall in re.findall(r"recall of (\d+)%", cells[-1]):
            assert expected[1] >= int(recall) / 100
    (least,) = [t for t, cells in shown.items() if "least cost" in cells[-1]]
    costs = {t: float(cells[-2]) for t, cells in shown.items()}
    assert costs[least] == min(costs.values()) < cost_of_none
    assert f"Least cost: {least}" in section(pages["comparison"], "thresholds")
    text = section(pages["comparison"], "thresholds")
    assert f"the least cost is {shown[least][-2]} per 1,000 rows, at the thr" in text
    assert (
        f"all rows rare costs {everyone[-2]}, and predicting none {nobody[-2]}" in text
    )


@pytest.mark.parametrize(("miss", "cheaper"), [(1000, "all rows"), (0.001, "no row")])
def test_a_threshold_that_is_no_use_is_called_that(miss, cheaper):
    """The lowest row is rare and the highest is not, so that all or none is best."""
    proba = np.linspace(0.01, 0.9, 101)
    rows = ScoredRows(np.arange(101) % 10 == 0, np.r_[proba[:-1], 0.95], None)
    rows.y[-1] = 0
    made = charts.threshold(rows, {}, {"miss": miss, "alarm": 1})
    assert not made["helps"] and made["cheaper"] == cheaper


def test_the_page_names_the_threshold_that_predict_takes_for_costs(behind):
    """Not only a near one: the same number, of the same cost."""
    rows = ScoredRows.pooled(behind, behind.best_name_)
    n_found = 0
    for ratio in np.geomspace(0.3, 100, 40):
        costs = {"miss": ratio, "alarm": 1.0}
        made = charts.threshold(rows, {"tuned": 0.31}, costs)
        expected, cost = least_cost(rows, costs)
        if made["helps"]:
            assert made["least"]["threshold"] == f"{expected}"
            assert made["least"]["cost"] == charts.amount(cost)
            n_found += 1
    assert n_found > 10


@pytest.mark.parametrize(
    ("tuned", "used", "texts", "reasons"),
    [
        (0.31, 0.62, ["0.5", "Tuned: 0.31", "Used by predict: 0.62"], ["the default"]),
        # It looks like 0.5, and is where the decisions of predict are.
        (
            0.31,
            0.49997,
            ["Tuned: 0.31", "Used by predict: 0.5"],
            ["the default, used by predict"],
        ),
        (0.31, 0.31, ["0.5", "Tuned and used by predict: 0.31"], ["the default"]),
    ],
)
def test_marked_thresholds_are_listed_once(behind, tuned, used, texts, reasons):
    rows = ScoredRows.pooled(behind, behind.best_name_)
    marks = {"tuned": tuned, "used by predict": used}
    made = charts.threshold(rows, marks, {"miss": 10.0, "alarm": 1.0})
    assert [text for _, text in made["buttons"]] == texts
    at_half = [row["reason"] for row in made["table"] if row["threshold"] == "0.5"]
    assert at_half == reasons
    index = made["start"]["index"]
    assert made["data"]["thresholds"][index] == used and index == made["buttons"][-1][0]
    legend = made["figure"].split('id="threshold-legend_1"')[1].split("</svg>")[0]
    assert legend.count("<text") == 3 + len(texts)
    lines = re.findall(r"stroke-dasharray: [^;]*|stroke: var\(--c1\)", legend)
    assert len(lines) == len(set(lines)) == 3 + len(texts)


def test_curve_under_which_average_precision_is_the_area(behind):
    grid = np.linspace(0, 1, 20_001)[1:]
    scores = behind.scores("average_precision")
    for name in scores:
        areas = charts._curves(behind, name, grid).mean(axis=1)
        assert_allclose(areas, scores[name], atol=1e-3)


@pytest.mark.parametrize("name", PAGES)
def test_script_knows_where_things_are_in_the_figure(pages, name):
    data = data_of(pages[name])
    (path,) = re.findall(r'<g id="threshold-cost">\s*<path d="([^"]*)"', pages[name])
    # Matplotlib leaves out what lies on a straight line.
    drawn = np.array(re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path), dtype=float)
    assert_allclose(drawn[0, 0], data["x"][0], atol=0.02)
    assert np.abs(np.subtract.outer(drawn[:, 0], data["x"])).min(axis=1).max() < 0.02
    missed = np.subtract(data["rare"], data["tp"])
    cost = 1000 * (10 * missed + data["fp"]) / (data["rare"] + data["other"])
    (top,) = re.findall(
        r'id="threshold-ceiling">.*?<text[^>]*>([\d.,]+)<', pages[name], re.S
    )
    zero, full = data["y"]
    expected = zero + (full - zero) * cost / float(top.replace(",", ""))
    inside = expected > full
    at = np.abs(np.subtract.outer(data["x"], drawn[:, 0]))
    # Optimal thresholds beyond an end of the axis are drawn at it, one upon the other.
    alone = np.isin(data["x"], [x for x, n in Counter(data["x"]).items() if n == 1])
    near = (at.min(axis=1) < 0.02) & alone
    assert (near & inside).sum() > 5
    found = drawn[at.argmin(axis=1), 1]
    assert_allclose(found[near & inside], expected[near & inside], atol=0.6)


# -------------------------------------------------------------------- recommendations


def test_adaptation_is_shown_for_ours(pages, comparison):
    assert comparison.best_name_ == OURS
    shown = section(pages["comparison"], "adaptation")
    assert f"the network parameters of epoch {comparison.best_.best_epoch_}" in shown
    assert f"{comparison.best_.best_score_:.3f}" in shown
    assert 'id="adaptation"' not in pages["behind"]


def test_advice_follows_the_results(pages, comparison, behind):
    ahead, other = (
        section(pages["comparison"], "next"),
        section(pages["behind"], "next"),
    )
    assert f"{OURS} is not the best" not in ahead
    assert f"{OURS} is not the best here: {behind.best_name_}" in other
    assert "AdaptationDisplay" in other
    assert "Fix the problems in the data first (identifier;" in other
    assert "Fix the problems" not in ahead
    assert "failing failed" in other and "failed" not in ahead
    assert "Collect more rare rows if you can. With 30" in ahead
    assert "Identifier. Column 'number'" in section(pages["behind"], "data")


@pytest.mark.parametrize("state", ["finished", "interrupted"])
def test_a_command_gets_no_advice_in_python(behind, evaluation, state):
    """The page of someone who typed a command names options of it, and no function."""
    found = object.__new__(type(behind))
    left_out = {"best_"} if state == "interrupted" else set()
    vars(found).update({k: v for k, v in vars(behind).items() if k not in left_out})
    found.findings_ = [
        *behind.findings_,
        Finding("missing_code", ("a b",), "A code.", (-999.0,)),
        Finding("leak", ("a b", "c"), "A leak."),
        Finding("duplicates", (), "Repeated."),
    ]
    found.table = behind.table.assign(mean_average_precision=0.999)
    source = Source("t.csv", "y", notes=["Read as numbers: a"])
    page = comparison_report(found, source=source)
    evaluated = evaluation_report(evaluation, source=source)
    for each in (page, evaluated):
        assert "t.csv" in section(each, "data")
        assert "Read as numbers: a" in section(each, "data")
    for part in (
        section(page, "next"),
        section(page, "data"),
        section(evaluated, "next"),
    ):
        assert not re.search(
            r"skadaptive\.|sklearn\.|comparison\.|cache_dir|_matrix", part
        )
        assert "  " not in part and " ." not in part
    data, advised = section(page, "data"), section(page, "next")
    assert "A code. The option is --missing -999." in data
    assert "A leak. The option is --drop 'a b' c." in data
    assert "Repeated. The option is --group COLUMN." in data
    assert "with --cache DIR, finished folds" in advised
    assert "known only after the outcome is, drop it" in advised
    assert ("--seed it resumes" in advised) == (state == "interrupted")
    assert ("skadaptive compare --save" in advised) == (state == "finished")
    in_python = section(comparison_report(found), "data")
    assert "A code." in in_python and "option" not in in_python


def test_interrupted_comparison_has_a_report(comparison):
    half = object.__new__(type(comparison))
    vars(half).update({k: v for k, v in vars(comparison).items() if k != "best_"})
    page = comparison_report(half)
    assert "The comparison was interrupted" in section(page, "next")
    assert "comparison.best_." not in page and 'id="adaptation"' not in page


def test_one_contender_and_one_fold():
    X, y = load_rare("breast_cancer", return_X_y=True)
    rows = np.arange(len(y))
    found = compare(
        X,
        y,
        contenders={"bayes": GaussianNB()},
        cv=[(rows[::2], rows[1::2])],
        random_state=0,
        verbose=0,
    )
    page = comparison_report(found)
    assert "only one contender" in section(page, "tests")
    data = data_of(page)
    assert data["rare"] == y[1::2].sum()


def test_a_page_says_that_the_folds_are_in_order_of_time(pages):
    X, y = load_rare("breast_cancer", return_X_y=True)
    found = compare(
        X[:, :3],
        np.roll(y, 200),  # some rare rows in each fold
        contenders={"bayes": GaussianNB()},
        cv=TimeSeriesSplit(3),
        random_state=0,
        verbose=0,
    )
    source = Source("t.csv", "y", times=pd.Series(range(387), name="<no>"))
    text = section(comparison_report(found, source=source), "ranking")
    assert "on later ones by <no>, from 99 to 386. 288 of the 387 rows were t" in text
    assert "earlier" not in section(pages["comparison"], "ranking")


def verdict(proba, y, weight=None):
    return calibration_verdict(ScoredRows(y, proba, weight))


def test_verdict_on_calibration_finds_what_is_wrong():
    rng = np.random.default_rng(0)
    truth = rng.normal(-3, 1.5, 20_000)
    y = rng.uniform(size=len(truth)) < expit(truth)
    weight = rng.uniform(0.1, 5, len(y))

    def level(log_odds):
        """Shift the log-odds to the observed share, so that only the slope is wrong."""
        for _ in range(50):
            log_odds = log_odds + logit(y.mean()) - logit(expit(log_odds).mean())
        return expit(log_odds)

    assert "overconfident" in verdict(level(1.5 * truth), y)[1]
    assert "underconfident" in verdict(level(0.6 * truth), y)[1]
    for w in (None, weight):
        assert "too low" in verdict(expit(truth - 0.5), y, w)[1]
        assert "too high" in verdict(expit(truth + 0.5), y, w)[1]


@pytest.mark.parametrize("weighted", [False, True])
def test_verdict_on_calibration_is_seldom_wrong(weighted):
    """With two tests at 1 %, about 8 of 400 calibrated sets are rejected."""
    rng = np.random.default_rng(0)
    blamed = 0
    for _ in range(400):
        proba = expit(rng.normal(-2.5, 1.5, 2_000))
        y = rng.uniform(size=len(proba)) < proba
        weight = rng.uniform(0.1, 5, len(y))
        blamed += verdict(proba, y, weight if weighted else None)[0]
    assert 1 <= blamed <= 20


# ------------------------------------------------------------------------ evaluations


def test_evaluation_report_holds_its_figures(pages, evaluation):
    shown = rows_of(pages["evaluation"], "Measures with")
    for cells, (_, row) in zip(
        shown.values(), evaluation.table.iterrows(), strict=True
    ):
        assert_allclose([float(c) for c in cells], row, atol=6e-4)
    matrix = evaluation.confusion_matrix_["value"]
    found = rows_of(pages["evaluation"], "Number of rows, with")
    assert list(found) == ["True other", "True <rare>"]
    assert float(found["True <rare>"][1].split()[0]) == matrix["<rare>", "<rare>"]
    assert float(found["True other"][1].split()[0]) == matrix["other", "<rare>"]


def test_evaluation_without_probabilities_has_no_threshold_section():
    X, y = load_rare("breast_cancer", return_X_y=True)
    model = LinearSVC().fit(X[::2] / 1000, y[::2])
    with pytest.warns(UserWarning, match="undefined"):
        found = evaluate(model, X[1::2] / 1000, y[1::2], n_bootstraps=20)
    page = evaluation_report(found)
    assert "<script" not in page and 'id="calibration"' not in page
    assert 'id="curves"' in page


# ---------------------------------------------------------------------------- the file


def test_same_comparison_same_bytes_and_nothing_else_left(comparison, tmp_path):
    path = tmp_path / "report.html"
    assert comparison_report(comparison, path) == path
    first = path.read_bytes()
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "axes.grid": True}):
        assert comparison_report(comparison, str(path)) == path
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_failed_write_leaves_the_old_report(comparison, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("the old one")

    def full(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(atomic.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        comparison_report(comparison, path)
    assert path.read_text() == "the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_mistake_may_cost_less_than_1_and_as_much_as_the_right_prediction():
    assert _mistake_costs([[0, 0.2], [0.5, 0]]) == {"miss": 0.5, "alarm": 0.2}
    assert _mistake_costs([[1, 1], [3, 0.5]]) == {"miss": 2.5, "alarm": 0}


def test_invalid_arguments_are_refused(comparison, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no folder .*create it first"):
        comparison_report(comparison, tmp_path / "none" / "report.html")
    for costs in ([1, 2], [[0, 1], [np.nan, 0]]):
        with pytest.raises(ValueError, match="cost_matrix must be 2 x 2"):
            comparison_report(comparison, cost_matrix=costs)
    for costs in ([[0, -1], [10, 0]], np.array([[0, 1], [10, 11]])):
        with pytest.raises(ValueError, match=r"no mistake cheaper .* got \[\[0, "):
            comparison_report(comparison, cost_matrix=costs)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r'pip install "skadaptive\[compare\]"'):
        comparison_report(comparison)


def test_costs_and_title_are_those_given(comparison):
    page = comparison_report(
        comparison, title="<Tumours>", cost_matrix=[[1, 3], [50, 20]]
    )
    values = {e[1]["id"]: e[1].get("value") for e in Page(page).all("input")}
    assert (values["cost-miss"], values["cost-alarm"]) == ("30", "2")
    assert Page(page).all("h1")[0][2] == Page(page).all("title")[0][2] == "<Tumours>"


def test_what_applies_the_threshold(comparison, evaluation, pages):
    """The option of the command where it has read the file, else Python."""
    source = Source("later.csv", "diagnosis")
    saved = Source("later.csv", "diagnosis", model="my model")
    option = "skadaptive predict MODEL FILE --threshold "
    named = "skadaptive predict 'my model' FILE --threshold "
    made = {
        comparison_report(comparison, source=source): option,
        comparison_report(comparison, source=saved): named,
        evaluation_report(evaluation, source=source): option,
        evaluation_report(evaluation, source=saved): named,
        pages["comparison"]: "comparison.best_.predict_proba(X)[:, 1] > ",
        # The rare class comes first among the labels.
        pages["evaluation"]: "classifier.predict_proba(X)[:, 0] > ",
    }
    for page, expected in made.items():
        ((_, _, text, _),) = [
            e for e in Page(page).all("code") if e[1].get("id") == "apply"
        ]
        (value,) = [e[2] for e in Page(page).all("output")]
        assert text.strip() == expected + value.strip()


def test_report_of_many_contenders_is_small():
    X, y = load_rare("breast_cancer", return_X_y=True)
    contenders = {
        f"Keras MLP (focal loss and class weights {i})": GaussianNB(
            var_smoothing=10.0 ** (i - 20)
        )
        for i in range(22)
    }
    found = compare(X, y, contenders=contenders, cv=2, random_state=0, verbose=0)
    page = comparison_report(found)
    assert len(page.encode()) < 1_500_000
    ranking = rows_of(page, "Ranking by")
    assert len(ranking) == 22


# --------------------------------------------------------------------------- a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with headless_chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def opened(browser, pages, tmp_path):
    """A function that opens a page as a file, at a width, in a scheme of colours."""

    def show(name, width=1100, scheme="light", media=""):
        path = tmp_path / f"{name}.html"
        path.write_text(pages[name], encoding="utf-8")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1}
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {**size, "mobile": width < 500}
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": features}
        )
        browser.get(path.as_uri())
        return browser

    yield show
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert browser.get_log("browser") == []


def text_of(browser, element):
    return browser.find_element("id", element).text


def assert_shown(browser, data, at, miss=10, alarm=1):
    tp, fp, rare = data["tp"][at], data["fp"][at], data["rare"]
    total = rare + data["other"]
    expected = {
        "precision": tp / (tp + fp),
        "recall": tp / rare,
        "f1": 2 * tp / (tp + fp + rare),
        "alarms": 1000 * (tp + fp) / total,
        "missed": 1000 * (rare - tp) / total,
        "cost": 1000 * (miss * (rare - tp) + alarm * fp) / total,
    }
    for name, value in expected.items():
        shown = float(text_of(browser, f"at-{name}").replace(",", ""))
        assert shown == pytest.approx(value, rel=6e-3, abs=6e-4), name
    assert text_of(browser, "threshold-value") == data["shown"][at]
    assert text_of(browser, "apply").endswith(f" {data['shown'][at]}")
    valuetext = browser.find_element("id", "threshold").get_attribute("aria-valuetext")
    assert f"precision {text_of(browser, 'at-precision')}, " in valuetext


@pytest.mark.parametrize("name", PAGES)
def test_slider_counts(opened, pages, name):
    browser, data = opened(name), data_of(pages[name])
    slider = browser.find_element("id", "threshold")
    at = int(slider.get_attribute("value"))
    assert_shown(browser, data, at)
    before = browser.find_element("id", "threshold-cursor-1").rect["x"]
    slider.send_keys("\ue012" * 30)  # the arrow to the left
    assert int(slider.get_attribute("value")) == at - 30
    assert_shown(browser, data, at - 30)
    after = browser.find_element("id", "threshold-cursor-1").rect["x"]
    svg = browser.find_element("css selector", "#thresholds svg")
    scale = svg.rect["width"] / float(svg.get_dom_attribute("viewBox").split()[2])
    moved = (data["x"][at - 30] - data["x"][at]) * scale
    assert after - before == pytest.approx(moved, abs=1.5)
    button = browser.find_element("css selector", "button[data-at]")
    button.click()
    at = int(button.get_attribute("data-at"))
    assert_shown(browser, data, at)
    assert button.text.endswith(data["shown"][at])


def test_the_threshold_is_copied(opened):
    """Into the clipboard, or selected where the page may not write there."""
    browser = opened("comparison")
    expected = text_of(browser, "apply")
    for granted, said in (
        (["clipboardReadWrite", "clipboardSanitizedWrite"], "Copied"),
        ([], "Selected: copy it with the keyboard"),
    ):
        browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": granted})
        browser.find_element("id", "copy").click()
        for _ in range(50):
            if text_of(browser, "copied"):
                break
            time.sleep(0.1)
        assert text_of(browser, "copied") == said
        if granted:
            taken = browser.execute_async_script(
                "navigator.clipboard.readText().then(arguments[0])"
            )
        else:
            taken = browser.execute_script("return String(getSelection())")
        assert taken.strip() == expected
        browser.find_element("css selector", "button[data-at]").click()
        assert not text_of(browser, "copied")
        expected = text_of(browser, "apply")
    browser.execute_cdp_cmd("Browser.resetPermissions", {})


def test_costs_move_the_cheapest_threshold(opened, pages, comparison):
    browser, data = opened("comparison"), data_of(pages["comparison"])
    for miss, alarm in ((10, 1), (300, 1), (1, 20)):
        for name, value in (("cost-miss", miss), ("cost-alarm", alarm)):
            field = browser.find_element("id", name)
            field.clear()
            field.send_keys(str(value))
        missed = np.subtract(data["rare"], data["tp"])
        cost = miss * missed + alarm * np.array(data["fp"])
        browser.find_element("id", "least").click()
        at = int(browser.find_element("id", "threshold").get_attribute("value"))
        assert cost[at] == pytest.approx(cost.min())
        total = (data["rare"] + data["other"]) / 1000
        shown = float(text_of(browser, "at-cost").replace(",", ""))
        assert shown == pytest.approx(cost.min() / total, rel=6e-3, abs=6e-3)
        constant = {"all": alarm * data["other"], "none": miss * data["rare"]}
        for name, value in constant.items():
            shown = float(text_of(browser, f"cost-of-{name}").replace(",", ""))
            assert shown == pytest.approx(value / total, rel=6e-3)
        path = browser.find_element("css selector", "#threshold-cost path")
        assert len(path.get_attribute("d").split("L")) == len(data["x"])
        # The table, its caption and the sentence below follow, as if the page had
        # been written for these costs.
        fresh = comparison_report(comparison, cost_matrix=[[0, alarm], [miss, 0]])
        shown = browser.find_element("css selector", "#thresholds .scroll").text
        cells = rows_of(fresh, "Selected thresholds")
        for threshold, row in cells.items():
            assert f"{threshold} {' '.join(row)}" in shown
        assert f"Costs: {miss} for a miss, {alarm} for a false alarm." in shown
        sentence = browser.find_element("id", "least-helps")
        assert sentence.is_displayed()
        assert sentence.text in section(fresh, "thresholds")
    field.send_keys("\ue003" * 2)  # backspace
    assert text_of(browser, "at-cost") == "–"
    assert not browser.find_element("id", "least").is_enabled()


@pytest.mark.parametrize("name", [*PAGES, "monitoring"])
@pytest.mark.parametrize("width", [390, 1100])
def test_page_does_not_scroll_sideways(opened, name, width):
    browser = opened(name, width=width)
    root = "document.documentElement"
    wide, client = browser.execute_script(
        f"return [{root}.scrollWidth, {root}.clientWidth]"
    )
    assert wide <= client <= width
    # No legend is cut off at an edge of its figure.
    outside = """
        const legends = [...document.querySelectorAll("figure svg [id*='legend']")];
        return legends.filter((legend) => {
            const { width } = legend.ownerSVGElement.viewBox.baseVal;
            const box = legend.getBBox();
            return box.x < 0 || box.x + box.width > width;
        }).map((legend) => legend.textContent)"""
    assert browser.execute_script(outside) == []


def contrast(browser, selector):
    """WCAG's ratio of an element's colour to the colour behind the page."""
    script = """
        const style = getComputedStyle(document.querySelector(arguments[0]));
        return [style.color, getComputedStyle(document.body).backgroundColor]"""
    levels = []
    for colour in browser.execute_script(script, selector):
        parts = np.array(re.findall(r"[\d.]+", colour)[:3], dtype=float) / 255
        linear = np.where(
            parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4
        )
        levels.append(linear @ [0.2126, 0.7152, 0.0722])
    low, high = sorted(levels)
    return (high + 0.05) / (low + 0.05)


def test_dark_mode(opened):
    backgrounds = []
    for scheme in ("light", "dark"):
        browser = opened("comparison", scheme=scheme)
        backgrounds.append(
            browser.execute_script(
                "return getComputedStyle(document.body).backgroundColor"
            )
        )
        for selector in ("p", "nav a", "dt", "figcaption", ".spread", ".ours"):
            assert contrast(browser, selector) >= 4.5, (scheme, selector)
        # Axes, lines and their labels follow.
        script = """return [...document.querySelectorAll("figure svg text")].map(
            (text) => getComputedStyle(text).fill)"""
        text = browser.execute_script(script)
        colour = browser.execute_script("return getComputedStyle(document.body).color")
        assert set(text) == {colour}
        browser = opened("monitoring", scheme=scheme)
        for selector in ("td.breach", ".verdict", ".stability td"):
            assert contrast(browser, selector) >= 4.5, (scheme, selector)
    assert backgrounds == ["rgb(255, 255, 255)", "rgb(20, 24, 29)"]


def test_print_shows_the_table_instead_of_the_controls(opened):
    browser = opened("comparison", width=680, scheme="dark", media="print")
    assert not browser.find_element("id", "threshold-controls").is_displayed()
    assert not browser.find_element("css selector", "nav").is_displayed()
    assert browser.find_element("css selector", "#thresholds table").is_displayed()
    background = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(background) == "rgb(255, 255, 255)"
    cut = """return [...document.querySelectorAll("table")].filter(
        (table) => table.getBoundingClientRect().right > innerWidth).length"""
    assert browser.execute_script(cut) == 0


def test_without_javascript_controls_stay_hidden(opened, browser):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened("comparison")
        assert not browser.find_element("id", "threshold-controls").is_displayed()
        assert "needs JavaScript" in browser.find_element("id", "thresholds").text
    finally:
        browser.execute_cdp_cmd(
            "Emulation.setScriptExecutionDisabled", {"value": False}
        )


# ------------------------------------------------------------------------ explanations


@pytest.mark.parametrize("name", ["comparison", "behind"])
def test_importances_are_those_of_the_winner_on_rows_that_did_not_train_it(
    pages, name, request
):
    comparison = request.getfixturevalue(name)
    explanation = comparison.explain()
    rows = rows_of(pages[name], "Permutation importance")
    table = explanation.importances_[:12]
    assert list(rows) == table.index.tolist()
    for group, cells in rows.items():
        numbers = [float(cell.replace("\u2212", "-")) for cell in cells[:3]]
        row = table.loc[group]
        expected = row[["importance", "low", "high"]].to_numpy(dtype=float)
        assert_allclose(numbers, expected, atol=6e-4)
        features = row["features"]
        assert cells[3] == (", ".join(features) if len(features) > 1 else "")
    text = section(pages[name], "drivers")
    if name == "comparison":
        assert explanation.rows_ == "out of fold"
        assert "387 rows" in text and "committee members" in text
    else:
        n_test = len(comparison.test_folds_[-1])
        assert "fitted once more" in text and f"these {n_test} rows" in text
        assert len(explanation.proba_) == n_test


@pytest.mark.parametrize("name", ["comparison", "behind"])
def test_instructive_rows_are_the_greatest_mistakes(pages, name, request):
    comparison = request.getfixturevalue(name)
    proba = comparison.explain().proba_
    rows = np.arange(len(comparison.y_))
    if name == "behind":
        rows = comparison.test_folds_[-1]
    rare = comparison.y_[rows] == 1
    alarm = rows[~rare][np.argmax(proba[~rare])]
    miss = rows[rare][np.argmin(proba[rare])]
    text = section(pages[name], "drivers")
    for row in (alarm, miss):
        assert f"Row {row + 1} of the table is" in text
    assert text.count(" the odds ") >= 4
    greatest = f"mistakes among the {len(rows)} rows of the last fold, which are expl"
    of_fold = name == "behind"
    assert (greatest in text) == ("miss in the last fold" in text) == of_fold


def test_instructive_rows_have_their_number_in_the_file(behind):
    """Where rows were sorted by time, or left out because they have no class."""
    numbers = np.random.default_rng(0).permutation(len(behind.y_)) + 1001
    source = Source("t.csv", "y", row_numbers=numbers)
    plain, numbered = (
        [
            int(re.search(r"^Row ([\d,]+) ", case["text"])[1].replace(",", ""))
            for case in drivers(behind, 0.5, of)["instructive"]
        ]
        for of in (None, source)
    )
    assert len(plain) == 2
    assert numbered == numbers[np.array(plain) - 1].tolist()


def test_no_importance_of_0_has_a_minus(comparison):
    explanation = copy.copy(comparison.explain())
    table = explanation.importances_.assign(importance=0.1, low=-1e-9, high=0.2)
    explanation.importances_ = table
    assert "0.100 (0.000 to 0.200)" in _importance_figure(explanation)


def test_a_winner_that_cannot_be_explained_leaves_the_rest_of_the_page(comparison):
    class Broken:
        def __getattr__(self, name):
            raise ValueError("it <broke>")

    broken = copy.copy(comparison)
    broken._data = Broken()
    page = comparison_report(broken)
    assert "could not be explained: it <broke>" in section(page, "drivers")
    assert section(page, "ranking")
    wide = copy.copy(comparison)
    wide.n_features_in_ = 1001
    assert "has 1,001 features" in section(comparison_report(wide), "drivers")


def test_a_winner_that_was_not_fitted_is_not_explained(comparison):
    interrupted = copy.copy(comparison)
    del interrupted.best_
    assert "#drivers" not in comparison_report(interrupted)
    with pytest.raises(ValueError, match="not fitted on all rows"):
        interrupted.explain()
