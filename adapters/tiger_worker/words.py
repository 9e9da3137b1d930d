"""Tiger's words in ours: the one table between wire values and the domain.

Tiger's words mislead, so nothing here trusts the SDK's enums: its documents show `Invalid` for a
rejected order and `Inactive` for an expired one, the reverse of the SDK's names.

Source: tigeropen 3.8.0; Tiger's documents on orders and error codes (read 2026-11-22).
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from adapters.tiger_worker.redaction import redacted
from core.errors import CorruptRecordError
from core.money import is_currency
from core.readings import SeenPhase
from core.terms import (
    OptionRight,
    OrderType,
    SecurityType,
    Side,
    TimeInForce,
    TradingSession,
)

Row = dict[str, Any]

SIDE_WORDS: Final = {Side.BUY: "BUY", Side.SELL: "SELL"}
TYPE_WORDS: Final = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STP_LMT",
    OrderType.TRAILING_STOP: "TRAIL",
    OrderType.AUCTION: "AM",
    OrderType.AUCTION_LIMIT: "AL",
    OrderType.TWAP: "TWAP",
    OrderType.VWAP: "VWAP",
    OrderType.ICEBERG: "ICEBERG",
}
FORCE_WORDS: Final = {
    TimeInForce.DAY: "DAY",
    TimeInForce.GOOD_TILL_CANCELLED: "GTC",
    TimeInForce.GOOD_TILL_DATE: "GTD",
    TimeInForce.OPENING_AUCTION: "OPG",
}
SECURITY_WORDS: Final = {
    SecurityType.STOCK: "STK",
    SecurityType.OPTION: "OPT",
    SecurityType.FUTURE: "FUT",
    SecurityType.WARRANT: "WAR",
    SecurityType.CBBC: "IOPT",
    SecurityType.FUND: "FUND",
    SecurityType.COMBINATION: "MLEG",
}
RIGHT_WORDS: Final = {OptionRight.CALL: "CALL", OptionRight.PUT: "PUT"}
SESSION_WORDS: Final = {
    TradingSession.REGULAR: "RTH",
    TradingSession.EXTENDED: "PRE_RTH_POST",
    TradingSession.OVERNIGHT: "OVERNIGHT",
    TradingSession.FULL: "FULL",
}
_SIDES: Final = {word: side for side, word in SIDE_WORDS.items()}
_TYPES: Final = {word: order_type for order_type, word in TYPE_WORDS.items()}
_FORCES: Final = {word: force for force, word in FORCE_WORDS.items()}
_SECURITIES: Final = {word: security for security, word in SECURITY_WORDS.items()}
_RIGHTS: Final = {word: right for right, word in RIGHT_WORDS.items()}

_LIVE: Final = frozenset({"Initial", "PendingSubmit", "Submitted", "PendingCancel"})
_PHASES: Final = {
    "Filled": SeenPhase.FILLED,
    "Cancelled": SeenPhase.CANCELLED,
    # Either word comes with the reason in `remark` when the broker rejected the order.
    "Inactive": SeenPhase.EXPIRED,
    "Invalid": SeenPhase.REJECTED,
}
# Codes with which Tiger says, before anything is done, that it will not do it: (code, kind), where
# kind is the word before the colon in brackets, or "*" for every kind of the code.
_DEFINITE_NO: Final = frozenset(
    {
        (4, "*"),
        (5, "*"),
        (1000, "*"),
        (1010, "*"),
        (1200, "bad_request"),
        (1200, "not_found"),
        (1200, "unauthorized"),
        (1300, "bad_request"),
        (1300, "not_found"),
        (1300, "unauthorized"),
        (2400, "*"),
        (4000, "*"),
    }
)
_NOT_ALLOWED: Final = "TRADE ORDER NOT ALLOWED"
# The kind stands in the first bracket; what a text quotes further on is not Tiger's own word.
_KIND: Final = re.compile(r"[^(]*\(([a-z_]+):")
_TEXT_MAX: Final = 200
_READ_MAX: Final = 4_000
# No price, quantity or amount of money is larger; a double can be.
FIGURE_MAX: Final = Decimal(10) ** 18
# The smallest double has fewer decimals; a text may have millions.
DECIMALS_MAX: Final = 400
SCALE_MAX: Final = 12
# With this the calendar ends.
_MS_MAX: Final = 253_402_300_799_000
# No symbol or market is longer.
NAME_MAX: Final = 60
_HALF_OF_A_PAIR: Final = re.compile(r"[\ud800-\udfff]")
_REPLACED: Final = "\ufffd"
_BROKER_ID: Final = re.compile(r"0*[1-9][0-9]{0,30}", re.ASCII)
_SAYS_EXPIRED: Final = re.compile(r"\bexpired?\b|过期", re.IGNORECASE)


def is_definite_no(code: int, message: str) -> bool:
    """Say whether a code and its text are a refusal before anything was done.

    Whatever is not in the closed list may have been executed. A repeated order number is never a
    definite no: the first order of that number may be live.
    """
    if "DUPLICATE" in message.upper():
        return False
    if code == 1100:
        return _NOT_ALLOWED in message.upper()
    found = _KIND.match(message)
    return (code, "*") in _DEFINITE_NO or (code, found.group(1) if found else "") in _DEFINITE_NO


def clean(value: Any) -> Any:
    """Return a reply in whose texts each half of a surrogate pair is replaced.

    JSON may hold such halves (a text that was cut inside an emoji), but no encoder takes them.
    """
    match value:
        case str():
            return value if value.isascii() else _HALF_OF_A_PAIR.sub(_REPLACED, value)
        case list():
            return [clean(entry) for entry in value]
        case dict():
            return {clean(name): clean(entry) for name, entry in value.items()}
        case _:
            return value


def broker_text(text: object) -> str:
    """Return the broker's words cut short, without anything that may be an account number."""
    found = str(clean(str(text or "")))
    if len(found) > _READ_MAX:
        # What a cut would leave of a key or of a number could no more be told to be one.
        found = found[:_READ_MAX].rpartition(" ")[0] or found[:_READ_MAX]
    return redacted(found)[:_TEXT_MAX]


