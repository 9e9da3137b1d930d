"""An account's facts as an auditor reads them: newest first, whoever caused them.

Readings of positions and cash are left out: they say what the broker showed, come with every price
that moves, and are whole in the ledger.
"""

import sqlite3
from typing import Final

import msgspec

from core import account_events, events, views
from projections.paging import bounded, check_limit

_encode: Final = msgspec.json.Encoder().encode
_N_MAX: Final = 1 << 62


class _AuditAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`views.AuditAnswer` with rows as they are stored."""

    as_of: views.AsOf
    events: tuple[msgspec.Raw, ...]
    more_before: int | None


def is_audited(event: events.Event) -> bool:
    """Say whether an event is kept for the audit."""
    return not isinstance(
        event, account_events.AccountPositionsObserved | account_events.AccountBalancesObserved
    )


def audit_page(
    connection: sqlite3.Connection, account: str, query: views.AuditQuery, *, as_of: views.AsOf
) -> bytes:
    """Return a page of an account's facts, as `views.AuditAnswer`.

    Raises:
        CommandError: naming `limit`.
    """
    check_limit(query.limit)
    rows = connection.execute(
        "SELECT n, row FROM command_events WHERE account = ? AND n < ? ORDER BY n DESC LIMIT ?",
        (account, query.before_n if query.before_n > 0 else _N_MAX, query.limit + 1),
    ).fetchall()
    page = bounded(rows[: query.limit], at=1)
    return _encode(
        _AuditAnswer(
            as_of=as_of,
            events=tuple(msgspec.Raw(row) for _, row in page),
            more_before=page[-1][0] if len(page) < len(rows) else None,
        )
    )
