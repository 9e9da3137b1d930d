"""The table of forgeries: what a stolen process could try, with each role's credentials.

Logins x (accounts a1, a2) and y (b1); the gateway was granted a1 and b1. Most attempts carry a
reply subject that is not the sender's to write: the server answers there with its own rights.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from infra.nats.topology import (
    GATEWAY,
    NOTARY,
    OPERATOR,
    PROJECTOR,
    subscriber_role,
    worker_role,
)


class Forgery(NamedTuple):
    """One message that an attacker sends."""

    role: str
    subject: str
    reply: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"forged"

    def __str__(self) -> str:
        extra = "".join(f" {name}={value}" for name, value in self.headers)
        mark = "" if self.body in (b"", b"forged") else f" {self.body[:40].decode()}"
        return f"{self.role}: {self.subject} -> {self.reply or '-'}{extra}{mark}"


WORKER: Final = worker_role("x")
SUBSCRIBER: Final = subscriber_role("s1")
_ONE: Final = b'{"batch":1,"no_wait":true}'
# An acknowledgement that also pulls; without the limit it would wait and disturb what follows.
_ACK_NEXT: Final = b"+NXT " + _ONE
_FROM_FIRST: Final = b'{"seq":1}'
_API: Final = "$JS.API"
_NEXT: Final = f"{_API}.CONSUMER.MSG.NEXT"
_RESET: Final = f"{_API}.CONSUMER.RESET"
_DIRECT: Final = f"{_API}.DIRECT.GET"
_V2: Final = "$JS.ACK._.RtqtexZK"

# Where an answer of the server would be a message, an order or a command to JetStream.
_TARGETS: Final = (
    "log.b1.order.accepted",
    "log.system.key.added",
    "cmd.b1.order.place",
    "cmd.a2.order.place",
    "ctl.a1.order.approve",
    "raise.alert.b1.risk.forged",
    "raise.head",
    "access.b1.submit_order",
    "evt.b1.order.accepted",
    "alert.b1.risk.forged",
    "audit.head",
    "view.b1.orders",
    "ask.b1.quotes",
    "$KV.quotes.y.AAPL",
    "lease.y.held",
    f"{_API}.STREAM.DELETE.LEDGER_y",
    f"{_API}.STREAM.PURGE.COMMANDS",
    f"{_RESET}.LEDGER_y.h-b1",
    f"{_API}.CONSUMER.DELETE.COMMANDS.w-b1",
    "$JS.ACK.COMMANDS.w-b1.1.1.1.1.1",
)


def _replies(role: str, subject: str, body: bytes, targets: Iterable[str]) -> tuple[Forgery, ...]:
    return tuple(Forgery(role, subject, reply=target, body=body) for target in targets)


def _sends(role: str, *attempts: tuple[str, bytes]) -> tuple[Forgery, ...]:
    # The inbox is the attacker's own, so that what was granted by mistake would be answered.
    reply = f"_INBOX_{role}.forged"
    return tuple(Forgery(role, subject, reply=reply, body=body) for subject, body in attempts)


# What nobody but the provisioner may ask of JetStream.
_ADMINISTRATION: Final = (
    (f"{_API}.STREAM.DELETE.LEDGER_y", b""),
    (f"{_API}.STREAM.DELETE.LEDGER_x", b""),
    (f"{_API}.STREAM.PURGE.COMMANDS", b""),
    (
        f"{_API}.STREAM.UPDATE.LEDGER_y",
        b'{"name":"LEDGER_y","subjects":["log.b1.>"],"max_msgs":1,"discard":"old"}',
    ),
    (f"{_API}.STREAM.MSG.DELETE.LEDGER_y", b'{"seq":1}'),
    (f"{_API}.STREAM.DELETE.LEASE_y", b""),
    (f"{_API}.STREAM.PURGE.LEASE_y", b""),
    (f"{_API}.STREAM.MSG.DELETE.LEASE_y", b'{"seq":1}'),
    (f"{_API}.STREAM.MSG.GET.LEASE_y", b'{"seq":1}'),
    (f"{_DIRECT}.LEASE_y.lease.y.held", b""),
    (f"{_DIRECT}.LEASE_y", b'{"seq":1}'),
    (f"{_API}.STREAM.INFO.LEDGER_y", b""),
    (f"{_API}.STREAM.MSG.GET.LEDGER_y", b'{"seq":1}'),
    (f"{_API}.STREAM.CREATE.FORGED", b'{"name":"FORGED","subjects":["cmd.b1.x"]}'),
    (f"{_API}.STREAM.SNAPSHOT.LEDGER_y", b'{"deliver_subject":"cmd.b1.order.place"}'),
    (
        f"{_API}.CONSUMER.CREATE.LEDGER_y.forged",
        b'{"stream_name":"LEDGER_y","config":{"name":"forged","deliver_subject":"cmd.b1.x",'
        b'"ack_policy":"none"}}',
    ),
    (
        f"{_API}.CONSUMER.DURABLE.CREATE.COMMANDS.forged",
        b'{"stream_name":"COMMANDS","config":{"durable_name":"forged","ack_policy":"explicit"}}',
    ),
    (f"{_API}.CONSUMER.DELETE.COMMANDS.w-b1", b""),
    (f"{_API}.CONSUMER.PAUSE.COMMANDS.w-b1", b'{"pause_until":"2999-01-01T00:00:00Z"}'),
    (f"{_API}.CONSUMER.UNPIN.COMMANDS.w-b1", b'{"group":"w"}'),
    (f"{_API}.ACCOUNT.PURGE.CORE", b""),
    (f"{_API}.SERVER.REMOVE", b'{"peer":"tiger-mcp"}'),
    (f"{_DIRECT}.LEDGER_y", b'{"seq":1}'),
    (f"{_DIRECT}.LEDGER_y.log.b1.order.accepted", b""),
    (f"{_DIRECT}.LEDGER_y", b'{"multi_last":["log.>"]}'),
    ("$SYS.REQ.ACCOUNT.CORE.CONNZ", b""),
    ("$SYS.REQ.SERVER.PING", b""),
    ("$SYS.REQ.SERVER.tiger-mcp.RELOAD", b""),
    ("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.COMMANDS.w-b1", b"{}"),
    ("_R_.AAAAAAAA.BBBBBB", b"forged"),
)

_WORKER: Final = (
    *_replies(WORKER, "log.a1.order.accepted", b"{}", _TARGETS),
    *_replies(WORKER, f"{_NEXT}.COMMANDS.w-a1", _ONE, _TARGETS),
    *_replies(WORKER, f"{_NEXT}.LEDGER_x.h-a1", _ONE, _TARGETS),
    *_replies(WORKER, f"{_RESET}.LEDGER_x.h-a1", _FROM_FIRST, _TARGETS),
    *_replies(WORKER, f"{_DIRECT}.LEDGER_x.log.a1.order.accepted", b"", _TARGETS),
    *_replies(WORKER, "$KV.quotes.x.AAPL", b"{}", _TARGETS),
    *_replies(WORKER, "lease.x.held", b"{}", _TARGETS),
    *_replies(WORKER, f"{_DIRECT}.LEASE_x.lease.x.held", b"", _TARGETS),
    *_replies(WORKER, "$JS.ACK.COMMANDS.w-a1.1.1.1.1.1", _ACK_NEXT, _TARGETS),
    *_sends(
        WORKER,
        *((target, b"forged") for target in _TARGETS if not target.startswith("$JS.API")),
        *_ADMINISTRATION,
        (f"{_NEXT}.COMMANDS.w-b1", _ONE),
        (f"{_NEXT}.CONTROL.w-b1", _ONE),
        (f"{_NEXT}.LEDGER_y.h-b1", _ONE),
        (f"{_NEXT}.LEDGER_x.projector", _ONE),
        (f"{_NEXT}.LEDGER_x.notary", _ONE),
        (f"{_NEXT}.*.w-a1", _ONE),
        (f"{_NEXT}.COMMANDS.*", _ONE),
        (f"{_RESET}.LEDGER_y.h-b1", _FROM_FIRST),
        (f"{_RESET}.COMMANDS.w-a1", _FROM_FIRST),
        (f"{_RESET}.LEDGER_x.notary", _FROM_FIRST),
        (f"{_DIRECT}.LEDGER_x", b'{"seq":1}'),
        (f"{_DIRECT}.LEDGER_x.log.a1.>", b'{"multi_last":["log.>"]}'),
        (f"{_DIRECT}.KV_quotes.$KV.quotes.y.AAPL", b""),
        (f"{_DIRECT}.LEASE_x", b'{"seq":1}'),
        (f"{_DIRECT}.LEASE_x.lease.x.>", b'{"multi_last":["lease.>"]}'),
        (f"{_API}.STREAM.PURGE.LEASE_x", b""),
        ("lease.*.held", b"{}"),
        ("lease.>", b"{}"),
        ("$JS.ACK.COMMANDS.w-b1.1.1.1.1.1", b"+TERM"),
        ("$JS.ACK.COMMANDS.w-b1.COMMANDS.w-a1.1.1.1", _ACK_NEXT),
        ("$JS.ACK.COMMANDS.w-b1.COMMANDS.w-a1.1.1.1.1.1", _ACK_NEXT),
        ("$JS.ACK.COMMANDS.w-b1.COMMANDS.w-a1.1.1.1.1.0.0.0", _ACK_NEXT),
        (f"{_V2}.COMMANDS.w-b1.1.1.1.1.1", b"+ACK"),
        (f"{_V2}.COMMANDS.w-a1.COMMANDS.w-b1.1.1.1.1.1", _ACK_NEXT),
        ("$JS.ACK.COMMANDS.w-a1.COMMANDS.w-b1.1.1.1", _ACK_NEXT),
        ("$JS.ACK.COMMANDS.*.1.1.1.1.1", _ACK_NEXT),
        ("log.*.order.accepted", b"{}"),
        ("log.>", b"{}"),
        ("log.a1..accepted", b"{}"),
        ("log.a1.>", b"{}"),
        ("log.b1.>", b"{}"),
        ("cmd.a1.order.place", b"{}"),
        ("cmd.*.order.place", b"{}"),
        ("$KV.quotes.*.AAPL", b"{}"),
    ),
    *(
        Forgery(WORKER, "log.a1.order.accepted", f"_INBOX_{WORKER}.forged", (header,))
        for header in (
            ("Nats-Rollup", "sub"),
            ("Nats-Rollup", "all"),
            ("Nats-TTL", "1s"),
            ("Nats-Schedule", "@at 2999-01-01T00:00:00Z"),
            ("Nats-Batch-Id", "forged"),
            ("Nats-Expected-Stream", "LEDGER_y"),
            ("Nats-Incr", "+1"),
            ("Nats-Marker-Reason", "Remove"),
            ("Nats-Trace-Dest", "cmd.b1.order.place"),
            ("Nats-Trace-Dest", "log.b1.order.accepted"),
            ("Nats-Subject", "log.b1.order.accepted"),
            ("Nats-Stream", "LEDGER_y"),
        )
    ),
    *(
        Forgery(WORKER, "lease.x.held", f"_INBOX_{WORKER}.forged", (header,), b"{}")
        for header in (
            ("Nats-Rollup", "all"),
            ("Nats-TTL", "1s"),
            ("Nats-Expected-Stream", "LEASE_y"),
            ("Nats-Subject", "lease.y.held"),
        )
    ),
    Forgery(
        WORKER,
        "log.a1.order.accepted",
        headers=(
            ("Nats-Expected-Last-Subject-Sequence", "0"),
            ("Nats-Expected-Last-Subject-Sequence-Subject", "log.b1.>"),
        ),
    ),
)

_GATEWAY: Final = (
    *_replies(GATEWAY, "cmd.a1.order.place", b"{}", _TARGETS),
    *_replies(GATEWAY, "access.a1.get_quotes", b"{}", _TARGETS),
    *_replies(GATEWAY, "view.a1.orders", b"{}", _TARGETS),
    *_replies(GATEWAY, f"{_DIRECT}.KV_quotes.$KV.quotes.x.AAPL", b"", _TARGETS),
    *_sends(
        GATEWAY,
        *_ADMINISTRATION,
        ("cmd.a2.order.place", b"{}"),
        ("cmd.*.order.place", b"{}"),
        ("cmd.>", b"{}"),
        ("ctl.a1.order.approve", b"{}"),
        ("log.a1.order.accepted", b"{}"),
        ("log.system.key.added", b"{}"),
        ("raise.alert.a1.risk.forged", b"{}"),
        ("raise.head", b"{}"),
        ("evt.a1.order.accepted", b"{}"),
        ("alert.a1.risk.forged", b"{}"),
        ("audit.head", b"{}"),
        ("view.a2.orders", b"{}"),
        ("ask.a2.quotes", b"{}"),
        ("access.a2.get_quotes", b"{}"),
        ("$KV.quotes.x.AAPL", b"{}"),
        ("lease.x.held", b"{}"),
        (f"{_DIRECT}.LEASE_x.lease.x.held", b""),
        (f"{_NEXT}.COMMANDS.w-a1", _ONE),
        (f"{_NEXT}.ACCESS.projector", _ONE),
        (f"{_RESET}.LEDGER_x.projector", _FROM_FIRST),
        ("$JS.ACK.COMMANDS.w-a1.1.1.1.1.1", b"+TERM"),
        (f"{_DIRECT}.KV_quotes", b'{"multi_last":["$KV.>"]}'),
        (f"{_DIRECT}.LEDGER_x.log.a1.order.accepted", b""),
    ),
)

_OPERATOR: Final = (
    *_replies(OPERATOR, "ctl.a1.order.approve", b"{}", _TARGETS),
    *_replies(OPERATOR, "log.system.key.added", b"{}", _TARGETS),
    *_replies(OPERATOR, f"{_NEXT}.LEDGER_system.h-system", _ONE, _TARGETS),
    *_replies(OPERATOR, f"{_RESET}.LEDGER_system.h-system", _FROM_FIRST, _TARGETS),
    *_sends(
        OPERATOR,
        *_ADMINISTRATION,
        ("cmd.a1.order.place", b"{}"),
        ("ctl.*.order.approve", b"{}"),
        ("log.a1.order.accepted", b"{}"),
        ("log.*.key.added", b"{}"),
        ("ask.a1.quotes", b"{}"),
        ("lease.x.held", b"{}"),
        (f"{_DIRECT}.LEASE_x.lease.x.held", b""),
        ("access.system.forged", b"{}"),
        ("raise.alert.system.risk.forged", b"{}"),
        ("evt.system.key.added", b"{}"),
        (f"{_NEXT}.CONTROL.w-a1", _ONE),
        (f"{_NEXT}.LEDGER_system.projector", _ONE),
        (f"{_DIRECT}.LEDGER_system", b'{"seq":1}'),
        (f"{_DIRECT}.LEDGER_x.log.a1.order.accepted", b""),
    ),
)


def _follower(role: str, other: str) -> tuple[Forgery, ...]:
    return (
        *_replies(role, f"{_NEXT}.LEDGER_x.{role}", _ONE, _TARGETS),
        *_replies(role, f"{_RESET}.LEDGER_x.{role}", _FROM_FIRST, _TARGETS),
        *_sends(
            role,
            *_ADMINISTRATION,
            (f"{_NEXT}.LEDGER_x.{other}", _ONE),
            (f"{_NEXT}.LEDGER_x.h-a1", _ONE),
            (f"{_NEXT}.COMMANDS.w-a1", _ONE),
            (f"{_NEXT}.COMMANDS.{role}", _ONE),
            (f"{_NEXT}.*.{role}", _ONE),
            (f"{_RESET}.LEDGER_x.{other}", _FROM_FIRST),
            (f"{_RESET}.LEDGER_x.h-a1", _FROM_FIRST),
            ("log.a1.order.accepted", b"{}"),
            ("log.system.key.added", b"{}"),
            ("cmd.a1.order.place", b"{}"),
            ("ctl.a1.order.approve", b"{}"),
            ("evt.a1.order.accepted", b"{}"),
            ("alert.a1.risk.forged", b"{}"),
            ("audit.head", b"{}"),
            ("access.a1.forged", b"{}"),
            ("lease.x.held", b"{}"),
            (f"{_DIRECT}.LEASE_x.lease.x.held", b""),
            (f"{_DIRECT}.LEDGER_x.log.a1.order.accepted", b""),
        ),
    )


_PROJECTOR: Final = (
    *_follower(PROJECTOR, NOTARY),
    *_replies(PROJECTOR, "raise.alert.a1.risk.forged", b"{}", _TARGETS),
    *_sends(PROJECTOR, ("raise.head", b"{}"), ("raise.alert.*.risk.forged", b"{}")),
)
_NOTARY: Final = (
    *_follower(NOTARY, PROJECTOR),
    *_replies(NOTARY, "raise.head", b"{}", _TARGETS),
    *_sends(NOTARY, ("raise.alert.a1.risk.forged", b"{}")),
)
_SUBSCRIBER: Final = _sends(
    SUBSCRIBER,
    *((target, b"forged") for target in _TARGETS if not target.startswith("$JS.API")),
    *_ADMINISTRATION,
    ("evt.a1.order.accepted", b"{}"),
    ("alert.a1.risk.forged", b"{}"),
    ("raise.alert.a1.risk.forged", b"{}"),
    ("cmd.a1.order.place", b"{}"),
)

FORGERIES: Final = (*_WORKER, *_GATEWAY, *_OPERATOR, *_PROJECTOR, *_NOTARY, *_SUBSCRIBER)
