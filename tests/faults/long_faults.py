"""Faults that take minutes to try, in processes of their own: ``make faults``."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from breaking import MOMENTS, contents
from sklearn.datasets import load_breast_cancer

from skadaptive.model_files import load_model

# Seconds after which a process counts as hanging, on a machine with other work.
LIMIT = 300

FIRST_FIT = """
import os, signal, sys
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
from sklearn.datasets import make_classification
from skadaptive import AdaptiveHybridClassifier
X, y = make_classification(200, 4, n_informative=3, n_redundant=0, weights=[0.8])
model = AdaptiveHybridClassifier((4,), max_epochs=2, cv=2, random_state=0)
before, environment = dict(vars(model)), dict(os.environ)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
try:
    signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
    model.fit(X, y)
    print("complete")
except KeyboardInterrupt:
    assert vars(model) == before and not hasattr(model, "classes_")
    environment["TF_CPP_MIN_LOG_LEVEL"] = os.environ["TF_CPP_MIN_LOG_LEVEL"]
    assert {k: v for k, v in os.environ.items() if k in environment} == environment
    print("interrupted")
finally:
    signal.setitimer(signal.ITIMER_REAL, 0)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
model.fit(X, y).predict(X)
"""


def moments(name):
    """Shares of the time of a run, and what they were drawn from."""
    seed = f"{name}, {os.environ.get('SKADAPTIVE_TESTS_SEEDS', '0')}"
    rng = random.Random(seed)
    return [rng.random() for _ in range(MOMENTS)]


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        **options,
    )


def test_the_first_fit_of_a_process():
    """It imports a backend, which is most of its time."""
    start = time.monotonic()
    assert run("-c", FIRST_FIT, "1000").stdout.split() == ["complete"]
    duration = time.monotonic() - start
    ends = []
    for share in moments("first fit"):
        done = run("-c", FIRST_FIT, str(share * duration))
        assert done.returncode == 0, done.stderr[-3000:]
        ends += done.stdout.split()
    assert "interrupted" in ends or len(ends) < 4
    print(f"first fits interrupted: {ends.count('interrupted')} of {len(ends)}")


@pytest.fixture
def table(tmp_path):
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X.iloc[:, :5].assign(target=y).to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "work").mkdir()
    return tmp_path


def compare_command(jobs):
    command = "-m skadaptive.cli compare ../rows.csv --target target --quick --folds 2"
    command += f" --seed 0 --save it.model --report it.html --jobs {jobs}"
    return command.split()


def started(folder, arguments, **options):
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Without it, what is started in the background ignores interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def in_session(session):
    """Numbers and commands of the processes of a session that still run."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                number = int(stat.parent.name)
                found[number] = (stat.parent / "cmdline").read_bytes()
        except (OSError, ValueError, IndexError):  # it has just ended
            continue
    return found


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="only on Linux")
@pytest.mark.parametrize("jobs", [1, 2])
def test_the_comparison_command(table, jobs):
    """As in a terminal, Ctrl-C reaches all processes of the command."""
    folder, arguments = table / "work", compare_command(jobs)
    durations = []
    for _ in range(2):  # other work on the machine makes either longer
        start = time.monotonic()
        whole = run(*arguments, cwd=folder)
        durations.append(time.monotonic() - start)
        assert whole.returncode == 0, whole.stderr[-3000:]
    duration, codes = min(durations), []
    for share in moments("command")[jobs - 1 :: 2]:
        for name in ("it.model", "it.html"):
            (folder / name).write_text("the old file")
        process = started(folder, arguments)
        try:
            process.wait(share * duration)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=LIMIT)
        codes.append(process.returncode)
        # Before the command has begun, Python itself ends by the signal.
        assert process.returncode in (0, 130, -signal.SIGINT), told[-3000:]
        if process.returncode == 130:
            # Once contenders have finished, the comparison of these is told.
            heads = ("skadaptive compare: interrupted", "note: Interrupted: contenders")
            assert any(head in told for head in heads), told[-3000:]
            # Workers that have just started tell of their own end.
            assert jobs > 1 or "Traceback" not in told or "ignored" in told
        after = contents(folder)
        assert after.keys() == {"it.model", "it.html"}
        if after["it.model"] != b"the old file":
            assert load_model(folder / "it.model").classes_.tolist() == [0, 1]
        if after["it.html"] != b"the old file":
            assert after["it.html"].rstrip().endswith(b"</html>")
        end = time.monotonic() + 30  # loky's own guard takes a moment
        while left := in_session(process.pid):
            assert time.monotonic() < end, left
            time.sleep(0.2)
    assert 130 in codes or len(codes) < 4
    print(f"commands with {jobs} jobs: {sorted(codes)}")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="only on Linux")
