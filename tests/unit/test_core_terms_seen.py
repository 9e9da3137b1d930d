"""A change is laid over the terms that were seen when it was agreed to, and over no others."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from core import events
from core.commands import COMMAND_CLASSES, ModifyOrder, TermsSeen, parse_body
from core.desk import waits
from core.errors import CommandError
from core.items import Outcome
from core.refusals import NEXT_STEP, Refusal
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.modify_rows import NEW, ORDER, desk_at


def seen_now(desk: facts.TestDesk) -> TermsSeen:
    return TermsSeen.of(desk.state.orders[ORDER].spec)


def test_of_two_changes_agreed_to_on_the_same_terms_the_second_is_refused_and_says_why() -> None:
    desk = desk_at("working/none")
    seen = seen_now(desk)
    first = core_items.modify_prepared(core_items.modify_command("cmd-1", quantity="70", seen=seen))
    second = core_items.modify_prepared(
        core_items.modify_command("cmd-2", limit_price=NEW, seen=seen)
    )
    assert isinstance(desk.when(first), events.OrderModifyStarted)
    desk.when(core_items.modify_answered(Outcome.DONE))
    assert waits(desk.state, second)
    desk.settle(core_items.seen(quantity="70"))
    refused = desk.when(second)
    assert isinstance(refused, events.OrderRefused)
    assert (refused.code, refused.command_id) == (Refusal.TERMS_CHANGED, "cmd-2")
    said = f"of order {ORDER} quantity is 70, was {seen.quantity:f}"
    assert refused.detail == f"{said}. {NEXT_STEP[Refusal.TERMS_CHANGED]}"
    again = core_items.modify_command("cmd-3", limit_price=NEW, seen=seen_now(desk))
    started = desk.when(core_items.modify_prepared(again))
    assert isinstance(started, events.OrderModifyStarted)
    assert (started.spec.quantity, started.spec.limit_price) == (Decimal(70), Decimal(NEW))


def test_change_agreed_to_on_an_earlier_changes_terms_falls_with_that_change() -> None:
    desk = desk_at("working/none")
    before = seen_now(desk)
    desk.when(
        core_items.modify_prepared(core_items.modify_command("cmd-1", quantity="70", seen=before))
    )
    desk.when(core_items.modify_answered(Outcome.REFUSED))
    second = core_items.modify_command(
        "cmd-2", limit_price=NEW, seen=replace(before, quantity=Decimal(70))
    )
    refused = desk.when(core_items.modify_prepared(second))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.TERMS_CHANGED


@pytest.mark.parametrize("name", TermsSeen.__struct_fields__)
def test_each_term_that_can_change_is_held_against_what_was_seen(name: str) -> None:
    desk = desk_at("working/none")
    other = replace(seen_now(desk), **{name: Decimal("123.45")})
    refused = desk.when(
        core_items.modify_prepared(core_items.modify_command(limit_price=NEW, seen=other))
    )
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.TERMS_CHANGED
    assert f"{name} is " in refused.detail
    assert ", was 123.45. " in refused.detail


def test_terms_seen_are_the_same_by_value_and_a_command_of_before_has_none() -> None:
    desk = desk_at("working/none")
    text = f'{{"quantity": "{seen_now(desk).quantity:f}.0", "limit_price": "10.500"}}'
    seen = msgspec.json.decode(text, type=TermsSeen)
    assert seen == seen_now(desk)
    started = desk.when(
        core_items.modify_prepared(core_items.modify_command(limit_price=NEW, seen=seen))
    )
    assert isinstance(started, events.OrderModifyStarted)
    of_before = b'{"order_id": "o", "quantity": "1", "limit_price": null, "reason": "r"}'
    command = parse_body({**COMMAND_CLASSES}, "order.modify", of_before)
    assert isinstance(command, ModifyOrder)
    assert command.seen is None


@pytest.mark.parametrize("figure", ["NaN", "sNaN", "Infinity"])
def test_terms_seen_that_are_no_numbers_are_no_command(figure: str) -> None:
    body = (
        b'{"order_id": "o", "quantity": "1", "limit_price": null, "reason": "r",'
        b'"seen": {"quantity": "%s"}}' % figure.encode()
    )
    with pytest.raises(CommandError):
        parse_body({**COMMAND_CLASSES}, "order.modify", body)
