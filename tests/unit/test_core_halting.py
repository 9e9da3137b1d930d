"""Whose a halt is, which orders it lets be, and what a person's word lifts of it."""

from typing import Final

import pytest
from msgspec.structs import replace

from core import account_events, events, items, readings
from core.cancelling import is_halt_carried, must_not_rest
from core.commands import CONTROL_CLASSES, HaltTrading, ReleaseOrder, parse_body
from core.halting import HALTED_SYMBOLS_MAX
from core.orders import Phase
from core.readings import SeenPhase
from core.refusals import Refusal
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items

ORDER: Final = facts.order_id_of()
UNKNOWN: Final = (facts.previewed(), facts.started(), facts.unknown())


def model_halts(symbol: str, command_id: str = "cmd-model") -> items.CommandItem:
    return core_items.command(HaltTrading(symbol=symbol, reason="because"), command_id)


def refusal(event: events.Event | None) -> str:
    assert isinstance(event, events.OrderRefused)
    return event.code


def verified(*given: events.Event) -> facts.TestDesk:
    """Return a desk that is halted, and whose readings have shown since that nothing is open."""
    desk = facts.TestDesk(*facts.ready(*given))
    desk.when(core_items.halt())
    assert isinstance(desk.when(nothing_open(desk)), account_events.AccountHaltVerified)
    return desk


def nothing_open(desk: facts.TestDesk) -> readings.RoundCompleted:
    return core_items.round_of_open(after_n=len(desk.line))


def listed(desk: facts.TestDesk, tiger: str, *, parent: str = "") -> str:
    """Have a listing show an order without our mark, and return its id."""
    seen = core_items.external(tiger=tiger, side=Side.SELL if parent else Side.BUY)
    desk.settle(replace(seen, parent_tiger_id=parent))
    order_id = desk.state.by_tiger_id.get(tiger)
    assert order_id is not None
    return order_id


# --- whose an order is ---------------------------------------------------------------------


def test_leg_of_a_strangers_bracket_is_a_persons_own_deed() -> None:
    desk = verified()
    parent = listed(desk, "77")
    leg = listed(desk, "78", parent="77")
    leg_of_leg = listed(desk, "79", parent="78")
    assert desk.state.orders[leg].parent_order_id == parent
    for order_id in (parent, leg, leg_of_leg):
        assert not must_not_rest(desk.state, desk.state.orders[order_id])
    assert is_halt_carried(desk.state)


def test_leg_of_an_order_of_ours_is_cancelled_under_a_verified_halt() -> None:
    filled = events.OrderFilled(
        order_id=ORDER, filled_quantity=facts.spec().quantity, average_price=None
    )
    desk = verified(facts.previewed(), facts.started(), facts.accepted(tiger="9"), filled)
    leg = listed(desk, "78", parent="9")
    leg_of_leg = listed(desk, "79", parent="78")
    assert desk.state.orders[leg].parent_order_id == ORDER
    for order_id in (leg, leg_of_leg):
        assert must_not_rest(desk.state, desk.state.orders[order_id])
    assert not is_halt_carried(desk.state)


def test_leg_of_a_strangers_bracket_that_was_open_at_the_halt_is_cancelled() -> None:
    desk = facts.TestDesk(*facts.ready())
    listed(desk, "77")
    leg = listed(desk, "78", parent="77")
    desk.when(core_items.halt())
    assert must_not_rest(desk.state, desk.state.orders[leg])


# --- another halt file ---------------------------------------------------------------------


def put(file: str) -> items.HaltFileSeen:
    return items.HaltFileSeen(detail="by hand", file=file)


def test_new_halt_file_is_a_new_halt_though_the_account_is_halted() -> None:
    desk = verified()
    by_phone = listed(desk, "77")
    assert not must_not_rest(desk.state, desk.state.orders[by_phone])
    event = desk.when(put("1:2"))
    assert isinstance(event, account_events.AccountHalted)
    assert event.file == "1:2"
    assert must_not_rest(desk.state, desk.state.orders[by_phone])
    assert not is_halt_carried(desk.state)


def test_one_halt_file_halts_once_for_as_long_as_its_halt_stands() -> None:
    desk = facts.TestDesk(*facts.ready())
    assert isinstance(desk.when(put("1:2")), account_events.AccountHalted)
    assert desk.when(put("1:2")) is None
    successor = facts.TestDesk(*desk.line)
    assert successor.when(put("1:2")) is None
    assert isinstance(successor.when(put("1:3")), account_events.AccountHalted)
    # Whoever resumes and leaves it there is halted by it again.
    successor.when(core_items.resume())
    assert isinstance(successor.when(put("1:2")), account_events.AccountHalted)


# --- a model's halt ------------------------------------------------------------------------


def test_model_that_halts_many_symbols_keeps_no_person_from_halting_one() -> None:
    desk = facts.TestDesk(*facts.ready())
    for number in range(HALTED_SYMBOLS_MAX):
        event = desk.when(model_halts(f"S{number}", f"m{number}"))
        assert isinstance(event, account_events.AccountHalted)
    assert refusal(desk.when(model_halts("AAPL", "one more"))) == Refusal.INVALID_TERMS
    assert isinstance(desk.when(core_items.halt("AAPL")), account_events.AccountHalted)
    assert desk.state.halts("AAPL")
    for symbol in ("S1", ""):
        event = desk.when(model_halts(symbol, f"again {symbol}"))
        assert isinstance(event, account_events.AccountHalted)


