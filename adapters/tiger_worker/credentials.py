"""A login before it is one of ours: its properties file read by the SDK itself, its accounts asked.

Every objection names the field and says how to get it right; none quotes a value of the file or a
text of the broker, which may carry keys, tokens and account numbers.

Source: tigeropen 3.8.0, `tiger_open_config.py` (fields, which of several keys counts) and
`trade_client.py` (`get_managed_accounts`), read 2026-11-23; Tiger's error table (page error-code).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from tigeropen.common.consts import License
from tigeropen.common.exceptions import ApiException, RequestException, ResponseException
from tigeropen.common.util.signature_utils import load_private_key
from tigeropen.tiger_open_config import TigerOpenClientConfig

from adapters.tiger_worker.session import Session
from core.errors import BrokerUnavailableError, ConfigError

TOKEN_LICENCE: Final = "TBHK"  # noqa: S105 - a licence's name
_LICENCES: Final = tuple(each.value for each in License)
_ANEW: Final = (
    "export tiger_openapi_config.properties anew from the developer page of Tiger's site "
    "(docs/accounts.md)"
)
_BYTES_MAX: Final = 64 * 1024
# What the broker says of a login, by code and a part of its text that carries nothing of ours.
_OBJECTIONS: Final = (
    (
        1000,
        "developer information",
        f"tiger_id: the broker does not know it (or it is of another region); {_ANEW}",
    ),
    (
        1000,
        "verify signature",
        "private_key: it does not belong to this tiger_id; if you made a new key on the "
        f"developer page, {_ANEW}",
    ),
    (1000, "public key", f"private_key: the developer page has no public key for it; {_ANEW}"),
    (
        1010,
        "secret_key",
        "secret_key or account: the broker refuses one; a secret_key is for institutions alone",
    ),
    (
        2400,
        "",
        "token: the broker refuses it; put a fresh tiger_openapi_token.properties beside the "
        "properties file (developer page of Tiger's site; it lasts 30 days)",
    ),
    (
        4,
        "white",
        "the broker refuses this address; add it to the IP white list on the developer page",
    ),
    (4, "rate limit", "the broker counts too many calls; wait a minute and try again"),
)


class Credentials(NamedTuple):
    """What a properties file says, without its secrets; `account` may be empty."""

    tiger_id: str
    account: str
    licence: str
    server_url: str
    token_path: Path

    def __repr__(self) -> str:
        return "Credentials(***)"


class ManagedAccount(NamedTuple):
    """One account of a login, in the broker's own words."""

    number: str
    account_type: str
    status: str

    def __repr__(self) -> str:
        return f"ManagedAccount({self.account_type}, {self.status})"


def read_credentials(properties: Path, *, is_sandbox: bool) -> Credentials:
    """Read a properties file as the SDK will, and judge each field.

    Args:
        properties: Tiger's own file, which only its owner may read.
        is_sandbox: a sandbox's file needs no licence.

    Raises:
        ConfigError: naming the field that is missing or wrong, and how to get it.
    """
    config = _config_of(properties)
    tiger_id = str(config.tiger_id or "").strip()
    if not tiger_id:
        raise ConfigError(f"tiger_id: missing in {properties}; {_ANEW}")
    if not (tiger_id.isascii() and tiger_id.isdigit()):
        raise ConfigError(f"tiger_id: expected digits alone; {_ANEW}")
    _check_key(config.private_key, properties)
    # The SDK keeps what `env` said under this name alone.
    if config._sandbox_debug:
        raise ConfigError(
            "env: expected PROD, because Tiger's own sandbox is closed; use a paper account, or "
            "`tiger-mcp sandbox`"
        )
    licence = _licence_of(config, is_sandbox=is_sandbox)
    if licence == TOKEN_LICENCE and not config.token:
        raise ConfigError(
            "token: the licence TBHK needs tiger_openapi_token.properties beside the properties "
            "file; make it on the developer page of Tiger's site"
        )
    return Credentials(
        tiger_id=tiger_id,
        account=str(config.account or "").strip(),
        licence=licence,
        server_url=config.server_url,
        token_path=Path(config.get_token_path()),
    )


def managed_accounts(session: Session) -> tuple[ManagedAccount, ...]:
    """Ask the broker which accounts a login has; one call that changes nothing.

    Raises:
        ConfigError: the broker refuses the login, naming the field to mend.
        BrokerUnavailableError: there was no answer that says anything about the login.
    """
    try:
        profiles = session.client.get_managed_accounts()
    except ApiException as error:
        raise _objection_to(error) from None
    except ResponseException as error:
        if "sign verify failed" in str(error):
            raise ConfigError(
                "the reply is not signed with the key expected of this broker; for a sandbox of "
                "your own give --gateway-key"
            ) from None
        raise BrokerUnavailableError("what answers is not Tiger's gateway") from None
    except (RequestException, ValueError, AttributeError, OSError) as error:
        # The text of these holds the signed request.
        raise BrokerUnavailableError(
            f"the broker cannot be reached ({type(error).__name__}); check the network"
        ) from None
    return tuple(
        ManagedAccount(
            number=str(profile.account or ""),
            account_type=str(profile.account_type or ""),
            status=str(profile.status or ""),
        )
        for profile in profiles or ()
    )


def _config_of(properties: Path) -> TigerOpenClientConfig:
    try:
        body = properties.read_bytes()
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"expected {properties} in UTF-8, was something else; {_ANEW}") from None
    if len(body) > _BYTES_MAX:
        raise ConfigError(f"expected a properties file of Tiger's, was {len(body)} bytes long")
    with _silence() as said:
        config = TigerOpenClientConfig(enable_dynamic_domain=False, props_path=str(properties))
    if said:
        raise ConfigError(
            f"expected lines of NAME=VALUE in {properties}, was another form; {_ANEW}"
        )
    return config


# The SDK logs what it cannot read, with parts of it, and goes on without.
@contextmanager
def _silence() -> Iterator[list[str]]:
    said: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            said.append(record.levelname)
        return False

    root = logging.getLogger()
    root.addFilter(keep)
    try:
        yield said
    finally:
        root.removeFilter(keep)


def _check_key(text: str, properties: Path) -> None:
    if not text:
        raise ConfigError(
            f"private_key: expected private_key_pk8 or private_key_pk1 in {properties}, was "
            f"neither; {_ANEW}"
        )
    try:
        key = load_private_key(text)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError(
            "private_key: expected the base64 of an RSA key in private_key_pk8 (which counts "
            f"where both are) or private_key_pk1, was something else; {_ANEW}"
        )


def _licence_of(config: TigerOpenClientConfig, *, is_sandbox: bool) -> str:
    licence = str(config.license or "").strip()
    if not licence and is_sandbox:
        return ""
    if licence not in _LICENCES:
        given = "missing" if not licence else "not one of these"
        raise ConfigError(
            f"license: expected one of {', '.join(_LICENCES)}, was {given}; it is the "
            "Tiger company that your account is with, and stands on the developer page"
        )
    return licence


def _objection_to(error: ApiException) -> ConfigError | BrokerUnavailableError:
    text = str(error.msg)
    for code, part, objection in _OBJECTIONS:
        if error.code == code and part in text:
            return ConfigError(objection)
    return BrokerUnavailableError(f"the broker answered with code {error.code}; try again later")
