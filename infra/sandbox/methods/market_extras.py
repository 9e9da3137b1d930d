"""Tiger's methods about flows of money, brokers, rankings and what a login has bought.

Source: Tiger's documentation of the quote methods (read 2026-11); tigeropen 3.8.0,
`quote/response/*.py`.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from infra.sandbox.market.bars import PERIODS_LONG, Bar, BarQuery, bars_of, recent_days
from infra.sandbox.market.calendars import trading_day_on_or_before, zone_of
from infra.sandbox.market.fundamentals import over
from infra.sandbox.market.history import REGULAR, Series
from infra.sandbox.market.instruments import CATALOGUE, Instrument, Venue
from infra.sandbox.market.money_flows import (
    PARTICIPANTS,
    Participant,
    desks_at,
    distribution_of,
    net_inflow,
    shares_held,
)
from infra.sandbox.market.quotas import LIMITS, quotas_of
from infra.sandbox.market.sessions import session_at
from infra.sandbox.market.stretches import day_at, midnight_ms
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.figures import Json, double
from infra.sandbox.methods.history import series_for
from infra.sandbox.methods.history_parameters import (
    BARS_MAX,
    Time,
    before_of,
    limit_of,
    time_ms_of,
)
from infra.sandbox.methods.parameter_values import invalid, word
from infra.sandbox.wire.envelope import business_error

FLOWS_DEFAULT = 200
DESKS_DEFAULT, DESKS_MAX = 40, 60
HOLDERS_DEFAULT, HOLDERS_MAX = 50, 500
HOLDING_DAYS = {"buyAmount": 1, "buyAmount5": 5, "buyAmount20": 20, "buyAmount60": 60}
HOLDING_ORDERS = ("marketValue", "sharesHold", *HOLDING_DAYS)
RANKED_MAX = {"US": 30, "HK": 10, "SG": 10}
RATE_STEP = Decimal("0.000001")
FlowPeriod = Literal["intraday", "day", "week", "month", "year", "quarter", "6month"]


class FlowParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `capital_flow` and `capital_distribution`."""

    symbol: str = ""
    market: str = ""
    period: str = "day"
    begin_time: Time | None = None
    end_time: Time | None = None
    limit: int | None = None


class BrokerParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `stock_broker`."""

    symbol: str = ""
    limit: int | None = None


class HoldParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `broker_hold`."""

    market: str = "HK"
    order_by: str = "marketValue"
    direction: str = "SortDir_Descend"
    limit: int | None = None
    page: int = 0


class RankParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `trade_rank`."""

    market: str = ""


def capital_flow(call: Call) -> object:
    """Return what flowed into a stock less what flowed out, by period; today's by the minute."""
    asked = parameters(call, FlowParameters)
    stock = _stock(asked)
    period: FlowPeriod | None = word(asked.period, FlowPeriod, "period")
    if stock is None or period is None:
        return {"symbol": asked.symbol, "period": asked.period, "items": []}
    series = series_for(call, stock)
    if period == "intraday":
        return {"symbol": stock.key, "items": _flow_today(series)}
    begin_ms = time_ms_of(asked.begin_time, stock.market, "begin_time")
    end_ms = time_ms_of(asked.end_time, stock.market, "end_time")
    query = BarQuery(
        period=period,
        begin_ms=begin_ms or 0,
        before_ms=before_of(end_ms, None, series.now_ms),
        limit=limit_of(asked.limit, default=FLOWS_DEFAULT, most=BARS_MAX),
    )
    bars, _ = bars_of(series, query, last=None)
    return {
        "symbol": stock.key,
        "period": period,
        "items": [_flow_json(series, bar, period) for bar in bars],
    }


def capital_distribution(call: Call) -> object:
    """Return today's money by the size of orders."""
    asked = parameters(call, FlowParameters)
    stock = _stock(asked)
    if stock is None:
        return {}
    series = series_for(call, stock)
    bars = recent_days(series, 1)
    if not bars:
        return {}
    found = distribution_of(series, bars[-1])
    return {
        "symbol": stock.key,
        "netInflow": double(found.in_all - found.out_all),
        "inAll": double(found.in_all),
        "inBig": double(found.in_big),
        "inMid": double(found.in_mid),
        "inSmall": double(found.in_small),
        "outAll": double(found.out_all),
        "outBig": double(found.out_big),
        "outMid": double(found.out_mid),
        "outSmall": double(found.out_small),
    }


