"""One test or more for each finding of the review of the pure core; each fails without its mend."""

import math
from decimal import Decimal

import pytest
from msgspec.structs import replace

from core import account_events, events, items, preview_events, readings
from core.account_state import AccountState
from core.codec import FIRST_PREV, decode, encode
from core.commands import (
    COMMAND_CLASSES,
    CONTROL_CLASSES,
    HaltAccount,
    ResumeAccount,
    parse_body,
)
from core.desk import decide, waits
from core.errors import CommandError, CorruptRecordError
from core.evolving import evolve
from core.ids import derived_id
from core.items import Outcome
from core.modes import Environment
from core.money import is_multiple
from core.orders import Phase
from core.previewing import reference_price
from core.readings import SeenPhase
from core.refusals import Refusal
from core.subjects import SYSTEM, Kind, parse_subject, subject
from core.submitting import SKEW_COUNTED_MAX_S, is_reducing
from core.terms import OrderSpec, Side
from tests.support import core_facts as facts
from tests.support import core_items

ORDER = facts.order_id_of()
STRANGER = derived_id("ext", facts.ACCOUNT, "t-9")
SELL = facts.spec(side=Side.SELL)
ACCEPTED_LINE = facts.ready(facts.started(), facts.accepted())
WORKING_LINE = (*ACCEPTED_LINE, facts.working())
LONG_100 = facts.positions(facts.figure())


def _types(found: list[events.Event]) -> list[type[events.Event]]:
    return [type(event) for event in found]


def _phase(desk: facts.TestDesk, order_id: str = ORDER) -> Phase:
    return desk.state.orders[order_id].phase


def _sells(state: AccountState, quantity: str) -> bool:
    return is_reducing(state, facts.spec(side=Side.SELL, quantity=quantity))


# --- executions -----------------------------------------------------------------------------


def test_execution_that_two_orders_list_is_recorded_once() -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    copy = core_items.seen(
        SeenPhase.LIVE, core_items.execution("e1", "40"), tiger="t-9", mark="", number="0"
    )
    assert events.OrderFillRecorded not in _types(desk.settle(copy))
    assert desk.state.positions.get("AAPL@US") == Decimal(40)
    assert desk.state.executions.get("e1") == ORDER


def test_fill_bears_the_side_and_symbol_of_its_order_whatever_the_row_says() -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    row = core_items.seen(
        SeenPhase.LIVE, core_items.execution("e1", "40"), symbol="MSFT", side=Side.SELL, filled="40"
    )
    assert facts.fill("e1", "40") in desk.settle(row)
    assert desk.state.positions.get("AAPL@US") == Decimal(40)


# --- what may still move a position ---------------------------------------------------------


def _sold(quantity: str) -> events.OrderFilled:
    return events.OrderFilled(order_id=ORDER, filled_quantity=Decimal(quantity), average_price=None)


def test_done_order_whose_fills_are_not_recorded_counts_until_they_are() -> None:
    selling = facts.started("1", facts.spec(side=Side.SELL, quantity="60"))
    line = facts.ready(LONG_100, selling, facts.accepted(), _sold("60"))
    state = facts.TestDesk(*line).state
    assert state.orders[ORDER].unsettled_quantity == Decimal(60)
    assert (_sells(state, "40"), _sells(state, "41")) == (True, False)
    sold = facts.fill("e1", "60", side=Side.SELL)
    assert facts.TestDesk(*line, sold).state.orders[ORDER].unsettled_quantity == 0


def test_order_filled_above_its_size_counts_what_was_filled() -> None:
    working = facts.working(filled="130")
    order = facts.TestDesk(*ACCEPTED_LINE, working).state.orders[ORDER]
    assert order.unsettled_quantity == Decimal(130)


def test_fill_that_the_brokers_figure_may_hold_already_adds_nothing_to_sell() -> None:
    bought = facts.started("1", facts.spec(quantity="50"))
    line = (bought, facts.accepted(), facts.positions(facts.figure(quantity="150")))
    state = facts.TestDesk(*facts.ready(*line, facts.fill("e1", "50"))).state
    assert state.positions.get("AAPL@US") == Decimal(200)
    assert state.observed.get("AAPL@US") == Decimal(150)
    assert (_sells(state, "150"), _sells(state, "151")) == (True, False)


