"""A round is complete or says nothing; only late enough, complete listings prove an absence."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from adapters.tiger_worker import reconcile
from adapters.tiger_worker.broker import POSITION_CLASSES
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.rates import NO_BUDGETS, RateBudget
from adapters.tiger_worker.reconcile import FIGURES_LEAVE, Pace, Reconciler
from adapters.tiger_worker.windows import LOOK_BACK_S
from core import events, items, readings
from core.submitting import SKEW_COUNTED_MAX_S
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import ScriptedClient, ok, order_row, scripted_broker
from tests.support.worker_parts import WAIT_S, DeskRig, ListeningDesk

DAY_S: Final = 86_400.0

ORDER = facts.order_id_of()
# From here on the send of order 1 has surely arrived, by the broker's clock and with its margin.
LATE_S = 24.0 + facts.TIMING.skew_s + 1.0
ASSETS = {"segments": [{"category": "S", "currency": "USD", "currencyAssets": []}]}


class RoundRig:
    """One account's rounds on a scripted broker; each is run by hand."""

    def __init__(
        self,
        *given: events.Event,
        figures_s: float = 1e9,
        bare: bool = False,
        budgets: Mapping[str, int] = NO_BUDGETS,
        client: ScriptedClient | None = None,
    ) -> None:
        self.failures: list[BaseException] = []
        # The very first figures are in the ledger, unless the line is `bare`.
        first = () if bare else (facts.positions(), facts.balances())
        self.rig = DeskRig(*facts.ready(*first, *given))
        self.client = client or ScriptedClient()
        self.desk = ListeningDesk(self.rig)
        self.gaps = Gaps(self.rig.clock)
        self.broker = scripted_broker(self.client, self.rig.clock)
        self.budget = RateBudget(budgets)
        self.reconciler = Reconciler(
            self.broker,
            desk=self.desk,
            budget=self.budget,
            clock=self.rig.clock,
            timing=facts.TIMING,
            pace=_pace(figures_s=figures_s),
            on_failure=self.failures.append,
            gaps=self.gaps,
            name="rounds-test",
        )

    def round(
        self,
        *rows: dict[str, Any],
        at_s: float = 0.0,
        active: tuple[dict[str, Any], ...] = (),
        executions: tuple[dict[str, Any], ...] = (),
    ) -> list[items.Item]:
        """Run one round whose replies bear the broker's time, and return what it told."""
        at = facts.at(at_s)
        client = self.client
        client.answers.clear()
        client.answer("orders", ok({"items": list(rows)}, at=at))
        client.answer("active_orders", ok({"items": list(active)}, at=at))
        client.answer(
            "order_transactions", *[ok({"items": list(executions)}, at=at) for _ in range(9)]
        )
        client.answer("positions", *[ok({"items": []}, at=at) for _ in POSITION_CLASSES])
        client.answer("prime_assets", ok(ASSETS, at=at))
        return self.run()

    def run(self) -> list[items.Item]:
        before = len(self.desk.items)
        self.reconciler._try_round()
        return self.desk.items[before:]

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [fields for asked, fields in self.client.asked if asked == method]


def _pace(*, figures_s: float) -> Pace:
    # A round is run by hand here, so that nothing but the age of the figures counts.
    return Pace(**(dict.fromkeys(Pace._fields, 0.0) | {"figures_s": figures_s}))


def of(told: list[items.Item], wanted: type[items.Item]) -> list[Any]:
    return [item for item in told if isinstance(item, wanted)]


def doubt(*more: events.Event) -> RoundRig:
    return RoundRig(facts.previewed(), facts.started(), facts.unknown(), *more)


def test_complete_round_says_so_last_with_the_gaps_known_when_it_began() -> None:
    rig = RoundRig()
    rig.gaps.note("before")
    told = rig.round(order_row(id=1, userMark=""))
    assert told[-1] == readings.RoundCompleted(
        gaps=1,
        orders_read=1,
        orders_since=rig_since(rig),
        after_n=rig.rig.desk.n,
        listed_at=facts.NOW,
    )


