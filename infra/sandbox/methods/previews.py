"""What an order would bind and cost, as `preview_order` tells it."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.fees import fees_due
from infra.sandbox.broker.fund_book import paying_segment
from infra.sandbox.broker.margin import funds_of, margin_of
from infra.sandbox.broker.records import OrderRequest
from infra.sandbox.market.instruments import USD_PER_UNIT, Instrument, instrument_of
from infra.sandbox.methods.figures import Json, double

QUANTITY_STEP = Decimal("0.0001")


def preview_json(engine: Engine, account: Account, request: OrderRequest, now: datetime) -> Json:
    """Return the verdict on an order and the account's figures before and after it."""
    reason = engine.check(request, now)
    parts = _parts(engine, request)
    funds = funds_of(account, engine.prices, paying_segment(parts[0][0].sec_type))
    initial = maintenance = fees = Decimal(0)
    for instrument, quantity, price in parts:
        amount = abs(quantity) * price * instrument.multiplier
        usd = amount.copy_sign(quantity) * USD_PER_UNIT[instrument.currency]
        bound = margin_of(instrument, quantity, usd, engine.prices)
        initial, maintenance = initial + bound.initial, maintenance + bound.maintenance
        fees += fees_due(
            instrument.market,
            quantity=abs(quantity),
            amount=amount,
            sec_type=instrument.sec_type,
        )
    excess = double(funds.net_liquidation - funds.maintenance_margin)
    return {
        "account": account.account,
        "isPass": reason is None,
        "message": reason or "",
        "initMarginBefore": double(funds.initial_margin),
        "initMargin": double(funds.initial_margin + initial),
        "maintMarginBefore": double(funds.maintenance_margin),
        "maintMargin": double(funds.maintenance_margin + maintenance),
        "equityWithLoanBefore": double(funds.net_liquidation),
        "equityWithLoan": double(funds.net_liquidation),
        "marginCurrency": "USD",
        "commission": double(fees),
        "commissionCurrency": parts[0][0].currency,
        "gst": 0.0,
        "availableEE": double(max(Decimal(0), funds.available)),
        "excessLiquidity": excess,
        "overnightLiquidation": excess,
    }


def _parts(engine: Engine, request: OrderRequest) -> list[tuple[Instrument, Decimal, Decimal]]:
    """Return each contract that would be traded, its signed quantity and its price."""
    sign = 1 if request.side == "BUY" else -1
    if request.legs:
        return [
            (
                instrument_of(leg.key),
                request.quantity * leg.ratio * (sign if leg.side == "BUY" else -sign),
                engine.prices.last(leg.key),
            )
            for leg in request.legs
        ]
    instrument = instrument_of(request.contract_key)
    quote = engine.prices.quote(instrument.key)
    price = request.limit_price or request.aux_price or (quote.ask if sign > 0 else quote.bid)
    quantity = request.quantity
    if request.cash_amount is not None:
        quantity = (request.cash_amount / price).quantize(QUANTITY_STEP, ROUND_HALF_EVEN)
    return [(instrument, sign * quantity, price)]
