"""`ask.<account>.scan`: stocks that pass every filter, those people look at, and what can be asked.

A field is written as the SDK names it, in lower case with underscores. Where two kinds of field
share a name, the one with a period (`net_income:annual`) is the sum over that period, the other the
figure of the last twelve months.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from tigeropen.common.consts.filter_fields import (
    AccumulateField,
    FilterField,
    FinancialField,
    MultiTagField,
    StockField,
)

from adapters.tiger_worker.market_filters import Filter, Sort, filters_in, near, sort_in
from adapters.tiger_worker.market_pages import Place, page, place_of
from adapters.tiger_worker.market_reads import MarketReads, object_in, wrong
from adapters.tiger_worker.market_rows import (
    CURRENCIES,
    ZONES,
    Cells,
    Sheet,
    figure_in,
    figures,
    marks,
    objects_in,
    sheet,
    symbol_named,
    symbol_of,
    text_of,
    texts,
    trimmed,
    word_of,
)
from adapters.tiger_worker.words import Row
from core.market_asks import MarketTable, ScanAsk

_BASE: Final = "StockField"
_SUM: Final = "AccumulateField"
_FINANCIAL: Final = "FinancialField"
_TAG: Final = "MultiTagField"
_LISTS: Final[Mapping[str, tuple[str, str]]] = {
    _BASE: ("base_filter_list", "baseDataList"),
    _SUM: ("accumulate_filter_list", "accumulateDataList"),
    _FINANCIAL: ("financial_filter_list", "financialDataList"),
    _TAG: ("multi_tags_filter_list", "multiTagDataList"),
}
# Our word, Tiger's word in a filter, and Tiger's number in a sort.
_PERIODS: Final[Mapping[str, tuple[str, int]]] = {
    "5min": ("Five_Minutes", 0),
    "5d": ("Five_Days", 1),
    "10d": ("Ten_Days", 2),
    "20d": ("Twenty_Days", 3),
    "ytd": ("Beginning_Of_The_Year_To_Now", 4),
    "6mo": ("Half_Year", 5),
    "1y": ("Last_Year", 6),
    "2y": ("Last_Two_Year", 7),
    "5y": ("Last_Five_Year", 8),
    "listed": ("Listing_Date_To_Now", 9),
    "annual": ("ANNUAL", 10),
    "quarter": ("QUARTERLY", 11),
}
_TAGGED: Final = ("industry", "concept")
_BREAKS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PAGE: Final = 100
_HOT: Final = (
    symbol_named("symbol"),
    texts(name="name"),
    figures(change_rate="changeRate", buy_share="buyOrderRate", sell_share="sellOrderRate"),
    marks(market="market"),
)


class Field(NamedTuple):
    """One thing that stocks can be filtered by."""

    kind: str
    wire: str
    number: int


class _Asked(NamedTuple):
    field: Field
    title: str
    period: str


class Scanner:
    """Answers which stocks fit."""

    def __init__(self, reads: MarketReads) -> None:
        self._reads = reads

    def answer(self, asked: ScanAsk) -> MarketTable:
        """Return one view.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        place = place_of(asked)
        match asked.view:
            case "stocks":
                return self._stocks(asked, place)
            case "hot":
                rows, at = self._reads.items("trade_rank", {"market": asked.market}, field="market")
                zone = ZONES[asked.market]
                table = page(asked, place, sheet(rows, _HOT, zone), at=at)
                return msgspec.structs.replace(table, zone=zone)
            case "tags":
                return self._tags(asked, place)
            case "fields":
                return page(asked, place, _field_sheet(), at=self._reads.now())

    def _stocks(self, asked: ScanAsk, place: Place) -> MarketTable:
        conditions = filters_in(asked.filters)
        sort = sort_in(asked.sort)
        if not conditions:
            raise wrong("filters", 'is needed, such as "market_value>=10000000000"')
        number, _, cursor_id = place.token.partition("/")
        fields: dict[str, Any] = {
            "version": "1.0",
            "market": asked.market,
            "page": int(number) if number.isdecimal() else 0,
            "page_size": _PAGE,
        }
        if cursor_id:
            fields["cursor_id"] = cursor_id
        shown: dict[tuple[str, int], _Asked] = {}
        for each in conditions:
            found = _found(each.name, each.period, argument="filters")
            shown[found.field.kind, found.field.number] = found
            fields.setdefault(_LISTS[found.field.kind][0], []).append(_merged(found, each))
        fields |= _joined_bounds(fields)
        if sort is not None:
            found = _found(sort.name, sort.period, argument="sort")
            shown.setdefault((found.field.kind, found.field.number), found)
            fields["sort_field_data"] = _sorting(found, sort)
        data, at = self._reads.read("market_scanner", fields, version="1.0", field="filters")
        return self._table(asked, place, object_in(data, "market_scanner"), shown, at)

    def _table(
        self,
        asked: ScanAsk,
        place: Place,
        told: Row,
        shown: Mapping[tuple[str, int], _Asked],
        at: datetime,
    ) -> MarketTable:
        rows = [_cells(row, shown) for row in objects_in(told, "items")]
        whole = trimmed(Sheet(("symbol", *(each.title for each in shown.values())), rows))
        number, last, cursor_id = told.get("page"), told.get("totalPage"), told.get("cursorId")
        token = ""
        if isinstance(number, int) and isinstance(last, int) and number + 1 < last:
            token = f"{number + 1}/{cursor_id or ''}"
        table = page(asked, place, whole, at=at, next_token=token)
        zone = ZONES[asked.market]
        facts = (("market", asked.market), ("found", figure_in(told, "totalCount")))
        return msgspec.structs.replace(
            table, zone=zone, currency=CURRENCIES[asked.market], facts=facts
        )

    def _tags(self, asked: ScanAsk, place: Place) -> MarketTable:
        fields = {
            "market": asked.market,
            "multi_tag_field_list": [f"{_TAG}_{name.capitalize()}" for name in _TAGGED],
        }
        rows, at = self._reads.items("market_scanner_tags", fields, field="market")
        cells: list[Cells] = [
            (
                str(row.get("multiTagField", "")).rpartition("_")[2].lower(),
                word_of(tag.get("tag")),
                text_of(tag.get("value")),
            )
            for row in rows
            for tag in objects_in(row, "tagList")
        ]
        whole = Sheet(("field", "tag", "broker_text_name"), cells)
        return page(asked, place, whole, at=at)