def rig_since(rig: RoundRig) -> datetime:
    (asked,) = rig.asked("orders")
    return facts.NOW + timedelta(
        milliseconds=asked["start_date"] - int(facts.NOW.timestamp() * 1000)
    )


def test_gap_noticed_while_a_round_runs_is_not_healed_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = RoundRig()
    listed = rig.broker.orders

    def orders(*, since: datetime, **more: Any) -> Any:
        rig.gaps.note("meanwhile")
        return listed(since=since, **more)

    monkeypatch.setattr(rig.broker, "orders", orders)
    (completed,) = of(rig.round(), readings.RoundCompleted)
    assert completed.gaps == 0


@pytest.mark.parametrize("failing", ["orders", "active_orders"])
def test_round_with_a_failed_reading_completes_nothing_and_counts_no_absence(failing: str) -> None:
    rig = doubt(facts.stale())
    rig.client.answer("orders", ok({"items": []}, at=facts.at(LATE_S)))
    rig.client.answer("active_orders", ok({"items": []}))
    rig.client.answers[failing][0] = {"code": 1}
    told = rig.run()
    assert of(told, readings.RoundCompleted) == of(told, readings.AbsenceConfirmed) == []
    assert rig.reconciler._evidence.absences == {}


def test_second_page_that_fails_fails_the_round() -> None:
    rig = doubt()
    for _ in range(9):
        first = ok({"items": [], "nextPageToken": "more"}, at=facts.at(LATE_S))
        rig.client.answer("orders", first, {"code": 5})
        rig.client.answer("active_orders", ok({"items": []}))
        assert rig.run() == []


def test_absence_needs_several_listings_begun_when_the_send_had_arrived() -> None:
    rig = doubt()
    # The first listing was begun when nothing had been heard of the broker's clock but this.
    assert of(rig.round(at_s=0.0), readings.AbsenceConfirmed) == []
    assert of(rig.round(at_s=LATE_S), readings.AbsenceConfirmed) == []
    for _ in range(facts.TIMING.absence_listings_min - 1):
        assert of(rig.round(at_s=LATE_S), readings.AbsenceConfirmed) == []
    (absent,) = of(rig.round(at_s=LATE_S), readings.AbsenceConfirmed)
    assert (absent.order_id, absent.listings) == (ORDER, facts.TIMING.absence_listings_min)
    order = rig.rig.desk.state.orders[ORDER]
    assert absent.first_listing_at > order.arrives_by


@pytest.mark.parametrize("at_s", [0.0, 20.0, 24.0, 24.0 + facts.TIMING.skew_s])
def test_listings_begun_too_early_by_the_brokers_clock_prove_nothing(at_s: float) -> None:
    rig = doubt()
    # However late it is here.
    rig.rig.clock.pass_s(3600)
    for _ in range(9):
        assert of(rig.round(at_s=at_s), readings.AbsenceConfirmed) == []


@pytest.mark.parametrize(
    "row",
    [
        order_row(),
        order_row(userMark="", orderId=901),
        order_row(userMark=facts.mark_of(), orderId=0),
    ],
    ids=["whole", "by number", "by mark"],
)
def test_any_sign_of_the_order_is_no_absence_and_counting_begins_anew(row: dict[str, Any]) -> None:
    rig = doubt()
    for _ in range(facts.TIMING.absence_listings_min):
        rig.round(at_s=LATE_S)
    assert of(rig.round(row, at_s=LATE_S), readings.AbsenceConfirmed) == []
    for _ in range(facts.TIMING.absence_listings_min - 1):
        assert of(rig.round(at_s=LATE_S), readings.AbsenceConfirmed) == []


