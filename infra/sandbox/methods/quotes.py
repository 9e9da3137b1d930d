"""Tiger's methods about the market: contracts, quotes, market hours and quote rights."""

from datetime import timedelta

import msgspec

from infra.sandbox.market.instruments import CATALOGUE, Instrument
from infra.sandbox.market.prices import QUOTE_SIZE
from infra.sandbox.methods.answers import contract_json, delayed_quote_json, quote_json
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.wire.envelope import business_error, to_ms

SYMBOLS_MAX = 50
RIGHT_LASTS = timedelta(days=30)
QUOTE_RIGHTS = ("usStockQuote", "hkStockQuoteLv2")
# The market is always open; the time of its opening is only what a client expects to read.
OPENING_TIMES = {"US": "09:30:00 EST", "HK": "09:30:00"}


class ContractParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `contract` and `contracts`."""

    account: str = ""
    symbol: str = ""
    symbols: tuple[str, ...] = ()
    sec_type: str = "STK"
    currency: str | None = None


class SymbolsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the quote methods."""

    symbols: tuple[str, ...] = ()


class MarketParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `market_state`."""

    market: str = "ALL"


def contract(call: Call) -> object:
    """Return one contract, or an empty list for one that is not traded here."""
    asked = parameters(call, ContractParameters)
    account_of(call, asked.account)
    if not asked.symbol:
        raise business_error("field 'symbol' cannot be empty")
    found = _contracts((asked.symbol,), asked)
    return contract_json(found[0]) if found else {"items": []}


def contracts(call: Call) -> object:
    """Return contracts; those that are not traded here are left out."""
    asked = parameters(call, ContractParameters)
    account_of(call, asked.account)
    symbols = _checked(asked.symbols)
    return {"items": [contract_json(item) for item in _contracts(symbols, asked)]}


def quote_real_time(call: Call) -> object:
    """Return current quotes; symbols that are not traded here are left out."""
    return [
        quote_json(call.engine.prices.quote(symbol), at_ms=to_ms(call.now), quote_size=QUOTE_SIZE)
        for symbol in _checked(parameters(call, SymbolsParameters).symbols)
        if symbol in CATALOGUE
    ]


def quote_delay(call: Call) -> object:
    """Return quotes in the delayed shape; the prices are the current ones."""
    return [
        delayed_quote_json(call.engine.prices.quote(symbol), at_ms=to_ms(call.now))
        for symbol in _checked(parameters(call, SymbolsParameters).symbols)
        if symbol in CATALOGUE
    ]


def market_state(call: Call) -> object:
    """Say that the markets are open."""
    wanted = parameters(call, MarketParameters).market
    return [
        {
            "market": market,
            "marketStatus": "Trading",
            "status": "TRADING",
            "openTime": f"{call.now:%m-%d} {opening}",
        }
        for market, opening in OPENING_TIMES.items()
        if wanted in ("ALL", market)
    ]


def quote_permission(call: Call) -> object:
    """List the quote rights; everybody has them here, and grabbing takes them from nobody."""
    expires_ms = to_ms(call.now + RIGHT_LASTS)
    return [{"name": name, "expireAt": expires_ms} for name in QUOTE_RIGHTS]


def _contracts(symbols: tuple[str, ...], asked: ContractParameters) -> list[Instrument]:
    return [
        CATALOGUE[symbol]
        for symbol in symbols
        if symbol in CATALOGUE
        and asked.sec_type == "STK"
        and asked.currency in (None, "", "ALL", CATALOGUE[symbol].currency)
    ]


def _checked(symbols: tuple[str, ...]) -> tuple[str, ...]:
    if not 0 < len(symbols) <= SYMBOLS_MAX:
        raise business_error(f"symbols cannot be empty and cannot exceed {SYMBOLS_MAX}")
    return symbols
