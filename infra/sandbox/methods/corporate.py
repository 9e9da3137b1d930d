"""Tiger's method about what companies did: splits, dividends, report dates, listings, renamings.

Source: tigeropen 3.8.0, `fundamental/response/corporate_*_response.py`; the shapes of Tiger's
examples in its SDK's tests. Every answer maps a symbol to its events; what nobody had any of is
an empty map.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta

import msgspec

from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.corporate import (
    DELISTINGS,
    LISTINGS,
    RENAMINGS,
    Delisting,
    Dividend,
    Listing,
    Renaming,
    Split,
    dividends_of,
    splits_of,
)
from infra.sandbox.market.fundamentals import Earnings, companies_in, earnings_between
from infra.sandbox.market.instruments import CATALOGUE, Instrument, Venue
from infra.sandbox.market.stretches import day_at
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.figures import Json, double, optional_double
from infra.sandbox.methods.history_parameters import Time, symbols_of, time_ms_of
from infra.sandbox.methods.parameter_values import invalid, word
from infra.sandbox.wire.envelope import business_error

SYMBOLS_MAX = 50
# An earnings calendar spans a month at most. Source: the official Rust client's own test
# (`openapi-sdks`, read 2026-11).
CALENDAR_MAX = timedelta(days=31)


class ActionParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `corporate_action`; both dates are included."""

    symbols: tuple[str, ...] = ()
    market: str = ""
    action_type: str = ""
    begin_date: Time | None = None
    end_date: Time | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was read."""

    call: Call
    symbols: tuple[str, ...]
    market: Venue
    begin: date
    end: date

    def includes(self, day: date) -> bool:
        """Say whether a day is in the window."""
        return self.begin <= day <= self.end


def corporate_action(call: Call) -> object:
    """Return companies' events of one kind, by symbol."""
    asked = parameters(call, ActionParameters)
    found = KINDS.get(asked.action_type)
    if found is None:
        raise invalid("action_type")
    return found(_read(call, asked))


def _read(call: Call, asked: ActionParameters) -> Asked:
    market: Venue | None = word(asked.market, Venue, "market")
    if market is None:
        raise business_error("field 'market' cannot be empty")
    # Only the calendar of earnings is one of a whole market.
    is_calendar = asked.action_type == "earning"
    symbols = asked.symbols if is_calendar else symbols_of(asked.symbols, SYMBOLS_MAX)
    begin, end = (
        day_of(asked.begin_date, market, "begin_date"),
        day_of(asked.end_date, market, "end_date"),
    )
    if begin is None or end is None:
        name = "begin_date" if begin is None else "end_date"
        raise business_error(f"field '{name}' cannot be empty")
    if end < begin or (is_calendar and end - begin > CALENDAR_MAX):
        raise invalid("end_date")
    return Asked(call=call, symbols=tuple(symbols), market=market, begin=begin, end=end)


def day_of(value: Time | None, market: Venue, field: str) -> date | None:
    """Return the exchange's day of a time.

    Raises:
        GatewayError: 1010.
    """
    found = time_ms_of(value, market, field)
    return None if found is None else day_at(market, found)


def _splits(asked: Asked) -> Json:
    return _by_symbol(
        (item.execute_date, item.symbol, _split_json(item, stock))
        for stock in _stocks(asked)
        for item in splits_of(stock.key)
        if asked.includes(item.execute_date)
    )


def _dividends(asked: Asked) -> Json:
    today = asked.call.now.astimezone(zone_of(asked.market)).date()
    return _by_symbol(
        (item.execute_date, item.symbol, _dividend_json(item, stock))
        for stock in _stocks(asked)
        for item in dividends_of(stock, asked.begin, asked.end)
        if item.announced_date <= today
    )


def _earnings(asked: Asked) -> Json:
    today = asked.call.now.astimezone(zone_of(asked.market)).date()
    seed = asked.call.engine.prices.seed
    return _by_symbol(
        (item.report_date, item.instrument.key, _earnings_json(item))
        for stock in companies_in(asked.market)
        if not asked.symbols or stock.key in asked.symbols
        for item in earnings_between(stock, seed, asked.begin, asked.end, today)
    )


def _renamings(asked: Asked) -> Json:
    return _by_symbol(
        (item.execute_date, item.new, _renaming_json(item))
        for item in RENAMINGS
        if asked.includes(item.execute_date)
        and item.market == asked.market
        and {item.old, item.new} & set(asked.symbols)
    )