def test_failed_round_between_does_not_count() -> None:
    rig = doubt()
    rig.round(at_s=LATE_S)
    for _ in range(5):
        rig.client.answers.clear()
        rig.client.answer("orders", {"code": 1})
        assert rig.run() == []
        told = rig.round(at_s=LATE_S)
        if of(told, readings.AbsenceConfirmed):
            break
    (absent,) = of(told, readings.AbsenceConfirmed)
    assert absent.listings == facts.TIMING.absence_listings_min


def test_order_that_is_being_sent_is_never_absent() -> None:
    rig = RoundRig(facts.previewed(), facts.started())
    for _ in range(9):
        assert of(rig.round(at_s=LATE_S), readings.AbsenceConfirmed) == []


def test_listing_goes_back_to_the_oldest_watched_order() -> None:
    rig = doubt()
    for at_s in (5000.0, 10_000.0):
        rig.rig.clock.pass_s(5000)
        rig.round(at_s=at_s)
    # Two seconds to send and twenty-two to arrive: so far the clocks may differ, either way.
    opened_from_s = 2.0 - 22.0
    assert [asked["start_date"] for asked in rig.asked("orders")] == [
        _ms(5000 - DAY_S - LOOK_BACK_S),
        _ms(opened_from_s - LOOK_BACK_S),
    ]


def test_record_dated_ahead_of_the_clock_hides_no_order() -> None:
    rig = RoundRig()
    # The wall clock was an hour ahead, and the ledger never goes back in time.
    at = facts.NOW + timedelta(hours=1)
    for event in (facts.previewed(), facts.started(), facts.unknown()):
        record = rig.rig.ledger.write(event, at=at)
        rig.rig.desk.restore(record.subject, record.body, sequence=record.sequence)
    rig.round()
    rig.round()
    assert rig.asked("orders")[-1]["start_date"] == _ms(2.0 - 22.0 - LOOK_BACK_S)


def _ms(seconds: float) -> int:
    return int(facts.at(seconds).timestamp() * 1000)


def test_listing_without_a_watched_order_goes_back_to_the_last_complete_one() -> None:
    rig = RoundRig()
    rig.rig.clock.pass_s(5000)
    rig.round(at_s=5000.0)
    rig.rig.clock.pass_s(5000)
    rig.client.answers.clear()
    rig.client.answer("orders", {"code": 1})
    rig.run()
    rig.rig.clock.pass_s(5000)
    rig.round()
    begins = [(asked["start_date"] / 1000) - facts.NOW.timestamp() for asked in rig.asked("orders")]
    # A failed listing saw nothing, so the next begins where the last complete one began.
    # The first of a process goes a day back, whatever the ledger says of the time.
    first = 5000 - DAY_S - LOOK_BACK_S
    assert begins == [first, 5000 - LOOK_BACK_S, 5000 - LOOK_BACK_S]


def test_stale_account_has_its_older_open_orders_read_too() -> None:
    rig = RoundRig(facts.stale())
    told = rig.round(active=(order_row(id=5, userMark="", orderId=0),))
    assert [seen.tiger_order_id for seen in of(told, readings.OrderSeen)] == ["5"]
    later = RoundRig()
    later.round()
    later.round()
    # The first round of a process asked, as a sweep does.
    assert len(later.asked("active_orders")) == 1


def test_executions_are_read_for_orders_that_filled_more_than_is_recorded() -> None:
    execution = {
        "id": "e1",
        "filledQuantity": 40,
        "filledPrice": 10.5,
        "currency": "USD",
        "transactionTime": 1,
    }
    rig = doubt()
    told = rig.round(order_row(filledQuantity=40), executions=(execution,))
    (seen,) = of(told, readings.OrderSeen)
    assert [each.execution_id for each in seen.executions] == ["e1"]
    # Fills are news: positions and cash are read with them, after them.
    kinds = [type(item) for item in told]
    assert kinds == [
        readings.OrderSeen,
        readings.PositionsSeen,
        readings.BalancesSeen,
        readings.RoundCompleted,
    ]


