"""What a preview shows: the exact order, what was checked, and what it would cost."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

import msgspec

from core import items, preview_events
from core.account_state import AccountState
from core.claims import claim_of
from core.commands import AlgoAsked, LegAsked, PreviewOrder, StopAsked
from core.context import Context
from core.errors import CommandError
from core.events import Event
from core.ids import derived_id
from core.money import Money, is_multiple, parse_positive
from core.preview_events import Check
from core.price_sense import is_triggered, price_checks
from core.refusals import Refusal
from core.refusing import refused, refused_by_key
from core.submitting import shut_gate
from core.symbol_hints import hint_of
from core.terms import (
    AlgoPlan,
    OptionLeg,
    OrderSpec,
    SecurityType,
    Side,
    StopLoss,
    TakeProfit,
    TermsError,
    TradingSession,
)

# Every option of a US combination is for a hundred shares.
COMBINATION_UNIT: Final = Decimal(100)


def decide_preview(
    state: AccountState, answer: items.PreviewAnswered, context: Context
) -> Event | None:
    """Return `OrderPreviewed`, or the refusal where no exact order can be made of the terms."""
    item = answer.item
    command = item.command
    if item.command_id in state.handled or not isinstance(command, PreviewOrder):
        return None
    no = refused_by_key(state, item)
    if no is not None:
        return no
    if item.expires_at < context.now:
        return refused(item, Refusal.COMMAND_EXPIRED, "the broker's answers came too late")
    if answer.failed:
        detail = f"the broker did not answer {answer.failed}"
        return refused(item, Refusal.BROKER_UNAVAILABLE, detail)
    if answer.contract is None or answer.contract.symbol != command.symbol:
        hint = hint_of(command.symbol, command.security)
        detail = f"Tiger knows no {command.security} {command.symbol} of these terms: {hint}"
        return refused(item, Refusal.UNKNOWN_SYMBOL, detail)
    try:
        spec = spec_of(command, answer.contract)
        Money(amount=spec.quantity, currency=spec.currency)
    except (CommandError, ValueError) as error:
        return refused(item, Refusal.INVALID_TERMS, str(error))
    checks = _checks(state, spec, answer, context)
    return preview_events.OrderPreviewed(
        preview_id=derived_id("prv", state.account, item.command_id),
        command_id=item.command_id,
        spec=spec,
        reason=command.reason,
        checks=checks,
        quote=_quote(answer.quote),
        estimate=_estimate(spec, answer),
        digest=spec.digest(state.account),
        expires_at=context.now + timedelta(seconds=context.timing.preview_life_s),
        claim=claim_of(command) or msgspec.UNSET,
        owner=item.owner or msgspec.UNSET,
    )


def spec_of(command: PreviewOrder, contract: items.ContractFacts) -> OrderSpec:
    """Return the exact terms.

    Raises:
        CommandError: naming the field that does not fit.
    """
    if (command.quantity is None) == (command.cash_amount is None):
        raise CommandError("expected either quantity or cash_amount", field="quantity")
    _check_hours(command)
    is_combination = command.security is SecurityType.COMBINATION
    if is_combination and contract.market != "US":
        # Of others nothing says for how many of the underlying one unit is.
        raise CommandError(
            f"expected the underlying of US options for legs, was one of {contract.market}; its "
            "options trade one by one, as security option",
            field="symbol",
        )
    # A warrant has a strike too, but its symbol alone names it.
    is_option = command.security is SecurityType.OPTION
    try:
        spec = OrderSpec(
            symbol=contract.symbol,
            market=contract.market,
            currency=contract.currency,
            side=command.side,
            order_type=command.order_type,
            quantity=_figure(command.quantity, "quantity") or Decimal(0),
            limit_price=_net(command)
            if is_combination
            else _figure(command.limit_price, "limit_price"),
            time_in_force=command.time_in_force,
            outside_regular_hours=command.outside_regular_hours,
            security=command.security,
            expiry=None if is_combination else contract.expiry,
            strike=contract.strike if is_option else None,
            right=contract.right if is_option else None,
            multiplier=COMBINATION_UNIT if is_combination else contract.multiplier,
            stop_price=_figure(command.stop_price, "stop_price"),
            trailing_amount=_figure(command.trailing_amount, "trailing_amount"),
            trailing_percent=_figure(command.trailing_percent, "trailing_percent"),
            cash_amount=_figure(command.cash_amount, "cash_amount"),
            good_till=command.good_till,
            session=command.session,
            legs=tuple(_leg(leg) for leg in command.legs),
            take_profit=_take_profit(command.take_profit_price),
            stop_loss=_stop(command.stop_loss, "stop_loss"),
            or_stop=_stop(command.or_stop, "or_stop"),
            algo=_algo(command.algo),
            display_quantity=_figure(command.display_quantity, "display_quantity"),
        )
    except TermsError as error:
        raise CommandError(str(error), field=error.field) from None
    _check_parts(spec)
    return spec


def _check_hours(command: PreviewOrder) -> None:
    """Refuse two terms of which one allows what the other forbids.

    Raises:
        CommandError: naming one of them.
    """
    if command.outside_regular_hours and command.session is TradingSession.REGULAR:
        raise CommandError(
            "expected session extended, overnight or full beside outside_regular_hours, was "
            "regular: for regular hours alone leave outside_regular_hours out",
            field="session",
        )


def _check_parts(spec: OrderSpec) -> None:
    """Refuse a part of a unit where the broker's own fields have no room for it.

    Raises:
        CommandError: naming the field.
    """
    is_whole_only = bool(spec.legs) or spec.or_stop is not None
    if is_whole_only and not is_multiple(spec.quantity, Decimal(1)):
        raise CommandError(
            f"expected a whole quantity with legs or or_stop, was {spec.quantity}", field="quantity"
        )
    shown = spec.display_quantity
    if shown is not None and (not is_multiple(shown, Decimal(1)) or shown > spec.quantity):
        raise CommandError(
            f"expected display_quantity whole and at most {spec.quantity}, was {shown}",
            field="display_quantity",
        )


def _figure(text: str | None, field: str) -> Decimal | None:
    return None if text is None else parse_positive(text, field=field)


# Some markets and brokers write a credit as a price below 0; here the side says who pays.
def _net(command: PreviewOrder) -> Decimal | None:
    text = command.limit_price
    if text is None or not text.startswith("-"):
        return _figure(text, "limit_price")
    other, gets = (
        (Side.SELL, "receive a credit of at least")
        if command.side is Side.BUY
        else (Side.BUY, "pay a debit of at most")
    )
    raise CommandError(
        f"expected limit_price above 0 for a combination, was {text[:40]!r}: to {gets} that much, "
        f"turn both: side {other}, and each leg's side the other one",
        field="limit_price",
    )


def _leg(leg: LegAsked) -> OptionLeg:
    return OptionLeg(
        right=leg.right,
        expiry=leg.expiry,
        strike=parse_positive(leg.strike, field="legs.strike"),
        side=leg.side,
        ratio=leg.ratio,
    )


def _take_profit(price: str | None) -> TakeProfit | None:
    if price is None:
        return None
    return TakeProfit(limit_price=parse_positive(price, field="take_profit_price"))


def _stop(asked: StopAsked | None, field: str) -> StopLoss | None:
    if asked is None:
        return None
    return StopLoss(
        stop_price=_figure(asked.stop_price, f"{field}.stop_price"),
        limit_price=_figure(asked.limit_price, f"{field}.limit_price"),
        trailing_percent=_figure(asked.trailing_percent, f"{field}.trailing_percent"),
    )


def _algo(asked: AlgoAsked | None) -> AlgoPlan | None:
    if asked is None:
        return None
    return AlgoPlan(
        start_at=asked.start_at,
        end_at=asked.end_at,
        participation_rate=_figure(asked.participation_rate, "algo.participation_rate"),
    )


def _checks(
    state: AccountState, spec: OrderSpec, answer: items.PreviewAnswered, context: Context
) -> tuple[Check, ...]:
    assert answer.contract is not None
    contract = answer.contract
    no = shut_gate(state, spec, context)
    price = reference_price(spec, answer.quote)
    checks = [
        Check(
            name="account_open",
            passed=no is None,
            detail="the account takes orders" if no is None else no.detail,
        ),
        Check(
            name="tradeable",
            passed=contract.is_tradeable,
            detail=f"{spec.symbol} on {spec.market} in {spec.currency}",
        ),
        _lot_check(spec, contract),
        *_tick_checks(spec, contract),
        *price_checks(spec, answer.quote, now=context.now),
        Check(
            name="price_known",
            passed=price is not None,
            detail="no quote and no limit price" if price is None else f"valued at {price}",
        ),
    ]
    if answer.estimate is not None:
        detail = answer.estimate.message or "the broker would take it"
        checks.append(Check(name="broker_preview", passed=answer.estimate.passed, detail=detail))
    return tuple(checks)


def _lot_check(spec: OrderSpec, contract: items.ContractFacts) -> Check:
    if spec.cash_amount is not None:
        return Check(name="lot_size", passed=True, detail="an amount of money is in no lots")
    lot = lot_of(spec, contract)
    return Check(
        name="lot_size",
        passed=is_multiple(spec.quantity, lot),
        detail=f"{spec.quantity} in lots of {lot}",
    )


def _tick_checks(spec: OrderSpec, contract: items.ContractFacts) -> list[Check]:
    prices = {"limit_price": spec.limit_price, "stop_price": spec.stop_price}
    if spec.take_profit is not None:
        prices["take_profit_price"] = spec.take_profit.limit_price
    for name, stop in (("stop_loss", spec.stop_loss), ("or_stop", spec.or_stop)):
        if stop is not None:
            prices |= {
                f"{name}.stop_price": stop.stop_price,
                f"{name}.limit_price": stop.limit_price,
            }
    named = {name: price for name, price in prices.items() if price is not None}
    if not named or spec.legs:
        return [Check(name="tick_size", passed=True, detail="there is no price of one contract")]
    return [_tick_check(name, price, contract) for name, price in named.items()]


def _tick_check(name: str, price: Decimal, contract: items.ContractFacts) -> Check:
    step = tick_at(price, contract)
    if step is None:
        return Check(name="tick_size", passed=True, detail="the broker names no tick")
    return Check(
        name="tick_size",
        passed=is_multiple(price, step),
        detail=f"{name} {price} in steps of {step}",
    )


def lot_of(spec: OrderSpec, contract: items.ContractFacts) -> Decimal:
    """Return the least step of a quantity; a combination's contract is its underlying's."""
    return Decimal(1) if spec.legs else contract.lot_size


def tick_at(price: Decimal, contract: items.ContractFacts) -> Decimal | None:
    """Return the price step that holds at `price`, or None if the broker names none."""
    steps = [step for begin, step in contract.tick_sizes if begin <= price]
    return steps[-1] if steps else None


def reference_price(spec: OrderSpec, quote: items.QuoteFacts | None) -> Decimal | None:
    """Return the price at which one unit of an order is valued, or None if it cannot be valued.

    A limit buy at its limit; a limit sell at the higher of limit and market; a stop at the higher
    of market and trigger, or at the market if that has reached the trigger; all others at the far
    side of the quote, else the last trade.
    """
    market = None
    if quote is not None:
        far_side = quote.ask if spec.side is Side.BUY else quote.bid
        # A price of nothing is no price.
        market = far_side or quote.last or None
    if spec.legs:
        # A quote is of one contract; only a limit values a combination.
        return spec.limit_price
    if spec.limit_price is not None and spec.side is Side.BUY:
        return spec.limit_price
    floor = spec.limit_price or spec.stop_price
    if floor is None or (spec.limit_price is None and is_triggered(spec, quote)):
        return market
    return max(floor, market or Decimal(0))


def notional_of(spec: OrderSpec, price: Decimal) -> Decimal:
    """Return what an order is worth at a price of one unit (unit: the order's currency)."""
    return spec.cash_amount or price * spec.quantity * spec.unit


def _quote(quote: items.QuoteFacts | None) -> preview_events.QuoteUsed | None:
    if quote is None:
        return None
    return preview_events.QuoteUsed(
        bid=quote.bid,
        ask=quote.ask,
        last=quote.last,
        at=quote.at,
        is_delayed=quote.is_delayed,
    )


def _estimate(spec: OrderSpec, answer: items.PreviewAnswered) -> preview_events.Estimate | None:
    price = reference_price(spec, answer.quote)
    if price is None:
        return None
    broker = answer.estimate
    return preview_events.Estimate(
        notional=Money(amount=notional_of(spec, price), currency=spec.currency),
        commission=broker.commission if broker else None,
        initial_margin=broker.initial_margin if broker else None,
        message=broker.message if broker else "",
    )
