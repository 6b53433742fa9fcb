"""Tests of the tests: small changes of the package, and whether a test sees them.

``make mutants`` records which test runs which line, then draws changes of every module
by a seed, and runs for each the tests that run the changed line, up to the first that
fails. A line of JSON for every change goes to the results; a run that was interrupted
goes on where it stopped, and a module that has changed since is drawn again.

A change that no test sees is a survivor. ``survivors.toml`` names those that were
looked at, with reasons: after some the program does the same, others are left.
"""

import argparse
import hashlib
import json
import tomllib
from collections import Counter, defaultdict
from fnmatch import fnmatch
from pathlib import Path

from covering import Covering, room_of
from drawing import Mutant, draw, mutate
from forked import Forks

PROJECT = Path(__file__).resolve().parents[2]
# The modules that compute what is learnt, predicted and reported as a figure.
CORE = [
    "losses.py",
    "adaptation.py",
    "thresholds.py",
    "drift.py",
    "evaluation.py",
    "comparison.py",
    "_committee/*.py",
    "_features/*.py",
    "_assessment/*.py",
]


# What becomes of a change that no test sees.
SURVIVED = ("survived", "never run")
_FIELDS = ("module", "operator", "occurrence", "line", "was", "now")


def is_core(module):
    return any(fnmatch(module, f"skadaptive/{pattern}") for pattern in CORE)


def modules(patterns):
    """Paths of the modules to change, as the patterns say, or the core first."""
    found = [
        str(path.relative_to(PROJECT))
        for path in sorted((PROJECT / "skadaptive").rglob("*.py"))
        if path.name != "__init__.py"
    ]
    if patterns:
        matches = [m for p in patterns for m in found if fnmatch(m, f"skadaptive/{p}")]
        return list(dict.fromkeys(matches))
    return sorted(found, key=lambda module: not is_core(module))


def digest(source):
    return hashlib.sha256(source.encode()).hexdigest()[:12]