def test_order_without_news_reads_no_executions_and_no_figures() -> None:
    rig = doubt()
    for _ in range(facts.TIMING.quiet_reads_min):
        rig.round(order_row())
    told = rig.round(order_row())
    assert [type(item) for item in told] == [readings.OrderSeen, readings.RoundCompleted]
    assert rig.asked("order_transactions") == []


def test_sightings_are_told_oldest_first() -> None:
    rig = RoundRig()
    opened = int(facts.NOW.timestamp() * 1000)
    told = rig.round(
        *(
            order_row(id=number, userMark="", orderId=0, openTime=opened + number)
            for number in (3, 1, 2)
        )
    )
    assert [seen.tiger_order_id for seen in of(told, readings.OrderSeen)] == ["1", "2", "3"]


@pytest.mark.parametrize("row", [order_row(action="HOLD"), order_row(id=0)], ids=["side", "id"])
def test_row_that_cannot_be_read_is_told_and_the_round_is_complete(row: dict[str, Any]) -> None:
    told = RoundRig().round(row)
    assert [type(item) for item in told] == [
        readings.RowUnreadable,
        readings.PositionsSeen,
        readings.BalancesSeen,
        readings.RoundCompleted,
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"totalQuantity": -1},
        {"filledQuantity": 5, "filledQuantityScale": 99},
        {"limitPrice": 1e300},
        {"openTime": 1e17},
    ],
    ids=str,
)
def test_row_that_cannot_be_read_keeps_no_other_from_being_told(odd: dict[str, Any]) -> None:
    rig = doubt()
    rows = (order_row(id=1, userMark="", orderId=0), order_row(id=2, **odd), order_row())
    told = rig.round(*rows, at_s=LATE_S)
    assert {seen.tiger_order_id for seen in of(told, readings.OrderSeen)} == {
        "1",
        str(order_row()["id"]),
    }
    # But what the row hides is not known, so nothing of its symbol is absent.
    assert len(of(told, readings.RowUnreadable)) == len(of(told, readings.RoundCompleted)) == 1
    assert rig.reconciler._evidence.absences == {}


def test_fills_beside_a_row_that_cannot_be_read_bring_the_figures_with_them() -> None:
    execution = {
        "id": "e1",
        "filledQuantity": 40,
        "filledPrice": 10.5,
        "currency": "USD",
        "transactionTime": 1,
    }
    rig = doubt()
    rig.reconciler._figures_at = float("inf")
    told = rig.round(
        order_row(id=2, totalQuantity=-1), order_row(filledQuantity=40), executions=(execution,)
    )
    assert [type(item) for item in told] == [
        readings.RowUnreadable,
        readings.OrderSeen,
        readings.PositionsSeen,
        readings.BalancesSeen,
        readings.RoundCompleted,
    ]


def test_unforeseen_error_of_a_round_stops_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = RoundRig()
    unforeseen = KeyError("x")
    rig.client.answer("active_orders", ok({"items": []}))

    def orders(*, since: datetime, **more: Any) -> Any:
        raise unforeseen

    monkeypatch.setattr(rig.broker, "orders", orders)
    rig.reconciler.start()
    rig.reconciler._thread.join(WAIT_S)
    assert rig.failures == [unforeseen]


@pytest.mark.parametrize(
    ("skew_s", "more_s"),
    [
        (0.0, 0.0),
        (45.0, 45.0),
        (-45.0, 45.0),
        # A reply cannot make listings go back for ever.
        (1e8, SKEW_COUNTED_MAX_S),
    ],
)
def test_listing_begins_earlier_by_how_far_the_clocks_differ(skew_s: float, more_s: float) -> None:
    rig = doubt()
    rig.round(at_s=-skew_s)
    (asked,) = rig.asked("orders")
    assert asked["start_date"] == _ms(-DAY_S - LOOK_BACK_S - more_s)


