"""The code of the pages runs, prints what stands below it, and its commands exist.

`make test-docs` runs these tests; `make test` leaves them out, for the pages fit
networks as large as a reader's. docs/tracking.md and docs/blending.md have tests of
their own (test_tracking.py, test_blending.py), and so have the recipes of
docs/scaling.md for packages that are not installed here (test_recipes.py).
"""

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from skadaptive import cli

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*.md"))]
TEXTS = {page: (ROOT / page).read_text("utf-8") for page in PAGES}
ELSEWHERE = {"docs/blending.md", "docs/tracking.md"}
WITH_CODE = [p for p in PAGES if "```python" in TEXTS[p] and p not in ELSEWHERE]

BLOCK = re.compile(
    r"(<!-- not run: [^>]+ -->\n)?```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?",
    re.DOTALL,
)
END = "-- end of block --\n"

# What the code of a page takes as given.
GIVEN = {
    "docs/files.md": """
import numpy as np
import pandas as pd
from skadaptive import cli
rng = np.random.default_rng(0)
days = pd.date_range("2024-01-01", periods=300)
amount = rng.normal(size=300)
table = pd.DataFrame({"ordered": days.strftime("%d.%m.%Y"), "amount": amount})
table["late"] = np.where(amount + days.month / 4 > 3, "yes", "no")
table.to_csv("table.csv", index=False, sep=";", decimal=",")
table.head(9).to_csv("new.csv", index=False, sep=";", decimal=",")
options = "--target late --quick --folds 2 --save late.model"
assert cli.main(["compare", "table.csv", *options.split()]) == 0
""",
    "docs/monitoring.md": """
import numpy as np
import pandas as pd
from skadaptive import cli, monitor
rng = np.random.default_rng(0)
frame = pd.DataFrame({"a": rng.normal(size=900), "month": np.repeat(range(3), 300)})
X, y = frame[["a"]], (frame["a"] + rng.normal(size=900) > 2).astype(int)
X.assign(late=y).to_csv("table.csv", index=False)
options = "--target late --quick --folds 2 --save churn.model"
assert cli.main(["compare", "table.csv", *options.split()]) == 0
""",
    "docs/scaling.md": """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(500, 4)).astype("float32")
y = (X[:, 0] + rng.normal(size=500) > 1.5).astype(int)
np.save("X.npy", X), np.save("y.npy", y)
""",
}


@pytest.mark.pages
@pytest.mark.parametrize("page", WITH_CODE)
def test_code_of_the_page(page, tmp_path):
    """All blocks in order, in one process; those that cannot run are compiled."""
    found = BLOCK.findall(TEXTS[page])
    assert len(found) == TEXTS[page].count("```python")
    shown = [output for not_run, _, output in found if not not_run]
    assert sum(map(bool, shown)) == sum(bool(output) for *_, output in found)
    code = [GIVEN.get(page, "")]
    for not_run, block, _ in found:
        compile(block, page, "exec")
        if not not_run:
            code += [block if is_installed(block) else "", f"print({END!r}, end='')"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(code)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    if any(shown):
        printed = done.stdout.split(END)[:-1]
        differ = [pair for pair in zip(shown, printed, strict=True) if unlike(*pair)]
        assert not differ, "shown, printed:\n" + "\n".join(map("\n".join, differ))


def is_installed(block):
    """Whether every package that the block imports is there."""
    names = re.findall(r"^(?:from|import) (\w+)", block, re.MULTILINE)
    return all(find_spec(name) for name in names)


def unlike(shown, printed):
    """Whether words differ, or numbers by more than another machine explains."""
    number = r"-?\d+(?:\.\d+)?"
    shown, printed = (re.sub(r"[ -]+", " ", text) for text in (shown, printed))
    if re.sub(number, "#", shown) != re.sub(number, "#", printed):
        return True
    # All seeds are in the pages, so the same machine prints the same numbers. Another
    # rounds otherwise, and rounding can change the epoch of a network that is kept:
    # inputs moved by a millionth change numbers by up to 0.03.
    return any(
        float(b) != pytest.approx(float(a), rel=0.15, abs=3 * 10.0 ** -decimals(a))
        for a, b in zip(
            re.findall(number, shown), re.findall(number, printed), strict=True
        )
    )


def decimals(number):
    return len(number.partition(".")[2])


def commands():
    """Pages with the lines of their console blocks that run the command."""
    for page, text in TEXTS.items():
        for block in re.findall(r"```(?:console|bash)\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("skadaptive "):
                    yield pytest.param(line, id=f"{page}: {line[11:40]}")


@pytest.mark.parametrize("line", [*commands()])
def test_commands_of_the_pages_are_understood(line, capsys):
    """Every option exists, and takes what it is given."""
    words = shlex.split(line, comments=True)[1:]
    words = words[: words.index(">")] if ">" in words else words
    try:
        cli._parser().parse_args(words)
    except SystemExit as stop:
        assert stop.code == 0, capsys.readouterr().err
