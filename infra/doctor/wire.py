"""One signed reading from a login's gateway, without the SDK: who answers, what, and at what time.

It asks for the login's accounts, which changes nothing and takes no right from another device.

Source: tigeropen 3.8.0, `tiger_open_client.py` and `signature_utils.py` (the envelope and what the
signature covers); codes from Tiger's public error table (page error-codes, read 2026-11-22).
"""

import base64
import json
import socket
import ssl
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from infra.doctor.credentials import Credentials

LIMIT_S: Final = 10.0
METHOD: Final = "accounts"
# HTTP dates have whole seconds; the middle of one is the best guess.
_DATE_ERROR_S: Final = 0.5
_HTTPS_PORT: Final = 443
_HTTP_PORT: Final = 80


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back.

    Attributes:
        code: Tiger's; None for a body that is no reply of Tiger's.
        reason: Tiger's words, for telling causes apart; never shown.
        is_genuine: whether the expected key signed it; None for a reply that bears no signature.
        ahead_s: how far the broker's clock is ahead of ours, None if it told no time.
        error_s: how far off that may be.
    """

    status: int
    code: int | None
    reason: str = ""
    is_genuine: bool | None = None
    accounts: frozenset[str] = frozenset()
    ahead_s: float | None = None
    error_s: float = 0.0
    took_s: float = 0.0


class UnreachableError(Exception):
    """No reply; the text says how far the way led, in our words."""


def connect(host: str, port: int, *, limit_s: float = LIMIT_S) -> None:
    """Make a TCP connection and drop it.

    Raises:
        UnreachableError: it was not made.
    """
    try:
        socket.create_connection((host, port), timeout=limit_s).close()
    except (socket.gaierror, UnicodeError):
        # UnicodeError: no name at all, such as one with an empty part.
        raise UnreachableError(f"the name {host} is not found") from None
    except TimeoutError:
        raise UnreachableError(f"{host} port {port} does not answer") from None
    except ConnectionRefusedError:
        raise UnreachableError(f"{host} port {port} refuses connections") from None
    except OSError as error:
        raise UnreachableError(f"{host} port {port}: {error.strerror}") from None


def ask_accounts(credentials: Credentials, *, limit_s: float = LIMIT_S) -> Reply:
    """Send one signed reading and return what came back.

    Whoever made the credentials has checked their address: what is sent here proves the login.

    Raises:
        UnreachableError: nothing came back.
    """
    url = credentials.url
    parts = urlsplit(url)
    default = _HTTPS_PORT if parts.scheme == "https" else _HTTP_PORT
    connect(parts.hostname or "", parts.port or default, limit_s=limit_s)
    asked = _signed(credentials)
    body = json.dumps(asked, ensure_ascii=False)
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    if credentials.token:
        headers["Authorization"] = credentials.token
    # As the SDK, which knows no proxy either.
    try:
        with httpx2.Client(timeout=limit_s, trust_env=False, follow_redirects=False) as client:
            sent_at, began_s = time.time(), time.monotonic()
            answer = client.post(url, content=body.encode(), headers=headers)
            took_s = time.monotonic() - began_s
    except httpx2.TimeoutException:
        raise UnreachableError(f"{parts.hostname} did not answer in {limit_s:.0f} s") from None
    except (httpx2.HTTPError, ssl.SSLError) as error:
        what = "TLS or connection" if parts.scheme == "https" else "connection"
        raise UnreachableError(
            f"{parts.hostname}: {what} failed ({type(error).__name__})"
        ) from None
    reply = read_reply(
        answer.status_code,
        answer.content,
        answer.headers,
        middle_s=sent_at + took_s / 2,
        took_s=took_s,
    )
    is_genuine = _is_genuine(answer.content, asked["timestamp"], credentials.gateway_key)
    return msgspec.structs.replace(reply, is_genuine=is_genuine)


def read_reply(
    status: int, body: bytes, headers: Mapping[str, str], *, middle_s: float, took_s: float
) -> Reply:
    """Make a reply of what came; `middle_s` is the middle of the call (seconds since 1970)."""
    envelope = _envelope(body)
    stamp = envelope.get("timestamp")
    ahead_s, error_s = None, took_s / 2
    if isinstance(stamp, int) and stamp > 0:
        ahead_s = stamp / 1000 - middle_s
    elif date := _date(headers.get("date", "")):
        ahead_s, error_s = date.timestamp() + _DATE_ERROR_S - middle_s, error_s + _DATE_ERROR_S
    code, reason = envelope.get("code"), envelope.get("message")
    return Reply(
        status=status,
        code=code if isinstance(code, int) else None,
        reason=reason if isinstance(reason, str) else "",
        accounts=_accounts(envelope.get("data")),
        ahead_s=ahead_s,
        error_s=error_s,
        took_s=took_s,
    )


def _signed(credentials: Credentials) -> dict[str, str]:
    # Without an account the gateway names all of the login.
    business = {"lang": "en_US", "secret_key": credentials.secret_key}
    fields = {
        "tiger_id": credentials.tiger_id,
        "method": METHOD,
        "charset": "UTF-8",
        "version": "2.0",
        "sign_type": "RSA",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "device_id": ":".join(f"{uuid.getnode():012x}"[i : i + 2] for i in range(0, 12, 2)),
        "biz_content": json.dumps({k: v for k, v in sorted(business.items()) if v}),
    }
    content = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
    # SHA-1 is what Tiger's protocol prescribes.
    sign = credentials.key.sign(content.encode(), padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    return fields | {"sign": base64.b64encode(sign).decode()}


# The signature covers the request's time stamp alone.
def _is_genuine(body: bytes, stamp: str, gateway_key: str) -> bool | None:
    envelope = _envelope(body)
    if "sign" not in envelope:
        return None
    # A person may have given the key in PEM.
    text = "".join(line for line in gateway_key.splitlines() if not line.startswith("-----"))
    try:
        sign = base64.b64decode(str(envelope["sign"]))
        key = serialization.load_der_public_key(base64.b64decode(text))
        assert isinstance(key, rsa.RSAPublicKey), "the worker's reading refuses others"
        key.verify(sign, stamp.encode(), padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    except (ValueError, InvalidSignature):
        return False
    return True


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _accounts(data: object) -> frozenset[str]:
    if isinstance(data, str):
        data = _envelope(data.encode())
    items = data.get("items") if isinstance(data, dict) else None
    if not isinstance(items, list):
        return frozenset()
    return frozenset(str(item.get("account", "")) for item in items if isinstance(item, dict))


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
