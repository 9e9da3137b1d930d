"""Tiger's methods about contracts: what can be traded, and on which terms."""

from datetime import date

import msgspec

from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.instruments import CATALOGUE, Instrument, Right, find
from infra.sandbox.market.options import class_of, expirations, option_of, strikes, underlying_of
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.methods.contract_answers import (
    contract_json,
    derivative_json,
    listed_contract_json,
)
from infra.sandbox.methods.figures import Json
from infra.sandbox.methods.parameter_values import NamedContract, date_of, named_contract
from infra.sandbox.methods.quotes import checked_symbols
from infra.sandbox.wire.envelope import business_error

ANY_CURRENCY = frozenset({None, "", "ALL"})
DERIVATIVE_TYPES = ("OPT", "WAR", "IOPT")
RIGHTS: tuple[Right, ...] = ("CALL", "PUT")


class ContractParameters(NamedContract, frozen=True, kw_only=True):
    """Parameters of `contract`."""

    account: str = ""


class ContractsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `contracts` and `quote_contract`; the latter's may name a single symbol."""

    account: str = ""
    symbol: str = ""
    symbols: tuple[str, ...] = ()
    sec_type: str = "STK"
    currency: str | None = None
    expiry: str | None = None


def contract(call: Call) -> object:
    """Return one contract, or an empty list for one that is not traded here."""
    asked = parameters(call, ContractParameters)
    account_of(call, asked.account)
    if not asked.symbol:
        raise business_error("field 'symbol' cannot be empty")
    found = named_contract(asked)
    if found is None or asked.currency not in ANY_CURRENCY | {found.currency}:
        return {"items": []}
    return contract_json(found, today_at(call, found))


def contracts(call: Call) -> object:
    """Return stocks or futures; those that are not traded here are left out."""
    asked = parameters(call, ContractsParameters)
    account_of(call, asked.account)
    found = (find(symbol) for symbol in checked_symbols(asked.symbols))
    return {
        "items": [
            listed_contract_json(item, today_at(call, item))
            for item in found
            if item is not None
            and item.sec_type == asked.sec_type
            and asked.currency in ANY_CURRENCY | {item.currency}
        ]
    }


def quote_contract(call: Call) -> object:
    """Return the options, warrants or bull/bear contracts on stocks, by stock.

    Source: the Java SDK's `QuoteContractResponse`: a list of `{symbol, secType, items}`.
    """
    asked = parameters(call, ContractsParameters)
    symbols = checked_symbols(asked.symbols or ((asked.symbol,) if asked.symbol else ()))
    expiry = date_of(asked.expiry, "expiry")
    if asked.sec_type not in DERIVATIVE_TYPES:
        raise business_error("field 'sec_type' is invalid")
    if asked.sec_type == "OPT" and expiry is None:
        raise business_error("field 'expiry' cannot be empty")
    return [
        _derivatives_json(
            symbol, asked.sec_type, _derivatives(call, symbol, asked.sec_type, expiry)
        )
        for symbol in symbols
    ]


def today_at(call: Call, instrument: Instrument) -> date:
    """Return the calendar day at a contract's exchange."""
    return call.now.astimezone(zone_of(instrument.market)).date()


def _derivatives(call: Call, symbol: str, sec_type: str, expiry: date | None) -> list[Instrument]:
    if sec_type == "OPT":
        return _options(call, symbol, expiry)
    return [
        item
        for item in CATALOGUE.values()
        if item.sec_type == sec_type and item.underlying == symbol and expiry in (None, item.expiry)
    ]


def _options(call: Call, symbol: str, expiry: date | None) -> list[Instrument]:
    option_class = class_of(symbol)
    if option_class is None or expiry is None:
        return []
    underlying = underlying_of(option_class)
    if expiry not in expirations(option_class, today_at(call, underlying)):
        return []
    found = (
        option_of(option_class, expiry=expiry, strike=strike, right=right)
        for strike in strikes(underlying.key)
        for right in RIGHTS
    )
    return [item for item in found if item is not None]


def _derivatives_json(symbol: str, sec_type: str, items: list[Instrument]) -> Json:
    return {
        "symbol": symbol,
        "secType": sec_type,
        "items": [derivative_json(item) for item in items],
    }
