"""The settings of a process: the one place where the environment is read, once, at its start.

Every name and its default stands in `.env.example`. A name of ours that is not known stops the
start, because a mistyped safety setting that is silently ignored is worse than none.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from core.errors import ConfigError
from infra.system_zone import is_zone

PREFIX: Final = "TIGER_MCP_"
# Two names are older than this service: other NATS programs use them too.
NAMES: Final[dict[str, str]] = {
    "TIGER_MCP_HOME": "home",
    "TIGER_MCP_LOG_LEVEL": "log_level",
    "TIGER_MCP_SANDBOX_SEED": "sandbox_seed",
    "TIGER_MCP_START_LIMIT_S": "start_limit_s",
    "TIGER_MCP_TIMEZONE": "timezone",
    "TIGER_MCP_NATS_KEYS": "nats_keys",
    "TIGER_MCP_NATS_MONITOR": "nats_monitor",
    "TIGER_MCP_STDIO_ERA": "stdio_era",
    "TIGER_MCP_QUESTIONS": "questions",
    "TIGER_MCP_HTTP_HOST": "http_host",
    "TIGER_MCP_HTTP_PORT": "http_port",
    "TIGER_MCP_HTTP_URL": "http_url",
    "TIGER_MCP_HTTP_ORIGINS": "http_origins",
    "TIGER_MCP_HTTP_TLS_CERTIFICATE": "http_tls_certificate",
    "TIGER_MCP_HTTP_TLS_KEY": "http_tls_key",
    "TIGER_MCP_HTTP_RATE_PER_MIN": "http_rate_per_min",
    "TIGER_MCP_TOKEN_ISSUER": "token_issuer",
    "TIGER_MCP_TOKEN_KEYS": "token_keys",
    "NATS_SERVER": "nats_server",
    "NATS_URL": "nats_url",
}
_SEED_MAX: Final = 2**63 - 1
_START_LIMIT_MAX_S: Final = 600.0
_NATS_SCHEMES: Final = ("nats", "tls")
_HTTP_SCHEMES: Final = ("http", "https")
# Where the HTTP service answers; see `adapters.mcp.http_service`.
_HTTP_PATH: Final = "/mcp"
_PORT_MAX: Final = 65_535
_RATE_MAX: Final = 1_000_000

LogLevel = Literal["debug", "info", "warning", "error"]
StdioEra = Literal["auto", "legacy", "modern"]
Questions = Literal["ask", "never"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person can set from outside; everything else lies in the home."""

    home: Path
    log_level: LogLevel = "info"
    sandbox_seed: int = 1
    # Longest wait for the whole local cluster to be ready.
    start_limit_s: float = 60.0
    # Where the person is (IANA name); none: what TZ names, or else the system's zone.
    timezone: str | None = None
    # The program to start; none: the one that was installed with this service.
    nats_server: Path | None = None
    # A server that somebody else runs; none: the supervisor starts its own.
    nats_url: str | None = None
    nats_monitor: str | None = None
    # Folder of the roles' seeds and signing keys; none: `keys` in the home.
    nats_keys: Path | None = None
    # Which revisions of MCP stdio serves: what the client begins with, or one era alone.
    stdio_era: StdioEra = "auto"
    # Whether a submit asks the person through clients that say they can show a question.
    questions: Questions = "ask"
    http_host: str = "127.0.0.1"
    http_port: int = 8765
    # The address that clients use, and that tokens are for; none: made of host and port.
    http_url: str | None = None
    # Web pages that may call, with commas between.
    http_origins: str = ""
    http_tls_certificate: Path | None = None
    http_tls_key: Path | None = None
    # Requests of one principal.
    http_rate_per_min: int = 1200
    # Both none: this home issues tokens itself. Keys are a JWKS file or its https address.
    token_issuer: str | None = None
    token_keys: str | None = None

    def __post_init__(self) -> None:
        if not self.home.is_absolute():
            raise ValueError(f"TIGER_MCP_HOME: expected an absolute path, was {self.home}")
        if not 0 <= self.sandbox_seed <= _SEED_MAX:
            raise ValueError(
                f"TIGER_MCP_SANDBOX_SEED: expected 0 to 2^63-1, was {self.sandbox_seed}"
            )
        if not 1.0 <= self.start_limit_s <= _START_LIMIT_MAX_S:
            raise ValueError(
                f"TIGER_MCP_START_LIMIT_S: expected 1 to {_START_LIMIT_MAX_S:.0f} seconds, "
                f"was {self.start_limit_s}"
            )
        if self.nats_url is not None and not _is_address(self.nats_url, _NATS_SCHEMES):
            raise ValueError("NATS_URL: expected nats://host:port or tls://host:port")
        if self.timezone is not None and not is_zone(self.timezone):
            raise ValueError(
                "TIGER_MCP_TIMEZONE: expected an IANA name such as Europe/Berlin, "
                f"was {self.timezone!r}"
            )
        if not 1 <= self.http_port <= _PORT_MAX:
            raise ValueError(f"TIGER_MCP_HTTP_PORT: expected 1 to 65535, was {self.http_port}")
        if self.http_url is not None and not _is_address(
            self.http_url, _HTTP_SCHEMES, path=_HTTP_PATH
        ):
            raise ValueError(
                f"TIGER_MCP_HTTP_URL: expected an address like https://host{_HTTP_PATH}, "
                f"was {self.http_url!r}"
            )
        if not 1 <= self.http_rate_per_min <= _RATE_MAX:
            raise ValueError(
                f"TIGER_MCP_HTTP_RATE_PER_MIN: expected 1 to {_RATE_MAX}, "
                f"was {self.http_rate_per_min}"
            )
        if (self.token_issuer is None) != (self.token_keys is None):
            raise ValueError(
                "expected TIGER_MCP_TOKEN_ISSUER and TIGER_MCP_TOKEN_KEYS both or neither"
            )
        if (self.nats_url is None) != (self.nats_monitor is None):
            raise ValueError("expected NATS_URL and TIGER_MCP_NATS_MONITOR both or neither")

    @property
    def keys(self) -> Path:
        """Return the folder of the roles' seeds and signing keys."""
        return self.nats_keys or self.home / "keys"


