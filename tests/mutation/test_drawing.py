"""The changes that are drawn, and the tests that are chosen for them."""

import ast
from pathlib import Path

import covering
import pytest
from drawing import draw, places

SOURCE = '''"""A module: 1 + 1."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    LIMIT = 3


def above(values: "list[int]", limit: int | None = 2) -> int | None:
    """Of all, 5."""
    if limit is None:
        return None
    total = 0
    for value in values:
        if value > limit and not value == 7:
            total += value * 2
    return total
'''


def test_each_change_is_another_program_and_none_is_idle():
    pytest.importorskip("cosmic_ray")
    drawn = list(draw("some.py", SOURCE, 0, 1000))
    assert len(drawn) == len(places(SOURCE)) > 5
    same = ast.dump(ast.parse(SOURCE))
    for mutant in drawn:
        assert ast.dump(ast.parse(mutant.source)) != same
        assert mutant.source == SOURCE.replace(mutant.was, mutant.now, 1)
        assert mutant.line in (8, 10, 12, 13, 14, 15)
        # Annotations, docstrings and what is there for type checkers stay.
        for text in ("int | None", "LIMIT = 3", "Of all, 5.", "A module: 1 + 1."):
            assert mutant.source.count(text) == SOURCE.count(text)


def test_the_seed_says_what_is_drawn():
    pytest.importorskip("cosmic_ray")
    first, again, other = (list(draw("some.py", SOURCE, seed, 5)) for seed in (0, 0, 1))
    assert first == again != other
    assert len({(m.operator, m.occurrence) for m in first}) == 5
    assert list(draw("some.py", SOURCE, 0, 3)) == first[:3]


@pytest.mark.parametrize("names", ["queue.Empty", "(queue.Empty, OSError)"])
def test_exceptions_with_dots_in_their_names_are_passed_over(names):
    pytest.importorskip("cosmic_ray")
    source = f"try:\n    x = 1 + 2\nexcept {names}:\n    x = 3 - 4\n"
    drawn = [list(draw("some.py", source, seed, 9)) for seed in range(20)]
    assert all(len(mutants) >= 2 for mutants in drawn)


@pytest.mark.parametrize(
    ("line", "spans"),
    [
        (4, [(4, 4)]),
        (8, [(9, 16)]),  # a default is at work wherever the body is
        (10, [(10, 10)]),
        (15, [(15, 15)]),
    ],
)
def test_lines_that_have_to_run_for_a_change_to_be_seen(line, spans):
    assert covering.spans(ast.parse(SOURCE), line) == spans


def test_the_tests_stand_where_the_modules_do():
    assert covering.own_file("skadaptive/losses.py") == "tests/test_losses.py"
    own = covering.own_file("skadaptive/_bulk/files.py")
    assert own == "tests/predicting_files/test_files.py"
    assert (Path(__file__).parents[2] / own).exists()
    assert covering.room_of(own + "::test_it[1]") == "bulk"
    assert covering.room_of("skadaptive/losses.py") == ""
