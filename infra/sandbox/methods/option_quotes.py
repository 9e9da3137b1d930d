"""Tiger's methods about options: expirations, chains, quotes, books, volatility."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec

from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.instruments import Instrument, Right
from infra.sandbox.market.option_figures import (
    DayVolatility,
    call_put_ratio,
    open_interest_of,
    percentile_of,
    rank_of,
    volatilities,
)
from infra.sandbox.market.options import (
    HK_CLASSES,
    class_of,
    expirations,
    option_of,
    strikes,
    underlying_of,
)
from infra.sandbox.market.pricing import Greeks, greeks_of, intrinsic
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.figures import Json, double
from infra.sandbox.methods.option_answers import (
    brief_json,
    chain_side_json,
    depth_json,
    expirations_json,
    midnight_ms,
)
from infra.sandbox.methods.parameter_values import finite, invalid, word
from infra.sandbox.methods.quotes import checked_symbols, day_of, session_of
from infra.sandbox.wire.envelope import business_error

# Source: Tiger's documentation of the option interfaces (read 2026-11).
OPTIONS_MAX = 30
PERIODS: Mapping[str, timedelta] = {
    "3year": timedelta(weeks=156),
    "52week": timedelta(weeks=52),
    "26week": timedelta(weeks=26),
    "13week": timedelta(weeks=13),
}
RIGHTS: tuple[Right, ...] = ("PUT", "CALL")
RATIO_STEP = Decimal("0.0001")


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """A range with both ends included; none: no limit."""

    min: Decimal | None = None
    max: Decimal | None = None

    def holds(self, value: Decimal) -> bool:
        """Say whether a value lies within."""
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


class GreekBounds(msgspec.Struct, frozen=True, kw_only=True):
    """Ranges of the sensitivities."""

    delta: Bounds = Bounds()
    gamma: Bounds = Bounds()
    theta: Bounds = Bounds()
    vega: Bounds = Bounds()
    rho: Bounds = Bounds()


class ChainFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which options of a chain are wanted.

    Source: tigeropen 3.8.0, `quote/domain/filter.py`, `OptionFilter.to_dict`.
    """

    greeks: GreekBounds = GreekBounds()
    implied_volatility: Bounds = Bounds()
    open_interest: Bounds = Bounds()
    in_the_money: bool | None = None


class OptionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """An option, or with symbol and expiry alone a chain; the expiry in milliseconds or a date."""

    symbol: str = ""
    expiry: int | str | None = None
    strike: Decimal | None = None
    right: str | None = None


class ExpirationParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `option_expiration`."""

    symbols: tuple[str, ...] = ()


class ChainParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `option_chain`."""

    option_basic: tuple[OptionTerms, ...] = ()
    option_filter: ChainFilter | None = None
    return_greek_value: bool | None = None


class OptionParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `option_brief` and `option_depth`."""

    option_basic: tuple[OptionTerms, ...] = ()


class AnalysisItem(msgspec.Struct, frozen=True, kw_only=True):
    """One underlying of `option_analysis`."""

    symbol: str = ""
    period: str = "52week"
    require_volatility_list: bool = False


class AnalysisParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `option_analysis`."""

    symbols: tuple[AnalysisItem, ...] = ()


class OptionSymbolsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `all_hk_option_symbols`."""

    market: str = "HK"


def option_expiration(call: Call) -> object:
    """Return the listed expirations; symbols without options are left out."""
    asked = parameters(call, ExpirationParameters)
    found: list[Json] = []
    for symbol in checked_symbols(asked.symbols, count_max=OPTIONS_MAX):
        option_class = class_of(symbol)
        if option_class is not None:
            day = _today(call, underlying_of(option_class))
            found.append(expirations_json(symbol, option_class, day))
    return found


def option_chain(call: Call) -> object:
    """Return all options of an underlying and an expiry, by strike, that pass the filter."""
    asked = parameters(call, ChainParameters)
    wanted = asked.option_filter or ChainFilter()
    with_greeks = bool(asked.return_greek_value)
    return [_chain(call, terms, wanted, with_greeks) for terms in _checked(asked.option_basic)]


def option_brief(call: Call) -> object:
    """Return the quotes of options; those that do not exist are left out."""
    asked = parameters(call, OptionParameters)
    return [
        brief_json(
            option,
            call.engine.prices.quote(option.key),
            at=_last_trade_at(call, option),
            day=_today(call, option),
        )
        for option in _options(asked.option_basic)
    ]


def option_depth(call: Call) -> object:
    """Return the books of options; those that do not exist are left out."""
    asked, prices = parameters(call, OptionParameters), call.engine.prices
    return [
        depth_json(
            option,
            asks=prices.levels(option.key, "SELL"),
            bids=prices.levels(option.key, "BUY"),
            at=_last_trade_at(call, option),
        )
        for option in _options(asked.option_basic)
    ]


def all_hk_option_symbols(call: Call) -> object:
    """List Hong Kong's option classes with their stocks."""
    if parameters(call, OptionSymbolsParameters).market != "HK":
        return []
    return [
        {
            "symbol": option_class,
            "name": option_class.removesuffix(".HK"),
            "underlyingSymbol": underlying,
        }
        for underlying, option_class in HK_CLASSES.items()
    ]


