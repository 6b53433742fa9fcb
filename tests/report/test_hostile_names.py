"""Names and values that would be markup, scripts or commands are texts of the pages."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from browsing import headless_chromium
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skadaptive import AdaptiveHybridClassifier, monitor
from skadaptive._io.columns import ColumnFormat
from skadaptive._report.monitoring import monitoring_report
from skadaptive._report.pages import comparison_report, evaluation_report
from skadaptive._report.source import Source, describe_columns
from skadaptive._saving.model_files import ModelFacts, SavedModel
from skadaptive._saving.reference import OutOfFold, reference_distributions
from skadaptive.comparison import compare
from skadaptive.contenders import table_pipeline
from skadaptive.evaluation import evaluate

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

# Each would set window.x, load something, end an element or leave its line.
SCRIPT = "<script>window.x=1</script>"
END = "</script></style></title></svg><img src=x onerror='window.x=2'>"
EVENT = '" onmouseover="window.x=3" autofocus onfocus=\'window.x=4\' x="'
SVG = "<svg onload=window.x=5><a href='javascript:window.x=6'>a</a></svg>"
TEMPLATE = "{{ 7 * 7 }}{% raw %}${window.x=7} <!-- ]]> $\\frac{1}{$"
COMMANDS = "\x00\x1b[2J\x9b\u202egnp.exe\u2066"
LONG = "N" * 10_000
PAYLOADS = (SCRIPT, END, EVENT, SVG, TEMPLATE, COMMANDS, LONG)
PAGES = ("comparison", "evaluation", "monitoring", "comparison in a notebook")
PAGES += ("evaluation in a notebook", "monitoring in a notebook", "estimator")
OURS = PAGES[:3]


def table(seed, n_rows=240):
    rng = np.random.default_rng(seed)
    strong = rng.normal(size=n_rows)
    X = pd.DataFrame({name: rng.normal(size=n_rows) for name in PAYLOADS[1:]})
    X[SCRIPT] = strong
    X[f"kind {SVG}"] = rng.choice([*PAYLOADS], n_rows)
    y = np.where(strong + rng.normal(0, 0.5, n_rows) > 1.2, END, EVENT).astype(object)
    return X, y


@pytest.fixture(scope="module")
def pages():
    """Pages of all kinds, with payloads for every name and text.

    Warnings are errors, as of charts without room and of letters that a font lacks.
    """
    X, y = table(0)
    numbers = FunctionTransformer(lambda X: X[list(PAYLOADS)].to_numpy())
    contenders = {
        name: make_pipeline(numbers, GaussianNB(var_smoothing=10.0**-i))
        for i, name in enumerate((SVG, TEMPLATE, COMMANDS, f"东京\t{LONG}"))
    }
    contenders[SCRIPT] = table_pipeline(LogisticRegression())
    found = compare(
        X, y, contenders=contenders, cv=2, pos_label=END, random_state=0, verbose=0
    )
    columns = describe_columns(X, {}, {SVG: "dropped"})
    source = Source(END, SVG, columns, notes=list(PAYLOADS))
    model = contenders[SCRIPT].fit(X, y)
    later, labels = table(1)
    measured = evaluate(model, later, labels, pos_label=END, n_bootstraps=5)
    known = OutOfFold.of_contender(found, SCRIPT)
    kinds = {name: "category" if "kind" in name else "number" for name in X}
    saved = SavedModel(
        model,
        {name: ColumnFormat(kind) for name, kind in kinds.items()},
        ModelFacts(SCRIPT, SVG, END, False, []),
        out_of_fold=known,
        reference=reference_distributions(X, known),
    )
    moved = later.assign(**{SCRIPT: later[SCRIPT] + 2, f"kind {SVG}": f"new {EVENT}"})
    periods = np.repeat([f"1 {SVG}", f"2 {LONG}"], len(moved) // 2)
    watched = monitor(saved, moved, labels, time=periods)
    return {
        "comparison": comparison_report(found, source=source, title=END),
        "evaluation": evaluation_report(measured, source=source, title=END),
        "monitoring": monitoring_report(watched, source=source, title=END),
        "comparison in a notebook": found._repr_html_(),
        "evaluation in a notebook": measured._repr_html_(),
        "monitoring in a notebook": watched._repr_html_(),
        "estimator": AdaptiveHybridClassifier(
            categorical_features=[*PAYLOADS], class_weight={END: 1, SCRIPT: 2}
        )._repr_html_(),
    }


class Parsed(HTMLParser):
    """Elements with their attributes, and the texts outside of scripts."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self._inside = [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._inside = tag

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.texts.append(data)

    def handle_endtag(self, tag):
        self._inside = None


@pytest.mark.parametrize("name", PAGES)
def test_payloads_are_texts(pages, name):
    page = Parsed(pages[name])
    tags = [tag for tag, _ in page.elements]
    assert not {"img", "iframe", "object", "embed", "base", "form"} & set(tags)
    of_scikit_learn = LogisticRegression()._repr_html_().count("<script")
    scripts = {"monitoring": 0, "estimator": of_scikit_learn}
    assert tags.count("script") == scripts.get(name, 2 * (name in OURS))
    for tag, attributes in page.elements:
        if name != "estimator":  # whose page scikit-learn writes, with buttons
            assert not [key for key in attributes if key.startswith("on")], tag
        for key in ("href", "src", "action", "xlink:href"):
            assert re.match(r"#|data:,|https://scikit", attributes.get(key) or "#")
    text = "".join(page.texts)
    assert "window.x=" in text


@pytest.mark.parametrize("name", OURS)
def test_no_text_breaks_the_layout_of_a_page(pages, name):
    page = Parsed(pages[name])
    text = "\n".join(page.texts)
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x80-\x9f\u202a-\u202e\u2066-\u2069]", text
    )
    assert "\\u202egnp.exe" in text and "N" * 30 in text and "N" * 90 not in text
    assert "{{ 7 * 7 }}" in text
    pages[name].encode()  # no surrogate is left


def test_no_script_runs_in_a_browser(pages, tmp_path):
    """Whatever is clicked, focused or hovered, and nothing is wider than the window."""
    with headless_chromium(tmp_path / "profile") as browser:
        for name, page in pages.items():
            path = tmp_path / f"{name}.html"
            path.write_text(f"<!DOCTYPE html>{page}", encoding="utf-8")
            for width in (1100, 400) if name in OURS else (1100,):
                size = {"width": width, "height": 900, "deviceScaleFactor": 1}
                browser.execute_cdp_cmd(
                    "Emulation.setDeviceMetricsOverride", {**size, "mobile": False}
                )
                browser.get(path.as_uri())
                found = browser.execute_script(_TOUCH_EVERYTHING)
                assert found["x"] is None, name
                if name in OURS:
                    assert found["width"] <= width, (name, width)


_TOUCH_EVERYTHING = """
for (const one of document.querySelectorAll("details")) one.open = true;
for (const one of document.querySelectorAll("*:not(button)"))
  for (const kind of ["mouseover", "focus", "click", "load", "error"])
    one.dispatchEvent(new Event(kind));
return {x: window.x ?? null, width: document.documentElement.scrollWidth};
"""
