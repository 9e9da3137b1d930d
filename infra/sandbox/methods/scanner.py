"""Tiger's methods that look for stocks: the scanner and the tags it knows.

Source: tigeropen 3.8.0, `quote/domain/filter.py`, `quote/request/model.py`; Tiger's documentation
of the scanner (read 2026-11).
"""

from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from infra.sandbox.market.instruments import CATALOGUE, Venue
from infra.sandbox.market.scanner import (
    FIVE_MINUTES,
    PERIOD_DAYS,
    REPORT_PERIODS,
    SINCE_LISTING,
    YEAR_TO_DATE,
    Candidate,
    Condition,
    Order,
    SortDirection,
    scan,
    tag_values,
)
from infra.sandbox.market.scanner_fields import Field, FieldKind, field_at, field_named
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.figures import Json
from infra.sandbox.methods.history import series_for
from infra.sandbox.methods.parameter_values import invalid, word
from infra.sandbox.wire.envelope import business_error

PAGE_SIZE_MAX = 200
PAGE_SIZE_DEFAULT = 100
# Only these fields have a list of tags to choose from.
TAGGED = ("MultiTagField_Industry", "MultiTagField_Concept")
ALWAYS_SHOWN = ("MultiTagField_StockCode", "MultiTagField_Market_Name")
PERIODS = (FIVE_MINUTES, *PERIOD_DAYS, YEAR_TO_DATE, SINCE_LISTING, *REPORT_PERIODS)
ANSWER_LISTS: dict[FieldKind, str] = {
    "StockField": "baseDataList",
    "AccumulateField": "accumulateDataList",
    "FinancialField": "financialDataList",
    "MultiTagField": "multiTagDataList",
}


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """One filter of a request."""

    field_name: str
    filter_min: Decimal | None = None
    filter_max: Decimal | None = None
    is_no_filter: bool = False
    period: str | None = None
    financial_period: str | None = None
    tag_list: tuple[str | int, ...] | None = None


class SortParameters(msgspec.Struct, frozen=True, kw_only=True):
    """By what to sort; the field is given by its number."""

    field_name: int
    field_type: str
    sort_dir: str
    period: str | int | None = None


class ScannerParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `market_scanner`."""

    market: str = ""
    base_filter_list: tuple[Filter, ...] = ()
    accumulate_filter_list: tuple[Filter, ...] = ()
    financial_filter_list: tuple[Filter, ...] = ()
    multi_tags_filter_list: tuple[Filter, ...] = ()
    sort_field_data: SortParameters | None = None
    page: int = 0
    page_size: int = PAGE_SIZE_DEFAULT
    cursor_id: str | None = None


class TagsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `market_scanner_tags`."""

    market: str = ""
    multi_tag_field_list: tuple[str, ...] = ()


