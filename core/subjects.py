"""The grammar of NATS subjects: the one place where a subject is made or read.

A subject is `<kind>.<account>.<noun>.<verb>`; every token is checked, because a subject with a
wildcard or an empty token can be stored by a raw client and then matches no consumer.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from core.errors import CorruptRecordError
from core.ids import is_alias

_TOKEN: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
SYSTEM: Final = "system"
# Accounts times types is bounded; a replay meets each of them thousands of times.
_CACHED_MAX: Final = 4_096


class Kind(StrEnum):
    """First token of a subject: who may send it and who reads it."""

    COMMAND = "cmd"
    CONTROL = "ctl"
    LOG = "log"
    EVENT = "evt"
    ASK = "ask"
    VIEW = "view"
    ACCESS = "access"


_SYSTEM_KINDS: Final = frozenset({Kind.LOG, Kind.EVENT, Kind.VIEW, Kind.ACCESS})


class Subject(NamedTuple):
    """A checked subject: kind, account alias, and the dotted rest (`order.accepted`)."""

    kind: Kind
    account: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.account}.{self.name}"


@lru_cache(maxsize=_CACHED_MAX)
def subject(kind: Kind, account: str, name: str) -> str:
    """Return the text of a subject.

    Raises:
        ValueError: for an account or name that no subject may hold (a bug of the caller).
    """
    if not (is_alias(account) or (account == SYSTEM and kind in _SYSTEM_KINDS)):
        raise ValueError(f"expected an account alias, was {account!r}")
    if not name or any(_TOKEN.fullmatch(token) is None for token in name.split(".")):
        raise ValueError(f"expected dotted lower-case words, was {name!r}")
    return f"{kind}.{account}.{name}"


@lru_cache(maxsize=_CACHED_MAX)
def parse_subject(text: str) -> Subject:
    """Read a subject back into its parts.

    Raises:
        CorruptRecordError: for a subject with a wildcard, an empty token or an unknown kind.
    """
    kind_text, _, rest = text.partition(".")
    account, _, name = rest.partition(".")
    try:
        kind = Kind(kind_text)
        subject(kind, account, name)
    except ValueError as error:
        raise CorruptRecordError(f"expected a subject of ours, was {text[:120]!r}") from error
    return Subject(kind, account, name)


def log_wildcard(account: str) -> str:
    """Return the filter of one account's whole line of events."""
    return f"{Kind.LOG}.{account}.>"


def ledger_stream(login: str) -> str:
    """Return the stream that holds the ledgers of one login's accounts."""
    return f"LEDGER_{login}"


def lease_stream(login: str) -> str:
    """Return the stream that holds the lease of one login."""
    return f"LEASE_{login}"


def lease_wildcard(login: str) -> str:
    """Return the filter of what one login's lease stream takes."""
    return f"lease.{login}.>"


def lease_subject(login: str) -> str:
    """Return the subject of the one record of a login's lease."""
    return f"lease.{login}.held"


COMMANDS_STREAM: Final = "COMMANDS"
CONTROL_STREAM: Final = "CONTROL"
SYSTEM_STREAM: Final = "LEDGER_system"


def work_consumer(account: str) -> str:
    """Return the consumer that hands one account's commands and controls to its worker."""
    return f"w-{account}"


def history_consumer(account: str) -> str:
    """Return the consumer through which a worker reads its account's own history."""
    return f"h-{account}"
