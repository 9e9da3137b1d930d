"""What happens to companies' shares: dividends, splits, changes of name, earnings days."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from adapters.tiger_worker.market_pages import Place, page
from adapters.tiger_worker.market_reads import MarketReads, object_in, wrong
from adapters.tiger_worker.market_rows import (
    ZONES,
    Part,
    figures,
    marks,
    midnight_ms,
    objects_in,
    sheet,
    symbol_named,
    texts,
)
from adapters.tiger_worker.market_spans import days_of
from adapters.tiger_worker.words import Row
from core.market_asks import FundamentalsAsk, MarketTable

# Our word and Tiger's. Source: tigeropen 3.8.0, `CorporateActionType` (read 2026-11).
ACTIONS: Final[Mapping[str, str]] = {
    "dividend": "dividend",
    "split": "split",
    "symbol_change": "symbol_change",
    "delisting": "delisting",
    "ipo": "ipo",
    "earnings": "earning",
}
_EARNINGS_BACK, _EARNINGS_AHEAD = 45, 45
_BACK, _AHEAD = 1_830, 90
# The broker tells the earnings of at most a month at once.
_EARNINGS_AT_ONCE: Final = 30
_EARNINGS_DAYS_MAX: Final = 190
_DAYS_MAX: Final = 11_000
# The broker's rows of earnings name no currency.
_OF_EPS: Final = (
    "expected_eps and actual_eps are in the company's own currency, which is not told here; "
    "what=currency has it as company_currency"
)
_PARTS: Final[Mapping[str, tuple[Part, ...]]] = {
    "dividend": (
        figures(amount="amount"),
        marks(
            currency="currency",
            announced="announcedDate",
            record_day="recordDate",
            pay_day="payDate",
        ),
    ),
    "split": (figures(from_shares="fromFactor", to_shares="toFactor", ratio="ratio"),),
    "symbol_change": (marks(old_symbol="oldSymbol", new_symbol="newSymbol"),),
    "delisting": (marks(announced="announcedDate"), texts(reason="reason")),
    "ipo": (
        texts(name="ipoName"),
        marks(currency="currency", listed="listingDate", price_range="priceRange"),
        figures(
            listing_price="listingPrice",
            shares="sharesOutstanding",
            offered_shares="sharesFloat",
            offer_amount="offerAmount",
            lot_size="minPurchaseQuantity",
        ),
    ),
    "earnings": (
        marks(report_day="reportDate", report_time="reportTime", quarter="fiscalQuarterEnding"),
        figures(expected_eps="expectedEps", actual_eps="actualEps"),
    ),
}


class Events:
    """Answers for companies' events."""

    def __init__(self, reads: MarketReads) -> None:
        self._reads = reads

    def answer(self, asked: FundamentalsAsk, place: Place) -> MarketTable:
        """Return events of one kind in order of their days, the latest first.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        is_earnings = asked.what == "earnings"
        if not asked.symbols and not is_earnings:
            raise wrong("symbols", f"is needed for what={asked.what}")
        zone = ZONES[asked.market]
        now = self._reads.now()
        back, ahead = (_EARNINGS_BACK, _EARNINGS_AHEAD) if is_earnings else (_BACK, _AHEAD)
        first, last = days_of(asked.begin, asked.end, now=now, zone=zone, back=back, ahead=ahead)
        days_max = _EARNINGS_DAYS_MAX if is_earnings else _DAYS_MAX
        if (last - first).days > days_max:
            raise wrong("begin", f"expected at most {days_max} days for what={asked.what}")
        rows, at = self._rows(asked, first, last, zone=zone)
        parts = (symbol_named("symbol"), marks(day="executeDate"), *_PARTS[asked.what])
        table = page(asked, place, sheet(rows, parts, zone), at=at)
        facts = (("market", asked.market), ("from_day", str(first)), ("to_day", str(last)))
        notes = (table.note, _OF_EPS if is_earnings and table.rows else "")
        return msgspec.structs.replace(
            table, zone=zone, facts=facts, note="; ".join(note for note in notes if note)
        )

    def _rows(
        self, asked: FundamentalsAsk, first: date, last: date, *, zone: str
    ) -> tuple[list[Row], datetime]:
        step = _EARNINGS_AT_ONCE if asked.what == "earnings" else _DAYS_MAX
        found: list[Row] = []
        times: list[datetime] = []
        begin = first
        while begin <= last:
            end = min(last, begin + timedelta(days=step))
            fields: dict[str, Any] = {
                "market": asked.market,
                "action_type": ACTIONS[asked.what],
                "begin_date": midnight_ms(begin, zone),
                "end_date": midnight_ms(end, zone),
            }
            if asked.what != "earnings":
                fields["symbols"] = list(asked.symbols)
            data, at = self._reads.read("corporate_action", fields, field="symbols")
            told = object_in(data, "corporate_action")
            found += [row for symbol in told for row in objects_in(told, symbol)]
            times.append(at)
            begin = end + timedelta(days=1)
        wanted = frozenset(asked.symbols)
        if wanted:
            found = [row for row in found if _is_about(row, wanted)]
        return sorted(found, key=lambda row: str(row.get("executeDate")), reverse=True), min(times)


def _is_about(row: Row, wanted: frozenset[str]) -> bool:
    names = ("symbol", "oldSymbol", "newSymbol")
    return any(row.get(name) in wanted for name in names)
