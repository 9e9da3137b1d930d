"""Rounds of readings: what the broker has, told to the desk as items until nothing follows.

Fills and final states come from here alone. A round is complete or it says nothing: only after
every page of every listing was read does the desk hear that the round is done, and only complete
listings, begun when every send could have arrived, count as evidence that an order is absent.
"""

import math
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from adapters.tiger_worker import rows, words
from adapters.tiger_worker.broker import POSITION_CLASSES, AccountBroker, Listing
from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.parts import Work
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.context import Timing
from core.errors import BrokerError, CorruptRecordError
from core.items import (
    AbsenceConfirmed,
    Item,
    ModifyNotShown,
    OrderSeen,
    PositionsSeen,
    RoundCompleted,
)
from core.orders import PENDING_MODIFIES, Phase
from core.ports import Clock
from core.sightings import shows_change
from core.submitting import SKEW_COUNTED_MAX_S

log = structlog.get_logger()
# An order's opening time is the broker's, our start of it is ours; listings begin earlier.
LOOK_BACK_S: Final = 60.0
TOKEN_WAIT_S: Final = 5.0
# Readings that fail for this long are a gap: what happened meanwhile is not known.
GAP_AFTER_S: Final = 30.0
# Positions and cash that nothing waits for leave this many tokens a minute to the accounts whose
# verdict does, and are read late rather than never.
FIGURES_LEAVE: Final = 20
FIGURES_LATE: Final = 3.0

# Whatever a listing shows of these is news.
_DOUBTED: Final = frozenset(
    {Phase.SUBMITTING, Phase.UNKNOWN, Phase.NOT_FOUND, Phase.RELEASED, Phase.NOT_SENT}
)
_NAMES_OF_AN_ORDER: Final = ("userMark", "orderId", "id")
# Open, as far as the ledger knows, and not in the middle of being sent.
_LISTED_IF_REAL: Final = frozenset({Phase.UNKNOWN, Phase.ACCEPTED, Phase.WORKING})


class _Repeats:
    """Counts how often in a row the same figures were read, without a fill between."""

    def __init__(self) -> None:
        self._figures: dict[str, Decimal] | None = None
        self.count = 0

    def note(self, figures: dict[str, Decimal], *, has_news: bool) -> int:
        """Return the count, this reading included."""
        is_same = not has_news and figures == self._figures
        self.count = self.count + 1 if is_same else 1
        self._figures = figures
        return self.count


class Pace(NamedTuple):
    """How long to wait between rounds, in seconds: while an order is open, and otherwise.

    `settle_s`: between the wish for a round and its begin, so that the answer that caused it is on
    its way first; `gap_s`: between the begins of two rounds, at least; `figures_s`: how old
    positions and cash may grow without a reason to read them.
    """

    settle_s: float
    gap_s: float
    watching_s: float
    idle_s: float
    figures_s: float


