"""Nothing that a stolen role sends changes or reaches what is not that role's.

Each attempt runs twice: with the role's own user, and with a user of the same NATS account that has
no permissions at all, so that the imports alone must hold. Before and after stand snapshots of all
streams and consumers; a spy hears everything in every NATS account.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pytest
import pytest_asyncio
from nats.aio.client import Client

from infra.nats.server import reload_server
from infra.nats.streams import consumer_plans
from infra.nats.topology import (
    CORE_ACCOUNT,
    HEADS_STREAM,
    PROVISIONER,
    RAISE_HEAD_SUBJECT,
    RolePlan,
    Topology,
    role_plan,
    role_plans,
)
from tests.integration.forgeries import FORGERIES, WORKER, Forgery
from tests.support.nats_raw import RawClient, RawMessage
from tests.support.nats_server import TWO_LOGINS, RunningHome, open_seeds, running_home

_on_the_range = pytest.mark.asyncio(loop_scope="module")
_QUOTES: Final = "KV_quotes"
_LEASES: Final = ("LEASE_x", "LEASE_y")
_BOUND_ACK: Final = "$JS.ACK._.RtqtexZK.COMMANDS.w-a1.>"
# One subject of each stream; a message that expects another stream is refused after all before it.
_BARRIERS: Final = (
    "log.a1.barrier.probe",
    "log.b1.barrier.probe",
    "log.system.barrier.probe",
    "cmd.a1.barrier.probe",
    "ctl.a1.barrier.probe",
    "raise.alert.a1.barrier.probe",
    "raise.head",
    "access.a1.barrier.probe",
    "$KV.quotes.y.barrier",
    "lease.x.barrier",
    "lease.y.barrier",
)
# The provisioner's own snapshots and barriers, and the server's notes, as CORE's spy hears them.
_OWN_NOISE: Final = (
    "_INBOX_provisioner.>",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.INFO.*",
    "$JS.API.CONSUMER.LIST.*",
    "$JS.EVENT.>",
    "_R_.>",
    *_BARRIERS,
)
# The worker's attempts take one each, and a pull that finds nothing proves nothing.
_PENDING_COMMANDS: Final = 200


class Snapshot(NamedTuple):
    """All that an attacker could have changed."""

    configs: dict[str, object]
    subjects: dict[str, dict[str, int]]
    last_sequences: dict[str, int]
    consumers: dict[str, object]


class Range:
    """A running home, its spies, and attackers connected on demand."""

    state: Snapshot

    def __init__(self, home: RunningHome, provisioner: Client, seeds: Mapping[str, bytes]) -> None:
        self.home = home
        self.provisioner = provisioner
        self._seeds = seeds
        self._port = home.deployment.listener.ports.client
        self._clients: list[RawClient] = []
        self.spies: dict[str, RawClient] = {}
        self._attackers: dict[tuple[str, bool], RawClient] = {}

    async def place_spies(self) -> None:
        """Hear everything in every NATS account."""
        for account in self._seeds:
            spy = await self.open_client(account)
            spy.subscribe(">")
            await spy.settle()
            self.spies[account] = spy

    async def open_client(self, account: str) -> RawClient:
        """Connect a user without permissions of one NATS account."""
        return await self._connect(self._seeds[account])

    async def attacker(self, role: str, *, is_open: bool) -> RawClient:
        """Return the connection of a stolen role, with or without its permissions."""
        key = (role, is_open)
        if key not in self._attackers:
            plan = role_plan(self.home.topology, role)
            own_seed = self.home.seed(role)
            self._attackers[key] = await self._connect(
                self._seeds[plan.nats_account] if is_open else own_seed
            )
        return self._attackers[key]

    async def settle(self) -> None:
        """Wait until whatever was sent before has had its effect, and effects of effects."""
        for _ in range(2):
            await asyncio.gather(*(self._barrier(subject) for subject in _BARRIERS))
            await self.provisioner.request("$JS.API.CONSUMER.LIST.COMMANDS", b"")
        for spy in self.spies.values():
            await spy.settle()

    async def snapshot(self) -> Snapshot:
        """Read every stream and consumer."""
        streams = sorted({plan.stream for plan in consumer_plans(self.home.topology)})
        streams += ["ALERTS", "HEADS", _QUOTES, *_LEASES]
        infos = await asyncio.gather(
            *(self._api(f"STREAM.INFO.{name}", b'{"subjects_filter":">"}') for name in streams)
        )
        lists = await asyncio.gather(*(self._api(f"CONSUMER.LIST.{name}") for name in streams))
        names = await self._api("STREAM.NAMES")
        return Snapshot(
            configs={"streams": sorted(names["streams"])}
            | {info["config"]["name"]: info["config"] for info in infos},
            subjects={
                info["config"]["name"]: info["state"].get("subjects") or {} for info in infos
            },
            last_sequences={info["config"]["name"]: info["state"]["last_seq"] for info in infos},
            consumers={
                f"{each['stream_name']}.{each['name']}": _standing(each)
                for found in lists
                for each in found["consumers"]
            },
        )

    async def close(self) -> None:
        """Cut all raw connections."""
        for client in self._clients:
            await client.close()

    async def _connect(self, seed: bytes) -> RawClient:
        client = await RawClient.connect(self._port, seed)
        self._clients.append(client)
        return client

    async def _barrier(self, subject: str) -> None:
        headers = {"Nats-Expected-Stream": "none-of-ours"}
        await self.provisioner.request(subject, b"", timeout=30, headers=headers)

    async def _api(self, name: str, body: bytes = b"") -> dict[str, Any]:
        answer = await self.provisioner.request(f"$JS.API.{name}", body, timeout=30)
        return msgspec.json.decode(answer.data, type=dict[str, Any])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shooting_range(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Range]:
    async with running_home(tmp_path_factory.mktemp("forgeries")) as home:
        ground = await _range(home)
        try:
            yield ground
        finally:
            await ground.close()


@_on_the_range
@pytest.mark.parametrize("is_open", [False, True], ids=["permitted", "open"])
@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
async def test_forgery_changes_and_reaches_nothing_of_others(
    shooting_range: Range, forgery: Forgery, is_open: bool
) -> None:
    attacker = await shooting_range.attacker(forgery.role, is_open=is_open)
    assert await _found(shooting_range, forgery, attacker) == []


@pytest.mark.parametrize(
    ("hole", "attacked_from", "loosened"),
    [
        # The import that a reference configuration once had.
        (
            Forgery(
                WORKER,
                "$JS.ACK.COMMANDS.w-b1.COMMANDS.w-a1.1.1.1",
                reply=f"_INBOX_{WORKER}.forged",
                body=b'+NXT {"batch":1,"no_wait":true}',
            ),
            "LOGIN_x",
            "$JS.ACK.*.*.COMMANDS.w-a1.>",
        ),
        # What permissions inside one shared account would let through.
        (
            Forgery(WORKER, "log.a1.order.accepted", reply="cmd.b1.order.place", body=b"{}"),
            CORE_ACCOUNT,
            _BOUND_ACK,
        ),
    ],
    ids=["open ack import", "one account for all"],
)
async def test_a_hole_is_found_out(
    tmp_path: Path, hole: Forgery, attacked_from: str, loosened: str
) -> None:
    async with running_home(tmp_path) as home:
        config = home.deployment.home.config_path
        config.write_text(config.read_text().replace(_BOUND_ACK, loosened))
        reload_server(home.deployment.home, home.deployment.listener.ports)
        ground = await _range(home)
        try:
            attacker = await ground.open_client(attacked_from)
            assert await _found(ground, hole, attacker) != []
        finally:
            await ground.close()


async def _range(home: RunningHome) -> Range:
    gateway, operator, writer_x, writer_y = [
        await home.client(role) for role in ("gateway", "operator", "worker-x", "worker-y")
    ]
    # Something to steal and to destroy, in every stream that a role fills.
    for account in ("a1", "b1"):
        for _ in range(_PENDING_COMMANDS):
            await gateway.jetstream().publish(f"cmd.{account}.order.place", b"{}")
            await operator.jetstream().publish(f"ctl.{account}.order.approve", b"{}")
    await writer_x.jetstream().publish("log.a1.order.accepted", b"{}")
    await writer_y.jetstream().publish("log.b1.order.accepted", b"{}")
    await writer_x.jetstream().publish("lease.x.held", b"{}")
    await writer_y.jetstream().publish("lease.y.held", b"{}")
    await operator.jetstream().publish("log.system.key.added", b"{}")
    await gateway.jetstream().publish("access.b1.get_quotes", b"{}")
    ground = Range(home, await home.client(PROVISIONER), open_seeds(home))
    await ground.place_spies()
    await ground.settle()
    ground.state = await ground.snapshot()
    return ground


# Send one forgery and return every effect outside the attacker's own subjects.
async def _found(ground: Range, forgery: Forgery, attacker: RawClient) -> list[str]:
    rights = Rights(ground.home.topology, role_plan(ground.home.topology, forgery.role))
    for client in (attacker, *ground.spies.values()):
        client.messages.clear()
    before = ground.state
    attacker.publish(
        forgery.subject, reply=forgery.reply, headers=dict(forgery.headers), body=forgery.body
    )
    await attacker.settle()
    await ground.settle()
    ground.state = after = await ground.snapshot()
    heard = [
        f"{account} heard {message.subject}"
        for account, spy in ground.spies.items()
        for message in spy.messages
        if account != rights.plan.nats_account
        and not rights.may_cause(account, message, reply=forgery.reply)
    ]
    return [*heard, *rights.foreign_changes(before, after)]


class Rights:
    """What one role may cause; everything else is a forgery that worked."""

    def __init__(self, topology: Topology, plan: RolePlan) -> None:
        self.plan = plan
        self._consumers = {
            call.subject.removeprefix("$JS.API.CONSUMER.MSG.NEXT.")
            for call in plan.calls
            if call.is_answered_by_many
        }
        self._own_acks = tuple(f"$JS.ACK.{consumer}." for consumer in self._consumers)
        # A worker's acknowledgement takes the message from the queue.
        self._emptied = tuple(
            f"{kind}.{served.split('.')[1]}.>"
            for served in plan.serves
            for kind in ("cmd", "ctl")
            if served.startswith("ask.")
        )

    def may_cause(self, account: str, message: RawMessage, *, reply: str) -> bool:
        """Say whether a message there may follow from what the role may send."""
        if account == CORE_ACCOUNT:
            if _matches(_OWN_NOISE, message.subject):
                return True
            # A pull's answer goes to an inbox; a listener of everything sees its stored subject.
            if message.reply.startswith(self._own_acks):
                return True
        sent = tuple(call.subject for call in self.plan.calls if call.provider == account)
        # What the role may send somewhere itself, it may also let the server answer to.
        if _matches(sent, message.subject) or _matches(sent, reply):
            return True
        return _matches(self.plan.publish, _source_of(message.subject))

    def foreign_changes(self, before: Snapshot, after: Snapshot) -> list[str]:
        """Name everything that changed and is not the role's own."""
        changes = [
            f"configuration of {name}"
            for name, config in before.configs.items()
            if after.configs.get(name) != config
        ]
        changes += [
            f"consumer {name}: {state} -> {after.consumers.get(name)}"
            for name, state in before.consumers.items()
            if after.consumers.get(name) != state and name not in self._consumers
        ]
        changes += [
            f"consumer {name} was made" for name in after.consumers.keys() - before.consumers
        ]
        for stream, counts in after.subjects.items():
            changes += self._changed_subjects(stream, before.subjects[stream], counts)
        return changes

    def _changed_subjects(
        self, stream: str, before: Mapping[str, int], after: Mapping[str, int]
    ) -> list[str]:
        changed = []
        for subject in before.keys() | after.keys():
            grew = after.get(subject, 0) - before.get(subject, 0)
            is_own = _matches(self.plan.publish, subject) if grew > 0 else self._may_shrink(subject)
            # The notary alone fills HEADS. An import without a wildcard also takes answers of the
            # server (those with one do not), and they are stored under the subject they had.
            is_own |= stream == HEADS_STREAM and RAISE_HEAD_SUBJECT in self.plan.publish
            # Quotes end by themselves after seconds.
            if grew and not is_own and not (stream == _QUOTES and grew < 0):
                changed.append(f"{stream} {subject}: {grew:+d}")
        return changed

    def _may_shrink(self, subject: str) -> bool:
        return _matches(self._emptied, subject)


