"""`ask.<account>.positions`: what the account holds, with prices of now.

The rounds record what is held when that changes; between two changes only prices move, and these
are for a person to look at. Nothing of this is recorded, and no order or check uses it.
"""

from typing import Final

from adapters.tiger_worker import words
from adapters.tiger_worker.broker import POSITION_CLASSES
from adapters.tiger_worker.market_pages import part_by_key, place_of
from adapters.tiger_worker.market_reads import MarketReads
from adapters.tiger_worker.position_rows import positions_in
from adapters.tiger_worker.words import Row
from core.account_events import PositionFigure
from core.market_asks import PositionsAsk, PositionsTold

_EVERYWHERE: Final = {"market": "ALL", "currency": "ALL"}


class Positions:
    """Answers for what one account holds now."""

    def __init__(self, reads: MarketReads) -> None:
        self._reads = reads

    def answer(self, asked: PositionsAsk) -> PositionsTold:
        """Return a page of the positions that fit, by contract.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        place = place_of(asked)
        listed: list[Row] = []
        at = None
        for word in _classes(asked):
            rows, read_at = self._reads.items(
                "positions", {"sec_type": word, **_EVERYWHERE}, of_account=True
            )
            at = read_at if at is None else min(at, read_at)
            listed += rows
        found = positions_in(listed)
        fitting = (each for each in found.figures if _fits(each, asked))
        shown = part_by_key(asked, place, fitting, key=lambda each: each.key)
        return PositionsTold(
            positions=shown.rows,
            at=at or self._reads.now(),
            cursor=shown.cursor,
            unreadable=len(found.unreadable),
        )


# The broker lists one class at a time; it lists a combination leg by leg.
def _classes(asked: PositionsAsk) -> tuple[str, ...]:
    if asked.security is None:
        return POSITION_CLASSES
    word = words.SECURITY_WORDS[asked.security]
    return (word,) if word in POSITION_CLASSES else ()


def _fits(figure: PositionFigure, asked: PositionsAsk) -> bool:
    return asked.symbol in ("", figure.symbol) and asked.market in ("", figure.market)
