"""A client that declares that it shows questions, the person before it, and what is asked about."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult, ErrorData

from core import codec, events, views
from tests.support.gateway import (
    AS_OF,
    ORDER_ID,
    QUICK,
    TEST_LIMIT_S,
    Mode,
    World,
    previewed,
    row_of,
    somebody,
)

Answer = ElicitResult | ErrorData
YES: Final = ElicitResult(action="accept", content={})


class Person:
    """Sits before the client and answers each question the same way, or not at all."""

    def __init__(self, answer: Answer | None) -> None:
        self._answer = answer
        self.asked: list[str] = []
        self.is_asked = asyncio.Event()

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> Answer:
        assert isinstance(params, ElicitRequestFormParams)
        assert context.session is not None
        self.asked.append(params.message)
        self.is_asked.set()
        if self._answer is None:
            await asyncio.Event().wait()
            raise AssertionError("nobody answers")
        return self._answer


def world_of(*facts: Callable[[str], events.Event], asks: bool = True) -> World:
    """Return a world whose worker takes each order, and whose ledger has one preview."""
    world = World(msgspec.structs.replace(QUICK, person_s=0.2, submit_s=2.0), asks=asks)
    shown = [world.bus.record("sandbox", each("cmd-p")) for each in (previewed, *facts)]
    world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
        as_of=AS_OF, order=None, events=tuple(map(row_of, shown)), more_after=None
    )

    def work(sent: Any) -> None:
        accepted = events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="1", evidence="reply")
        world.bus.emit(sent.account, accepted, caused_by=sent.envelope.command_id)

    world.bus.worker = work
    return world


def show(world: World, *facts: events.Event) -> codec.Recorded:
    """Have the projector tell these facts of the preview instead; return the first."""
    recorded = [world.bus.record("sandbox", each) for each in facts]
    world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
        as_of=AS_OF, order=None, events=tuple(map(row_of, recorded)), more_after=None
    )
    return recorded[0]


@asynccontextmanager
async def asking(world: World, mode: Mode, person: Person | None) -> AsyncIterator[Client]:
    """Connect a client whose person is asked; none: it does not declare that it asks."""
    with somebody():
        async with (
            asyncio.timeout(TEST_LIMIT_S),
            Client(world.server, mode=mode, elicitation_callback=person) as client,
        ):
            yield client