def stock_broker(call: Call) -> object:
    """Return whose orders stand in the book of a Hong Kong stock."""
    asked = parameters(call, BrokerParameters)
    if not asked.symbol:
        raise business_error("field 'symbol' cannot be empty")
    stock = CATALOGUE.get(asked.symbol)
    if stock is None or stock.market != "HK":
        return {}
    most = limit_of(asked.limit, default=DESKS_DEFAULT, most=DESKS_MAX)
    return {
        "symbol": stock.key,
        "bidBroker": _desks_json(call, stock, "BUY", most),
        "askBroker": _desks_json(call, stock, "SELL", most),
    }


def broker_hold(call: Call) -> object:
    """Return what the brokers of Hong Kong hold, by page."""
    asked = parameters(call, HoldParameters)
    if asked.market != "HK":
        raise business_error(
            f"'market' {asked.market} not supported, all supported market include:[HK]"
        )
    if asked.order_by not in HOLDING_ORDERS:
        raise invalid("order_by")
    if asked.page < 0:
        raise invalid("page")
    size = limit_of(asked.limit, default=HOLDERS_DEFAULT, most=HOLDERS_MAX)
    today = call.now.astimezone(zone_of("HK")).date()
    day = trading_day_on_or_before("HK", today)
    rows = [_holding_json(call, item, day) for item in PARTICIPANTS]
    is_up = asked.direction in ("SortDir_Ascend", "ASC")
    rows.sort(key=lambda row: float(str(row[asked.order_by])), reverse=not is_up)
    return {
        "page": asked.page,
        "totalPage": -(-len(rows) // size),
        "totalCount": len(rows),
        "items": rows[asked.page * size : (asked.page + 1) * size],
    }


def trade_rank(call: Call) -> object:
    """Return the stocks of a market that are traded most."""
    asked = parameters(call, RankParameters)
    market: Venue | None = word(asked.market, Venue, "market")
    if market is None or market not in RANKED_MAX:
        raise invalid("market")
    found: list[tuple[Decimal, Json]] = []
    for stock in CATALOGUE.values():
        if stock.market == market and stock.sec_type == "STK":
            series = series_for(call, stock)
            bars = recent_days(series, 1)
            amount = bars[-1].amount if bars else Decimal(0)
            found.append((amount, _rank_json(call, series, bars)))
    found.sort(key=lambda row: row[0], reverse=True)
    return [row for _, row in found[: RANKED_MAX[market]]]


def addon_entitlements(call: Call) -> object:
    """Return which packages a login has, and what is left of them."""
    quotas, tiger_id = quotas_of(call.engine), call.login.tiger_id
    left = {
        method: max(0, most - len(quotas.used(tiger_id, method, call.now)))
        for method, most in LIMITS.items()
    }
    return {
        "userLevel": "NORMAL",
        "activePlan": {"planType": "Basic", "expireTime": -1},
        "addons": [],
        "effectiveEntitlement": {
            "historyStockLimit": LIMITS["kline"],
            "historyStockRemaining": left["kline"],
            "historyFutureLimit": LIMITS["future_kline"],
            "historyFutureRemaining": left["future_kline"],
            "historyOptionLimit": LIMITS["option_kline"],
            "historyOptionRemaining": left["option_kline"],
            "highFreqLimit": 120,
            "midFreqLimit": 60,
            "lowFreqLimit": 10,
            "rateMultiple": 1,
        },
    }


def _stock(asked: FlowParameters) -> Instrument | None:
    if not asked.symbol or not asked.market:
        name = "market" if asked.symbol else "symbol"
        raise business_error(f"field '{name}' cannot be empty")
    market: Venue = word(asked.market, Venue, "market")
    stock = CATALOGUE.get(asked.symbol)
    if stock is None or stock.market != market or stock.sec_type != "STK":
        return None
    return stock


def _flow_json(series: Series, bar: Bar, period: str) -> Json:
    day = day_at(series.instrument.market, bar.time_ms)
    return {
        "time": day.isoformat(),
        "timestamp": bar.time_ms,
        "netInflow": double(_flow_over(series, bar, period)),
    }


def _flow_over(series: Series, bar: Bar, period: str) -> Decimal:
    key = PERIODS_LONG.get(period)
    if key is None:
        return net_inflow(series, bar)
    first = day_at(series.instrument.market, bar.time_ms)
    last = first
    while key(last + timedelta(days=1)) == key(first):
        last += timedelta(days=1)
    days = BarQuery(
        period="day",
        begin_ms=bar.time_ms,
        before_ms=midnight_ms(series.instrument.market, last + timedelta(days=1)),
        limit=BARS_MAX,
    )
    bars, _ = bars_of(series, days, last=None)
    return sum((net_inflow(series, one) for one in bars), Decimal(0))


def _flow_today(series: Series) -> list[Json]:
    bars = recent_days(series, 1)
    if not bars:
        return []
    market = series.instrument.market
    day = day_at(market, bars[-1].time_ms)
    found: list[Json] = []
    turned, whole = 0, net_inflow(series, bars[-1])
    minutes = [raw for _, raws in series.minutes(day, REGULAR) for raw in raws]
    total = sum(raw[6] for raw in minutes)
    for raw in minutes:
        turned += raw[6]
        moment = datetime.fromtimestamp(raw[0] // 1000, UTC).astimezone(zone_of(market))
        flow = whole * turned / total if total else Decimal(0)
        found.append(
            {
                "time": f"{moment:%m-%d %H:%M:%S} {moment.tzname()}",
                "timestamp": raw[0],
                "netInflow": double(round(flow, 4)),
            }
        )
    return found


def _desks_json(
    call: Call, stock: Instrument, side: Literal["BUY", "SELL"], most: int
) -> list[Json]:
    prices = call.engine.prices
    found: list[Json] = []
    for level, entry in enumerate(prices.levels(stock.key, side), start=1):
        if most <= 0:
            break
        desks = desks_at(prices.seed, stock.key, side, level, prices.step_count)[:most]
        most -= len(desks)
        found.append(
            {
                "level": level,
                "price": double(entry.price),
                "brokerCount": len(desks),
                "broker": [{"id": desk.broker_id, "name": desk.name} for desk in desks],
            }
        )
    return found


def _holding_json(call: Call, item: Participant, day: date) -> Json:
    seed = call.engine.prices.seed
    held = shares_held(item, seed, day)
    # Counted at the average price of what is listed in Hong Kong.
    stocks: Sequence[Instrument] = [
        one for one in CATALOGUE.values() if one.market == "HK" and one.sec_type == "STK"
    ]
    average = sum((one.base_price for one in stocks), Decimal(0)) / len(stocks)
    bought = {
        name: held - shares_held(item, seed, day - timedelta(days=days * 7 // 5))
        for name, days in HOLDING_DAYS.items()
    }
    return {
        "orgId": item.org_id,
        "orgName": item.name,
        "date": day.isoformat(),
        "sharesHold": held,
        "marketValue": double(held * average),
        **bought,
        "market": "HK",
    }


def _rank_json(call: Call, series: Series, bars: Sequence[Bar]) -> Json:
    stock = series.instrument
    quote = call.engine.prices.quote(stock.key)
    change = over(quote.last - quote.previous_close, quote.previous_close)
    answer: Json = {
        "symbol": stock.key,
        "market": stock.market,
        "name": stock.name,
        "secType": stock.sec_type,
        "changeRate": double(change),
    }
    bought = Decimal(1) / 2
    if bars and (turned := bars[-1].amount):
        bought = round((1 + net_inflow(series, bars[-1]) / turned) / 2, 6)
    answer["buyOrderRate"], answer["sellOrderRate"] = double(bought), double(1 - bought)
    kind = session_at(stock.market, call.now).kind
    if stock.market == "US":
        answer["hourTrading"] = {
            "tradingStatus": 1 if kind in HOUR_SESSIONS else 0,
            "tradeSession": HOUR_SESSIONS.get(kind, "Regular"),
            "changeRate": double(change.quantize(RATE_STEP)),
        }
    return answer


HOUR_SESSIONS = {"pre": "PreMarket", "post": "AfterHours", "overnight": "OverNight"}
