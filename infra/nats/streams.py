"""What the provisioner makes: every stream and consumer with every setting written out.

Names and values follow the server's own JSON, so that what is asked can be compared with what
stands there, field by field.
"""

from typing import Final

import msgspec

from core.subjects import (
    COMMANDS_STREAM,
    CONTROL_STREAM,
    SYSTEM,
    SYSTEM_STREAM,
    Kind,
    history_consumer,
    lease_stream,
    lease_wildcard,
    ledger_stream,
    log_wildcard,
    work_consumer,
)
from infra.nats.topology import (
    ACCESS_STREAM,
    ADVISORY_STREAM,
    ALERTS_STREAM,
    HEAD_SUBJECT,
    HEADS_STREAM,
    NOTARY,
    PROJECTOR,
    QUOTES_STREAM,
    RAISE_HEAD_SUBJECT,
    Topology,
    ledger_streams,
)

_NS_PER_S: Final = 1_000_000_000
_DAY_NS: Final = 24 * 3600 * _NS_PER_S
_DEDUPLICATION_NS: Final = 10 * 60 * _NS_PER_S
_ALERT_AGE_MAX_NS: Final = 30 * _DAY_NS
_ACCESS_AGE_MAX_NS: Final = 365 * _DAY_NS
_QUOTE_AGE_MAX_NS: Final = 5 * _NS_PER_S
_ACK_WAIT_NS: Final = 30 * _NS_PER_S
# A halt whose taker died must reach the successor soon.
_CONTROL_ACK_WAIT_NS: Final = 3 * _NS_PER_S
_ACK_PENDING_MAX: Final = 256
_PULLS_WAITING_MAX: Final = 16
# Headers count too.
_LEASE_BYTES_MAX: Final = 4 * 1024
_MIB: Final = 1 << 20
_GIB: Final = 1 << 30

Settings = dict[str, object]


class StoreLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes. A stream's limit is reserved out of the server's, but not taken from disk."""

    file_bytes_max: int = 1024 * _GIB
    memory_bytes_max: int = 64 * _MIB
    payload_bytes_max: int = _MIB
    command_bytes_max: int = 64 * 1024
    ledger_bytes_max: int = 8 * _GIB
    queue_bytes_max: int = 256 * _MIB
    alerts_bytes_max: int = _GIB
    heads_bytes_max: int = _GIB
    access_bytes_max: int = 4 * _GIB
    advisory_bytes_max: int = 256 * _MIB
    quotes_bytes_max: int = 16 * _MIB
    lease_bytes_max: int = _MIB
    replicas: int = 1


class StreamPlan(msgspec.Struct, frozen=True):
    """A stream as it must be: the server's field names and values."""

    name: str
    settings: Settings


class ConsumerPlan(msgspec.Struct, frozen=True):
    """A durable pull consumer as it must be."""

    stream: str
    name: str
    settings: Settings


def stream_plans(topology: Topology, limits: StoreLimits) -> tuple[StreamPlan, ...]:
    """Return every stream of the service."""
    ledgers = [(SYSTEM_STREAM, (SYSTEM,))] + [
        (ledger_stream(login.name), login.accounts) for login in topology.logins
    ]
    queue: Settings = {
        "retention": "workqueue",
        "discard": "new",
        "max_bytes": limits.queue_bytes_max,
        "max_msg_size": limits.command_bytes_max,
        "deny_delete": True,
    }
    return (
        *(_ledger(name, accounts, limits) for name, accounts in ledgers),
        *(_lease(login.name, limits) for login in topology.logins),
        _stream(COMMANDS_STREAM, (f"{Kind.COMMAND}.*.>",), limits, **queue),
        _stream(CONTROL_STREAM, (f"{Kind.CONTROL}.*.>",), limits, **queue),
        _stream(
            ALERTS_STREAM,
            ("raise.alert.>",),
            limits,
            max_bytes=limits.alerts_bytes_max,
            max_age=_ALERT_AGE_MAX_NS,
            republish={"src": "raise.alert.>", "dest": "alert.>"},
        ),
        _stream(
            HEADS_STREAM,
            (RAISE_HEAD_SUBJECT,),
            limits,
            discard="new",
            max_bytes=limits.heads_bytes_max,
            deny_delete=True,
            deny_purge=True,
            allow_direct=True,
            republish={"src": RAISE_HEAD_SUBJECT, "dest": HEAD_SUBJECT},
        ),
        _stream(
            ACCESS_STREAM,
            (f"{Kind.ACCESS}.>",),
            limits,
            max_bytes=limits.access_bytes_max,
            max_age=_ACCESS_AGE_MAX_NS,
        ),
        _stream(
            ADVISORY_STREAM,
            (
                "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
                "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
            ),
            limits,
            max_bytes=limits.advisory_bytes_max,
            max_age=_ALERT_AGE_MAX_NS,
        ),
        _stream(
            QUOTES_STREAM,
            ("$KV.quotes.>",),
            limits,
            storage="memory",
            discard="new",
            max_bytes=limits.quotes_bytes_max,
            max_age=_QUOTE_AGE_MAX_NS,
            max_msgs_per_subject=1,
            duplicate_window=_QUOTE_AGE_MAX_NS,
            deny_delete=True,
            allow_direct=True,
        ),
    )


