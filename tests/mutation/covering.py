"""The tests that are worth running for a changed line, the most likely first."""

import ast
import json
import re
from collections import defaultdict
from functools import cached_property
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]


class Covering:
    """Which tests run which line, as ``contexts.py`` had it recorded.

    Parameters
    ----------
    folder : Path
        With the files ``coverage`` and ``durations.json``.
    known : set of str
        Names of the tests that there are now.
    took : dict of str to float
        Seconds of the tests that have run since.
    budget : float
        Recorded seconds of the tests that are run for one change, in either part.
    """

    def __init__(self, folder, known, took, budget):
        from coverage import CoverageData

        self._data = CoverageData(str(folder / "coverage"))
        self._data.read()
        durations = folder / "durations.json"
        self._durations = (
            json.loads(durations.read_text()) if durations.exists() else {}
        )
        self._known = known
        self._took = took
        self._budget = budget
        self._lines = {}

    @cached_property
    def _files(self):
        found = defaultdict(list)  # a test may run a copy of the package
        for path in self._data.measured_files():
            found["skadaptive" + path.rpartition("/skadaptive")[2]].append(path)
        return dict(found)

    @cached_property
    def _test_files(self):
        return {test.partition("::")[0] for test in self._known}

    def _of_lines(self, module):
        if module not in self._lines:
            lines = self._lines[module] = defaultdict(set)
            for path in self._files.get(module, ()):
                for line, contexts in self._data.contexts_by_lineno(path).items():
                    lines[line] |= set(contexts) - {""}
        return self._lines[module]

    def tests(self, module, source, line):
        """Tests to run, in two parts: those of the module, and all others.

        Parameters
        ----------
        module : str
        source : str
            Before the change.
        line : int

        Returns
        -------
        list of list of str
        bool
            Whether any test is known to run the line.
        """
        of_lines = self._of_lines(module)
        contexts = set()
        for first, last in spans(ast.parse(source), line):
            for number in range(first, last + 1):
                contexts |= of_lines.get(number, set())
        chosen, whole_files = set(), set()
        for context in contexts:
            name, phase = re.fullmatch(
                r"(.*?)(?:\|(\w+)| \((\w+)\))?", context, re.DOTALL
            ).group(1, 2)
            chosen.add(name)
            if phase == "setup":  # others may share what the fixture made
                whole_files.add(name.partition("::")[0])
        runs = bool(contexts)
        own = own_file(module)
        # What is traced or cached once is recorded for the first test alone.
        whole_files |= {own} if own in self._test_files else self._importing(module)
        if not self._files:  # nothing was recorded
            runs = True
            whole_files |= self._of_room(module, own)
        chosen |= {t for t in self._known if t.partition("::")[0] in whole_files}
        chosen &= self._known
        parts = [
            sorted((t for t in chosen if t.startswith(own + "::")), key=self._order),
            sorted(
                (t for t in chosen if not t.startswith(own + "::")),
                key=lambda t: (room_of(t) != room_of(module), self._order(t)),
            ),
        ]
        return [self._within(part) for part in parts], runs

    def _importing(self, module):
        """Files of the tests that import from the module."""
        name = module.removesuffix(".py").replace("/", ".")
        return {
            file
            for file in self._test_files
            if f"from {name} import" in (_PROJECT / file).read_text(encoding="utf-8")
        }

    def _of_room(self, module, own):
        room = {f for f in self._test_files if room_of(f) == room_of(module)}
        return set() if own in self._test_files or not room_of(module) else room

    def _within(self, tests):
        """The first tests whose recorded seconds are within the budget."""
        total, kept = 0.0, []
        for test in tests:
            total += self.duration(test)
            if total > self._budget and kept:
                break
            kept.append(test)
        return kept

    def duration(self, test):
        return self._durations.get(test, self._took.get(test, 1.0))

    def _order(self, test):
        return self.duration(test), test


def own_file(module):
    """File of the tests that stands where the module does."""
    path = Path(module).relative_to("skadaptive")
    room = path.parent.name.lstrip("_")
    room = {"bulk": "predicting_files"}.get(room, room)
    return str(Path("tests") / room / f"test_{path.stem.lstrip('_')}.py")


def room_of(path):
    """Name of the room of a module or of a test, or of the module itself."""
    folder = Path(path.partition("::")[0]).parent.name.lstrip("_")
    return {"predicting_files": "bulk", "tests": "", "skadaptive": ""}.get(
        folder, folder
    )


def spans(tree, line):
    """First and last lines of what has to run for a change of the line to be seen."""
    inner = None
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            first = min(
                [getattr(node, "lineno", line)]
                + [d.lineno for d in getattr(node, "decorator_list", ())]
            )
            if first <= line <= (getattr(node, "end_lineno", None) or 0) and (
                inner is None or first >= inner[0]
            ):
                inner = first, node
    if inner is None:
        return [(line, line)]
    first, node = inner
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        # A default, a decorator or a base is at work wherever the body is.
        return [(node.body[0].lineno, node.end_lineno)]
    body = getattr(node, "body", None)
    if isinstance(body, list) and body:
        return [(first, max(first, body[0].lineno - 1))]
    top_level = any(node is child for child in tree.body)
    of_class = any(
        isinstance(child, ast.ClassDef) and node in child.body for child in tree.body
    )
    if top_level or of_class:  # a constant is at work anywhere in the module
        return [(1, tree.body[-1].end_lineno)]
    return [(first, node.end_lineno)]
