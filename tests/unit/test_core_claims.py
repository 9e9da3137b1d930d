"""Keys of callers: what makes two calls one, what makes them a conflict, and who may act."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core import account_events, events, items
from core.claims import claim_of, claimed_command_id
from core.commands import (
    CancelOrder,
    CancelOrders,
    HaltTrading,
    LegAsked,
    ModelCommand,
    ModifyOrder,
    PreviewOrder,
    SubmitOrder,
    TermsSeen,
)
from core.desk import decide, waits, wants_reads
from core.modes import Mode
from core.refusals import Refusal
from core.terms import OptionRight, OrderType, Side, TimeInForce
from tests.support import core_facts as facts


def preview(**changes: Any) -> PreviewOrder:
    return msgspec.structs.replace(
        PreviewOrder(
            symbol="00700",
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            quantity="10",
            limit_price="300.5",
            time_in_force=TimeInForce.DAY,
            outside_regular_hours=False,
            reason="because",
            key="k",
        ),
        **changes,
    )


def modify(**changes: Any) -> ModifyOrder:
    made = ModifyOrder(order_id="o1", quantity="5", limit_price=None, reason="because", key="k")
    return msgspec.structs.replace(made, **changes)


def item_of(command: ModelCommand, command_id: str = "c2", **changes: Any) -> items.CommandItem:
    made = items.CommandItem(
        command=command, command_id=command_id, principal="m", expires_at=facts.at(60)
    )
    return msgspec.structs.replace(made, **changes)


def differing(one: object, other: object) -> tuple[str, ...]:
    first, second = claim_of(one), claim_of(other)
    assert first is not None
    assert second is not None
    assert (first == second) is (not first.differing(second))
    return first.differing(second)


LEG = LegAsked(
    right=OptionRight.CALL,
    expiry=datetime(2026, 12, 18, tzinfo=UTC).date(),
    strike="5",
    side=Side.BUY,
)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ()),
        ({"quantity": "10.00"}, ()),
        ({"limit_price": "300.500"}, ()),
        ({"quantity": "100"}, ("quantity",)),
        ({"symbol": "700"}, ("symbol",)),
        ({"reason": "because "}, ("reason",)),
        ({"side": Side.SELL, "quantity": "1"}, ("quantity", "side")),
        ({"limit_price": None, "stop_price": "300.5"}, ("limit_price", "stop_price")),
        ({"legs": (LEG,)}, ("legs",)),
    ],
)
def test_a_claim_names_every_field_that_differs_by_value(
    changes: dict[str, Any], names: tuple[str, ...]
) -> None:
    assert differing(preview(), preview(**changes)) == names


def test_amounts_inside_a_leg_are_the_same_by_value_too() -> None:
    other = msgspec.structs.replace(LEG, strike="5.0")
    assert differing(preview(legs=(LEG,)), preview(legs=(other,))) == ()


def test_what_was_seen_of_an_order_is_no_part_of_what_a_key_is_for() -> None:
    seen = TermsSeen(quantity=Decimal(5))
    assert differing(modify(), modify(seen=seen)) == ()


def test_a_preview_and_a_change_never_share_a_key() -> None:
    assert "command" in differing(preview(), modify())


@pytest.mark.parametrize(
    "command",
    [
        preview(key=""),
        modify(key=""),
        SubmitOrder(preview_id="p"),
        HaltTrading(symbol="", reason=""),
    ],
)
def test_a_command_without_a_key_claims_nothing(command: ModelCommand) -> None:
    assert claim_of(command) is None


def test_the_id_of_a_keyed_command_is_its_account_key_and_content() -> None:
    claims = [claim_of(preview()), claim_of(preview(quantity="9")), claim_of(preview(key="k2"))]
    ids = {claimed_command_id("a1", claim) for claim in claims if claim is not None}
    assert len(ids) == 3
    assert claims[0] is not None
    assert claimed_command_id("a2", claims[0]) not in ids
    assert claimed_command_id("a1", claims[0]) in ids


def refused(event: object) -> events.OrderRefused:
    assert isinstance(event, events.OrderRefused)
    return event


def test_a_key_used_by_a_refused_preview_is_taken_and_asks_nothing_of_the_broker() -> None:
    desk = facts.TestDesk(*facts.ready())
    unread = items.PreviewAnswered(
        item=item_of(preview(), "c1"), contract=None, quote=None, estimate=None, failed="quotes"
    )
    first = refused(desk.when(unread))
    assert first.code is Refusal.BROKER_UNAVAILABLE
    assert first.claim == claim_of(preview())
    again = item_of(preview(quantity="11"))
    assert not wants_reads(desk.state, again)
    conflict = refused(desk.when(again))
    assert conflict.code is Refusal.KEY_CONFLICT
    assert "quantity" in conflict.detail
    assert conflict.claim is msgspec.UNSET
    # The first use still owns the key.
    assert desk.state.claims["k"] == claim_of(preview())


def test_two_previews_of_one_key_that_are_read_for_at_once_are_one_preview_and_one_conflict() -> (
    None
):
    desk = facts.TestDesk(*facts.ready())
    for command_id, command, code in (
        ("c1", preview(), Refusal.UNKNOWN_SYMBOL),
        ("c2", preview(side=Side.SELL), Refusal.KEY_CONFLICT),
    ):
        answered = items.PreviewAnswered(
            item=item_of(command, command_id), contract=None, quote=None, estimate=None
        )
        assert refused(desk.when(answered)).code is code


def test_the_same_command_again_is_nothing_new() -> None:
    desk = facts.TestDesk(*facts.ready())
    answered = items.PreviewAnswered(
        item=item_of(preview(), "c1"), contract=None, quote=None, estimate=None
    )
    desk.when(answered)
    assert desk.when(item_of(preview(), "c1")) is None
    assert desk.when(answered) is None


def test_a_change_under_a_key_claims_it_for_ever_even_while_its_outcome_is_unknown() -> None:
    started = events.OrderModifyStarted(
        order_id=facts.order_id_of(),
        command_id="c1",
        tiger_order_id="t-1",
        spec=facts.spec(),
        reason="because",
        send_by=facts.at(1),
        arrives_by=facts.at(30),
        claim=claim_of(modify()) or msgspec.UNSET,
    )
    desk = facts.TestDesk(
        *facts.ready(facts.started(), facts.accepted()),
        started,
        events.OrderModifyUnknown(order_id=facts.order_id_of(), cause="timeout"),
    )
    other = item_of(modify(quantity="6"))
    assert not waits(desk.state, other)
    conflict = refused(desk.when(other))
    assert conflict.code is Refusal.KEY_CONFLICT
    assert "quantity" in conflict.detail


WRITES: list[ModelCommand] = [
    SubmitOrder(preview_id="p"),
    CancelOrder(order_id="o1"),
    CancelOrders(symbol=None, side=None),
    modify(key=""),
    HaltTrading(symbol="", reason="because"),
]


@pytest.mark.parametrize("command", WRITES, ids=lambda command: type(command).__name__)
def test_no_write_of_a_model_passes_on_a_read_only_account(command: ModelCommand) -> None:
    line = facts.ready(facts.started(), facts.accepted(), mode=Mode.READ_ONLY)
    state = facts.fold(line)
    item = item_of(command)
    assert not wants_reads(state, item)
    no = refused(decide(state, item, facts.context()))
    expected = {Refusal.ACCOUNT_READ_ONLY}
    if isinstance(command, SubmitOrder):
        expected.add(Refusal.PREVIEW_UNKNOWN)
    assert no.code in expected


@pytest.mark.parametrize("symbol", ["", "AAPL"])
@pytest.mark.parametrize("expires_s", [60, -60])
def test_a_models_halt_halts_as_a_persons_does_however_late_it_comes(
    symbol: str, expires_s: float
) -> None:
    desk = facts.TestDesk(*facts.ready())
    late = item_of(HaltTrading(symbol=symbol, reason="because"), expires_at=facts.at(expires_s))
    assert desk.when(late) == account_events.AccountHalted(
        command_id="c2", person="m", symbol=symbol, detail="because"
    )
    assert desk.state.halts("AAPL")
    assert desk.when(late) is None
