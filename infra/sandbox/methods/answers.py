"""Orders and executions in Tiger's field names: what a client finds in `data`.

Quantities travel as an integer with a scale, prices and money as JSON floats, strikes as texts,
times in milliseconds; what an order does not have is left out.

Source: the replies in `tests/test_trade_client.py` of tigerfintech/openapi-python-sdk (commit
47854414) and the fields of `TradeOrder.java` in openapi-java-sdk (both read 2026-11-23).
"""

from collections.abc import Iterable
from datetime import timedelta, timezone
from decimal import Decimal

from infra.sandbox.broker.fees import Charges
from infra.sandbox.broker.records import AlgoTerms, Fill, Order, OrderLeg
from infra.sandbox.market.instruments import Instrument, find
from infra.sandbox.methods.figures import (
    Json,
    average,
    double,
    optional_double,
    present,
    scaled,
    strike_text,
)
from infra.sandbox.wire.envelope import to_ms

# Tiger's default zone, in which it reads dates and writes the texts of executions.
BROKER_ZONE = timezone(timedelta(hours=8))


def order_json(order: Order, *, fills: Iterable[Fill] = (), latest: Decimal | None = None) -> Json:
    """Return an order as the listings give it.

    Args:
        fills: its executions, of which an order of legs shows each leg's.
        latest: the contract's last price, which only the reply to a placement tells.
    """
    return present(
        _contract_json(order) | _terms_json(order) | _progress_json(order) | _extras(order, fills)
    ) | ({} if latest is None else {"latestPrice": double(latest)})


def fill_json(fill: Fill) -> Json:
    """Return an execution as `order_transactions` gives it."""
    instrument = find(fill.contract_key)
    quantity, scale = scaled(fill.quantity, 0)
    return present(
        {
            "id": fill.fill_id,
            "accountId": int(fill.account),
            "orderId": fill.global_id,
            "secType": fill.sec_type,
            "symbol": fill.symbol,
            "currency": fill.currency,
            # A currency pair is of no market; Tiger says the US one.
            "market": "US" if instrument is None else instrument.told_market,
            **option_terms(instrument),
            "action": fill.side,
            "filledQuantity": quantity,
            "filledQuantityScale": scale,
            "filledPrice": double(fill.price),
            "filledAmount": double(fill.amount),
            "transactedAt": fill.filled_at.astimezone(BROKER_ZONE).strftime("%Y-%m-%d %H:%M:%S"),
            "transactionTime": to_ms(fill.filled_at),
        }
    )


def charges_json(charges: Charges) -> list[Json]:
    """Return what an order has cost, by kind of fee.

    Source: tigeropen 3.8.0, `trade/domain/order.py`, `Charge` and `ChargeDetail`.
    """
    parts = (
        ("COMMISSION", "Commission", charges.commission),
        ("PLATFORM_FEE", "Platform Fee", charges.platform),
    )
    details = [
        {
            "type": kind,
            "typeDesc": text,
            "originalAmount": double(amount),
            "afterDiscountAmount": double(amount),
        }
        for kind, text, amount in parts
    ]
    return [
        {
            "category": "TIGER",
            "categoryDesc": "Tiger Charge",
            "total": double(charges.total),
            "details": details,
        }
    ]


def option_terms(instrument: Instrument | None) -> Json:
    """Return expiry, strike and right of a contract; all none of one that has none."""
    if instrument is None:
        return {"expiry": None, "strike": None, "right": None}
    return {
        "expiry": None if instrument.expiry is None else f"{instrument.expiry:%Y%m%d}",
        "strike": strike_text(instrument.strike),
        "right": instrument.right,
    }


def _contract_json(order: Order) -> Json:
    instrument = find(order.legs[0].key if order.legs else order.contract_key)
    terms = {} if order.legs else option_terms(instrument)
    key = order.symbol if order.legs else order.contract_key
    if instrument is None:
        # A currency pair, named by both: what is paid in is the second.
        market, currency, name = "US", order.symbol.partition(".")[2], order.symbol
    else:
        market, currency = instrument.told_market, instrument.currency
        name = _name(order, instrument)
    return {
        "symbol": order.symbol,
        "market": market,
        "secType": order.sec_type,
        "currency": currency,
        "identifier": key,
        "name": name,
        "multiplier": double(order.multiplier),
        **terms,
    }


def _name(order: Order, instrument: Instrument) -> str:
    if not order.legs:
        return instrument.name
    # Tiger's example: "AAPL VERTICAL 250815 PUT 227.5/PUT 232.5".
    found = [item for leg in order.legs if (item := find(leg.key)) is not None]
    expiry = next((f" {item.expiry:%y%m%d}" for item in found if item.expiry), "")
    sides = "/".join(f"{item.right} {item.strike:f}" for item in found if item.strike)
    return f"{order.symbol} {order.combo_type or 'CUSTOM'}{expiry} {sides}"


