"""Which orders a round asks the broker for: since when, and whether for all open ones too.

Most rounds ask for what was opened since the last one, and for what is watched. Where that would
take several pages, the broker's open orders show what is watched, and the listing goes back only
for an order that they do not show. About once a minute a round sweeps: it asks for a day back and
for every open order, because what the listings showed may have been late or not the last word. An
order that a person released may be live all the same, and one that was done may yet fill, or cost
more.
"""

import math
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from adapters.tiger_worker import rows, words
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.row_names import RowNames
from adapters.tiger_worker.spans import Span
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.errors import CorruptRecordError
from core.orders import FINAL_PHASES, PENDING_MODIFIES, Order
from core.ports import Clock
from core.readings import SeenPhase
from core.submitting import SKEW_COUNTED_MAX_S

# An order's opening time is the broker's, our start of it is ours; listings begin earlier.
LOOK_BACK_S: Final = 60.0
SWEEP_EVERY_S: Final = 60.0
# One that failed is made up for so much later, and the rounds between are complete without.
SWEEP_AGAIN_S: Final = SWEEP_EVERY_S / 6
# A sweep of more rows comes as much rarer, so that it costs a few calls a minute at most.
SWEEP_ROWS: Final = 400
# For how long an order is asked for in every sweep after it was done, or released.
LINGERS: Final = timedelta(days=1)
# Now and then a sweep goes further: Friday's order may cost more, or be taken back, on Monday, and
# no holidays last longer.
LATE: Final = timedelta(days=5)
LATE_EVERY_S: Final = 900.0
# Open orders that no verdict waits for leave this many tokens a minute to those that do, beyond the
# ten that both leave to halts (`HALT_LEAVE`): a sweep's first token leaves 30, a verdict's ten.
OPEN_LEAVE: Final = 20
# Where they are not answered they are asked for again so much later.
OPEN_AGAIN_S: Final = SWEEP_EVERY_S / 6
# A listing of one page costs what the shortest costs, so it may go back in every round. Each page
# more makes the next such listing as much later, unless another order is missed.
WIDE_ROWS: Final = 100
WIDE_PAGE_S: Final = 4.0
_ENDS: Final = frozenset({SeenPhase.CANCELLED, SeenPhase.EXPIRED, SeenPhase.REJECTED})


class Window(NamedTuple):
    """What one round asks for: the orders opened since a moment, by the broker's clock.

    `missed` are those of before that the broker's open orders do not show as the ledger has them;
    `is_wide`: the listing goes back to them although it has several pages; `is_short`: it does not.
    """

    since: datetime
    is_sweep: bool = False
    is_late: bool = False
    is_wide: bool = False
    missed: frozenset[str] = frozenset()
    is_short: bool = False


