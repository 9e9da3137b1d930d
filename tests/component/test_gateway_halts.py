"""What `halt_trading` says of a symbol: whether the account ever had it, and how it is resumed."""

from typing import Final

import pytest

from adapters.mcp.parts import Waits
from core import account_events, views
from tests.support.facts import positions
from tests.support.gateway import (
    AS_OF,
    QUICK,
    Published,
    World,
    order_row,
    told,
)

ARGUMENTS: Final = {"account": "sandbox", "symbol": "700", "reason": "because"}
NOTHING: Final = views.OrdersAnswer(as_of=AS_OF, orders=(), cursor=None)


def halting_world(waits: Waits = QUICK) -> World:
    world = World(waits)

    def halt(sent: Published) -> None:
        command_id = sent.envelope.command_id
        fact = account_events.AccountHalted(
            command_id=command_id, person="test-client 9", symbol="700", detail="because"
        )
        world.bus.emit(sent.account, fact, caused_by=command_id)

    world.bus.worker = halt
    world.bus.answers["view.sandbox.orders"] = NOTHING
    world.bus.answers["view.sandbox.positions"] = views.PositionsAnswer(
        as_of=AS_OF, observed_at=None, positions=()
    )
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=())
    return world


async def test_a_halt_of_a_symbol_that_the_account_never_had_says_so() -> None:
    async with halting_world().client("auto") as client:
        answer = told(await client.call_tool("halt_trading", ARGUMENTS))
    assert answer["status"] == "halted"
    assert "no order and no position in 700" in answer["detail"]
    assert "00700" in answer["detail"]
    assert "`tiger-mcp resume sandbox --symbol 700`" in answer["next_step"]


@pytest.mark.parametrize("known", ["order", "position", "not asked"])
async def test_a_halt_of_a_symbol_that_may_be_known_warns_of_nothing(known: str) -> None:
    world = halting_world()
    if known == "order":
        # It ended long ago: only the question for all of them shows it.
        world.bus.answers["view.sandbox.orders"] = lambda body: (
            NOTHING
            if b'"open"' in body
            else views.OrdersAnswer(as_of=AS_OF, orders=(order_row("o1"),), cursor=None)
        )
    elif known == "position":
        world.bus.answers["view.sandbox.positions"] = views.PositionsAnswer(
            as_of=AS_OF, observed_at=None, positions=positions(("700", "100")).positions
        )
    else:
        del world.bus.answers["view.sandbox.positions"]
    async with world.client("auto") as client:
        answer = told(await client.call_tool("halt_trading", ARGUMENTS))
    assert answer["status"] == "halted"
    assert "detail" not in answer


async def test_a_halt_of_an_account_names_the_account_to_resume() -> None:
    async with halting_world().client("auto") as client:
        answer = told(
            await client.call_tool("halt_trading", {"account": "sandbox", "reason": "because"})
        )
    assert "`tiger-mcp resume sandbox`" in answer["next_step"]
    assert "detail" not in answer