def _standing(consumer: dict[str, Any]) -> object:
    fields = ("config", "num_ack_pending", "num_redelivered", "num_waiting")
    marks = ("delivered", "ack_floor")
    return {field: consumer[field] for field in fields} | {
        mark: (consumer[mark]["consumer_seq"], consumer[mark]["stream_seq"]) for mark in marks
    }


# The subject whose stored message the server republished as `subject`.
def _source_of(subject: str) -> str:
    if subject.startswith("evt."):
        return "log." + subject.removeprefix("evt.")
    if subject.startswith("alert."):
        return f"raise.{subject}"
    return "raise.head" if subject == "audit.head" else ""


def _matches(patterns: tuple[str, ...], subject: str) -> bool:
    return any(_pattern(pattern).fullmatch(subject) for pattern in patterns)


_PATTERNS: dict[str, re.Pattern[str]] = {}


def _pattern(pattern: str) -> re.Pattern[str]:
    if pattern not in _PATTERNS:
        text = re.escape(pattern).replace(r"\*", r"[^.]+")
        _PATTERNS[pattern] = re.compile(re.sub(r">$", ".+", text))
    return _PATTERNS[pattern]


def test_every_role_is_tried() -> None:
    tried = {forgery.role for forgery in FORGERIES}
    roles = {plan.role for plan in role_plans(TWO_LOGINS)}
    # Login y's worker is login x's mirror.
    assert tried == roles - {"worker-y"}
