"""Contracts in Tiger's field names, whatever their kind.

Source: Tiger's published example replies of `contract` and of the futures' contract methods (tests
of its Python SDK, read 2026-11), and tigeropen 3.8.0, `trade/domain/contract.py`.
"""

from datetime import date

from infra.sandbox.broker.margin import INITIAL_MARGIN, MAINTENANCE_MARGIN
from infra.sandbox.market.futures import (
    MAIN_SUFFIX,
    contract_month,
    family_of,
    first_notice_day,
    main_future,
)
from infra.sandbox.market.instruments import Instrument, is_tradable, tick_bands
from infra.sandbox.methods.figures import Json, double, optional_double, strike_text

SHORTABLE_COUNT = 1_000_000
# What the list of several contracts leaves out. Source: Tiger's documentation of `contracts`.
SINGLE_ONLY = frozenset(
    {
        "shortableCount",
        "shortMargin",
        "shortInitialMargin",
        "shortMaintenanceMargin",
        "longInitialMargin",
        "longMaintenanceMargin",
    }
)


def contract_json(instrument: Instrument, day: date) -> Json:
    """Return a contract as `contract` gives it to a reader of a day."""
    found = _common_json(instrument, day) | _margins_json(instrument)
    match instrument.sec_type:
        case "FUT":
            return found | _future_terms(instrument, day)
        case "OPT" | "WAR" | "IOPT":
            return found | _option_terms(instrument)
        case _:
            return found | {
                "supportOvernightTrading": instrument.told_market == "US",
                "supportFractionalShare": instrument.market == "US",
            }


def listed_contract_json(instrument: Instrument, day: date) -> Json:
    """Return a contract as `contracts` gives it: without margins."""
    return {
        name: value
        for name, value in contract_json(instrument, day).items()
        if name not in SINGLE_ONLY
    }


def derivative_json(instrument: Instrument) -> Json:
    """Return an option, a warrant or a bull/bear contract as `quote_contract` gives it."""
    return {
        "symbol": instrument.symbol,
        "identifier": instrument.key,
        "name": instrument.name,
        "exchange": instrument.exchange,
        "market": instrument.market,
        "secType": instrument.sec_type,
        "currency": instrument.currency,
        "multiplier": double(instrument.multiplier),
        "expiry": _compact(instrument.expiry),
        "strike": strike_text(instrument.strike),
        "right": instrument.right,
    }


def future_contract_json(future: Instrument, day: date) -> Json:
    """Return a future as the futures' contract methods give it; the main one is `continuous`."""
    is_main = main_future(future.symbol, day).key == future.key
    return _future_json(future) | {
        "continuous": is_main,
        "trade": is_tradable(future, day),
        "contractCode": future.key,
        "name": future.name,
        "contractMonth": contract_month(future),
        "lastTradingDate": _compact(future.expiry),
        "firstNoticeDate": _compact(first_notice_day(future)),
    }


def main_contract_json(family_type: str, day: date) -> Json:
    """Return the code that always means a family's main contract ("ESmain")."""
    future = main_future(family_type, day)
    return _future_json(future) | {
        "continuous": False,
        "trade": True,
        "contractCode": f"{family_type}{MAIN_SUFFIX}",
        "name": f"{family_of(future).name} - {MAIN_SUFFIX}",
        "contractMonth": "",
        "lastTradingDate": "",
        "firstNoticeDate": "",
    }


def _common_json(instrument: Instrument, day: date) -> Json:
    return {
        "contractId": instrument.contract_id,
        "identifier": instrument.key,
        "symbol": instrument.symbol,
        "secType": instrument.sec_type,
        "multiplier": double(instrument.multiplier),
        "lotSize": float(instrument.lot_size),
        "market": instrument.told_market,
        "exchange": instrument.exchange,
        "primaryExchange": instrument.exchange,
        "currency": instrument.currency,
        "localSymbol": instrument.key,
        "tradingClass": instrument.symbol,
        "name": instrument.name,
        "status": 1,
        "tradeable": is_tradable(instrument, day),
        "closeOnly": False,
        "tickSizes": _ticks_json(instrument),
        "isEtf": instrument.is_etf,
    }


def _ticks_json(instrument: Instrument) -> list[Json]:
    bands = tick_bands(instrument)
    return [
        {
            "begin": str(band.begin),
            "end": "Infinity" if band.end is None else str(band.end),
            # Tiger counts a border to the band below; a border is on the tick of both.
            "type": _interval(is_first=band is bands[0], is_last=band.end is None),
            "tickSize": double(band.tick),
        }
        for band in bands
    ]


def _interval(*, is_first: bool, is_last: bool) -> str:
    if is_last:
        return "OPEN"
    return "CLOSED" if is_first else "OPEN_CLOSED"


def _margins_json(instrument: Instrument) -> Json:
    if instrument.sec_type == "FUT":
        margin = double(family_of(instrument).margin)
        return {
            "marginable": True,
            "shortable": True,
            "longInitialMargin": margin,
            "longMaintenanceMargin": margin,
            "shortInitialMargin": margin,
            "shortMaintenanceMargin": margin,
        }
    if instrument.sec_type != "STK":
        return {"marginable": False, "shortable": instrument.sec_type == "OPT"}
    return {
        "marginable": True,
        "shortable": instrument.is_shortable,
        "shortableCount": SHORTABLE_COUNT if instrument.is_shortable else 0,
        "shortFeeRate": 0.0,
        "shortMargin": double(INITIAL_MARGIN),
        "shortInitialMargin": double(INITIAL_MARGIN),
        "shortMaintenanceMargin": double(MAINTENANCE_MARGIN),
        "longInitialMargin": double(INITIAL_MARGIN),
        "longMaintenanceMargin": double(MAINTENANCE_MARGIN),
    }


def _option_terms(instrument: Instrument) -> Json:
    return {
        "expiry": _compact(instrument.expiry),
        "strike": optional_double(instrument.strike),
        "right": instrument.right,
    }


def _future_terms(future: Instrument, day: date) -> Json:
    return {
        "expiry": _compact(future.expiry),
        "contractMonth": contract_month(future),
        "lastTradingDate": _compact(future.expiry),
        "firstNoticeDate": _compact(first_notice_day(future)),
        "lastBiddingCloseTime": 0,
        "continuous": main_future(future.symbol, day).key == future.key,
        "type": future.symbol,
        "ibCode": future.symbol,
        "minTick": optional_double(future.tick),
    }


def _future_json(future: Instrument) -> Json:
    family = family_of(future)
    return {
        "type": family.type,
        "ibCode": family.type,
        "lastBiddingCloseTime": 0,
        "currency": family.currency,
        "exchangeCode": family.exchange_code,
        "exchange": family.exchange,
        "multiplier": double(family.multiplier),
        "minTick": double(family.tick),
        "displayMultiplier": 1,
        "productWorth": family.product_worth,
        "deliveryMode": family.delivery_mode,
        "productType": family.product_type,
    }


def _compact(day: date | None) -> str:
    return "" if day is None else f"{day:%Y%m%d}"