def test_fill_that_the_brokers_figure_lacks_counts_at_once() -> None:
    selling = facts.started("1", facts.spec(side=Side.SELL, quantity="60"))
    sold = facts.fill("e1", "60", side=Side.SELL)
    state = facts.TestDesk(
        *facts.ready(LONG_100, selling, facts.accepted(), sold, _sold("60"))
    ).state
    assert (_sells(state, "40"), _sells(state, "41")) == (True, False)


def test_holding_of_the_same_symbol_in_another_market_covers_nothing() -> None:
    abroad = facts.positions(facts.figure(market="HK"))
    state = facts.TestDesk(*facts.ready(abroad)).state
    assert not is_reducing(state, SELL)
    assert is_reducing(state, facts.spec(side=Side.SELL, market="HK"))


def test_positions_of_one_symbol_in_two_markets_stand_side_by_side() -> None:
    desk = facts.TestDesk(*facts.ready())
    both = readings.PositionsSeen(
        positions=(facts.figure(quantity="7"), facts.figure(quantity="5", market="HK")),
        observed_at=facts.NOW,
    )
    assert desk.when(both) is not None
    assert desk.when(both) is None
    assert dict(desk.state.positions.items()) == {
        "AAPL@US": Decimal(7),
        "AAPL@HK": Decimal(5),
    }


def test_position_that_only_the_fills_know_is_corrected_by_an_unchanged_list() -> None:
    msft = facts.started("1", facts.spec(symbol="MSFT"))
    line = facts.ready(LONG_100, msft, facts.accepted(), facts.fill("e1", "40", symbol="MSFT"))
    desk = facts.TestDesk(*line)
    unchanged = readings.PositionsSeen(positions=LONG_100.positions, observed_at=facts.at(1))
    assert isinstance(desk.when(unchanged), account_events.AccountPositionsObserved)
    assert desk.state.positions.get("MSFT@US") is None


# --- freezes --------------------------------------------------------------------------------


def _word(word: str = "Enchanted") -> readings.OrderSeen:
    return core_items.seen(SeenPhase.UNREADABLE, word=word)


def test_unknown_word_freezes_its_symbol_alone() -> None:
    desk = facts.TestDesk(
        *facts.ready(
            facts.previewed("2"),
            facts.previewed("3", facts.spec(symbol="MSFT")),
            facts.started(),
            facts.accepted(),
        )
    )
    event = desk.when(_word())
    assert isinstance(event, account_events.AccountFrozen)
    assert (event.symbol, desk.state.frozen_symbols) == ("AAPL", frozenset({"AAPL"}))
    assert desk.state.frozen_cause == ""
    refused = desk.when(core_items.submit("2", number="902"))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.ACCOUNT_FROZEN
    sent = desk.when(core_items.submit("3", number="903"))
    assert isinstance(sent, events.OrderSubmissionStarted)


def test_same_finding_freezes_once_and_resume_lifts_it_for_good() -> None:
    desk = facts.TestDesk(*ACCEPTED_LINE)
    assert isinstance(desk.when(_word()), account_events.AccountFrozen)
    assert desk.when(_word()) is None
    desk.when(core_items.resume())
    assert desk.when(_word()) is None
    assert desk.state.frozen_symbols == frozenset()
    assert isinstance(desk.when(_word("Bewitched")), account_events.AccountFrozen)


def test_second_finding_is_recorded_while_the_first_still_freezes() -> None:
    desk = facts.TestDesk(*facts.ready())
    rows = [core_items.seen(tiger=f"t-{n}", mark=f"{facts.LEDGER_ID}.ord-{n}") for n in (7, 8)]
    assert [type(desk.when(row)) for row in rows] == [account_events.AccountFrozen] * 2
    assert desk.state.frozen_cause == "mark_not_in_ledger"


@pytest.mark.parametrize("symbol,left", [("AAPL", {"MSFT"}), ("TSLA", {"AAPL", "MSFT"}), ("", ())])
def test_resume_lifts_the_freezes_of_its_scope(symbol: str, left: set[str]) -> None:
    line = [facts.frozen(symbol=one) for one in ("AAPL", "MSFT")]
    desk = facts.TestDesk(*facts.ready(*line))
    desk.when(core_items.resume(symbol))
    assert desk.state.frozen_symbols == frozenset(left)


