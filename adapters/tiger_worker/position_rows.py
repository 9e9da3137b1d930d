"""The broker's rows of positions: of each contract one, or nobody knows how much of it is held.

An adjusted option may stand beside the plain one with the same expiry, strike and right, and no
order's row or execution tells the two apart. Neither row, nor the sum, is then what is held.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from adapters.tiger_worker.rows import position_of, unreadable
from adapters.tiger_worker.words import Row
from core.account_events import PositionFigure
from core.errors import CorruptRecordError
from core.readings import RowKind, RowUnreadable


class PositionsRead(NamedTuple):
    """Every position, and what is told of rows that cannot be read."""

    figures: tuple[PositionFigure, ...]
    unreadable: tuple[RowUnreadable, ...]


def positions_in(listed: Iterable[Row]) -> PositionsRead:
    """Return the positions of rows that were listed together; of a contract listed twice, none."""
    read: list[tuple[Row, PositionFigure]] = []
    odd: list[RowUnreadable] = []
    for row in listed:
        try:
            read.append((row, position_of(row)))
        except CorruptRecordError as error:
            odd.append(unreadable(RowKind.POSITION, row, error))
    times = Counter(figure.key for _, figure in read)
    for row, figure in read:
        if times[figure.key] > 1:
            several = CorruptRecordError(
                f"expected {figure.key} once, was {times[figure.key]} times"
            )
            odd.append(unreadable(RowKind.POSITION, row, several))
    figures = tuple(figure for _, figure in read if times[figure.key] == 1)
    return PositionsRead(figures, tuple(odd))
