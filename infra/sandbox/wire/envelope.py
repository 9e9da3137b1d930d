"""Tiger's envelope: what a request must carry and prove, and what a reply looks like.

Source: tigeropen 3.8.0, `tiger_open_client.py` and `common/util/signature_utils.py`; error codes
and texts from Tiger's public error table (page error-code, read 2026-11-22).
"""

import base64
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.home import Login
from infra.sandbox.logins.files import AccountKind

TIMESTAMP_FORMAT = "%Y-%m-%d %H:%M:%S"
FIELDS_REQUIRED = ("tiger_id", "method", "charset", "sign_type", "version", "timestamp", "sign")
METHOD_UNKNOWN = "the current requested method does not support"
# What a sender's time stamp may be at most to be remembered with its signature.
STAMP_LENGTH_MAX = 32
# SHA-1 is what Tiger's protocol prescribes, in both directions.
_DIGEST = hashes.SHA1()  # noqa: S303


class GatewayError(Exception):
    """An answer with a code that is not 0; `status` is the one of HTTP."""

    def __init__(self, code: int, message: str, *, status: int = 200) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came; nothing in it is proved until `Authenticator.check`."""

    fields: dict[str, Any]

    def text(self, name: str) -> str:
        """Return a field, or an empty text if it is missing or no text."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    @property
    def business(self) -> bytes:
        """The method's own parameters, as JSON; an empty object if the request has none.

        By protocol they are a text; anything else is none that could be parsed.
        """
        value = self.fields.get("biz_content")
        if value is None or value == "":
            return b"{}"
        return value.encode() if isinstance(value, str) else b""


def open_envelope(body: bytes) -> Envelope:
    """Parse a request's body; one that is no JSON object gives an envelope without fields."""
    try:
        return Envelope(fields=msgspec.json.decode(body, type=dict[str, Any]))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Envelope(fields={})


def require_fields(envelope: Envelope, names: Iterable[str]) -> None:
    """Let an envelope pass that has these fields, and a time stamp in Tiger's format.

    Raises:
        GatewayError: 1000, with Tiger's reason.
    """
    if not envelope.fields:
        raise common_error("request parameters cannot be empty")
    for name in names:
        if not envelope.text(name):
            raise common_error(f"field '{name}' cannot be empty")
    if not _is_timestamp(envelope.text("timestamp")):
        raise common_error("time parse error, support time format is 'yyyy-MM-dd HH:mm:ss'")


class Authenticator:
    """Checks who sends a request."""

    def __init__(self, logins: Iterable[Login]) -> None:
        self._logins = {login.tiger_id: login for login in logins}
        self._keys = {login.tiger_id: _public_key(login) for login in self._logins.values()}

    def check(self, envelope: Envelope) -> Login:
        """Return the login that signed a request.

        Raises:
            GatewayError: 1000, with Tiger's reason.
        """
        require_fields(envelope, FIELDS_REQUIRED)
        login = self._logins.get(envelope.text("tiger_id"))
        if login is None:
            raise common_error("failed to get developer information")
        try:
            signature = base64.b64decode(envelope.text("sign"), validate=True)
            content = signed_content(envelope.fields)
            self._keys[login.tiger_id].verify(signature, content, padding.PKCS1v15(), _DIGEST)
        except (InvalidSignature, ValueError, RecursionError):
            # ValueError: not base64, or not even ASCII.
            raise common_error(
                "failed to verify signature, please make sure you use the correct rsa private key"
            ) from None
        return login


class Replier:
    """Writes replies, signed or not."""

    def __init__(self, key: rsa.RSAPrivateKey, *, is_signed: bool) -> None:
        self._is_signed = is_signed
        # The signature covers only the request's time stamp, which has a resolution of 1 s.
        self._sign_once: Callable[[str], str] = lambda text: _signature(key, text)
        self._sign = lru_cache(maxsize=256)(self._sign_once)

    def success(self, data: object, *, envelope: Envelope, now: datetime) -> bytes:
        """Return the reply to a request that was done."""
        return self._reply(0, "success", data, envelope, now)

    def failure(self, error: GatewayError, *, envelope: Envelope, now: datetime) -> bytes:
        """Return the reply to a request that was refused."""
        return self._reply(error.code, error.message, msgspec.UNSET, envelope, now)

    def _reply(
        self, code: int, message: str, data: object, envelope: Envelope, now: datetime
    ) -> bytes:
        reply = {"code": code, "message": message, "timestamp": to_ms(now), "success": code == 0}
        body: dict[str, object] = dict(reply)
        if data is not msgspec.UNSET:
            body["data"] = data
        if self._is_signed:
            stamp = envelope.text("timestamp")
            sign = self._sign if len(stamp) <= STAMP_LENGTH_MAX else self._sign_once
            body["sign"] = sign(stamp)
        return msgspec.json.encode(body)


def signed_content(fields: dict[str, Any]) -> bytes:
    """Return the bytes that a request's signature covers."""
    pairs = (
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in sorted(fields.items())
        if name != "sign"
    )
    return "&".join(pairs).encode()


def to_ms(moment: datetime) -> int:
    """Return a time as Tiger writes it (unit: milliseconds since 1970)."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def common_error(detail: str) -> GatewayError:
    """Return the error for a bad envelope."""
    return GatewayError(1000, f"common param error({detail})")


def business_error(detail: str) -> GatewayError:
    """Return the error for bad parameters of a method."""
    return GatewayError(1010, f"biz param error({detail})")


def account_error(kind: AccountKind, detail: str) -> GatewayError:
    """Return the error of an account's side, with the code of its kind."""
    if kind == "prime":
        return GatewayError(1200, f"standard account response error({detail})")
    return GatewayError(1300, f"paper account response error({detail})")


def refusal(kind: AccountKind, error: OrderRefusedError) -> GatewayError:
    """Return the error for an order that the engine refused."""
    if error.kind == "duplicate":
        return GatewayError(1100, f"global account response error({error.text})")
    return account_error(kind, f"{error.kind}:{error.text}")


def _is_timestamp(text: str) -> bool:
    return len(text) <= STAMP_LENGTH_MAX and _has_timestamp_format(text)


@lru_cache(maxsize=256)
def _has_timestamp_format(text: str) -> bool:
    # The sender's local time by protocol, so only its form can be checked.
    try:
        datetime.strptime(text, TIMESTAMP_FORMAT)  # noqa: DTZ007
    except ValueError:
        return False
    return True


def _public_key(login: Login) -> rsa.RSAPublicKey:
    key = serialization.load_der_public_key(base64.b64decode(login.developer_public_key))
    if not isinstance(key, rsa.RSAPublicKey):
        raise TypeError(f"expected an RSA key for login {login.name}")
    return key


def _signature(key: rsa.RSAPrivateKey, text: str) -> str:
    return base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), _DIGEST)).decode()
