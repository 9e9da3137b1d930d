"""What is asked for beyond what is watched: after listings that were late, and after an end."""

from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from adapters.tiger_worker import executions, open_looks, reconcile, taken_back, turns, windows
from adapters.tiger_worker.broker import PAGE_ROWS, POSITION_CLASSES
from adapters.tiger_worker.parts import Work
from adapters.tiger_worker.rates import HALT_LEAVE
from adapters.tiger_worker.taken_back import TAKEN_BACK_AFTER_S
from adapters.tiger_worker.windows import (
    LOOK_BACK_S,
    OPEN_AGAIN_S,
    OPEN_LEAVE,
    SWEEP_EVERY_S,
    SWEEP_ROWS,
)
from core import events, items, readings
from core.orders import Order, Phase
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import ScriptedClient, ok, order_row
from tests.support.worker_parts import ManualClock
from tests.unit.test_worker_reconcile import ASSETS, RoundRig, cash_row, of

ORDER: Final = facts.order_id_of()
# So many in a row count together.
ROUNDS: Final = facts.TIMING.absence_listings_min
DAY_S: Final = 86_400.0
TIGER: Final = str(order_row()["id"])
# From here on the send of order 1 has surely arrived, with the margin that is left to the clocks.
LATE_S: Final = 60.0
EXECUTION: Final = {
    "id": "e1",
    "filledQuantity": 40,
    "filledPrice": 10.5,
    "currency": "USD",
    "symbol": "AAPL",
    "transactionTime": 1,
}


class BookClient(ScriptedClient):
    """A broker with a book: it lists what was opened since the moment that is asked for.

    `is_late`: its listings do not show what they should; `active` are the orders it calls open;
    `executions` are those of every order that is not in `executions_of`; `failing` are the orders
    whose executions it does not list, and `failing_pages` the tokens of pages of them that it does
    not; `away` are methods that it does not answer; `call_s` is how long each method takes.
    """

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock
        self.book: list[dict[str, Any]] = []
        self.executions: list[dict[str, Any]] = []
        self.executions_of: dict[int, list[dict[str, Any]]] = {}
        self.positions: list[dict[str, Any]] = []
        self.cash = 0.0
        self.is_late = False
        self.failing: set[int] = set()
        self.failing_pages: set[str] = set()
        self.away: set[str] = set()
        self.call_s: dict[str, float] = {}

    @property
    def active(self) -> list[dict[str, Any]]:
        return [row for row in self.book if row["status"] == "Submitted"]

    def _next(self, method: str, fields: dict[str, Any]) -> Any:
        self._clock.pass_s(self.call_s.get(method, 0.0))
        listed = {
            "orders": [r for r in self.book if r["openTime"] >= fields.get("start_date", 0)],
            "active_orders": self.active,
            "order_transactions": self.executions_of.get(
                fields.get("order_id", 0), self.executions
            ),
            "positions": self.positions if fields.get("sec_type") == POSITION_CLASSES[0] else [],
        }
        if method in listed:
            rows = [] if self.is_late and method.endswith("orders") else listed[method]
            data: dict[str, Any] = {"items": rows}
            if method == "order_transactions":
                data = _page(rows, int(fields["page_token"] or 0))
            self.answers[method] = deque([ok(data, at=self._clock.now())])
        if method == "order_transactions" and (
            fields["order_id"] in self.failing or fields["page_token"] in self.failing_pages
        ):
            self.answers[method] = deque([ok(None, at=self._clock.now()) | {"code": 1200}])
        if method == "prime_assets":
            assets = cash_row(self.cash) if self.cash else ASSETS
            self.answers[method] = deque([ok(assets, at=self._clock.now())])
        if method in self.away:
            self.answers[method] = deque([{"code": 4, "message": "rate limit"}])
        return super()._next(method, fields)