def option_analysis(call: Call) -> object:
    """Return how volatile underlyings are held to be; those without options are left out."""
    asked = parameters(call, AnalysisParameters)
    if not 0 < len(asked.symbols) <= OPTIONS_MAX:
        raise business_error(f"symbols cannot be empty and cannot exceed {OPTIONS_MAX}")
    return [
        _analysis(call, item, option_class)
        for item in asked.symbols
        if (option_class := class_of(item.symbol)) is not None
    ]


def _chain(call: Call, terms: OptionTerms, wanted: ChainFilter, with_greeks: bool) -> Json:
    option_class = class_of(terms.symbol)
    if option_class is None:
        return {"symbol": terms.symbol, "expiry": None, "items": []}
    underlying = underlying_of(option_class)
    expiry = _expiry(terms, underlying)
    is_listed = expiry in expirations(option_class, _today(call, underlying))
    rows = (
        _chain_row(call, option_class, expiry, strike, wanted, with_greeks=with_greeks)
        for strike in (strikes(underlying.key) if is_listed else ())
    )
    groups = [row for row in rows if row]
    return {"symbol": terms.symbol, "expiry": midnight_ms(underlying, expiry), "items": groups}


def _chain_row(
    call: Call,
    option_class: str,
    expiry: date,
    strike: Decimal,
    wanted: ChainFilter,
    *,
    with_greeks: bool,
) -> Json:
    row: Json = {}
    for right in RIGHTS:
        option = option_of(option_class, expiry=expiry, strike=strike, right=right)
        assert option is not None, "what is listed exists"
        assert option.underlying is not None, "an option has an underlying"
        price = call.engine.prices.last(option.underlying)
        greeks = greeks_of(option, price, call.engine.prices.day)
        if _passes(option, greeks, price, wanted):
            row[right.lower()] = chain_side_json(
                option,
                call.engine.prices.quote(option.key),
                greeks,
                at=_last_trade_at(call, option),
                with_greeks=with_greeks,
            )
    return row


def _passes(option: Instrument, greeks: Greeks, price: Decimal, wanted: ChainFilter) -> bool:
    bounds = wanted.greeks
    is_in_the_money = intrinsic(option, price) > 0
    return (
        (wanted.in_the_money is None or wanted.in_the_money == is_in_the_money)
        and wanted.implied_volatility.holds(greeks.volatility)
        and wanted.open_interest.holds(Decimal(open_interest_of(option)))
        and bounds.delta.holds(greeks.delta)
        and bounds.gamma.holds(greeks.gamma)
        and bounds.theta.holds(greeks.theta)
        and bounds.vega.holds(greeks.vega)
        and bounds.rho.holds(greeks.rho)
    )


def _analysis(call: Call, item: AnalysisItem, option_class: str) -> Json:
    underlying = underlying_of(option_class)
    if item.period not in PERIODS:
        raise invalid("period")
    today = _today(call, underlying)
    days = volatilities(underlying, today - PERIODS[item.period], today)
    implied, now = tuple(day.implied for day in days), days[-1]
    found: Json = {
        "symbol": item.symbol,
        "impliedVol30Days": double(now.implied),
        "hisVolatility": double(now.historical),
        "ivHisVRatio": double((now.implied / now.historical).quantize(RATIO_STEP)),
        "callPutRatio": double(call_put_ratio(underlying.key, today)),
        "impliedVolMetric": {
            "period": item.period,
            "percentile": double(percentile_of(now.implied, implied)),
            "rank": double(rank_of(now.implied, implied)),
        },
    }
    if item.require_volatility_list:
        found["volatilityList"] = [
            _volatility_json(underlying, day, implied) for day in reversed(days)
        ]
    return found


def _volatility_json(
    underlying: Instrument, day: DayVolatility, implied: tuple[Decimal, ...]
) -> Json:
    return {
        "impliedVol": double(day.implied),
        "percentile": double(percentile_of(day.implied, implied)),
        "rank": double(rank_of(day.implied, implied)),
        "hisVolatility": double(day.historical),
        "timestamp": midnight_ms(underlying, day.day),
    }


def _options(asked: tuple[OptionTerms, ...]) -> list[Instrument]:
    found = (_option(terms) for terms in _checked(asked))
    return [option for option in found if option is not None]


def _option(terms: OptionTerms) -> Instrument | None:
    right: Right | None = word((terms.right or "").upper(), Right, "right")
    strike = finite(terms.strike, "strike")
    if right is None or strike is None:
        raise business_error("field 'right' and 'strike' of an option cannot be empty")
    option_class = class_of(terms.symbol)
    if option_class is None:
        return None
    expiry = _expiry(terms, underlying_of(option_class))
    return option_of(option_class, expiry=expiry, strike=strike, right=right)


def _checked(asked: tuple[OptionTerms, ...]) -> tuple[OptionTerms, ...]:
    if not 0 < len(asked) <= OPTIONS_MAX:
        raise business_error(f"option_basic cannot be empty and cannot exceed {OPTIONS_MAX}")
    return asked


def _expiry(terms: OptionTerms, underlying: Instrument) -> date:
    day = day_of(terms.expiry, underlying.market, "expiry")
    if day is None:
        raise business_error("field 'expiry' cannot be empty")
    return day


def _today(call: Call, instrument: Instrument) -> date:
    return call.now.astimezone(zone_of(instrument.market)).date()


def _last_trade_at(call: Call, option: Instrument) -> datetime:
    return session_of(call, option.market, "OPT").last_trade_at
