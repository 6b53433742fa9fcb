"""Mutants of a module: which there are, and which of them a seed draws.

A mutant is the source with one small change, such as ``<`` for ``<=``. Cosmic Ray makes
the changes; here places are drawn, so that a place that has many changes comes up as
often as one that has few.
"""

import ast
import random
from collections import defaultdict
from dataclasses import dataclass

# Operators that take each other's operands: others would end in a TypeError at once,
# and every test would see them.
_ALIKE = (
    {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"},
    {"BitAnd", "BitOr", "BitXor"},
)


@dataclass(frozen=True)
class Mutant:
    """One change of a module.

    Attributes
    ----------
    module : str
        Path of the module, from the folder of the project.
    operator, occurrence : str, int
        Cosmic Ray's name of the change, and which of its places in the module it is.
    line : int
    was, now : str
        What the change replaces and by what, without indentation.
    source : str
        The whole module with the change.
    """

    module: str
    operator: str
    occurrence: int
    line: int
    was: str
    now: str
    source: str


def draw(module, source, seed, count):
    """Yield ``count`` mutants of distinct places in random order, or all there are.

    Parameters
    ----------
    module : str
    source : str
    seed : int
        With the name and the source of the module it says what is drawn.
    count : int
    """
    generator = random.Random(f"{seed} {module}")
    found = sorted(places(source).items())
    generator.shuffle(found)
    drawn = 0
    for (start, _), changes in found:
        if drawn == count:
            return
        generator.shuffle(changes)
        for operator, occurrence in changes:
            mutated = mutate(source, operator, occurrence)
            if mutated is not None:
                was, now = difference(source, mutated)
                if was.startswith("@dataclass"):
                    break  # what nobody may assign to, or prints, is no result
                yield Mutant(module, operator, occurrence, start[0], was, now, mutated)
                drawn += 1
                break


def mutate(source, operator, occurrence):
    """Source with the change, or None if it is no Python or the same program."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.operators.provider import OperatorProvider

    try:
        mutated = mutate_code(source, OperatorProvider()[operator](), occurrence)
    except AttributeError:  # of an exception with a dot in its name
        return None
    try:
        if ast.dump(ast.parse(mutated)) == ast.dump(ast.parse(source)):
            return None
    except SyntaxError:
        return None
    return mutated


def places(source):
    """Changes by their place.

    Returns
    -------
    dict from ((line, column), (line, column)) to list of (str, int)
        Operator and occurrence of each change that Cosmic Ray makes there. Places that
        never run or that nobody's results depend on are left out: annotations, what is
        there for type checkers, and what runs when a module is called as a script.
    """
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.operators.provider import OperatorProvider

    tree = get_ast(source)
    nodes = list(ast_nodes(tree))
    idle = list(_idle(ast.parse(source)))
    found = defaultdict(list)
    provider = OperatorProvider()
    for name in provider:
        if provider[name].arguments() or not _keeps_types(name):
            continue  # the former need names of variables
        operator = provider[name]()
        positions = (
            position for node in nodes for position in operator.mutation_positions(node)
        )
        for occurrence, (start, end) in enumerate(positions):
            if not any(first <= start < last for first, last in idle):
                found[start, end].append((name, occurrence))
    return dict(found)


def _keeps_types(name):
    if not name.startswith("ReplaceBinaryOperator_"):
        return True
    return any(set(name.split("_")[1:]) <= alike for alike in _ALIKE)


def _idle(tree):
    """Spans of the source that do nothing when it runs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            yield _span(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            yield _span(node.returns)
        elif isinstance(node, ast.If):
            condition = ast.unparse(node.test)
            if condition.endswith("TYPE_CHECKING") or "__main__" in condition:
                yield _span(node)


def _span(node):
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def difference(source, mutated):
    """Changed lines before and after, without indentation."""
    old, new = source.splitlines(), mutated.splitlines()
    same = range(min(len(old), len(new)))
    first = next((i for i in same if old[i] != new[i]), len(same))
    last = next(
        (i for i in same if old[-1 - i] != new[-1 - i] or i == len(same) - first),
        len(same) - first,
    )
    return tuple(
        " ".join(line.strip() for line in lines[first : len(lines) - last])
        for lines in (old, new)
    )