def test_readings_that_fail_for_long_are_one_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr("adapters.tiger_worker.reconcile.time", _Monotonic(lambda: now_s))
    rig = RoundRig()
    told: list[items.Item] = []
    for _ in range(6):
        rig.client.answers.clear()
        rig.client.answer("active_orders", *[ok({"items": []})] * 2)
        rig.client.answer("orders", {"code": 1})
        told += rig.run()
        now_s += 20.0
    cause = "the broker gave no reply to be used: orders was answered with 1"
    assert told == [items.GapNoticed(gap=1, cause=cause)]
    rig.round()
    for _ in range(3):
        rig.client.answers.clear()
        rig.client.answer("active_orders", *[ok({"items": []})] * 2)
        rig.client.answer("orders", {"code": 1})
        told += rig.run()
        now_s += 20.0
    assert [item.gap for item in of(told, items.GapNoticed)] == [1, 2]


FOREIGN_KEY = {"code": 1000, "message": "common param error(failed to verify signature, ...)"}


def test_refused_login_is_told_at_once_where_nothing_is_known_yet() -> None:
    rig = RoundRig(facts.stale(gap=0))
    told: list[items.Item] = []
    for _ in range(3):
        rig.client.answers.clear()
        rig.client.answer("active_orders", FOREIGN_KEY)
        rig.client.answer("orders", FOREIGN_KEY)
        told += rig.run()
    (gap,) = told
    assert isinstance(gap, items.GapNoticed)
    assert gap.cause.startswith("the broker refuses this login: private_key: it does not belong")


def test_refused_login_of_an_account_that_is_well_is_a_gap_after_a_while_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 1000.0
    monkeypatch.setattr("adapters.tiger_worker.reconcile.time", _Monotonic(lambda: now_s))
    rig = RoundRig()
    rig.round()
    assert not rig.rig.desk.state.is_stale
    told: list[items.Item] = []
    for _ in range(3):
        rig.client.answers.clear()
        rig.client.answer("orders", FOREIGN_KEY)
        before = len(told)
        told += rig.run()
        if now_s - 1000.0 <= 30.0:
            assert len(told) == before
        now_s += 20.0
    assert len(of(told, items.GapNoticed)) == 1


class _Monotonic:
    def __init__(self, now_s: Callable[[], float]) -> None:
        self.monotonic = now_s


def test_skew_is_handed_to_the_desk_even_by_a_round_that_failed() -> None:
    rig = RoundRig()
    rig.client.answer("active_orders", ok({"items": []}))
    rig.client.answer("orders", {"code": 1, "timestamp": int(facts.at(-45).timestamp() * 1000)})
    rig.run()
    assert rig.rig.desk.clock_skew_s == 45.0


# --- figures -------------------------------------------------------------------------------


def position_row(**fields: object) -> dict[str, Any]:
    plain = {
        "symbol": "AAPL",
        "market": "US",
        "currency": "USD",
        "positionQty": 1,
        "averageCost": 10.0,
        "secType": "STK",
    }
    return plain | fields


def cash_row(balance: float) -> dict[str, Any]:
    figure = {"currency": "USD", "cashBalance": balance}
    return {"segments": [{"category": "S", "currency": "USD", "currencyAssets": [figure]}]}


def read_figures(
    rig: RoundRig,
    *positions: dict[str, Any],
    cash: float = 0.0,
    rows: tuple[dict[str, Any], ...] = (),
    executions: tuple[dict[str, Any], ...] = (),
) -> tuple[int, int]:
    """Run a round and return how often the positions and the cash were the same."""
    client = rig.client
    client.answers.clear()
    client.answer("orders", *[ok({"items": list(rows)}) for _ in range(2)])
    client.answer("active_orders", ok({"items": []}))
    client.answer("order_transactions", *[ok({"items": list(executions)}) for _ in range(9)])
    held = [ok({"items": list(positions)}), *[ok({"items": []}) for _ in POSITION_CLASSES[1:]]]
    client.answer("positions", *held)
    client.answer("prime_assets", ok(cash_row(cash)))
    told = rig.run()
    (positions_seen,) = of(told, readings.PositionsSeen)
    (balances_seen,) = of(told, readings.BalancesSeen)
    return positions_seen.quiet_reads, balances_seen.quiet_reads


