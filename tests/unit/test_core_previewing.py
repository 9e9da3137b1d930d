"""What a preview shows: the exact order, each check, and what it is valued at."""

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from core import events, items, preview_events
from core.commands import PreviewOrder
from core.modes import Mode
from core.money import Money
from core.previewing import lot_of, reference_price, tick_at
from core.refusals import Refusal
from core.terms import OptionLeg, OptionRight, OrderType, SecurityType, Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.gateway import order_spec


def _answer(
    item: items.CommandItem,
    *,
    contract: items.ContractFacts | None = None,
    quote: items.QuoteFacts | None = None,
    estimate: items.EstimateFacts | None = None,
    failed: str = "",
) -> items.PreviewAnswered:
    return items.PreviewAnswered(
        item=item, contract=contract, quote=quote, estimate=estimate, failed=failed
    )


def _preview(
    item: items.CommandItem | None = None,
    *,
    contract: items.ContractFacts | None = None,
    quote: items.QuoteFacts | None = None,
    estimate: items.EstimateFacts | None = None,
    line: tuple[events.Event, ...] | None = None,
    clock_skew_s: float = 0.0,
) -> preview_events.OrderPreviewed:
    desk = facts.TestDesk(*(facts.ready() if line is None else line))
    answer = _answer(
        item or core_items.preview_command(),
        contract=contract or core_items.contract(),
        quote=quote,
        estimate=estimate,
    )
    event = desk.when(answer, facts.context(clock_skew_s=clock_skew_s))
    assert isinstance(event, preview_events.OrderPreviewed)
    return event


def _passed(event: preview_events.OrderPreviewed) -> dict[str, bool]:
    return {check.name: check.passed for check in event.checks}


def test_preview_shows_the_exact_order_bound_by_its_digest() -> None:
    event = _preview(quote=core_items.quote(), estimate=core_items.estimate())
    assert event.spec == facts.spec()
    assert event.digest == facts.spec().digest(facts.ACCOUNT)
    assert event.expires_at == facts.at(600)
    assert event.reason == "because"
    assert event.quote == preview_events.QuoteUsed(
        bid=Decimal("10.40"), ask=Decimal("10.60"), last=Decimal("10.55"), at=facts.at(-1)
    )
    assert event.estimate == preview_events.Estimate(
        notional=Money(amount=Decimal("1050.00"), currency="USD"),
        commission=Money(amount=Decimal("1.00"), currency="USD"),
        initial_margin=None,
        message="",
    )
    assert all(_passed(event).values())


def test_preview_that_passed_can_be_submitted_and_used_once() -> None:
    desk = facts.TestDesk(*facts.ready())
    answer = _answer(
        core_items.preview_command(), contract=core_items.contract(), quote=core_items.quote()
    )
    shown = desk.when(answer)
    assert isinstance(shown, preview_events.OrderPreviewed)
    name = shown.preview_id.removeprefix("prv-")
    sent = desk.when(core_items.submit(name))
    assert isinstance(sent, events.OrderSubmissionStarted)
    assert sent.spec == shown.spec


def test_digest_differs_with_every_term_and_with_the_account() -> None:
    base = facts.spec()
    others = [
        facts.spec(symbol="MSFT"),
        facts.spec(side=Side.SELL),
        facts.spec(quantity="101"),
        facts.spec(limit_price="10.51"),
        facts.spec(limit_price=None),
    ]
    digests = {one.digest(facts.ACCOUNT) for one in (base, *others)} | {base.digest("paper")}
    assert len(digests) == len(others) + 2
    assert facts.spec().digest(facts.ACCOUNT) == base.digest(facts.ACCOUNT)


# --- checks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "quantity,lot,passed",
    [
        ("100", "1", True),
        ("100", "100", True),
        ("150", "100", False),
        ("0.5", "1", False),
        ("0.5", "0.00001", True),
        ("200", "200", True),
    ],
)
def test_quantity_must_be_whole_lots(quantity: str, lot: str, passed: bool) -> None:
    event = _preview(
        core_items.preview_command(quantity=quantity), contract=core_items.contract(lot_size=lot)
    )
    assert _passed(event)["lot_size"] is passed