def broker_id(value: object) -> str:
    """Return an id that the broker gave an order, as text.

    Raises:
        CorruptRecordError: it is no whole number above 0.
    """
    found = "" if isinstance(value, bool) else str(value)
    if _BROKER_ID.fullmatch(found) is None:
        raise CorruptRecordError("expected an id of the broker in an order's row")
    return found


def seen_phase(word: str, remark: str) -> SeenPhase:
    """Return our reading of a status word; a word we do not know is `UNREADABLE`."""
    if word in _LIVE:
        return SeenPhase.LIVE
    phase = _PHASES.get(word, SeenPhase.UNREADABLE)
    if phase is SeenPhase.EXPIRED and remark and _SAYS_EXPIRED.search(remark) is None:
        return SeenPhase.REJECTED
    return phase


def side_of(word: object) -> Side:
    """Return the side.

    Raises:
        CorruptRecordError: for a word that is neither.
    """
    side = _SIDES.get(str(word))
    if side is None:
        raise CorruptRecordError(f"expected BUY or SELL, was {str(word)[:20]!r}")
    return side


def type_of(word: object) -> OrderType | None:
    """Return the order type, or None for one that we do not send ourselves."""
    return _TYPES.get(str(word))


def force_of(word: object) -> TimeInForce | None:
    """Return the time in force, or None for a word that we do not know."""
    return _FORCES.get(str(word))


def security_of(word: object) -> SecurityType | None:
    """Return the class of security, or None for one that we do not trade."""
    return _SECURITIES.get(str(word))


def right_of(word: object) -> OptionRight | None:
    """Return what an option gives the right to, or None for what is no option."""
    return _RIGHTS.get(str(word))


def right_in(row: Row, name: str) -> OptionRight | None:
    """Return what an option gives the right to, or None where the row says nothing of it.

    Raises:
        CorruptRecordError: for a word that is neither: it is no stock for that.
    """
    right = right_of(row.get(name))
    if right is None and text(row, name):
        raise CorruptRecordError(f"expected CALL or PUT, was {text(row, name)[:20]!r}")
    return right


