"""How far back a listing goes, what that costs of Tiger's ration, and what it may not miss."""

import math
from collections import defaultdict, deque
from datetime import timedelta
from typing import Any, Final

import pytest
from msgspec.structs import replace

from adapters.tiger_worker import desk_thread, executions, rates, reconcile, taken_back, windows
from adapters.tiger_worker.parts import Work
from adapters.tiger_worker.rates import TIGER_BUDGETS, WINDOW_S
from adapters.tiger_worker.windows import (
    LATE,
    LATE_EVERY_S,
    LOOK_BACK_S,
    SWEEP_EVERY_S,
    WIDE_PAGE_S,
    WIDE_ROWS,
    Windows,
)
from core import account_events, events, items, readings
from core.orders import Phase
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import ScriptedClient, ok, order_row
from tests.support.worker_parts import ManualClock
from tests.unit.test_poison import recorded_stranger, stranger
from tests.unit.test_worker_executions import FUND
from tests.unit.test_worker_reconcile import ASSETS, RoundRig, of
from tests.unit.test_worker_sweeps import (
    DAY_S,
    EXECUTION,
    LATE_S,
    ORDER,
    WORKING,
    SweepRig,
    at_ms,
)

DAYS: Final = 60
OLD: Final = 100_000
CALL_S: Final = 0.05
ROUND_EVERY_S: Final = 2.0
BEGUN: Final = account_events.AccountWorkerStarted(run_id="run-2")
OPEN: Final = recorded_stranger(
    order_id="ext-old",
    tiger_order_id=str(OLD),
    symbol="GTC",
    opened_at=facts.NOW - timedelta(days=DAYS),
)


class RationedBroker(ScriptedClient):
    """A broker with pages and Tiger's rations; time passes with each call, on one clock for all.

    `limited` counts the calls that it answers with Tiger's code for too many; `broken_from` is the
    page from which on it answers no listing of orders, of those that have one.
    """

    def __init__(self, book: list[dict[str, Any]]) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.book = book
        self.limited = 0
        self.broken_from: int | None = None
        self._calls: dict[str, deque[float]] = defaultdict(deque)

    def _next(self, method: str, fields: dict[str, Any]) -> Any:
        self.clock.pass_s(CALL_S)
        self.asked.append((method, fields))
        calls, now_s = self._calls[method], self.clock.boot_s()
        while calls and calls[0] <= now_s - WINDOW_S:
            calls.popleft()
        calls.append(now_s)
        at = self.clock.now()
        if len(calls) > TIGER_BUDGETS[method]:
            self.limited += 1
            return {"code": 4, "message": "rate limit", "timestamp": int(at.timestamp() * 1000)}
        if method == "prime_assets":
            return ok(ASSETS, at=at)
        first = int(fields.get("page_token") or 0)
        if method == "orders" and self.broken_from is not None and first >= self.broken_from * 100:
            return {"code": 1, "message": "server error"}
        found = self._listed(method, fields)
        more = str(first + 100) if len(found) > first + 100 else ""
        return ok({"items": found[first : first + 100], "nextPageToken": more}, at=at)

    def _listed(self, method: str, fields: dict[str, Any]) -> list[dict[str, Any]]:
        match method:
            case "orders":
                end = fields.get("end_date", math.inf)
                return [row for row in self.book if fields["start_date"] <= row["openTime"] < end]
            case "active_orders":
                return [row for row in self.book if row["status"] == "Submitted"]
            case _:
                return []


