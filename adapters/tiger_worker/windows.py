"""Which orders a round asks the broker for: since when, and whether for all open ones too.

Most rounds ask for what is watched. About once a minute one sweeps: it asks for a day back and for
every open order, because what the listings showed may have been late or not the last word. An order
that a person released may be live all the same, and one that was done may yet fill, or cost more.
"""

import math
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from adapters.tiger_worker import rows, words
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.errors import CorruptRecordError
from core.items import SeenPhase
from core.ports import Clock
from core.submitting import SKEW_COUNTED_MAX_S

# An order's opening time is the broker's, our start of it is ours; listings begin earlier.
LOOK_BACK_S: Final = 60.0
SWEEP_EVERY_S: Final = 60.0
# A sweep of more rows comes as much rarer, so that it costs a few calls a minute at most.
SWEEP_ROWS: Final = 400
# For how long an order is asked for after it was done, or released.
LINGERS: Final = timedelta(days=1)
# Open orders that no verdict waits for leave this many tokens a minute to those that do.
OPEN_LEAVE: Final = 20
_ENDS: Final = frozenset({SeenPhase.CANCELLED, SeenPhase.EXPIRED, SeenPhase.REJECTED})


class Windows:
    """Knows one account's listings of this process: when the last began, and when one swept."""

    def __init__(self, *, clock: Clock, budget: RateBudget) -> None:
        self._clock = clock
        self._budget = budget
        self._sweep_at = -math.inf
        # When the last complete listing began.
        self.listed_since: datetime | None = None

    @property
    def is_sweep_due(self) -> bool:
        """Whether it is time to ask for more than what is watched."""
        return time.monotonic() >= self._sweep_at

    def may_ask_open(self, state: AccountState) -> bool:
        """Say whether every open order is to be asked for, if no verdict waits; takes a token.

        A sweep asks, and each round of a halt that is not verified. Without a token the round goes
        on without, and the next one tries again.
        """
        is_wanted = self.is_sweep_due or len(state.unverified_halts) > 0
        return is_wanted and self._budget.try_take("active_orders", leave=OPEN_LEAVE)

    def since(self, state: AccountState, *, skew_s: float, is_sweep: bool) -> datetime:
        """Return when the listing is to begin, by the broker's clock as far as it is known."""
        day_ago = self._clock.now() - LINGERS
        begins = [state.orders[order_id].opened_from for order_id in state.watched_orders]
        begins += _lingering(state, state.released_orders, day_ago)
        if self.listed_since is not None:
            begins.append(self.listed_since)
        else:
            # What the ledger dates may be ahead of every clock, if this one jumped before.
            begins.append(min(state.reconciled_at or day_ago, day_ago))
        if is_sweep:
            begins += [day_ago, *_lingering(state, (o for o, _ in state.left_at.items()), day_ago)]
        # The broker's clock dates the orders, this machine's clock dates what is above.
        look_back_s = LOOK_BACK_S + min(abs(skew_s), SKEW_COUNTED_MAX_S)
        # A record may date an order before there was a broker, even at the calendar's begin.
        return max(min(begins), rows.OPENED_FROM) - timedelta(seconds=look_back_s)

    def completed(self, *, begun_at: datetime, row_count: int, is_sweep: bool) -> None:
        """Note that a round is complete whose listing began then."""
        self.listed_since = begun_at
        if is_sweep:
            self._sweep_at = time.monotonic() + SWEEP_EVERY_S * max(1.0, row_count / SWEEP_ROWS)


def _lingering(state: AccountState, order_ids: Iterable[str], day_ago: datetime) -> list[datetime]:
    """Return from when those that left the watch lately are to be listed."""
    lately = ((one, state.left_at.get(one)) for one in order_ids)
    return [
        state.orders[o].opened_from for o, left in lately if left is not None and left > day_ago
    ]


def open_symbols(open_rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the symbols of the broker's open orders, sorted; "" for one that cannot be read."""
    return tuple(sorted({_symbol_in(row) for row in open_rows if not _is_over(row)}))


def _symbol_in(row: Row) -> str:
    try:
        return rows.symbol_in(row)
    except CorruptRecordError:
        return ""


def _is_over(row: Row) -> bool:
    try:
        phase = words.seen_phase(words.text(row, "status"), words.broker_text(row.get("remark")))
        is_short = words.scaled(row, "filledQuantity") < words.scaled(row, "totalQuantity")
    except CorruptRecordError:
        return False
    return phase in _ENDS or (phase is SeenPhase.FILLED and not is_short)
