"""What every market question needs of a contract first: its market, currency and zone."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from adapters.tiger_worker import market_rows
from adapters.tiger_worker.market_reads import MarketReads, wrong
from adapters.tiger_worker.market_rows import HONG_KONG, NEW_YORK, OptionName
from adapters.tiger_worker.words import Row
from core.market_asks import INSTRUMENT_PATTERN, Security

_INSTRUMENT: Final = re.compile(INSTRUMENT_PATTERN, re.ASCII)
_MAIN: Final = "main"
_SECURITY_WORDS: Final = {"stock": "STK", "warrant": "WAR"}


class Listing(NamedTuple):
    """Where a contract trades.

    `row` is the broker's word on it and `at` when that was given; an option has neither, because
    its symbol says it all.
    """

    symbol: str
    market: str
    currency: str
    zone: str
    row: Row
    at: datetime | None


class Listings:
    """Finds contracts of every class."""

    def __init__(self, reads: MarketReads) -> None:
        self._reads = reads

    def find(
        self, security: Security, symbols: Sequence[str], *, field: str = "symbols"
    ) -> dict[str, Listing]:
        """Return the listings that the broker knows, by the symbol asked for.

        `field` is the argument that named them.

        Raises:
            MarketRefusalError: a symbol is none of its class, or the broker refused.
        """
        for symbol in symbols:
            if not _INSTRUMENT.fullmatch(symbol):
                raise wrong(field, "expected symbols such as AAPL, 00700 or CL2701")
        match security:
            case "option":
                return {symbol: self._option(symbol, field) for symbol in symbols}
            case "future":
                return self._futures(symbols)
            case "fund":
                found = self._rows("fund_contracts", {"symbols": list(symbols)}, field=field)
                return {
                    symbol: _listing(symbol, found[symbol], NEW_YORK)
                    for symbol in symbols
                    if symbol in found
                }
            case _:
                return self._traded(security, symbols, field)

    def one(self, security: Security, symbol: str) -> Listing:
        """Return the listing of one contract.

        Raises:
            MarketRefusalError: the broker does not know it.
        """
        found = self.find(security, (symbol,), field="symbol").get(symbol)
        if found is None:
            raise wrong(
                "symbol", f"the broker knows no {security} of this name; see find_contracts"
            )
        return found

    def hong_kong_options(self) -> tuple[list[Row], datetime]:
        """Return the underlyings of Hong Kong's options, with the stocks behind them."""
        return self._reads.items("all_hk_option_symbols", {"market": "HK"})

    def option_root(self, symbol: str) -> str:
        """Return the name under which a stock's options are listed (TCH.HK for 00700)."""
        if not symbol.isdecimal():
            return symbol
        for row in self.hong_kong_options()[0]:
            if row.get("underlyingSymbol") == symbol:
                return str(row.get("symbol", ""))
        raise wrong("symbol", "this Hong Kong stock has no options; see find_contracts")

    def zone_of_future(self, row: Row) -> str:
        """Return the zone of a future's exchange."""
        rows, _ = self._reads.items("future_exchange", {"sec_type": "FUT"})
        zones = {str(each.get("code", "")): str(each.get("zoneId", "")) for each in rows}
        return zones.get(str(row.get("exchange", ""))) or NEW_YORK

    def _traded(self, security: Security, symbols: Sequence[str], field: str) -> dict[str, Listing]:
        fields: dict[str, Any] = {"symbols": sorted(symbols), "sec_type": _SECURITY_WORDS[security]}
        found = self._rows("contracts", fields, of_account=True, field=field)
        if security == "warrant" and len(found) < len(symbols):
            # Bull and bear certificates are a class of their own at Tiger.
            missing = sorted(symbol for symbol in symbols if symbol not in found)
            fields = {"symbols": missing, "sec_type": "IOPT"}
            found |= self._rows("contracts", fields, of_account=True, field=field)
        return {
            symbol: _listing(symbol, found[symbol], NEW_YORK)
            for symbol in symbols
            if symbol in found
        }

    def _futures(self, symbols: Sequence[str]) -> dict[str, Listing]:
        found: dict[str, Listing] = {}
        for symbol in symbols:
            row, at = self._future(symbol)
            if row:
                found[symbol] = _listing(symbol, (row, at), self.zone_of_future(row))
        return found

    def _future(self, symbol: str) -> tuple[Row, datetime]:
        if not symbol.endswith(_MAIN):
            method, fields = "future_contract_by_contract_code", {"contract_code": symbol}
        else:
            method, fields = "future_continuous_contracts", {"type": symbol.removesuffix(_MAIN)}
        data, at = self._reads.read(method, fields)
        rows = data if isinstance(data, list) else [data]
        found = [row for row in rows if isinstance(row, dict) and row.get("contractCode") == symbol]
        return found[0] if found else {}, at

    def _option(self, symbol: str, field: str) -> Listing:
        name = named_option(symbol, field=field)
        currency, zone = ("HKD", HONG_KONG) if name.market == "HK" else ("USD", NEW_YORK)
        return Listing(market_rows.option_symbol(name), name.market, currency, zone, {}, None)

    def _rows(
        self, method: str, fields: dict[str, Any], **options: Any
    ) -> dict[str, tuple[Row, datetime]]:
        rows, at = self._reads.items(method, fields, **options)
        return {str(row.get("identifier") or row.get("symbol", "")): (row, at) for row in rows}


def named_option(symbol: str, *, field: str) -> OptionName:
    """Return what an option's symbol says.

    Raises:
        MarketRefusalError: it is no option's symbol.
    """
    name = market_rows.option_named(symbol)
    if name is None:
        raise wrong(field, 'expected options such as "AAPL  261218C00230000"; see get_option_chain')
    return name


def option_fields(symbol: str, *, field: str = "symbol") -> dict[str, Any]:
    """Return how the quote methods name an option."""
    name = named_option(symbol, field=field)
    zone = HONG_KONG if name.market == "HK" else NEW_YORK
    return {
        "symbol": name.underlying,
        "right": name.right,
        "strike": name.strike,
        "expiry": market_rows.midnight_ms(name.expiry, zone),
    }


def _listing(symbol: str, told: tuple[Row, datetime], zone: str) -> Listing:
    row, at = told
    market = str(row.get("market", ""))
    return Listing(
        symbol=symbol,
        market=market,
        currency=market_rows.word_of(row.get("currency")) or "",
        zone=market_rows.ZONES.get(market, zone),
        row=row,
        at=at,
    )
