"""What the broker made of an order of ours: cancelled here, changed nowhere but at the broker."""

from msgspec.structs import replace

from core import events
from core.cancelling import decide_cancel
from core.commands import CancelOrder, ModifyOrder
from core.modifying import objection_to
from core.refusals import NEXT_STEP, Refusal
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items

ORDER = facts.order_id_of()
CHANGE = ModifyOrder(order_id="", quantity=None, limit_price="1", reason="because")


def a_desk() -> facts.TestDesk:
    filled = events.OrderFilled(
        order_id=ORDER, filled_quantity=facts.spec().quantity, average_price=None
    )
    facts_before = (facts.previewed(), facts.started(), facts.accepted(tiger="9"), filled)
    return facts.TestDesk(*facts.ready(), *facts_before)


def listed(desk: facts.TestDesk, tiger: str, *, parent: str = "") -> str:
    """Have a listing show an order without our mark, and return its id."""
    seen = core_items.external(tiger=tiger, side=Side.SELL)
    desk.settle(replace(seen, parent_tiger_id=parent))
    order_id = desk.state.by_tiger_id.get(tiger)
    assert order_id is not None
    return order_id


def test_a_change_of_a_leg_of_ours_names_its_parent_and_what_to_do() -> None:
    desk = a_desk()
    leg = listed(desk, "78", parent="9")
    no = objection_to(desk.state, replace(CHANGE, order_id=leg))
    assert no is not None
    assert no.code is Refusal.ORDER_ATTACHED
    assert leg in no.detail
    assert ORDER in no.detail
    assert "Cancel it alone" in NEXT_STEP[no.code]


def test_a_change_of_a_strangers_leg_is_a_strangers() -> None:
    desk = a_desk()
    stranger = listed(desk, "80")
    leg = listed(desk, "81", parent="80")
    for order_id in (stranger, leg):
        no = objection_to(desk.state, replace(CHANGE, order_id=order_id))
        assert no is not None
        assert no.code is Refusal.ORDER_NOT_OURS


def test_a_leg_of_ours_is_cancelled_like_any_order() -> None:
    desk = a_desk()
    leg = listed(desk, "78", parent="9")
    command = CancelOrder(order_id=leg)
    wish = decide_cancel(desk.state, core_items.cancel(leg), command)
    assert isinstance(wish, events.OrderCancelStarted)
    assert (wish.order_id, wish.tiger_order_id) == (leg, "78")
