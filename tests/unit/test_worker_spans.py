"""More orders than one listing has pages: no verdict waits for ever, and none of them is missed."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from adapters.tiger_worker import broker, spans
from adapters.tiger_worker.windows import (
    LATE_EVERY_S,
    LOOK_BACK_S,
    SWEEP_AGAIN_S,
    SWEEP_EVERY_S,
    Windows,
)
from core import account_events, events, items, readings
from tests.support import core_facts as facts
from tests.support.scripted_broker import order_row
from tests.unit.test_poison import stranger
from tests.unit.test_worker_reconcile import RoundRig, of
from tests.unit.test_worker_sweeps import (
    DAY_S,
    EXECUTION,
    ORDER,
    WORKING,
    SweepRig,
    at_ms,
)
from tests.unit.test_worker_windows import BEGUN, DAYS, OLD, OPEN, RationedRig

PAGES: Final = 3
FIRST_ID: Final = 100_000
DAY_MS: Final = int(DAY_S * 1000)


@pytest.fixture(autouse=True)
def _few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "PAGES_MAX", PAGES)
    monkeypatch.setattr(spans, "FEW_ROWS", 100 * PAGES // 4)


def done_since(days: float, count: int) -> list[dict[str, Any]]:
    """Return so many orders of elsewhere that are done, evenly opened in the last days."""
    return [
        stranger(
            id=FIRST_ID + n,
            openTime=at_ms(-days * DAY_S * (1 - n / count)),
            symbol=f"S{n % 50}",
            status="Cancelled",
        )
        for n in range(count)
    ]


def listed(days_ago: float) -> account_events.AccountListed:
    return account_events.AccountListed(listed_at=facts.at(-days_ago * DAY_S))


def is_stale(rig: RoundRig) -> bool:
    return rig.rig.desk.state.is_stale


def missing(rig: RationedRig) -> set[str]:
    book = {str(row["id"]) for row in rig.broker_side.book}
    return book - {id_ for id_, _ in rig.rig.desk.state.by_tiger_id.items()}


# --- a listing of many pages --------------------------------------------------------------------


@pytest.mark.parametrize("count", [200, 2000, 6000])
def test_worker_that_was_away_for_weeks_comes_to_a_verdict_and_misses_no_order(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    rig = RationedRig(monkeypatch, done_since(20, count), listed(20), BEGUN)
    rig.rounds_of(0.01)
    assert of(rig.desk.items, readings.RoundCompleted)
    assert not is_stale(rig)
    assert missing(rig) == set()
    # What was too long is read once more in spans, and little else.
    assert len(rig.asked("orders")) < 2.5 * (count / 100 + PAGES + 20)


def test_day_of_more_orders_than_one_listing_has_is_listed_in_parts_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = RationedRig(monkeypatch, done_since(0.25, 2000), BEGUN)
    rig.rounds_of(0.01)
    assert not is_stale(rig)
    assert missing(rig) == set()


def test_first_listing_that_fails_amid_goes_on_from_the_last_whole_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = RationedRig(monkeypatch, done_since(20, 2000), listed(20), BEGUN)
    failing_since = at_ms(-10 * DAY_S)
    answer = rig.broker_side._next

    def fails_late(method: str, fields: dict[str, Any]) -> Any:
        found = answer(method, fields)
        is_late = method == "orders" and fields["start_date"] >= failing_since
        return {"code": 1, "message": "server error"} if is_late else found

    monkeypatch.setattr(rig.broker_side, "_next", fails_late)
    rig.rounds_of(0.01)
    assert is_stale(rig)
    # What was read is told.
    assert 800 < len(missing(rig)) < 1000
    monkeypatch.setattr(rig.broker_side, "_next", answer)
    asked = len(rig.asked("orders"))
    rig.rounds_of(0.01)
    assert not is_stale(rig)
    assert missing(rig) == set()
    again = rig.asked("orders")[asked:]
    assert min(each["start_date"] for each in again) > at_ms(-13 * DAY_S)


def test_listing_that_no_span_is_short_enough_for_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    same = [row | {"openTime": at_ms(-60)} for row in done_since(1, 100 * PAGES + 1)]
    rig = RationedRig(monkeypatch, same, BEGUN)
    rig.rounds_of(0.01)
    assert of(rig.desk.items, readings.RoundCompleted) == []
    assert is_stale(rig)


# --- late sweeps --------------------------------------------------------------------------------


def test_late_sweep_that_cannot_end_keeps_no_verdict_from_coming(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # An own order left the watch four days ago.
    done = events.OrderCancelled(order_id=ORDER, filled_quantity=Decimal(0), average_price=None)
    rig = RationedRig(monkeypatch, [], *WORKING, done, listed(-3.5), BEGUN)
    book = done_since(4, 4 * 100)
    rig.broker_side.book = [row | {"openTime": row["openTime"] + 4 * DAY_MS} for row in book]
    rig.rig.clock.pass_s(4 * DAY_S)
    # A day back is less than two pages, and of the four pages since the third never comes.
    rig.broker_side.broken_from = 2
    assert rig.rounds_of(0.01) == (1, 1)
    assert not is_stale(rig)
    began, complete = rig.rounds_of(2 * LATE_EVERY_S / 60)
    wide = [asked for asked in rig.asked("orders") if asked["start_date"] < at_ms(2 * DAY_S)]
    late = [asked for asked in wide if not asked["page_token"]]
    assert began - complete == len(late) == 2
    assert of(rig.desk.items, items.GapNoticed) == []


def test_sweep_to_an_old_open_order_that_fails_keeps_no_verdict_from_coming(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = [stranger(id=OLD, openTime=at_ms(-DAYS * DAY_S), symbol="GTC"), *done_since(9, 200)]
    rig = RationedRig(monkeypatch, book, OPEN, BEGUN)
    # The order is open, as the broker's open orders show; the listing since then has a third page.
    rig.broker_side.broken_from = 2
    began, complete = rig.rounds_of(1.0)
    assert not is_stale(rig)
    assert of(rig.desk.items, items.GapNoticed) == []
    assert began - complete <= 1 + 60.0 / SWEEP_AGAIN_S


def test_late_sweep_of_a_process_comes_right_after_its_first_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    rig.broker_side.book = [order_row(status="Cancelled")]
    rig.after(0.0)
    rig.after(2 * DAY_S)
    rig.rig.restart()
    rig.desk.desk = rig.rig.desk
    rig.reconciler._windows = Windows(clock=rig.rig.clock, budget=rig.budget)
    # Friday's order costs and fills more before Monday.
    filled = {"filledQuantity": 40, "commission": 1.99}
    rig.broker_side.book = [order_row(status="Cancelled", **filled)]
    rig.broker_side.executions = [EXECUTION]
    rig.after(16 * 3600.0)
    assert not is_stale(rig)
    # Before the figures are quiet for long enough to be called a break.
    assert rig.order().recorded_quantity == 0
    rig.after(1.0)
    assert rig.order().recorded_quantity == 40
    asked = len(rig.begins())
    rig.after(1.0, rounds=int(SWEEP_EVERY_S) - 2)
    assert all(begin > facts.at(3600.0) for begin in rig.begins()[asked:])


# --- how far the listings went ------------------------------------------------------------------


def test_successor_of_a_long_quiet_worker_lists_no_more_than_it_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, facts.stale())
    rig.rig.take(rig.gaps.note("slept"))
    rig.after(1.0)
    for _ in range(30):
        rig.after(DAY_S, rounds=2)
    assert not is_stale(rig)
    rig.rig.restart()
    assert _first_begin(rig) >= rig.rig.clock.now() - timedelta(days=1, seconds=LOOK_BACK_S)
    rig.rig.clock.pass_s(3 * DAY_S)
    away = rig.rig.clock.now() - _first_begin(rig)
    assert timedelta(days=3) < away <= timedelta(days=4, seconds=LOOK_BACK_S)


def _first_begin(rig: SweepRig) -> datetime:
    successor = Windows(clock=rig.rig.clock, budget=rig.budget)
    plan = successor.plan(rig.rig.desk.state, skew_s=0.0, open_rows=(), is_verdict=True)
    return plan.since


def test_quiet_rounds_record_one_fact_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch)
    rig.after(0.0)
    stored = len(rig.rig.stored())
    for _ in range(3 * 24):
        rig.after(3600.0, rounds=2)
    assert rig.rig.stored()[stored:] == ["account.listed"] * 3
