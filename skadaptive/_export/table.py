"""The columns of a table inside a graph, raw or computed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeAlias

from .graph import Graph


@dataclass(frozen=True)
class RawColumn:
    """A column that is an input of the graph; how it is read decides its type.

    Attributes
    ----------
    name : str
    replacement : str or None
        Text in place of a missing one.
    """

    name: str
    replacement: str | None = None


@dataclass(frozen=True)
class Numbers:
    """Columns as a float64 tensor of shape (n, width).

    ``is_float32`` says that they are numbers of an input, which float32 holds.
    """

    tensor: str
    width: int
    is_float32: bool = False


Part: TypeAlias = RawColumn | Numbers


@dataclass(frozen=True)
class Table:
    """Parts side by side.

    Attributes
    ----------
    graph : Graph
    parts : sequence of RawColumn or Numbers
    """

    graph: Graph
    parts: Sequence[Part]

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return sum(_width(part) for part in self.parts)

    @property
    def are_float32(self) -> list[bool]:
        """Whether each column holds the numbers of an input."""
        parts = ((part, _width(part)) for part in self.parts)
        return [
            isinstance(part, RawColumn) or part.is_float32
            for part, width in parts
            for _ in range(width)
        ]

    def take(self, columns: list[int]) -> "Table":
        """Some of the columns, in the given order."""
        if columns == list(range(self.n_columns)):
            return self
        places = [
            (p, i) for p, part in enumerate(self.parts) for i in range(_width(part))
        ]
        taken: list[Part] = []
        for number, group in groupby([places[c] for c in columns], lambda at: at[0]):
            part, inside = self.parts[number], [i for _, i in group]
            if isinstance(part, Numbers):
                tensor = self.graph.op("Gather", part.tensor, inside, axis=1)
                taken.append(replace(part, tensor=tensor, width=len(inside)))
            else:
                taken += [part] * len(inside)
        return replace(self, parts=taken)

    def numbers(self) -> str:
        """All columns as a float64 tensor of shape (n, n_columns).

        Raises
        ------
        ValueError
            If one of them holds texts.
        """
        graph, tensors = self.graph, []
        # One conversion of many columns costs less than one of each.
        for is_raw, group in groupby(self.parts, lambda p: isinstance(p, RawColumn)):
            parts = list(group)
            if is_raw:
                raw = [self._read_number(part) for part in parts]
                tensors.append(graph.cast(graph.joined(raw), float))
            else:
                tensors += [part.tensor for part in parts if isinstance(part, Numbers)]
        return graph.joined(tensors)

    def text(self) -> str:
        """The only column, as a string tensor of shape (n, 1)."""
        (part,) = self.parts
        if not isinstance(part, RawColumn):
            raise ValueError("A column that was computed holds numbers, not texts.")
        return self.graph.read(part.name, "text")

    def described(self) -> str:
        """The columns, for messages."""
        names = [p.name for p in self.parts if isinstance(p, RawColumn)]
        return ", ".join(map(repr, names)) or f"{self.n_columns} computed columns"

    def _read_number(self, part: Part) -> str:
        assert isinstance(part, RawColumn)
        if part.replacement is not None:
            raise ValueError(
                f"Column {part.name!r} holds texts where numbers are needed."
            )
        return self.graph.read(part.name, "number")


def _width(part: Part) -> int:
    return part.width if isinstance(part, Numbers) else 1
