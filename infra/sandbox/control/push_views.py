"""What goes over the control port about the push side: shared by the routes and the client."""

from datetime import datetime

import msgspec

from infra.sandbox.push.faults import ActivePushFault
from infra.sandbox.push.journal import Happening, PushEntry


class PushConnectionView(msgspec.Struct, frozen=True, kw_only=True):
    """One connected login."""

    connection_id: int
    tiger_id: str
    transport: str  # tcp or tls
    opened_at: datetime
    accounts: tuple[str, ...]  # whose changes it is told
    subscriptions: dict[str, object]  # as the client is told them
    queued_count: int  # frames that wait to be sent
    sent_count: int  # frames, answers included
    is_paused: bool


class PushConnectionsView(msgspec.Struct, frozen=True, kw_only=True):
    """The connected logins."""

    connections: tuple[PushConnectionView, ...]


class PushJournalView(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to push connections, oldest first."""

    entries: tuple[PushEntry, ...]


class PushFaultsView(msgspec.Struct, frozen=True, kw_only=True):
    """The push faults in force."""

    faults: tuple[ActivePushFault, ...]


class PushWaitCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Wait until something has happened `count` times since the start."""

    happening: Happening
    count: int
    timeout_s: float = 5.0


class PushChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The connection of a login, or of all."""

    tiger_id: str | None = None