@cache
def known_fields() -> Mapping[str, tuple[Field, ...]]:
    """Return every field by our name; of two with one name, the one of today comes first.

    Source: tigeropen 3.8.0, `common/consts/filter_fields.py`.
    """
    found: dict[str, tuple[Field, ...]] = {}
    kinds: tuple[type[FilterField], ...] = (
        StockField,
        FinancialField,
        AccumulateField,
        MultiTagField,
    )
    for kind in kinds:
        for wire, member in kind.__members__.items():
            name = re.sub("__+", "_", _BREAKS.sub("_", wire)).lower()
            field = Field(kind.__name__, wire, member.index)
            found[name] = (*found.get(name, ()), field)
    return found


def _found(name: str, period: str, *, argument: str) -> _Asked:
    fields = known_fields().get(name)
    if fields is None:
        raise wrong(argument, f"{name}: there is no such field; near: {near(name, known_fields())}")
    sums = [field for field in fields if field.kind == _SUM]
    if period and not sums:
        raise wrong(argument, f"{name}: takes no period")
    if period and period not in _PERIODS:
        raise wrong(argument, f"{name}: expected a period of {', '.join(_PERIODS)}")
    field = sums[0] if period else fields[0]
    if field.kind == _SUM and not period:
        raise wrong(argument, f"{name}: needs a period, such as {name}:5d or {name}:annual")
    return _Asked(field, f"{name}:{period}" if period else name, period)


def _merged(found: _Asked, each: Filter) -> dict[str, Any]:
    body: dict[str, Any] = {
        "field_name": f"{found.field.kind}_{found.field.wire}",
        "is_no_filter": False,
    }
    if found.field.kind == _TAG:
        if each.operator != "=":
            raise wrong("filters", f"{each.name}: expected = and a tag; see view=tags")
        return body | {"tag_list": each.value.split("|")}
    if each.operator == "=":
        raise wrong("filters", f"{each.name}: expected >= or <=")
    body["filter_min" if each.operator == ">=" else "filter_max"] = float(each.bound)
    if found.field.kind == _SUM:
        body["period"] = _PERIODS[found.period][0]
    if found.field.kind == _FINANCIAL:
        body["financial_period"] = "LTM"
    return body


# Two bounds of one field are one filter at Tiger.
def _joined_bounds(fields: Mapping[str, Any]) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for name, _ in _LISTS.values():
        if name not in fields:
            continue
        by_field: dict[tuple[str, str], dict[str, Any]] = {}
        for body in fields[name]:
            key = (body["field_name"], body.get("period", ""))
            by_field.setdefault(key, {}).update(body)
        joined[name] = list(by_field.values())
    return joined


def _sorting(found: _Asked, sort: Sort) -> dict[str, Any]:
    return {
        "field_name": found.field.number,
        "field_type": f"{found.field.kind}_Type",
        "sort_dir": "SortDir_Descend" if sort.is_descending else "SortDir_Ascend",
        "period": _PERIODS[found.period][1] if found.period else None,
    }


def _cells(row: Row, shown: Mapping[tuple[str, int], _Asked]) -> Cells:
    values: dict[tuple[str, int], str | None] = {}
    for kind, (_, name) in _LISTS.items():
        for item in objects_in(row, name):
            number = item.get("index")
            if isinstance(number, int):
                is_figure = isinstance(item.get("value"), int | float)
                cell = figure_in(item, "value") if is_figure else word_of(item.get("value"))
                values[kind, number] = cell
    return symbol_of(row.get("symbol")), *(values.get(key) for key in shown)


def _field_sheet() -> Sheet:
    kinds = {_BASE: "now", _FINANCIAL: "12 months", _SUM: "needs a period", _TAG: "tag"}
    cells: list[Cells] = [
        (name, ", ".join(kinds[field.kind] for field in fields))
        for name, fields in known_fields().items()
    ]
    return Sheet(("field", "kind"), cells)
