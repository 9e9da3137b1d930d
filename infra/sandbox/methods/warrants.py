"""Tiger's methods about Hong Kong's warrants and bull/bear contracts.

Source of the shapes: Tiger's documentation of the warrant interfaces (docs.itigerup.com, read
2026-11), the Java SDK's `WarrantItem`, `WarrantQuote` and `FilterBounds`, and tigeropen 3.8.0,
`quote/response/warrant_*` and `quote/request/model.py`, `WarrantFilterParams`.
"""

from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal

import msgspec

from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.instruments import CATALOGUE, Instrument, tick_at
from infra.sandbox.market.prices import Quote
from infra.sandbox.market.warrant_figures import (
    Figures,
    figures_of,
    is_structured,
    structured_on,
)
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.figures import Json, double, optional_double, strike_text
from infra.sandbox.methods.option_quotes import Bounds
from infra.sandbox.methods.quotes import checked_symbols, session_of
from infra.sandbox.wire.envelope import business_error, to_ms

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200
SORT_FIELD_DEFAULT = "expireDate"
NORMAL = 1  # state: traded; 2 ended, 3 waits to be listed
ANY = 0
IN_THE_MONEY = 1
OUT_OF_THE_MONEY = -1
DESCENDING = frozenset({"DESC", "SortDir_Descend"})


