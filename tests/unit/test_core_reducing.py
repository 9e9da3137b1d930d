"""Whether an order only reduces what is held, and so passes a freeze or a doubt."""

from decimal import Decimal

import pytest

from core import events
from core.submitting import is_reducing
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_core_submit_gates import LONG_100, SHORT_100

# --- is it reducing? ------------------------------------------------------------------------


def _sell(quantity: str) -> bool:
    desk = facts.TestDesk(*facts.ready(LONG_100))
    return is_reducing(desk.state, facts.spec(side=Side.SELL, quantity=quantity))


def test_sell_up_to_the_holding_reduces_and_one_share_more_does_not() -> None:
    assert (_sell("100"), _sell("100.000001"), _sell("101")) == (True, False, False)


@pytest.mark.parametrize("is_short", [False, True])
def test_stale_list_of_positions_makes_no_sale_reducing(is_short: bool) -> None:
    closing = facts.spec(side=Side.BUY if is_short else Side.SELL)
    held = SHORT_100 if is_short else LONG_100
    traded = facts.previewed("1", closing), facts.started("1", closing), facts.accepted()
    done = events.OrderFilled(
        order_id=facts.order_id_of(), filled_quantity=Decimal(100), average_price=None
    )
    fill = facts.fill("e1", "100", side=closing.side)
    desk = facts.TestDesk(*facts.ready(held, *traded, facts.working(), fill, done, held))
    assert not is_reducing(desk.state, closing)


def test_buy_reduces_a_short_position_alone() -> None:
    short = facts.TestDesk(*facts.ready(SHORT_100)).state
    flat = facts.TestDesk(*facts.ready()).state
    buy = facts.spec(quantity="100")
    assert is_reducing(short, buy)
    assert not is_reducing(short, facts.spec(quantity="101"))
    assert not is_reducing(short, facts.spec(side=Side.SELL))
    assert not is_reducing(flat, buy)
    assert not is_reducing(flat, facts.spec(side=Side.SELL))


@pytest.mark.parametrize(
    "ending",
    [(), (facts.unknown(),), (facts.unknown(), facts.not_found()), (facts.accepted(),)],
)
def test_open_and_doubtful_orders_of_the_same_side_count_as_filled(
    ending: tuple[events.Event, ...],
) -> None:
    selling = facts.started("1", facts.spec(side=Side.SELL, quantity="60"))
    state = facts.TestDesk(*facts.ready(LONG_100, selling, *ending)).state
    assert is_reducing(state, facts.spec(side=Side.SELL, quantity="40"))
    assert not is_reducing(state, facts.spec(side=Side.SELL, quantity="41"))


def test_open_orders_of_the_other_side_count_as_never_filled() -> None:
    buying = facts.started("1", facts.spec(quantity="500"))
    state = facts.TestDesk(*facts.ready(LONG_100, buying, facts.accepted())).state
    assert not is_reducing(state, facts.spec(side=Side.SELL, quantity="101"))


def test_open_orders_of_other_symbols_do_not_count() -> None:
    selling = facts.started("1", facts.spec(symbol="MSFT", side=Side.SELL))
    state = facts.TestDesk(*facts.ready(LONG_100, selling)).state
    assert is_reducing(state, facts.spec(side=Side.SELL))


def test_orders_from_the_phone_app_count() -> None:
    desk = facts.TestDesk(*facts.ready(LONG_100))
    desk.settle(core_items.external(side=Side.SELL, quantity="60"))
    assert not is_reducing(desk.state, facts.spec(side=Side.SELL, quantity="41"))
    assert is_reducing(desk.state, facts.spec(side=Side.SELL, quantity="40"))


def test_partly_filled_order_counts_with_what_is_left_of_it() -> None:
    selling = facts.started("1", facts.spec(side=Side.SELL, quantity="60"))
    sold = facts.fill("e1", "25", side=Side.SELL)
    given = (LONG_100, selling, facts.accepted(), sold, facts.working(filled="25"))
    state = facts.TestDesk(*facts.ready(*given)).state
    assert state.positions.get("AAPL@US") == Decimal(75)
    assert is_reducing(state, facts.spec(side=Side.SELL, quantity="40"))
    assert not is_reducing(state, facts.spec(side=Side.SELL, quantity="41"))


def test_finished_and_released_orders_do_not_count() -> None:
    selling = facts.started("1", facts.spec(side=Side.SELL))
    released = facts.released()
    for ending in (
        (events.OrderNotSent(order_id=facts.order_id_of(), cause="late"),),
        (events.OrderRejected(order_id=facts.order_id_of(), code=1, detail="no"),),
        (facts.unknown(), released),
    ):
        state = facts.TestDesk(*facts.ready(LONG_100, selling, *ending)).state
        assert is_reducing(state, facts.spec(side=Side.SELL))