def test_reducing_order_passes_the_freeze_of_its_symbol() -> None:
    line = (LONG_100, facts.previewed("1", SELL), facts.frozen(symbol="AAPL"))
    event = facts.TestDesk(*facts.ready(*line)).when(core_items.submit())
    assert isinstance(event, events.OrderSubmissionStarted)


# --- orders that claim to be ours -----------------------------------------------------------


@pytest.mark.parametrize(
    "row,cause",
    [
        (core_items.seen(tiger="t-9", mark=f"{facts.LEDGER_ID}.ord-lost"), "mark_not_in_ledger"),
        (core_items.seen(tiger="t-9"), "order_doubled"),
        (core_items.seen(tiger="t-9", mark=""), "number_without_mark"),
        (core_items.seen(tiger="t-9", mark="note to self"), "number_without_mark"),
    ],
)
def test_order_that_claims_to_be_ours_freezes_and_is_put_on_the_books(
    row: readings.OrderSeen, cause: str
) -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    frozen, *rest = desk.settle(row)
    assert isinstance(frozen, account_events.AccountFrozen)
    assert frozen.cause == cause
    assert _types(rest) == [events.OrderExternalObserved, events.OrderWorking]
    stranger = desk.state.orders[STRANGER]
    assert (stranger.is_external, stranger.phase) == (True, Phase.WORKING)
    assert desk.settle(row) == []


def test_order_with_our_mark_in_another_market_is_a_stranger() -> None:
    desk = facts.TestDesk(*facts.ready(facts.started(), facts.unknown()))
    assert _types(desk.settle(core_items.seen(market="HK", listings=3))) == [
        account_events.AccountFrozen,
        events.OrderExternalObserved,
        events.OrderWorking,
    ]
    assert _phase(desk) is Phase.UNKNOWN


@pytest.mark.parametrize(
    "row",
    [
        core_items.seen(mark="else"),
        core_items.seen(number="77"),
        core_items.seen(symbol="MSFT"),
        core_items.seen(market="HK"),
        core_items.seen(side=Side.SELL),
        core_items.seen(side=Side.SELL, mark=""),
    ],
)
def test_known_order_that_turns_into_another_freezes_once(row: readings.OrderSeen) -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    assert desk.settle(row) == [
        account_events.AccountFrozen(cause="mark_mismatch", detail=f"{ORDER} and t-1")
    ]
    assert desk.settle(row) == []


def test_late_answer_with_the_id_of_another_order_proves_nothing() -> None:
    other = (facts.started("2", number="902"), facts.accepted("2", tiger="t-1"))
    late = events.OrderAnswerObserved(
        order_id=ORDER, outcome="done", tiger_order_id="t-1", code=None, detail=""
    )
    desk = facts.TestDesk(*facts.ready(*other, facts.started(), facts.unknown(), late))
    assert _phase(desk) is Phase.UNKNOWN
    assert desk.state.by_tiger_id.get("t-1") == facts.order_id_of("2")


# --- orders that were changed elsewhere -----------------------------------------------------


@pytest.mark.parametrize(
    "row,quantity,limit_price",
    [
        (core_items.seen(quantity="250"), "250", "10.50"),
        (core_items.seen(limit_price="11.00"), "100", "11.00"),
        (core_items.seen(order_type=None, limit_price="11.00"), "100", None),
    ],
)
def test_order_that_was_changed_elsewhere_is_recorded_with_its_new_terms(
    row: readings.OrderSeen, quantity: str, limit_price: str | None
) -> None:
    price = None if limit_price is None else Decimal(limit_price)
    desk = facts.TestDesk(*WORKING_LINE)
    assert desk.settle(row) == [
        events.OrderTermsObserved(order_id=ORDER, quantity=Decimal(quantity), limit_price=price)
    ]
    order = desk.state.orders[ORDER]
    assert (order.spec.quantity, order.spec.limit_price) == (Decimal(quantity), price)
    assert order.unsettled_quantity == Decimal(quantity)
    assert desk.settle(row) == []


