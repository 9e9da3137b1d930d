"""The book in Tiger's field names: what a client finds in `data`.

Quantities travel as an integer with a scale, prices and money as JSON floats, times in
milliseconds, and absent figures as null, because that is what Tiger sends.
"""

from decimal import ROUND_HALF_EVEN, Decimal

from infra.sandbox.broker.book import Account, OpenInterest, Position
from infra.sandbox.broker.margin import INITIAL_MARGIN, MAINTENANCE_MARGIN, Funds
from infra.sandbox.broker.records import Fill, Order
from infra.sandbox.market.instruments import CATALOGUE, TICK_BANDS, USD_PER_UNIT, Instrument
from infra.sandbox.market.prices import Quote
from infra.sandbox.wire.envelope import to_ms

AVERAGE_STEP = Decimal("0.0001")
Json = dict[str, object]


def order_json(order: Order) -> Json:
    """Return an order as the listings give it."""
    instrument = CATALOGUE[order.symbol]
    quantity, scale = _scaled(order.quantity, order.quantity_scale)
    filled, filled_scale = _scaled(order.filled_quantity, scale if order.filled_quantity else 0)
    return {
        "id": order.global_id,
        "orderId": order.order_number,
        "externalId": order.external_id,
        "parentId": 0,
        "account": order.account,
        "action": order.side,
        "orderType": order.order_type,
        "symbol": order.symbol,
        "secType": "STK",
        "market": instrument.market,
        "currency": instrument.currency,
        "identifier": order.symbol,
        "name": instrument.name,
        "multiplier": 1.0,
        "expiry": None,
        "strike": None,
        "right": None,
        "limitPrice": _double_or_null(order.limit_price),
        "auxPrice": None,
        "trailingPercent": None,
        "totalQuantity": quantity,
        "totalQuantityScale": scale,
        "filledQuantity": filled,
        "filledQuantityScale": filled_scale,
        "totalCashAmount": None,
        "filledCashAmount": _double(order.filled_amount),
        "refundCashAmount": None,
        "avgFillPrice": _double(_average(order.filled_amount, order.filled_quantity)),
        "timeInForce": order.time_in_force,
        "expireTime": None,
        "outsideRth": order.outside_rth,
        "tradingSessionType": None,
        "status": order.status,
        "remark": order.remark or None,
        "replaceStatus": order.replace_status,
        "cancelStatus": order.cancel_status,
        "openTime": to_ms(order.opened_at),
        "updateTime": to_ms(order.updated_at),
        "latestTime": to_ms(order.status_changed_at),
        "commission": _double(order.commission),
        "gst": 0.0,
        "realizedPnl": _double(order.realized_pnl),
        "userMark": order.user_mark,
        "source": order.source,
        "isOpen": order.is_open,
        "canModify": order.is_open,
        "canCancel": order.is_open and order.cancel_status == "NONE",
        "liquidation": False,
        "attrDesc": None,
        "attrList": [],
        "algoStrategy": order.order_type,
        "discount": 0,
        "comboType": None,
    }


def fill_json(fill: Fill) -> Json:
    """Return an execution as `order_transactions` gives it."""
    quantity, scale = _scaled(fill.quantity, 0)
    return {
        "id": fill.fill_id,
        "accountId": fill.account,
        "orderId": fill.global_id,
        "action": fill.side,
        "symbol": fill.symbol,
        "secType": "STK",
        "currency": fill.currency,
        "market": CATALOGUE[fill.symbol].market,
        "filledQuantity": quantity,
        "filledQuantityScale": scale,
        "filledPrice": _double(fill.price),
        "filledAmount": _double(fill.amount),
        "transactedAt": fill.filled_at.strftime("%Y-%m-%d %H:%M:%S"),
        "transactionTime": to_ms(fill.filled_at),
    }


def position_json(
    account: str, symbol: str, *, position: Position, interest: OpenInterest, last: Decimal
) -> Json:
    """Return a holding as `positions` gives it."""
    instrument = CATALOGUE[symbol]
    quantity, scale = _scaled(position.quantity, 0)
    average = _double(_average(position.cost, position.quantity))
    value = position.quantity * last
    unrealized = value - position.cost
    share = unrealized / abs(position.cost) if position.cost else Decimal(0)
    salable = max(Decimal(0), position.quantity - interest.sell_quantity)
    return {
        "account": account,
        "symbol": symbol,
        "secType": "STK",
        "market": instrument.market,
        "currency": instrument.currency,
        "contractId": instrument.contract_id,
        "identifier": symbol,
        "name": instrument.name,
        "multiplier": 1.0,
        "expiry": None,
        "strike": None,
        "right": None,
        "positionQty": _double(position.quantity),
        "salableQty": _double(salable),
        "position": quantity,
        "positionScale": scale,
        "averageCost": average,
        "averageCostByAverage": average,
        "latestPrice": _double(last),
        "marketValue": _double(value),
        "realizedPnl": _double(position.realized_pnl),
        "unrealizedPnl": _double(unrealized),
        "unrealizedPnlPercent": _double(share.quantize(AVERAGE_STEP, ROUND_HALF_EVEN)),
        "todayPnl": _double(unrealized),
        "lastClosePrice": _double(instrument.base_price),
        "mmValue": _double(abs(value) * MAINTENANCE_MARGIN),
    }


