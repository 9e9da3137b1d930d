"""What holds of the desk under any schedule: items lost, doubled, late, and in any order."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import events, items, readings
from core.account_state import AccountState
from core.codec import EMPTY_TAIL, encode, follow
from core.desk import decide, waits
from core.evolving import evolve
from core.items import Outcome
from core.modes import Environment, Mode
from core.orders import DOUBTFUL_PHASES, FINAL_PHASES, Phase
from core.readings import ExecutionSeen, SeenPhase
from core.submitting import is_reducing
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items

_NAMES: Final = ("1", "2", "3")
_SCHEDULES: Final = settings(max_examples=120)


_REST: Final[list[items.Item]] = [
    core_items.halt(),
    core_items.halt("AAPL", "cmd-h2"),
    core_items.resume(),
    core_items.resume("AAPL", "cmd-r2"),
    core_items.round_completed(0),
    core_items.round_completed(1),
    core_items.round_completed(2),
    core_items.gap_noticed(1),
    core_items.gap_noticed(2),
    items.WorkerStarts(run_id="run-2"),
    items.HaltFileSeen(detail="by hand"),
    items.PushKicked(connection="push-1:1"),
    items.AccountBegins(
        environment=Environment.SANDBOX,
        mode=Mode.AUTO,
        ledger_id="led2",
        login="login-1",
    ),
    core_items.external(),
    core_items.external(tiger="t-8", side=Side.BUY, quantity="7"),
    core_items.seen(tiger="t-7", mark=f"{facts.LEDGER_ID}.ord-lost"),
    # The id of order 1's row with the mark of order 2.
    core_items.seen(tiger="t-1", number="902", mark=facts.mark_of("2")),
    readings.PositionsSeen(positions=(), observed_at=facts.NOW),
    readings.PositionsSeen(positions=(facts.figure(quantity="150"),), observed_at=facts.NOW),
    core_items.preview_command(),
    items.PreviewAnswered(
        item=core_items.preview_command(),
        contract=core_items.contract(),
        quote=core_items.quote(),
        estimate=None,
    ),
]
_POOL: Final = [item for name in _NAMES for item in core_items.items_of_order(name)] + _REST
# What a listing alone may say of an order that the broker gave an id.
_LISTING_EVENTS: Final = (
    events.OrderWorking,
    events.OrderFilled,
    events.OrderCancelled,
    events.OrderExpired,
    events.OrderRejected,
    events.OrderWasOurs,
)


def _previews() -> tuple[events.Event, ...]:
    return (
        facts.previewed("1"),
        facts.previewed("2"),
        facts.previewed("3", facts.spec(side=Side.SELL)),
    )


def _run(schedule: Sequence[items.Item]) -> facts.TestDesk:
    """Take the items as a worker would, and watch the rules at each event."""
    long_150 = facts.positions(facts.figure(quantity="150"))
    desk = facts.TestDesk(*facts.ready(long_150, *_previews()))
    for second, item in enumerate(schedule):
        if waits(desk.state, item):
            continue
        for _ in range(facts.EVENTS_PER_ITEM_MAX):
            before = desk.state
            event = desk.when(item, facts.context(second))
            if event is None:
                break
            _check_step(before, event, desk.state)
        else:
            raise AssertionError(f"{item} never comes to rest")
    return desk


def _check_step(before: AccountState, event: events.Event, after: AccountState) -> None:
    if isinstance(event, events.OrderSubmissionStarted):
        assert event.order_id not in before.orders
        assert not before.is_stale
        assert not before.is_halted
        assert event.spec.symbol not in before.halted_symbols
        if not is_reducing(before, event.spec):
            assert not before.frozen_cause
            assert event.spec.symbol not in before.frozen_symbols
            assert before.doubtful_of(event.spec.symbol) is None
    for old in before.orders.values():
        new = after.orders[old.order_id]
        if old.phase is new.phase:
            continue
        # With an id of the broker's, only listings end an order, or wake one that was done.
        if old.tiger_order_id and (old.phase in FINAL_PHASES or new.phase in FINAL_PHASES):
            assert isinstance(event, _LISTING_EVENTS)
        if old.phase is Phase.WORKING:
            assert new.phase in FINAL_PHASES | {Phase.UNKNOWN}
        if old.phase in DOUBTFUL_PHASES and new.phase is Phase.NOT_FOUND:
            assert isinstance(event, events.OrderNotFound)


def _check_state(desk: facts.TestDesk) -> None:
    state = desk.state
    orders = list(state.orders.values())
    assert state.open_orders == {o.order_id for o in orders if o.is_open}
    assert state.watched_orders == {o.order_id for o in orders if o.is_watched}
    owners = Counter(o.tiger_order_id for o in orders if o.tiger_order_id)
    assert all(count == 1 for count in owners.values())
    moved = {
        event.moved_from: event.order_id
        for event in desk.line
        if isinstance(event, events.OrderAccepted) and event.moved_from
    }
    for order in orders:
        fills: dict[str, Decimal] = {}
        for event in desk.line:
            if not isinstance(event, events.OrderFillRecorded | events.OrderFillTakenBack):
                continue
            if moved.get(event.order_id, event.order_id) != order.order_id:
                continue
            if isinstance(event, events.OrderFillTakenBack):
                assert fills.pop(event.execution_id) == event.quantity
            else:
                assert event.execution_id not in fills
                fills[event.execution_id] = event.quantity
        assert order.recorded_quantity == sum(fills.values(), start=Decimal(0))
        known = {one for one, owner in state.executions.items() if owner == order.order_id}
        assert known == fills.keys()
    starts = Counter(
        event.order_id for event in desk.line if isinstance(event, events.OrderSubmissionStarted)
    )
    assert all(count == 1 for count in starts.values())


@_SCHEDULES
@given(st.lists(st.sampled_from(_POOL), max_size=60))
def test_any_schedule_keeps_the_rules(schedule: list[items.Item]) -> None:
    _check_state(_run(schedule))


@_SCHEDULES
@given(
    st.lists(st.sampled_from(core_items.items_of_order("1") + _REST), max_size=40),
    st.integers(0, 40),
)
def test_one_order_under_any_schedule_is_sent_once(schedule: list[items.Item], place: int) -> None:
    schedule.insert(min(place, len(schedule)), core_items.submit("1", number="901"))
    desk = _run(schedule)
    _check_state(desk)
    starts = [e for e in desk.line if isinstance(e, events.OrderSubmissionStarted)]
    assert len(starts) <= 1


@_SCHEDULES
@given(st.lists(st.sampled_from(_POOL), max_size=40))
def test_replay_of_the_line_gives_the_same_state(schedule: list[items.Item]) -> None:
    desk = _run(schedule)
    tail, state = EMPTY_TAIL, AccountState()
    for n, event in enumerate(desk.line, start=1):
        where, body = encode(facts.recorded(event, n), prev=tail.prev)
        stored, tail = follow(tail, where, body, sequence=n)
        state = evolve(state, stored)
    assert state == desk.state
    assert facts.snapshot(state) == facts.snapshot(desk.state)


@_SCHEDULES
@given(st.lists(st.sampled_from(_POOL), max_size=30))
def test_whole_schedule_delivered_again_sends_nothing_more(schedule: list[items.Item]) -> None:
    desk = _run([*schedule, *schedule])
    starts = [e for e in desk.line if isinstance(e, events.OrderSubmissionStarted)]
    assert len({e.order_id for e in starts}) == len(starts)
    for item in schedule:
        if isinstance(item, items.CommandItem) and item.command_id in desk.state.handled:
            assert desk.when(item) is None


@_SCHEDULES
@given(st.lists(st.sampled_from(_POOL), max_size=30), st.sampled_from(_POOL))
def test_decide_is_pure(schedule: list[items.Item], item: items.Item) -> None:
    desk = _run(schedule)
    before = facts.snapshot(desk.state)
    first = decide(desk.state, item, facts.context())
    assert decide(desk.state, item, facts.context()) == first
    assert facts.snapshot(desk.state) == before


_PARTS: Final = tuple(core_items.execution(f"e{i}", str(i * 10)) for i in range(1, 5))


@_SCHEDULES
@given(
    st.permutations(_PARTS),
    st.lists(st.lists(st.sampled_from(_PARTS), unique=True, max_size=4), max_size=6),
)
def test_fills_are_a_set_however_often_and_in_whatever_order_they_are_seen(
    shuffled: list[ExecutionSeen], sightings: list[list[ExecutionSeen]]
) -> None:
    line = facts.ready(facts.started(), facts.accepted(), facts.working())
    plain, odd = facts.TestDesk(*line), facts.TestDesk(*line)
    plain.settle(core_items.seen(SeenPhase.FILLED, *_PARTS))
    for parts in sightings:
        # The broker's cumulative figure comes with the last sighting alone.
        odd.settle(core_items.seen(SeenPhase.LIVE, *parts, filled="0"))
    odd.settle(core_items.seen(SeenPhase.FILLED, *shuffled))
    odd.settle(core_items.seen(SeenPhase.FILLED, *reversed(shuffled)))
    assert facts.snapshot(odd.state) == facts.snapshot(plain.state)
    assert odd.state.orders[facts.order_id_of()].recorded_quantity == Decimal(100)
    assert odd.state.positions.get("AAPL@US") == Decimal(100)


@pytest.mark.parametrize("crash_after", range(6))
def test_crash_between_any_two_steps_ends_in_one_order(crash_after: int) -> None:
    done = core_items.seen(SeenPhase.CANCELLED)
    way: list[items.Item] = [
        core_items.submit(),
        core_items.placed(Outcome.DONE),
        core_items.seen(),
        core_items.cancel(),
        core_items.cancel_answered(Outcome.DONE),
        done,
    ]
    restart: list[items.Item] = [
        items.WorkerStarts(run_id="run-2"),
        items.ActAbandoned(order_id=facts.order_id_of()),
        core_items.submit(),
        done if crash_after == len(way) - 1 else core_items.seen(),
        core_items.round_completed(),
    ]
    desk = _run([*way[: crash_after + 1], *restart, *way[crash_after + 1 :]])
    _check_state(desk)
    order = desk.state.orders[facts.order_id_of()]
    assert order.phase is Phase.CANCELLED


# --- the way out ----------------------------------------------------------------------------

_FRESH: Final = [("x", facts.spec(symbol="NVDA")), ("y", facts.spec())]


@_SCHEDULES
@given(st.lists(st.sampled_from(_POOL), max_size=60))
def test_no_schedule_leaves_an_account_without_a_way_out(schedule: list[items.Item]) -> None:
    desk = _run(schedule)
    last = facts.context(len(schedule))
    for symbol in ("", *sorted(desk.state.halted_symbols)):
        desk.when(core_items.resume(symbol, f"cmd-out-{symbol}"), last)
    desk.when(core_items.round_completed(desk.state.gap), last)
    for number, (name, terms) in enumerate(_FRESH, start=77001):
        preview = facts.previewed(name, terms)
        desk = facts.TestDesk(*desk.line, preview)
        orders = desk.state.open_of(terms.symbol)
        if any(o.phase in DOUBTFUL_PHASES or o.phase is Phase.SUBMITTING for o in orders):
            continue
        item = core_items.submit(name, number=str(number))
        assert not waits(desk.state, item)
        assert isinstance(desk.when(item, last), events.OrderSubmissionStarted)


@_SCHEDULES
@given(st.lists(st.sampled_from(_POOL), max_size=60))
def test_every_order_in_doubt_can_be_released_by_a_person(schedule: list[items.Item]) -> None:
    desk = _run(schedule)
    last = facts.context(len(schedule))
    for order in list(desk.state.orders.values()):
        if order.phase is Phase.SUBMITTING:
            desk.when(items.ActAbandoned(order_id=order.order_id), last)
    for order_id in sorted(desk.state.open_orders):
        if desk.state.orders[order_id].phase in DOUBTFUL_PHASES:
            event = desk.when(core_items.release(order_id, f"cmd-out-{order_id}"), last)
            assert isinstance(event, events.OrderReleased)
    assert not any(o.phase in DOUBTFUL_PHASES for o in desk.state.orders.values())