def test_order_from_elsewhere_may_change_too() -> None:
    desk = facts.TestDesk(*facts.ready(LONG_100))
    desk.settle(core_items.external(quantity="60"))
    desk.settle(core_items.external(quantity="80"))
    assert (_sells(desk.state, "20"), _sells(desk.state, "21")) == (True, False)


def test_stop_order_from_elsewhere_has_no_change_of_terms() -> None:
    desk = facts.TestDesk(*facts.ready())
    row = core_items.seen(tiger="t-9", mark="", number="0", order_type=None, limit_price="9.00")
    assert events.OrderTermsObserved not in _types(desk.settle(row))


@pytest.mark.parametrize("quantity", ["0", "0.123456789", "123456789012345678"])
def test_order_from_elsewhere_may_have_any_size(quantity: str) -> None:
    desk = facts.TestDesk(*facts.ready())
    desk.settle(core_items.external(quantity=quantity))
    assert desk.state.orders[STRANGER].spec.quantity == Decimal(quantity)
    where, body = encode(facts.recorded(desk.line[-2], 1), prev=FIRST_PREV)
    assert decode(where, body, sequence=1).data == desk.line[-2]


# --- gaps -----------------------------------------------------------------------------------


def test_round_that_began_before_a_gap_does_not_heal_it() -> None:
    desk = facts.TestDesk(*facts.ready())
    assert desk.when(core_items.gap_noticed(1)) == facts.stale(1)
    assert desk.when(core_items.round_completed(0)) is None
    assert desk.state.is_stale
    assert isinstance(desk.when(core_items.round_completed(1)), account_events.AccountReconciled)
    assert not desk.state.is_stale


def test_second_gap_while_stale_is_stored_and_needs_a_round_of_its_own() -> None:
    desk = facts.TestDesk(*facts.ready())
    desk.when(core_items.gap_noticed(1))
    assert desk.when(core_items.gap_noticed(2)) == facts.stale(2)
    assert desk.when(core_items.round_completed(1)) is None
    assert isinstance(desk.when(core_items.round_completed(2)), account_events.AccountReconciled)
    assert desk.when(core_items.gap_noticed(2)) is None


def test_gaps_of_a_new_worker_count_from_one_again() -> None:
    desk = facts.TestDesk(*facts.ready(facts.stale(5)))
    desk.when(items.WorkerStarts(run_id="run-2"))
    assert isinstance(desk.when(core_items.round_completed(0)), account_events.AccountReconciled)
    assert desk.when(core_items.gap_noticed(1)) == facts.stale(1)


# --- orders that were done ------------------------------------------------------------------


@pytest.mark.parametrize(
    "end", [SeenPhase.FILLED, SeenPhase.CANCELLED, SeenPhase.EXPIRED, SeenPhase.REJECTED]
)
def test_done_order_that_is_listed_live_is_open_again(end: SeenPhase) -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    filled = "100" if end is SeenPhase.FILLED else "0"
    desk.settle(core_items.seen(end, filled=filled))
    assert ORDER not in desk.state.open_orders
    assert desk.settle(core_items.seen(filled=filled)) == [facts.working(filled=filled)]
    assert desk.state.open_orders == {ORDER}


@pytest.mark.parametrize(
    "end,event_type",
    [
        (SeenPhase.CANCELLED, events.OrderCancelled),
        (SeenPhase.EXPIRED, events.OrderExpired),
        (SeenPhase.REJECTED, events.OrderRejected),
    ],
)
def test_done_order_may_turn_out_to_be_filled_further(
    end: SeenPhase, event_type: type[events.Event]
) -> None:
    first, second = core_items.execution("e1", "40"), core_items.execution("e2", "20")
    desk = facts.TestDesk(*WORKING_LINE)
    desk.settle(core_items.seen(end, first))
    assert desk.settle(core_items.seen(end, first)) == []
    more = core_items.seen(end, first, second)
    assert _types(desk.settle(more)) == [events.OrderFillRecorded, event_type]
    order = desk.state.orders[ORDER]
    assert (order.filled_quantity, order.recorded_quantity) == (Decimal(60), Decimal(60))
    assert desk.settle(more) == []