def load_settings(*, home: Path | None = None) -> Settings:
    """Read this process's environment; `home` stands over it (from the command line).

    Raises:
        ConfigError: naming the setting that is wrong or not known.
    """
    return settings_from(os.environ, home=home, user_home=Path.home())


def drop_sdk_settings() -> None:
    """Forget `TIGEROPEN_*` in this process: the SDK would take them over what the home says."""
    for name in [name for name in os.environ if name.startswith("TIGEROPEN_")]:
        del os.environ[name]


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment for a process of ours: this one's, without other Tiger settings.

    The SDK would take `TIGEROPEN_*` over what the home says.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIGEROPEN_")}
    return kept | {"TIGER_MCP_HOME": str(settings.home)}


def settings_from(
    environment: Mapping[str, str], *, home: Path | None, user_home: Path
) -> Settings:
    """Make settings of a given environment; an empty value counts as not set.

    Raises:
        ConfigError: naming the setting that is wrong or not known.
    """
    unknown = sorted(name for name in environment if name.startswith(PREFIX) and name not in NAMES)
    if unknown:
        raise ConfigError(f"expected only settings of .env.example, was {', '.join(unknown)}")
    given: dict[str, object] = {
        field: environment[name] for name, field in NAMES.items() if environment.get(name)
    }
    # POSIX gives it other forms too, of which none is a zone's name; those count as not set.
    if "timezone" not in given and is_zone(zone := environment.get("TZ", "").removeprefix(":")):
        given["timezone"] = zone
    for field in ("home", "nats_keys", "nats_server", "http_tls_certificate", "http_tls_key"):
        if field in given:
            given[field] = str(_expanded(str(given[field]), user_home))
    given["home"] = str(home.absolute() if home else given.get("home", user_home / ".tiger-mcp"))
    try:
        return msgspec.convert(given, Settings, strict=False, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        raise ConfigError(_sentence(error, given)) from None


def _is_address(text: str, schemes: tuple[str, ...], *, path: str | None = None) -> bool:
    # Whoever parses it drops some characters that stand in it.
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return parts.scheme in schemes and has_host and path in (None, parts.path)


def _expanded(text: str, user_home: Path) -> Path:
    return user_home / text[2:] if text.startswith("~/") else Path(text)


def _decode_path(wanted: type, value: object) -> object:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"no setting has the type {wanted}")


# Names the setting, what it may be and what it was, where msgspec knows our field and no words.
def _sentence(error: msgspec.ValidationError, given: Mapping[str, object]) -> str:
    text = str(error)
    for name, field in NAMES.items():
        if f"at `$.{field}`" in text:
            return f"{name}: expected {_expected(field)}, was {given[field]!r}"
    return text


def _expected(field: str) -> str:
    kind = get_type_hints(Settings)[field]
    words = get_args(kind)
    if words:
        return f"one of {', '.join(words)}"
    return {int: "a whole number", float: "a number"}[kind]
