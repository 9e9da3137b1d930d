"""A client that shows questions about changes: which of them are asked, and what an answer does."""

from decimal import Decimal
from typing import Any, Literal

import msgspec
import pytest
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult

from core import events, views
from core.commands import ModifyOrder, TermsSeen
from core.orders import Phase
from core.terms import OrderType, Side
from tests.support.asking import YES, Answer, Person, asking, world_of
from tests.support.gateway import (
    AS_OF,
    MODES,
    ORDER_ID,
    Mode,
    World,
    error_of,
    order_row,
    order_spec,
    row_of,
    told,
)

both_eras = pytest.mark.parametrize("mode", MODES)
CHANGE = {"account": "sandbox", "order_id": ORDER_ID, "reason": "because"}
MORE = {"quantity": "1000", "limit_price": "600"}
CHANGED = events.OrderReplaced(order_id=ORDER_ID, spec=order_spec())


def changing(*rows: views.OrderRow) -> World:
    """Return a world whose projector shows these orders, and whose worker makes each change."""
    world = world_of()
    show_orders(world, *rows)

    def work(sent: Any) -> None:
        world.bus.emit(sent.account, CHANGED, caused_by=sent.envelope.command_id)

    world.bus.worker = work
    return world


def show_orders(world: World, *rows: views.OrderRow) -> None:
    world.bus.answers["view.sandbox.orders"] = views.OrdersAnswer(
        as_of=AS_OF, orders=rows, cursor=None
    )


OPEN = order_row(ORDER_ID, filled_quantity=Decimal(0))


@both_eras
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_change_that_grows_an_order_is_asked_of_the_person(
    mode: Mode, action: Literal["decline", "cancel"]
) -> None:
    world, person = changing(OPEN), Person(ElicitResult(action=action))
    async with asking(world, mode, person) as client:
        said = told(await client.call_tool("modify_order", {**CHANGE, **MORE}))
    assert (said["status"], said["code"]) == ("refused", "not_confirmed")
    assert said["next_step"].startswith("This call changed nothing.")
    assert world.bus.published == []
    assert person.asked == [
        f"Change order {ORDER_ID} at the broker, on account sandbox (sandbox: simulated money)?\n"
        "From: Buy 10 AAPL (US stock) at limit 185.50 USD, good for the day. "
        "(worth about 1855.00 USD)\n"
        "To: Buy 1000 AAPL (US stock) at limit 600 USD, good for the day. "
        "(worth about 600000 USD)\n"
        "Warning: limit_price goes from 185.50 to 600, 3.23 times what it was.\n"
        "Warning: quantity goes from 10 to 1000, 100 times what it was.\n"
        "Reason given: because"
    ]


@both_eras
async def test_a_change_that_was_declined_is_not_asked_again_whatever_its_reason(
    mode: Mode,
) -> None:
    world, person = changing(OPEN), Person(ElicitResult(action="decline"))
    async with asking(world, mode, person) as client:
        first = told(await client.call_tool("modify_order", {**CHANGE, **MORE}))
    insistent = Person(YES)
    async with asking(world, mode, insistent) as client:
        urgent = {**CHANGE, **MORE, "reason": "it is urgent"}
        said = told(await client.call_tool("modify_order", urgent))
    assert first["next_step"] == said["next_step"]
    assert (said["status"], said["code"]) == ("refused", "not_confirmed")
    assert said["detail"] == "the person said no to this change"
    assert "with a new key" in said["next_step"]
    assert (len(person.asked), insistent.asked, world.bus.published) == (1, [], [])


ANOTHER_CHANGE: dict[str, tuple[views.OrderRow, dict[str, str]]] = {
    "other terms": (OPEN, {"limit_price": "601"}),
    "a key of its own": (OPEN, {"key": "after-all"}),
    "an order that became another": (
        msgspec.structs.replace(OPEN, spec=order_spec(quantity=Decimal(20))),
        {},
    ),
}


@both_eras
@pytest.mark.parametrize("name", ANOTHER_CHANGE)
async def test_another_change_than_the_one_that_was_declined_is_asked_about(
    mode: Mode, name: str
) -> None:
    row, changes = ANOTHER_CHANGE[name]
    world, person = changing(OPEN), Person(ElicitResult(action="decline"))
    async with asking(world, mode, person) as client:
        await client.call_tool("modify_order", {**CHANGE, **MORE})
    show_orders(world, row)
    world.bus.answers["view.sandbox.command"] = views.CommandAnswer(as_of=AS_OF, events=())
    willing = Person(YES)
    async with asking(world, mode, willing) as client:
        said = told(await client.call_tool("modify_order", {**CHANGE, **MORE, **changes}))
    assert (said["status"], len(willing.asked)) == ("replaced", 1)


@both_eras
async def test_a_question_about_a_change_that_was_closed_may_be_asked_again(mode: Mode) -> None:
    world, person = changing(OPEN), Person(ElicitResult(action="cancel"))
    async with asking(world, mode, person) as client:
        for _ in range(2):
            await client.call_tool("modify_order", {**CHANGE, **MORE})
    assert (len(person.asked), world.bus.published) == (2, [])


@both_eras
async def test_a_change_that_the_person_agreed_to_is_sent_once(mode: Mode) -> None:
    world, person = changing(OPEN), Person(YES)
    async with asking(world, mode, person) as client:
        said = told(await client.call_tool("modify_order", {**CHANGE, **MORE}))
    assert said["status"] == "replaced"
    assert [sent.command for sent in world.bus.published] == [
        ModifyOrder(order_id=ORDER_ID, reason="because", **MORE, seen=TermsSeen.of(order_spec()))
    ]
    assert len(person.asked) == 1