def test_equal_readings_are_counted_and_a_change_begins_anew() -> None:
    rig = RoundRig(figures_s=0.0)
    one, two = position_row(), position_row(positionQty=2)
    counts = [read_figures(rig, row)[0] for row in (one, one, one, two, two)]
    assert counts == [1, 2, 3, 1, 2]


def test_cash_that_moves_all_the_time_keeps_no_position_from_being_told() -> None:
    rig = RoundRig(figures_s=0.0)
    counts = [read_figures(rig, position_row(), cash=float(cash)) for cash in range(3)]
    assert counts == [(1, 1), (2, 1), (3, 1)]


def test_two_options_of_one_symbol_are_two_figures() -> None:
    rig = RoundRig(figures_s=0.0)

    def option(strike: str, quantity: int) -> dict[str, Any]:
        terms = {"secType": "OPT", "expiry": "20261218", "right": "CALL", "strike": strike}
        return position_row(positionQty=quantity, **terms)

    assert read_figures(rig, option("230", 1), option("240", 5))[0] == 1
    assert read_figures(rig, option("230", 2), option("240", 5))[0] == 1


def test_fill_whose_execution_is_not_listed_yet_makes_one_reading_unquiet() -> None:
    rig = RoundRig(facts.previewed(), facts.started(), facts.accepted(), figures_s=0.0)
    filled = [order_row(id="1", filledQuantity=n) for n in (40, 40, 40, 41, 41)]
    counts = [read_figures(rig, position_row(), rows=(row,))[0] for row in filled]
    # What it filled is waited for by its order; other positions wait no longer.
    assert counts == [1, 2, 3, 1, 2]


def test_figures_that_nothing_waits_for_leave_tokens_to_other_accounts_and_end_no_round() -> None:
    one_reading = len(POSITION_CLASSES)
    budgets = {"positions": FIGURES_LEAVE + 2 * one_reading, "prime_assets": 60}
    rig = RoundRig(budgets=budgets, figures_s=1e9)
    seen = [
        (of(told, readings.PositionsSeen), of(told, readings.RoundCompleted))
        for told in unquiet(rig)
    ]
    assert [len(figures) for figures, _ in seen] == [1, 1, 0, 0]
    assert [len(completed) for _, completed in seen] == [1, 1, 1, 1]


def test_figures_that_a_verdict_waits_for_use_the_tokens_that_are_left() -> None:
    one_reading = len(POSITION_CLASSES)
    budgets = {"positions": FIGURES_LEAVE + one_reading, "prime_assets": 60}
    rig = RoundRig(budgets=budgets, figures_s=1e9)
    unquiet(rig)
    rig.rig.take(core_items.gap_noticed())
    rig.gaps.note("a test")
    told = rig.round()
    assert [
        len(of(told, wanted)) for wanted in (readings.PositionsSeen, readings.RoundCompleted)
    ] == [
        1,
        1,
    ]


def test_figures_without_tokens_for_all_of_them_use_up_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    budgets = {"positions": len(POSITION_CLASSES) - 1, "prime_assets": 60}
    rig = RoundRig(bare=True, budgets=budgets)
    monkeypatch.setattr(reconcile, "TOKEN_WAIT_S", 0.0)
    assert of(rig.round(), readings.RoundCompleted) == []
    assert rig.asked("positions") == []
    assert rig.budget.try_take("positions", count=len(POSITION_CLASSES) - 1)


def unquiet(rig: RoundRig) -> list[list[items.Item]]:
    """Run four rounds of which each brings something."""
    row = order_row(userMark="", orderId=0)
    return [rig.round(row | {"filledQuantity": filled}) for filled in (1, 2, 3, 4)]


