"""`ask.<account>.depth`: the order book, who stands in it, and where the money went."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from adapters.tiger_worker.market_listings import Listing, Listings, option_fields
from adapters.tiger_worker.market_pages import Place, page, place_of
from adapters.tiger_worker.market_reads import MarketReads, object_in, wrong
from adapters.tiger_worker.market_rows import (
    HONG_KONG,
    Cells,
    Sheet,
    figure_in,
    figures,
    marks,
    moment_at,
    objects_in,
    sheet,
    text_of,
    trimmed,
    word_of,
)
from adapters.tiger_worker.market_spans import Span, span_of
from adapters.tiger_worker.words import Row
from core.market_asks import DepthAsk, MarketTable

_HOLDING: Final = (
    marks(organisation_id="orgId"),
    figures(
        shares="sharesHold",
        market_value="marketValue",
        bought="buyAmount",
        bought_5_days="buyAmount5",
        bought_20_days="buyAmount20",
        bought_60_days="buyAmount60",
    ),
    marks(date="date"),
)
_FLOW: Final = (moment_at("timestamp", name="time"), figures(net_inflow="netInflow"))
_BOOK_COLUMNS: Final = (
    "level",
    "bid",
    "bid_size",
    "bid_orders",
    "bid_exchange",
    "ask",
    "ask_size",
    "ask_orders",
    "ask_exchange",
)
_BROKER_COLUMNS: Final = ("side", "level", "price", "broker_id", "broker_text_name")
_SIZES: Final = (("all", "All"), ("big", "Big"), ("medium", "Mid"), ("small", "Small"))
# What the capital flow of a stock is asked for at once; Tiger's longest.
_FLOWS_MAX: Final = 1_200


class Depth:
    """Answers for what stands behind a price."""

    def __init__(self, reads: MarketReads, listings: Listings) -> None:
        self._reads = reads
        self._listings = listings

    def answer(self, asked: DepthAsk) -> MarketTable:
        """Return one view.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        place = place_of(asked)
        if asked.view == "broker_holdings":
            return self._holdings(asked, place)
        if not asked.symbol:
            raise wrong("symbol", f"is needed for view={asked.view}")
        if asked.view != "book" and asked.security != "stock":
            raise wrong("security", f"expected stock for view={asked.view}")
        listing = self._listings.one(asked.security, asked.symbol)
        span = span_of(asked.begin, asked.end, listing.zone)
        facts: tuple[tuple[str, str | None], ...] = (("symbol", listing.symbol),)
        match asked.view:
            case "book":
                whole, at = self._book(asked, listing)
            case "brokers":
                whole, at = self._brokers(listing)
            case "capital_flow":
                whole, at = self._flow(asked, listing, span)
                facts = (*facts, ("period", asked.period))
            case _:
                data, at = self._reads.read(
                    "capital_distribution", {"symbol": listing.symbol, "market": listing.market}
                )
                row = object_in(data, "capital_distribution")
                whole = _distribution(row)
                facts = (*facts, ("net_inflow", figure_in(row, "netInflow")))
        return msgspec.structs.replace(
            page(asked, place, whole, at=at),
            zone=listing.zone,
            currency=listing.currency,
            quality="real_time" if asked.view in ("book", "brokers") else None,
            facts=facts,
            begin=span.begin,
            end=span.end,
        )

    def _book(self, asked: DepthAsk, listing: Listing) -> tuple[Sheet, datetime]:
        names: tuple[str, str] = ("bid", "ask")
        match asked.security:
            case "option":
                method = "option_depth"
                fields: dict[str, Any] = {
                    "market": listing.market,
                    "option_basic": [option_fields(listing.symbol)],
                }
            case "future":
                method, fields = "future_depth", {"contract_codes": [listing.symbol]}
            case "fund":
                raise wrong(
                    "security", "expected stock, warrant, option or future; funds have none"
                )
            case _:
                method = "quote_depth"
                fields = {"symbols": [listing.symbol], "market": listing.market}
                names = ("bids", "asks")
        rows, at = self._reads.items(method, fields, field="symbol")
        if not rows:
            return Sheet((), []), at
        return _book(objects_in(rows[0], names[0]), objects_in(rows[0], names[1])), at

    def _brokers(self, listing: Listing) -> tuple[Sheet, datetime]:
        if listing.market != "HK":
            raise wrong("symbol", "expected a Hong Kong stock, such as 00700, for view=brokers")
        fields = {"symbol": listing.symbol, "limit": 40}
        data, at = self._reads.read("stock_broker", fields, field="symbol")
        row = object_in(data, "stock_broker")
        found: list[Cells] = []
        for side, name in (("bid", "bidBroker"), ("ask", "askBroker")):
            for level in objects_in(row, name):
                for broker in objects_in(level, "broker"):
                    found.append(
                        (
                            side,
                            figure_in(level, "level"),
                            figure_in(level, "price"),
                            word_of(broker.get("id")),
                            text_of(broker.get("name")),
                        )
                    )
        return Sheet(_BROKER_COLUMNS, found), at

    def _flow(self, asked: DepthAsk, listing: Listing, span: Span) -> tuple[Sheet, datetime]:
        fields = {
            "symbol": listing.symbol,
            "market": listing.market,
            "period": asked.period,
            "begin_time": span.begin_ms,
            "end_time": span.end_ms,
            "limit": _FLOWS_MAX,
        }
        data, at = self._reads.read("capital_flow", fields, field="period")
        rows = objects_in(object_in(data, "capital_flow"), "items")
        # The latest first: a model rarely wants the days of long ago.
        return sheet(reversed(rows), _FLOW, listing.zone), at

    def _holdings(self, asked: DepthAsk, place: Place) -> MarketTable:
        number = int(place.token) if place.token.isdecimal() else 0
        fields = {
            "market": "HK",
            "page": number,
            "limit": asked.limit,
            "order_by": "marketValue",
            "direction": "SortDir_Descend",
        }
        data, at = self._reads.read("broker_hold", fields, field="cursor")
        row = object_in(data, "broker_hold")
        rows = objects_in(row, "items")
        named = sheet(rows, [*_HOLDING], HONG_KONG)
        names = [text_of(each.get("orgName")) for each in rows]
        whole = Sheet(
            (*named.columns, "broker_text_name"),
            [(*cells, name) for cells, name in zip(named.rows, names, strict=True)],
        )
        last = row.get("totalPage")
        token = str(number + 1) if isinstance(last, int) and number + 1 < last else ""
        return msgspec.structs.replace(
            page(asked, place, whole, at=at, next_token=token), zone=HONG_KONG, currency="HKD"
        )


def _book(bids: Sequence[Row], asks: Sequence[Row]) -> Sheet:
    rows: list[Cells] = []
    for level in range(max(len(bids), len(asks))):
        sides = [side[level] if level < len(side) else {} for side in (bids, asks)]
        rows.append((level + 1, *(cell for side in sides for cell in _level(side))))
    return trimmed(Sheet(_BOOK_COLUMNS, rows))


def _level(row: Row) -> Cells:
    return (
        figure_in(row, "price"),
        figure_in(row, "volume"),
        figure_in(row, "count"),
        word_of(row.get("code")),
    )


def _distribution(row: Row) -> Sheet:
    if not row:
        return Sheet((), [])
    return Sheet(
        ("order_size", "inflow", "outflow"),
        [
            (name, figure_in(row, f"in{wire}"), figure_in(row, f"out{wire}"))
            for name, wire in _SIZES
        ],
    )
