"""What a subcommand says of the data that it reads, and what it needs."""

import argparse
import re
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skadaptive import cli
from skadaptive._command.inputs import (
    check_roles,
    date_formats,
    print_positive,
    read_model_and_table,
    threshold_asked_for,
)
from skadaptive._io.columns import Notes, ReadingOptions, infer_column
from skadaptive._io.training_table import ColumnRoles, make_training
from skadaptive._saving.model_files import ModelFacts, load_model, save_model
from skadaptive._saving.reference import OutOfFold


def test_formats_of_dates():
    assert date_formats([]) == {}
    given = ["opened=%d/%m/%Y", "a b=%H=%M", "opened=%Y"]
    assert date_formats(given) == {"opened": "%Y", "a b": "%H=%M"}
    with pytest.raises(ValueError, match=r"needs the column, too: 'COLUMN=%d\.%m\.%Y'"):
        date_formats(["%d.%m.%Y"])


def told(counts, capsys, by_default=True, weight=None, positive=None):
    """What is printed of a table with so many rows of each class."""
    y = np.repeat(list(counts), list(counts.values()))
    frame = pd.DataFrame({"x": np.arange(len(y)), "z": 0.0, "y": y})
    roles = ColumnRoles("y")
    if weight is not None:
        frame["w"] = np.where(y == weight[0], weight[1], 1.0)
        roles = ColumnRoles("y", weight="w")
    print_positive(make_training(frame, roles, positive), by_default)
    out, error = capsys.readouterr()
    assert not out
    return error.splitlines()


def test_which_value_is_rare(capsys):
    assert told({"no": 1500, "yes": 500}, capsys) == [
        "The rare value of y is 'yes': 25.00% of 2,000 rows. 2 features.",
        "To find 'no' instead: --positive no",
    ]
    assert told({"it is": 30, "not": 70}, capsys, by_default=False, positive="not") == [
        "The rare value of y is 'not': 70.00% of 100 rows. 2 features.",
        "note: 'not' is the more frequent value.",
    ]
    assert told({"it is": 40, "not": 60}, capsys) == [
        "The rare value of y is 'not': 60.00% of 100 rows. 2 features.",
        "To find 'it is' instead: --positive 'it is'",
        "note: 'not' is the more frequent value; of two about equally frequent ones "
        "the second counts as rare.",
    ]
    assert told({"a": 50, "b": 50}, capsys)[-1] == "To find 'a' instead: --positive a"
    assert told({"a": 80, "b": 20}, capsys, weight=("b", 2.0))[0] == (
        "The rare value of y is 'b': 33.33% of 100 rows by weight. 2 features."
    )
    first, second = told({"a": 50, "b": 10, "c": 40}, capsys)
    assert first.startswith("The rare value of y is 'b': 10.00% of 100 rows.")
    assert second == "To find another value instead: --positive VALUE"
    assert len(told({"a": 50, "b": 10, "c": 40}, capsys, by_default=False)) == 1


@pytest.fixture
def saved(tmp_path):
    """A model file of a logistic regression, with a key, and a table of new rows."""
    pytest.importorskip("skops")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60)})
    y = np.where(frame["x"] > 0.5, "yes", "no")
    made = make_training(frame.assign(y=y), ColumnRoles("y"))
    formats = {
        n: infer_column(frame[n], n, ReadingOptions(), Notes())[1] for n in frame
    }
    model = LogisticRegression().fit(made.X, made.target.y)
    proba = model.predict_proba(made.X)[:, 1]
    facts = ModelFacts("logistic", "y", "yes", False, ["key"], "key")
    known = OutOfFold((y == "yes").astype(int), proba)
    path = tmp_path / "it.model"
    save_model(path, model, formats, facts, out_of_fold=known)
    codes = [f"{i:03}" for i in range(60)]
    frame.assign(key=codes, y=y, other=codes, spare=1).to_csv(
        tmp_path / "new.csv", index=False
    )
    return path


def options_of(saved, **more):
    values = {"encoding": None, "sheet": None, "drop": ["spare"]}
    values |= {"threshold": None, "costs": None}
    file = str(saved.parent / "new.csv")
    return argparse.Namespace(model=str(saved), file=file, **(values | more))


def test_keys_and_classes_are_read_as_they_are_written(saved):
    model, table = read_model_and_table(options_of(saved), ids=[None, "other"])
    assert model.facts.name == "logistic"
    frame = table.frame
    assert list(frame) == ["x", "z", "key", "y", "other"]
    # The keys are read as text; without a role a column of zeros and digits is, too.
    assert frame["key"].iloc[7] == "007" and frame["other"].iloc[7] == "007"
    assert frame["x"].dtype == float
    _, table = read_model_and_table(options_of(saved), as_written=["key", None])
    assert table.frame["key"].iloc[7] == "007"
    with pytest.raises(ValueError, match="none"):
        read_model_and_table(options_of(saved, drop=["none"]))