class RationedRig(RoundRig):
    """Rounds at Tiger's pace on such a broker; the desk takes what each tells at once."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, book: list[dict[str, Any]], *given: events.Event
    ) -> None:
        self.broker_side = RationedBroker(book)
        super().__init__(*given, budgets=TIGER_BUDGETS, client=self.broker_side, figures_s=30.0)
        self.broker_side.clock = self.rig.clock
        for module in (windows, taken_back, executions, rates, reconcile, desk_thread):
            monkeypatch.setattr(module, "time", _Time(self.rig.clock))

    def rounds_of(self, minutes: float) -> tuple[int, int]:
        """Run rounds for so long; return how many, and how many were complete."""
        end_s, count, complete = self.rig.clock.boot_s() + 60.0 * minutes, 0, 0
        while self.rig.clock.boot_s() < end_s:
            told = self.run()
            count += 1
            complete += len(of(told, readings.RoundCompleted))
            for item in told:
                self.rig.desk.take(Work(item))
            self.rig.clock.pass_s(ROUND_EVERY_S)
        return count, complete


class _Time:
    """Time that passes where somebody waits for a token."""

    def __init__(self, clock: ManualClock) -> None:
        self.monotonic = clock.boot_s
        self.sleep = clock.pass_s


def days_of(count: int) -> list[dict[str, Any]]:
    """Return an open order of weeks ago, and so many that were done since, evenly."""
    done = [
        stranger(
            id=OLD + 1 + number,
            openTime=at_ms(-DAYS * DAY_S * (1 - number / (count + 1))),
            symbol=f"S{number % 50}",
            status="Cancelled",
        )
        for number in range(count)
    ]
    return [stranger(id=OLD, openTime=at_ms(-DAYS * DAY_S), symbol="GTC"), *done]


# --- what it costs ------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [30, 500, 1500])
def test_old_open_order_does_not_starve_a_verdict(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    rig = RationedRig(monkeypatch, days_of(count), OPEN, BEGUN)
    began, complete = rig.rounds_of(10)
    assert rig.broker_side.limited == 0
    assert began == complete
    assert not rig.rig.desk.state.is_stale
    # The listings take so little that other accounts of the login have theirs.
    assert len(rig.asked("orders")) < 10 * 60
    assert began > 200


@pytest.mark.parametrize("count", [10, 70])
def test_orders_without_executions_starve_no_verdict(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    book = [
        stranger(**{**FUND, "id": OLD + n, "symbol": f"F{n}", "openTime": at_ms(0)})
        for n in range(count)
    ]
    rig = RationedRig(monkeypatch, book, BEGUN)
    # What filled while nobody looked is asked for once, at the pace that the ration allows.
    rig.rounds_of(2 + count / 60)
    began, complete = rig.rounds_of(10)
    assert (rig.broker_side.limited, complete) == (0, began)
    assert not rig.rig.desk.state.is_stale


def test_listing_of_many_pages_goes_back_only_for_what_the_open_orders_lack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = RationedRig(monkeypatch, days_of(3 * WIDE_ROWS), OPEN)
    rig.rounds_of(0.5)
    wide = at_ms(-DAYS * DAY_S)
    # The sweep with which a process begins, and no round after it.
    firsts = [a for a in rig.asked("orders") if not a["page_token"] and a["start_date"] <= wide]
    assert len(firsts) == 1
    rig.broker_side.book[0] |= {"status": "Cancelled"}
    rig.rounds_of(0.1)
    assert rig.rig.desk.state.orders["ext-old"].phase is Phase.CANCELLED


def test_order_that_nothing_shows_is_looked_for_at_the_pace_that_its_pages_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = RationedRig(monkeypatch, days_of(4 * WIDE_ROWS), OPEN)
    rig.rounds_of(0.5)
    asked = len(rig.asked("orders"))
    del rig.broker_side.book[0]
    rig.rounds_of(0.5)
    wide = [a for a in rig.asked("orders")[asked:] if a["start_date"] <= at_ms(-DAYS * DAY_S)]
    listings = [a for a in wide if not a["page_token"]]
    assert 2 <= len(listings) <= 1 + 30.0 / (3 * WIDE_PAGE_S)
    # Each of these is evidence, and no round between them is.
    told = of(rig.desk.items, readings.AbsenceConfirmed)
    assert len(told) == len(listings) - (facts.TIMING.absence_listings_min - 1)
    rig.rounds_of(1.0)
    assert rig.rig.desk.state.orders["ext-old"].phase is Phase.NOT_FOUND


def test_round_that_is_to_end_a_doubt_goes_back_for_all_that_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = RationedRig(monkeypatch, days_of(2 * WIDE_ROWS), OPEN)
    del rig.broker_side.book[0]
    rig.rounds_of(0.2)
    asked = len(rig.asked("orders"))
    rig.rig.take(items.GapNoticed(gap=rig.gaps.note("slept").gap, cause="slept"))
    rig.run()
    assert rig.asked("orders")[asked]["start_date"] <= at_ms(-DAYS * DAY_S)


def test_failing_rounds_go_far_back_no_more_often_than_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, OPEN)
    rig.broker_side.book = days_of(2 * WIDE_ROWS)
    rig.after(0.0)
    rig.broker_side.away = {"active_orders"}
    rig.rig.take(rig.gaps.note("slept"))
    before = len(rig.begins())
    rig.after(1.0, rounds=60)
    wide = [begin for begin in rig.begins()[before:] if begin < facts.at(-DAYS * DAY_S)]
    # Two pages more than the first: once, and then as often as that is worth.
    assert len(wide) == 1 + 60 // (2 * WIDE_PAGE_S)


# --- what it may not miss -----------------------------------------------------------------------


def test_lagging_open_list_undoes_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    rig.broker_side.book = [order_row(status="Cancelled")]
    rig.after(0.0)
    assert rig.order().phase is Phase.CANCELLED
    rig.after(3 * 3600.0)
    lagging = [order_row()]
    monkeypatch.setattr(type(rig.broker_side), "active", lagging)
    rig.rig.take(core_items.halt())
    rig.after(1.0, rounds=3)
    # It is asked for since its opening, and what the listing shows of it stands.
    assert rig.begins()[-1] < facts.NOW
    assert rig.order().phase is Phase.CANCELLED
    assert rig.rig.trace.of("cancel") == []
    # Nor does it where the listing of orders shows nothing of it.
    rig.broker_side.book = []
    rig.after(1.0, rounds=3)
    assert rig.order().phase is Phase.CANCELLED
    # But the halt is not verified over what the broker calls open.
    assert "account.halt_verified" not in rig.rig.stored()
    rig.broker_side.book = lagging
    rig.after(1.0)
    assert rig.order().phase is Phase.WORKING


def test_listing_that_does_not_reach_an_order_is_no_evidence_that_it_is_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, facts.previewed(), facts.started(), facts.unknown())
    rig.after(LATE_S)
    monkeypatch.setattr(windows, "WIDE_ROWS", -1)
    rig.reconciler._windows._page_from = None
    rig.reconciler._windows._wide_at = float("inf")
    monkeypatch.setattr(rig.reconciler._windows, "_missed", frozenset({ORDER}))
    assert of(rig.after(LATE_S + LOOK_BACK_S, rounds=9), readings.AbsenceConfirmed) == []
    assert rig.order().phase is Phase.UNKNOWN


def test_first_listing_goes_back_by_the_brokers_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch)
    # The wall clock was a week ahead, and the ledger never goes back in time.
    record = rig.rig.ledger.write(BEGUN, at=facts.at(7 * DAY_S))
    rig.rig.desk.restore(record.subject, record.body, sequence=record.sequence)
    rig.after(0.0)
    assert rig.rig.stored()[-1] == "account.reconciled"
    # The worker is away for three days, and an order is opened and done elsewhere meanwhile.
    rig.broker_side.book = [stranger(status="Cancelled", openTime=at_ms(DAY_S))]
    rig.rig.restart()
    rig.desk.desk = rig.rig.desk
    rig.reconciler._windows = Windows(clock=rig.rig.clock, budget=rig.budget)
    rig.after(3 * DAY_S)
    assert [o.tiger_order_id for o in rig.rig.desk.state.orders.values()] == ["7"]


def test_records_of_before_say_when_they_listed_by_how_far_they_went_back() -> None:
    before = account_events.AccountReconciled(orders_read=0, orders_since=facts.at(-DAY_S))
    assert facts.fold([before]).listed_at == facts.at(-DAY_S)
    now = replace(before, listed_at=facts.NOW)
    assert facts.fold([now]).listed_at == facts.NOW


@pytest.mark.parametrize(("away_s", "is_read"), [(64 * 3600.0, True), (6 * DAY_S, False)])
def test_fill_that_comes_after_a_weekend_is_recorded(
    monkeypatch: pytest.MonkeyPatch, away_s: float, is_read: bool
) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    rig.broker_side.book = [order_row(status="Cancelled")]
    rig.after(0.0)
    assert rig.rig.desk.state.watched_orders == frozenset()
    rig.after(away_s)
    rig.broker_side.book = [order_row(status="Cancelled", filledQuantity=40)]
    rig.broker_side.executions = [EXECUTION]
    rig.after(LATE_EVERY_S)
    assert (rig.order().recorded_quantity == 40) is is_read


def test_sweep_goes_some_days_back_now_and_then_and_a_day_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    rig.broker_side.book = [order_row(status="Cancelled")]
    rig.after(0.0)
    rig.after(2 * DAY_S)
    count = int(LATE_EVERY_S / SWEEP_EVERY_S)
    begins = []
    for _ in range(count + 1):
        rig.after(SWEEP_EVERY_S)
        begins.append(rig.begins()[-1])
    late = [number for number, begin in enumerate(begins) if begin < facts.NOW]
    assert late == [count - 1]
    day = timedelta(days=1, seconds=LOOK_BACK_S)
    assert all(rig.rig.clock.now() - begin >= day for begin in begins)
    assert timedelta(days=3) < LATE
