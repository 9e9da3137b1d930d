"""Tiger's methods about futures: exchanges, contracts, trading times, quotes, books.

Source of the shapes: Tiger's published example replies (tests of its Python SDK, read 2026-11) and
the response classes of tigeropen 3.8.0, `quote/response/future_*`.
"""

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from infra.sandbox.market.calendars import trading_days, zone_of
from infra.sandbox.market.depth import Level
from infra.sandbox.market.futures import (
    EXCHANGE_ZONES,
    FAMILIES,
    MAIN_SUFFIX,
    find_future,
    listed_futures,
    main_future,
    quoted_future,
)
from infra.sandbox.market.instruments import Instrument, SecType, rounded_to_tick
from infra.sandbox.market.noise import between, stream
from infra.sandbox.market.prices import Quote
from infra.sandbox.market.sessions import Span, spans_of
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.contract_answers import future_contract_json, main_contract_json
from infra.sandbox.methods.figures import Json, double
from infra.sandbox.methods.parameter_values import MS_MAX, invalid
from infra.sandbox.methods.quotes import day_of, session_of
from infra.sandbox.wire.envelope import business_error, to_ms

CODES_MAX = 50
HISTORY_DAYS_MAX = 3 * 366
FUTURE: SecType = "FUT"
# How far a price may go in a day, as a share of the last settlement. Source: CME Group, price
# limits of equity index futures, first level.
LIMIT_SHARE = Decimal("0.07")
OPEN_INTEREST_MAX = 2_000_000


class ExchangeParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `future_exchange` and `future_contract_by_exchange_code`."""

    sec_type: str = "FUT"
    exchange_code: str = ""


class FutureParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the methods about one contract or one family."""

    type: str = ""
    contract_code: str = ""
    trading_date: int | str | None = None


class CodesParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the methods about several contracts; times in milliseconds."""

    contract_codes: tuple[str, ...] = ()
    begin_time: int | None = None
    end_time: int | None = None


def future_exchange(call: Call) -> object:
    """List the exchanges."""
    if parameters(call, ExchangeParameters).sec_type != FUTURE:
        return []
    return [{"code": code, "name": code, "zoneId": zone} for code, zone in EXCHANGE_ZONES.items()]


def future_contract_by_exchange_code(call: Call) -> object:
    """List the contracts of an exchange."""
    asked = parameters(call, ExchangeParameters)
    if not asked.exchange_code:
        raise business_error("field 'exchange_code' cannot be empty")
    return [
        item
        for family in FAMILIES.values()
        if family.exchange == asked.exchange_code
        for item in _contracts(call, family.type)
    ]


def future_contracts(call: Call) -> object:
    """List the contracts of a family."""
    return _contracts(call, _family_type(call))


def future_current_contract(call: Call) -> object:
    """Return the contract of a family that is traded most."""
    family_type = _family_type(call)
    day = _today(call, family_type)
    return future_contract_json(main_future(family_type, day), day)


def future_continuous_contracts(call: Call) -> object:
    """Return the code that always means a family's main contract."""
    family_type = _family_type(call)
    return main_contract_json(family_type, _today(call, family_type))


def future_contract_by_contract_code(call: Call) -> object:
    """Return one contract, also by its main code; an empty object for an unknown one."""
    code = parameters(call, FutureParameters).contract_code
    if not code:
        raise business_error("field 'contract_code' cannot be empty")
    family_type = code.removesuffix(MAIN_SUFFIX)
    if code.endswith(MAIN_SUFFIX) and family_type in FAMILIES:
        return main_contract_json(family_type, _today(call, family_type))
    future = find_future(code)
    return {} if future is None else future_contract_json(future, _today(call, future.symbol))


def future_history_main_contract(call: Call) -> object:
    """List which contract was the main one on each trading day, newest first."""
    asked = parameters(call, CodesParameters)
    begin, end = _moment(asked.begin_time, "begin_time"), _moment(asked.end_time, "end_time")
    if end - begin > timedelta(days=HISTORY_DAYS_MAX):
        raise business_error(f"the date range cannot exceed {HISTORY_DAYS_MAX} days")
    return [
        {"contractCode": code, "mainReferItems": _main_history(family_type, begin, end, call.now)}
        for code in _checked(asked.contract_codes)
        if (family_type := code.removesuffix(MAIN_SUFFIX)) in FAMILIES and family_type != code
    ]