class SweepRig(RoundRig):
    """Rounds on such a broker; what each tells is taken by the desk at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *given: events.Event, **more: Any) -> None:
        clock = ManualClock()
        self.broker_side = BookClient(clock)
        super().__init__(*given, client=self.broker_side, **more)
        # One clock for all: the broker's, the desk's, and that of the pauses.
        self.broker_side._clock = self.rig.clock
        self.monotonic = _Monotonic(self.rig.clock)
        for module in (windows, executions, open_looks, taken_back, turns):
            monkeypatch.setattr(module, "time", self.monotonic)

    def after(self, seconds: float, *, rounds: int = 1) -> list[items.Item]:
        """Let time pass, and run so many rounds one second apart."""
        self.rig.clock.pass_s(seconds)
        told: list[items.Item] = []
        for number in range(rounds):
            self.rig.clock.pass_s(1.0 if number else 0.0)
            for item in self.run():
                told.append(item)
                self.rig.desk.take(Work(item))
        return told

    def order(self) -> Order:
        return self.rig.desk.state.orders[ORDER]

    def begins(self) -> list[datetime]:
        """Return since when orders were asked for, oldest question first."""
        return [_moment(asked["start_date"]) for asked in self.asked("orders")]


class _Monotonic:
    def __init__(self, clock: ManualClock) -> None:
        self.monotonic = clock.boot_s
        self.sleep = clock.pass_s


def _page(rows: list[dict[str, Any]], begin: int) -> dict[str, Any]:
    end = begin + PAGE_ROWS
    return {"items": rows[begin:end], "nextPageToken": str(end) if end < len(rows) else ""}


def _moment(ms: int) -> datetime:
    return facts.NOW + timedelta(milliseconds=ms - int(facts.NOW.timestamp() * 1000))


def at_ms(seconds: float) -> int:
    return int(facts.at(seconds).timestamp() * 1000)


WORKING: Final = (
    facts.previewed(),
    facts.started(),
    facts.accepted(tiger=TIGER),
    facts.working(tiger=TIGER),
)


def release(rig: SweepRig) -> None:
    command = core_items.release()
    rig.rig.take(core_items.command(command.command, "cmd-r", expires_s=9 * DAY_S, principal="ann"))
    assert rig.order().phase is Phase.RELEASED


# --- released orders -----------------------------------------------------------------------


def test_released_order_is_reopened_by_a_listing_that_was_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, facts.previewed(), facts.started(), facts.unknown())
    rig.broker_side.book = [order_row()]
    rig.broker_side.is_late = True
    rig.after(LATE_S, rounds=facts.TIMING.absence_listings_min + 1)
    release(rig)
    rig.after(75.0, rounds=3)
    assert rig.order().phase is Phase.RELEASED
    rig.broker_side.is_late = False
    # By the very next round, which begins where the order may have been opened.
    rig.after(1.0)
    assert rig.begins()[-1] < facts.NOW
    assert (rig.order().phase, rig.order().tiger_order_id) == (Phase.WORKING, TIGER)


def test_released_order_of_days_ago_is_reopened_by_the_brokers_open_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    rig.broker_side.book = [order_row()]
    rig.after(3 * DAY_S)
    rig.broker_side.is_late = True
    rig.after(1.0, rounds=2 * facts.TIMING.absence_listings_min)
    assert rig.order().phase is Phase.NOT_FOUND
    release(rig)
    # Longer than a released order is asked for by its own time.
    rig.after(2 * DAY_S)
    rig.broker_side.is_late = False
    rig.after(1.0)
    assert rig.order().phase is Phase.RELEASED
    rig.after(SWEEP_EVERY_S)
    assert rig.begins()[-1] > facts.at(DAY_S)
    assert rig.order().phase is Phase.WORKING


def test_released_order_is_asked_for_until_a_day_is_over_also_by_a_new_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = (facts.previewed(), facts.started(), facts.unknown(), facts.released())
    rig = SweepRig(monkeypatch, *given)
    opened_from = rig.order().opened_from - timedelta(seconds=LOOK_BACK_S)
    # A process's first round sweeps, and so is a day back; the ones after it are what is meant.
    rig.after(DAY_S / 2, rounds=2)
    assert rig.begins()[-1] == opened_from
    rig.after(DAY_S, rounds=2)
    assert rig.begins()[-1] > opened_from


# --- sweeps --------------------------------------------------------------------------------


def test_fill_after_the_end_of_an_old_order_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    row = order_row()
    rig.broker_side.book = [row]
    # Opened days ago, done now.
    rig.after(3 * DAY_S)
    rig.broker_side.book = [row | {"status": "Cancelled"}]
    rig.after(1.0, rounds=2)
    assert rig.order().phase is Phase.CANCELLED
    assert rig.order().recorded_quantity == 0
    late = {"status": "Cancelled", "filledQuantity": 40, "commission": 1.99}
    rig.broker_side.book = [row | late]
    rig.broker_side.executions = [EXECUTION]
    rig.after(5.0)
    # A round between two sweeps does not ask so far back.
    assert rig.order().recorded_quantity == 0
    rig.after(SWEEP_EVERY_S)
    assert rig.order().recorded_quantity == rig.order().filled_quantity == 40
    assert (rig.order().phase, rig.order().charges) == (Phase.CANCELLED, Decimal("1.99"))


def test_sweep_comes_about_once_a_minute_and_goes_a_day_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch)
    rig.after(0.0, rounds=600)
    assert len(rig.asked("active_orders")) == 600 // SWEEP_EVERY_S
    wide = [at for at in rig.begins() if at < facts.NOW - timedelta(seconds=2 * LOOK_BACK_S)]
    assert len(wide) == len(rig.asked("active_orders"))
    # Each a day before its own moment: the first at once, the next a minute later.
    looked_back = timedelta(days=1, seconds=LOOK_BACK_S)
    assert wide[:2] == [facts.NOW - looked_back, facts.at(SWEEP_EVERY_S) - looked_back]


def test_sweep_of_many_rows_comes_as_much_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch)
    rig.broker_side.book = [
        order_row(id=i, userMark="", orderId=0, status="Cancelled", openTime=at_ms(-7200))
        for i in range(1, 3 * SWEEP_ROWS + 1)
    ]
    rig.after(0.0)
    for seconds, asked in ((2 * SWEEP_EVERY_S, 1), (SWEEP_EVERY_S, 2)):
        rig.after(seconds)
        assert len(rig.asked("active_orders")) == asked


def test_sweep_without_tokens_ends_no_round_and_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, budgets={"active_orders": OPEN_LEAVE})
    assert of(rig.after(0.0), readings.RoundCompleted)
    assert rig.asked("active_orders") == []
    (completed,) = of(rig.after(1.0), readings.RoundCompleted)
    assert completed.open_symbols is None
    enough = OPEN_LEAVE + HALT_LEAVE + 1
    rig.reconciler._windows._budget._budgets = {"active_orders": enough}
    assert of(rig.after(1.0), readings.RoundCompleted)
    assert len(rig.asked("active_orders")) == 1


def test_sweep_that_shows_nothing_new_tells_of_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch)
    rig.broker_side.book = [
        order_row(id=5, userMark="", orderId=0, status="Cancelled", openTime=at_ms(-7200))
    ]
    assert len(of(rig.after(0.0), readings.OrderSeen)) == 1
    stored = len(rig.rig.stored())
    assert of(rig.after(SWEEP_EVERY_S, rounds=2), readings.OrderSeen) == []
    assert of(rig.after(SWEEP_EVERY_S, rounds=2), readings.OrderSeen) == []
    assert len(rig.asked("active_orders")) == 3
    assert len(rig.rig.stored()) == stored


# --- open orders that are not listed ------------------------------------------------------------


def test_round_whose_open_orders_fail_is_complete_and_asks_for_them_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch)
    rig.after(0.0)
    rig.broker_side.away = {"active_orders"}
    rig.broker_side.book = [order_row(userMark="", orderId=0, openTime=at_ms(SWEEP_EVERY_S))]
    (completed,) = of(rig.after(SWEEP_EVERY_S), readings.RoundCompleted)
    assert completed.open_symbols is None
    assert rig.rig.desk.state.by_tiger_id.get(TIGER)
    asked = len(rig.asked("active_orders"))
    seconds = int(2 * SWEEP_EVERY_S)
    told = rig.after(1.0, rounds=seconds)
    assert len(of(told, readings.RoundCompleted)) == seconds
    assert of(told, items.GapNoticed) == []
    assert not rig.rig.desk.state.is_stale
    assert len(rig.asked("active_orders")) == asked + seconds // OPEN_AGAIN_S
    rig.broker_side.away = set()
    rig.after(OPEN_AGAIN_S)
    asked = len(rig.asked("active_orders"))
    rig.after(1.0, rounds=int(SWEEP_EVERY_S))
    assert len(rig.asked("active_orders")) == asked + 1


def test_late_fill_is_recorded_while_open_orders_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    rig.after(0.0)
    rig.broker_side.book = [order_row(status="Cancelled")]
    rig.after(1.0, rounds=2)
    assert rig.rig.desk.state.watched_orders == frozenset()
    rig.broker_side.away = {"active_orders"}
    rig.after(SWEEP_EVERY_S + 3600.0)
    rig.broker_side.book = [order_row(status="Cancelled", filledQuantity=40)]
    rig.broker_side.executions = [EXECUTION]
    rig.after(SWEEP_EVERY_S)
    assert rig.order().recorded_quantity == 40


def test_round_that_owes_a_verdict_tells_what_it_read_before_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, facts.previewed(), facts.started(), facts.unknown())
    rig.rig.take(rig.gaps.note("slept"))
    rig.rig.take(core_items.halt())
    rig.broker_side.book = [order_row(openTime=at_ms(1))]
    rig.broker_side.away = {"active_orders"}
    told = rig.after(LATE_S, rounds=2 * ROUNDS)
    assert rig.order().phase is Phase.WORKING
    # It is cancelled under the halt as soon as it is seen.
    assert rig.rig.trace.of("cancel") == [ORDER]
    assert of(told, readings.RoundCompleted) == []
    assert rig.rig.desk.state.is_stale
    rig.broker_side.away = set()
    assert of(rig.after(1.0), readings.RoundCompleted)
    assert not rig.rig.desk.state.is_stale


def test_rounds_whose_open_orders_fail_make_nothing_absent_where_a_verdict_is_owed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, facts.previewed(), facts.started(), facts.unknown(), facts.stale())
    rig.broker_side.away = {"active_orders"}
    told = rig.after(LATE_S, rounds=9 * ROUNDS)
    assert of(told, readings.AbsenceConfirmed) == []
    assert rig.order().phase is Phase.UNKNOWN


def test_round_without_a_token_of_open_orders_that_owes_a_verdict_tells_what_it_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconcile, "TOKEN_WAIT_S", 0.0)
    given = (facts.previewed(), facts.started(), facts.unknown(), facts.stale())
    rig = SweepRig(monkeypatch, *given, budgets={"active_orders": 0})
    rig.broker_side.book = [order_row(openTime=at_ms(1))]
    assert of(rig.after(LATE_S), readings.RoundCompleted) == []
    assert rig.order().phase is Phase.WORKING


# --- a halt --------------------------------------------------------------------------------


def test_open_orders_are_asked_for_in_every_round_of_a_halt_that_is_not_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = (facts.previewed(), facts.started(), facts.unknown(), facts.released())
    rig = SweepRig(monkeypatch, *given)
    # Opened long before what a listing goes back to: only the broker's open orders show it.
    rig.broker_side.book = [order_row(openTime=at_ms(-9 * DAY_S))]
    rig.broker_side.is_late = True
    rig.after(0.0)
    rig.broker_side.is_late = False
    rig.rig.take(core_items.halt())
    rig.after(1.0)
    assert rig.order().phase is Phase.WORKING
    rig.after(1.0, rounds=3)
    assert "account.halt_verified" not in rig.rig.stored()
    assert rig.rig.trace.of("cancel") == [ORDER]
    rig.broker_side.book = [order_row(openTime=at_ms(-9 * DAY_S), status="Cancelled")]
    rig.after(1.0, rounds=ROUNDS)
    # The order is done once a listing shows its end, which is more than that it is open no more.
    assert "account.halt_verified" not in rig.rig.stored()
    rig.broker_side.book = [order_row(status="Cancelled")]
    rig.after(1.0)
    assert rig.rig.stored()[-1] == "account.halt_verified"
    asked = len(rig.asked("active_orders"))
    rig.after(1.0)
    assert len(rig.asked("active_orders")) == asked


def test_open_orders_of_the_last_rounds_are_named_by_symbol_as_the_broker_lists_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch)
    rig.rig.take(core_items.halt())
    active = [
        order_row(id=5, userMark="", orderId=0, symbol="MSFT"),
        order_row(id=6, userMark="", orderId=0),
        order_row(id=7, userMark="", orderId=0, symbol="TSLA", status="Cancelled"),
        order_row(id=8, userMark="", orderId=0, symbol="IBM", status="Filled", filledQuantity=9),
        order_row(id=9, userMark="", orderId=0, symbol="GE", status="Filled", filledQuantity=100),
        order_row(id=10, userMark="", orderId=0, symbol="NIO", filledQuantityScale=99),
    ]
    monkeypatch.setattr(BookClient, "active", active)
    *few, completed = of(rig.after(0.0, rounds=ROUNDS), readings.RoundCompleted)
    assert [each.open_symbols for each in few] == [None] * (ROUNDS - 1)
    assert completed.open_symbols == ("AAPL", "IBM", "MSFT", "NIO")


def test_listing_with_an_orders_end_counts_more_than_an_open_order_that_lags(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    rig.broker_side.book = [order_row(status="Cancelled")]
    monkeypatch.setattr(BookClient, "active", [order_row()])
    rig.after(0.0)
    assert rig.order().phase is Phase.CANCELLED


# --- fills that are taken back -------------------------------------------------------------


@pytest.mark.parametrize("status", ["Cancelled", "Submitted"])
def test_row_with_fewer_fills_than_recorded_is_evidence_after_a_while(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    rig = SweepRig(monkeypatch, *WORKING, facts.fill("e1", "40"), facts.working(filled="40"))
    rig.broker_side.book = [order_row(status=status)]
    # Its executions are listed as they were.
    rig.broker_side.executions = [EXECUTION]
    assert of(rig.after(0.0, rounds=int(TAKEN_BACK_AFTER_S)), readings.FillsTakenBack) == []
    (found,) = of(rig.after(1.0), readings.FillsTakenBack)
    assert (found.filled_quantity, found.is_over) == (0, status == "Cancelled")
    assert found.gone == ()
    assert rig.rig.desk.state.frozen_symbols == {"AAPL"}
    doubted = Phase.UNKNOWN if status == "Cancelled" else Phase.WORKING
    assert rig.order().phase is doubted


def test_row_with_all_fills_or_another_phase_begins_the_count_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING, facts.fill("e1", "40"), facts.working(filled="40"))
    short, whole = order_row(), order_row(filledQuantity=40)
    for row in (short, whole, short, short | {"status": "Cancelled"}, short):
        rig.broker_side.book = [row]
        assert of(rig.after(TAKEN_BACK_AFTER_S - 1.0), readings.FillsTakenBack) == []
