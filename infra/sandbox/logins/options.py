"""How a login is written on the command line: `desk=main:prime,play:paper;licence=TBHK`."""

import msgspec

from infra.sandbox.home import QUOTE_RIGHTS_DEFAULT, LoginSpec

SHAPE = "NAME=ALIAS:KIND[,ALIAS:KIND][;licence=TBHK][;rights=RIGHT[:MS][+RIGHT]]"


def login_spec(text: str) -> LoginSpec:
    """Read a login; `rights=` alone means that it has none.

    Raises:
        ValueError: the text has another shape.
    """
    head, *extras = text.split(";")
    name, _, accounts = head.partition("=")
    pairs = [item.partition(":") for item in accounts.split(",")]
    options = dict(_pair(extra) for extra in extras)
    licence, rights = options.pop("licence", None), options.pop("rights", None)
    if not name.isidentifier() or options or any(not alias for alias, _, _ in pairs):
        raise ValueError(f"expected {SHAPE}, was {text}")
    content = {
        "name": name,
        "accounts": [{"alias": alias, "kind": kind} for alias, _, kind in pairs],
        "licence": licence,
        "quote_rights": _rights(rights),
    }
    try:
        return msgspec.convert(content, LoginSpec, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"expected {SHAPE}, was {text}: {error}") from None


def _pair(extra: str) -> tuple[str, str]:
    name, _, value = extra.partition("=")
    return name, value


def _rights(text: str | None) -> list[object]:
    if text is None:
        return [msgspec.to_builtins(right) for right in QUOTE_RIGHTS_DEFAULT]
    named = [item.partition(":") for item in text.split("+") if item]
    return [{"name": name, "expires_ms": ends or -1} for name, _, ends in named]
