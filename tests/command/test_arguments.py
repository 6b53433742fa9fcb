"""Values on the command line, and what each subcommand cannot do without."""

import argparse
import re
from encodings.aliases import aliases

import numpy as np
import pytest

from skadaptive import cli
from skadaptive._command import compare, monitor, serve, tune
from skadaptive._command.arguments import (
    check_training_options,
    cost,
    count,
    encoding,
    number,
    share,
)

TEXTS = {
    "-1": -1.0,
    "-0.001": -0.001,
    "0": 0.0,
    "1e-9": 1e-9,
    "0.5": 0.5,
    "1": 1.0,
    "1.001": 1.001,
    "2": 2.0,
    "3": 3.0,
    "inf": np.inf,
    "nan": np.nan,
    "x": None,
}


@pytest.mark.parametrize(
    ("read", "taken", "message"),
    [
        (share, {"0", "1e-9", "0.5", "1"}, "{} is not from 0 to 1"),
        (
            cost,
            {"1e-9", "0.5", "1", "1.001", "2", "3"},
            "{} is not positive and finite",
        ),
        (count, {"1", "2", "3"}, "{!r} is not a whole number from 1 on"),
        (compare._trials, {"2", "3"}, "TRIALS must be a number from 2 on; got {!r}."),
        (tune._trials, {"2", "3"}, "{!r} is not a whole number from 2 on"),
    ],
)
def test_which_numbers_an_option_takes(read, taken, message):
    for text, value in TEXTS.items():
        if text in taken:
            assert read(text) == value
        else:
            with pytest.raises(argparse.ArgumentTypeError) as error:
                read(text)
            is_text = value is None and read in (share, cost)
            said = (message if not is_text else "{!r} is not a number").format(text)
            assert str(error.value).startswith(said)


def test_a_number_is_what_python_reads():
    assert number("1e3") == 1000 and np.isnan(number("nan"))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("0,3", ": write 0.3"),
        (",5", ": write .5"),
        ("-1,50", ": write -1.50"),
        ("1,5e-3", ": write 1.5e-3"),
        ("0,300", ": write 0.300"),
        ("1234,567", ": write 1234.567"),
        ("1.234.567,89", ": write 1234567.89"),
        ("3,600", ": write 3600, or 3.600 if the comma is a decimal mark"),
        ("1,2,3", ""),
        ("1.23,4", ""),
        ("high", ""),
        ("5,", ""),
        (",", ""),
        ("", ""),
    ],
)
def test_a_number_with_a_comma_is_told_as_python_reads_it(text, advice, rng):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        number(text)
    assert str(error.value) == f"{text!r} is not a number{advice}"
    if advice:
        number(advice.removeprefix(": write ").split(",")[0])
    # Any number, from any country whose mark is a comma.
    value = f"{rng.normal():.4f}"
    with pytest.raises(argparse.ArgumentTypeError, match=f"write {re.escape(value)}$"):
        number(value.replace(".", ","))


@pytest.mark.parametrize(
    "options",
    [
        "predict m t.csv --threshold 0,3",
        "serve m --costs 0,3 2",
        "compare --time-limit 0,3",
    ],
)
def test_every_option_that_takes_a_fraction_reads_it_in_this_way(options, capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main(options.split())
    assert exit.value.code == 2
    assert "'0,3' is not a number: write 0.3\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("latin99", " Is it 'latin9'?"),
        ("cp-1252", " Is it 'cp1252'?"),
        ("hex", None),
        ("rot13", None),
        ("zlib", None),
        ("undefined", None),
        ("klingon", ""),
        ("", ""),
        ("\udcff", ""),
    ],
)
def test_what_is_no_encoding_is_told_before_a_file_is_read(text, question, capsys):
    """Python has codecs that are none of texts, such as "hex"."""
    for command in (["predict", "none.model", "none.csv"], ["compare", "none.csv"]):
        with pytest.raises(SystemExit) as exit:
            cli.main([*command, "--encoding", text])
        told = capsys.readouterr().err
        assert exit.value.code == 2
        assert (
            " is not the name of an encoding, such as utf-8, utf-16 or cp1252." in told
        )
        assert f"Is it {text!r}" not in told
        if question is not None:
            assert f"cp1252.{question} Without the option it is found out" in told