class Windows:
    """Knows one account's listings of this process: when the last began, and when one swept."""

    def __init__(self, *, clock: Clock, budget: RateBudget) -> None:
        self._clock = clock
        self._budget = budget
        self._sweep_at = self._late_at = self._wide_at = -math.inf
        # When to ask again for open orders that were not answered.
        self._open_again_at: float | None = None
        # What was opened since then was one page, when it was listed last.
        self._page_from: datetime | None = None
        self._missed: frozenset[str] = frozenset()
        # What was opened before this is told: when the last complete listing began, or where the
        # last part ended of a first one that is not complete.
        self.listed_since: datetime | None = None

    @property
    def is_sweep_due(self) -> bool:
        """Whether it is time to ask for more than what is watched."""
        return time.monotonic() >= self._sweep_at

    def may_ask_open(self, state: AccountState) -> bool:
        """Say whether every open order is to be asked for, if no verdict waits; takes a token.

        A sweep asks, and each round of a halt that is not verified, and one that would have to go
        far back. Without a token the round goes on without, and the next one tries again; without
        an answer one tries again that begins later.
        """
        if self._open_again_at is not None and time.monotonic() < self._open_again_at:
            return False
        is_wanted = (
            self.is_sweep_due
            or self._open_again_at is not None
            or len(state.unverified_halts) > 0
            or not self._is_one_page(self._before(state).values())
        )
        return is_wanted and self._budget.try_take("active_orders", leave=OPEN_LEAVE)

    def open_answered(self, *, is_answered: bool) -> None:
        """Note whether the broker told its open orders when it was asked."""
        self._open_again_at = None if is_answered else time.monotonic() + OPEN_AGAIN_S

    def plan(
        self,
        state: AccountState,
        *,
        skew_s: float,
        open_rows: Collection[Row] | None,
        is_verdict: bool,
    ) -> Window:
        """Return what to ask for in a round, given the broker's open orders if it told them.

        Args:
            skew_s: how far this machine's clock is ahead of the broker's.
            is_verdict: the round is to say what is true now, so nothing that is missed may wait.
        """
        now = self._clock.now()
        # While only the open orders fail, the orders of before are swept all the same; but not by
        # rounds that fail for it, which follow each other fast.
        is_open_away = open_rows is None and self._open_again_at is not None and not is_verdict
        is_sweep = self.is_sweep_due and (open_rows is not None or is_open_away)
        # A verdict does not wait for what may cost more, or be taken back, days after its end.
        is_late = is_sweep and not is_verdict and time.monotonic() >= self._late_at
        # Either counts as tried: one that fails is not the next round's.
        if is_sweep:
            self._sweep_at = time.monotonic() + SWEEP_AGAIN_S
        if is_late:
            self._late_at = time.monotonic() + LATE_EVERY_S
        before = self._before(state)
        missed = before if open_rows is None else self._missed_in(state, before, open_rows)
        begins = [self._begin(state)]
        is_wide = is_short = False
        if is_sweep or self._is_one_page(before.values()):
            begins += [*before.values(), *missed.values()]
        elif missed:
            is_told = open_rows is not None
            is_new = is_told and (is_verdict or not missed.keys() <= self._missed)
            is_wide = is_new or time.monotonic() >= self._wide_at
            begins += missed.values() if is_wide else ()
            is_short = not is_wide
        if is_sweep:
            left = (order_id for order_id, _ in state.left_at.items())
            lately = now - (LATE if is_late else LINGERS)
            begins += [now - LINGERS, *_left_since(state, left, lately).values()]
        # The broker's clock dates the orders, this machine's clock dates what is above.
        look_back_s = LOOK_BACK_S + min(abs(skew_s), SKEW_COUNTED_MAX_S)
        # A record may date an order before there was a broker, even at the calendar's begin.
        since = max(min(begins), rows.OPENED_FROM) - timedelta(seconds=look_back_s)
        return Window(since, is_sweep, is_late, is_wide, frozenset(missed), is_short)

    def read(self, window: Window, *, row_count: int) -> None:
        """Note what a listing cost, whatever becomes of its round."""
        is_one_page = row_count <= WIDE_ROWS
        if is_one_page and (self._page_from is None or window.since < self._page_from):
            self._page_from = window.since
        elif not is_one_page and self._page_from is not None and window.since >= self._page_from:
            self._page_from = None
        if window.is_wide:
            self._wide_at = time.monotonic() + WIDE_PAGE_S * ((row_count - 1) // WIDE_ROWS)

    def completed(self, window: Window, *, begun_at: datetime, row_count: int) -> None:
        """Note that a round is complete whose listing began then and had so many rows."""
        self.listed_since = begun_at
        now_s = time.monotonic()
        if window.is_sweep:
            often_s = max(1.0, row_count / SWEEP_ROWS)
            # The first late sweep of a process comes right after its first verdict.
            is_late_owed = self._late_at == -math.inf
            self._sweep_at = now_s if is_late_owed else now_s + SWEEP_EVERY_S * often_s
            if window.is_late:
                self._late_at = now_s + LATE_EVERY_S * often_s
        is_listed = window.is_wide or window.is_sweep
        self._missed = window.missed if is_listed else self._missed & window.missed

    def told(self, state: AccountState, part: Span) -> None:
        """Note that a part of a long listing is told; the first listing goes on from its end."""
        begin = self._begin(state)
        if part.since <= begin < part.until:
            # As far back as every first listing goes, what was listed may have been late.
            day_ago = self._clock.now() - LINGERS
            self.listed_since = max(begin, min(part.until, day_ago))

    def _begin(self, state: AccountState) -> datetime:
        if self.listed_since is not None:
            return self.listed_since
        day_ago = self._clock.now() - LINGERS
        # The last process may have ended days ago.
        return min(state.listed_at or day_ago, day_ago)

    def _before(self, state: AccountState) -> dict[str, datetime]:
        """Return the orders that are looked for and that a listing since the last lacks.

        With when each was opened: those that are watched, or were released within a day.
        """
        begin, day_ago = self._begin(state), self._clock.now() - LINGERS
        sought = {one: state.orders[one].opened_from for one in state.watched_orders}
        sought |= _left_since(state, state.released_orders, day_ago)
        return {one: opened for one, opened in sought.items() if opened < begin}

    def _is_one_page(self, begins: Iterable[datetime]) -> bool:
        """Say whether a listing that begins there, as far as is known, has one page."""
        first = min(begins, default=None)
        return first is None or (self._page_from is not None and self._page_from <= first)

    def _missed_in(
        self, state: AccountState, before: Mapping[str, datetime], open_rows: Collection[Row]
    ) -> dict[str, datetime]:
        names = RowNames(open_rows)
        missed = {
            order_id: opened
            for order_id, opened in before.items()
            if not names.show(state.orders[order_id])
            # What comes of a change is proven by the listing of orders alone.
            or state.orders[order_id].modify in PENDING_MODIFIES
        }
        begin = self._begin(state)
        done = (_known_as_done(state, row) for row in open_rows)
        return missed | {o.order_id: o.opened_from for o in done if o and o.opened_from < begin}


def reaches(since: datetime, order: Order) -> bool:
    """Say whether a listing that begins at `since` would show the order."""
    opened_from = max(order.opened_from, rows.OPENED_FROM)
    return since <= opened_from - timedelta(seconds=LOOK_BACK_S)


def rows_of_both(
    state: AccountState, open_rows: Iterable[Row], listed: Iterable[Row]
) -> dict[str, Row]:
    """Return every row by the broker's id, as the listing of orders shows it where both lists do.

    An end is never undone by a list of open orders that lags: what is done by the ledger is left
    out where only that list shows it.
    """
    found = {rows.key_of(row): row for row in open_rows if _known_as_done(state, row) is None}
    return found | {rows.key_of(row): row for row in listed}


def _known_as_done(state: AccountState, row: Row) -> Order | None:
    order = state.orders.get(state.by_tiger_id.get(words.text(row, "id")) or "")
    return order if order is not None and order.phase in FINAL_PHASES else None


def _left_since(
    state: AccountState, order_ids: Iterable[str], moment: datetime
) -> dict[str, datetime]:
    """Return when those were opened that left the watch later than a moment."""
    lately = ((one, state.left_at.get(one)) for one in order_ids)
    return {
        one: state.orders[one].opened_from
        for one, left in lately
        if left is not None and left > moment
    }


def open_symbols(open_rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the symbols of the broker's open orders, sorted; "" for one that cannot be read."""
    return tuple(sorted({_symbol_in(row) for row in open_rows if not shows_done(row)}))


def _symbol_in(row: Row) -> str:
    try:
        return rows.symbol_in(row)
    except CorruptRecordError:
        return ""


def shows_done(row: Row) -> bool:
    """Say whether a row shows an order done; of one that does not say so, it may be open."""
    try:
        phase = words.seen_phase(words.text(row, "status"), words.broker_text(row.get("remark")))
        is_short = words.scaled(row, "filledQuantity") < words.scaled(row, "totalQuantity")
    except CorruptRecordError:
        return False
    return phase in _ENDS or (phase is SeenPhase.FILLED and not is_short)
