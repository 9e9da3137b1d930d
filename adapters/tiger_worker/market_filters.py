"""Filters as a model writes them: `delta>=0.3`, `change_rate:5d<=0.1`, `industry=BK20104010`."""

import re
from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches
from typing import Final, Literal, NamedTuple

from adapters.tiger_worker.market_reads import wrong
from core.market_asks import FILTER_PATTERN, FILTERS_MAX, SORT_PATTERN

_FILTER: Final = re.compile(
    r"(?P<name>[a-z0-9_]{2,40})(:(?P<period>[a-z0-9]{2,8}))?(?P<operator>>=|<=|=)(?P<value>.+)"
)
_NUMBER: Final = re.compile(r"-?\d{1,18}(\.\d{1,8})?", re.ASCII)
_NEAR_MAX: Final = 5


class Filter(NamedTuple):
    """One condition; `value` is a decimal for >= and <=."""

    name: str
    period: str
    operator: Literal[">=", "<=", "="]
    value: str

    @property
    def bound(self) -> Decimal:
        """Return the value of a filter that compares."""
        return Decimal(self.value)


def filters_in(texts: Iterable[str]) -> tuple[Filter, ...]:
    """Return filters read from their texts.

    Raises:
        MarketRefusalError: one is none, or compares with what is no number.
    """
    found = tuple(_filter_in(text) for text in texts)
    if len(found) > FILTERS_MAX:
        raise wrong("filters", f"expected at most {FILTERS_MAX}")
    return found


def _filter_in(text: str) -> Filter:
    matched = _FILTER.fullmatch(text) if re.fullmatch(FILTER_PATTERN, text) else None
    if matched is None:
        raise wrong("filters", 'expected filters such as "volume>=1000000"')
    name, period, value = matched["name"], matched["period"] or "", matched["value"]
    operator = matched["operator"]
    if operator == "=":
        return Filter(name, period, "=", value)
    if not _NUMBER.fullmatch(value):
        raise wrong("filters", f"expected a plain decimal after {name}{operator}")
    return Filter(name, period, ">=" if operator == ">=" else "<=", value)


class Sort(NamedTuple):
    """What to sort by."""

    name: str
    period: str
    is_descending: bool


def sort_in(text: str) -> Sort | None:
    """Return what to sort by; a minus sign means falling.

    Raises:
        MarketRefusalError: it is no field's name.
    """
    if not text:
        return None
    if not re.fullmatch(SORT_PATTERN, text):
        raise wrong("sort", 'expected a field such as "-market_value" or "change_rate:5d"')
    name, _, period = text.removeprefix("-").partition(":")
    return Sort(name, period, text.startswith("-"))


def near(name: str, known: Iterable[str]) -> str:
    """Return the known names that are most like one that is not, as text."""
    everything = sorted(known)
    found = get_close_matches(name, everything, n=_NEAR_MAX, cutoff=0.3)
    found += [each for each in everything if name in each and each not in found]
    return ", ".join(found[:_NEAR_MAX] or everything[:_NEAR_MAX])
