"""Files in chunks have the predictions of one call, whatever breaks a run."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from skadaptive import cli
from skadaptive._bulk import scoring
from skadaptive._bulk.files import find_files
from skadaptive._bulk.journal import JOURNAL
from skadaptive._bulk.run import Watch, predict_files
from skadaptive._io.tables import read_table
from skadaptive._prediction import predictions
from skadaptive._saving.model_files import load_model


class Seen(Watch):
    """Which files were predicted, and which left out."""

    def __init__(self, stop_after=None):
        self.skipped, self.made, self.shares = [], [], []
        self.stop_after = stop_after

    def left_out(self, file):
        self.skipped.append(file.name)

    def part(self, file, share):
        self.shares.append(share)
        if len(self.made) == self.stop_after and share > 0.5:
            raise KeyboardInterrupt

    def done(self, file, report):
        self.made.append(file.name)


def run(folder, settings, out, **parameters):
    files, _ = find_files(str(folder), str(out))
    seen = parameters.setdefault("watch", Seen())
    failures = predict_files(files, str(out), settings, **parameters)
    return seen, failures


def table(path):
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def outputs(out):
    return {
        path.relative_to(out).as_posix(): table(path)
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != JOURNAL
    }


@pytest.mark.parametrize("model", ["ours", "logistic"])
def test_chunks_have_the_predictions_of_one_call(
    model, model_files, settings, new_files, tmp_path
):
    seen, failures = run(new_files, settings(model), tmp_path / "out")
    assert not failures and len(seen.made) == 5
    assert seen.shares[-1] == 1 and len(seen.shares) > 10
    files, _ = find_files(str(new_files), str(tmp_path / "out"))
    for file in files:
        found = table(Path(file.out))
        whole = tmp_path / f"whole{Path(file.out).suffix}"
        arguments = ["predict", str(model_files[model]), file.path, "--out", str(whole)]
        assert cli.main(arguments) == 0
        pd.testing.assert_frame_equal(found, table(whole))
        assert ("key" in found) == (file.name != "c.tsv")


@pytest.mark.parametrize("threshold", [None, 0.2])
def test_rows_of_a_large_table_are_predicted_in_parts(
    threshold, model_files, new_files, monkeypatch
):
    saved = load_model(model_files["logistic"])
    X = read_table(new_files / "a.csv", known=saved.columns).frame
    X = X[list(saved.columns)]
    whole = predictions(saved, X, threshold)
    monkeypatch.setattr("skadaptive._prediction._N_ROWS", 7)
    pd.testing.assert_frame_equal(predictions(saved, X, threshold), whole)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz"])
def test_formulas_are_told_and_escaped_on_request(
    suffix, model_files, new_files, tmp_path, monkeypatch, capsys
):
    """A key stays what it is, unless the user asks; in one piece and in chunks."""
    monkeypatch.chdir(tmp_path)
    keys = ["=1+1", "+49 30", "-2", "@x", "\t=1", "\r=1", "plain"] * 5
    rows = pd.read_csv(new_files / "a.csv", sep=";", dtype=str)
    rows = rows.head(len(keys)).assign(key=keys)
    rows.to_csv("new.csv", index=False, sep=";", quoting=csv.QUOTE_NONNUMERIC)
    separator = "\t" if suffix == "tsv" else ","
    for more, out in [([], "out"), (["--spreadsheet-safe"], "safe")]:
        one, many = f"{out}.{suffix}", f"{out}/"
        for into in (one, many):
            command = ["predict", str(model_files["logistic"]), "new.csv", *more]
            assert cli.main([*command, "--out", into]) == 0
            told = capsys.readouterr().err
            assert ("25 cells begin with =" in told) == (out == "out")
            assert told.count("in 'key' (25)") == (out == "out")
        expected = [f"'{k}" if more and k not in ("-2", "plain") else k for k in keys]
        for path, mark in ((one, separator), (f"{many}new.csv", ",")):
            found = pd.read_csv(path, sep=mark, dtype={"key": str})
            assert found["key"].tolist() == expected


def test_what_the_training_did_not_see_is_told_once_for_all_files(
    model_files, new_files, monkeypatch, capsys
):
    """Chunks and files are added up; each file alone names its rows."""
    monkeypatch.chdir(new_files)
    rows = pd.read_csv("a.csv", sep=";", dtype=str)
    rows.loc[[2, 30, 41], "zone"] = ["88", "77", "88"]
    rows.loc[[5, 6], "age"] = None
    rows.to_csv("a.csv", index=False, sep=";")
    rows.to_csv("copy.csv", index=False, sep=";")
    command = ["predict", str(model_files["logistic"])]
    monkeypatch.setattr("skadaptive._io.chunks._MOST_ROWS", 9)
    assert cli.main([*command, "[ac]*.csv", "--out", "out/"]) == 0
    told = capsys.readouterr().err.splitlines()
    of_both = [
        "note: Column zone holds '88', '77' in 6 rows, unseen in training.",
        "note: Column age is empty in 4 rows; in training it never was.",
    ]
    assert told[-2:] == of_both
    assert cli.main([*command, "a.csv"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[-2:] == [
        "note: Column age is empty in rows 6, 7; in training it never was.",
        "note: Column zone holds '88', '77' in rows 3, 31, 42, unseen in training.",
    ]


@pytest.mark.parametrize("threshold", ["0", "0.2", "1"])
@pytest.mark.parametrize("n_rows", [1, 40])
def test_what_was_written_is_told_with_the_number_of_alarms(
    threshold, n_rows, model_files, new_files, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    rows = pd.read_csv(new_files / "a.csv", sep=";", dtype=str).head(n_rows)
    rows.to_csv("new.csv", index=False, sep=";")
    command = ["predict", str(model_files["logistic"]), "new.csv", "--out", "o.csv"]
    assert cli.main([*command, "--threshold", threshold]) == 0
    alarms = int((pd.read_csv("o.csv")["prediction"] == "yes").sum())
    assert threshold == "0.2" or alarms == (n_rows if threshold == "0" else 0)
    written = "1 row was" if n_rows == 1 else f"{n_rows} rows were"
    share = f"{alarms / n_rows:.2%}"
    assert capsys.readouterr().err.endswith(
        f"{written} written to o.csv: {alarms} predicted 'yes' ({share}).\n"
    )


def test_predictions_for_excel(model_files, new_files, tmp_path, monkeypatch, capsys):
    """Keys stay texts, and no reader has to know a decimal mark or an encoding."""
    openpyxl = pytest.importorskip("openpyxl")
    monkeypatch.chdir(tmp_path)
    keys = ["=1+1", "007", "+49 30", "Zoë"] * 5
    rows = pd.read_csv(new_files / "a.csv", sep=";", dtype=str).head(len(keys))
    rows.assign(key=keys).to_csv("new.csv", index=False, sep=";")
    command = ["predict", str(model_files["logistic"]), "new.csv", "--out"]
    assert cli.main([*command, "out.csv"]) == 0 and cli.main([*command, "O.XLSX"]) == 0
    assert "out.csv" in (told := capsys.readouterr().err) and "O.XLSX" in told
    assert told.count("spreadsheet takes for a formula") == 1  # of the CSV alone
    expected = pd.read_csv("out.csv", dtype={"key": str})
    names, *cells = openpyxl.load_workbook("O.XLSX").active.iter_rows()
    assert [cell.value for cell in names] == list(expected)
    assert {tuple(cell.data_type for cell in row) for row in cells} == {("s", "n", "s")}
    found = pd.DataFrame([[c.value for c in row] for row in cells], columns=[*expected])
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-15)
    # Too many rows are told before they are predicted.
    monkeypatch.setattr("skadaptive._io.spreadsheet_output.MOST_ROWS", len(keys))
    monkeypatch.setattr("skadaptive._command.predict.predictions", None)
    assert cli.main([*command, "O.XLSX"]) == 2
    assert "holds 19 rows below the column names, and there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("suffix", "package", "extra"),
    [("xlsx", "openpyxl", "excel"), ("parquet", "pyarrow", "compare")],
)
def test_a_package_that_writes_the_output_is_asked_for_before_the_work(
    suffix, package, extra, monkeypatch, capsys
):
    monkeypatch.setattr(
        "skadaptive._packages.find_spec", lambda name: name != package or None
    )
    assert cli.main(["predict", "none", "none.csv", "--out", f"o.{suffix}"]) == 2
    told = capsys.readouterr().err
    assert f"Writing o.{suffix} needs {package}" in told
    assert f'"skadaptive[{extra}]", or name a file that ends in .csv.' in told


def test_a_file_with_types_has_no_formulas(model_files, new_files, tmp_path, capsys):
    command = ["predict", str(model_files["logistic"]), str(new_files / "a.csv")]
    typed = ["--out", str(tmp_path / "out.parquet")]
    assert cli.main([*command, *typed, "--spreadsheet-safe"]) == 2
    assert "--spreadsheet-safe is for separated text" in capsys.readouterr().err
    assert not (tmp_path / "out.parquet").exists()


def test_a_run_that_broke_goes_on(settings, new_files, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(new_files, settings(), out, watch=Seen(stop_after=2))
    assert len(outputs(out)) == 2  # nothing of the third
    # As after a loss of power.
    with (out / JOURNAL).open("a") as file:
        file.write('{"input": "c.')
    seen, failures = run(new_files, settings(), out, resume=True)
    assert not failures
    assert len(seen.skipped) == 2 and len(seen.made) == 3
    seen, _ = run(new_files, settings(), out, resume=True)
    assert len(seen.skipped) == 5 and not seen.made
    assert {k: len(v) for k, v in outputs(out).items()} == {
        "2024/b.csv": 33,
        "2024/d.parquet": 40,
        "a.csv": 50,
        "c.csv": 21,
        "e.parquet": 40,
    }
    lines = (out / JOURNAL).read_text().splitlines()
    rows = [json.loads(line)["rows"] for line in lines if line != '{"input": "c.']
    assert sorted(rows) == [21, 33, 40, 40, 50]


@pytest.mark.parametrize("of", ["int16", "date32[day]", "decimal128", "string", None])
def test_ids_keep_their_type_in_parquet(settings, new_files, tmp_path, of):
    """pandas has no such types, but for one. And folders are made at any depth."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = pd.read_parquet(new_files / "2024" / "d.parquet").drop(columns="key")
    source = pa.Table.from_pandas(rows, preserve_index=False)
    if of:
        of = pa.decimal128(12, 2) if of == "decimal128" else pa.type_for_alias(of)
        keys = pa.array(range(40), pa.int32())
        source = source.add_column(0, "key", keys.cast(of))
    (tmp_path / "typed" / "2024" / "12").mkdir(parents=True)
    parquet.write_table(source, tmp_path / "typed" / "2024" / "12" / "it.parquet")
    _, failures = run(tmp_path / "typed", settings(), tmp_path / "out")
    assert not failures
    made = parquet.read_table(tmp_path / "out" / "2024" / "12" / "it.parquet")
    assert made.num_rows == 40
    assert made.column_names == ["key"] * bool(of) + ["probability", "prediction"]
    if of:
        assert made.schema.field("key").type == of
        assert made["key"].to_pylist() == source["key"].to_pylist()
    else:
        assert made.schema.field("probability").type == pa.float64()


