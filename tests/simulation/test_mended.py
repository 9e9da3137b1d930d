"""What the simulation found in the service, each held by the smallest test that shows it."""

import threading
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import cast

import pytest
from msgspec.structs import replace

from adapters.tiger_worker import rates, windows
from adapters.tiger_worker.account import AccountWorker
from adapters.tiger_worker.lease import may_arrive
from adapters.tiger_worker.push_connection import Sign
from adapters.tiger_worker.reading_watch import ReadingWatch
from adapters.tiger_worker.windows import SWEEP_EVERY_S, WIDE_ROWS
from core import events, readings
from core.account_state import AccountState
from core.evolving import PREVIEWS_KEPT, evolve
from core.orders import Phase
from core.readings import SeenPhase
from core.refusals import Refusal
from core.terms import TakeProfit
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import ScriptedClient, ok, order_row, scripted_broker
from tests.support.worker_parts import DeskRig, ManualClock
from tests.unit.test_core_figures import adopt, broken, held, positions_seen
from tests.unit.test_core_modify_table import settle
from tests.unit.test_poison import stranger
from tests.unit.test_worker_push import QUICK, Account
from tests.unit.test_worker_push import LinkRig as PushRig
from tests.unit.test_worker_reconcile import of, position_row
from tests.unit.test_worker_sweeps import LATE_S, ORDER, WORKING, SweepRig, at_ms
from tests.unit.test_worker_taken_back import EVIDENT, executed, fills, show
from tests.unit.test_worker_windows import RationedRig


def test_preview_outlives_the_next_after_the_wall_clock_jumped_and_went_back() -> None:
    # The ledger's time stays where the clock once was.
    first = facts.recorded(facts.previewed("1"), 1, seconds=3600.0)
    second = facts.recorded(facts.previewed("2"), 2, seconds=3600.0)
    state = evolve(evolve(AccountState(), first), second)
    assert sorted(preview.preview_id for preview in state.previews.values()) == ["prv-1", "prv-2"]


def test_preview_long_over_is_forgotten_at_the_next() -> None:
    old = facts.previewed("1", expires_s=600.0)
    new = facts.previewed("2", expires_s=601.0 + PREVIEWS_KEPT.total_seconds())
    state = facts.fold((old, new))
    assert [preview.preview_id for preview in state.previews.values()] == ["prv-2"]


def test_jump_of_the_wall_clock_counts_as_skew_before_the_next_reading() -> None:
    rig = DeskRig()
    rig.desk.clock_skew_s = 1.5
    rig.clock.pass_s(10)
    assert rig.desk.clock_skew_s == pytest.approx(1.5)
    rig.clock.set_wall(-40)
    assert rig.desk.clock_skew_s == pytest.approx(-38.5)


def test_brokers_skew_is_that_of_now_not_of_its_last_reply() -> None:
    clock = ManualClock()
    client = ScriptedClient()
    client.answer("order_no", ok({"orderId": 7}, at=facts.NOW))
    broker = scripted_broker(client, clock)
    broker.reserve_number()
    clock.pass_s(30)
    assert broker.clock_skew_s == 0.0
    clock.set_wall(3600)
    assert broker.clock_skew_s == 3600.0


def test_reading_that_hangs_is_seen_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    watch = ReadingWatch()
    begun, end = threading.Event(), threading.Event()

    def hang() -> None:
        with watch.reading():
            begun.set()
            end.wait(5)

    thread = threading.Thread(target=hang)
    thread.start()
    assert begun.wait(5)
    now_s += 70
    with watch.reading():
        assert watch.longest_s == 70.0
    end.set()
    thread.join(5)
    assert watch.longest_s == 0.0


# --- what happens out of sight ------------------------------------------------------------------


def test_order_that_filled_is_not_taken_for_its_exit_which_bears_its_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terms = replace(facts.spec(), take_profit=TakeProfit(limit_price=Decimal(12)))
    parent = order_row()
    exit_ = order_row(id=parent["id"] + 1, action="SELL", orderId=902, limitPrice=12.0)
    bracket = (facts.previewed("1", terms), facts.started("1", terms))
    rig = RationedRig(
        monkeypatch, [parent, exit_], *bracket, facts.accepted(tiger=str(parent["id"]))
    )
    rig.rounds_of(0.5)
    # Since then more was opened than a listing has room for.
    rig.rig.clock.pass_s(600.0)
    rig.broker_side.book += [
        stranger(id=number, openTime=at_ms(300.0), status="Cancelled")
        for number in range(1, 3 * WIDE_ROWS)
    ]
    rig.rounds_of(0.2)
    assert rig.rig.desk.state.orders[ORDER].phase is Phase.WORKING
    parent |= {"status": "Filled", "filledQuantity": 100}
    rig.rounds_of(0.1)
    assert rig.rig.desk.state.orders[ORDER].phase is Phase.FILLED


def test_figures_beside_a_listing_that_leaves_out_a_watched_order_are_no_quiet_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING, figures_s=0.0)
    rig.broker_side.book = [order_row()]
    rig.after(0.0)
    monkeypatch.setattr(windows, "WIDE_ROWS", -1)
    seen = rig.reconciler._windows
    seen._page_from, seen._wide_at = None, float("inf")
    rig.broker_side.book = []
    seen._missed = frozenset({ORDER})

    def quiet(rounds: int) -> list[int]:
        return [s.quiet_reads for s in of(rig.after(1.0, rounds=rounds), readings.PositionsSeen)]

    rig.rig.clock.pass_s(LATE_S)
    before = quiet(1)[0]
    assert quiet(3) == [before] * 3
    # What they were is not forgotten: they count on where the listing goes back.
    seen._wide_at = -float("inf")
    assert quiet(1) == [before + 1]