def test_first_figures_with_a_fill_after_the_listing_are_not_taken() -> None:
    rig = RoundRig(bare=True)
    row = order_row(userMark="", orderId=0)
    client = rig.client
    client.answer("orders", ok({"items": [row]}), ok({"items": [row | {"filledQuantity": 5}]}))
    client.answer("active_orders", ok({"items": [row]}))
    client.answer("positions", *[ok({"items": []}) for _ in POSITION_CLASSES])
    client.answer("prime_assets", ok(ASSETS))
    told = rig.run()
    assert [type(item) for item in told] == [readings.OrderSeen]


@pytest.mark.parametrize("later", [[], [order_row(id=9, userMark="", orderId=0)]], ids=len)
def test_first_figures_without_a_fill_meanwhile_are_taken(later: list[dict[str, Any]]) -> None:
    rig = RoundRig(bare=True)
    client = rig.client
    client.answer("orders", ok({"items": []}), ok({"items": later}))
    client.answer("active_orders", ok({"items": []}))
    client.answer("positions", *[ok({"items": []}) for _ in POSITION_CLASSES])
    client.answer("prime_assets", ok(ASSETS))
    assert of(rig.run(), readings.PositionsSeen)


def test_first_figures_are_held_to_open_orders_of_days_ago_too() -> None:
    rig = RoundRig(facts.stale(), bare=True)
    days_ago = order_row(userMark="", orderId=0, openTime=_ms(-5 * DAY_S))
    client = rig.client
    client.answer("orders", ok({"items": []}), ok({"items": [days_ago | {"filledQuantity": 5}]}))
    client.answer("active_orders", ok({"items": [days_ago]}))
    client.answer("positions", *[ok({"items": []}) for _ in POSITION_CLASSES])
    client.answer("prime_assets", ok(ASSETS))
    assert [type(item) for item in rig.run()] == [readings.OrderSeen]
    first, second = (asked["start_date"] for asked in rig.asked("orders"))
    assert second < _ms(-5 * DAY_S) < first


def test_order_is_told_before_the_legs_that_were_made_of_it() -> None:
    rig = RoundRig()
    parent, leg = (order_row(id=id_, userMark="", orderId=0) for id_ in (9, 10))
    told = rig.round(leg, parent)
    assert [seen.tiger_order_id for seen in of(told, readings.OrderSeen)] == ["9", "10"]


# --- changes -------------------------------------------------------------------------------


def changing(**more: Any) -> RoundRig:
    given = (facts.previewed(), facts.started(), facts.accepted(tiger="1"))
    return RoundRig(*given, facts.modify_started(tiger="1", **more))


def test_listings_that_go_on_with_the_old_terms_are_counted_once_it_is_too_late() -> None:
    rig = changing(limit_price="11.00")
    row = order_row(id="1")
    assert of(rig.round(row, at_s=10.0), readings.ModifyNotShown) == []
    # A listing is as late as the broker's last reply before it.
    told = [of(rig.round(row, at_s=LATE_S + i), readings.ModifyNotShown) for i in range(4)]
    first = facts.at(LATE_S - facts.TIMING.skew_s)
    assert told == [
        [],
        [],
        [],
        [readings.ModifyNotShown(order_id=ORDER, listings=3, first_listing_at=first)],
    ]


@pytest.mark.parametrize(
    "row", [order_row(id="1", limitPrice=11), order_row(id="1", replaceStatus="RECEIVED")]
)
def test_listing_with_the_new_terms_or_a_change_under_way_begins_the_count_anew(
    row: dict[str, Any],
) -> None:
    rig = changing(limit_price="11.00")
    old = order_row(id="1")
    rig.round(old, at_s=0.0)
    rig.round(old, at_s=LATE_S)
    rounds = [old, old, row, old, old]
    assert [of(rig.round(r, at_s=LATE_S), readings.ModifyNotShown) for r in rounds] == [[]] * 5
    assert of(rig.round(old, at_s=LATE_S), readings.ModifyNotShown)
