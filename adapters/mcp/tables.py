"""Lists as tables: the names of the columns once, then rows of cells.

A column that is empty in every row is left out; a single empty cell is "".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

# What a cell may hold goes into JSON as text, a number, true or false.
Cell = Any


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows whose cells stand in the order of `columns`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> Table:
    """Return a table of rows that may lack columns."""
    found = list(rows)
    filled: set[str] = set()
    for row in found:
        filled.update(n for n, value in row.items() if n not in filled and not _is_empty(value))
    used = tuple(name for name in columns if name in filled)
    cells = ([row.get(name) for name in used] for row in found)
    return Table(
        columns=used,
        rows=tuple(tuple(["" if cell is None else cell for cell in row]) for row in cells),
    )


def _is_empty(value: Cell) -> bool:
    return value is None or value == "" or value is False or value == ()
