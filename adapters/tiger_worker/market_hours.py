"""`ask.<account>.market_status`: sessions and trading days, and what this login may see."""

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from adapters.tiger_worker.market_listings import Listings
from adapters.tiger_worker.market_pages import Place, page, place_of
from adapters.tiger_worker.market_reads import MarketReads, object_in, wrong
from adapters.tiger_worker.market_rows import (
    NEW_YORK,
    ZONES,
    Cells,
    Part,
    Sheet,
    figures,
    marks,
    moment_at,
    moment_in,
    objects_in,
    sheet,
    word_of,
)
from adapters.tiger_worker.market_spans import days_of
from adapters.tiger_worker.words import Row
from core.market_asks import MarketStatusAsk, MarketTable

_BACK_DAYS: Final = 0
_AHEAD_DAYS: Final = 30
_CALENDAR_DAYS_MAX: Final = 366
# The broker writes a market's next opening at its own wall clock, without a year.
_OPENING: Final = re.compile(r"(\d\d-\d\d) (\d\d:\d\d:\d\d)( [A-Z]{2,5})?", re.ASCII)
_STATUS: Final = (
    marks(market="market", status="status", session="marketStatus"),
    marks(next_open_local="next_open"),
    Part(("zone",), lambda row, _: (ZONES.get(str(row.get("market"))),)),
)
_DAY: Final = marks(date="date", kind="type")
_HOURS: Final = (moment_at("start", name="from"), moment_at("end", name="to"))
_QUOTA: Final = (marks(method="method"), figures(used="used", remaining="remain"))
_RIGHT_COLUMNS: Final = ("right", "expires")


class Hours:
    """Answers when one can trade, and what one may see."""

    def __init__(self, reads: MarketReads, listings: Listings) -> None:
        self._reads = reads
        self._listings = listings

    def answer(self, asked: MarketStatusAsk) -> MarketTable:
        """Return one view.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        place = place_of(asked)
        match asked.view:
            case "status":
                rows, at = self._reads.items("market_state", {"market": asked.market})
                dated = [row | {"next_open": _opening(row, at)} for row in rows]
                return page(asked, place, sheet(dated, _STATUS, NEW_YORK), at=at)
            case "calendar":
                return self._calendar(asked, place)
            case "future_hours":
                return self._future_hours(asked, place)
            case "rights":
                return self._rights(asked, place)
            case "quota":
                rows, at = self._reads.items("kline_quota", {"with_details": False})
                return page(asked, place, sheet(rows, _QUOTA, NEW_YORK), at=at)

    def _calendar(self, asked: MarketStatusAsk, place: Place) -> MarketTable:
        if asked.market == "ALL":
            raise wrong("market", "expected US, HK, CN or SG for view=calendar")
        zone = ZONES[asked.market]
        now = self._reads.now()
        first, last = days_of(
            asked.begin, asked.end, now=now, zone=zone, back=_BACK_DAYS, ahead=_AHEAD_DAYS
        )
        if (last - first).days > _CALENDAR_DAYS_MAX:
            raise wrong("end", f"expected at most {_CALENDAR_DAYS_MAX} days")
        fields = {
            "market": asked.market,
            "begin_date": first.isoformat(),
            "end_date": last.isoformat(),
        }
        rows, at = self._reads.items("trading_calendar", fields, field="begin")
        table = page(asked, place, sheet(rows, [_DAY], zone), at=at)
        facts = (("market", asked.market), ("from_day", str(first)), ("to_day", str(last)))
        return msgspec.structs.replace(table, zone=zone, facts=facts)

    def _future_hours(self, asked: MarketStatusAsk, place: Place) -> MarketTable:
        if not asked.symbol:
            raise wrong("symbol", "is needed for view=future_hours, such as CL2701")
        listing = self._listings.one("future", asked.symbol)
        data, at = self._reads.read(
            "future_trading_date", {"contract_code": asked.symbol}, field="symbol"
        )
        row = object_in(data, "future_trading_date")
        kinds = (("trading", "tradingTimes"), ("bidding", "biddingTimes"))
        rows = [each | {"kind": kind} for kind, name in kinds for each in objects_in(row, name)]
        whole = sheet(rows, [marks(kind="kind"), *_HOURS], listing.zone)
        table = page(asked, place, whole, at=at)
        return msgspec.structs.replace(
            table, zone=listing.zone, facts=(("symbol", listing.symbol),)
        )

    def _rights(self, asked: MarketStatusAsk, place: Place) -> MarketTable:
        rows, at = self._reads.items("get_quote_permission", None)
        whole = Sheet(_RIGHT_COLUMNS, [_right(row) for row in rows])
        note = "" if rows else "no quote right is held here; prices of stocks come delayed"
        return msgspec.structs.replace(page(asked, place, whole, at=at), note=note)


def _right(row: Row) -> Cells:
    expires: datetime | None = moment_in(row, "expireAt")
    return word_of(row.get("name")), "never" if expires is None else expires.date().isoformat()


# In the year in which it is nearest to now; what is written otherwise stays as it is.
def _opening(row: Row, now: datetime) -> str:
    text = str(row.get("openTime") or "")
    zone = ZONES.get(str(row.get("market")))
    found = _OPENING.fullmatch(text)
    if found is None or zone is None:
        return text
    times: list[datetime] = []
    for year in (now.year - 1, now.year, now.year + 1):
        try:
            time = datetime.fromisoformat(f"{year}-{found[1]}T{found[2]}")
        except ValueError:
            continue
        times.append(time.replace(tzinfo=ZoneInfo(zone)))
    return min(times, key=lambda time: abs(time - now)).isoformat() if times else text
