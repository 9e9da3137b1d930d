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
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from adapters.tiger_worker.broker import POSITION_CLASSES, AccountBroker
from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.evidence import Evidence
from adapters.tiger_worker.execution_calls import ExecutionCalls
from adapters.tiger_worker.executions import Executions
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.login_refusals import LoginRefusedError
from adapters.tiger_worker.open_looks import OpenLooks
from adapters.tiger_worker.order_rows import OrderRows
from adapters.tiger_worker.order_sights import OrderSights
from adapters.tiger_worker.parts import Work
from adapters.tiger_worker.rates import WINDOW_S, RateBudget
from adapters.tiger_worker.repeats import Repeats
from adapters.tiger_worker.spans import Span, Spans
from adapters.tiger_worker.taken_back import TakenBack
from adapters.tiger_worker.turns import Turns
from adapters.tiger_worker.windows import LOOK_BACK_S, Window, Windows, rows_of_both
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.context import Timing
from core.errors import BrokerError, BrokerUnavailableError, CorruptRecordError
from core.items import Item
from core.ports import Clock
from core.readings import PositionsSeen, RoundCompleted

log = structlog.get_logger()
TOKEN_WAIT_S: Final = 5.0
# A long listing is ended, not begun again and again: for its next page a whole window is waited. It
# leaves this many tokens a minute to listings that begin, such as those of other accounts.
PAGE_WAIT_S: Final = WINDOW_S + TOKEN_WAIT_S
PAGE_LOOK_S: Final = 1.0
PAGES_LEAVE: Final = 20
# Readings that fail for this long are a gap: what happened meanwhile is not known.
GAP_AFTER_S: Final = 30.0
# Positions and cash that nothing waits for leave this many tokens a minute to the accounts whose
# verdict does, and are read late rather than never.
FIGURES_LEAVE: Final = 20
FIGURES_LATE: Final = 3.0


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