def test_an_amount_of_money_is_held_against_no_lots() -> None:
    event = _preview(
        core_items.preview_command(
            quantity=None, cash_amount="500", order_type=OrderType.MARKET, limit_price=None
        ),
        contract=core_items.contract(lot_size="100"),
    )
    check = next(each for each in event.checks if each.name == "lot_size")
    assert (check.passed, check.detail) == (True, "an amount of money is in no lots")


def test_a_combination_of_another_market_than_the_us_is_refused() -> None:
    command = core_items.preview_command(
        symbol="00005", security=SecurityType.COMBINATION, legs=(), limit_price="2.4"
    )
    answer = _answer(command, contract=replace(core_items.contract(symbol="00005"), market="HK"))
    refused = facts.TestDesk(*facts.ready()).when(answer, facts.context())
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.INVALID_TERMS
    assert "underlying of US options" in refused.detail


def test_a_combination_trades_in_whole_ones_whatever_its_underlying_does() -> None:
    leg = OptionLeg(
        right=OptionRight.CALL,
        expiry=date(2026, 12, 18),
        strike=Decimal(230),
        side=Side.BUY,
        ratio=1,
    )
    spec = order_spec(security=SecurityType.COMBINATION, legs=(leg, leg))
    contract = core_items.contract(lot_size="0.000001")
    assert lot_of(spec, contract) == 1
    assert lot_of(order_spec(), contract) == Decimal("0.000001")


_HK_TICKS = (("0.01", "0.001"), ("0.25", "0.005"), ("0.5", "0.01"), ("10", "0.02"))


@pytest.mark.parametrize(
    "price,passed",
    [
        ("0.249", True),
        ("0.250", True),
        ("0.251", False),
        ("0.255", True),
        ("0.505", False),
        ("9.99", True),
        ("10.01", False),
        ("10.02", True),
        ("0.005", True),
    ],
)
def test_price_must_be_on_the_tick_of_its_range(price: str, passed: bool) -> None:
    event = _preview(
        core_items.preview_command(limit_price=price),
        contract=core_items.contract(tick_sizes=_HK_TICKS),
    )
    assert _passed(event)["tick_size"] is passed


def test_no_tick_is_asked_of_a_market_order_or_where_the_broker_names_none() -> None:
    market = core_items.preview_command(order_type=OrderType.MARKET, limit_price=None)
    assert _passed(_preview(market, quote=core_items.quote()))["tick_size"]
    odd = core_items.preview_command(limit_price="10.123456")
    assert _passed(_preview(odd, contract=core_items.contract(tick_sizes=())))["tick_size"]
    below = core_items.contract(tick_sizes=_HK_TICKS)
    assert tick_at(Decimal("0.001"), below) is None


@pytest.mark.parametrize(
    "quote,passed",
    [
        (core_items.quote(), True),
        (core_items.quote(ask=None), True),
        (core_items.quote(ask=None, last=None), False),
        (None, False),
    ],
)
def test_market_order_without_a_price_to_value_it_fails_a_check(
    quote: items.QuoteFacts | None, passed: bool
) -> None:
    item = core_items.preview_command(order_type=OrderType.MARKET, limit_price=None)
    event = _preview(item, quote=quote)
    assert _passed(event)["price_known"] is passed
    assert (event.estimate is not None) is passed


def test_stock_that_is_not_traded_fails_a_check() -> None:
    event = _preview(contract=core_items.contract(is_tradeable=False))
    assert not _passed(event)["tradeable"]


def test_brokers_own_no_fails_a_check_and_its_words_are_kept() -> None:
    event = _preview(estimate=core_items.estimate(passed=False, message="too little cash"))
    check = next(c for c in event.checks if c.name == "broker_preview")
    assert (check.passed, check.detail) == (False, "too little cash")


@pytest.mark.parametrize(
    "line,clock_skew_s",
    [
        (facts.ready(mode=Mode.READ_ONLY), 0.0),
        (facts.ready(facts.frozen()), 0.0),
        (facts.ready(facts.stale()), 0.0),
        (facts.ready(facts.started(), facts.unknown()), 0.0),
        (facts.ready(), 31.0),
    ],
)
def test_shut_gate_shows_in_the_preview(
    line: tuple[events.Event, ...], clock_skew_s: float
) -> None:
    event = _preview(line=line, clock_skew_s=clock_skew_s)
    assert not _passed(event)["account_open"]


