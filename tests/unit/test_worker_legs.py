"""A leg bears the mark of the order that it was made of: it neither hides it nor stands for it."""

from decimal import Decimal
from typing import Any, Final

import pytest
from msgspec.structs import replace

from adapters.tiger_worker.row_names import RowNames
from adapters.tiger_worker.windows import WIDE_PAGE_S, WIDE_ROWS
from core import readings
from core.orders import Order, Phase
from core.terms import OrderSpec, StopLoss
from tests.support import core_facts as facts
from tests.support.scripted_broker import order_row
from tests.unit.test_worker_reconcile import of
from tests.unit.test_worker_sweeps import LATE_S, ORDER, ROUNDS, TIGER, SweepRig, at_ms

BRACKET: Final = replace(facts.spec(), stop_loss=StopLoss(stop_price=Decimal(9)))
PAIR: Final = replace(facts.spec(), or_stop=StopLoss(stop_price=Decimal(9)))
LEG: Final = order_row(
    id=7, orderId=0, action="SELL", orderType="STP", auxPrice=9, limitPrice=None, openTime=at_ms(2)
)
EXECUTION: Final = {
    "id": "e1",
    "filledQuantity": 100,
    "filledPrice": 10.5,
    "currency": "USD",
    "symbol": "AAPL",
    "transactionTime": 1,
}


def sent(spec: OrderSpec = BRACKET) -> list[Any]:
    return [facts.previewed("1", spec), facts.started("1", spec)]


def working(spec: OrderSpec = BRACKET) -> list[Any]:
    return [*sent(spec), facts.accepted(tiger=TIGER), facts.working(tiger=TIGER)]


def held(*given: Any) -> Order:
    return facts.fold(given).orders[ORDER]


# What was missed before is gone back for at the pace that its pages allow.
@pytest.mark.parametrize(
    ("given", "rounds"),
    [(working(), 1), ([*sent(), facts.unknown()], 5 * int(WIDE_PAGE_S))],
    ids=["working", "unknown"],
)
def test_open_leg_hides_no_fill_of_its_parent(
    monkeypatch: pytest.MonkeyPatch, given: list[Any], rounds: int
) -> None:
    rig = SweepRig(monkeypatch, *given, figures_s=0.0)
    # More than a page was opened since, so only an order that is missed is gone back for.
    others = [
        order_row(id=100 + n, orderId=0, userMark="", symbol="MSFT", status="Cancelled")
        | {"openTime": at_ms(LATE_S + n / 100)}
        for n in range(4 * WIDE_ROWS)
    ]
    is_known = rig.order().phase is Phase.WORKING
    rig.broker_side.book = [order_row(), *others] if is_known else others
    rig.after(3 * LATE_S, rounds=ROUNDS + 1)
    rig.broker_side.book = [
        order_row(status="Filled", filledQuantity=100, avgFillPrice=10.5),
        *others,
        LEG | {"parentId": int(TIGER)},
    ]
    rig.broker_side.executions = [EXECUTION]
    rig.after(1.0, rounds=rounds)
    assert rig.order().recorded_quantity == 100
    assert rig.order().phase is Phase.FILLED


@pytest.mark.parametrize(
    ("spec", "row"),
    [(BRACKET, LEG | {"parentId": int(TIGER)}), (PAIR, LEG | {"orderId": 902})],
    ids=["leg", "the other of two"],
)
def test_order_whose_leg_alone_is_listed_is_in_doubt_as_any_other(
    monkeypatch: pytest.MonkeyPatch, spec: OrderSpec, row: dict[str, Any]
) -> None:
    rig = SweepRig(monkeypatch, *working(spec))
    rig.broker_side.book = [row]
    told = rig.after(LATE_S, rounds=ROUNDS)
    assert [each.order_id for each in of(told, readings.AbsenceConfirmed)] == [ORDER]
    assert rig.order().phase is Phase.UNKNOWN


@pytest.mark.parametrize("spec", [facts.spec(), BRACKET], ids=["alone", "bracket"])
@pytest.mark.parametrize("fields", [{"orderId": 0}, {"userMark": ""}], ids=["mark", "number"])
def test_row_that_may_be_half_written_keeps_an_order_from_being_absent_and_proves_nothing_else(
    spec: OrderSpec, fields: dict[str, Any]
) -> None:
    names = RowNames([order_row(**fields)])
    order = held(*sent(spec), facts.unknown())
    assert names.may_show(order)
    assert not names.show(order)


@pytest.mark.parametrize(
    ("row", "is_shown", "may_be_shown"),
    [
        (order_row(), True, True),
        (order_row(parentId=0), True, True),
        (order_row(parentId=5), False, False),
        (order_row(orderId=902), False, False),
        (order_row(userMark="another", orderId=902), False, False),
    ],
)
def test_bracket_without_an_id_is_shown_by_mark_and_number_together(
    row: dict[str, Any], *, is_shown: bool, may_be_shown: bool
) -> None:
    order = held(*sent(), facts.unknown())
    assert RowNames([row]).show(order) is is_shown
    assert RowNames([row]).may_show(order) is may_be_shown


def test_order_with_an_id_is_shown_by_nothing_else() -> None:
    order = held(*working(facts.spec()))
    assert RowNames([order_row(userMark="", orderId=0)]).show(order)
    assert not RowNames([order_row(id=7)]).show(order)
    # Whatever bears its mark keeps it from being absent.
    assert RowNames([order_row(id=7)]).may_show(order)


def test_number_of_ours_is_no_id_of_the_brokers() -> None:
    order = held(*working(facts.spec()))
    row = order_row(id=901, userMark="", orderId=0)
    assert not RowNames([row]).may_show(order)
