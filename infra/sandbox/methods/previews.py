"""What an order would bind and cost, as `preview_order` tells it."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from infra.sandbox.broker.book import Account, Position
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.fees import fees_due
from infra.sandbox.broker.fund_book import paying_segment
from infra.sandbox.broker.margin import Margin, funds_of, margin_of
from infra.sandbox.broker.records import OrderRequest
from infra.sandbox.market.instruments import USD_PER_UNIT, Instrument, instrument_of
from infra.sandbox.market.prices import Prices
from infra.sandbox.methods.figures import Json, double

QUANTITY_STEP = Decimal("0.0001")


class _Part(NamedTuple):
    """One contract that would be traded: how many, below 0 if sold, and at which price."""

    instrument: Instrument
    quantity: Decimal
    price: Decimal


def preview_json(engine: Engine, account: Account, request: OrderRequest, now: datetime) -> Json:
    """Return the verdict on an order and the account's figures before and after it."""
    reason = engine.check(request, now)
    parts = _parts(engine, request)
    currency, segment = parts[0].instrument.currency, paying_segment(parts[0].instrument.sec_type)
    funds = funds_of(account, engine.prices, segment)
    moved = [_margin_moved(account, part, engine.prices) for part in parts]
    fees = sum((_fees(part) for part in parts), Decimal(0))
    excess = double(funds.net_liquidation - funds.maintenance_margin)
    return {
        "account": account.account,
        "isPass": reason is None,
        "message": reason or "",
        "initMarginBefore": double(funds.initial_margin),
        "initMargin": double(funds.initial_margin + sum(each.initial for each in moved)),
        "maintMarginBefore": double(funds.maintenance_margin),
        "maintMargin": double(funds.maintenance_margin + sum(each.maintenance for each in moved)),
        "equityWithLoanBefore": double(funds.net_liquidation),
        "equityWithLoan": double(funds.net_liquidation),
        "marginCurrency": "USD",
        "commission": double(fees),
        "commissionCurrency": currency,
        "gst": 0.0,
        "availableEE": double(max(Decimal(0), funds.available)),
        "excessLiquidity": excess,
        "overnightLiquidation": excess,
    }


def _fees(part: _Part) -> Decimal:
    instrument, quantity = part.instrument, abs(part.quantity)
    return fees_due(
        instrument.market,
        quantity=quantity,
        amount=quantity * part.price * instrument.multiplier,
        sec_type=instrument.sec_type,
    )


# What is held is worth its last price; what the trade opens, what is paid for it.
def _margin_moved(account: Account, part: _Part, prices: Prices) -> Margin:
    instrument = part.instrument
    held = account.positions.get(instrument.key, Position()).quantity
    after = held + part.quantity
    # What is held of it then on the side that it had; the rest is opened on the other.
    kept = min(abs(held), abs(after)) if held * after > 0 else Decimal(0)
    kept = kept.copy_sign(after)
    last = prices.last(instrument.key)
    before = _margin(instrument, held, held * last, prices)
    then = _margin(instrument, after, kept * last + (after - kept) * part.price, prices)
    return Margin(
        initial=then.initial - before.initial, maintenance=then.maintenance - before.maintenance
    )


def _margin(instrument: Instrument, quantity: Decimal, worth: Decimal, prices: Prices) -> Margin:
    usd = worth * instrument.multiplier * USD_PER_UNIT[instrument.currency]
    return margin_of(instrument, quantity, usd, prices)


def _parts(engine: Engine, request: OrderRequest) -> list[_Part]:
    sign = 1 if request.side == "BUY" else -1
    if request.legs:
        return [
            _Part(
                instrument_of(leg.key),
                request.quantity * leg.ratio * (sign if leg.side == "BUY" else -sign),
                engine.prices.last(leg.key),
            )
            for leg in request.legs
        ]
    instrument = instrument_of(request.contract_key)
    quote = engine.prices.quote(instrument.key)
    # Of a trailing order that is how far it trails, no price.
    trigger = None if request.order_type == "TRAIL" else request.aux_price
    price = request.limit_price or trigger or (quote.ask if sign > 0 else quote.bid)
    quantity = request.quantity
    if request.cash_amount is not None:
        quantity = (request.cash_amount / price).quantize(QUANTITY_STEP, ROUND_HALF_EVEN)
    return [_Part(instrument, sign * quantity, price)]
