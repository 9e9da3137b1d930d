"""One login's session with the SDK, made safe: no look-up of hosts, no retries, no loud logger.

Each setting here closes a way in which the SDK by itself would send an order twice, send a sandbox
order to production, or print a signed request.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
import urllib3
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from tigeropen.common.exceptions import RequestException, ResponseException
from tigeropen.common.request import OpenApiRequest
from tigeropen.common.util import web_utils
from tigeropen.common.util.signature_utils import load_public_key
from tigeropen.tiger_open_config import (
    SANDBOX_TIGER_PUBLIC_KEY,
    TIGER_PUBLIC_KEY,
    TigerOpenClientConfig,
)
from tigeropen.trade.trade_client import TradeClient

from adapters.tiger_worker.properties_file import read_config
from adapters.tiger_worker.push_connection import Push, PushAddress, PushConnection
from core.errors import BrokerError, BrokerUnavailableError, ConfigError
from core.modes import Environment
from core.ports import Clock

# Connections kept open: enough for every lane of a login's accounts at once.
CONNECTIONS_MAX: Final = 32
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
# Source: tigeropen 3.8.0, `tiger_open_config.py`, the two default domains (read 2026-11-23). The
# first serves every licence but TBUS.
TIGER_HOSTS: Final = frozenset({"openapi.tigerfintech.com", "openapi.tradeup.com"})
# Stands where a key is expected and is none: the SDK then refuses every reply that is signed, and
# takes those that are not. Tiger signs its replies, so nothing that leads to Tiger passes.
# Source: tigeropen 3.8.0, `tiger_open_client.py`, `__parse_response`.
_SIGNED_BY_NOBODY: Final = "none"
# The token that came with the call is none, over, or not taken.
# Source: Tiger's error table, code 2400 (page error-code, read 2026-11-22).
_USER_TOKEN_ERROR: Final = 2400
# How a call for a token ends that brings no reply: what the SDK raises of itself, and what its
# parser makes of a body that is no object, or that is nested without end.
_NO_REPLY: Final = (
    RequestException,
    ResponseException,
    ValueError,
    AttributeError,
    TypeError,
    RecursionError,
)


class TokenRefusedError(BrokerError):
    """The broker takes no call with the token in use; there must be a new one."""


class LoginAccess(msgspec.Struct, frozen=True, kw_only=True):
    """How a login reaches its broker.

    `server_url` empty means Tiger's gateway, by the licence. `gateway_key` checks a sandbox's
    replies and is never Tiger's; empty means a sandbox that signs none, and then no signed reply is
    taken. A real account's replies are checked with Tiger's key whatever stands here. `push_port`
    is that of a sandbox on this machine, without TLS; 0 means what the properties say, Tiger's own
    by default, and for a sandbox that there is none.
    """

    properties: Path
    environment: Environment
    server_url: str = ""
    gateway_key: str = ""
    push_port: int = 0


class Session:
    """A client of one login; calls may come from several threads.

    Attributes:
        client: the SDK's own client, unmodified.
        tiger_id: the login's id at Tiger, a secret of sorts.
        numbers: its accounts' numbers at the broker, as far as the home knows them.
    """

    def __init__(self, access: LoginAccess, *, timeout_s: float) -> None:
        """Read the credentials and build the client; no call is made.

        Raises:
            ConfigError: credentials that do not load, or a host that the environment forbids.
        """
        config = _config(access, timeout_s=timeout_s)
        self._config = config
        _quieten_sdk()
        self._replace_pool()
        self.client = TradeClient(config, logger=logging.getLogger("tiger_openapi"))
        self.server_url: str = config.server_url
        self.tiger_id: str = config.tiger_id
        self.numbers: tuple[str, ...] = ()
        for name in ("server_url", "quote_server_url"):
            url: str = getattr(config, name)
            if access.server_url and url != access.server_url:
                raise ConfigError(f"expected {name} to stay as configured, the SDK changed it")
            _check_host(url, access.environment)
        self.push_address = _push_address(access, config)
        # Called when connections of every kind are to be renewed.
        self.on_renewed: list[Callable[[], None]] = []

    def new_push_connection(self, push: Push, *, clock: Clock) -> PushConnection:
        """Return a push connection of this login that is not begun."""
        assert self.push_address is not None, "a login without push has no connection of it"
        return PushConnection(push, address=self.push_address, config=self._config, clock=clock)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What of this login nobody may read: its token, its id, and its accounts' numbers."""
        return (self.token, self.tiger_id, *self.numbers)

    @property
    def reply_key(self) -> str:
        """The public key that replies are checked with: base64 of DER."""
        key: str = self._config.tiger_public_key
        return key

    @property
    def token(self) -> str:
        """The token that goes with every call, or "" for a login that needs none."""
        return self._config.token or ""

    def use_token(self, token: str) -> None:
        """Send this token with every later call."""
        self._config.token = token

    def ask_new_token(self) -> str:
        """Ask the broker for a new token, and return what it gave, unchecked.

        Raises:
            TokenRefusedError: it refused the token that is in use.
            BrokerUnavailableError: it gave none.
        """
        try:
            reply = self.client.execute(OpenApiRequest("user_token_refresh"), url=self.server_url)
            code, data = reply.get("code"), reply.get("data")
            parsed = msgspec.json.decode(data) if code == 0 and isinstance(data, str) else data
        except _NO_REPLY as error:
            # The text of these holds the signed request and the token.
            raise BrokerUnavailableError(f"no new token: {type(error).__name__}") from None
        if code == _USER_TOKEN_ERROR:
            raise TokenRefusedError(f"the broker refuses the token in use: code {code}")
        token = parsed.get("token") if code == 0 and isinstance(parsed, dict) else None
        if not isinstance(token, str) or not token:
            answer = code if isinstance(code, int) else "no code"
            raise BrokerUnavailableError(f"no new token: answered with {answer}")
        return token

    def renew_connections(self) -> None:
        """Drop every kept connection, as is due after the machine slept."""
        self._replace_pool()
        for renew in self.on_renewed:
            renew()

    def _replace_pool(self) -> None:
        # The SDK's own pool tries a failed connect three times and re-posts on a 307.
        web_utils.http_pool = urllib3.PoolManager(
            num_pools=4, maxsize=CONNECTIONS_MAX, block=False, retries=False
        )


