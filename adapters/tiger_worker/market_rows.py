"""Rows of Tiger's market replies as rows of cells: which figure of which name, and how it reads.

A figure becomes exact decimal text, a time two ISO texts (UTC, and the exchange's wall clock with
its offset), a word only what a word is made of. Text that people wrote stands in a column whose
name begins with `broker_text`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from adapters.tiger_worker import words
from adapters.tiger_worker.words import Row
from core.errors import CorruptRecordError
from core.market_asks import INSTRUMENT_PATTERN, Cell

Cells = tuple[Cell, ...]
Reader = Callable[[Row, ZoneInfo], Cells]
NEW_YORK: Final = "America/New_York"
HONG_KONG: Final = "Asia/Hong_Kong"
ZONES: Final = {
    "US": NEW_YORK,
    "HK": HONG_KONG,
    "CN": "Asia/Shanghai",
    "SG": "Asia/Singapore",
    "AU": "Australia/Sydney",
    "NZ": "Pacific/Auckland",
}
CURRENCIES: Final = {"US": "USD", "HK": "HKD", "CN": "CNY", "SG": "SGD"}
_TEXT_MAX: Final = 120
_WORD_MAX: Final = 40
_NO_WORD: Final = re.compile(r"[^A-Za-z0-9._:/+%*\-]+")
_INSTRUMENT: Final = re.compile(INSTRUMENT_PATTERN, re.ASCII)
_OPTION: Final = re.compile(r"([A-Z][A-Z0-9.]{0,9}?) {0,5}(\d{6})([CP])(\d{8})", re.ASCII)
_MS_MAX: Final = 10**14


class Part(NamedTuple):
    """Some columns next to each other, and how they are read from a row."""

    names: tuple[str, ...]
    read: Reader


class OptionName(NamedTuple):
    """What an option's OCC symbol says."""

    underlying: str
    expiry: date
    right: str
    strike: str

    @property
    def market(self) -> str:
        """Return the market it trades in."""
        return "HK" if self.underlying.endswith(".HK") else "US"


def figures(**wire_names: str) -> Part:
    """Return columns of exact figures, by the wire's name of each."""
    names = tuple(wire_names.values())
    return Part(tuple(wire_names), lambda row, _: tuple(figure_in(row, name) for name in names))


def marks(**wire_names: str) -> Part:
    """Return columns of words: markets, currencies, states, dates as text."""
    names = tuple(wire_names.values())
    return Part(tuple(wire_names), lambda row, _: tuple(word_of(row.get(n)) for n in names))


def flags(**wire_names: str) -> Part:
    """Return columns of yes or no, none where the broker does not say."""
    names = tuple(wire_names.values())
    return Part(
        tuple(wire_names),
        lambda row, _: tuple(None if row.get(n) is None else bool(row[n]) for n in names),
    )


def texts(**wire_names: str) -> Part:
    """Return columns of text that people wrote, each under `broker_text_<name>`."""
    names = tuple(wire_names.values())
    return Part(
        tuple(f"broker_text_{name}" for name in wire_names),
        lambda row, _: tuple(text_of(row.get(n)) for n in names),
    )


def symbol_named(wire_name: str) -> Part:
    """Return the column of a contract's symbol."""
    return Part(("symbol",), lambda row, _: (symbol_of(row.get(wire_name)),))


def moment_at(wire_name: str, *, name: str = "at") -> Part:
    """Return a time in two columns: UTC, and the exchange's wall clock with its offset."""
    return Part(
        (name, f"{name}_local"), lambda row, zone: both_times(moment_in(row, wire_name), zone)
    )


def same(name: str, value: Cell) -> Part:
    """Return a column that says the same of every row."""
    return Part((name,), lambda _, __: (value,))


class Sheet(NamedTuple):
    """Columns with their rows of cells."""

    columns: tuple[str, ...]
    rows: list[Cells]


def sheet(rows: Iterable[Row], parts: Sequence[Part], zone: str) -> Sheet:
    """Return rows read by parts; a column that is empty in every row is left out."""
    where = ZoneInfo(zone)
    names = tuple(name for part in parts for name in part.names)
    read = [tuple(cell for part in parts for cell in part.read(row, where)) for row in rows]
    return trimmed(Sheet(names, read))