def future_trading_date(call: Call) -> object:
    """Return when a contract trades on a trading day; the default is the current one."""
    asked = parameters(call, FutureParameters)
    future = quoted_future(asked.contract_code, call.now.date())
    if future is None:
        raise business_error("field 'contract_code' is invalid")
    day = _trading_day(call, asked.trading_date, future)
    spans = spans_of(future.market, day, sec_type=FUTURE)
    return {
        "biddingTimes": [_span_json(span) for span in spans if span.kind == "auction"],
        "tradingTimes": [_span_json(span) for span in spans if span.kind in ("regular", "post")],
        "timeSection": zone_of(future.market).key,
    }


def future_real_time_quote(call: Call) -> object:
    """Return current quotes; unknown codes are left out."""
    codes = _checked(parameters(call, CodesParameters).contract_codes)
    return [
        _quote_json(call, code, future)
        for code in codes
        if (future := quoted_future(code, call.now.date())) is not None
    ]


def future_depth(call: Call) -> object:
    """Return order books; unknown codes are left out."""
    codes, prices = (
        _checked(parameters(call, CodesParameters).contract_codes),
        call.engine.prices,
    )
    return [
        {
            "contractId": hashlib.blake2b(future.key.encode(), digest_size=16).hexdigest(),
            "contractCode": code,
            "ask": [_level_json(level) for level in prices.levels(future.key, "SELL")],
            "bid": [_level_json(level) for level in prices.levels(future.key, "BUY")],
        }
        for code in codes
        if (future := quoted_future(code, call.now.date())) is not None
    ]


def _quote_json(call: Call, code: str, future: Instrument) -> Json:
    quote = call.engine.prices.quote(future.key)
    base = stream(0, f"future:{future.key}")
    place = call.engine.prices.step_count
    settlement = quote.previous_close
    return {
        "contractCode": code,
        "latestPrice": double(quote.last),
        "latestSize": between(base, 1, 20, place),
        "latestTime": to_ms(session_of(call, future.market, FUTURE).last_trade_at),
        "bidPrice": double(quote.bid),
        "askPrice": double(quote.ask),
        "bidSize": quote.bid_size,
        "askSize": quote.ask_size,
        "openInterest": between(base, 1000, OPEN_INTEREST_MAX),
        "openInterestChange": between(base, -20_000, 20_000, call.now.date().toordinal()),
        "volume": quote.volume,
        "open": double(quote.open),
        "high": double(quote.high),
        "low": double(quote.low),
        "settlement": double(settlement),
        "limitUp": double(rounded_to_tick(future, settlement * (1 + LIMIT_SHARE))),
        "limitDown": double(rounded_to_tick(future, settlement * (1 - LIMIT_SHARE))),
        "avgPrice": double(_average_price(quote)),
    }


def _average_price(quote: Quote) -> Decimal:
    return (quote.open + quote.high + quote.low + quote.last) / 4


def _main_history(family_type: str, begin: datetime, end: datetime, now: datetime) -> list[Json]:
    family = FAMILIES[family_type]
    zone = zone_of(family.market)
    first = begin.astimezone(zone).date()
    # A day counts when its trading is over.
    last = min(end, now).astimezone(zone).date()
    found: list[Json] = []
    for day in reversed(trading_days(family.market, first, last + timedelta(days=1))):
        ends_at = spans_of(family.market, day, sec_type=FUTURE)[-1].ends_at
        if begin <= ends_at <= min(end, now):
            main = main_future(family_type, day)
            found.append({"time": to_ms(ends_at), "referContractCode": main.key})
    return found


def _contracts(call: Call, family_type: str) -> list[Json]:
    day = _today(call, family_type)
    return [future_contract_json(item, day) for item in listed_futures(family_type, day)]


def _family_type(call: Call) -> str:
    family_type = parameters(call, FutureParameters).type
    if family_type not in FAMILIES:
        raise business_error("field 'type' is invalid")
    return family_type


def _checked(codes: tuple[str, ...]) -> tuple[str, ...]:
    if not 0 < len(codes) <= CODES_MAX:
        raise business_error(f"contract_codes cannot be empty and cannot exceed {CODES_MAX}")
    return codes


def _trading_day(call: Call, given: int | str | None, future: Instrument) -> date:
    day = day_of(given, future.market, "trading_date")
    return session_of(call, future.market, FUTURE).trading_day if day is None else day


def _moment(value_ms: int | None, field: str) -> datetime:
    if value_ms is None or not 0 < value_ms <= MS_MAX:
        raise invalid(field)
    return datetime.fromtimestamp(value_ms // 1000, UTC)


def _today(call: Call, family_type: str) -> date:
    return call.now.astimezone(zone_of(FAMILIES[family_type].market)).date()


def _span_json(span: Span) -> Json:
    return {"start": to_ms(span.begins_at), "end": to_ms(span.ends_at)}


def _level_json(level: Level) -> Json:
    return {"price": double(level.price), "volume": level.volume}