def test_encodings_that_python_knows_are_taken():
    none = {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13"}
    none |= {"uu_codec", "zlib_codec", "mbcs", "oem"}  # the last ones: of Windows
    names = {*aliases.values(), "UTF-8", "latin 1", "utf-8-sig"} - none
    assert len(names) > 90
    for name in names:
        assert encoding(name) == name


def test_periods_are_units_or_numbers_of_parts():
    for text, value in (("1", 1), ("12", 12), ("auto", "auto"), ("month", "month")):
        assert monitor._period(text) == value
    for text in ("0", "-1", "1.5", "months", ""):
        with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is neither"):
            monitor._period(text)


@pytest.mark.parametrize("folds", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize(("save", "bare"), [(None, True), ("m", True), (None, False)])
def test_options_that_do_nothing(folds, save, bare):
    options = argparse.Namespace(no_reference=bare, save=save, folds=folds)
    expected = None
    if folds < 2:
        expected = f"^--folds must be 2 or more; got {folds}.$"
    if bare and not save:
        expected = "^--no-reference needs --save FILE"
    if expected is None:
        check_training_options(options)
    else:
        with pytest.raises(ValueError, match=expected):
            check_training_options(options)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            "compare t.csv --target y --report bericht.pdf",
            "--report writes an HTML page, whose name must end in .html or .htm, such "
            "as bericht.html; got bericht.pdf. A browser prints the page as a PDF.\n",
        ),
        ("evaluate m t.csv --target y --report r", "such as r.html; got r.\n"),
        ("evaluate m t.csv --target y --out r.json", "r.json cannot be written to: a "),
        ("compare t.csv --target y --cache c.XLSX", "name is that of a file. Name a f"),
        ("monitor m t.csv --report a.b.json", "such as a.b.html; got a.b.json.\n"),
        ("monitor m t.csv --json found.csv", "end in .json, such as found.json; got"),
        ("export m --onnx graph.pb", "an ONNX graph, whose name must end in .onnx, s"),
    ],
)
def test_a_name_that_says_another_format_is_refused_before_the_work(
    command, told, tmp_path, monkeypatch, capsys
):
    """Neither the model nor the table is there, of which no word is said."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(command.split()) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        "compare t.csv --target y --report r.HTM --cache run.1",
        "compare t.csv --target y --report .html --json",
        "evaluate m t.csv --target y --out old.json --report r.html --json",
        "monitor m t.csv --json",
        "monitor m t.csv --json R.JSON",
    ],
)
def test_names_that_say_the_format_are_taken(command, tmp_path, monkeypatch, capsys):
    """Also a folder that is there, whatever its name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.json").mkdir()
    assert cli.main(command.split()) == 2
    told = capsys.readouterr().err
    assert "There is no" in told and "must end" not in told


MODEL = ["m.model"]
MODEL_AND_FILE = ["m.model", "t.csv"]
NEEDED = {
    "compare": ([], {}),
    "tune": ([], {}),
    "predict": (MODEL_AND_FILE, {}),
    "evaluate": (MODEL_AND_FILE, {"--target": "y"}),
    "monitor": (MODEL_AND_FILE, {}),
    "info": (MODEL, {}),
    "export": (MODEL, {"--onnx": "m.onnx"}),
    "serve": (MODEL, {}),
}
DEFAULTS = {
    "compare": {
        "file": None,
        "scoring": "average_precision",
        "folds": 5,
        "quick": False,
        "only": [],
        "tuned": None,
        "time_limit": None,
        "jobs": None,
        "no_reference": False,
        "seed": 0,
        "json": False,
        "drop": [],
        "missing": [],
        "date_format": [],
    },
    "tune": {
        "file": None,
        "trials": 50,
        "scoring": "average_precision",
        "folds": 5,
        "keep": "recommended",
        "no_reference": False,
        "seed": 0,
        "json": False,
    },
    "predict": {
        "out": None,
        "resume": False,
        "scheduler": None,
        "spreadsheet_safe": False,
        "threshold": None,
        "costs": None,
        "explain": None,
        "explain_alarms": None,
    },
    "evaluate": {"out": None, "report": None, "weight": None, "seed": 0},
}