def test_what_has_changed_is_made_again(settings, new_files, tmp_path):
    out = tmp_path / "out"
    for path in new_files.rglob("*.parquet"):
        if path.name != "e.parquet":
            path.unlink()
    run(new_files, settings(n_rows=100), out)
    # Rows of a chunk do not matter.
    assert not run(new_files, settings(), out, resume=True)[0].made
    for changed in (
        settings("ours", n_rows=100),
        settings(threshold=0.9, n_rows=100),
        settings(encoding="utf-8", n_rows=100),
    ):
        seen, _ = run(new_files, changed, out, resume=True)
        assert not seen.skipped
    run(new_files, settings(n_rows=100), out)
    (out / "a.csv").unlink()
    (out / "c.csv").write_text("cut off")
    path = new_files / "e.parquet"
    path.write_bytes(path.read_bytes())  # at another time
    seen, _ = run(new_files, settings(n_rows=100), out, resume=True)
    assert sorted(seen.made) == ["a.csv", "c.tsv", "e.parquet"]
    # Without --resume everything is.
    assert len(run(new_files, settings(n_rows=100), out)[0].made) == 4


def test_a_file_that_fails_does_not_stop_the_others(settings, new_files, tmp_path):
    out = tmp_path / "out"
    (new_files / "b.csv").write_text("key,size\n1,2\n")
    lines = (new_files / "a.csv").read_text().splitlines()
    lines[40] = lines[40].replace(lines[40].split(";")[4], "soon 1")
    (new_files / "a.csv").write_text("\n".join(lines))
    out.mkdir()
    (out / "a.csv").write_text("of an earlier run")
    seen, failures = run(new_files, settings(), out)
    assert len(seen.made) == 4 and set(failures) == {"a.csv", "b.csv"}
    assert "'soon 1' in data row 40 is none" in failures["a.csv"]
    assert "missing: age, visits" in failures["b.csv"]
    assert (out / "a.csv").read_text() == "of an earlier run"
    assert not (out / "b.csv").exists()
    assert not list(out.rglob(".*"))