def _delistings(asked: Asked) -> Json:
    return _by_symbol(
        (item.execute_date, item.symbol, _delisting_json(item))
        for item in DELISTINGS
        if asked.includes(item.execute_date)
        and item.market == asked.market
        and item.symbol in asked.symbols
    )


def _listings(asked: Asked) -> Json:
    return _by_symbol(
        (item.listing_date, item.symbol, _listing_json(item))
        for item in LISTINGS.values()
        if asked.includes(item.listing_date)
        and item.market == asked.market
        and item.symbol in asked.symbols
    )


def _stocks(asked: Asked) -> list[Instrument]:
    found = [CATALOGUE[symbol] for symbol in asked.symbols if symbol in CATALOGUE]
    return [item for item in found if item.market == asked.market]


def _by_symbol(events: Iterable[tuple[date, str, Json]]) -> Json:
    found: dict[str, list[Json]] = {}
    for _, symbol, event in sorted(events, key=lambda event: (event[0], event[1])):
        found.setdefault(symbol, []).append(event)
    return dict(found)


def _event_json(kind: str, symbol: str, *, market: str, exchange: str, execute_date: date) -> Json:
    return {
        "symbol": symbol,
        "market": market,
        "exchange": exchange,
        "executeDate": execute_date.isoformat(),
        "actionType": kind,
    }


def _of_stock(kind: str, stock: Instrument, execute_date: date) -> Json:
    return _event_json(
        kind,
        stock.key,
        market=stock.market,
        exchange=stock.exchange,
        execute_date=execute_date,
    )


def _split_json(item: Split, stock: Instrument) -> Json:
    return {
        **_of_stock("SPLIT", stock, item.execute_date),
        "fromFactor": float(item.before),
        "toFactor": float(item.after),
        "ratio": item.before / item.after,
    }


def _dividend_json(item: Dividend, stock: Instrument) -> Json:
    return {
        **_of_stock("DIVIDEND", stock, item.execute_date),
        "amount": double(item.amount),
        "currency": item.currency,
        "announcedDate": item.announced_date.isoformat(),
        "recordDate": item.record_date.isoformat(),
        "payDate": item.pay_date.isoformat(),
    }


def _earnings_json(item: Earnings) -> Json:
    return {
        **_of_stock("EARNINGS_CALENDAR", item.instrument, item.report_date),
        "reportDate": item.report_date.isoformat(),
        "reportTime": "Pre-Market" if item.is_before_open else "Post-Market",
        "expectedEps": double(item.expected_eps),
        "actualEps": optional_double(item.actual_eps),
        "fiscalQuarterEnding": f"{item.quarter_ends:%b %Y}",
    }


def _renaming_json(item: Renaming) -> Json:
    event = _event_json(
        "SYMBOL_CHANGE",
        item.new,
        market=item.market,
        exchange=item.exchange,
        execute_date=item.execute_date,
    )
    return {**event, "oldSymbol": item.old, "newSymbol": item.new}


def _delisting_json(item: Delisting) -> Json:
    event = _event_json(
        "DELISTING",
        item.symbol,
        market=item.market,
        exchange=item.exchange,
        execute_date=item.execute_date,
    )
    return {
        **event,
        "announcedDate": item.announced_date.isoformat(),
        "reason": item.reason,
    }


def _listing_json(item: Listing) -> Json:
    stock = CATALOGUE.get(item.symbol)
    event = _event_json(
        "IPO",
        item.symbol,
        market=item.market,
        exchange=item.exchange,
        execute_date=item.listing_date,
    )
    price = double(item.price)
    return {
        **event,
        "ipoName": item.name,
        "listingDate": item.listing_date.isoformat(),
        "listingPrice": price,
        "sharesOutstanding": item.shares,
        "sharesFloat": item.offered,
        "offerAmount": double(item.price * item.offered),
        "priceRange": f"{price}-{price}",
        "currency": item.currency,
        "minPurchaseQuantity": stock.lot_size if stock is not None else 1,
        "leverageRatio": 1.0,
    }


# Source: tigeropen 3.8.0, `common/consts/__init__.py`, `CorporateActionType`.
KINDS: Mapping[str, Callable[[Asked], Json]] = {
    "split": _splits,
    "dividend": _dividends,
    "earning": _earnings,
    "symbol_change": _renamings,
    "delisting": _delistings,
    "ipo": _listings,
}