class WarrantSymbols(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `warrant_real_time_quote`."""

    symbols: tuple[str, ...] = ()


class WarrantFilterParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `warrant_filter`; an empty set or none means any."""

    symbol: str = ""
    page: int = 0
    page_size: int = PAGE_SIZE_DEFAULT
    sort_field_name: str = SORT_FIELD_DEFAULT
    sort_dir: str = "SortDir_Ascend"
    warrant_type: frozenset[int] = frozenset()
    in_out_price: frozenset[int] = frozenset()
    issuer_name: str | None = None
    expire_ym: str | None = None
    state: int = ANY
    lot_size: frozenset[int] = frozenset()
    entitlement_ratio: frozenset[Decimal] = frozenset()
    strike: Bounds = Bounds()
    effective_leverage: Bounds = Bounds()
    leverage_ratio: Bounds = Bounds()
    call_price: Bounds = Bounds()
    volume: Bounds = Bounds()
    premium: Bounds = Bounds()
    outstanding_ratio: Bounds = Bounds()
    implied_volatility: Bounds = Bounds()


class Warrant(msgspec.Struct, frozen=True, kw_only=True):
    """A warrant with all that is known of it now."""

    instrument: Instrument
    quote: Quote
    figures: Figures

    @property
    def strike(self) -> Decimal:
        """Return the price at which it is exercised."""
        assert self.instrument.strike is not None, "a warrant has a strike"
        return self.instrument.strike

    @property
    def expiry(self) -> date:
        """Return the last day."""
        assert self.instrument.expiry is not None, "a warrant has an end"
        return self.instrument.expiry


def warrant_real_time_quote(call: Call) -> object:
    """Return quotes; what is no warrant is left out."""
    symbols = checked_symbols(parameters(call, WarrantSymbols).symbols)
    found = (CATALOGUE.get(symbol) for symbol in symbols)
    at = session_of(call, "HK").last_trade_at
    return {
        "items": [
            _quote_json(_warrant(call, item), at)
            for item in found
            if item is not None and is_structured(item)
        ]
    }


def warrant_filter(call: Call) -> object:
    """Return one page of a stock's warrants that pass a filter, and what could be asked for."""
    asked = parameters(call, WarrantFilterParameters)
    if not asked.symbol:
        raise business_error("field 'symbol' cannot be empty")
    if asked.page < 0 or not 0 < asked.page_size <= PAGE_SIZE_MAX:
        raise business_error("field 'page' or 'page_size' is invalid")
    every = [_warrant(call, item) for item in structured_on(asked.symbol)]
    items = [_item_json(item) for item in every if _passes(item, asked)]
    if items and asked.sort_field_name not in items[0]:
        raise business_error("field 'sort_field_name' is invalid")
    items.sort(
        key=lambda item: _sort_key(item[asked.sort_field_name]),
        reverse=asked.sort_dir in DESCENDING,
    )
    first = asked.page * asked.page_size
    return {
        "page": asked.page,
        "totalPage": -(-len(items) // asked.page_size),
        "totalCount": len(items),
        "items": items[first : first + asked.page_size],
        "bounds": _bounds_json(every),
    }


def _warrant(call: Call, instrument: Instrument) -> Warrant:
    assert instrument.underlying is not None, "a warrant has an underlying"
    prices = call.engine.prices
    return Warrant(
        instrument=instrument,
        quote=prices.quote(instrument.key),
        figures=figures_of(
            instrument,
            price=prices.last(instrument.key),
            underlying_price=prices.last(instrument.underlying),
            day=prices.day,
        ),
    )


def _passes(warrant: Warrant, asked: WarrantFilterParameters) -> bool:
    figures, instrument = warrant.figures, warrant.instrument
    side = IN_THE_MONEY if figures.in_out_price >= 0 else OUT_OF_THE_MONEY
    kinds = asked.warrant_type - {ANY}
    return (
        (not kinds or figures.kind in kinds)
        and (not asked.in_out_price or side in asked.in_out_price)
        and asked.issuer_name in (None, "", figures.issuer)
        and asked.expire_ym in (None, "", f"{warrant.expiry:%Y-%m}")
        and asked.state in (ANY, NORMAL)
        and (not asked.lot_size or instrument.lot_size in asked.lot_size)
        and (not asked.entitlement_ratio or instrument.conversion_ratio in asked.entitlement_ratio)
        and all(bounds.holds(value) for bounds, value in _ranges(warrant, asked))
    )


def _ranges(warrant: Warrant, asked: WarrantFilterParameters) -> Iterable[tuple[Bounds, Decimal]]:
    figures = warrant.figures
    yield asked.strike, warrant.strike
    yield asked.effective_leverage, figures.effective_leverage
    yield asked.leverage_ratio, figures.leverage_ratio
    yield asked.volume, Decimal(warrant.quote.volume)
    yield asked.premium, figures.premium
    yield asked.outstanding_ratio, figures.outstanding_ratio
    yield asked.implied_volatility, figures.implied_volatility
    # A warrant has no call price, so that a range of it holds bull/bear contracts only.
    if asked.call_price != Bounds():
        yield asked.call_price, figures.call_price or Decimal("-Infinity")


def _item_json(warrant: Warrant) -> Json:
    instrument, quote, figures = warrant.instrument, warrant.quote, warrant.figures
    change = quote.last - quote.previous_close
    return {
        "symbol": instrument.symbol,
        "name": instrument.name,
        "type": figures.kind,
        "secType": instrument.sec_type,
        "market": instrument.market,
        "entitlementRatio": double(instrument.conversion_ratio),
        "entitlementPrice": double(figures.entitlement_price),
        "premium": double(figures.premium),
        "breakevenPoint": double(figures.breakeven_point),
        "callPrice": optional_double(figures.call_price),
        "beforeCallLevel": optional_double(figures.before_call_level),
        "expireDate": warrant.expiry.isoformat(),
        "lastTradingDate": warrant.expiry.isoformat(),
        "state": NORMAL,
        "changeRate": double(change / quote.previous_close),
        "change": double(change),
        "latestPrice": double(quote.last),
        "volume": quote.volume,
        "amount": double(quote.volume * quote.last),
        "outstandingRatio": double(figures.outstanding_ratio),
        "lotSize": instrument.lot_size,
        "strike": strike_text(instrument.strike),
        "inOutPrice": double(figures.in_out_price),
        "delta": double(figures.delta),
        "leverageRatio": double(figures.leverage_ratio),
        "effectiveLeverage": double(figures.effective_leverage),
        "impliedVolatility": double(figures.implied_volatility),
    }


def _quote_json(warrant: Warrant, at: datetime) -> Json:
    instrument, quote, figures = warrant.instrument, warrant.quote, warrant.figures
    return {
        "symbol": instrument.symbol,
        "name": instrument.name,
        "exchange": instrument.exchange,
        "market": instrument.market,
        "secType": instrument.sec_type,
        "currency": instrument.currency,
        "expiry": warrant.expiry.isoformat(),
        "strike": strike_text(instrument.strike),
        "right": instrument.right,
        "multiplier": double(instrument.multiplier),
        "lastTradingDate": to_ms(datetime.combine(warrant.expiry, time(), zone_of("HK"))),
        "entitlementRatio": double(instrument.conversion_ratio),
        "entitlementPrice": double(figures.entitlement_price),
        "minTick": double(tick_at(instrument, quote.last)),
        "callPrice": optional_double(figures.call_price),
        "halted": 0,
        "underlyingSymbol": instrument.underlying,
        "timestamp": to_ms(at),
        "latestPrice": double(quote.last),
        "preClose": double(quote.previous_close),
        "open": double(quote.open),
        "high": double(quote.high),
        "low": double(quote.low),
        "volume": quote.volume,
        "amount": double(quote.volume * quote.last),
        "premium": double(figures.premium),
        "outstandingRatio": double(figures.outstanding_ratio),
        "impliedVolatility": double(figures.implied_volatility),
        "inOutPrice": double(figures.in_out_price),
        "delta": double(figures.delta),
        "leverageRatio": double(figures.leverage_ratio),
        "breakevenPoint": double(figures.breakeven_point),
    }


def _bounds_json(every: list[Warrant]) -> Json:
    figures = [item.figures for item in every]
    return {
        "issuerName": sorted({item.issuer for item in figures}),
        "expireDate": sorted({f"{item.expiry:%Y-%m}" for item in every}),
        "lotSize": sorted({item.instrument.lot_size for item in every}),
        "entitlementRatio": sorted({double(item.instrument.conversion_ratio) for item in every}),
        "leverageRatio": _range_json(item.leverage_ratio for item in figures),
        "strike": _range_json(item.strike for item in every),
        "premium": _range_json(item.premium for item in figures),
        "outstandingRatio": _range_json(item.outstanding_ratio for item in figures),
        "impliedVolatility": _range_json(item.implied_volatility for item in figures),
        "effectiveLeverage": _range_json(item.effective_leverage for item in figures),
        "callPrice": _range_json(
            item.call_price for item in figures if item.call_price is not None
        ),
    }


def _range_json(values: Iterable[Decimal]) -> Json:
    known = list(values)
    return {
        "min": optional_double(min(known, default=None)),
        "max": optional_double(max(known, default=None)),
    }


def _sort_key(value: object) -> tuple[bool, object]:
    # What a contract has no figure of comes first.
    return (value is not None, value if value is not None else 0)
