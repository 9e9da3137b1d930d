"""What the broker itself calls open, round after round: what a halt is verified by.

One look proves little, because the broker's lists may be late. Several rounds in a row, each
complete, count together; and of an order that cannot be read its id is enough to have it cancelled.
"""

import time
from collections import deque
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, NamedTuple

from msgspec.structs import replace

from adapters.tiger_worker.own_cancels import UNSENT, halts_of
from adapters.tiger_worker.pauses import Pause, Pauses
from adapters.tiger_worker.windows import open_symbols, shows_done
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.cancelling import must_cancel_unread
from core.readings import RoundCompleted, UnreadOrderOpen

# How soon an order that cannot be read, and stays open, is told again: later than a call that asks
# for its cancel is given up. And how late at most, while its row stays the same.
UNREAD_EVERY_S: Final = 30.0
UNREAD_LATEST_S: Final = 120.0
_UNREAD: Final = Pause(UNREAD_EVERY_S, UNREAD_LATEST_S)


class _Look(NamedTuple):
    """One round that asked what is open: see `RoundCompleted`."""

    after_n: int
    symbols: tuple[str, ...]
    begun_at: datetime | None


class OpenLooks:
    """Keeps one account's last looks."""

    def __init__(self, *, rounds: int) -> None:
        """Make one; `rounds` in a row count together."""
        self._looks: deque[_Look] = deque(maxlen=rounds)
        self._pauses = Pauses()

    def completed(
        self, done: RoundCompleted, open_rows: Iterable[Row], *, begun_at: datetime | None
    ) -> RoundCompleted:
        """Return what a round that asked is to be told as.

        Args:
            done: the round by itself.
            open_rows: what the broker called open in it.
            begun_at: a moment by the broker's clock before its listing began.
        """
        self._looks.append(_Look(done.after_n, open_symbols(open_rows), begun_at))
        if len(self._looks) < (self._looks.maxlen or 1):
            return done
        moments = [look.begun_at for look in self._looks]
        known = [moment for moment in moments if moment is not None]
        return replace(
            done,
            after_n=min(look.after_n for look in self._looks),
            open_symbols=tuple(sorted({each for look in self._looks for each in look.symbols})),
            open_from=min(known) if len(known) == len(moments) else None,
        )

    def unbooked(
        self, row: Row, *, tiger_order_id: str, symbol: str, state: AccountState
    ) -> UnreadOrderOpen | None:
        """Return an open order that a halt concerns and that is on no book as open, if it is due.

        Its row cannot be read, or whose order it is stands in doubt, or it is on the books for done
        or released: its id is all a cancel needs.
        """
        if not must_cancel_unread(state, tiger_order_id, symbol) or shows_done(row):
            return None
        is_unsent = tiger_order_id in state.unsent_cancels
        found = (row, halts_of(state, symbol), state.is_stale, is_unsent)
        pause = UNSENT if is_unsent else _UNREAD
        if not self._pauses.ask(tiger_order_id, pause, found=found, now_s=time.monotonic()):
            return None
        return UnreadOrderOpen(tiger_order_id=tiger_order_id, symbol=symbol)

    def keep_only(self, tiger_order_ids: Collection[str]) -> None:
        """Forget when every other order was told."""
        self._pauses.keep_only(tiger_order_ids)