class _Opened(NamedTuple):
    """The broker's open orders: None where they were not asked for, or why they `failed`."""

    rows: tuple[Row, ...] | None = None
    failed: BrokerError | CorruptRecordError | None = None


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
        self._looks = OpenLooks(rounds=timing.absence_listings_min)
        self._windows = Windows(clock=clock, budget=budget)
        self._spans = Spans(broker, clock=clock, turn_page=self._turn_page)
        self._order_rows = OrderRows()
        self._evidence = Evidence(
            timing=timing,
            order_rows=self._order_rows,
            state=lambda: self._state,
            tell=self._tell,
        )
        turns = Turns()
        calls = ExecutionCalls(broker, budget=budget, turns=turns, tell=self._tell)
        self._executions = Executions(
            calls, timing=timing, state=lambda: self._state, tell=self._tell
        )
        self._taken_back = TakenBack(
            calls,
            order_rows=self._order_rows,
            timing=timing,
            state=lambda: self._state,
            tell=self._tell,
        )
        self._sights = OrderSights(
            order_rows=self._order_rows,
            executions=self._executions,
            taken_back=self._taken_back,
            looks=self._looks,
            turns=turns,
            state=lambda: self._state,
            tell=self._tell,
        )
        self._figures_at = -math.inf
        # Since the figures were read last.
        self._has_news = False
        # Apart from each other: cash may move all day by interest, and a position must be told of.
        self._held = Repeats()
        self._cash = Repeats()
        self._failing_since: float | None = None
        self._is_gap_told = False
        self._nudge = threading.Event()
        self._stopping = threading.Event()
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
            state = self._state
            is_watching = bool(state.watched_orders) or state.is_stale
            is_watching = is_watching or len(state.unverified_halts) > 0
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
            if not self._is_gap_told and self._is_gap(error, failing_s=now - self._failing_since):
                self._is_gap_told = True
                self._tell(self._gaps.note(_cause_of(error)))
        self._desk.desk.clock_skew_s = self._broker.clock_skew_s

    def _is_gap(self, error: BrokerError | CorruptRecordError, *, failing_s: float) -> bool:
        # No waiting mends a refused login; of an account that is stale anyway it takes nothing.
        is_hopeless = isinstance(error, LoginRefusedError) and self._state.is_stale
        return is_hopeless or failing_s > GAP_AFTER_S

    def _round(self) -> None:
        gaps, after_n, begun_at = self._gaps.count, self._desk.desk.n, self._clock.now()
        is_verdict = self._state.is_stale or gaps > self._state.gap
        # Orders opened before the listing's begin, in the phone app perhaps, are found here.
        told_at = self._broker.last_told
        opened = self._open_orders(is_verdict=is_verdict)
        window = self._windows.plan(
            self._state,
            skew_s=self._broker.clock_skew_s,
            open_rows=opened.rows,
            is_verdict=is_verdict,
        )
        self._spend("orders")
        listing = self._spans.orders(window.since, told=self._tell_part)
        self._windows.read(window, row_count=len(listing.rows))
        found = rows_of_both(self._state, opened.rows or (), listing.rows)
        told = self._sights.tell(found)
        self._has_news = self._has_news or told.has_news
        if opened.failed is not None and is_verdict:
            # What was listed is told by now; more than that it does not prove.
            raise opened.failed
        # Before the figures, which have what was taken back already.
        self._has_news = self._taken_back.count(found) or self._has_news
        if self._may_read_figures(gaps):
            self._tell_figures(window, found)
        self._evidence.count(listing, found, since=window.since, hidden=told.hidden)
        self._windows.completed(
            window, begun_at=listing.begun_at or begun_at, row_count=len(listing.rows)
        )
        if window.is_sweep:
            # What a narrower listing leaves out is no news when the next sweep shows it.
            self._sights.keep_only(found)
            self._order_rows.keep_only(found)
            self._executions.keep_only(found.keys())
            if window.is_late:
                # Others show no order that was done more than a day ago.
                self._taken_back.keep_only(found.keys())
        done = RoundCompleted(
            gaps=gaps,
            orders_read=len(found),
            orders_since=window.since,
            after_n=after_n,
            listed_at=listing.begun_at,
        )
        if opened.rows is not None:
            looked_at = self._evidence.begin_of(told_at)
            done = self._looks.completed(done, opened.rows, begun_at=looked_at)
        self._tell(done)

    def _tell_part(self, part: Span) -> None:
        # Whatever becomes of the parts that follow, this one is not read again for the verdict.
        told = self._sights.tell(rows_of_both(self._state, (), part.rows))
        self._has_news = self._has_news or told.has_news
        self._windows.told(self._state, part)

    def _open_orders(self, *, is_verdict: bool) -> _Opened:
        """Ask for every open order, if a verdict waits for them or it is time."""
        if not is_verdict and not self._windows.may_ask_open(self._state):
            return _Opened()
        try:
            if is_verdict:
                self._spend("active_orders")
            opened = _Opened(rows=self._broker.open_orders(turn_page=self._turn_page))
        except (BrokerError, CorruptRecordError) as error:
            # The other listing tells of orders all the same.
            if not is_verdict:
                reason = str(error)
                log.warning("round.open_orders_failed", account=self._state.account, reason=reason)
            opened = _Opened(failed=error)
        self._windows.open_answered(is_answered=opened.failed is None)
        return opened

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

    def _tell_figures(self, window: Window, found: dict[str, Row]) -> None:
        figures, odd = self._broker.positions()
        observed_at, held_at = self._clock.now(), self._broker.last_told
        balances = self._broker.balances()
        paid_at = self._broker.last_told
        if self._state.position_figures is None or self._state.balances is None:
            self._check_no_fill_came(window.since, found)
        is_short = window.is_short or self._taken_back.is_counting
        counted = {"has_news": self._has_news, "is_short": is_short}
        self._has_news = False
        quantities = {f.key: f.quantity for f in figures}
        held = self._held.note(quantities, told_at=held_at, **counted)
        paid = {f.currency: f.balance for f in balances.cash}
        cash = self._cash.note(paid, told_at=paid_at, **counted)
        self._tell(
            PositionsSeen(
                positions=figures,
                observed_at=observed_at,
                quiet_reads=held,
                quiet_from=self._held.first_at,
                unreadable=odd,
            )
        )
        self._tell(replace(balances, quiet_reads=cash, quiet_from=self._cash.first_at))
        self._figures_at = time.monotonic()

    def _check_no_fill_came(self, since: datetime, found: dict[str, Row]) -> None:
        """Hold the very first figures, with which all later ones are compared, to the listing.

        A fill after the listing would be in them, and would be counted again when it is recorded.

        Raises:
            BrokerError: there was one, or one may have been taken back; the round is read again.
        """
        if self._taken_back.is_counting:
            raise BrokerError("fills fell short of the record when the first figures were read")
        self._spend("orders")
        # An older open order may fill too, and would then be in no listing that begins later.
        before = self._order_rows.readable(found.values())
        begins = (seen.opened_at - timedelta(seconds=LOOK_BACK_S) for seen in before.values())
        listing = self._spans.orders(min([since, *begins]))
        fills = self._order_rows.fills_in(found.values())
        for key, filled in self._order_rows.fills_in(listing.rows).items():
            if filled != fills.get(key, 0):
                raise BrokerError("an order was filled while the first figures were read")

    def _spend(self, method: str, *, count: int = 1) -> None:
        if not self._budget.take(method, wait_s=TOKEN_WAIT_S, count=count):
            raise BrokerError(f"the rate budget of {method} is used up")

    def _turn_page(self, method: str) -> None:
        """Take a token for a further page of a listing; the first pages of others come first.

        Raises:
            BrokerError: there is none, even after the whole window of the ration.
        """
        give_up_at = time.monotonic() + PAGE_WAIT_S
        while not self._budget.take(method, wait_s=PAGE_LOOK_S, leave=PAGES_LEAVE):
            if self._stopping.is_set() or time.monotonic() >= give_up_at:
                raise BrokerError(f"the rate budget of {method} is used up amid a listing")
            # To wait for a token is not to hang.
            self._moved_at = time.monotonic()
        self._moved_at = time.monotonic()

    def _tell(self, item: Item) -> None:
        self._desk.post(Work(item), Turn.SIGHTING)


# Whoever reads why an account is stale can do something about the one, and not about the other.
def _cause_of(error: BrokerError | CorruptRecordError) -> str:
    match error:
        case CorruptRecordError():
            return f"a reply of the broker cannot be read: {error}"
        case LoginRefusedError():
            return f"the broker refuses this login: {error}"
        case BrokerUnavailableError():
            return f"the broker gave no reply to be used: {error}"
        case _:
            return str(error)
