"""Cancels of many by a filter, a halt's own, its verification, and the journal's imports."""

from typing import Final

import pytest
from msgspec.structs import replace

from core import account_events, events, items, readings
from core.cancelling import is_halt_carried, must_not_rest
from core.commands import CancelOrders
from core.desk import waits
from core.items import Outcome
from core.orders import CancelPhase
from core.readings import SeenPhase
from core.refusals import Refusal
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.modify_rows import desk_at
from tests.unit.test_core_modify_table import settle

ORDER: Final = facts.order_id_of()


def many(
    symbol: str | None = None, side: Side | None = None, *, command_id: str = "cmd-many"
) -> items.CommandItem:
    return core_items.command(CancelOrders(symbol=symbol, side=side), command_id)


def three() -> facts.TestDesk:
    """Return a desk with a buy of AAPL, a sale of AAPL and a buy of MSFT at the broker."""
    desk = facts.TestDesk(*facts.ready())
    terms = (facts.spec(), facts.spec(side=Side.SELL), facts.spec(symbol="MSFT"))
    for name, spec in zip("123", terms, strict=True):
        desk.store(facts.previewed(name, spec))
        desk.store(facts.started(name, spec, number=f"90{name}"))
        desk.store(facts.accepted(name, tiger=f"t-{name}"))
    return desk


def asked_of(found: list[events.Event]) -> list[str]:
    """Return for which orders a cancel was started, checked against the last event's list."""
    *starts, asked = found
    assert isinstance(asked, account_events.AccountCancelsAsked)
    names = [e.order_id for e in starts if isinstance(e, events.OrderCancelStarted)]
    assert set(names) <= set(asked.order_ids)
    return names


@pytest.mark.parametrize(
    ("symbol", "side", "names"),
    [
        (None, None, "123"),
        ("AAPL", None, "12"),
        (None, Side.BUY, "13"),
        ("AAPL", Side.SELL, "2"),
    ],
)
def test_filter_takes_what_fits_and_nothing_else(
    symbol: str | None, side: Side | None, names: str
) -> None:
    found = settle(three(), many(symbol, side))
    assert sorted(asked_of(found)) == sorted(facts.order_id_of(name) for name in names)


@pytest.mark.parametrize(("symbol", "side"), [("NVDA", None), ("MSFT", Side.SELL)])
def test_filter_that_nothing_fits_is_refused(symbol: str, side: Side | None) -> None:
    (refused,) = settle(three(), many(symbol, side))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.ORDER_NOT_OPEN


@pytest.mark.parametrize("done", range(4))
def test_crash_between_any_two_of_many_asks_each_once(done: int) -> None:
    desk = three()
    for _ in range(done):
        desk.when(many())
    successor = facts.TestDesk(*desk.line)
    settle(successor, many())
    starts = [e.order_id for e in successor.line if isinstance(e, events.OrderCancelStarted)]
    assert len(starts) == len(set(starts)) == 3
    assert settle(successor, many()) == []


def test_order_whose_cancel_came_to_nothing_is_asked_again_by_the_next_filter() -> None:
    desk = three()
    settle(desk, many())
    for name in "123":
        desk.when(core_items.cancel_answered(Outcome.DONE, name))
    assert len(asked_of(settle(desk, many(command_id="cmd-many-2")))) == 3


def test_filter_waits_for_nothing_and_wishes_away_what_is_in_doubt() -> None:
    desk = facts.TestDesk(*facts.ready(facts.previewed(), facts.started(), facts.unknown()))
    assert not waits(desk.state, many())
    wanted, asked = settle(desk, many())
    assert isinstance(wanted, events.OrderCancelWanted)
    assert isinstance(asked, account_events.AccountCancelsAsked)


@pytest.mark.parametrize("ask", [core_items.cancel(), many()], ids=["one", "many"])
def test_order_in_doubt_whose_id_at_the_broker_is_known_is_cancelled_by_it(
    ask: items.CommandItem,
) -> None:
    desk = desk_at("unknown_id/unknown")
    started = desk.when(ask)
    assert isinstance(started, events.OrderCancelStarted)
    assert started.tiger_order_id == "t-1"


def test_cancel_of_all_asks_again_what_a_crash_ate() -> None:
    desk = three()
    desk.when(many())
    desk.when(many())
    successor = facts.TestDesk(*desk.line)
    for name in "123":
        successor.when(items.ActAbandoned(order_id=facts.order_id_of(name)))
    found = settle(successor, many())
    assert sorted(asked_of(found)) == sorted(facts.order_id_of(name) for name in "123")
    assert settle(successor, many()) == []