def _config(access: LoginAccess, *, timeout_s: float) -> TigerOpenClientConfig:
    config = read_config(access.properties)
    if not config.tiger_id or not config.private_key:
        raise ConfigError(f"expected tiger_id and private_key in {access.properties}")
    config.retry_max_tries = 0
    config.timeout = timeout_s
    config.token_refresh_duration = 0
    if access.environment is Environment.SANDBOX:
        config.tiger_public_key = _sandbox_key(access.gateway_key)
    if access.server_url:
        # Quotes have a url of their own, which keeps pointing at production if only one is set.
        config.server_url = access.server_url
        config.quote_server_url = access.server_url
    return config


# With Tiger's key whatever forwards to Tiger would pass for a sandbox, and so trade real money.
def _sandbox_key(text: str) -> str:
    if not text:
        return _SIGNED_BY_NOBODY
    try:
        key = load_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ConfigError(
            "gateway_key: expected the base64 of the sandbox's public RSA key, was something else"
        )
    tigers = (load_public_key(each) for each in (TIGER_PUBLIC_KEY, SANDBOX_TIGER_PUBLIC_KEY))
    if key.public_numbers() in [each.public_numbers() for each in tigers]:
        raise ConfigError("gateway_key: expected a sandbox's own key, was Tiger's")
    return text


def _push_address(access: LoginAccess, config: TigerOpenClientConfig) -> PushAddress | None:
    if access.environment is Environment.SANDBOX:
        return PushAddress("127.0.0.1", access.push_port, False) if access.push_port else None
    protocol, host, port = config.socket_host_port
    if protocol != "ssl":
        raise ConfigError(f"expected push in TLS for a real account, was {protocol}")
    _check_tiger_host("socket_host_port", host)
    return PushAddress(host, int(port), True)


def _check_host(url: str, environment: Environment) -> None:
    parts = urlsplit(url)
    if environment is Environment.SANDBOX:
        if parts.hostname not in _LOOPBACK:
            raise ConfigError(f"a sandbox login talks to this machine alone, was {parts.hostname}")
        return
    if parts.scheme != "https":
        raise ConfigError(f"expected https for a real account, was {parts.scheme}")
    _check_tiger_host("server_url", parts.hostname)


# A key of real money signs nothing for anybody else, whatever a properties file says.
def _check_tiger_host(field: str, host: str | None) -> None:
    if host not in TIGER_HOSTS:
        raise ConfigError(
            f"{field}: expected one of {', '.join(sorted(TIGER_HOSTS))} for a real account, "
            f"was {host}; remove that line from the properties file"
        )


def _quieten_sdk() -> None:
    # It prints whole signed requests, tokens included, at several levels.
    logger = logging.getLogger("tiger_openapi")
    logger.handlers.clear()
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.setLevel(logging.CRITICAL)
