"""TBHK's user token: a text that says when it was made and when it ends, sealed by the gateway.

Tiger's client reads the first 27 decoded bytes (`made,ends`) to know when to refresh; what follows
is the gateway's business. Here it is a nonce and a seal, so that a token needs no register and is
still good after a restart. Of a login that refreshed, the register holds from when on the older
ones count no more, if the switch says so.

Source: tigeropen 3.8.0, `tiger_open_config.py`, `should_token_refresh`; Tiger's error table, code
2400, with its texts, and the life of 30 days (page error-code, read 2026-11-22).
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

import msgspec

USER_TOKEN_LIFE = timedelta(days=30)
NONCE_BYTES = 16
SEAL_BYTES = 32
STAMPS_BYTES = 27  # two times of 13 digits and the comma between them
# The longest text that is looked at; a token of ours has 100 letters.
TOKEN_TEXT_MAX = 200


class UserTokenTimes(msgspec.Struct, frozen=True, kw_only=True):
    """What a genuine token says (unit: milliseconds since 1970)."""

    made_ms: int
    ends_ms: int


def new_user_token(key: bytes, *, tiger_id: str, now: datetime, life: timedelta) -> str:
    """Return a fresh token of a login."""
    stamps = f"{_ms(now):013d},{_ms(now + life):013d}".encode("ascii")
    nonce = secrets.token_bytes(NONCE_BYTES)
    return base64.b64encode(stamps + nonce + _seal(key, tiger_id, stamps + nonce)).decode("ascii")


def read_user_token(key: bytes, *, tiger_id: str, token: str) -> UserTokenTimes | None:
    """Return what a token says; none for one that was not made here for this login."""
    if len(token) > TOKEN_TEXT_MAX:
        return None
    try:
        content = base64.b64decode(token.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    body, seal = content[:-SEAL_BYTES], content[-SEAL_BYTES:]
    if not hmac.compare_digest(seal, _seal(key, tiger_id, body)):
        return None
    made, _, ends = body[:STAMPS_BYTES].partition(b",")
    return UserTokenTimes(made_ms=int(made), ends_ms=int(ends))


def _seal(key: bytes, tiger_id: str, body: bytes) -> bytes:
    return hmac.digest(key, tiger_id.encode() + b"\n" + body, hashlib.sha256)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000
