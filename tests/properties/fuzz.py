"""Generated fits without end: the long profile of ``test_generated.py``.

The dozen architectures take turns. Each turn has a seed of its own, which is printed
with every fault; the folder of the database keeps the examples of faults, which come
first in the next run, and a file that says how many fits were made, so that a run that
was interrupted goes on.
"""

import argparse
import json
import time
import traceback
from pathlib import Path

import promises
import strategies
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from test_generated import cases

# Generated cases of a turn.
_CASES = 100


def turn(number, database):
    """Run the cases of one turn; returns the fault as a text, or None.

    Parameters
    ----------
    number : int
        It is the seed, and says which architecture has its turn.
    database : ExampleDatabase
    """
    n_classes, fixed = strategies.ARCHITECTURES[number % len(strategies.ARCHITECTURES)]

    @seed(number)
    @settings(
        max_examples=_CASES,
        deadline=None,
        database=database,
        print_blob=True,
        report_multiple_bugs=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.reuse, Phase.generate, Phase.shrink],
    )
    @given(cases(n_classes, fixed))
    def holds(case):
        promises.run(*case)

    try:
        holds()
    except Exception:
        return traceback.format_exc()
    return None


def main():
    """Run turns until so many fits are made."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fits", type=int, default=20_000, help="fits to make in all")
    parser.add_argument("--seed", type=int, default=0, help="number of the first turn")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--database", type=Path, default=Path(".hypothesis"))
    options = parser.parse_args()
    database = DirectoryBasedExampleDatabase(options.database / "examples")
    journal = options.database / f"fuzz-{options.seed}.json"
    done = {"turns": 0, "fits": 0, "errors": 0, "faults": 0}
    if journal.exists():
        done = json.loads(journal.read_text())
    print(
        f"seed {options.seed}, database {options.database}, so far {done}", flush=True
    )
    start = time.monotonic()
    while done["fits"] < options.fits and time.monotonic() - start < options.seconds:
        number = options.seed + done["turns"]
        promises.fits.clear()
        fault = turn(number, database)
        if fault:
            print(f"FAULT in the turn of seed {number}:\n{fault}", flush=True)
        done["turns"] += 1
        done["fits"] += promises.fits["all"]
        done["errors"] += promises.fits["errors"]
        done["faults"] += fault is not None
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.write_text(json.dumps(done))
    for message, count in promises.errors.most_common():
        print(f"{count:6} x {message!r}")
    print(
        f"{done['fits']} fits, {done['errors']} of which ended in an error that names "
        f"its cause; turns with faults: {done['faults']} of {done['turns']}."
    )
    raise SystemExit(done["faults"] > 0)


if __name__ == "__main__":
    main()
