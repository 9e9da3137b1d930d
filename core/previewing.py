"""What a preview shows: the exact order, what was checked, and what it would cost."""

from datetime import timedelta
from decimal import Decimal

from core import events, items
from core.account_state import AccountState
from core.commands import PreviewOrder
from core.context import Context
from core.errors import CommandError
from core.events import Check, Event
from core.ids import derived_id
from core.money import Money, is_multiple, parse_positive
from core.orders import OrderSpec, OrderType, Side
from core.refusals import NEXT_STEP, Refusal
from core.submitting import shut_gate


def decide_preview(
    state: AccountState, answer: items.PreviewAnswered, context: Context
) -> Event | None:
    """Return `OrderPreviewed`, or the refusal where no exact order can be made of the terms."""
    item = answer.item
    command = item.command
    if item.command_id in state.handled or not isinstance(command, PreviewOrder):
        return None
    if item.expires_at < context.now:
        return _no(item, Refusal.COMMAND_EXPIRED, "the broker's answers came too late")
    if answer.failed:
        return _no(item, Refusal.BROKER_UNAVAILABLE, f"the broker did not answer {answer.failed}")
    if answer.contract is None or answer.contract.symbol != command.symbol:
        return _no(item, Refusal.UNKNOWN_SYMBOL, f"Tiger knows no stock {command.symbol}")
    try:
        spec = spec_of(command, answer.contract)
        Money(amount=spec.quantity, currency=spec.currency)
    except (CommandError, ValueError) as error:
        return _no(item, Refusal.INVALID_TERMS, str(error))
    checks = _checks(state, spec, answer, context)
    return events.OrderPreviewed(
        preview_id=derived_id("prv", state.account, item.command_id),
        command_id=item.command_id,
        spec=spec,
        reason=command.reason,
        checks=checks,
        quote=_quote(answer.quote),
        estimate=_estimate(spec, answer),
        digest=spec.digest(state.account),
        expires_at=context.now + timedelta(seconds=context.timing.preview_life_s),
    )


def spec_of(command: PreviewOrder, contract: items.ContractFacts) -> OrderSpec:
    """Return the exact terms.

    Raises:
        CommandError: naming the field that does not fit.
    """
    is_limit = command.order_type is OrderType.LIMIT
    if is_limit != (command.limit_price is not None):
        raise CommandError(
            "expected limit_price for a limit order and for no other", field="limit_price"
        )
    return OrderSpec(
        symbol=contract.symbol,
        market=contract.market,
        currency=contract.currency,
        side=command.side,
        order_type=command.order_type,
        quantity=parse_positive(command.quantity, field="quantity"),
        limit_price=parse_positive(command.limit_price, field="limit_price") if is_limit else None,
        time_in_force=command.time_in_force,
        outside_regular_hours=command.outside_regular_hours,
    )


def _no(item: items.CommandItem, code: Refusal, detail: str) -> events.OrderRefused:
    return events.OrderRefused(
        command_id=item.command_id, code=code, detail=f"{detail}. {NEXT_STEP[code]}"
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
        Check(
            name="lot_size",
            passed=is_multiple(spec.quantity, contract.lot_size),
            detail=f"{spec.quantity} in lots of {contract.lot_size}",
        ),
        _tick_check(spec, contract),
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


def _tick_check(spec: OrderSpec, contract: items.ContractFacts) -> Check:
    if spec.limit_price is None:
        return Check(name="tick_size", passed=True, detail="a market order has no price")
    step = tick_at(spec.limit_price, contract)
    if step is None:
        return Check(name="tick_size", passed=True, detail="the broker names no tick")
    return Check(
        name="tick_size",
        passed=is_multiple(spec.limit_price, step),
        detail=f"{spec.limit_price} in steps of {step}",
    )


def tick_at(price: Decimal, contract: items.ContractFacts) -> Decimal | None:
    """Return the price step that holds at `price`, or None if the broker names none."""
    steps = [step for begin, step in contract.tick_sizes if begin <= price]
    return steps[-1] if steps else None


def reference_price(spec: OrderSpec, quote: items.QuoteFacts | None) -> Decimal | None:
    """Return the price at which an order is valued, or None if it cannot be valued.

    A limit buy at its limit; a limit sell at the higher of limit and market; a market order at
    the far side of the quote, else the last trade.
    """
    market = None
    if quote is not None:
        far_side = quote.ask if spec.side is Side.BUY else quote.bid
        # A price of nothing is no price.
        market = far_side or quote.last or None
    if spec.limit_price is None or (spec.side is Side.SELL and market is not None):
        return market if spec.limit_price is None else max(spec.limit_price, market or Decimal(0))
    return spec.limit_price


def _quote(quote: items.QuoteFacts | None) -> events.QuoteUsed | None:
    if quote is None:
        return None
    return events.QuoteUsed(bid=quote.bid, ask=quote.ask, last=quote.last, at=quote.at)


def _estimate(spec: OrderSpec, answer: items.PreviewAnswered) -> events.Estimate | None:
    price = reference_price(spec, answer.quote)
    if price is None:
        return None
    broker = answer.estimate
    return events.Estimate(
        notional=Money(amount=price * spec.quantity, currency=spec.currency),
        commission=broker.commission if broker else None,
        initial_margin=broker.initial_margin if broker else None,
        message=broker.message if broker else "",
    )