def test_word_of_a_fill_below_the_quantity_leaves_the_order_live() -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    row = core_items.seen(SeenPhase.FILLED, core_items.execution("e1", "40"))
    assert _types(desk.settle(row)) == [events.OrderFillRecorded, events.OrderWorking]
    assert desk.state.open_orders == {ORDER}
    assert desk.state.orders[ORDER].unsettled_quantity == Decimal(60)


# --- orders in doubt that have a broker's id ------------------------------------------------


@pytest.mark.parametrize(
    "doubt",
    [
        (facts.unknown(),),
        (facts.unknown(), facts.not_found()),
        (facts.unknown(), facts.released()),
    ],
)
def test_order_with_an_id_that_was_in_doubt_is_reopened_by_its_sighting(
    doubt: tuple[events.Event, ...],
) -> None:
    desk = facts.TestDesk(*WORKING_LINE, *doubt)
    assert desk.settle(core_items.seen()) == [
        facts.accepted(evidence="listing"),
        facts.working(),
    ]
    assert _phase(desk) is Phase.WORKING


@pytest.mark.parametrize("line", [ACCEPTED_LINE, WORKING_LINE])
def test_order_that_the_broker_lists_no_more_is_in_doubt_and_no_longer_live(
    line: tuple[events.Event, ...],
) -> None:
    desk = facts.TestDesk(*line, facts.previewed("2"))
    assert desk.when(core_items.absent(seconds=24)) is None
    assert desk.when(core_items.absent(seconds=25, listings=2)) is None
    assert desk.when(core_items.absent(seconds=25)) == events.OrderOutcomeUnknown(
        order_id=ORDER, cause="not_listed"
    )
    refused = desk.when(core_items.submit("2", number="902"))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.SYMBOL_IN_DOUBT


# --- orders that nobody knows ---------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        *(core_items.placed(outcome) for outcome in Outcome),
        *(core_items.cancel_answered(outcome) for outcome in Outcome),
        items.ActAbandoned(order_id=ORDER),
        core_items.absent(seconds=9999),
    ],
)
def test_answer_about_an_order_that_no_ledger_has_leads_to_nothing(item: items.Item) -> None:
    assert decide(facts.fold(facts.ready()), item, facts.context()) is None


@pytest.mark.parametrize(
    "event",
    [
        facts.accepted(),
        facts.working(),
        facts.unknown(),
        facts.not_found(),
        facts.released(),
        facts.fill("e1", "40"),
        _sold("40"),
        events.OrderTermsObserved(order_id=ORDER, quantity=Decimal(1), limit_price=None),
        events.OrderCancelStarted(order_id=ORDER, command_id="c", tiger_order_id="t-1"),
        events.OrderCancelRequested(order_id=ORDER),
    ],
)
def test_fact_about_an_order_that_no_ledger_has_changes_nothing(event: events.Event) -> None:
    state = facts.fold(facts.ready())
    assert facts.snapshot(evolve(state, facts.recorded(event, 9))) == facts.snapshot(state)


# --- clocks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "skew_s,arrives_s",
    [
        (0.0, 24.0),
        (5.5, 29.5),
        (-5.5, 29.5),
        (math.nan, 24 + SKEW_COUNTED_MAX_S),
        (-math.inf, 24 + SKEW_COUNTED_MAX_S),
    ],
)
def test_bound_of_an_arrival_holds_by_the_brokers_clock_too(
    skew_s: float, arrives_s: float
) -> None:
    # A reducing order passes the gate of the skew, so that no skew may break the bound.
    desk = facts.TestDesk(*facts.ready(LONG_100, facts.previewed("1", SELL)))
    event = desk.when(core_items.submit(), facts.context(clock_skew_s=skew_s))
    assert isinstance(event, events.OrderSubmissionStarted)
    assert (event.send_by, event.arrives_by) == (facts.at(2), facts.at(arrives_s))


@pytest.mark.parametrize("skew_s", [math.nan, math.inf, -math.inf])
def test_skew_that_is_no_number_refuses_openings(skew_s: float) -> None:
    desk = facts.TestDesk(*facts.ready(facts.previewed()))
    event = desk.when(core_items.submit(), facts.context(clock_skew_s=skew_s))
    assert isinstance(event, events.OrderRefused)
    assert event.code is Refusal.CLOCK_SKEWED


# --- waiting --------------------------------------------------------------------------------


