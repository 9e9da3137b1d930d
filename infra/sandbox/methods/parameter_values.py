"""How single values of a request are read: contracts, numbers, words, times.

A fault is Tiger's 1010 and names the field.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, get_args

import msgspec

from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.records import Side
from infra.sandbox.market.instruments import PRICE_MAX, Instrument, Right, SecType, resolve
from infra.sandbox.wire.envelope import GatewayError, business_error

MS_MAX = 253_402_300_799_000  # the last second of the year 9999
# Calendars are reckoned this far; a day beyond is a slip of the caller's.
DAY_MIN, DAY_MAX = date(1900, 1, 1), date(2100, 1, 1)
# Tiger's default when a request names no security type.
PLAIN_TYPE: SecType = "STK"
UNTRADED = "We don't support trading of this stock now"


class NamedContract(msgspec.Struct, frozen=True, kw_only=True):
    """A contract as a request names it."""

    symbol: str = ""
    sec_type: str | None = None
    currency: str | None = None
    local_symbol: str | None = None  # the code of a warrant whose `symbol` is its underlying's
    expiry: str | None = None
    strike: Decimal | None = None
    right: str | None = None


def contract_of(asked: NamedContract) -> Instrument:
    """Return the contract that a request names.

    Raises:
        GatewayError: 1010, for a field that is missing or malformed.
        OrderRefusedError: no such contract is traded here.
    """
    if not asked.symbol:
        raise business_error("field 'symbol' cannot be empty")
    found = named_contract(asked)
    if found is None or asked.currency not in (None, "", "ALL", found.currency):
        raise OrderRefusedError("bad_request", UNTRADED)
    return found


def named_contract(asked: NamedContract) -> Instrument | None:
    """Return the contract that a request names, or none if there is none.

    Raises:
        GatewayError: 1010, for a malformed field.
    """
    sec_type: SecType = word(asked.sec_type or PLAIN_TYPE, SecType, "sec_type")
    found = resolve(
        asked.symbol,
        sec_type=sec_type,
        expiry=date_of(asked.expiry, "expiry"),
        strike=finite(asked.strike, "strike"),
        right=word(asked.right, Right, "right"),
    )
    if found is None and asked.local_symbol:
        return resolve(asked.local_symbol, sec_type=sec_type)
    return found


def side_of(action: str) -> Side:
    """Return the side of an action.

    Raises:
        GatewayError: 1010.
    """
    side: Side | None = word(action, Side, "action")
    if side is None:
        raise business_error("field 'action' cannot be empty")
    return side


def moment_of(value_ms: int | None, field: str) -> datetime | None:
    """Return a time from milliseconds.

    Raises:
        GatewayError: 1010.
    """
    if value_ms is None:
        return None
    if not 0 < value_ms <= MS_MAX:
        raise invalid(field)
    seconds, rest_ms = divmod(value_ms, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ms * 1000)


def date_of(text: str | None, field: str) -> date | None:
    """Return a date from `yyyyMMdd` or `yyyy-MM-dd`.

    Raises:
        GatewayError: 1010, also for a day beyond DAY_MIN and DAY_MAX.
    """
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise invalid(field) from None
    if not DAY_MIN <= found <= DAY_MAX:
        raise invalid(field)
    return found


def finite(value: Decimal | None, field: str) -> Decimal | None:
    """Return a number that can be reckoned with.

    Raises:
        GatewayError: 1010.
    """
    # Compared, not reckoned with: the `abs` of 1E+1000000 overflows.
    if value is not None and not (value.is_finite() and -PRICE_MAX <= value <= PRICE_MAX):
        raise invalid(field)
    return value


def word(text: str | None, words: Any, field: str) -> Any:
    """Return one word of a `Literal`, or none for an empty text.

    Raises:
        GatewayError: 1010.
    """
    if not text:
        return None
    if text not in get_args(words):
        raise invalid(field)
    return text


def invalid(field: str) -> GatewayError:
    """Return the error for a field that can not be read."""
    return business_error(f"field '{field}' is invalid")