@both_eras
async def test_a_change_over_one_on_its_way_is_bound_to_the_terms_that_the_question_named(
    mode: Mode,
) -> None:
    world, person = changing(PENDING), Person(YES)
    async with asking(world, mode, person) as client:
        told(await client.call_tool("modify_order", {**CHANGE, **MORE}))
    assert "From: Buy 5 AAPL" in person.asked[0]
    (sent,) = [each.command for each in world.bus.published]
    assert isinstance(sent, ModifyOrder)
    assert sent.seen == TermsSeen.of(order_spec(quantity=Decimal(5)))


PENDING = msgspec.structs.replace(OPEN, wanted=order_spec(quantity=Decimal(5)))
UNASKED: dict[str, tuple[views.OrderRow, dict[str, str]]] = {
    "less of it": (OPEN, {"quantity": "9"}),
    "a lower limit to buy": (OPEN, {"limit_price": "185"}),
    # The worker refuses these, and writes it down.
    "an order that ended": (msgspec.structs.replace(OPEN, phase=Phase.FILLED), MORE),
    "an order from elsewhere": (msgspec.structs.replace(OPEN, is_external=True), MORE),
}


@pytest.mark.parametrize("name", UNASKED)
async def test_a_change_that_takes_risk_away_is_not_asked_about(name: str) -> None:
    row, changes = UNASKED[name]
    world, person = changing(row), Person(ElicitResult(action="decline"))
    async with asking(world, "auto", person) as client:
        await client.call_tool("modify_order", {**CHANGE, **changes})
    assert (person.asked, len(world.bus.published)) == ([], 1)


GUARD = msgspec.structs.replace(
    OPEN,
    spec=order_spec(
        side=Side.SELL,
        order_type=OrderType.STOP,
        limit_price=None,
        stop_price=Decimal(170),
        quantity=Decimal(100),
    ),
)
ASKED_ALL_THE_SAME: dict[str, tuple[tuple[views.OrderRow, ...], str]] = {
    "its terms are not known": ((), "to quantity 7? What it says now is not known here."),
    "another change is on its way": ((PENDING,), "From: Buy 5 AAPL"),
    "it may guard a position": ((GUARD,), "to 7: it guards no more than that."),
}


@both_eras
@pytest.mark.parametrize("name", ASKED_ALL_THE_SAME)
async def test_a_change_of_what_is_not_sure_is_asked_about(mode: Mode, name: str) -> None:
    rows, text = ASKED_ALL_THE_SAME[name]
    world, person = changing(*rows), Person(ElicitResult(action="decline"))
    async with asking(world, mode, person) as client:
        await client.call_tool("modify_order", {**CHANGE, "quantity": "7"})
    assert text in person.asked[0]
    assert world.bus.published == []


@both_eras
async def test_without_the_order_at_hand_no_change_is_asked_or_sent(mode: Mode) -> None:
    world, person = changing(), Person(YES)
    del world.bus.answers["view.sandbox.orders"]
    async with asking(world, mode, person) as client:
        said = error_of(await client.call_tool("modify_order", {**CHANGE, **MORE}))
    assert said.startswith("unavailable: ")
    assert (person.asked, world.bus.published) == ([], [])


@both_eras
async def test_a_change_that_fits_no_term_of_the_order_is_nothing_to_ask_about(mode: Mode) -> None:
    world, person = changing(OPEN), Person(YES)
    async with asking(world, mode, person) as client:
        said = error_of(await client.call_tool("modify_order", {**CHANGE, "stop_price": "9"}))
    assert said.startswith("invalid_argument: stop_price: ")
    assert (person.asked, world.bus.published) == ([], [])


@both_eras
async def test_the_question_about_a_change_warns_of_a_price_that_moves_far(mode: Mode) -> None:
    world, person = changing(OPEN), Person(YES)
    async with asking(world, mode, person) as client:
        await client.call_tool("modify_order", {**CHANGE, "limit_price": "18550"})
    assert (
        "Warning: limit_price goes from 185.50 to 18550, 100 times what it was."
        in person.asked[0].splitlines()
    )


@both_eras
async def test_a_change_is_looked_at_again_by_its_key_without_a_question(mode: Mode) -> None:
    world, person = changing(OPEN), Person(ElicitResult(action="decline"))
    known = row_of(world.bus.record("sandbox", CHANGED))
    world.bus.answers["view.sandbox.command"] = views.CommandAnswer(as_of=AS_OF, events=(known,))
    async with asking(world, mode, person) as client:
        said = told(await client.call_tool("modify_order", {**CHANGE, **MORE, "key": "one"}))
    assert said["status"] == "replaced"
    assert person.asked == []


@both_eras
async def test_a_yes_to_terms_that_the_order_has_no_more_is_none(mode: Mode) -> None:
    world = changing(OPEN)

    class Slow(Person):
        """Says yes, but while the question is open the order becomes another."""

        async def __call__(
            self, context: ClientRequestContext, params: ElicitRequestParams
        ) -> Answer:
            if not self.asked:
                spec = order_spec(quantity=Decimal(20))
                show_orders(world, msgspec.structs.replace(OPEN, spec=spec))
            else:
                self._answer = ElicitResult(action="decline")
            return await super().__call__(context, params)

    person = Slow(YES)
    async with asking(world, mode, person) as client:
        said = told(
            await client.call_tool("modify_order", {**CHANGE, "limit_price": MORE["limit_price"]})
        )
    assert (said["status"], said["code"]) == ("refused", "not_confirmed")
    assert world.bus.published == []


async def test_where_a_person_set_that_nobody_is_asked_the_change_is_made() -> None:
    world, person = world_of(asks=False), Person(ElicitResult(action="decline"))
    async with asking(world, "auto", person) as client:
        await client.call_tool("modify_order", {**CHANGE, **MORE})
    assert (person.asked, len(world.bus.published)) == ([], 1)