@pytest.mark.parametrize("scope", ["", "AAPL"])
def test_model_that_halts_again_and_again_keeps_no_person_from_resuming(scope: str) -> None:
    desk = facts.TestDesk(*facts.ready(facts.frozen(symbol=scope)))
    desk.when(model_halts(scope, "first"))
    desk.when(model_halts("MSFT", "other"))
    shown_n = len(desk.line)
    for symbol in (scope, "MSFT", "NVDA"):
        assert isinstance(
            desk.when(model_halts(symbol, f"m {symbol}")), account_events.AccountHalted
        )
    assert isinstance(
        desk.when(core_items.resume(scope, shown_n=shown_n)), account_events.AccountResumed
    )
    assert not desk.state.halts("AAPL")
    assert desk.state.halts("MSFT")


@pytest.mark.parametrize(
    "halt", [core_items.halt("AAPL"), model_halts("AAPL")], ids=["person", "model"]
)
@pytest.mark.parametrize(
    "later", [facts.halted("AAPL"), facts.frozen(symbol="AAPL")], ids=["halt", "freeze"]
)
def test_resume_of_a_symbol_lifts_nothing_of_it_that_came_later(
    halt: items.CommandItem, later: events.Event
) -> None:
    desk = facts.TestDesk(*facts.ready())
    desk.when(halt)
    shown_n = len(desk.line)
    desk.store(facts.frozen())
    desk.store(facts.halted("MSFT"))
    # Neither is lifted by it.
    assert desk.state.blocked_n("AAPL") <= shown_n
    desk.store(later)
    assert refusal(desk.when(core_items.resume("AAPL", shown_n=shown_n))) == Refusal.SHOWN_OUTDATED


@pytest.mark.parametrize("scope", ["", "AAPL"])
def test_resume_of_what_is_still_to_come_lifts_nothing(scope: str) -> None:
    desk = facts.TestDesk(*facts.ready(facts.halted(scope)))
    for shown_n in (len(desk.line) + 1, 999_999):
        event = desk.when(core_items.resume(scope, f"r{shown_n}", shown_n=shown_n))
        assert refusal(event) == Refusal.SHOWN_OUTDATED
    assert desk.state.halts("AAPL")
    now = core_items.resume(scope, "now", shown_n=len(desk.line))
    assert isinstance(desk.when(now), account_events.AccountResumed)


def test_models_halt_of_what_is_halted_undoes_no_deed_of_a_person() -> None:
    desk = verified()
    by_hand = listed(desk, "77")
    event = desk.when(model_halts(""))
    assert isinstance(event, account_events.AccountHalted)
    assert event.is_repeated
    assert not must_not_rest(desk.state, desk.state.orders[by_hand])
    assert is_halt_carried(desk.state)
    assert desk.when(model_halts("")) is None
    # A person's is another halt.
    desk.when(core_items.halt(command_id="again"))
    assert must_not_rest(desk.state, desk.state.orders[by_hand])


# --- a release -----------------------------------------------------------------------------


def test_release_frees_only_the_doubt_that_was_shown() -> None:
    desk = facts.TestDesk(*facts.ready(*UNKNOWN))
    shown_n = len(desk.line)
    # Found, filled in part, and listed no more.
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    desk.settle(core_items.absent(seconds=60))
    assert desk.state.orders[ORDER].phase is Phase.UNKNOWN
    assert refusal(desk.when(core_items.release(shown_n=shown_n))) == Refusal.SHOWN_OUTDATED
    shown = core_items.release(command_id="again", shown_n=len(desk.line) - 1)
    assert isinstance(desk.when(shown), events.OrderReleased)


def test_doubt_that_more_was_told_of_is_another() -> None:
    desk = facts.TestDesk(*facts.ready(*UNKNOWN))
    shown_n = len(desk.line)
    assert isinstance(desk.when(core_items.absent(seconds=60)), events.OrderNotFound)
    assert refusal(desk.when(core_items.release(shown_n=shown_n))) == Refusal.SHOWN_OUTDATED


def test_model_that_asks_for_cancels_keeps_no_person_from_releasing() -> None:
    desk = facts.TestDesk(*facts.ready(*UNKNOWN))
    shown_n = len(desk.line)
    for number in range(3):
        wanted = desk.when(core_items.cancel(command_id=f"cmd-{number}"))
        assert isinstance(wanted, events.OrderCancelWanted)
    desk.when(model_halts("AAPL"))
    assert isinstance(desk.when(core_items.release(shown_n=shown_n)), events.OrderReleased)


def test_release_of_what_is_still_to_come_frees_nothing() -> None:
    desk = facts.TestDesk(*facts.ready(*UNKNOWN))
    ahead = core_items.release(shown_n=len(desk.line) + 1)
    assert refusal(desk.when(ahead)) == Refusal.SHOWN_OUTDATED
    assert desk.state.orders[ORDER].phase is Phase.UNKNOWN
    now = core_items.release(command_id="now", shown_n=len(desk.line))
    assert isinstance(desk.when(now), events.OrderReleased)


def test_release_of_which_nothing_was_shown_is_readable_and_refused() -> None:
    stored = parse_body({**CONTROL_CLASSES}, "order.release", b'{"order_id":"%s"}' % ORDER.encode())
    assert stored == ReleaseOrder(order_id=ORDER, shown_n=0)
    desk = facts.TestDesk(*facts.ready(*UNKNOWN))
    assert refusal(desk.when(core_items.command(stored, "cmd-old"))) == Refusal.SHOWN_OUTDATED
