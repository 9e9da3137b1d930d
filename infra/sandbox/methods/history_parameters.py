"""How requests for history are read: times, sessions, limits and page tokens.

Source: Tiger's documentation of the quote methods and its error table (read 2026-11): code, text
and limits. A page token is the base64 of fields joined by "|", as Tiger's is.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from infra.sandbox.market.bars import PERIOD_MINUTES, is_period
from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.instruments import Venue
from infra.sandbox.market.stretches import TradedKind
from infra.sandbox.methods.calls import Call
from infra.sandbox.methods.parameter_values import DAY_MAX, MS_MAX, invalid
from infra.sandbox.wire.envelope import GatewayError, business_error, to_ms

SYMBOLS_MAX = 50
BARS_MAX = 1200
BARS_DEFAULT = 300
ALL_KINDS: frozenset[TradedKind] = frozenset({"overnight", "pre", "regular", "post"})
SESSION_KINDS: dict[str, frozenset[TradedKind]] = {
    "All": ALL_KINDS,
    "PreMarket": frozenset({"pre"}),
    "Regular": frozenset({"regular"}),
    "AfterHours": frozenset({"post"}),
    "OverNight": frozenset({"overnight"}),
}
# By how many days a window of minute bars may reach back: a month up to 10 minutes, else a year.
SHORT_MINUTES_MAX = 10
SHORT_REACH, LONG_REACH = timedelta(days=31), timedelta(days=366)
# Neither changes what a page token continues; the SDK asks for less on its last page.
UNBOUND_FIELDS = ("page_token", "limit", "lang", "version")

# A later time is as good as this one, and one before 1970 as 1970: there are many ways to write
# "ever".
TIME_MS_MAX = to_ms(datetime(DAY_MAX.year, DAY_MAX.month, DAY_MAX.day, tzinfo=UTC))

Time = int | str


def symbols_of(symbols: Sequence[str], most: int = SYMBOLS_MAX) -> tuple[str, ...]:
    """Return the symbols asked for.

    Raises:
        GatewayError: 1010, for none or too many.
    """
    if not 0 < len(symbols) <= most:
        raise business_error(f"symbols cannot be empty and cannot exceed {most}")
    return tuple(symbols)


def period_of(period: str) -> str:
    """Return a period of bars.

    Raises:
        GatewayError: 1010.
    """
    if not is_period(period):
        raise invalid("period")
    return period


def kinds_of(trade_session: str | None) -> frozenset[TradedKind]:
    """Return the parts of a day that a session names; without a name the regular one.

    Raises:
        GatewayError: 1010.
    """
    found = SESSION_KINDS.get(trade_session or "Regular")
    if found is None:
        raise invalid("trade_session")
    return found


def limit_of(limit: int | None, *, default: int, most: int) -> int:
    """Return how much is wanted at most; too much is cut, not refused.

    Raises:
        GatewayError: 1010, below 1.
    """
    if limit is None:
        return default
    if limit < 1:
        raise invalid("limit")
    return min(limit, most)


def time_ms_of(value: Time | None, market: Venue, field: str) -> int | None:
    """Return a time in milliseconds; none for nothing or -1. A text is the exchange's local time.

    Raises:
        GatewayError: 1010.
    """
    if value is None or value in (-1, "-1", ""):
        return None
    if isinstance(value, int):
        if not 0 <= value <= MS_MAX:
            raise invalid(field)
        return min(value, TIME_MS_MAX)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise invalid(field) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_of(market))
    return max(0, min(to_ms(moment), TIME_MS_MAX))


def before_of(end_ms: int | None, place_ms: int | None, now_ms: int) -> int | None:
    """Return before which time bars are wanted; none up to the newest."""
    # What ends in the future ends with the newest bar.
    bounds = [place_ms, None if end_ms is None or end_ms > now_ms else end_ms]
    return min((bound for bound in bounds if bound is not None), default=None)


def minutes_reach_ms(period: str, now_ms: int) -> int:
    """Return since when a window may hold bars of a period (milliseconds)."""
    minutes = PERIOD_MINUTES.get(period)
    if minutes is None:
        return 0
    reach = SHORT_REACH if minutes <= SHORT_MINUTES_MAX else LONG_REACH
    return now_ms - int(reach.total_seconds()) * 1000


def refuse_reach(begin_ms: int, since_ms: int) -> None:
    """Refuse a window that begins too early.

    Raises:
        GatewayError: 4, with Tiger's 4000 in its text.
    """
    if begin_ms < since_ms:
        raise GatewayError(4, "4000:permission denied(the time range is not allowed)")


def next_token(call: Call, method: str, key: str, period: str, before_ms: int) -> str:
    """Return the token of the next page."""
    fields = (method, key, period, str(to_ms(call.now)), str(before_ms), _fingerprint(call))
    return base64.urlsafe_b64encode("|".join(fields).encode()).decode()


def place_of(call: Call, token: str | None, method: str, key: str) -> int | None:
    """Return before which time a token goes on (milliseconds); none without a token.

    Raises:
        GatewayError: 1010, if it is none of ours, or other parameters came with it.
    """
    if not token:
        return None
    try:
        fields = base64.b64decode(token, altchars=b"-_", validate=True).decode().split("|")
        name, of_key, _, _, before, fingerprint = fields
        before_ms = int(before)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise business_error("field 'page_token' is illegal, can't be parsed") from None
    if (name, of_key, fingerprint) != (method, key, _fingerprint(call)):
        raise business_error(
            "'page_token' is used in the wrong way, "
            "when this parameter is used, other parameters cannot be changed"
        )
    return before_ms


def _fingerprint(call: Call) -> str:
    fields = msgspec.json.decode(call.business, type=dict[str, Any])
    bound = {name: value for name, value in fields.items() if name not in UNBOUND_FIELDS}
    text = msgspec.json.encode(bound, order="sorted")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