class Reconciler:
    """Runs the rounds of one account in a thread of its own."""

    def __init__(
        self,
        broker: AccountBroker,
        *,
        desk: DeskThread,
        budget: RateBudget,
        clock: Clock,
        timing: Timing,
        pace: Pace,
        on_failure: Callable[[BaseException], None],
        gaps: Gaps,
        name: str,
    ) -> None:
        self._broker = broker
        self._desk = desk
        self._budget = budget
        self._clock = clock
        self._timing = timing
        self._pace = pace
        self._on_failure = on_failure
        # When a round was last begun or ended; a round that hangs lets it grow old.
        self._moved_at = time.monotonic()
        self._gaps = gaps
        self._absences: dict[str, tuple[int, datetime]] = {}
        self._unshown: dict[str, tuple[int, datetime]] = {}
        self._figures_at = -math.inf
        # Since the figures were read last.
        self._has_news = False
        # Apart from each other: cash may move all day by interest, and a position must be told of.
        self._held = _Repeats()
        self._cash = _Repeats()
        self._failing_since: float | None = None
        self._is_gap_told = False
        self._listed_since: datetime | None = None
        self._nudge = threading.Event()
        self._stopping = threading.Event()
        # Each order's row as it was last told: most rows of most rounds say nothing new.
        self._told: dict[str, Row] = {}
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin with a round at once."""
        self._thread.start()

    def look_again(self) -> None:
        """Have a round soon; many calls make one round."""
        self._nudge.set()

    def stop(self) -> None:
        """End after the round that is under way."""
        self._stopping.set()
        self._nudge.set()
        self._thread.join(TOKEN_WAIT_S)

    @property
    def silent_s(self) -> float:
        """Seconds since a round last began or ended, or a wait between two."""
        return time.monotonic() - self._moved_at

    def _run(self) -> None:
        try:
            self._rounds()
        except Exception as error:
            log.error("rounds.failed", account=self._state.account, exc_info=error)
            self._on_failure(error)

    def _rounds(self) -> None:
        while not self._stopping.is_set():
            self._nudge.clear()
            self._moved_at = begun = time.monotonic()
            self._try_round()
            self._moved_at = time.monotonic()
            self._stopping.wait(max(0.0, self._pace.gap_s - (self._moved_at - begun)))
            is_watching = bool(self._state.watched_orders) or self._state.is_stale
            if self._nudge.wait(self._pace.watching_s if is_watching else self._pace.idle_s):
                self._stopping.wait(self._pace.settle_s)

    @property
    def _state(self) -> AccountState:
        return self._desk.desk.state

    def _try_round(self) -> None:
        try:
            self._round()
            self._failing_since = None
            self._is_gap_told = False
        except (BrokerError, CorruptRecordError) as error:
            log.warning("round.failed", account=self._state.account, reason=str(error))
            now = time.monotonic()
            self._failing_since = self._failing_since or now
            if not self._is_gap_told and now - self._failing_since > GAP_AFTER_S:
                self._is_gap_told = True
                self._tell(self._gaps.note("the broker did not answer"))
        self._desk.desk.clock_skew_s = self._broker.clock_skew_s

    def _round(self) -> None:
        gaps = self._gaps.count
        begun_at = self._clock.now()
        since = self._since()
        self._spend("orders")
        listing = self._broker.orders(since=since)
        found = {words.text(row, "id"): row for row in listing.rows}
        if self._state.is_stale or gaps > self._state.gap:
            # Orders opened before the listing's begin, in the phone app perhaps, are found here.
            self._spend("active_orders")
            found.update((words.text(row, "id"), row) for row in self._broker.open_orders())
        has_news, unreadable = self._tell_orders(found)
        self._has_news = self._has_news or has_news
        if self._may_read_figures(gaps):
            self._tell_figures(since, found)
        if unreadable:
            raise CorruptRecordError(f"{len(unreadable)} orders do not decode: {unreadable[0]}")
        self._count_absences(listing)
        self._count_unshown(listing)
        self._listed_since = listing.begun_at or begun_at
        self._tell(
            RoundCompleted(gaps=gaps, orders_read=len(found), orders_since=since, begun_at=begun_at)
        )

    def _since(self) -> datetime:
        state = self._state
        begins = [state.orders[order_id].opened_from for order_id in state.watched_orders]
        if self._listed_since is not None:
            begins.append(self._listed_since)
        else:
            # What the ledger dates may be ahead of every clock, if this one jumped before.
            day_ago = self._clock.now() - timedelta(days=1)
            begins.append(min(state.reconciled_at or day_ago, day_ago))
        # The broker's clock dates the orders, this machine's clock dates what is above.
        skew_s = min(abs(self._broker.clock_skew_s), SKEW_COUNTED_MAX_S)
        return min(begins) - timedelta(seconds=LOOK_BACK_S + skew_s)

    def _tell_orders(self, found: dict[str, Row]) -> tuple[bool, list[str]]:
        """Tell every order; return whether fills are among it, and what could not be read.

        A fill whose execution is not listed yet is among it too.
        """
        has_news = False
        unreadable: list[str] = []
        for row in sorted(found.values(), key=_age):
            try:
                seen = self._seen(row)
            except CorruptRecordError as error:
                # The round is not complete, but the other orders' fills do not wait for this one.
                unreadable.append(str(error))
                continue
            if seen is not None:
                has_news = has_news or self._has_fills(seen)
                self._tell(seen)
                self._told[seen.tiger_order_id] = row
        self._told = {id_: row for id_, row in self._told.items() if id_ in found}
        return has_news, unreadable

    def _seen(self, row: Row) -> OrderSeen | None:
        """Return the sighting, with executions where some are missing; None if nothing is new."""
        seen = rows.order_of(row, ())
        state = self._state
        order_id = state.by_tiger_id.get(seen.tiger_order_id)
        order = state.orders.get(order_id) if order_id is not None else None
        recorded = order.recorded_quantity if order is not None else 0
        if seen.filled_quantity > recorded:
            self._spend("order_transactions")
            return rows.order_of(row, self._broker.executions(seen.tiger_order_id))
        is_settled = order is not None and order.phase not in _DOUBTED
        if is_settled and self._told.get(seen.tiger_order_id) == row:
            return None
        return seen

    def _has_fills(self, seen: OrderSeen) -> bool:
        order = self._state.orders.get(self._state.by_tiger_id.get(seen.tiger_order_id) or "")
        recorded = order.recorded_quantity if order is not None else 0
        return bool(seen.executions) or seen.filled_quantity > recorded

    def _may_read_figures(self, gaps: int) -> bool:
        """Say whether positions and cash are to be read now; their tokens are taken then.

        Raises:
            BrokerError: they have to be, and there are no tokens.
        """
        state = self._state
        age_s = time.monotonic() - self._figures_at
        is_owed = state.is_stale or gaps > state.gap or state.position_figures is None
        if is_owed or state.balances is None or age_s > FIGURES_LATE * self._pace.figures_s:
            self._spend("prime_assets")
            self._spend("positions", count=len(POSITION_CLASSES))
            return True
        is_quiet = min(self._held.count, self._cash.count) >= self._timing.quiet_reads_min
        if is_quiet and not self._has_news and age_s <= self._pace.figures_s:
            return False
        return self._budget.try_take("prime_assets", leave=FIGURES_LEAVE) and self._budget.try_take(
            "positions", count=len(POSITION_CLASSES), leave=FIGURES_LEAVE
        )

    def _tell_figures(self, since: datetime, found: dict[str, Row]) -> None:
        positions, observed_at = self._broker.positions(), self._clock.now()
        balances = self._broker.balances()
        if self._state.position_figures is None or self._state.balances is None:
            self._check_no_fill_came(since, found)
        has_news, self._has_news = self._has_news, False
        held = self._held.note({f.key: f.quantity for f in positions}, has_news=has_news)
        cash = self._cash.note({f.currency: f.balance for f in balances.cash}, has_news=has_news)
        self._tell(PositionsSeen(positions=positions, observed_at=observed_at, quiet_reads=held))
        self._tell(replace(balances, quiet_reads=cash))
        self._figures_at = time.monotonic()

    def _check_no_fill_came(self, since: datetime, found: dict[str, Row]) -> None:
        """Hold the very first figures, with which all later ones are compared, to the listing.

        A fill after the listing would be in them, and would be counted again when it is recorded.

        Raises:
            BrokerError: there was one; the round is read again.
        """
        self._spend("orders")
        # An older open order may fill too, and would then be in no listing that begins later.
        opened = (words.moment(row, "openTime") for row in found.values())
        begin = min([since, *(at - timedelta(seconds=LOOK_BACK_S) for at in opened)])
        for row in self._broker.orders(since=begin).rows:
            before = found.get(words.text(row, "id"), {"filledQuantity": 0})
            if words.scaled(row, "filledQuantity") != words.scaled(before, "filledQuantity"):
                raise BrokerError("an order was filled while the first figures were read")

    def _count_absences(self, listing: Listing) -> None:
        state = self._state
        expected = {
            order_id: state.orders[order_id]
            for order_id in state.open_orders
            if state.orders[order_id].phase in _LISTED_IF_REAL
        }
        self._absences = {o: count for o, count in self._absences.items() if o in expected}
        if listing.begun_at is None:
            return
        # The broker's clock was read before the listing began, so the listing is no older.
        begun_at = listing.begun_at - timedelta(seconds=self._timing.skew_s)
        listed = {words.text(row, name) for row in listing.rows for name in _NAMES_OF_AN_ORDER}
        for order_id, order in expected.items():
            is_listed = not listed.isdisjoint(
                name for name in (order.mark, order.order_number, order.tiger_order_id) if name
            )
            if is_listed or begun_at <= order.arrives_by:
                self._absences.pop(order_id, None)
                continue
            count, first_at = self._absences.get(order_id, (0, begun_at))
            self._absences[order_id] = (count + 1, first_at)
            if count + 1 >= self._timing.absence_listings_min:
                self._tell(
                    AbsenceConfirmed(
                        order_id=order_id, listings=count + 1, first_listing_at=first_at
                    )
                )

    def _count_unshown(self, listing: Listing) -> None:
        """Count the listings that show an order, but not the change that was asked of it."""
        state = self._state
        changing = {
            order.tiger_order_id: order
            for order in (state.orders[order_id] for order_id in state.open_orders)
            if order.modify in PENDING_MODIFIES and order.modify_arrives_by is not None
        }
        asked = {order.order_id for order in changing.values()}
        self._unshown = {o: count for o, count in self._unshown.items() if o in asked}
        if listing.begun_at is None:
            return
        begun_at = listing.begun_at - timedelta(seconds=self._timing.skew_s)
        for row in listing.rows:
            order = changing.get(words.text(row, "id"))
            if order is None or order.modify_arrives_by is None:
                continue
            seen = rows.order_of(row, ())
            is_over = begun_at > order.modify_arrives_by and not seen.is_changing
            if not is_over or shows_change(order, seen):
                self._unshown.pop(order.order_id, None)
                continue
            count, first_at = self._unshown.get(order.order_id, (0, begun_at))
            self._unshown[order.order_id] = (count + 1, first_at)
            if count + 1 >= self._timing.absence_listings_min:
                self._tell(
                    ModifyNotShown(
                        order_id=order.order_id, listings=count + 1, first_listing_at=first_at
                    )
                )

    def _spend(self, method: str, *, count: int = 1) -> None:
        if not self._budget.take(method, wait_s=TOKEN_WAIT_S, count=count):
            raise BrokerError(f"the rate budget of {method} is used up")

    def _tell(self, item: Item) -> None:
        self._desk.post(Work(item), Turn.SIGHTING)


def _age(row: Row) -> tuple[int, str, str]:
    """Sort rows by opening, and an order before those that the broker made of it."""
    tiger_order_id = words.text(row, "id")
    return len(words.text(row, "openTime")), words.text(row, "openTime"), tiger_order_id.zfill(20)
