"""The command: output, files, and messages for mistakes."""

import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skadaptive import _packages, cli
from skadaptive._assessment.response import without_seen_rows
from skadaptive._command import predict
from skadaptive._io import atomic
from skadaptive._io.columns import ColumnFormat
from skadaptive._saving import container, model_files, other_models
from skadaptive.comparison import compare
from skadaptive.contenders import (
    XGBoost,
    default_contenders,
    table_pipeline,
    tuned_contenders,
)
from skadaptive.datasets import load_rare
from skadaptive.evaluation import evaluate
from skadaptive.explanation import explain

# Points and commas of a number exchanged.
SWAPPED = str.maketrans(".,", ",.")
FACTS = model_files.ModelFacts("name", "diagnosis", "malignant", False, [])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table to train on and one of later rows."""
    folder = tmp_path_factory.mktemp("cli")
    bunch = load_rare("breast_cancer", as_frame=True)
    frame = bunch.data.iloc[:, :6].round(4)
    frame["site"] = np.where(np.arange(len(frame)) % 3, "left", "right")
    frame["diagnosis"] = bunch.target_names[bunch.target]
    frame[:260].to_csv(folder / "train.csv", index=False)
    frame[260:].to_csv(folder / "later.csv.gz", index=False)
    return folder


@pytest.fixture(scope="module")
def compared(folder):
    """Exit code, standard output and standard error of a comparison."""
    command = ["compare", "train.csv", "--target", "diagnosis", "--quick"]
    more = ["--folds", "2", "--save", "model.skops", "--json", "--cache", "cache"]
    return command_line(folder, *command, *more)


def command_line(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "skadaptive.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def here(folder, compared, monkeypatch):
    assert compared[0] == 0, compared[2]
    monkeypatch.chdir(folder)
    return folder


def test_compare_prints_json_and_notes(compared):
    code, out, error = compared
    assert code == 0, error
    found = json.loads(out)
    assert found["positive"] == "malignant" and found["rows"] == 260
    names = [row["contender"] for row in found["ranking"]]
    assert found["best"] == names[0] and "AdaptiveHybridClassifier" in names
    scores = [row["mean_average_precision"] for row in found["ranking"]]
    assert scores == sorted(scores, reverse=True) and scores[0] > 0.7
    assert found["model"] == "model.skops" and not found["failures"]
    # Standard error says which value is rare, without TensorFlow's start-up lines.
    assert "The rare value of diagnosis is 'malignant'" in error
    assert "14 of 14 done" in error and "oneDNN" not in error


@pytest.fixture
def one_contender(monkeypatch):
    """A comparison that takes a moment."""
    monkeypatch.setattr(
        "skadaptive.comparison.default_contenders",
        lambda X, **parameters: {"bayes": table_pipeline(GaussianNB())},
    )


@pytest.mark.usefixtures("one_contender")
def test_compare_prints_what_it_noted_in_the_table(folder, tmp_path, capsys):
    frame = pd.read_csv(folder / "train.csv")
    frame.loc[[3, 5], "diagnosis"] = None
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    command = ["compare", str(tmp_path / "gaps.csv"), "--target", "diagnosis"]
    assert cli.main([*command, "--folds", "2", "--json"]) == 0
    printed = capsys.readouterr()
    notes = json.loads(printed.out)["notes"]
    assert any("2 rows" in note for note in notes)
    for note in notes:
        assert f"note: {note}" in " ".join(printed.err.split())


def test_an_identifier_is_told_once_before_the_first_fit(
    folder, tmp_path, capsys, monkeypatch
):
    class Listening(GaussianNB):
        def fit(self, X, y):
            heard.append(capsys.readouterr().err)
            return super().fit(X, y)

    heard: list[str] = []
    monkeypatch.setattr(
        "skadaptive.comparison.default_contenders",
        lambda X, **parameters: {"bayes": table_pipeline(Listening())},
    )
    frame = pd.read_csv(folder / "train.csv")
    frame.insert(0, "case", [f"V-{i}" for i in range(len(frame))])
    frame.to_csv(tmp_path / "named.csv", index=False)
    command = ["compare", str(tmp_path / "named.csv"), "--target", "diagnosis"]
    assert cli.main([*command, "--folds", "2"]) == 0
    assert "Column 'case' is different in every row" in heard[0]
    assert "--id case" in heard[0] and "--drop case" in heard[0]
    after = capsys.readouterr()
    assert "different in every row" not in "".join(heard[1:]) + after.out + after.err
    heard.clear()
    assert cli.main([*command, "--folds", "2", "--id", "case"]) == 0
    assert "different in every row" not in "".join(heard)


class Signed(GaussianNB):
    """Leaves the number of the process that fits it in a folder."""

    def __init__(self, folder=None):
        super().__init__()
        self.folder = folder

    def fit(self, X, y):
        (self.folder / str(os.getpid())).touch()
        return super().fit(X, y)


def test_jobs_are_other_processes_that_give_the_same_table(
    folder, tmp_path, capsys, monkeypatch
):
    command = ["compare", str(folder / "train.csv"), "--target", "diagnosis", "--json"]
    tables = []
    for jobs in ([], ["--jobs", "2"]):
        signatures = tmp_path / f"signatures{len(jobs)}"
        signatures.mkdir()
        contenders = {
            "bayes": table_pipeline(Signed(signatures)),
            "prior": table_pipeline(DummyClassifier()),
        }
        monkeypatch.setattr(
            "skadaptive.comparison.default_contenders",
            lambda X, contenders=contenders, **parameters: contenders,
        )
        assert cli.main([*command, "--folds", "3", *jobs]) == 0
        processes = {int(path.name) for path in signatures.iterdir()}
        assert (processes == {os.getpid()}) == (not jobs)
        table = pd.DataFrame(json.loads(capsys.readouterr().out)["ranking"])
        tables.append(table.loc[:, ~table.columns.str.contains("_time")])
    assert set(tables[0]["contender"]) == {"bayes", "prior"}
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize(
    ("weight_of_first", "positive", "other"), [(1, 1, 0), (0.5, 0, 1)]
)
def test_one_rule_for_the_rare_class(
    tmp_path, capsys, quick, one_contender, weight_of_first, positive, other
):
    """The command, compare, evaluate and the estimator take the same class."""
    y = np.repeat([0, 1], [200, 300])
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(y, 2), "y": y})
    frame["w"] = weight = np.where(y == 0, weight_of_first, 1.0)
    frame.to_csv(tmp_path / "t.csv", index=False)
    command = ["compare", str(tmp_path / "t.csv"), "--target", "y", "--folds", "2"]
    assert cli.main([*command, "--weight", "w", "--json"]) == 0
    out, error = capsys.readouterr()
    assert json.loads(out)["positive"] == positive
    assert f"The rare value of y is '{positive}': " in error
    assert f"To find '{other}' instead: --positive {other}" in error
    assert ("more frequent value" in error) == (positive == 1)
    comparison = compare(
        frame[["x"]], y, sample_weight=weight, cv=2, random_state=0, verbose=0
    )
    assert comparison.pos_label_ == positive
    classifier = quick(cv=2, max_epochs=1).fit(frame[["x"]], y, sample_weight=weight)
    assert evaluate(classifier, frame[["x"]], y).pos_label_ == positive


class Slow(GaussianNB):
    """Each of its fits takes ten seconds of a clock that stands still otherwise."""

    now = 0.0  # of the class: clones share it

    def fit(self, X, y, sample_weight=None):
        Slow.now += 10
        return super().fit(X, y, sample_weight)


@pytest.mark.filterwarnings("always:The time limit")
def test_a_time_limit_is_told_wherever_the_result_is(here, capsys, monkeypatch):
    monkeypatch.setattr(Slow, "now", 0.0)
    monkeypatch.setattr("time.monotonic", lambda: Slow.now)
    monkeypatch.setattr(
        "skadaptive.comparison.default_contenders",
        lambda X, **parameters: {
            "first": table_pipeline(GaussianNB()),
            "second": table_pipeline(Slow()),
            "third": table_pipeline(GaussianNB()),
        },
    )
    command = ["compare", "train.csv", "--target", "diagnosis", "--folds", "2"]
    # The second contender begins one of its two folds.
    limited = [*command, "--time-limit", "15"]
    said = (
        "The time limit of 15 s ended the comparison. second (1 of 2 folds) and third "
    )
    assert cli.main([*limited, "--report", "limited.html", "--json"]) == 0
    out, error = capsys.readouterr()
    assert "limit of 15 s was reached: contenders compared: 1; not finished: 2" in error
    found = json.loads(out)
    assert found["best"] == "first" and len(found["ranking"]) == 1
    assert found["time_limit"] == 15 and found["repeatable"] is False
    assert found["unfinished"] == {"second": 1, "third": 0}
    assert any(said in line for line in found["summary"])
    page = (here / "limited.html").read_text()
    assert said in page and "not repeatable" in page and "15 seconds, reached" in page
    assert "did not finish</h3>" in page and "1 of 2 folds" in page
    assert "The time limit left out second and third. Run" in page
    Slow.now = 0.0
    assert cli.main([*limited, "--save", "limited.skops"]) == 0
    out = capsys.readouterr().out
    assert said in out and "not repeatable" in out and "limited.skops" in out
    assert (here / "limited.skops").exists()
    Slow.now = 0.0
    assert cli.main([*command, "--time-limit", "1000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["time_limit"] is None and found["repeatable"] is True
    assert not any("limit" in line for line in found["summary"])


@pytest.mark.parametrize(("given", "tuned"), [([], 20), (["3"], 3), (None, None)])
def test_tuned_trees_are_asked_for(here, monkeypatch, one_contender, given, tuned):
    asked = []
    monkeypatch.setattr(
        "skadaptive.comparison.tuned_contenders",
        lambda X, n_trials, **options: asked.append((n_trials, options)) or {},
    )
    command = ["compare", "train.csv", "--target", "diagnosis", "--folds", "2"]
    command += [] if given is None else ["--tuned", *given]
    assert cli.main([*command, "--scoring", "roc_auc", "--seed", "5"]) == 0
    assert [trials for trials, _ in asked] == ([] if tuned is None else [tuned])
    for _, options in asked:
        assert options == {
            "scoring": "roc_auc",
            "cv": 3,
            "pos_label": "malignant",
            "random_state": 5,
        }


@pytest.mark.parametrize("given", ["train.csv", "1", "-3", "2.5"])
def test_a_number_of_trials_is_needed(capsys, given):
    with pytest.raises(SystemExit) as exit:
        cli.main(["compare", "--target", "diagnosis", "--tuned", given])
    assert exit.value.code == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "number from 2 on" in error and "FILE before --tuned" in error


def test_no_hint_if_the_value_is_given(folder, capsys, one_contender):
    command = ["compare", str(folder / "train.csv"), "--target", "diagnosis"]
    assert cli.main([*command, "--folds", "2", "--positive", "benign"]) == 0
    error = capsys.readouterr().err
    assert "The rare value of diagnosis is 'benign'" in error
    assert "To find" not in error
    assert "'benign' is the more frequent value" in error


def test_help_says_which_class_is_the_rare_one(capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main(["compare", "--help"])
    assert exit.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "the second in sorted order, unless the first has less than half" in text


def test_predict(here, capsys):
    assert cli.main(["predict", "model.skops", "later.csv.gz"]) == 0
    printed = capsys.readouterr().out
    assert cli.main(["predict", "model.skops", "later.csv.gz", "--out", "p.csv"]) == 0
    assert printed == (here / "p.csv").read_text()
    found, truth = pd.read_csv("p.csv"), pd.read_csv("later.csv.gz")
    assert len(found) == len(truth)
    assert set(found["prediction"]) == {"malignant", "benign"}
    rare = truth["diagnosis"] == "malignant"
    assert average_precision_score(rare, found["probability"]) > 0.7
    # Neither the target nor the order of the columns matters.
    shuffled = truth.drop(columns="diagnosis").iloc[:, ::-1]
    shuffled.to_parquet("later.parquet")
    arguments = ["predict", "model.skops", "later.parquet", "--out", "p.parquet"]
    assert cli.main(arguments) == 0
    assert_allclose(pd.read_parquet("p.parquet")["probability"], found["probability"])


@pytest.mark.parametrize("as_json", [True, False])
def test_compare_says_where_the_saved_model_decides(
    here, tmp_path, capsys, monkeypatch, as_json
):
    spread = table_pipeline(LogisticRegression(C=1e-3))
    monkeypatch.setattr(
        "skadaptive.comparison.default_contenders", lambda X, **more: {"it": spread}
    )
    command = ["compare", "train.csv", "--target", "diagnosis", "--folds", "2"]
    path = "it.model"
    page = tmp_path / "it.html"
    command += ["--save", path, "--report", str(page)]
    assert cli.main([*command, *["--json"] * as_json]) == 0
    told = capsys.readouterr().out
    if as_json:
        at = json.loads(told)["threshold"]
    else:
        at = float(re.search(r"The saved model decides at (0\.\d+);", told).group(1))
        text = " ".join(page.read_text().split())
        assert f"decides at {at:g}, where the slider" in text
        in_folds = re.search(r"of each fold: (0\.\d+) on average", told).group(1)
        assert f"“tuned” is their mean, {in_folds}." in text and float(in_folds) != at
        assert f"it is saved in {path}, fitted on all rows." in text
        assert f"The model was written to {path}." in told
        assert f"The report was written to {page}." in told
    assert cli.main(["predict", path, "train.csv"]) == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    # Neither a usual value nor the mean of the folds does as well.
    assert found["probability"].between(*sorted((at, 0.5))).any()
    above, rare = found["probability"] > at, found["prediction"] == "malignant"
    # The terminal and the report show three digits.
    close = (found["probability"] - at).abs() < (0 if as_json else 1e-3)
    assert_array_equal(above[~close], rare[~close])
    assert 0 < rare.sum() < len(rare)


def test_no_page_names_a_model_that_was_not_saved(here, tmp_path, capsys, monkeypatch):
    def full(*args):
        raise OSError("it.model cannot be written (no space)")

    monkeypatch.setattr("skadaptive._command.compare.save_trained", full)
    command = ["compare", "train.csv", "--target", "diagnosis", "--folds", "2"]
    command += ["--only", "logistic regression", "--save", "it.model"]
    page = tmp_path / "it.html"
    assert cli.main([*command, "--report", str(page)]) == 2
    printed = capsys.readouterr()
    assert "logistic regression" in printed.out and "cannot be written" in printed.err
    assert not page.exists()


def test_predict_gives_reasons(here, capsys):
    """In words, of the features of each row, beside the same predictions."""
    pd.read_csv("later.csv.gz").head(25).to_csv("few.csv", index=False)
    assert cli.main(["predict", "model.skops", "few.csv"]) == 0
    plain = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert cli.main(["predict", "model.skops", "few.csv", "--explain", "2"]) == 0
    printed = capsys.readouterr()
    found = pd.read_csv(io.StringIO(printed.out), keep_default_na=False)
    assert "holds no rows of the training" not in printed.err
    pd.testing.assert_frame_equal(found.iloc[:, :2], plain)
    assert list(found) == ["probability", "prediction", "reason_1", "reason_2"]
    columns = "|".join(pd.read_csv("few.csv").columns)
    pattern = rf"(?:(?:{columns}) \S+ (?:raises|lowers) the odds \S+ times)?"
    assert found["reason_1"].str.fullmatch(pattern).all()
    assert (found["reason_1"] != "").mean() > 0.8
    # The greatest probability is explained by what raises it.
    assert "raises" in found["reason_1"][found["probability"].idxmax()]


def test_how_long_reasons_take_is_told_once(here, capsys, monkeypatch):
    monkeypatch.setattr(predict, "_LONG", -1)
    monkeypatch.setattr(predict, "_FIRST_ROWS", 2)
    pd.read_csv("later.csv.gz").head(5).to_csv("few.csv", index=False)
    assert cli.main(["predict", "model.skops", "few.csv", "--explain", "1"]) == 0
    assert capsys.readouterr().err.count("The reasons take about") == 1


@pytest.mark.parametrize("threshold", [0.5, 1])
def test_reasons_of_alarms_alone_leave_the_other_rows_empty(threshold, here, capsys):
    """At a threshold of 1 there is none."""
    rows = pd.read_csv("later.csv.gz").head(25)
    rows.to_csv("few.csv", index=False)
    command = ["predict", "model.skops", "few.csv", "--explain-alarms", "2"]
    assert cli.main([*command, "--threshold", str(threshold)]) == 0
    printed = io.StringIO(capsys.readouterr().out)
    found = pd.read_csv(printed, keep_default_na=False)
    alarms = found["probability"] > threshold
    assert alarms.any() == (threshold < 1) and not alarms.all()
    assert (found.loc[~alarms, ["reason_1", "reason_2"]] == "").all(axis=None)
    saved = model_files.load_model("model.skops")
    X = rows[list(saved.columns)]
    explanation = explain(saved.model, X, random_state=0)
    numbers = np.flatnonzero(alarms)
    if len(numbers):
        expected = explanation.contributions(numbers, background=saved.background)
        texts = expected.reasons(2).to_numpy()
        assert_array_equal(found.loc[alarms, ["reason_1", "reason_2"]], texts)
        assert (texts[:, 0] != "").any()


def test_reasons_compare_with_the_rows_of_the_model_file(here, capsys):
    later = pd.read_csv("later.csv.gz")
    later.head(1).to_csv("one.csv", index=False)
    saved = model_files.load_model("model.skops")
    assert cli.main(["predict", "model.skops", "one.csv", "--explain", "1"]) == 0
    (reason,) = pd.read_csv(io.StringIO(capsys.readouterr().out))["reason_1"]
    explanation = explain(saved.model, later[list(saved.columns)][:1], random_state=0)
    expected = explanation.contributions(background=saved.background).reasons(1)
    assert reason == expected["reason_1"].iloc[0] != ""


def test_without_rows_of_the_training_the_rows_of_the_table_are_compared(here, capsys):
    saved = model_files.load_model("model.skops")
    model_files.save_model("bare.model", saved.model, saved.columns, saved.facts)
    pd.read_csv("later.csv.gz").head(5).to_csv("few.csv", index=False)
    assert cli.main(["predict", "bare.model", "few.csv", "--explain", "1"]) == 0
    printed = capsys.readouterr()
    assert "holds no rows of the training" in printed.err
    assert printed.out.count("the odds") > 2


def test_the_number_of_reasons_is_checked(here, capsys):
    command = ["predict", "model.skops", "later.csv.gz"]
    for more, told in (
        (["--explain", "0"], "--explain: '0' is not a whole number from 1 on"),
        (["--explain-alarms"], "--explain-alarms: expected one argument"),
        (["--explain", "3", "--explain-alarms", "3"], "not allowed with argument --ex"),
    ):
        with pytest.raises(SystemExit) as exit:
            cli.main([*command, *more])
        assert exit.value.code == 2 and told in capsys.readouterr().err


def test_a_contender_that_is_not_the_first_can_be_saved(here, capsys):
    command = ["compare", "train.csv", "--target", "diagnosis", "--folds", "2"]
    command += ["--save", "simple.model", "--only", "logistic regression"]
    assert cli.main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["best"] == "logistic regression" and len(found["ranking"]) == 1
    saved = model_files.load_model("simple.model")
    assert saved.facts.name == "logistic regression"
    assert cli.main([*command, "logistic regresion"]) == 2
    told = capsys.readouterr().err
    assert "Is it 'logistic regression'? There are Adaptive" in told


def test_a_score_is_looked_at_before_the_file_is_read(here, capsys):
    assert cli.main(["compare", "absent.csv", "--target", "x", "--scoring", "auc"]) == 2
    assert "got 'auc'. Is it 'roc_auc'?" in capsys.readouterr().err


def test_model_files_hold_no_record_of_the_rows(tmp_path, quick, binary):
    X, y = binary
    model = make_pipeline(quick().fit(X, y))
    with without_seen_rows(model) as stripped:
        model_files.save_model(tmp_path / "one.skops", stripped, {}, FACTS)
    again = model_files.load_model(tmp_path / "one.skops").model
    assert again[-1]._seen_rows is None and model[-1]._seen_rows is not None
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_evaluate(here, capsys):
    arguments = ["evaluate", "model.skops", "later.csv.gz", "--target", "diagnosis"]
    assert cli.main([*arguments, "--json", "--out", "run"]) == 0
    found = json.loads(capsys.readouterr().out)
    measures = {row["measure"]: row for row in found["measures"]}
    saved = model_files.load_model("model.skops")
    later = pd.read_csv("later.csv.gz")
    proba = saved.model.predict_proba(later.drop(columns="diagnosis"))
    rare = list(saved.model.classes_).index("malignant")
    expected = average_precision_score(
        later["diagnosis"] == "malignant", proba[:, rare]
    )
    assert_allclose(measures["average_precision"]["value"], expected)
    row = measures["average_precision"]
    assert row["low"] <= row["value"] <= row["high"]
    kept = json.loads((here / "run" / "metrics.json").read_text())
    assert_allclose(kept["measures"]["average_precision"]["value"], expected)
    assert list((here / "run").glob("*.png"))
    assert cli.main(arguments) == 0
    assert "average_precision" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("special", "column"), [("group", "customer"), ("time", "day")]
)
# Contenders that take no weights fail with a warning: those with synthetic rows, and
# MLPClassifier before scikit-learn 1.7.
@pytest.mark.filterwarnings("ignore:.* failed and is left out")
def test_group_time_and_weight_columns_are_no_features(here, capsys, special, column):
    frame = pd.read_csv("train.csv")
    frame["customer"] = np.arange(len(frame)) // 2
    frame["day"] = pd.date_range("2020-01-01", periods=len(frame))[::-1]
    frame["share"] = 2.0
    frame.to_csv("more.csv", index=False)
    dropped = {"customer", "day"} - {column}
    command = ["compare", "more.csv", "--target", "diagnosis", "--quick", "--json"]
    command += ["--folds", "2", "--weight", "share", f"--{special}", column]
    command += ["--save", "w.skops", "--drop", "site", *dropped]
    assert cli.main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert "Keras MLP (SMOTE)" in found["failures"]
    assert set(found["failures"]) <= {"Keras MLP (SMOTE)", "MLPClassifier"}
    assert list(model_files.load_model("w.skops").columns) == list(frame.columns[:6])


@pytest.mark.parametrize(
    "arguments",
    [
        "compare train.csv --target diagnosis --quick --save train.csv",
        "compare train.csv --target diagnosis --quick --save x.out --report ./x.out",
        "predict model.skops later.csv.gz --out later.csv.gz",
        "predict model.skops later.csv.gz --out model.skops",
        "evaluate model.skops later.csv.gz --target diagnosis --report later.csv.gz",
    ],
)
def test_no_file_that_is_read_or_written_is_overwritten(here, capsys, arguments):
    before = {path.name: path.read_bytes() for path in here.glob("*.*")}
    assert cli.main(arguments.split()) == 2
    assert "it is a file that is read, or" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in here.glob("*.*")} == before


def test_evaluate_counts_the_costs_of_the_decisions_of_predict(here, capsys):
    later = pd.read_csv("later.csv.gz")
    data = ["model.skops", "later.csv.gz"]
    for option in (["--costs", "3", "40"], ["--threshold", "0.02"]):
        assert cli.main(["predict", *data, *option, "--out", "p.csv"]) == 0
        said = pd.read_csv("p.csv")["prediction"]
        capsys.readouterr()
        evaluate = ["evaluate", *data, "--target", "diagnosis", *option]
        assert cli.main([*evaluate, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        true, classes = later["diagnosis"], sorted(later["diagnosis"].unique())
        assert [row[0] for row in found["confusion_matrix"]] == [
            ((true == t) & (said == s)).sum() for t in classes for s in classes
        ]
        if option[0] == "--threshold":
            assert found["threshold"] == 0.02 and "cost_per_1000_rows" not in found
            continue
        cost = 3 * ((said == "malignant") & (true != "malignant")).mean()
        cost += 40 * ((said != "malignant") & (true == "malignant")).mean()
        assert found["cost_per_1000_rows"]["model"] == pytest.approx(1000 * cost)
        assert cli.main([*evaluate, "--report", "r.html"]) == 0
        said = "if a false alarm costs 3 and a miss 40"
        printed, page = capsys.readouterr().out, Path("r.html").read_text()
        (cost,) = re.findall(rf"cost is (\S+) per 1,000 rows \[.*\], {said}\.", printed)
        # The report has the costs of the user, and the same figure.
        assert f"costs {cost} per 1,000 rows, {said};" in page
        assert f'id="at-cost">{cost}<' in page
        assert re.findall(r'id="cost-\w+" .*value="(\d+)"', page) == ["40", "3"]
        assert "If you know what a miss" not in page


def test_labels_of_other_classes_are_named_with_those_of_the_training(
    here, tmp_path, capsys
):
    later = pd.read_csv("later.csv.gz")
    later["diagnosis"] = (later["diagnosis"] == "malignant").astype(int)
    later.to_csv(tmp_path / "codes.csv", index=False)
    codes = str(tmp_path / "codes.csv")
    assert cli.main(["evaluate", "model.skops", codes, "--target", "diagnosis"]) == 2
    message = capsys.readouterr().err
    for text in ("Column diagnosis", "0 in ", "1 in ", "'benign', 'malignant'"):
        assert text in message


def test_an_empty_file_needs_no_target(here, tmp_path, capsys):
    empty = tmp_path / "empty.csv"
    pd.read_csv("later.csv.gz").head(0).to_csv(empty, index=False)
    assert cli.main(["predict", "model.skops", str(empty)]) == 2
    message = capsys.readouterr().err
    assert "has no rows below its column names" in message and "target" not in message


def test_columns_of_another_case_are_suggested(here, tmp_path, capsys):
    later = pd.read_csv("later.csv.gz").rename(columns=str.upper)
    later.to_csv(tmp_path / "upper.csv", index=False)
    assert cli.main(["predict", "model.skops", str(tmp_path / "upper.csv")]) == 2
    assert "Is it 'MEAN TEXTURE'?" in capsys.readouterr().err


def test_predict_says_what_the_training_has_not_seen(here, tmp_path, capsys):
    later = pd.read_csv("later.csv.gz").drop(columns="diagnosis")
    later.iloc[[2, 5], 1] = None
    later.to_csv(tmp_path / "gaps.csv", index=False)
    assert cli.main(["predict", "model.skops", str(tmp_path / "gaps.csv")]) == 0
    name = later.columns[1]
    expected = f"note: Column {name} is empty in rows 3, 6; in training it never was."
    assert expected in capsys.readouterr().err.splitlines()
    data = Path(__file__).parent / "data"
    model = str(data / "skadaptive-0.1.0-scikit-learn-1.9.1.model")
    rows = pd.read_csv(data / "new_rows.csv")
    rows.loc[:1, "city"] = "Atlantis"
    rows.to_csv(tmp_path / "city.csv", index=False)
    assert cli.main(["predict", model, str(tmp_path / "city.csv")]) == 0
    message = capsys.readouterr().err
    assert "Column city holds 'Atlantis', 'never seen' in rows 1, 2, 4, uns" in message
    assert cli.main(["predict", "model.skops", "later.csv.gz"]) == 0
    assert "training" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["p.xls", "p.txt", "p"])
def test_an_output_of_no_known_kind_is_refused(here, capsys, name):
    assert cli.main(["predict", "model.skops", "later.csv.gz", "--out", name]) == 2
    assert "its name must end in one of .csv" in capsys.readouterr().err
    assert not (here / name).exists()


def test_keys_are_no_features_and_are_copied_into_the_scores(
    here, capsys, one_contender
):
    frame = pd.read_csv("train.csv").iloc[:, [0, 1, -1]]
    frame.insert(1, "client", [f"{i:05d}" for i in range(len(frame))])
    frame.to_csv("clients.csv", index=False)
    command = ["compare", "clients.csv", "--target", "diagnosis", "--id", "client"]
    assert cli.main([*command, "--folds", "2", "--save", "id.skops"]) == 0
    saved = model_files.load_model("id.skops")
    assert list(saved.columns) == [frame.columns[0], frame.columns[2]]
    assert saved.facts.id_column == "client"
    assert cli.main(["predict", "id.skops", "clients.csv", "--out", "s.csv"]) == 0
    scores = pd.read_csv("s.csv", dtype={"client": str})
    assert scores["client"].tolist() == frame["client"].tolist()
    capsys.readouterr()
    assert cli.main(["predict", "id.skops", "clients.csv", "--id", "key"]) == 2
    assert "There is no column key" in capsys.readouterr().err
    # The name of the contender, not of the class of its last step.
    arguments = ["evaluate", "id.skops", "clients.csv", "--target", "diagnosis"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.startswith("bayes on 260 rows")


def test_formats_of_the_training_are_in_the_model_file(here, capsys, one_contender):
    """A single row is read by them, though it could mean something else."""
    frame = pd.read_csv("train.csv").iloc[:, [0, 1, -1]]
    amounts = frame.iloc[:, 1].mul(1000)
    frame.insert(0, "amount", [f"{a:,.2f}".translate(SWAPPED) for a in amounts])
    frame.to_csv("german.csv", index=False, sep=";")
    command = ["compare", "german.csv", "--target", "diagnosis", "--folds", "2"]
    assert cli.main([*command, "--save", "german.skops"]) == 0
    known = model_files.load_model("german.skops").columns
    assert known["amount"].number.thousands == "." and known["amount"].needs_text
    columns = frame.columns[1:3]
    for text, value in (("1.234", 1234.0), ("1.234,00", 1234.0)):
        one = frame.iloc[:1].assign(amount=text)
        one.to_csv("one.csv", index=False, sep=";")
        assert cli.main(["predict", "german.skops", "one.csv"]) == 0
        printed = float(capsys.readouterr().out.splitlines()[-1].split(",")[0])
        saved = model_files.load_model("german.skops")
        X = one[["amount", *columns]].assign(amount=value)
        rare = list(saved.model.classes_).index("malignant")
        assert_allclose(printed, saved.model.predict_proba(X)[0, rare])


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """Rows with weights, a model file with a name of its own, and new rows."""
    folder = tmp_path_factory.mktemp("decided")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"y": np.where(rng.random(300) < 0.2, "yes", "no")})
    frame["x"] = rng.normal(2 * (frame["y"] == "yes"), 1.5)
    frame["city"] = rng.choice(["Rome", "Oslo"], 300)
    frame["w"] = rng.integers(0, 4, 300)
    frame.to_csv(folder / "rows.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "skadaptive.comparison.default_contenders",
            lambda X, **parameters: {"bayes": table_pipeline(GaussianNB())},
        )
        command = ["compare", str(folder / "rows.csv"), "--target", "y"]
        command += ["--weight", "w", "--folds", "2"]
        save = ["--save", str(folder / "my model.v2.csv")]
        assert cli.main([*command, *save]) == 0
        save = ["--save", str(folder / "bare"), "--no-reference"]
        assert cli.main([*command, *save]) == 0
    return folder


@pytest.fixture
def model(decided, monkeypatch):
    pytest.importorskip("skops")
    monkeypatch.chdir(decided)
    return model_files.load_model("my model.v2.csv")


def predicted(capsys, *options):
    """Probabilities, predictions and notes of the command."""
    arguments = ["predict", "my model.v2.csv", "rows.csv", "--drop", "w", *options]
    assert cli.main(arguments) == 0
    out, error = capsys.readouterr()
    table = pd.read_csv(io.StringIO(out))
    return table["probability"], table["prediction"] == "yes", error


def test_a_model_is_saved_under_exactly_its_name(decided):
    names = {path.name for path in decided.iterdir()}
    assert names == {"rows.csv", "my model.v2.csv", "bare"}


def test_a_row_is_rare_above_the_given_threshold(model, capsys):
    probability, by_default, _ = predicted(capsys)
    exactly = probability.iloc[7]
    for threshold in (0, 0.31, exactly, 1):
        again, is_rare, _ = predicted(capsys, "--threshold", repr(float(threshold)))
        assert_array_equal(again, probability)
        assert_array_equal(is_rare, probability > threshold)
    assert by_default.any() and not by_default.all()


def test_probabilities_of_float32_lie_above_the_numbers_just_below(model, capsys):
    """The costs of thresholds are counted in float64, and so are the decisions."""
    pytest.importorskip("xgboost")
    frame = pd.read_csv("rows.csv")
    X, y = frame[["x", "city"]], frame["y"]
    trees = XGBoost(random_state=0, options={"n_estimators": 2})
    trees = table_pipeline(trees, impute=False, scale=False).fit(X, y)
    probability = trees.predict_proba(X)[:, 1]
    assert probability.dtype == np.float32
    model_files.save_model("trees", trees, model.columns, model.facts)
    exactly = float(np.sort(probability)[150])
    for threshold in (np.nextafter(exactly, 0), exactly):
        arguments = ["predict", "trees", "rows.csv", "--drop", "w", "--threshold"]
        assert cli.main([*arguments, repr(float(threshold))]) == 0
        table = pd.read_csv(io.StringIO(capsys.readouterr().out))
        expected = probability.astype(float) > threshold
        assert_array_equal(table["prediction"] == "yes", expected)
    os.unlink("trees")


def test_a_file_has_no_free_text(tmp_path, monkeypatch, rng):
    """Neither whole nor in the formats of the columns, if the rows are left out."""
    pytest.importorskip("skops")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "skadaptive.comparison.default_contenders",
        lambda X, **parameters: {"bayes": table_pipeline(GaussianNB())},
    )
    words = ["order", "customer", "arrived", "refund", "broken", "again"]
    notes = [" ".join(rng.choice(words, 7)) for _ in range(80)]
    city = np.where(np.arange(80) % 3, "Rome", "Oslo")
    y = np.where(np.arange(80) % 4, "no", "yes")
    frame = pd.DataFrame({"note": notes, "city": city, "y": y})
    frame.to_csv("notes.csv", index=False)
    command = ["compare", "notes.csv", "--target", "y", "--folds", "2"]
    for options, with_texts in ([], True), (["--no-reference"], False):
        assert cli.main([*command, *options, "--save", "it"]) == 0
        manifest, parts, _ = container.read_container("it")
        content = json.dumps(manifest).encode() + b"".join(parts.entries.values())
        assert b"Oslo" in content  # a category
        assert any(note.encode() in content for note in notes) == with_texts


@pytest.mark.parametrize(("alarm", "miss"), [(1, 20), (3, 1), (1, 1e9), (1e9, 1)])
def test_costs_find_the_cheapest_threshold(model, capsys, alarm, miss):
    """No threshold is cheaper on the weighted out-of-fold rows of the training."""
    probability, is_rare, note = predicted(capsys, "--costs", str(alarm), str(miss))
    found = re.search(r"--threshold (\S+) has the least cost", note)
    threshold = float(found[1])
    rows = model.out_of_fold

    def cost(threshold):
        called = rows.probability > threshold
        each = np.where(rows.y == 1, miss * ~called, alarm * called)
        return 1000 * np.average(each, weights=rows.sample_weight)

    every = [0.0, *rows.probability, 1.0]
    assert cost(threshold) == pytest.approx(min(map(cost, every)), rel=1e-9)
    told = float(re.search(r"tested: ([\d,.]+) per 1,000", note)[1].replace(",", ""))
    assert told == pytest.approx(cost(threshold), rel=6e-3, abs=6e-3)
    assert_array_equal(is_rare, probability > threshold)
    again = predicted(capsys, "--threshold", found[1])[1]
    assert_array_equal(again, is_rare)


def test_what_is_stored_of_the_training(model):
    frame = pd.read_csv("rows.csv")
    X = frame[["x", "city"]]
    with_weight = frame["w"] > 0
    rows = model.out_of_fold
    assert len(rows.y) == with_weight.sum()
    assert_array_equal(rows.y, frame["y"][with_weight] == "yes")
    assert_array_equal(rows.sample_weight, frame["w"][with_weight])
    assert len(model.background) == 200
    merged = model.background.merge(frame, how="left", on=["x", "city"])
    assert (merged["w"] > 0).all()
    assert list(model.background) == list(X)
    assert model.reference["n_rows"] == 300
    assert model.reference["features"]["city"]["kind"] == "category"
    bare = model_files.load_model("bare")
    assert bare.background is None and bare.reference == model.reference
    assert len(bare.out_of_fold.y) == len(rows.y)


def test_info(model, capsys):
    assert cli.main(["info", "my model.v2.csv"]) == 0
    text = capsys.readouterr().out
    for expected in ("bayes, which finds yes in y", "x     number", "background"):
        assert expected in text
    assert "opens under these versions alone: imbalanced-learn " in text
    assert cli.main(["info", "my model.v2.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["columns"] == {"x": "number", "city": "category"}
    sizes = found["bytes"]
    assert sizes.pop("file") == os.path.getsize("my model.v2.csv")
    assert sum(sizes.values()) == os.path.getsize("my model.v2.csv")
    assert cli.main(["info", "bare", "--json"]) == 0
    assert set(sizes) - set(json.loads(capsys.readouterr().out)["bytes"]) == {
        "background"
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--threshold 1.01", "1.01 is not from 0 to 1"),
        ("--threshold nan", "nan is not from 0 to 1"),
        ("--threshold high", "'high' is not a number"),
        ("--costs 1 0", "0 is not positive and finite"),
        ("--costs inf 1", "inf is not positive and finite"),
        ("--costs 1", "expected 2 arguments"),
        ("--costs 1 2 --threshold 0.5", "not allowed with argument"),
    ],
)
def test_wrong_thresholds_and_costs(capsys, options, message):
    """They are refused before any file is read."""
    with pytest.raises(SystemExit) as exit:
        cli.main(["predict", "none.model", "none.csv", *options.split()])
    assert exit.value.code == 2
    assert message in capsys.readouterr().err


def test_decisions_that_a_model_cannot_make(model, capsys, quick, multiclass):
    facts = replace(model.facts, positive="b")
    X, y = multiclass
    frame = pd.DataFrame(X, columns=list("uvwxyz"))
    frame.to_csv("six.csv", index=False)
    several = quick(max_epochs=1).fit(frame, np.array(["a", "b", "c"])[y])
    columns = dict.fromkeys(frame, ColumnFormat("number"))
    model_files.save_model("several", several, columns, facts)
    for option in (["--threshold", "0.3"], ["--costs", "1", "2"]):
        assert cli.main(["predict", "several", "six.csv", *option]) == 2
        assert "two classes; bayes has 3" in capsys.readouterr().err
    model_files.save_model("plain", model.model, model.columns, model.facts)
    arguments = ["predict", "plain", "rows.csv", "--drop", "w", "--costs", "1", "2"]
    assert cli.main(arguments) == 2
    assert "holds no out-of-fold probabilities" in capsys.readouterr().err
    for name in ("six.csv", "several", "plain"):
        os.unlink(name)
    assert cli.main(["compare", "--quick", "--no-reference"]) == 2
    assert "--no-reference needs --save" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("compare none.csv --target x", "no file none.csv"),
        ("compare train.csv", "--target COLUMN, one of: mean radius"),
        ("compare train.csv --target x", "no column x. The columns are: mean"),
        ("compare --target x", "--target needs a FILE"),
        ("compare train.csv --target site --positive up", "No row has the value 'up'"),
        ("compare one.csv --target t", "but two classes are needed"),
        ("compare twenty.csv --target t", "has 20 values"),
        ("compare model.skops --target t", "model.skops cannot be read as a table"),
        ("compare train.csv --target diagnosis --drop x", "no column x"),
        ("compare train.csv --target diagnosis --folds 1", "--folds must be 2"),
        ("compare train.csv --target diagnosis --scoring f11", "scoring must be"),
        (
            "compare train.csv --target diagnosis --time-limit 0",
            "--time-limit must be a positive number of seconds; got 0",
        ),
        (
            "compare train.csv --target diagnosis --quick --time-limit 1e-9",
            "No contender finished its 5 folds within the time limit of 1e-09 s",
        ),
        ("compare train.csv --target diagnosis --report no/r.html", "no folder"),
        (
            "compare train.csv --target diagnosis --time a --group b",
            "exclude each other",
        ),
        ("compare train.csv --target diagnosis --weight site", "site has 'right'"),
        ("compare one.csv --target a --weight zero", "zero has only 0"),
        ("compare train.csv --target diagnosis --time site", "must hold times that"),
        ("compare train.csv --target diagnosis --report cache", "it is a folder"),
        ("compare --drop site train.csv --target diagnosis", "FILE before --drop"),
        ("predict none.skops later.csv.gz", "no model file"),
        ("predict train.csv later.csv.gz", "not a model file"),
        ("predict old.skops later.csv.gz", "written with skadaptive 0.0.1"),
        ("predict foreign.skops later.csv.gz", "does not trust: .*Popen"),
        ("predict model.skops more_columns.csv", "not trained on: extra.*--drop extra"),
        ("predict model.skops fewer.csv", "are missing: mean radius"),
        ("predict model.skops texts.csv", "mean radius held numbers in training"),
        ("evaluate model.skops later.csv.gz --target x", "no column x"),
        ("evaluate model.skops odd.csv --target diagnosis", "labels that are not know"),
        ("compare --jobs 2 --scheduler x", "--jobs and --scheduler exclude each other"),
        ("export none.skops --onnx new.onnx", "no model file"),
        ("export model.skops --onnx model.skops", "it is a file that is read"),
        ("export model.skops --onnx no/new.onnx", "there is no folder"),
    ],
)
def test_mistakes(here, capsys, monkeypatch, arguments, message):
    """The exit code is 2, a message says what to do, and no file is overwritten."""
    later = pd.read_csv("later.csv.gz")
    numbers = pd.DataFrame({"a": np.arange(40), "t": 1, "zero": 0})
    numbers.to_csv("one.csv", index=False)
    numbers.assign(t=np.arange(40) % 20).to_csv("twenty.csv", index=False)
    later.assign(extra=1).to_csv("more_columns.csv", index=False)
    later.drop(columns="mean radius").to_csv("fewer.csv", index=False)
    later.assign(**{"mean radius": "wide"}).to_csv("texts.csv", index=False)
    later.assign(diagnosis="unclear").to_csv("odd.csv", index=False)
    X = later.iloc[:, :6]
    model = table_pipeline(LogisticRegression(max_iter=5000)).fit(X, later.diagnosis)
    with monkeypatch.context() as trusting:
        trusting.setattr(
            other_models, "TRUSTED", {*other_models.TRUSTED, "subprocess.Popen"}
        )
        model_files.save_model("foreign.skops", subprocess.Popen, {}, FACTS)
    monkeypatch.setattr(_packages, "__version__", "0.0.1")
    model_files.save_model("old.skops", model, {}, FACTS)
    monkeypatch.undo()
    monkeypatch.chdir(here)
    outputs = {
        "compare": ["--report", "kept.html", "--save", "kept.skops"],
        "predict": ["--out", "kept.csv"],
        "evaluate": ["--report", "kept.html"],
    }
    arguments = arguments.split()
    if "--report" not in arguments:
        arguments += outputs.get(arguments[0], [])
    for name in ("kept.html", "kept.skops", "kept.csv"):
        (here / name).write_text("here before")
    before = sorted(path.name for path in here.iterdir())
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.splitlines()[-1].startswith(f"skadaptive {arguments[0]}: ")
    for name in ("kept.html", "kept.skops", "kept.csv"):
        assert (here / name).read_text() == "here before"
    assert sorted(path.name for path in here.iterdir()) == before


def test_untrusted_types_are_not_written(here):
    """NumPy, too, has functions that run any code."""
    model = make_pipeline(FunctionTransformer(np.testing.runstring), DummyClassifier())
    with pytest.raises(ValueError, match="runstring would not be read again"):
        model_files.save_model("bad.skops", model, {}, FACTS)
    assert not (here / "bad.skops").exists()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_default_contender_can_be_saved(here):
    frame = pd.read_csv("train.csv")
    frame["day"] = pd.date_range("2020-01-01", periods=len(frame))
    X, y = frame.drop(columns="diagnosis"), frame["diagnosis"]
    made = default_contenders(X, random_state=0) | tuned_contenders(X, 2)
    for name, model in made.items():
        if name in ("histogram boosting (tuned)", "LightGBM (tuned)"):
            continue  # the same types as without tuning, and XGBoost (tuned)
        if name.startswith("Keras MLP") and "(SMOTE)" not in name:
            continue  # the same types as with SMOTE
        fitted = model.fit(X, y)
        model_files.save_model("one.skops", fitted, {}, FACTS)
        again = model_files.load_model("one.skops").model
        assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_export_gives_the_probabilities_of_predict(here, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert cli.main(["export", "model.skops", "--onnx", "model.onnx"]) == 0
    printed = capsys.readouterr()
    assert "The ONNX model was written to model.onnx." in printed.out
    assert 'probabilities of the classes ["benign", "malignant"]' in printed.err
    assert 'A row is "malignant" if the probability of this class' in printed.err
    session = onnxruntime.InferenceSession(
        "model.onnx", providers=["CPUExecutionProvider"]
    )
    rows = pd.read_csv("later.csv.gz")
    inputs = {
        column.name: rows[[column.name]].to_numpy(
            object if "string" in column.type else np.float32
        )
        for column in session.get_inputs()
    }
    assert list(inputs) == list(rows.drop(columns="diagnosis"))
    (proba,) = session.run(["probabilities"], inputs)
    rows.to_csv("rows.csv", index=False)
    assert cli.main(["predict", "model.skops", "rows.csv", "--out", "out.csv"]) == 0
    predicted = pd.read_csv("out.csv")
    # The numbers of the file are rounded to float32 when they enter the graph.
    assert_allclose(proba[:, 1], predicted["probability"], atol=1e-4)


def test_unknown_option():
    with pytest.raises(SystemExit) as exit:
        cli.main(["compare", "--tarket", "x"])
    assert exit.value.code == 2


def test_interrupt_has_its_own_exit_code(here, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skadaptive._command.compare.compare", interrupted)
    assert cli.main(["compare", "train.csv", "--target", "diagnosis"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_file_is_replaced_only_when_complete(tmp_path):
    path = tmp_path / "kept"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic.replace_atomically(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before"
    with atomic.replace_atomically(path) as temporary:
        temporary.write_text("after")
    assert path.read_text() == "after"
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]