@pytest.mark.parametrize("command", NEEDED)
def test_what_is_left_out_has_its_default_or_is_asked_for(command, capsys):
    positional, options = NEEDED[command]
    flags = [text for pair in options.items() for text in pair]
    parser = cli._parser()
    found = vars(parser.parse_args([command, *positional, *flags]))
    assert found["command"] == command and callable(found["run"])
    expected = DEFAULTS.get(command, {})
    assert {name: found[name] for name in expected} == expected
    # Each of them is needed, and its absence is told.
    for i in range(len(positional)):
        with pytest.raises(SystemExit) as exit:
            parser.parse_args([command, *positional[:i], *flags])
        assert exit.value.code == 2
        assert "arguments are required: " in capsys.readouterr().err
    for option in options:
        rest = [text for o, v in options.items() if o != option for text in (o, v)]
        with pytest.raises(SystemExit) as exit:
            parser.parse_args([command, *positional, *rest])
        assert exit.value.code == 2
        assert f"arguments are required: {option}" in capsys.readouterr().err


def test_a_command_is_needed(capsys):
    assert cli.main([]) == 2
    out, error = capsys.readouterr()
    assert not out  # which a script may read
    for name in ("compare", "predict", "serve"):
        assert f"\n    {name} " in error


@pytest.mark.parametrize(
    ("given", "question"),
    [
        ("compare rows.csv --taget fraud", "--taget fraud. Is it --target?"),
        ("predict it.model new.csv --treshold=0.3", ".3. Is it --threshold?"),
        ("info it.model --xyz", "arguments: --xyz\n"),
    ],
)
def test_an_unknown_option_is_told_with_the_usage_of_its_subcommand(
    given, question, capsys
):
    with pytest.raises(SystemExit) as exit:
        cli.main(given.split())
    told = capsys.readouterr().err
    assert exit.value.code == 2 and question in told
    assert told.startswith(f"usage: skadaptive {given.split()[0]} ")


def test_the_first_contender_that_is_unknown_is_named(monkeypatch):
    made = {"logistic regression": 1, "random forest": 2}
    monkeypatch.setattr(compare, "default_contenders", lambda X, **given: made)

    def contenders(*only):
        options = argparse.Namespace(only=only, quick=True, seed=0)
        return compare._contenders(options, None)

    assert contenders("random forest") == {"random forest": 2}
    with pytest.raises(ValueError) as error:
        contenders("random forrest", "something else")
    assert str(error.value) == (
        "There is no contender 'random forrest'. Is it 'random forest'? There are "
        "logistic regression, random forest."
    )


def test_serve_hands_over_what_is_given(tmp_path, monkeypatch):
    pytest.importorskip("fastapi")
    from skadaptive._serving import server

    called = []
    monkeypatch.setattr(
        server, "serve", lambda *given, note: called.append((*given, note))
    )
    monkeypatch.setenv("SKADAPTIVE_TOKEN", "secret")
    more = "--max-megabytes 3 --max-rows 7 --costs 1 9 --strict --port 8081 --workers 2"
    assert cli.main(["serve", "it.model", *more.split()]) == 0
    ((settings, address, n_workers, _),) = called
    assert (settings.model, settings.costs) == ("it.model", (1, 9))
    assert settings.strict
    assert (settings.max_bytes, settings.max_rows) == (3_000_000, 7)
    assert settings.accepts("Bearer secret") and not settings.accepts(None)
    assert (address.port, n_workers) == (8081, 2)


def test_the_token_is_one_word_of_ascii(tmp_path, monkeypatch):
    monkeypatch.delenv("SKADAPTIVE_TOKEN", raising=False)
    assert serve._token(None) is None
    path = tmp_path / "token"
    path.write_text("a-secret\n")
    assert serve._token(str(path)) == "a-secret"
    monkeypatch.setenv("SKADAPTIVE_TOKEN", "another")
    assert serve._token(None) == "another" and serve._token(str(path)) == "a-secret"
    for wrong in ("", "two words", "schlüssel", "a\tb"):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(ValueError, match=r"The token of .*token must be one word"):
            serve._token(str(path))
        monkeypatch.setenv("SKADAPTIVE_TOKEN", wrong)
        with pytest.raises(ValueError, match="environment variable .* one word"):
            serve._token(None)
