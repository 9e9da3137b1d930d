"""`ask.<account>.assets`: what the account itself is worth, now and day by day.

Orders and checks never use these figures; they are what a person sees in the broker's own app.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from adapters.tiger_worker.market_pages import page, place_of
from adapters.tiger_worker.market_reads import MarketReads, object_in, wrong
from adapters.tiger_worker.market_rows import (
    NEW_YORK,
    Part,
    Sheet,
    figure_in,
    figures,
    joined,
    marks,
    moment_in,
    objects_in,
    same,
    sheet,
    word_of,
)
from adapters.tiger_worker.market_spans import days_of
from adapters.tiger_worker.words import Row
from core.market_asks import AssetsAsk, AssetsTold

_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
# Source: tigeropen 3.8.0, `PrimeAssetsResponse` and `SegmentType` (read 2026-11).
_SEGMENTS: Final = {"S": "securities", "C": "futures", "F": "funds", "D": "digital_assets"}
_WITH_A_PAST: Final = {"SEC": "securities", "FUT": "futures"}
_FIGURES: Final = (
    marks(currency="currency"),
    figures(
        net_liquidation="netLiquidation",
        cash_balance="cashBalance",
        cash_available="cashAvailableForTrade",
        positions_value="grossPositionValue",
        buying_power="buyingPower",
        unrealized_profit="unrealizedPL",
        realized_profit="realizedPL",
        today_profit="totalTodayPL",
        equity_with_loan="equityWithLoan",
        initial_margin="initMargin",
        maintenance_margin="maintainMargin",
        overnight_margin="overnightMargin",
        excess_liquidity="excessLiquidation",
        leverage="leverage",
        locked="lockedFunds",
        uncollected="uncollected",
    ),
)
_CASH: Final = (
    marks(currency="currency"),
    figures(
        balance="cashBalance",
        available="cashAvailableForTrade",
        per_unit="forexRate",
    ),
)
_DAY: Final = (
    Part(("day",), lambda row, zone: (_day_in(row, zone),)),
    figures(
        value="asset",
        cash="cashBalance",
        positions_value="grossPositionValue",
        profit="pnl",
        profit_rate="pnlPercentage",
        deposit="deposit",
        withdrawal="withdrawal",
    ),
)
# What says that a segment was in use on a day.
_WORTH: Final = ("asset", "cashBalance", "grossPositionValue", "pnl", "deposit", "withdrawal")
_BACK: Final = 30
_CURRENCY_DEFAULT: Final = "USD"


class Assets:
    """Answers for one account's own worth."""

    def __init__(self, reads: MarketReads) -> None:
        self._reads = reads

    def answer(self, asked: AssetsAsk) -> AssetsTold:
        """Return one view.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        if asked.currency and not _CURRENCY.fullmatch(asked.currency):
            raise wrong("base_currency", "expected a currency such as USD or HKD")
        return self._history(asked) if asked.view == "history" else self._now(asked)

    def _now(self, asked: AssetsAsk) -> AssetsTold:
        place = place_of(asked)
        fields: dict[str, Any] = {"consolidated": True}
        if asked.currency:
            fields["base_currency"] = asked.currency
        data, at = self._reads.read("prime_assets", fields, of_account=True, field="base_currency")
        row = object_in(data, "prime_assets")
        seen_at = moment_in(row, "updateTimestamp") or at
        segments = objects_in(row, "segments")
        whole = joined([_sheet(each, [each], _FIGURES) for each in segments])
        cash = joined(
            [_sheet(each, objects_in(each, "currencyAssets"), _CASH) for each in segments]
        )
        return AssetsTold(
            table=page(asked, place, whole, at=seen_at), cash=page(asked, place, cash, at=seen_at)
        )

    def _history(self, asked: AssetsAsk) -> AssetsTold:
        place, now = place_of(asked), self._reads.now()
        first, last = days_of(asked.begin, asked.end, now=now, zone=NEW_YORK, back=_BACK)
        # The reply does not say its currency, so that it is never left to the broker.
        currency = asked.currency or _CURRENCY_DEFAULT
        fields = {"start_date": str(first), "end_date": str(last), "currency": currency}
        found: list[Sheet] = []
        facts: list[tuple[str, str | None]] = [("from_day", str(first)), ("to_day", str(last))]
        times: list[datetime] = []
        for word, segment in _WITH_A_PAST.items():
            data, at = self._reads.read(
                "analytics_asset", {**fields, "seg_type": word}, of_account=True, field="begin"
            )
            row = object_in(data, "analytics_asset")
            days = [each for each in objects_in(row, "history") if _is_in_use(each)]
            times.append(at)
            if days:
                summary = object_in(row.get("summary"), "analytics_asset")
                facts.append((f"{segment}_profit", figure_in(summary, "pnl")))
                facts.append((f"{segment}_profit_rate", figure_in(summary, "pnlPercentage")))
                # The latest first.
                found.append(sheet(reversed(days), (same("segment", segment), *_DAY), NEW_YORK))
        table = page(asked, place, joined(found), at=min(times))
        return AssetsTold(
            table=msgspec.structs.replace(
                table, zone=NEW_YORK, currency=currency, facts=tuple(facts)
            )
        )


def _sheet(segment: Row, rows: Iterable[Row], parts: Sequence[Part]) -> Sheet:
    return sheet(rows, (same("segment", _segment_of(segment)), *parts), NEW_YORK)


def _segment_of(row: Row) -> str | None:
    category = str(row.get("category") or "")
    return _SEGMENTS.get(category, word_of(category))


def _is_in_use(row: Row) -> bool:
    return any(figure_in(row, name) not in (None, "0") for name in _WORTH)


# Tiger names a day by its midnight in New York.
def _day_in(row: Row, zone: ZoneInfo) -> str | None:
    moment = moment_in(row, "date")
    day: date | None = None if moment is None else moment.astimezone(zone).date()
    return None if day is None else str(day)
