"""`ask.<account>.option_chain`: the expiries of an underlying, or the options of one expiry.

The whole chain is read once and kept for seconds; it is filtered here, with exact figures.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from adapters.tiger_worker import words
from adapters.tiger_worker.market_filters import Filter, filters_in
from adapters.tiger_worker.market_listings import Listings
from adapters.tiger_worker.market_pages import Place, page, place_of
from adapters.tiger_worker.market_reads import MarketReads, MarketRefusalError, wrong
from adapters.tiger_worker.market_rows import (
    HONG_KONG,
    NEW_YORK,
    Cells,
    Sheet,
    figure_in,
    figures,
    marks,
    midnight_ms,
    objects_in,
    oldest,
    sheet,
    symbol_named,
    word_of,
)
from adapters.tiger_worker.market_spans import day_of
from adapters.tiger_worker.words import Row
from core.market_asks import MarketTable, OptionChainAsk

_FIELDS: Final[Mapping[str, str]] = {
    "strike": "strike",
    "bid": "bidPrice",
    "bid_size": "bidSize",
    "ask": "askPrice",
    "ask_size": "askSize",
    "last": "latestPrice",
    "previous_close": "preClose",
    "volume": "volume",
    "open_interest": "openInterest",
    "implied_volatility": "impliedVol",
    "delta": "delta",
    "gamma": "gamma",
    "theta": "theta",
    "vega": "vega",
    "rho": "rho",
}
_OPTION: Final = (symbol_named("identifier"), marks(right="right"), figures(**_FIELDS))
_EXPIRY_COLUMNS: Final = ("expiry", "kind", "option_symbol")
_KINDS: Final = {"m": "monthly", "w": "weekly"}


class OptionChains:
    """Answers for the options of an underlying."""

    def __init__(self, reads: MarketReads, listings: Listings) -> None:
        self._reads = reads
        self._listings = listings

    def answer(self, asked: OptionChainAsk) -> MarketTable:
        """Return expiries, or the chain of one.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        place = place_of(asked)
        root = self._listings.option_root(asked.symbol)
        is_hk = root.endswith(".HK")
        if not asked.expiry:
            table = self._expiries(asked, root, place, is_hk=is_hk)
        else:
            table = self._chain(asked, root, place, zone=HONG_KONG if is_hk else NEW_YORK)
        return msgspec.structs.replace(
            table,
            zone=HONG_KONG if is_hk else NEW_YORK,
            currency="HKD" if is_hk else "USD",
            facts=(("underlying", root), *table.facts),
        )

    def _expiries(
        self, asked: OptionChainAsk, root: str, place: Place, *, is_hk: bool
    ) -> MarketTable:
        if asked.filters or asked.right or asked.money:
            raise wrong(
                "expiry", "is needed with filters, right or money; without it, expiries come"
            )
        fields = {"symbols": [root]} | ({"market": "HK"} if is_hk else {})
        rows, at = self._reads.items("option_expiration", fields, field="symbol")
        found: list[Cells] = []
        for row in rows:
            days, kinds = row.get("dates") or [], row.get("periodTags") or []
            names = row.get("optionSymbols") or []
            for index, day in enumerate(days):
                kind = str(kinds[index]) if index < len(kinds) else ""
                name = word_of(names[index]) if index < len(names) else None
                found.append((word_of(day), _KINDS.get(kind, word_of(kind)), name))
        if not found:
            raise wrong("symbol", "the broker lists no options of it")
        return page(asked, place, Sheet(_EXPIRY_COLUMNS, found), at=at)

    def _chain(self, asked: OptionChainAsk, root: str, place: Place, *, zone: str) -> MarketTable:
        conditions = filters_in(asked.filters)
        for each in conditions:
            if each.name not in _FIELDS or each.period or each.operator == "=":
                raise wrong(
                    "filters", f"{each.name}: expected >= or <= of one of {', '.join(_FIELDS)}"
                )
        day = day_of(asked.expiry, field="expiry")
        fields: dict[str, Any] = {
            "version": "3.0",
            "option_basic": [{"symbol": root, "expiry": midnight_ms(day, zone)}],
            "return_greek_value": True,
        }
        if zone == HONG_KONG:
            fields["market"] = "HK"
        found, at = self._reads.items("option_chain", fields, version="3.0", field="expiry")
        rows = [
            row for chain in found for pair in objects_in(chain, "items") for row in _pair(pair)
        ]
        if not rows:
            raise wrong("expiry", "no options of this underlying expire on that day")
        price = self._price(asked.symbol, root)
        if asked.money and price is None:
            raise wrong("money", "the underlying has no price here; filter by strike instead")
        kept = [row for row in rows if _passes(row, asked, conditions, price)]
        table = page(asked, place, sheet(kept, _OPTION, zone), at=oldest(rows, "lastTimestamp", at))
        return msgspec.structs.replace(
            table,
            quality="real_time",
            facts=(
                ("expiry", asked.expiry),
                ("underlying_price", None if price is None else format(price, "f")),
                ("multiplier", figure_in(rows[0], "multiplier")),
                ("found", len(kept)),
            ),
        )

    # Without a right to the stock's prices the chain is still worth having.
    def _price(self, symbol: str, root: str) -> Decimal | None:
        stock = symbol
        if root.endswith(".HK"):
            rows, _ = self._listings.hong_kong_options()
            found = [row for row in rows if row.get("symbol") == root]
            stock = str(found[0].get("underlyingSymbol", "")) if found else ""
        if not stock:
            return None
        fields = {"symbols": [stock], "include_hour_trading": False}
        try:
            quotes, _ = self._reads.items("quote_real_time", fields)
        except MarketRefusalError as refusal:
            if refusal.code == "no_quote_right":
                return None
            raise
        return words.optional_number(quotes[0], "latestPrice") if quotes else None


def _pair(pair: Row) -> list[Row]:
    return [side for name in ("call", "put") if isinstance(side := pair.get(name), dict)]


def _passes(
    row: Row, asked: OptionChainAsk, conditions: tuple[Filter, ...], price: Decimal | None
) -> bool:
    right = str(row.get("right", "")).lower()
    if asked.right and right != asked.right:
        return False
    if asked.money and price is not None:
        strike = words.number(row, "strike")
        is_in = strike < price if right == "call" else strike > price
        if is_in != (asked.money == "in"):
            return False
    for each in conditions:
        value = words.optional_number(row, _FIELDS[each.name])
        if value is None or not (
            value >= each.bound if each.operator == ">=" else value <= each.bound
        ):
            return False
    return True
