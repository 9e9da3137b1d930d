"""Findings of the review of the core on clocks, waits, commands, previews and records."""

import math
from decimal import Decimal

import pytest
from msgspec.structs import replace

from core import account_events, events, items, preview_events, readings
from core.codec import FIRST_PREV, decode, encode
from core.commands import (
    COMMAND_CLASSES,
    CONTROL_CLASSES,
    HaltAccount,
    ResumeAccount,
    parse_body,
)
from core.desk import waits
from core.errors import CommandError, CorruptRecordError
from core.modes import Environment
from core.money import is_multiple
from core.previewing import reference_price
from core.readings import SeenPhase
from core.refusals import Refusal
from core.subjects import SYSTEM, Kind, parse_subject, subject
from core.submitting import SKEW_COUNTED_MAX_S
from core.terms import OrderSpec, Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_core_findings import LONG_100, SELL, WORKING_LINE

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