def test_a_threshold_by_costs_is_told(saved, capsys):
    model = load_model(saved)
    assert threshold_asked_for(options_of(saved), model) is None
    assert threshold_asked_for(options_of(saved, threshold=0.3), model) == 0.3
    assert capsys.readouterr().err == ""
    found = threshold_asked_for(options_of(saved, costs=(1.0, 20.0)), model)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: ") and f"{found:.3g}"[:4] in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "new.csv", "--target", "y", "--report", "r.html"],
        ["evaluate", "it.model", "new.csv", "--target", "y", "--report", "r.html"],
        ["evaluate", "it.model", "new.csv", "--target", "y", "--out", "folder"],
        ["monitor", "it.model", "new.csv", "--report", "r.html"],
        ["export", "it.model", "--onnx", "m.onnx"],
        ["tune", "new.csv", "--target", "y"],
        ["serve", "it.model"],
    ],
)
def test_what_is_missing_is_told_before_the_work(saved, arguments, capsys, monkeypatch):
    monkeypatch.chdir(saved.parent)
    # Whatever it would read next is gone: packages are looked up first.
    (saved.parent / "new.csv").unlink()
    saved.unlink()
    for name in ("jinja2", "matplotlib", "onnx", "optuna", "fastapi"):
        monkeypatch.setitem(sys.modules, name, None)
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"skadaptive {arguments[0]}: ")
    assert "needs " in error and 'pip install "skadaptive[' in error
    assert not (saved.parent / "folder").exists()


def test_only_warnings_for_users_are_printed(capsys, monkeypatch):
    """As notes, without the place in the code that they come from."""

    def run(options):
        for category in (UserWarning, FutureWarning, DeprecationWarning):
            warnings.warn(f"A {category.__name__}.", category, stacklevel=1)
        return 7

    monkeypatch.setattr(cli.info, "_run", run)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert cli.main(["info", "it.model"]) == 7
    assert capsys.readouterr() == ("", "note: A UserWarning.\n")


def test_only_a_column_that_may_be_the_target_is_suggested(saved):
    model = load_model(saved)

    def told(columns, **options):
        given = argparse.Namespace(**{"target": None, "weight": None} | options)
        frame = pd.DataFrame(columns=["x", "z", *columns])
        with pytest.raises(ValueError, match="There is no column") as raised:
            check_roles(frame, model, given, "no outcomes.")
        return str(raised.value)

    # x and z are features, key is the key, and y was the target.
    assert told([], target="X").endswith("x, z.")
    assert told(["key"], target="keys").endswith("x, z, key.")
    assert told(["yes"], target="yess", weight="yes").endswith("x, z, yes.")
    assert told(["yes"], target="yess").endswith("Is it 'yes'?")
    assert told([], target="y").endswith(
        "x, z. y was the target in training: no outcomes."
    )
    assert told(["Y"], target="y").endswith("Is it 'Y'?")
    assert told(["y"], weight="Y").endswith("x, z, y.")
    assert told(["w"], weight="W").endswith("Is it 'w'?")
    # Rows may be ordered by a feature.
    assert told([], time="X").endswith("Is it 'x'?")


def test_labels_that_are_not_known_are_told_with_their_rows(saved, tmp_path, capsys):
    frame = pd.read_csv(tmp_path / "new.csv")
    frame.loc[3, "y"] = None  # a row that is left out counts
    frame.loc[[10, 40], "y"] = "perhaps"
    frame.loc[5, "y"] = "ja"
    file = str(tmp_path / "labels.csv")
    frame.to_csv(file, index=False)
    command = ["evaluate", str(saved), file, "--target", "y"]
    assert cli.main([*command, "--drop", "other", "spare"]) == 2
    message = capsys.readouterr().err
    assert "'ja' in row 6; 'perhaps' in 2 rows, first in row 11. The cl" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict new.csv it.model", "swapped.*: skadaptive predict it.model new.csv"),
        ("evaluate new.csv it.model --target y", "swapped.* evaluate it.model new.csv"),
        ("monitor new.csv it.model", "swapped.*: skadaptive monitor it.model new.csv"),
        ("predict new.csv it.model --out scores/", "swapped.* predict it.model new"),
        ("predict it.model it.model", "it.model .* is a model file .* Name the table"),
        ("compare it.model --target y", "it.model .* is a model file .* Name the"),
        ("predict new.csv new.csv", "new.csv is not a model file"),
        # Of near names, only those of the right kind.
        ("predict it.modell new.csv", "no model file it.modell. Is it it.model[?]"),
        ("info IT.MODEL", "no model file IT.MODEL. Is it it.model[?]"),
        ("info new.cs", "no model file new.cs. Write the model again"),
        ("predict it.model neu.csv", "no file neu.csv. Is it new.csv[?]"),
        ("predict it.model neu.csv --out scores/", "neu.csv. Is it new.csv[?]"),
        ("compare folder/new.csv --target y", "no file folder/new.csv.$"),
        ("compare it.modell --target y", "no file it.modell.$"),
    ],
)
def test_files_that_are_mixed_up(saved, arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(saved.parent)
    assert cli.main(arguments.split()) == 2
    assert re.search(message, capsys.readouterr().err)
