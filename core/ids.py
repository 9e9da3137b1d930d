"""Identifiers: their shapes, and the few that are derived from others.

Random identifiers come in from outside (`core.ports.Ids`); what is here is a function of its input.
"""

import hashlib
import re
from typing import Final

ACCOUNT_PATTERN: Final = r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
_ACCOUNT: Final = re.compile(ACCOUNT_PATTERN)
# Names of the system's own lines of events; no account may take them.
RESERVED_ALIASES: Final = frozenset({"system"})
_DIGEST_CHARACTERS: Final = 32


def is_alias(text: str) -> bool:
    """Say whether `text` may name an account or a login (1 to 32 of a-z, 0-9 and inner '-')."""
    return _ACCOUNT.fullmatch(text) is not None and text not in RESERVED_ALIASES


def derived_id(prefix: str, *parts: str) -> str:
    """Return `prefix-<32 hex>`, the same for the same parts for ever.

    Parts are joined by a zero byte, so that ("ab", "c") and ("a", "bc") differ.
    """
    digest = hashlib.sha256("\0".join((prefix, *parts)).encode()).hexdigest()
    return f"{prefix}-{digest[:_DIGEST_CHARACTERS]}"


def file_id(*, inode: int, modified_ns: int, changed_ns: int) -> str:
    """Return what tells a file from the next of its name.

    One that is moved away and back, or copied with its times, keeps the time of its content and
    often the inode; that of its last change of any kind (`st_ctime`) it cannot keep. Where that is
    the time of birth (Windows), the content's tells more.
    """
    return f"{inode}:{modified_ns}:{changed_ns}"
