"""A login before it is one of ours: its properties file read by the SDK itself, its accounts asked.

Every objection names the field and says how to get it right; none quotes a value of the file or a
text of the broker, which may carry keys, tokens and account numbers.

Source: tigeropen 3.8.0, `tiger_open_config.py` (fields, which of several keys counts) and
`trade_client.py` (`get_managed_accounts`), read 2026-11-23.
"""

from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from tigeropen.common.consts import License
from tigeropen.common.exceptions import ApiException, RequestException, ResponseException
from tigeropen.common.util.signature_utils import load_private_key
from tigeropen.tiger_open_config import TigerOpenClientConfig

from adapters.tiger_worker.login_refusals import objection_to
from adapters.tiger_worker.properties_file import ANEW, read_config
from adapters.tiger_worker.session import Session
from core.errors import BrokerUnavailableError, ConfigError

TOKEN_LICENCE: Final = "TBHK"  # noqa: S105 - a licence's name
_LICENCES: Final = tuple(each.value for each in License)


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
    config = read_config(properties)
    tiger_id: str = config.tiger_id
    if not tiger_id:
        raise ConfigError(f"tiger_id: missing in {properties}; {ANEW}")
    if not (tiger_id.isascii() and tiger_id.isdigit()):
        raise ConfigError(f"tiger_id: expected digits alone; {ANEW}")
    read_private_key(properties)
    # The SDK keeps what `env` said under this name alone.
    if config._sandbox_debug:
        raise ConfigError(
            "env: expected PROD, because Tiger's own sandbox is closed; use a paper account, or "
            "`tiger-mcp sandbox`"
        )
    licence = _licence_of(config, is_sandbox=is_sandbox)
    token_path = Path(config.get_token_path())
    if licence == TOKEN_LICENCE and not config.token:
        given = f"but {token_path} holds no token" if token_path.exists() else "was none"
        raise ConfigError(
            "token: the licence TBHK needs tiger_openapi_token.properties beside the properties "
            f"file, {given}; make it on the developer page of Tiger's site"
        )
    return Credentials(
        tiger_id=tiger_id,
        account=config.account,
        licence=licence,
        server_url=config.server_url,
        token_path=token_path,
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
        raise objection_to(error.code, str(error.msg)) from None
    except ResponseException as error:
        if "sign verify failed" in str(error):
            raise ConfigError(
                "the reply is not signed with the key expected of this broker; for a sandbox of "
                "your own give --gateway-key, and --unsigned for one that signs none"
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


def read_private_key(properties: Path) -> rsa.RSAPrivateKey:
    """Return the key that a login's requests are signed with.

    Raises:
        ConfigError: there is none, or it is another thing.
    """
    text = read_config(properties).private_key
    if not text:
        raise ConfigError(
            f"private_key: expected private_key_pk8 or private_key_pk1 in {properties}, was "
            f"neither; {ANEW}"
        )
    try:
        key = load_private_key(text)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError(
            "private_key: expected the base64 of an RSA key in private_key_pk8 (which counts "
            f"where both are) or private_key_pk1, was something else; {ANEW}"
        )
    return key


def _licence_of(config: TigerOpenClientConfig, *, is_sandbox: bool) -> str:
    licence: str = config.license
    if not licence and is_sandbox:
        return ""
    if licence not in _LICENCES:
        given = "missing" if not licence else "not one of these"
        raise ConfigError(
            f"license: expected one of {', '.join(_LICENCES)}, was {given}; it is the "
            "Tiger company that your account is with, and stands on the developer page"
        )
    return licence