def _terms_json(order: Order) -> Json:
    quantity, scale = scaled(order.quantity, order.quantity_scale)
    return {
        "account": order.account,
        "action": order.side,
        "orderType": order.order_type,
        "limitPrice": optional_double(order.limit_price),
        "auxPrice": optional_double(order.aux_price),
        "trailingPercent": optional_double(order.trailing_percent),
        "trailStopPrice": optional_double(order.trail_stop_price),
        "totalQuantity": quantity,
        "totalQuantityScale": scale,
        "totalCashAmount": optional_double(order.cash_amount),
        "timeInForce": order.time_in_force,
        "expireTime": None if order.expire_at is None else to_ms(order.expire_at),
        "outsideRth": order.outside_rth,
        "tradingSessionType": order.session_type
        or ("PRE_RTH_POST" if order.outside_rth else "RTH"),
        "userMark": order.user_mark,
        "source": order.source,
    }


def _progress_json(order: Order) -> Json:
    scale_min = order.quantity_scale if order.filled_quantity else 0
    filled, scale = scaled(order.filled_quantity, scale_min)
    can_change = order.is_open and order.cancel_status == "NONE"
    return {
        "id": order.global_id,
        "externalId": order.external_id,
        "orderId": order.order_number,
        "parentId": order.parent_id or None,
        "status": order.status,
        "remark": order.remark or None,
        "replaceStatus": order.replace_status,
        "cancelStatus": order.cancel_status,
        "canModify": can_change,
        "canCancel": can_change,
        # Whether it opens a holding, not whether it still works.
        "isOpen": not order.is_closing,
        "filledQuantity": filled,
        "filledQuantityScale": scale,
        "filledCashAmount": double(order.filled_amount * order.multiplier),
        "refundCashAmount": None if order.cash_amount is None else double(order.refund_amount),
        "avgFillPrice": double(average(order.filled_amount, order.filled_quantity)),
        "commission": double(order.commission),
        "gst": 0.0,
        "realizedPnl": double(order.realized_pnl),
        "openTime": to_ms(order.opened_at),
        "updateTime": to_ms(order.updated_at),
        "latestTime": to_ms(order.status_changed_at),
    }


def _extras(order: Order, fills: Iterable[Fill]) -> Json:
    extras: Json = {
        "liquidation": False,
        "attrDesc": "",
        "attrList": [],
        "discount": 0,
        "orderDiscount": 0,
        "algoStrategy": order.order_type,
        "ocaGroupId": order.oca_group or None,
        "comboType": order.combo_type,
        "comboTypeDesc": None if order.combo_type is None else order.combo_type.capitalize(),
    }
    if order.algo is not None:
        extras["algoParameters"] = _algo_json(order.algo)
    if order.legs:
        done = tuple(fills)
        extras["legs"] = [_leg_json(order, leg, done) for leg in order.legs]
    if (slices := order.iceberg) is not None:
        # Tiger writes these five in the names of the request.
        extras |= {
            "display_size": double(slices.display_size),
            "min_display_size": optional_double(slices.min_display_size),
            "check_intervals": slices.check_interval_s,
            "price_type": slices.price_type,
            "start_time": None if slices.start_at is None else to_ms(slices.start_at),
            "end_time": None if slices.end_at is None else to_ms(slices.end_at),
        }
    return extras


def _algo_json(algo: AlgoTerms) -> list[Json]:
    values: Json = {
        "startTime": None if algo.start_at is None else to_ms(algo.start_at),
        "endTime": None if algo.end_at is None else to_ms(algo.end_at),
        "noTakeLiq": algo.is_passive,
        "allowPastEndTime": algo.may_run_over,
        "participationRate": optional_double(algo.participation_rate),
    }
    return [{"tag": tag, "value": value} for tag, value in present(values).items()]


def _leg_json(order: Order, leg: OrderLeg, fills: Iterable[Fill]) -> Json:
    instrument = find(leg.key)
    assert instrument is not None, "a leg was resolved when it was taken"
    done = [fill for fill in fills if fill.contract_key == leg.key]
    filled = sum((fill.quantity for fill in done), Decimal(0))
    paid = sum((fill.quantity * fill.price for fill in done), Decimal(0))
    return present(
        {
            "symbol": instrument.symbol,
            **option_terms(instrument),
            "action": leg.side,
            "secType": instrument.sec_type,
            "ratio": leg.ratio,
            "market": instrument.market,
            "currency": instrument.currency,
            "multiplier": int(instrument.multiplier),
            "totalQuantity": double(order.quantity * leg.ratio),
            "filledQuantity": double(filled),
            "avgFilledPrice": double(average(paid, filled)),
            "createdAt": to_ms(order.opened_at),
            "updatedAt": to_ms(order.updated_at),
        }
    )