def consumer_plans(topology: Topology) -> tuple[ConsumerPlan, ...]:
    """Return every consumer of the service."""
    work = [
        _work(stream, account, f"{kind}.{account}.>")
        for account in topology.accounts
        for stream, kind in ((COMMANDS_STREAM, Kind.COMMAND), (CONTROL_STREAM, Kind.CONTROL))
    ]
    history = [_history(SYSTEM_STREAM, SYSTEM)] + [
        _history(ledger_stream(login.name), account)
        for login in topology.logins
        for account in login.accounts
    ]
    ledgers = ledger_streams(topology)
    followers = [
        _reader(stream, PROJECTOR) for stream in (*ledgers, ACCESS_STREAM, ADVISORY_STREAM)
    ]
    followers += [_reader(stream, NOTARY) for stream in ledgers]
    return (*work, *history, *followers)


def _ledger(name: str, accounts: tuple[str, ...], limits: StoreLimits) -> StreamPlan:
    return _stream(
        name,
        tuple(log_wildcard(account) for account in accounts),
        limits,
        discard="new",
        max_bytes=limits.ledger_bytes_max,
        deny_delete=True,
        deny_purge=True,
        allow_direct=True,
        republish={"src": f"{Kind.LOG}.*.>", "dest": f"{Kind.EVENT}.{{{{wildcard(1)}}}}.>"},
    )


# One of its own per login, as the ledger: no login can fill or evict another's.
def _lease(login: str, limits: StoreLimits) -> StreamPlan:
    return _stream(
        lease_stream(login),
        (lease_wildcard(login),),
        limits,
        discard="new",
        max_bytes=limits.lease_bytes_max,
        max_msg_size=_LEASE_BYTES_MAX,
        max_msgs_per_subject=1,
        deny_delete=True,
        deny_purge=True,
        allow_direct=True,
    )


# All settings of a stream; what differs from these is named by the caller.
def _stream(
    name: str, subjects: tuple[str, ...], limits: StoreLimits, **changes: object
) -> StreamPlan:
    settings: Settings = {
        "name": name,
        "subjects": list(subjects),
        "retention": "limits",
        "storage": "file",
        "num_replicas": limits.replicas,
        "discard": "old",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": -1,
        "duplicate_window": _DEDUPLICATION_NS,
        "compression": "none",
        "deny_delete": False,
        "deny_purge": False,
        "sealed": False,
        "allow_rollup_hdrs": False,
        "allow_direct": False,
        "mirror_direct": False,
        "allow_msg_ttl": False,
        "allow_msg_schedules": False,
        "allow_msg_counter": False,
        "allow_atomic": False,
        "allow_batched": False,
        "discard_new_per_subject": False,
        "no_ack": False,
    }
    return StreamPlan(name, settings | changes)


def _work(stream: str, account: str, filter_subject: str) -> ConsumerPlan:
    return _consumer(
        stream,
        work_consumer(account),
        filter_subject=filter_subject,
        ack_policy="explicit",
        ack_wait=_CONTROL_ACK_WAIT_NS if stream == CONTROL_STREAM else _ACK_WAIT_NS,
        # One would let a hung place block the cancel behind it.
        max_ack_pending=_ACK_PENDING_MAX,
    )


def _history(stream: str, account: str) -> ConsumerPlan:
    return _consumer(stream, history_consumer(account), filter_subject=log_wildcard(account))


def _reader(stream: str, name: str) -> ConsumerPlan:
    return _consumer(stream, name)


def _consumer(stream: str, name: str, **changes: object) -> ConsumerPlan:
    settings: Settings = {
        "name": name,
        "durable_name": name,
        "deliver_policy": "all",
        "replay_policy": "instant",
        "ack_policy": "none",
        "max_deliver": -1,
        "max_waiting": _PULLS_WAITING_MAX,
        # Zero inherits the stream's.
        "num_replicas": 0,
        "mem_storage": False,
        "headers_only": False,
    }
    return ConsumerPlan(stream, name, settings | changes)