# --- push ---------------------------------------------------------------------------------------


@pytest.fixture
def account() -> Account:
    return Account()


def test_kick_that_is_heard_after_its_connection_was_given_up_waits_for_a_person(
    account: Account,
) -> None:
    rig = PushRig(account, pace=QUICK._replace(pause_s=3600.0, pause_s_max=3600.0, held_s=1e9))
    rig.link.start()
    first = rig.next()
    first.tell(Sign.FOLLOWING)
    first.tell(Sign.ENDED)
    assert [account.next() for _ in range(2)] == ["look", "push was lost: ended"]
    assert first.ended.wait(5.0)
    first.tell(Sign.KICKED)
    assert account.next() == "kick push-1:1"
    # Nobody comes back before a person resumes, whatever the machine asks.
    rig.link.renew()
    account.is_frozen = False
    rig.next().tell(Sign.FOLLOWING)
    assert account.next() == "push is back"
    rig.link.stop()
    assert (rig.failures, rig.link.health.connects) == ([], 2)


# --- the lease ----------------------------------------------------------------------------------


@dataclass
class LeasedAccount:
    """What an ending worker looks at of an account that waits for no answer."""

    state: AccountState
    broker_told_at: datetime | None
    is_sending: bool = False


@pytest.mark.parametrize(
    ("told_s", "expected"), [(None, True), (10.0, True), (24.0, True), (25.0, False)]
)
def test_lease_is_kept_while_a_released_order_may_still_arrive(
    told_s: float | None, expected: bool
) -> None:
    given = (facts.previewed(), facts.started(), facts.unknown(), facts.released())
    told_at = None if told_s is None else facts.at(told_s)
    account = LeasedAccount(facts.fold(facts.ready(*given)), told_at)
    assert account.state.orders[ORDER].arrives_by == facts.at(24.0)
    assert may_arrive([cast(AccountWorker, account)]) is expected


# --- fills that are taken back ------------------------------------------------------------------


def test_execution_that_another_took_the_place_of_unseen_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    show(rig, executed("e1", 40), avgFillPrice=10.5)
    rig.after(0.0, rounds=3)
    asked = len(rig.asked("order_transactions"))
    rig.after(1.0, rounds=9)
    assert len(rig.asked("order_transactions")) == asked
    # As much as before, and no row in between showed less.
    show(rig, executed("e2", 40, 10.6), avgFillPrice=10.6)
    rig.after(1.0, rounds=EVIDENT)
    assert fills(rig) == ["e1", "e2", "-e1"]
    assert rig.order().recorded_quantity == rig.order().filled_quantity == 40


def test_one_list_that_is_behind_ends_no_suspicion_of_another_execution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    show(rig, executed("e1", 40), avgFillPrice=10.5)
    rig.after(0.0, rounds=3)
    # The row is that of today, and the list still that of before.
    show(rig, executed("e1", 40), avgFillPrice=10.6)
    rig.after(1.0)
    show(rig, executed("e2", 40, 10.6), avgFillPrice=10.6)
    rig.after(1.0, rounds=EVIDENT)
    assert fills(rig) == ["e1", "e2", "-e1"]


def test_mean_price_that_is_the_brokers_own_is_looked_into_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    show(rig, executed("e1", 40), avgFillPrice=10.52)
    rig.after(0.0, rounds=9)
    asked = len(rig.asked("order_transactions"))
    rig.after(1.0, rounds=60)
    assert len(rig.asked("order_transactions")) == asked
    assert fills(rig) == ["e1"]


def test_first_figures_wait_until_it_is_known_what_was_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING, facts.fill("e1", "40"), bare=True)
    show(rig)
    rig.after(0.0, rounds=3)
    assert "account.positions_observed" not in rig.rig.stored()
    rig.after(1.0, rounds=EVIDENT)
    assert fills(rig) == ["e1", "-e1"]
    assert "account.positions_observed" in rig.rig.stored()
    assert dict(rig.rig.desk.state.expected.items()).get("AAPL@US", 0) == 0


def test_figures_count_again_once_what_was_taken_back_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING, figures_s=0.0)
    monkeypatch.setattr(rates, "time", rig.monotonic)
    show(rig, executed("e1", 40), status="Filled")
    rig.broker_side.positions = [position_row(positionQty=40)]
    rig.after(0.0, rounds=5)
    # It is over, and shown by sweeps alone; what nothing explains is moved in besides.
    show(rig, status="Cancelled")
    rig.broker_side.positions = [position_row(positionQty=7)]
    sweeps = 0
    while fills(rig) == ["e1"] and sweeps < 2 * facts.TIMING.absence_listings_min:
        rig.after(SWEEP_EVERY_S)
        sweeps += 1
    assert fills(rig) == ["e1", "-e1"]
    rig.after(1.0, rounds=facts.TIMING.quiet_reads_min)
    assert rig.rig.stored().count("account.position_break") == 1


# --- breaks -------------------------------------------------------------------------------------


def test_break_is_not_adopted_before_a_reading_has_shown_what_a_fill_made_of_it() -> None:
    desk = held("20")
    settle(desk, positions_seen(facts.figure(quantity="60")))
    name = broken(desk)
    # Nobody can say whether the position that was shown had this fill already.
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    refused = desk.when(adopt(name))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.BREAK_UNKNOWN
    # It had, and nothing is left to adopt.
    settle(desk, positions_seen(facts.figure(quantity="60")))
    assert len(desk.state.breaks) == 0