class Results:
    """Lines of JSON, the latest of which counts for each change.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path):
        self._path = path
        self._by_change = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._keep(json.loads(line))

    @staticmethod
    def _key(record):
        return tuple(
            record[name] for name in ("module", "digest", "operator", "occurrence")
        )

    def _keep(self, record):
        self._by_change[self._key(record)] = record

    def append(self, record):
        self._keep(record)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def __contains__(self, record):
        return self._key(record) in self._by_change

    def survivors(self, module, digest):
        """Records of the changes of a module, as it stands, that no test saw."""
        return [
            record
            for record in list(self._by_change.values())
            if (record["module"], record["digest"]) == (module, digest)
            if record["status"] in SURVIVED
        ]

    def current(self):
        """Records of the modules as they stand."""
        digests = {
            module: digest((PROJECT / module).read_text(encoding="utf-8"))
            for module in modules([])
        }
        return [
            r
            for r in self._by_change.values()
            if r["digest"] == digests.get(r["module"])
        ]


class Judge:
    """Says whether the tests see a change.

    A test that fails counts if it passes without the change, in a fork as well; this is
    looked up once for each test.
    """

    def __init__(self, forks, covering):
        self._forks = forks
        self._covering = covering
        self._sound = {}
        self._killers = defaultdict(Counter)

    def __call__(self, mutant, source):
        """Status, the test that decided, and how many tests there were to run."""
        parts, runs = self._covering.tests(mutant.module, source, mutant.line)
        n_tests = sum(map(len, parts))
        for part in parts:
            status, test = self._part(mutant, self._likely_first(mutant, part))
            if status != "survived":
                return status, test, n_tests
        return ("survived" if runs else "never run"), "", n_tests

    def _likely_first(self, mutant, tests):
        killers = self._killers[mutant.module]
        return sorted(tests, key=lambda test: -killers[test])  # stable

    def _part(self, mutant, tests):
        tests = [test for test in tests if self._sound.get(test, True)]
        duration = self._covering.duration
        while tests:
            outcome = self._forks.run(tests, duration, mutant.module, mutant.source)
            if outcome.status == "passed":
                return "survived", ""
            if not outcome.test:  # the module cannot be imported
                return "killed", "import"
            if outcome.test not in self._sound:
                unchanged = self._forks.run([outcome.test], duration)
                self._sound[outcome.test] = unchanged.status == "passed"
            if self._sound[outcome.test]:
                self._killers[mutant.module][outcome.test] += 1
                killed = outcome.status == "failed"
                return ("killed" if killed else "timed out"), outcome.test
            print(f"   passed over: {outcome.test}", flush=True)
            tests = [test for test in tests if test != outcome.test]
        return "survived", ""


def to_test(options, results):
    """Changes that a run tests: those drawn and not tested yet, or the survivors.

    Yields
    ------
    mutant : Mutant
    source : str
        Of the module before the change.
    record : dict
        What is written down of the change, but for what becomes of it.
    """
    reasons = listed()
    for module in modules(options.modules):
        source = (PROJECT / module).read_text(encoding="utf-8")
        count = options.per_module or (40 if is_core(module) else 15)
        if options.again:
            drawn = (
                Mutant(
                    *(r[name] for name in _FIELDS),
                    mutate(source, r["operator"], r["occurrence"]),
                )
                for r in results.survivors(module, digest(source))
                if (module, r["was"], r["now"]) not in reasons
            )
        else:
            drawn = draw(module, source, options.seed, count)
        for mutant in drawn:
            record = {name: getattr(mutant, name) for name in _FIELDS}
            record |= {"digest": digest(source), "seed": options.seed}
            if options.again or record not in results:
                yield mutant, source, record


def test_all(options, results):
    """Draw changes, test each, and write down what became of it."""
    forks = Forks(PROJECT, 2 * options.budget)
    known = forks.collect()
    print(f"{len(known)} tests", flush=True)
    covering = Covering(options.folder, known, forks.took, options.budget)
    judge = Judge(forks, covering)
    for mutant, source, record in to_test(options, results):
        status, test, n_tests = judge(mutant, source)
        results.append({**record, "status": status, "test": test, "tests": n_tests})
        if status in SURVIVED:
            print(f"{mutant.module}:{mutant.line} {status} ({n_tests} tests)")
            print(f"   {mutant.was}\n   {mutant.now}", flush=True)
    forks.close()


def listed():
    """Survivors that were looked at, by their change: "equivalent" or "left"."""
    text = (Path(__file__).parent / "survivors.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return {
        (entry["module"], entry["was"], entry["now"]): kind
        for kind in ("equivalent", "left")
        for entry in tables.get(kind, [])
    }


def summary(results):
    """Print what became of the changes by room; returns whether the bars are met."""
    reasons = listed()
    rooms = defaultdict(Counter)
    for record in results.current():
        status = record["status"]
        if status in SURVIVED:
            change = (record["module"], record["was"], record["now"])
            status = {"equivalent": "equivalent", "left": "left"}.get(
                reasons.get(change), "survived"
            )
        core = is_core(record["module"])
        room = room_of(record["module"]) or Path(record["module"]).stem
        for name in (room, "core" if core else "elsewhere"):
            rooms[not core, name in ("core", "elsewhere"), name][status] += 1
    columns = ["killed", "timed out", "equivalent", "left", "survived"]
    print(
        f"{'room':16} {'drawn':>6}" + "".join(f"{c:>12}" for c in columns) + "   share"
    )
    met = True
    for (elsewhere, total, name), counts in sorted(rooms.items()):
        seen = counts["killed"] + counts["timed out"]
        changing = counts.total() - counts["equivalent"]
        share = seen / max(changing, 1)
        cells = "".join(f"{counts[c]:12}" for c in columns)
        print(f"{name:16} {counts.total():6}{cells}   {share:.1%}")
        if total:
            met &= share >= (0.85 if elsewhere else 0.95)
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="such as losses.py or _io/*.py")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-module", type=int, help="40 in the core, 15 elsewhere")
    parser.add_argument(
        "--budget",
        type=float,
        default=60.0,
        help="recorded seconds of the tests of the module, and of the others; each of "
        "the two may take twice as long",
    )
    parser.add_argument("--folder", type=Path, default=Path("results/mutants"))
    parser.add_argument(
        "--again", action="store_true", help="test survivors that are not listed again"
    )
    parser.add_argument("--summary", action="store_true", help="of the results so far")
    options = parser.parse_args()
    results = Results(options.folder / "results.jsonl")
    if not options.summary:
        print(f"seed {options.seed}, results in {options.folder}", flush=True)
        test_all(options, results)
    raise SystemExit(not summary(results))


if __name__ == "__main__":
    main()