def test_any_failed_check_stops_the_submit() -> None:
    desk = facts.TestDesk(*facts.ready())
    item = core_items.preview_command(quantity="150")
    shown = desk.when(_answer(item, contract=core_items.contract(lot_size="100")))
    assert isinstance(shown, preview_events.OrderPreviewed)
    refused = desk.when(core_items.submit(shown.preview_id.removeprefix("prv-")))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.CHECK_FAILED


# --- valuing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "side,limit,bid,ask,last,expected",
    [
        (Side.BUY, "10", "9", "11", "10.5", "10"),
        (Side.BUY, "12", "9", "11", "10.5", "12"),
        (Side.BUY, "10", None, None, None, "10"),
        (Side.SELL, "10", "9", "11", "10.5", "10"),
        (Side.SELL, "8", "9", "11", "10.5", "9"),
        (Side.SELL, "8", None, "11", "10.5", "10.5"),
        (Side.SELL, "8", None, None, None, "8"),
        (Side.BUY, None, "9", "11", "10.5", "11"),
        (Side.BUY, None, "9", None, "10.5", "10.5"),
        (Side.SELL, None, "9", "11", "10.5", "9"),
        (Side.SELL, None, None, "11", "10.5", "10.5"),
        (Side.SELL, None, None, "11", None, None),
        (Side.BUY, None, None, None, None, None),
    ],
)
def test_reference_price(
    side: Side,
    limit: str | None,
    bid: str | None,
    ask: str | None,
    last: str | None,
    expected: str | None,
) -> None:
    found = reference_price(
        facts.spec(side=side, limit_price=limit), core_items.quote(bid, ask, last)
    )
    assert found == (None if expected is None else Decimal(expected))


def test_without_a_quote_a_limit_order_is_valued_at_its_limit() -> None:
    assert reference_price(facts.spec(side=Side.SELL, limit_price="8"), None) == Decimal(8)
    assert reference_price(facts.spec(limit_price=None), None) is None


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        core_items.preview_command(order_type=OrderType.LIMIT, limit_price=None),
        core_items.preview_command(order_type=OrderType.MARKET, limit_price="10"),
        core_items.preview_command(quantity="0"),
        core_items.preview_command(quantity="-1"),
        core_items.preview_command(quantity="1e3"),
        core_items.preview_command(quantity="NaN"),
        core_items.preview_command(limit_price="0.00"),
        core_items.preview_command(limit_price="10,5"),
        core_items.preview_command(limit_price="1.0000001"),
    ],
)
def test_terms_of_which_no_order_can_be_made_are_refused(item: items.CommandItem) -> None:
    desk = facts.TestDesk(*facts.ready())
    event = desk.when(_answer(item, contract=core_items.contract(), quote=core_items.quote()))
    assert isinstance(event, events.OrderRefused)
    assert desk.when(_answer(item, contract=core_items.contract())) is None


@pytest.mark.parametrize(
    "answer,seconds,code",
    [
        (_answer(core_items.preview_command()), 0, Refusal.UNKNOWN_SYMBOL),
        (_answer(core_items.preview_command(), failed="the quote"), 0, Refusal.BROKER_UNAVAILABLE),
        (
            _answer(
                core_items.preview_command(), contract=core_items.contract(), failed="the quote"
            ),
            0,
            Refusal.BROKER_UNAVAILABLE,
        ),
        (
            _answer(core_items.preview_command(), contract=core_items.contract()),
            60.001,
            Refusal.COMMAND_EXPIRED,
        ),
    ],
)
def test_preview_that_cannot_be_made_is_refused_with_its_code(
    answer: items.PreviewAnswered, seconds: float, code: Refusal
) -> None:
    event = facts.TestDesk(*facts.ready()).when(answer, facts.context(seconds))
    assert isinstance(event, events.OrderRefused)
    assert event.code is code


def test_preview_command_alone_decides_to_nothing_before_its_reads() -> None:
    desk = facts.TestDesk(*facts.ready())
    item = core_items.preview_command()
    assert isinstance(item.command, PreviewOrder)
    assert desk.when(item) is None
    late = desk.when(item, facts.context(61))
    assert isinstance(late, events.OrderRefused)
    assert late.code is Refusal.COMMAND_EXPIRED


def test_answer_to_anything_but_a_preview_decides_to_nothing() -> None:
    answer = _answer(core_items.submit(), contract=core_items.contract())
    assert facts.TestDesk(*facts.ready()).when(answer) is None