def market_scanner(call: Call) -> object:
    """Return one page of the stocks that pass all filters, with the values of every field asked."""
    asked = parameters(call, ScannerParameters)
    market: Venue | None = word(asked.market, Venue, "market")
    if market is None:
        raise business_error("field 'market' cannot be empty")
    if asked.page < 0 or not asked.page_size > 0:
        raise invalid("page" if asked.page < 0 else "page_size")
    size = min(asked.page_size, PAGE_SIZE_MAX)
    cursor = _cursor(call)
    if asked.cursor_id and asked.cursor_id != cursor:
        raise business_error(
            "'cursor_id' is used in the wrong way, "
            "when this parameter is used, other parameters cannot be changed"
        )
    conditions = [_condition(kind, item) for kind, item in _filters(asked)]
    order = _order(asked.sort_field_data)
    found = scan(_candidates(call, market), conditions, order)
    shown = found[asked.page * size : (asked.page + 1) * size]
    return {
        "page": asked.page,
        "totalPage": -(-len(found) // size),
        "totalCount": len(found),
        "pageSize": size,
        "cursorId": cursor,
        "items": [_item_json(item, conditions, order) for item in shown],
    }


def market_scanner_tags(call: Call) -> object:
    """Return the tags of the fields that have a list of them."""
    asked = parameters(call, TagsParameters)
    market: Venue | None = word(asked.market, Venue, "market")
    if market is None or not asked.multi_tag_field_list:
        name = "market" if market is None else "multi_tag_field_list"
        raise business_error(f"field '{name}' cannot be empty")
    if any(name not in TAGGED for name in asked.multi_tag_field_list):
        raise invalid("multi_tag_field_list")
    return [
        {
            "market": market,
            "multiTagField": name,
            "tagList": [
                {"tag": tag, "value": value}
                for tag, value in tag_values(name.partition("_")[2], market)
            ],
        }
        for name in asked.multi_tag_field_list
    ]


def _candidates(call: Call, market: Venue) -> list[Candidate]:
    return [
        Candidate(series_for(call, item), call.engine.prices.quote(item.key))
        for item in CATALOGUE.values()
        if item.market == market and item.sec_type == "STK"
    ]


def _filters(asked: ScannerParameters) -> Iterable[tuple[FieldKind, Filter]]:
    lists: tuple[tuple[FieldKind, tuple[Filter, ...]], ...] = (
        ("StockField", asked.base_filter_list),
        ("AccumulateField", asked.accumulate_filter_list),
        ("FinancialField", asked.financial_filter_list),
        ("MultiTagField", asked.multi_tags_filter_list),
    )
    for kind, items in lists:
        for item in items:
            yield kind, item


def _condition(kind: FieldKind, asked: Filter) -> Condition:
    field = field_named(asked.field_name)
    if field is None or field.kind != kind:
        raise invalid("field_name")
    if asked.period is not None and asked.period not in PERIODS:
        raise invalid("period")
    if asked.financial_period not in (None, "LTM"):
        raise invalid("financial_period")
    if any(bound is not None and bound.is_nan() for bound in (asked.filter_min, asked.filter_max)):
        raise invalid("filter_min")
    return Condition(
        field=field,
        least=asked.filter_min,
        most=asked.filter_max,
        tags=tuple(str(tag) for tag in asked.tag_list or ()),
        period=asked.period,
        is_shown_only=asked.is_no_filter,
    )


def _order(asked: SortParameters | None) -> Order | None:
    if asked is None:
        return None
    kind: FieldKind = word(asked.field_type.removesuffix("_Type"), FieldKind, "field_type")
    field = field_at(kind, asked.field_name)
    if field is None:
        raise invalid("field_name")
    direction: SortDirection = word(asked.sort_dir, SortDirection, "sort_dir")
    return Order(field=field, direction=direction, period=_period(asked.period))


def _period(asked: str | int | None) -> str | None:
    # The SDK gives a filter's period by name, but that of sorting by its number.
    if isinstance(asked, int) or (asked is not None and asked.isdigit()):
        number = int(asked)
        if not 0 <= number < len(SORT_PERIODS):
            raise invalid("period")
        return SORT_PERIODS[number]
    if asked is not None and asked not in PERIODS:
        raise invalid("period")
    return asked


def _item_json(item: Candidate, conditions: Iterable[Condition], order: Order | None) -> Json:
    lists: dict[str, list[Json]] = {name: [] for name in ANSWER_LISTS.values()}
    wanted = [(one.field, one.period) for one in conditions]
    if order is not None:
        wanted.append((order.field, order.period))
    always = [(field, None) for name in ALWAYS_SHOWN if (field := field_named(name)) is not None]
    seen: set[Field] = set()
    for field, period in (*wanted, *always):
        value = item.value(field, period)
        if value is None or field in seen:
            continue
        seen.add(field)
        shown: Any = float(value) if isinstance(value, Decimal) else value
        lists[ANSWER_LISTS[field.kind]].append(
            {"index": field.index, "name": field.label, "value": shown}
        )
    return {"symbol": item.instrument.key, "market": item.instrument.market, **lists}


def _cursor(call: Call) -> str:
    """Return the name of a search: the same for all its pages."""
    fields = msgspec.json.decode(call.business, type=dict[str, Any])
    bound = {name: value for name, value in fields.items() if name not in ("page", "cursor_id")}
    text = blake2b(msgspec.json.encode(bound, order="sorted"), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


# Source: tigeropen 3.8.0, `common/consts/filter_fields.py`, `AccumulatePeriod`.
SORT_PERIODS = (
    FIVE_MINUTES,
    "Five_Days",
    "Ten_Days",
    "Twenty_Days",
    YEAR_TO_DATE,
    "Half_Year",
    "Last_Year",
    "Last_Two_Year",
    "Last_Five_Year",
    SINCE_LISTING,
    *REPORT_PERIODS,
)