def test_a_worker_of_the_command_is_killed(table):
    process = started(table / "work", compare_command(2))
    end, killed = time.monotonic() + LIMIT, False
    while not killed and time.monotonic() < end and process.poll() is None:
        for number, command in in_session(process.pid).items():
            if b"LokyProcess" in command:
                os.kill(number, signal.SIGKILL)
                killed = True
                break
        time.sleep(0.05)
    assert killed
    _, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 2 and "Traceback" not in told, told[-3000:]
    assert re.search("was killed.*--jobs.*--cache", told)
    assert contents(table / "work") == {}


def test_a_home_that_cannot_be_written(table):
    """Matplotlib, Keras and scikit-learn keep settings and data in it."""
    environment = {k: v for k, v in os.environ.items() if k != "MPLCONFIGDIR"}
    environment["HOME"] = "/proc/no-home"
    done = run(*compare_command(1), cwd=table / "work", env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert contents(table / "work").keys() == {"it.model", "it.html"}


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 40 kB, where the system lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a disk can be mounted by root alone")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("out", ["--save it.model", "--report it.html"])
def test_a_disk_that_is_full(table, small_disk, out):
    name = out.split()[1]
    (small_disk / name).write_bytes(b"the old file" * 2500)  # 30 kB
    arguments = [*compare_command(1)[:-6], *out.split()]
    arguments[arguments.index("../rows.csv")] = str(table / "rows.csv")
    done = run(*arguments, cwd=small_disk)
    assert done.returncode == 2, done.stderr[-3000:]
    assert f"{name} cannot be written (No space left on device)" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(small_disk) == {name: b"the old file" * 2500}
    # What was compared is shown all the same.
    assert "AdaptiveHybridClassifier" in done.stdout


def test_a_storage_of_trials_that_is_full(table, small_disk):
    pytest.importorskip("optuna")
    command = f"-m skadaptive.cli tune {table / 'rows.csv'} --target target --trials 3"
    command += " --folds 2 --save it.model --storage sqlite:///trials.db"
    (small_disk / "filler").write_bytes(b"x" * 36_000)
    done = run(*command.split(), cwd=small_disk)
    assert done.returncode == 2, done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert "it.model" not in contents(small_disk)


def test_predictions_of_many_files_go_on_after_a_full_disk(table, small_disk):
    rows = pd.read_csv(table / "rows.csv")
    assert run(*compare_command(1), cwd=table / "work").returncode == 0
    (table / "new").mkdir()
    for number in range(6):
        rows.to_csv(table / "new" / f"{number}.csv", index=False)
    command = f"-m skadaptive.cli predict {table}/work/it.model {table}/new --out out/"
    done = run(*command.split(), cwd=small_disk)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cannot be written (No space left on device)" in done.stderr
    complete = {n: c for n, c in contents(small_disk).items() if n.endswith(".csv")}
    assert complete and len(complete) < 6
    for content in complete.values():
        assert content.count(b"\n") == len(rows) + 1
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    done = run(*command.split(), "--resume", cwd=small_disk)
    assert done.returncode == 0, done.stderr[-3000:]
    assert sum(name.endswith(".csv") for name in contents(small_disk)) == 6