@pytest.mark.parametrize("outcome", [None, Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.REFUSED])
def test_cancel_that_came_to_nothing_is_asked_again_by_its_next_delivery(
    outcome: Outcome | None,
) -> None:
    desk = desk_at("working/none")
    first = desk.when(core_items.cancel())
    lost = items.ActAbandoned(order_id=ORDER)
    desk.when(lost if outcome is None else core_items.cancel_answered(outcome))
    assert desk.when(core_items.cancel()) == first
    desk.when(core_items.cancel_answered(Outcome.DONE))
    assert desk.when(core_items.cancel()) is None


def test_cancel_that_is_asked_is_waited_for_by_its_next_delivery() -> None:
    desk = desk_at("working/none")
    desk.when(core_items.cancel())
    assert waits(desk.state, core_items.cancel())
    assert desk.when(core_items.cancel()) is None


def test_late_delivery_asks_nothing_again() -> None:
    desk = desk_at("working/none")
    desk.when(core_items.cancel())
    desk.when(items.ActAbandoned(order_id=ORDER))
    late = replace(core_items.cancel(), expires_at=facts.at(-1))
    assert desk.when(late) is None


def test_cancel_of_an_order_that_is_over_is_asked_no_more() -> None:
    desk = desk_at("working/none")
    desk.when(core_items.cancel())
    desk.when(items.ActAbandoned(order_id=ORDER))
    desk.settle(core_items.seen(SeenPhase.CANCELLED))
    assert desk.when(core_items.cancel()) is None


# --- a halt --------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ["working/none", "working/started", "working/unknown"])
@pytest.mark.parametrize("scope", ["", "AAPL"])
def test_halt_lets_no_order_rest_whatever_becomes_of_its_change(row: str, scope: str) -> None:
    desk = desk_at(row)
    assert not must_not_rest(desk.state, desk.state.orders[ORDER])
    desk.when(core_items.halt(scope))
    assert must_not_rest(desk.state, desk.state.orders[ORDER])
    assert isinstance(desk.when(core_items.cancel()), events.OrderCancelStarted)
    assert not must_not_rest(desk.state, desk.state.orders[ORDER])
    desk.when(core_items.cancel_answered(Outcome.DONE))
    assert must_not_rest(desk.state, desk.state.orders[ORDER])


def test_halt_of_another_symbol_lets_an_order_rest() -> None:
    desk = desk_at("working/none")
    desk.when(core_items.halt("MSFT"))
    assert not must_not_rest(desk.state, desk.state.orders[ORDER])


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_SENT, Outcome.UNKNOWN])
def test_halts_cancel_that_came_to_nothing_is_due_again(outcome: Outcome) -> None:
    desk = desk_at("working/none")
    desk.when(core_items.halt())
    desk.when(core_items.cancel())
    assert not must_not_rest(desk.state, desk.state.orders[ORDER])
    desk.when(core_items.cancel_answered(outcome))
    assert must_not_rest(desk.state, desk.state.orders[ORDER])


def test_halt_is_carried_only_once_readings_show_that_nothing_is_open() -> None:
    desk = desk_at("working/none")
    desk.when(core_items.halt())
    desk.when(core_items.cancel())
    # Neither is an end: the call may have failed, and nobody may be there to ask again.
    assert not is_halt_carried(desk.state)
    desk.when(core_items.cancel_answered(Outcome.DONE))
    assert not is_halt_carried(desk.state)
    desk.settle(core_items.seen(SeenPhase.CANCELLED))
    assert not is_halt_carried(desk.state)
    desk.when(later_round(desk))
    assert is_halt_carried(desk.state)
    desk.when(core_items.resume())
    assert not is_halt_carried(desk.state)


def test_halt_is_not_carried_while_a_cancel_is_but_wished() -> None:
    desk = desk_at("unknown_id/unknown")
    desk.when(core_items.halt())
    desk.when(core_items.cancel())
    assert not is_halt_carried(desk.state)


def outside(desk: facts.TestDesk, tiger: str) -> str:
    desk.settle(core_items.external(tiger=tiger))
    order_id = desk.state.by_tiger_id.get(tiger)
    assert order_id is not None
    return order_id


def later_round(desk: facts.TestDesk) -> readings.RoundCompleted:
    return core_items.round_of_open(after_n=len(desk.line))


def test_order_from_elsewhere_that_was_open_at_the_halt_is_cancelled() -> None:
    desk = facts.TestDesk(*facts.ready())
    order_id = outside(desk, "t-9")
    desk.when(core_items.halt())
    assert must_not_rest(desk.state, desk.state.orders[order_id])


@pytest.mark.parametrize("scope", ["", "AAPL"])
def test_person_who_closes_by_hand_after_a_verified_halt_is_left_alone(scope: str) -> None:
    desk = facts.TestDesk(*facts.ready())
    desk.when(core_items.halt(scope))
    assert isinstance(desk.when(later_round(desk)), account_events.AccountHaltVerified)
    by_hand = outside(desk, "t-9")
    assert not must_not_rest(desk.state, desk.state.orders[by_hand])
    assert is_halt_carried(desk.state) == (scope == "")