def test_two_runs_do_not_write_to_one_folder(settings, new_files, tmp_path):
    """The first to end removed what the second was writing."""
    out = tmp_path / "out"

    class Second(Watch):
        def begun(self, file):
            if file.name == "a.csv":
                with pytest.raises(ValueError, match="Another run is writing to"):
                    run(new_files, settings(), out, resume=True)

    assert not run(new_files, settings(), out, watch=Second())[1]
    assert len(run(new_files, settings(), out, resume=True)[0].skipped) == 5


def test_a_journal_that_is_no_text_is_read_on(settings, new_files, tmp_path):
    out = tmp_path / "out"
    run(new_files, settings(), out)
    lines = (out / JOURNAL).read_bytes()
    (out / JOURNAL).write_bytes(b"\xff\x00\n[1]\n3\n" + lines)
    assert len(run(new_files, settings(), out, resume=True)[0].skipped) == 5


def test_a_journal_that_cannot_be_written_is_named(settings, new_files, tmp_path):
    """In a process of its own, with a limit on the size of its files."""
    out = tmp_path / "out"
    out.mkdir()
    (out / JOURNAL).write_text("x" * 20_000 + "\n")
    code = (
        "import resource, sys; from skadaptive.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_050, 20_050))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    model = settings().model
    arguments = ["predict", model, str(new_files), "--out", str(out), "--resume"]
    # A child that is measured could not write what it found either.
    unmeasured = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=unmeasured,
    )
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert f"{JOURNAL} cannot be written (File too large)" in result.stderr
    # Half a line is there, which the next run passes over.
    assert not run(new_files, settings(), out, resume=True)[1]
    assert len(run(new_files, settings(), out, resume=True)[0].skipped) == 5