def expiry_of(value: object) -> date | None:
    """Return an expiry written as yyyyMMdd or yyyy-MM-dd, or None where there is none.

    Raises:
        CorruptRecordError: for anything else.
    """
    if value in (None, ""):
        return None
    try:
        return datetime.strptime(str(value).replace("-", ""), "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        raise CorruptRecordError(f"expected an expiry, was {str(value)[:20]!r}") from None


def number(row: Row, name: str) -> Decimal:
    """Return a figure that must be there.

    Raises:
        CorruptRecordError: it is missing or no finite number.
    """
    value = optional_number(row, name)
    if value is None:
        raise CorruptRecordError(f"expected a number in {name}")
    return value


def optional_number(row: Row, name: str) -> Decimal | None:
    """Return a figure, or None for one that Tiger left out or sent as infinite."""
    value = row.get(name)
    if value is None or isinstance(value, bool):
        return None
    try:
        # The shortest text of a double is the decimal that Tiger wrote.
        found = Decimal(str(value))
    except ArithmeticError:
        raise CorruptRecordError(f"expected a number in {name}") from None
    if not found.is_finite():
        return None
    # Neither copying nor comparing rounds, so no figure is too large or too small for them.
    if found.copy_abs() > FIGURE_MAX:
        raise CorruptRecordError(f"expected a figure in {name}, was beyond {FIGURE_MAX}")
    if int(found.as_tuple().exponent) < -DECIMALS_MAX:
        raise CorruptRecordError(f"expected a figure in {name}, was of endless decimals")
    # 5.0 is a float's way to say 5.
    return found.quantize(Decimal(1)) if found == found.to_integral_value() else found


def scaled(row: Row, name: str) -> Decimal:
    """Return a quantity sent as an integer and a scale (111 and 2 are 1.11)."""
    scale = int(optional_number(row, f"{name}Scale") or 0)
    if not 0 <= scale <= SCALE_MAX:
        raise CorruptRecordError(f"expected a scale up to {SCALE_MAX} in {name}, was {scale}")
    return number(row, name).scaleb(-scale)


def told_number(row: Row, name: str) -> Decimal | None:
    """Return a figure that is only shown to people, or None for one that cannot be read."""
    try:
        return optional_number(row, name)
    except CorruptRecordError:
        # What nothing is decided by must keep nothing from being read.
        return None


def moment(row: Row, name: str) -> datetime:
    """Return a time sent in milliseconds.

    Raises:
        CorruptRecordError: it is no time from 1970 to 9999.
    """
    return moment_of(number(row, name), name)


def moment_of(milliseconds: Decimal | int, name: str) -> datetime:
    """Return a time in milliseconds; see `moment`."""
    if not 0 <= milliseconds <= _MS_MAX:
        raise CorruptRecordError(f"expected milliseconds in {name}")
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def optional_moment(row: Row, name: str) -> datetime | None:
    """Return a time sent in milliseconds, or None for one that Tiger left out or sent as 0."""
    return moment(row, name) if optional_number(row, name) else None


def text(row: Row, name: str) -> str:
    """Return a text or id as text; ids exceed what a float holds, so they stay text for good."""
    value = row.get(name)
    return "" if value is None else str(value)


def name(row: Row, field: str) -> str:
    """Return what something is called, a symbol or a market, or "" where Tiger left it out.

    Raises:
        CorruptRecordError: it is no text, one without end, or a text that came in pieces.
    """
    value = row.get(field)
    if isinstance(value, bool | float | list | dict):
        raise CorruptRecordError(f"expected a name in {field}")
    found = str(clean(text(row, field)))
    if len(found) > NAME_MAX or _REPLACED in found or not found.isprintable():
        raise CorruptRecordError(f"expected a name in {field}, was {broker_text(found)[:20]!r}")
    return found


def needed(row: Row, field: str, whose: str) -> str:
    """Return what something is called, and must be; `whose` row it is says the error.

    Raises:
        CorruptRecordError: it is missing, or no name.
    """
    found = name(row, field)
    if not found:
        raise CorruptRecordError(f"expected {field} in {whose} row")
    return found


def currency(row: Row, field: str) -> str:
    """Return a currency's code.

    Raises:
        CorruptRecordError: it is none.
    """
    found = text(row, field)
    if not is_currency(found):
        raise CorruptRecordError(f"expected a currency, was {broker_text(found)[:10]!r}")
    return found