@pytest.mark.parametrize(
    "row", ["unknown_id/none", "not_found_id/none", "working/unknown", "working/none/requested"]
)
def test_halt_is_not_verified_while_an_order_may_be_live(row: str) -> None:
    desk = desk_at(row)
    desk.when(core_items.halt())
    assert desk.when(later_round(desk)) is None
    desk.settle(core_items.seen(SeenPhase.CANCELLED))
    assert isinstance(desk.when(later_round(desk)), account_events.AccountHaltVerified)


def test_halt_is_verified_once_a_person_released_what_nobody_finds() -> None:
    desk = desk_at("not_found_id/none")
    desk.when(core_items.halt())
    desk.when(core_items.release())
    assert isinstance(desk.when(later_round(desk)), account_events.AccountHaltVerified)
    assert desk.when(later_round(desk)) is None


def test_readings_begun_before_the_halt_verify_nothing() -> None:
    desk = facts.TestDesk(*facts.ready())
    begun_before = later_round(desk)
    desk.when(core_items.halt())
    assert desk.when(begun_before) is None


def test_each_scope_is_verified_by_itself() -> None:
    desk = desk_at("working/none")
    desk.when(core_items.halt("MSFT", "cmd-h1"))
    desk.when(core_items.halt("AAPL", "cmd-h2"))
    verified = desk.when(later_round(desk))
    assert isinstance(verified, account_events.AccountHaltVerified)
    assert verified.symbol == "MSFT"
    assert desk.when(later_round(desk)) is None


# --- the journal ---------------------------------------------------------------------------


def journaled(tiger: str = "t-1", outcome: Outcome = Outcome.DONE) -> items.CancelJournaled:
    return items.CancelJournaled(
        tiger_order_id=tiger, asked_at=facts.at(9), outcome=outcome, code=None, detail=""
    )


def test_line_of_the_journal_is_imported_once_and_again_after_no_replay() -> None:
    desk = desk_at("working/none")
    assert isinstance(desk.when(journaled()), events.OrderCancelImported)
    assert desk.when(journaled()) is None
    assert facts.TestDesk(*desk.line).when(journaled()) is None


def test_line_about_an_order_that_no_listing_has_shown_waits_for_it() -> None:
    desk = desk_at("working/none")
    assert desk.when(journaled("t-9")) is None
    desk.settle(core_items.external(tiger="t-9"))
    imported = desk.when(journaled("t-9"))
    assert isinstance(imported, events.OrderCancelImported)


def test_line_about_an_order_that_no_listing_will_show_is_recorded_by_its_id_once() -> None:
    desk = desk_at("working/none")
    line = replace(journaled("t-9", Outcome.REFUSED), is_unlisted=True, detail="too late")
    assert desk.when(line) == account_events.AccountCancelsAsked(
        command_id=line.key,
        symbol=None,
        side=None,
        order_ids=(),
        unread="t-9",
        outcome="refused",
        detail="too late",
    )
    assert desk.when(line) is None
    assert facts.TestDesk(*desk.line).when(line) is None
    # It may be listed after all: what was recorded of it stays recorded once.
    desk.settle(core_items.external(tiger="t-9"))
    assert desk.when(journaled("t-9", Outcome.REFUSED)) is None


def test_line_about_an_order_that_came_meanwhile_is_that_orders() -> None:
    desk = desk_at("working/none")
    line = replace(journaled(), is_unlisted=True)
    assert isinstance(desk.when(line), events.OrderCancelImported)


def test_cancel_that_was_made_while_the_order_was_in_doubt_is_imported_at_its_sighting() -> None:
    desk = facts.TestDesk(*facts.ready(facts.previewed(), facts.started(), facts.unknown()))
    assert desk.when(journaled()) is None
    desk.settle(core_items.seen(SeenPhase.CANCELLED))
    assert isinstance(desk.when(journaled()), events.OrderCancelImported)


@pytest.mark.parametrize("imported", list(Outcome))
@pytest.mark.parametrize("answer", [Outcome.DONE, Outcome.REFUSED, Outcome.UNKNOWN])
def test_imported_cancel_takes_no_answer_from_one_under_way(
    imported: Outcome, answer: Outcome
) -> None:
    desk = desk_at("working/none")
    desk.when(core_items.halt())
    desk.when(core_items.cancel())
    assert isinstance(desk.when(journaled(outcome=imported)), events.OrderCancelImported)
    assert desk.state.orders[ORDER].cancel is CancelPhase.STARTED
    desk.when(core_items.cancel_answered(answer))
    assert (
        desk.state.orders[ORDER].cancel
        is {
            Outcome.DONE: CancelPhase.REQUESTED,
            Outcome.REFUSED: CancelPhase.REFUSED,
            Outcome.UNKNOWN: CancelPhase.UNKNOWN,
        }[answer]
    )
    assert must_not_rest(desk.state, desk.state.orders[ORDER])
