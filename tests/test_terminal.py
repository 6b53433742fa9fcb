"""What the command prints: no name or value of a file commands the terminal."""

import ast
import os
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

import skadaptive
from skadaptive import cli
from skadaptive._command.outputs import print_text
from skadaptive._messages import shortened, visible
from skadaptive.contenders import table_pipeline

# Clears the screen, begins the line again, and turns the direction of writing.
CLEAR, RETURN, TURN = "\x1b[2J\x1b]0;owned\x07", "a\rb", "\u202egpj.exe\u2066"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_every_control_character_is_shown_as_an_escape():
    controls = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), 0x2066]
    for number in (*controls, 0x2028, 0xDCFF):
        shown = visible(chr(number))
        if chr(number) in "\n\t":
            assert shown == chr(number)
        else:
            assert shown.isascii() and shown.isprintable()
            assert ast.literal_eval(f"'{shown}'") == chr(number)
    assert (
        visible("Größe 东京 مرحبا \N{FAMILY}\n\t") == "Größe 东京 مرحبا \N{FAMILY}\n\t"
    )


def test_long_texts_are_cut():
    assert shortened("a" * 40) == "a" * 40
    assert shortened("a" * 41) == "a" * 39 + "…"
    assert shortened("a\n b\x1b", 20) == "a b\\x1b"


def test_a_pipe_of_another_encoding_gets_escapes(tmp_path):
    with (tmp_path / "out").open("w", encoding="ascii") as file:
        print_text("− 东 ü", file)
    assert (tmp_path / "out").read_text() == "\\u2212 \\u4e1c \\xfc\n"


def test_the_command_prints_in_one_place():
    """What escapes the characters is not passed by."""
    folder = Path(skadaptive.__file__).parent
    for path in (folder / "cli.py", *(folder / "_command").glob("*.py")):
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
        ]
        assert len(calls) == (path.name == "outputs.py"), path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder with a table whose names, keys and categories are commands."""
    folder = tmp_path_factory.mktemp("hostile")
    n = 120
    frame = pd.DataFrame(
        {
            f"key{CLEAR}": [f"{i}{RETURN}{CLEAR}" for i in range(n)],
            f"x{CLEAR}": [i % 40 / 7 for i in range(n)],
            f"z{TURN}": [i * 37 % 101 / 3 for i in range(n)],
            f"kind{CLEAR}": [(CLEAR, TURN, RETURN)[i % 3] for i in range(n)],
            f"y{TURN}": [(TURN, CLEAR)[i % 40 > 34] for i in range(n)],
            "day": [f"2024-0{i // 40 + 1}-01" for i in range(n)],
        }
    )
    frame.to_csv(folder / f"t{CLEAR}.csv".replace("/", ""), index=False, quoting=2)
    return folder


def test_no_name_or_value_commands_the_terminal(hostile, monkeypatch, capsys):
    monkeypatch.setattr(
        "skadaptive.comparison.default_contenders",
        lambda X, **parameters: {
            "first": table_pipeline(GaussianNB()),
            f"[/b] {CLEAR}": table_pipeline(GaussianNB(var_smoothing=1)),
        },
    )
    # No network is trained, and TensorFlow takes seconds.
    monkeypatch.setattr("skadaptive._command.compare.import_tensorflow", lambda: None)
    monkeypatch.chdir(hostile)
    (file,) = (name for name in os.listdir() if name.startswith("t"))
    model, target, key = f"m{TURN}.model", f"y{TURN}", f"key{CLEAR}"
    roles = ["--target", target, "--id", key, "--drop", "day"]
    saving = ["--folds", "2", "--save", model]
    explained = ["--explain", "2", "--drop", "day"]
    moved = pd.read_csv(file).assign(**{f"x{CLEAR}": 9.0, f"kind{CLEAR}": f"n{CLEAR}"})
    moved.to_csv("moved.csv", index=False, quoting=2)
    for code, *command in (
        (0, "compare", file, *roles, *saving),
        (0, "info", model),
        (0, "predict", model, file, *explained, "--out", "o.csv"),
        (0, "predict", model, file, "--drop", "day", "--out", f"o{CLEAR}/"),
        (0, "evaluate", model, file, "--target", target, "--drop", "day"),
        (3, "monitor", model, "moved.csv", "--target", target, "--time", "day"),
        (2, "compare", file, "--target", f"w{CLEAR}"),
        (2, "compare", file, "--target", target, "--positive", CLEAR[:3]),
        (2, "compare", f"no{CLEAR}", "--target", target),
        (2, "predict", model, file, "--drop", f"x{CLEAR}"),
        (2, "predict", file, "moved.csv"),
        (2, "predict", model, file, "--out", f"no{CLEAR}/s.csv"),
    ):
        assert cli.main(command) == code, capsys.readouterr().err
        printed = "".join(capsys.readouterr())
        assert not CONTROL.search(printed), command
    # A table goes to a pipe as it is, and to a terminal with escapes.
    assert cli.main(["predict", model, file, "--drop", "day"]) == 0
    assert f"0{RETURN}{CLEAR}" in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main(["predict", model, file, "--drop", "day"]) == 0
    printed = capsys.readouterr().out
    assert "\\x1b[2J" in printed and not CONTROL.search(printed)
    with pytest.raises(SystemExit):
        cli.main(["compare", f"--tarket{CLEAR}"])
    assert not CONTROL.search(capsys.readouterr().err)
