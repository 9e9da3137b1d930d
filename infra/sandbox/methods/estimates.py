"""How much of a contract an account could trade, as `estimate_tradable_quantity` tells it.

Source: Tiger's page "accounts-java" (docs.itigerup.com), fields and example (read 2026-11-23).
"""

from decimal import ROUND_DOWN, Decimal

from infra.sandbox.broker.book import Account, Position
from infra.sandbox.broker.interest import OpenInterest
from infra.sandbox.broker.margin import funds_of, margin_of
from infra.sandbox.broker.records import Segment, Side
from infra.sandbox.market.instruments import USD_PER_UNIT, Instrument
from infra.sandbox.methods.account_answers import Holding
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.methods.figures import double
from infra.sandbox.methods.parameter_values import (
    UNTRADED,
    NamedContract,
    finite,
    invalid,
    named_contract,
    side_of,
    word,
)
from infra.sandbox.wire.envelope import account_error, business_error


class EstimateParameters(NamedContract, frozen=True, kw_only=True):
    """Parameters of `estimate_tradable_quantity`."""

    account: str = ""
    seg_type: str | None = None
    action: str = ""
    order_type: str = ""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


def estimate_tradable_quantity(call: Call) -> object:
    """Say how much of a contract could be bought or sold, with cash and with margin."""
    asked = parameters(call, EstimateParameters)
    account = account_of(call, asked.account)
    if not asked.symbol:
        raise business_error("field 'symbol' cannot be empty")
    if not asked.order_type:
        raise business_error("field 'order_type' cannot be empty")
    side = side_of(asked.action)
    segment: Segment | None = word(asked.seg_type, Segment, "seg_type")
    instrument = named_contract(asked)
    if instrument is None or instrument.sec_type == "FUT" or segment == "FUT":
        raise account_error(account.kind, f"bad_request:{UNTRADED}")
    held = _holding(call, account, instrument)
    price = _price(asked, held, side)
    with_cash, with_margin = (
        _buyable(call, account, instrument, price)
        if side == "BUY"
        else (max(Decimal(0), held.salable), _short_salable(call, account, held, price))
    )
    return {
        "tradableQuantity": double(with_cash),
        "financingQuantity": double(with_margin),
        "positionQuantity": double(held.position.quantity),
        "tradablePositionQuantity": double(held.salable),
    }


def _holding(call: Call, account: Account, instrument: Instrument) -> Holding:
    return Holding(
        account=account.account,
        instrument=instrument,
        position=account.positions.get(instrument.key, Position()),
        interest=account.open_interest.get(instrument.key, OpenInterest()),
        quote=call.engine.prices.quote(instrument.key),
    )


def _price(asked: EstimateParameters, held: Holding, side: Side) -> Decimal:
    limit, stop = finite(asked.limit_price, "limit_price"), finite(asked.stop_price, "stop_price")
    if asked.order_type in ("LMT", "STP_LMT") and limit is None:
        raise business_error("field 'limit_price' cannot be empty")
    if asked.order_type in ("STP", "STP_LMT") and stop is None:
        raise business_error("field 'stop_price' cannot be empty")
    price = limit or stop or (held.quote.ask if side == "BUY" else held.quote.bid)
    if price <= 0:
        raise invalid("limit_price")
    return price


def _buyable(
    call: Call, account: Account, instrument: Instrument, price: Decimal
) -> tuple[Decimal, Decimal]:
    """Return how much the cash of the contract's currency buys, and how much all margin does."""
    free = max(Decimal(0), funds_of(account, call.engine.prices).available)
    worth = price * instrument.multiplier
    rate = USD_PER_UNIT[instrument.currency]
    cash = max(Decimal(0), account.cash.get(instrument.currency, Decimal(0)))
    bound = margin_of(instrument, Decimal(1), worth * rate, call.engine.prices)
    return (
        _whole_lots(instrument, min(cash, free / rate) / worth),
        _whole_lots(instrument, free / bound.initial),
    )


def _short_salable(call: Call, account: Account, held: Holding, price: Decimal) -> Decimal:
    # A short is opened from nothing or from a short, never through a long holding.
    instrument = held.instrument
    if held.position.quantity > 0 or not instrument.is_shortable:
        return max(Decimal(0), held.salable)
    free = max(Decimal(0), funds_of(account, call.engine.prices).available)
    worth = price * instrument.multiplier * USD_PER_UNIT[instrument.currency]
    bound = margin_of(instrument, Decimal(-1), -worth, call.engine.prices)
    return _whole_lots(instrument, free / bound.initial)


def _whole_lots(instrument: Instrument, quantity: Decimal) -> Decimal:
    lots = (quantity / instrument.lot_size).to_integral_value(ROUND_DOWN)
    return lots * instrument.lot_size
