"""Tiger's two files as the SDK reads them, each judged by itself before the SDK takes them.

The SDK logs what it cannot read, with parts of it, and goes on without; it keeps a space at a
line's end, and then calls and hosts differ from what a person sees. Every reader of these files
goes through here, so that all of them see the same.

Source: tigeropen 3.8.0, `tiger_open_config.py` (`_load_props`, `load_token`), read 2026-11-23.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytz  # type: ignore[import-untyped]  # it has no types
from jproperties import Properties, PropertyError  # type: ignore[import-untyped]  # likewise
from tigeropen.tiger_open_config import TigerOpenClientConfig

from core.errors import ConfigError

_OF_A_SANDBOX: Final = "a sandbox's own file is put back from a copy instead"
ANEW: Final = (
    "export tiger_openapi_config.properties anew from the developer page of Tiger's site "
    f"(docs/accounts.md); {_OF_A_SANDBOX}"
)
TOKEN_FILE: Final = "tiger_openapi_token.properties"  # noqa: S105 - a file's name
TOKEN_ANEW: Final = (
    f"make it anew on the developer page of Tiger's site (docs/regions.md); {_OF_A_SANDBOX}"
)
FIELDS: Final = (
    "tiger_id",
    "private_key",
    "private_key_pk8",
    "private_key_pk1",
    "account",
    "license",
    "env",
    "secret_key",
    "token",
    "server_url",
    "socket_host_port",
    "timeout",
    "token_refresh_duration",
    "use_full_tick",
    "timezone",
    "language",
)
_BYTES_MAX: Final = 64 * 1024
_MARK: Final = b"\xef\xbb\xbf"


def read_config(properties: Path) -> TigerOpenClientConfig:
    """Return the SDK's own settings of a login, the token of the file beside it included.

    Raises:
        ConfigError: naming the file, and the field where it is one that is wrong.
    """
    read_token(properties)
    zone = read_fields(properties).get("timezone")
    if zone and not _is_zone(zone):
        raise ConfigError(
            f"timezone: expected a name such as Asia/Hong_Kong in {properties}, was none that is "
            "known; take the line out"
        )
    with _silence() as said:
        # With its default the constructor asks a third party for hosts, and overwrites ours.
        config = TigerOpenClientConfig(enable_dynamic_domain=False, props_path=str(properties))
    if said:
        raise ConfigError(f"expected {properties} as Tiger writes it, was another; {ANEW}")
    return config


def read_fields(properties: Path) -> dict[str, str]:
    """Return the fields of a properties file, those that the SDK knows judged by their ends.

    Raises:
        ConfigError: it is no such file, or naming the field with a space at an end.
    """
    return _fields(properties, "Tiger's properties file", ANEW)


def read_token(properties: Path) -> str:
    """Return the token in the file beside a properties file, "" where there is none.

    Raises:
        ConfigError: naming the token's file, which is there and cannot be read.
    """
    file = properties.with_name(TOKEN_FILE)
    return _fields(file, "a token's file", TOKEN_ANEW).get("token", "") if file.exists() else ""


def _fields(file: Path, what: str, anew: str) -> dict[str, str]:
    try:
        body = file.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"expected {what} at {file}, was none; {anew}") from None
    except IsADirectoryError:
        raise ConfigError(f"expected {what} at {file}, was a folder; {anew}") from None
    except OSError as error:
        raise ConfigError(f"expected to read {file}, was refused: {error.strerror}") from None
    if len(body) > _BYTES_MAX:
        raise ConfigError(f"expected {what} at {file}, was {len(body)} bytes long; {anew}")
    if body.startswith(_MARK):
        raise ConfigError(
            f"expected {file} to begin with a letter, was a byte order mark (BOM), which hides the "
            "first field; save it as UTF-8 without BOM"
        )
    pairs = Properties()
    try:
        body.decode("utf-8")
        pairs.load(body, "utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"expected {file} in UTF-8, was something else; {anew}") from None
    except (PropertyError, ValueError):
        raise ConfigError(
            f"expected lines of NAME=VALUE in {file}, was another form; {anew}"
        ) from None
    fields: dict[str, str] = {name: pairs[name].data for name in pairs}
    for name in FIELDS:
        value = fields.get(name, "")
        if value != value.strip():
            raise ConfigError(
                f"{name}: expected no space at the beginning or the end of its line in {file}, was "
                "one, which the SDK would send along; take it out"
            )
    return fields


def _is_zone(name: str) -> bool:
    try:
        pytz.timezone(name)
    except pytz.UnknownTimeZoneError:
        return False
    return True


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