def assets_json(account: Account, funds: Funds, *, updated_at_ms: int) -> Json:
    """Return an account's one segment as `prime_assets` gives it (unit: US dollars)."""
    return {
        "accountId": account.account,
        "updateTimestamp": updated_at_ms,
        "segments": [
            {
                "category": "S",
                "currency": "USD",
                "capability": "RegTMargin",
                "cashBalance": _double(funds.cash),
                "cashAvailableForTrade": _double(max(Decimal(0), funds.available)),
                "buyingPower": _double(funds.buying_power),
                "netLiquidation": _double(funds.net_liquidation),
                "equityWithLoan": _double(funds.net_liquidation),
                "initMargin": _double(funds.initial_margin),
                "maintainMargin": _double(funds.maintenance_margin),
                "overnightMargin": _double(funds.maintenance_margin),
                "grossPositionValue": _double(funds.gross_position_value),
                "excessLiquidation": _double(funds.net_liquidation - funds.maintenance_margin),
                "overnightLiquidation": _double(funds.net_liquidation - funds.maintenance_margin),
                "leverage": _double(_average(funds.gross_position_value, funds.net_liquidation)),
                "realizedPL": _double(funds.realized_pnl),
                "unrealizedPL": _double(funds.unrealized_pnl),
                "lockedFunds": _double(funds.reserved),
                "uncollected": 0.0,
                "consolidatedSegTypes": ["SEC"],
                "currencyAssets": [
                    {
                        "currency": currency,
                        "cashBalance": _double(amount),
                        "cashAvailableForTrade": _double(max(Decimal(0), amount)),
                        "forexRate": _double(USD_PER_UNIT[currency]),
                    }
                    for currency, amount in sorted(account.cash.items())
                ],
            }
        ],
    }


def contract_json(instrument: Instrument) -> Json:
    """Return a stock as `contract` and `contracts` give it."""
    bands = TICK_BANDS[instrument.market]
    return {
        "contractId": instrument.contract_id,
        "symbol": instrument.symbol,
        "identifier": instrument.symbol,
        "localSymbol": instrument.symbol,
        "tradingClass": instrument.symbol,
        "name": instrument.name,
        "market": instrument.market,
        "currency": instrument.currency,
        "exchange": instrument.exchange,
        "primaryExchange": instrument.exchange,
        "secType": "STK",
        "multiplier": 1.0,
        "lotSize": float(instrument.lot_size),
        "tickSizes": [
            {
                "begin": str(band.begin),
                "end": "Infinity" if band.end is None else str(band.end),
                "type": "OPEN" if band.end is None else "CLOSED_OPEN",
                "tickSize": _double(band.tick),
            }
            for band in bands
        ],
        "tradeable": True,
        "closeOnly": False,
        "marginable": True,
        "shortable": True,
        "shortableCount": 1_000_000,
        "shortFeeRate": 0.0,
        "shortMargin": _double(INITIAL_MARGIN),
        "shortInitialMargin": _double(INITIAL_MARGIN),
        "shortMaintenanceMargin": _double(MAINTENANCE_MARGIN),
        "longInitialMargin": _double(INITIAL_MARGIN),
        "longMaintenanceMargin": _double(MAINTENANCE_MARGIN),
        "isEtf": instrument.exchange == "ARCA",
        "supportOvernightTrading": False,
        "supportFractionalShare": instrument.market == "US",
        "status": 1,
    }


def quote_json(quote: Quote, *, at_ms: int, quote_size: int) -> Json:
    """Return a stock's prices as `quote_real_time` gives them."""
    return {
        "symbol": quote.symbol,
        "open": _double(quote.open),
        "high": _double(quote.high),
        "low": _double(quote.low),
        "close": _double(quote.last),
        "preClose": _double(quote.previous_close),
        "latestPrice": _double(quote.last),
        "latestTime": at_ms,
        "askPrice": _double(quote.ask),
        "askSize": quote_size,
        "bidPrice": _double(quote.bid),
        "bidSize": quote_size,
        "volume": quote.volume,
        "status": "NORMAL",
    }


def delayed_quote_json(quote: Quote, *, at_ms: int) -> Json:
    """Return a stock's prices as `quote_delay` gives them."""
    return {
        "symbol": quote.symbol,
        "open": _double(quote.open),
        "high": _double(quote.high),
        "low": _double(quote.low),
        "close": _double(quote.last),
        "preClose": _double(quote.previous_close),
        "time": at_ms,
        "volume": quote.volume,
        "halted": 0.0,
    }


def _scaled(value: Decimal, scale_min: int) -> tuple[int, int]:
    exponent = value.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a quantity is finite"
    scale = max(scale_min, -exponent, 0)
    return int(value.scaleb(scale)), scale


def _average(amount: Decimal, quantity: Decimal) -> Decimal:
    # Rounded half to even at 4 decimals, as Tiger shows averages; 0 of nothing.
    if quantity == 0:
        return Decimal(0)
    return (amount / quantity).quantize(AVERAGE_STEP, ROUND_HALF_EVEN)


def _double(value: Decimal) -> float:
    return float(value)


def _double_or_null(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
