"""A command that an older worker sets aside unread is answered at once, with what helps."""

from typing import Any, Final, Literal

import msgspec
import pytest

from adapters.tiger_worker.guard import HaltLatch
from adapters.tiger_worker.intake import Intake
from core import account_events, events, views
from core.items import Unreadable
from core.ports import CommandMessage
from core.refusals import NEXT_STEP, Refusal
from core.subjects import Kind
from tests.support.gateway import (
    AS_OF,
    MODES,
    ORDER_ID,
    PREVIEW_ID,
    TERMS,
    FakeBus,
    Mode,
    TestSigner,
    World,
    previewed,
    rows_of,
    told,
)
from tests.support.worker_parts import DeskRig, ListeningDesk, Message, Trace

both_eras = pytest.mark.parametrize("mode", MODES)
SUBMIT: Final = {"account": "sandbox", "preview_id": PREVIEW_ID}
CALLS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("preview_order", TERMS),
    ("submit_order", SUBMIT),
    (
        "modify_order",
        {"account": "sandbox", "order_id": ORDER_ID, "quantity": "1", "reason": "because"},
    ),
    ("halt_trading", {"account": "sandbox", "reason": "because"}),
]
EXPIRED: Final = events.OrderRefused(
    command_id="", code=Refusal.PREVIEW_EXPIRED, detail="it is over"
)


class NoKey:
    """Knows no key of this gateway."""

    def is_valid(self, key_id: str, message: bytes, signature: str) -> bool:
        del key_id, message, signature
        return False


class OldWorkerBus(FakeBus):
    """Hands each new message to a real worker's intake, which reads it or sets it aside.

    `reads`: what the worker can do with it: nothing, not even know its key, or all.
    """

    def __init__(self, signer: TestSigner) -> None:
        super().__init__(signer)
        self.reads: Literal["shape", "key", "all"] = "shape"

    async def publish(
        self, subject: str, body: bytes, *, message_id: str, timeout_s: float
    ) -> bool:
        """Store a message, and set it aside as the worker would."""
        is_known = await super().publish(subject, body, message_id=message_id, timeout_s=timeout_s)
        if subject.startswith("cmd.") and not is_known and self.reads != "all":
            seen = self._set_aside(subject, body)
            fields = {
                name: getattr(seen, name)
                for name in account_events.CommandUnreadable.__struct_fields__
            }
            self.emit("sandbox", account_events.CommandUnreadable(**fields))
        return is_known

    def forget(self) -> None:
        """Let the time be over for which the stream knows a message again."""
        self._stored.clear()

    def _set_aside(self, subject: str, body: bytes) -> Unreadable:
        desk = ListeningDesk(DeskRig())
        # A worker of another version has no place for what it is not told of.
        verifiers = {Kind.COMMAND: NoKey()} if self.reads == "key" else {}
        intake = Intake("sandbox", desk=desk, verifiers=verifiers, latch=HaltLatch())
        intake.take(Message(Trace(), "m", CommandMessage(subject, body, "COMMANDS", 7)))
        ((_, work),) = desk.posted
        assert isinstance(work.item, Unreadable)
        return work.item


def old_world() -> tuple[World, OldWorkerBus]:
    world = World()
    bus = OldWorkerBus(world.signer)
    world.bus = bus
    bus.answers |= {
        "view.sandbox.explain": views.ExplainAnswer(
            as_of=AS_OF, order=None, events=(), more_after=None
        ),
        "view.sandbox.orders": views.OrdersAnswer(as_of=AS_OF, orders=(), cursor=None),
        "view.sandbox.command": views.CommandAnswer(as_of=AS_OF, events=()),
    }
    return world, bus


# A wait for an outcome is longer than a whole test may be.
@both_eras
@pytest.mark.parametrize(("tool", "arguments"), CALLS)
async def test_a_command_that_the_worker_cannot_read_is_refused_at_once(
    mode: Mode, tool: str, arguments: dict[str, Any]
) -> None:
    world, _ = old_world()
    async with world.client(mode) as client:
        answer = told(await client.call_tool(tool, arguments))
    assert (answer["status"], answer["code"]) == ("refused", "command_unreadable")
    assert answer["next_step"] == NEXT_STEP[Refusal.COMMAND_UNREADABLE]
    assert "`tiger-mcp down`, then `tiger-mcp up`" in answer["next_step"]


@both_eras
async def test_a_cancel_that_the_worker_cannot_read_is_told_in_its_row(mode: Mode) -> None:
    world, _ = old_world()
    arguments = {"account": "sandbox", "order_ids": [ORDER_ID]}
    async with world.client(mode) as client:
        answer = told(await client.call_tool("cancel_orders", arguments))
    (row,) = rows_of(answer["cancels"])
    assert (row["status"], row["code"]) == ("refused", "command_unreadable")


async def test_a_key_that_the_worker_does_not_know_is_told_as_such() -> None:
    world, bus = old_world()
    bus.reads = "key"
    async with world.client("auto") as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert (answer["status"], answer["code"]) == ("refused", "signature_invalid")


async def test_a_repeated_submit_is_answered_as_long_as_the_stream_has_it_and_then_sent() -> None:
    world, bus = old_world()
    async with world.client("auto") as client:
        for _ in range(2):
            answer = told(await client.call_tool("submit_order", SUBMIT))
            assert answer["code"] == "command_unreadable"
        # A worker that can read it is there now, and the stream takes the command as a new one.
        bus.reads = "all"
        bus.forget()
        bus.worker = lambda sent: bus.emit_soon(
            "sandbox", EXPIRED, caused_by=sent.envelope.command_id
        )
        answer = told(await client.call_tool("submit_order", SUBMIT))
        assert answer["code"] == "preview_expired"
        # What was set aside is forgotten: the view has the answer to a repeat.
        fact = bus.record("sandbox", EXPIRED)
        row = views.EventRow(
            type=fact.type,
            n=fact.n,
            recorded_at=fact.recorded_at,
            data=msgspec.Raw(msgspec.json.encode(fact.data)),
        )
        bus.answers["view.sandbox.command"] = views.CommandAnswer(as_of=AS_OF, events=(row,))
        assert told(await client.call_tool("submit_order", SUBMIT))["code"] == "preview_expired"


async def test_anothers_unread_message_ends_no_call() -> None:
    world, bus = old_world()
    bus.reads = "all"

    def work(sent: Any) -> None:
        strange = account_events.CommandUnreadable(
            code=Refusal.COMMAND_UNREADABLE,
            subject="cmd.sandbox.order.submit",
            stream="COMMANDS",
            sequence=6,
            body_digest="0" * 64,
            detail="",
        )
        bus.emit("sandbox", strange)
        command_id = sent.envelope.command_id
        bus.emit("sandbox", previewed(command_id), caused_by=command_id)

    bus.worker = work
    async with world.client("auto") as client:
        assert told(await client.call_tool("preview_order", TERMS))["status"] == "previewed"