def test_reducing_order_does_not_wait_behind_a_place_that_hangs() -> None:
    line = (LONG_100, facts.previewed("2", SELL), facts.previewed("3"), facts.started())
    state = facts.TestDesk(*facts.ready(*line)).state
    assert not waits(state, core_items.submit("2", number="902"))
    assert waits(state, core_items.submit("3", number="903"))


def test_cancel_of_a_done_order_does_not_wait_for_a_cancel_that_hangs() -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    desk.when(core_items.cancel(command_id="cmd-first"))
    assert waits(desk.state, core_items.cancel())
    desk.settle(core_items.seen(SeenPhase.FILLED, filled="100"))
    assert not waits(desk.state, core_items.cancel())
    event = desk.when(core_items.cancel())
    assert isinstance(event, events.OrderRefused)
    assert event.code is Refusal.ORDER_NOT_OPEN


# --- gates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("terms", [facts.spec(), SELL])
def test_live_account_sends_nothing_not_even_what_reduces(terms: OrderSpec) -> None:
    live = facts.opened(environment=Environment.LIVE)
    desk = facts.TestDesk(live, facts.reconciled(), LONG_100, facts.previewed("1", terms))
    event = desk.when(core_items.submit())
    assert isinstance(event, events.OrderRefused)
    assert event.code is Refusal.ACCOUNT_READ_ONLY


@pytest.mark.parametrize("number", ["-5", "+5", "5.0", "1e3", " 5", "5\n", "five", "0x5", ""])
def test_order_number_is_made_of_digits_alone(number: str) -> None:
    desk = facts.TestDesk(*facts.ready(facts.previewed()))
    event = desk.when(core_items.submit(number=number))
    assert isinstance(event, events.OrderRefused)
    assert event.code is Refusal.NO_CAPACITY


# --- commands and messages ------------------------------------------------------------------


@pytest.mark.parametrize("symbol", ["aapl", "A APL", " AAPL", "AAPL\n", "*", "-A", "A" * 21])
def test_scope_of_a_halt_is_a_symbol_or_the_account(symbol: str) -> None:
    with pytest.raises(ValueError, match="expected symbol"):
        HaltAccount(symbol=symbol, detail="")
    with pytest.raises(ValueError, match="expected symbol"):
        ResumeAccount(symbol=symbol, shown_n=1)


@pytest.mark.parametrize("symbol", ["", "AAPL", "00700", "BRK.B", "X-Y"])
def test_scope_that_is_a_symbol_or_none_is_taken(symbol: str) -> None:
    assert HaltAccount(symbol=symbol, detail="").symbol == symbol
    assert ResumeAccount(symbol=symbol, shown_n=1).symbol == symbol


@pytest.mark.parametrize(
    "name,body",
    [
        ("account.halt", b'{"symbol":"aapl","detail":""}'),
        ("account.resume", b'{"symbol":"aapl"}'),
        ("order.submit", b'{"preview_id":"\xff"}'),
        ("order.cancel", b"\xff\xfe"),
    ],
)
def test_body_with_a_wrong_scope_or_no_text_is_the_callers_fault(name: str, body: bytes) -> None:
    with pytest.raises(CommandError) as caught:
        parse_body({**COMMAND_CLASSES, **CONTROL_CLASSES}, name, body)
    assert caught.value.field == "body"


def _unreadable(sequence: int = 7, stream: str = "COMMANDS") -> items.Unreadable:
    return items.Unreadable(
        code=Refusal.SIGNATURE_INVALID,
        subject="cmd.sandbox.order.submit",
        stream=stream,
        sequence=sequence,
        body_digest="0" * 64,
        detail="d",
    )


def test_message_that_cannot_be_read_is_recorded_once() -> None:
    desk = facts.TestDesk(*facts.ready())
    assert isinstance(desk.when(_unreadable()), account_events.CommandUnreadable)
    assert desk.when(_unreadable()) is None
    for other in (_unreadable(8), _unreadable(stream="CONTROL")):
        assert isinstance(desk.when(other), account_events.CommandUnreadable)


def test_subject_of_the_systems_view_is_one() -> None:
    text = subject(Kind.VIEW, SYSTEM, "accounts")
    assert text == "view.system.accounts"
    assert str(parse_subject(text)) == text


