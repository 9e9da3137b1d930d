"""What orders and holdings bind, cost and bring: stocks, options, futures; corporate actions."""

from decimal import Decimal

import pytest

from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.fees import charges_due, fees_due
from infra.sandbox.broker.margin import Funds, funds_of
from infra.sandbox.broker.records import DividendPaid, Record, Segment, SharesSplit
from tests.support.engine_world import CALL, FUTURE, NOW, PRIME, PUT, World


def funds(world: World, segment: Segment = "SEC") -> Funds:
    return funds_of(world.engine.book.accounts[PRIME], world.engine.prices, segment)


def test_stock_binds_half_of_its_value() -> None:
    world = World()
    before = funds(world)
    world.place("BUY", "100")
    after = funds(world)
    assert after.initial_margin == 50 * Decimal(230)
    assert after.maintenance_margin == 25 * Decimal(230)
    assert before.available - after.available == after.initial_margin + 1 + Decimal("2.00") - (
        Decimal("0.01")
    )


def test_long_option_is_paid_in_full_and_binds_nothing_more() -> None:
    world = World()
    world.place("BUY", "1", key=CALL)
    now = funds(world)
    worth = world.engine.prices.last(CALL) * 100
    assert (now.position_value, now.initial_margin) == (worth, worth)


@pytest.mark.parametrize(("key", "sign"), [(CALL, 1), (PUT, -1)])
def test_short_option_binds_a_fifth_of_its_underlying_less_what_it_is_out_of_the_money(
    key: str, sign: int
) -> None:
    world = World()
    world.place("SELL", "1", key=key)
    assert funds(world).initial_margin == Decimal("46.00") * 100
    # Ten dollars out of the money.
    world.price(str(230 - 10 * sign))
    price = 230 - 10 * sign
    assert funds(world).initial_margin == (Decimal(price) / 5 - 10) * 100


def test_resting_short_option_binds_its_margin() -> None:
    world = World()
    world.place("SELL", "3", "90.00", key=CALL)
    assert funds(world).reserved == Decimal("46.00") * 300


def test_future_moves_no_cash_but_what_it_wins_and_binds_what_its_exchange_asks() -> None:
    world = World()
    world.fund("50000", segment="FUT")
    securities, before = funds(world), world.cash(segment="FUT")
    order = world.place("BUY", "2", symbol="ES", key=FUTURE)
    assert (order.status, order.multiplier, order.sec_type) == ("Filled", Decimal(50), "FUT")
    assert before - world.cash(segment="FUT") == order.commission
    assert funds(world, "FUT").initial_margin == 2 * Decimal(22_000)
    paid = order.filled_amount / 2
    world.price(str(paid + 10), key=FUTURE)
    unrealized = funds(world, "FUT").unrealized_pnl
    assert unrealized == 2 * 50 * Decimal(10)
    sale = world.place("SELL", "2", symbol="ES", key=FUTURE)
    won = (sale.filled_amount - order.filled_amount) * 50
    assert sale.realized_pnl == won > 0
    assert world.cash(segment="FUT") == before + won - order.commission - sale.commission
    assert funds(world, "FUT").initial_margin == 0
    assert funds(world) == securities


def test_futures_and_securities_do_not_answer_for_one_another() -> None:
    world = World()
    with pytest.raises(OrderRefusedError, match="buying power"):
        world.place("BUY", "1", symbol="ES", key=FUTURE)
    world.fund("22000", segment="FUT")
    world.place("BUY", "1", symbol="ES", key=FUTURE)
    with pytest.raises(OrderRefusedError, match="buying power"):
        world.place("BUY", "1", symbol="ES", key=FUTURE)
    assert funds(world).initial_margin == 0


def test_option_gain_counts_its_multiplier() -> None:
    world = World()
    bought = world.place("BUY", "1", key=CALL)
    world.price("240.00")
    sold = world.place("SELL", "1", key=CALL)
    assert sold.realized_pnl == (sold.filled_amount - bought.filled_amount) * 100 > 0


def test_fees_depend_on_market_and_kind_and_have_a_minimum_per_order() -> None:
    ten = Decimal(10)
    assert fees_due("US", quantity=ten, amount=ten, sec_type="OPT") == Decimal("9.50")
    assert fees_due("US", quantity=Decimal(1), amount=ten, sec_type="OPT") == Decimal("2.99")
    assert fees_due("US", quantity=ten, amount=ten, sec_type="FUT") == Decimal("19.90")
    assert fees_due("US", quantity=ten, amount=ten, sec_type="FUND") == 0
    charges = charges_due("HK", quantity=ten, amount=Decimal(100_000))
    assert (charges.commission, charges.platform) == (Decimal(30), Decimal(15))


def test_parts_of_one_order_pay_its_minimum_once() -> None:
    world = World(fill_quantity_max=Decimal(1))
    order = world.place("BUY", "3")
    world.engine.advance(world.now, step_count=0)
    world.engine.advance(world.now, step_count=0)
    assert [fill.fee for fill in world.engine.book.fills] == [Decimal("1.99"), 0, 0]
    assert world.order(order).commission == Decimal("1.99")


def test_dividend_pays_the_holder_and_lowers_the_price() -> None:
    world = World()
    world.place("BUY", "100")
    before = world.cash()
    paid = DividendPaid(key="AAPL", currency="USD", amount=Decimal("0.25"), paid_at=NOW)
    world.engine.apply_corporate_action(paid, world.now)
    assert world.cash() - before == 25
    assert world.engine.prices.last("AAPL") == Decimal("229.75")


def test_split_keeps_the_cost_and_ends_open_orders() -> None:
    world = World()
    world.place("BUY", "100")
    order = world.place("BUY", "10", "200.00")
    cost = world.engine.book.accounts[PRIME].positions["AAPL"].cost
    split = SharesSplit(key="AAPL", ratio=Decimal(2), split_at=NOW)
    world.engine.apply_corporate_action(split, world.now)
    position = world.engine.book.accounts[PRIME].positions["AAPL"]
    assert (position.quantity, position.cost) == (Decimal(200), cost)
    assert world.engine.prices.last("AAPL") == Decimal("115.00")
    assert world.order(order).status == "Inactive"
    assert world.replayed().book.accounts[PRIME].positions["AAPL"] == position


@pytest.mark.parametrize(
    "action",
    [
        SharesSplit(key="AAPL", ratio=Decimal(0), split_at=NOW),
        SharesSplit(key=CALL, ratio=Decimal(2), split_at=NOW),
        DividendPaid(key="AAPL", currency="HKD", amount=Decimal(1), paid_at=NOW),
        DividendPaid(key="AAPL", currency="USD", amount=Decimal(-1), paid_at=NOW),
    ],
)
def test_wrong_corporate_action_is_refused(action: DividendPaid | SharesSplit) -> None:
    world = World()
    count = len(world.records)
    with pytest.raises(OrderRefusedError):
        world.engine.apply_corporate_action(action, world.now)
    assert len(world.records) == count


def test_listeners_hear_of_a_record_once_it_is_true() -> None:
    world, heard = World(), []

    def hear(record: Record) -> None:
        heard.append((record, len(world.engine.book.orders)))

    world.engine.listeners.append(hear)
    world.place("BUY", "1")
    assert [record for record, _ in heard] == world.records[-len(heard) :]
    assert heard[-1][1] == 1