def trimmed(whole: Sheet) -> Sheet:
    """Return a sheet without the columns that say nothing."""
    kept = [
        index
        for index in range(len(whole.columns))
        if any(row[index] is not None for row in whole.rows)
    ]
    return Sheet(
        tuple(whole.columns[index] for index in kept),
        [tuple(row[index] for index in kept) for row in whole.rows],
    )


def joined(sheets: Sequence[Sheet]) -> Sheet:
    """Return the rows of several sheets under all their columns."""
    names = tuple(dict.fromkeys(name for each in sheets for name in each.columns))
    rows: list[Cells] = []
    for each in sheets:
        for row in each.rows:
            found = dict(zip(each.columns, row, strict=True))
            rows.append(tuple(found.get(name) for name in names))
    return Sheet(names, rows)


def figure_in(row: Row, name: str) -> str | None:
    """Return a figure as exact decimal text without an exponent."""
    found = words.optional_number(row, name)
    if found is None:
        return None
    return format(found, "f") if found else "0"


def word_of(value: object) -> str | None:
    """Return a word of the broker's: letters, digits and few signs, cut."""
    if value is None or value == "":
        return None
    return _NO_WORD.sub("_", str(value)[:_WORD_MAX])


def text_of(value: object) -> str | None:
    """Return what people wrote, on one line, cut, without anything like an account number."""
    found = words.broker_text(value)[:_TEXT_MAX]
    cleaned = "".join(each if each.isprintable() else " " for each in found).strip()
    return cleaned or None


def symbol_of(value: object) -> str | None:
    """Return a contract's symbol; an option's with its blanks."""
    text = str(value or "")
    return text if _INSTRUMENT.fullmatch(text) else word_of(text)


def moment_in(row: Row, name: str) -> datetime | None:
    """Return a time in milliseconds; none where the broker leaves it out or writes 0."""
    found = words.optional_number(row, name)
    if found is None or not 0 < found < _MS_MAX:
        return None
    return words.moment(row, name)


def both_times(moment: datetime | None, zone: ZoneInfo) -> tuple[str | None, str | None]:
    """Return a time as UTC and as the exchange's wall clock."""
    if moment is None:
        return None, None
    precision = "milliseconds" if moment.microsecond else "seconds"
    utc = moment.astimezone(UTC).isoformat(timespec=precision)
    return utc.replace("+00:00", "Z"), moment.astimezone(zone).isoformat(timespec=precision)


def oldest(rows: Iterable[Row], name: str, otherwise: datetime) -> datetime:
    """Return the time of the oldest row."""
    return min((at for row in rows if (at := moment_in(row, name)) is not None), default=otherwise)


def newest(rows: Iterable[Row], name: str, otherwise: datetime) -> datetime:
    """Return the time of the newest row."""
    return max((at for row in rows if (at := moment_in(row, name)) is not None), default=otherwise)


def objects_in(row: Row, name: str) -> list[Row]:
    """Return a list of objects in a row.

    Raises:
        CorruptRecordError: it is something else.
    """
    found = row.get(name) or []
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise CorruptRecordError(f"expected a list of objects in {name}")
    return found


def option_named(symbol: str) -> OptionName | None:
    """Return what an OCC symbol says, or None for what is no option."""
    found = _OPTION.fullmatch(symbol)
    if found is None:
        return None
    underlying, day, right, strike = found.groups()
    try:
        expiry = datetime.strptime(f"20{day}", "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None
    whole, part = int(strike[:5]), strike[5:].rstrip("0")
    return OptionName(
        underlying,
        expiry,
        "CALL" if right == "C" else "PUT",
        f"{whole}.{part}" if part else str(whole),
    )


def option_symbol(name: OptionName) -> str:
    """Return an option's symbol as Tiger writes it: US ones with the underlying on six places."""
    whole, _, part = name.strike.partition(".")
    strike = f"{int(whole):05d}{part:0<3}"
    underlying = name.underlying if name.market == "HK" else f"{name.underlying:<6}"
    return f"{underlying}{name.expiry:%y%m%d}{name.right[0]}{strike}"


def midnight_ms(day: date, zone: str) -> int:
    """Return the midnight with which Tiger names a day at an exchange, in milliseconds."""
    midnight = datetime.combine(day, time.min, tzinfo=ZoneInfo(zone))
    return int(midnight.timestamp() * 1000)