def test_refusals_are_the_closed_list_that_decisions_use() -> None:
    dropped = {"not_tradeable", "quantity_not_a_lot", "price_off_tick", "broker_preview_failed"}
    assert not dropped & {str(code) for code in Refusal}
    assert Refusal("invalid_terms") is Refusal.INVALID_TERMS


# --- previews -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item,contract,code",
    [
        (core_items.preview_command(), core_items.contract(symbol="AAPLW"), Refusal.UNKNOWN_SYMBOL),
        (core_items.preview_command(), core_items.contract(currency="usd"), Refusal.INVALID_TERMS),
        (core_items.preview_command(), core_items.contract(currency=""), Refusal.INVALID_TERMS),
        (core_items.preview_command(quantity="0"), core_items.contract(), Refusal.INVALID_TERMS),
        (
            core_items.preview_command(limit_price=None),
            core_items.contract(),
            Refusal.INVALID_TERMS,
        ),
    ],
)
def test_preview_of_a_wrong_contract_or_wrong_terms_is_refused_with_its_code(
    item: items.CommandItem, contract: items.ContractFacts, code: Refusal
) -> None:
    answer = items.PreviewAnswered(
        item=item, contract=contract, quote=core_items.quote(), estimate=None
    )
    event = facts.TestDesk(*facts.ready()).when(answer)
    assert isinstance(event, events.OrderRefused)
    assert event.code is code


@pytest.mark.parametrize("step", ["0", "-1", "0.00"])
def test_of_no_step_nothing_is_a_multiple(step: str) -> None:
    assert not is_multiple(Decimal(10), Decimal(step))


@pytest.mark.parametrize(
    "contract", [core_items.contract(lot_size="0"), core_items.contract(tick_sizes=(("0", "0"),))]
)
def test_contract_without_a_lot_or_a_tick_fails_a_check_of_the_preview(
    contract: items.ContractFacts,
) -> None:
    answer = items.PreviewAnswered(
        item=core_items.preview_command(),
        contract=contract,
        quote=core_items.quote(),
        estimate=None,
    )
    event = facts.TestDesk(*facts.ready()).when(answer)
    assert isinstance(event, preview_events.OrderPreviewed)
    assert not all(check.passed for check in event.checks)


@pytest.mark.parametrize(
    "bid,last,expected",
    [("0", "10.5", Decimal("10.5")), ("0", None, None), ("0", "0", None), (None, "0", None)],
)
def test_price_of_nothing_is_no_price(
    bid: str | None, last: str | None, expected: Decimal | None
) -> None:
    terms = facts.spec(side=Side.SELL, limit_price=None)
    assert reference_price(terms, core_items.quote(bid, "11", last)) == expected


# --- cash and records -----------------------------------------------------------------------


def test_cash_that_is_only_differently_available_is_no_news() -> None:
    seen = readings.BalancesSeen(
        currency="USD",
        net_liquidation=None,
        buying_power=None,
        initial_margin=None,
        maintenance_margin=None,
        cash=(account_events.CashFigure(currency="USD", balance=Decimal(9), available=Decimal(9)),),
        observed_at=facts.NOW,
    )
    desk = facts.TestDesk(*facts.ready())
    assert desk.when(seen) is not None
    held = account_events.CashFigure(currency="USD", balance=Decimal("9.0"), available=Decimal(1))
    assert desk.when(replace(seen, cash=(held,))) is None
    paid = account_events.CashFigure(currency="USD", balance=Decimal(8), available=Decimal(1))
    assert desk.when(replace(seen, cash=(paid,))) is not None


@pytest.mark.parametrize(
    "old,new",
    [
        (b'"quantity":"100"', b'"quantity":"-1"'),
        (b'"quantity":"100"', b'"quantity":"NaN"'),
        (b'"limit_price":"10.50"', b'"limit_price":null'),
    ],
)
def test_stored_terms_that_make_no_order_are_a_corrupt_record(old: bytes, new: bytes) -> None:
    where, body = encode(facts.recorded(facts.started(), 1), prev=FIRST_PREV)
    assert old in body
    with pytest.raises(CorruptRecordError):
        decode(where, body.replace(old, new), sequence=1)