def test_a_link_to_nothing_fails_and_a_resumed_run_says_so_too(
    settings, new_files, tmp_path
):
    out = tmp_path / "out"
    (new_files / "link.csv").symlink_to(tmp_path / "far.csv")
    (tmp_path / "far.csv").write_bytes((new_files / "a.csv").read_bytes())
    assert not run(new_files, settings(), out)[1]
    (tmp_path / "far.csv").unlink()
    seen, failures = run(new_files, settings(), out, resume=True)
    assert len(seen.skipped) == 5 and "link.csv" in failures["link.csv"]


def test_a_model_that_is_replaced_meanwhile_is_noticed(
    settings, model_files, new_files, tmp_path
):
    given = settings()
    path = tmp_path / "model"
    path.write_bytes(model_files["ours"].read_bytes())
    changed = scoring.BulkSettings(str(path), given.checksum)
    _, failures = run(new_files, changed, tmp_path / "out")
    assert len(failures) == 5
    assert "not the model file that the run began with" in failures["a.csv"]


# --------------------------------------------------------------------------- command


def command(capsys, *arguments):
    code = cli.main(["predict", *map(str, arguments)])
    return code, capsys.readouterr().err


def test_the_command(model_files, new_files, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = model_files["logistic"]
    code, err = command(capsys, model, "new", "--out", "out", "--costs", 1, 20)
    assert code == 0 and "5 files were written to out, with 184 rows" in err
    assert "has the least cost" in err and "no tables: notes.md" in err
    found = outputs(Path("out"))
    assert set(found["a.csv"]["prediction"]) == {"yes", "no"}
    again = ["--out", "out/", "--costs", 1, 20, "--resume"]
    code, err = command(capsys, model, "new", *again)
    assert code == 0 and err.endswith("5 files were complete already.\n")
    code, err = command(capsys, model, "new/*.csv", "--out", "other", "--id", "kye")
    assert code == 2 and "1 of 1 files failed" in err and "Is it 'key'?" in err
    code, err = command(capsys, model, "new/a.csv", "--out", "one/")
    assert code == 0 and set(outputs(Path("one"))) == {"a.csv"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new"], "name a folder for the predictions"),
        (["new", "--out", "out", "--explain", "2"], "needs the rows of one table"),
        (["new", "--out", "out/", "--explain-alarms", "2"], "--explain-alarms needs"),
        (["new", "--out", "new/a.csv"], "is a file. --out must name a folder"),
        (["new", "--out", "out", "--sheet", "a"], "exclude each other"),
        (["new/a.csv", "--resume"], "--resume needs a folder"),
        (["new/a.csv", "--out", "o.csv", "--scheduler", "x"], "--scheduler needs a"),
        (["new", "--out", "out", "--scheduler", "tcp://127.0.0.1:1"], "no Dask sched"),
    ],
)
def test_mistakes(arguments, message, model_files, new_files, capsys, monkeypatch):
    if "Dask" in message:
        pytest.importorskip("distributed")
    monkeypatch.chdir(new_files.parent)
    monkeypatch.setattr("skadaptive._cluster._PATIENCE", 1)
    code, err = command(capsys, model_files["logistic"], *arguments)
    assert code == 2 and message in err and "Traceback" not in err


def test_an_interrupt_says_how_to_go_on(
    model_files, new_files, tmp_path, capsys, monkeypatch
):
    predicted = scoring.predictions

    def interrupted(saved, X, threshold):
        if "c.csv" in [path.name for path in tmp_path.rglob("out/*")]:
            raise KeyboardInterrupt
        return predicted(saved, X, threshold)

    monkeypatch.setattr(scoring, "predictions", interrupted)
    out = tmp_path / "out"
    code, err = command(capsys, model_files["logistic"], new_files, "--out", out)
    assert code == 130 and "4 of 5 files are complete" in err and "--resume" in err
    assert not list(out.rglob(".*"))
