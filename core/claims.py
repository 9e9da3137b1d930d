"""A caller's own key for a command: what it was used for, so that a repetition is recognised.

The key is bound to the content it came with. The same key with the same content is the same
command; with other content it is a conflict that names the fields. Amounts are the same by value:
"10" and "10.0" are one content.
"""

import hashlib
import json
import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from core.commands import ModifyOrder, PreviewOrder
from core.ids import derived_id

_DIGEST_CHARACTERS: Final = 16
_AMOUNT: Final = re.compile(r"\d{1,20}(\.\d{1,20})?")
# Texts that may look like an amount and are none: 00700 is another symbol than 700.
_NO_AMOUNTS: Final = frozenset({"symbol", "reason"})
# Not what was asked for: the name of the asking, and what was known then.
_NO_CONTENT: Final = frozenset({"key", "seen"})


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A key and what it was used for: (field, hex digits of SHA-256 of its value), sorted."""

    key: str
    fields: tuple[tuple[str, str], ...]

    def differing(self, other: "Claim") -> tuple[str, ...]:
        """Return the names of the fields in which two contents differ, sorted."""
        return tuple(sorted({name for name, _ in set(self.fields) ^ set(other.fields)}))


def claim_of(command: object) -> Claim | None:
    """Return what a command claims its key for, or None for a command without one."""
    match command:
        case PreviewOrder(key=key):
            name = "order.preview"
        case ModifyOrder(key=key):
            name = "order.modify"
        case _:
            return None
    if not key:
        return None
    told: dict[str, Any] = msgspec.to_builtins(command)
    content = {field: value for field, value in told.items() if field not in _NO_CONTENT}
    fields = {
        field: _digest(field, value)
        for field, value in (content | {"command": name}).items()
        if value is not None
    }
    return Claim(key=key, fields=tuple(sorted(fields.items())))


def claimed_command_id(account: str, claim: Claim) -> str:
    """Return the id of the one command that a key and its content make."""
    content = (part for field in claim.fields for part in field)
    return derived_id("cmd", account, "key", claim.key, *content)


def _digest(field: str, value: object) -> str:
    text = json.dumps(_normal(field, value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _normal(field: str, value: object) -> object:
    match value:
        case str() if field not in _NO_AMOUNTS and _AMOUNT.fullmatch(value):
            return f"{Decimal(value).normalize():f}"
        case dict():
            return {name: _normal(name, part) for name, part in value.items() if part is not None}
        case list() | tuple():
            return [_normal(field, part) for part in value]
        case _:
            return value
