"""Every order type: what makes it trade, at which price, and how much."""

from decimal import Decimal

import pytest

from infra.sandbox.broker.checks import OrderRefusedError
from tests.support.engine_world import CALL, NOW, World


def test_market_order_walks_the_levels_of_the_book() -> None:
    world = World()
    levels = world.engine.prices.levels("AAPL", "SELL")
    wanted = levels[0].volume + 1
    order = world.place("BUY", str(wanted))
    fills = [(fill.price, fill.quantity) for fill in world.engine.book.fills]
    assert fills == [
        (levels[0].price, Decimal(levels[0].volume)),
        (levels[1].price, Decimal(1)),
    ]
    assert order.status == "Filled"


def test_what_the_book_does_not_hold_waits_for_the_next_round() -> None:
    world = World()
    depth = sum(level.volume for level in world.engine.prices.levels("NVDA", "SELL"))
    world.fund("100000000")
    order = world.place("BUY", str(depth + 5), symbol="NVDA")
    assert (order.status, order.filled_quantity) == ("PendingSubmit", Decimal(depth))
    # What was taken is gone until the market moves.
    again = world.place("BUY", "1", symbol="NVDA")
    assert again.filled_quantity == 0
    world.engine.advance(world.now, step_count=1)
    assert world.order(order).status == world.order(again).status == "Filled"


def test_limit_order_takes_no_level_beyond_its_limit() -> None:
    world = World()
    best = world.engine.prices.levels("AAPL", "SELL")[0]
    order = world.place("BUY", str(best.volume + 50), str(best.price))
    assert order.filled_quantity == best.volume
    assert order.status == "PendingSubmit"


def test_resting_limit_order_trades_at_its_own_limit() -> None:
    world = World()
    order = world.place("BUY", "10", "229.00")
    world.price("228.00")
    order = world.order(order)
    assert (order.status, order.filled_amount) == ("Filled", Decimal("2290.00"))


def test_stop_order_becomes_a_market_order_at_its_trigger() -> None:
    world = World()
    world.place("BUY", "10")
    stop = world.place("SELL", "10", order_type="STP", aux_price="225.00")
    assert stop.status == "PendingSubmit"
    world.price("225.01")
    assert not world.order(stop).is_triggered
    world.price("225.00")
    stop = world.order(stop)
    assert (stop.status, stop.is_triggered) == ("Filled", True)
    assert stop.filled_amount == Decimal("2249.90")
    # The price recovers, and the stop is not asked again.
    assert world.held() == 0


def test_stop_limit_order_rests_at_its_limit_once_triggered() -> None:
    world = World()
    world.place("BUY", "10")
    stop = world.place("SELL", "10", "224.00", order_type="STP_LMT", aux_price="225.00")
    world.price("220.00")
    stop = world.order(stop)
    assert (stop.is_triggered, stop.filled_quantity) == (True, Decimal(0))
    world.price("226.00")
    assert world.order(stop).filled_amount == Decimal("2240.00")


def test_buy_stop_waits_for_a_rise() -> None:
    world = World()
    stop = world.place("BUY", "10", order_type="STP", aux_price="235.00")
    world.price("225.00")
    assert not world.order(stop).is_triggered
    world.price("235.00")
    assert world.order(stop).status == "Filled"


@pytest.mark.parametrize(
    ("terms", "first", "after_rise"),
    [
        ({"aux_price": "5"}, "225.00", "235.00"),
        ({"trailing_percent": "10"}, "207.00", "216.00"),
        # A percentage beats a distance.
        ({"trailing_percent": "10", "aux_price": "5"}, "207.00", "216.00"),
        ({"aux_price": "5", "trail_stop_price": "229.00"}, "229.00", "235.00"),
    ],
)
def test_trailing_stop_follows_the_market_up_and_never_back(
    terms: dict[str, str], first: str, after_rise: str
) -> None:
    world = World()
    world.place("BUY", "10")
    trail = world.place("SELL", "10", order_type="TRAIL", **terms)
    assert trail.trail_stop_price == Decimal(first)
    world.price("240.00")
    assert world.order(trail).trail_stop_price == Decimal(after_rise)
    world.price("237.00")
    assert world.order(trail).trail_stop_price == Decimal(after_rise)
    assert world.order(trail).status == "PendingSubmit"
    world.price(after_rise)
    assert world.order(trail).status == "Filled"


def test_trailing_buy_follows_the_market_down() -> None:
    world = World()
    trail = world.place("BUY", "10", order_type="TRAIL", aux_price="5")
    world.price("220.00")
    assert world.order(trail).trail_stop_price == Decimal("225.00")
    world.price("225.00")
    assert world.order(trail).status == "Filled"


def test_twap_fills_an_equal_part_each_minute() -> None:
    world = World()
    algo = {"start_at": NOW, "end_at": NOW.replace(minute=10)}
    order = world.place("BUY", "100", order_type="TWAP", algo=algo)
    filled = [order.filled_quantity]
    for _ in range(9):
        world.later(seconds=60)
        filled.append(world.order(order).filled_quantity)
    assert filled == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert world.order(order).status == "Filled"


def test_twap_waits_for_its_start_and_ends_with_its_range() -> None:
    world = World()
    algo = {"start_at": NOW.replace(minute=5), "end_at": NOW.replace(minute=15)}
    order = world.place("BUY", "100", "229.00", order_type="TWAP", algo=algo)
    assert order.filled_quantity == 0
    world.at(NOW.replace(minute=16))
    order = world.order(order)
    assert (order.status, order.filled_quantity) == ("Inactive", Decimal(0))
    assert "time range" in order.remark


def test_twap_that_may_run_over_goes_on_after_its_end() -> None:
    world = World()
    algo = {"end_at": NOW.replace(minute=10), "may_run_over": True}
    order = world.place("BUY", "100", "229.00", order_type="TWAP", algo=algo)
    world.at(NOW.replace(minute=16))
    assert world.order(order).status == "PendingSubmit"
    world.price("228.00")
    assert world.order(order).status == "Filled"


def test_vwap_takes_no_more_than_its_share_of_what_trades() -> None:
    world = World()
    algo = {"end_at": NOW.replace(minute=1), "participation_rate": "0.1"}
    world.fund("100000000")
    order = world.place("BUY", "1000", order_type="VWAP", algo=algo)
    assert order.filled_quantity == 0
    volume = world.engine.prices.quote("AAPL").volume
    world.engine.advance(world.now, step_count=3)
    traded = world.engine.prices.quote("AAPL").volume - volume
    assert 0 < world.order(order).filled_quantity <= Decimal("0.1") * traded


def test_iceberg_shows_and_fills_one_slice_at_a_time() -> None:
    world = World()
    order = world.place(
        "BUY", "250", "229.50", order_type="ICEBERG", iceberg={"display_size": "100"}
    )
    assert (order.shown_quantity, order.filled_quantity) == (Decimal(100), Decimal(0))
    filled = []
    for price in ("229.00", "228.90", "228.80"):
        world.price(price)
        filled.append(world.order(order).filled_quantity)
    assert filled == [100, 200, 250]
    assert world.order(order).filled_amount == Decimal("229.50") * 250


def test_iceberg_waits_its_interval_between_slices() -> None:
    world = World()
    iceberg = {"display_size": "10", "check_interval_s": 30}
    order = world.place("BUY", "30", "231.00", order_type="ICEBERG", iceberg=iceberg)
    assert order.filled_quantity == 10
    world.later(seconds=30)
    assert world.order(order).filled_quantity >= 20


def test_pegged_iceberg_rests_at_the_bid_and_never_beyond_its_limit() -> None:
    world = World()
    iceberg = {"display_size": "10", "price_type": "BID_PRICE"}
    order = world.place("BUY", "10", "231.00", order_type="ICEBERG", iceberg=iceberg)
    assert (order.slice_price, order.filled_quantity) == (Decimal("229.99"), Decimal(0))
    world.price("229.00")
    assert world.order(order).filled_amount == Decimal("2299.90")


def test_order_by_amount_buys_a_fraction_and_gives_the_rest_back() -> None:
    world = World()
    order = world.place("BUY", "0", cash_amount="100")
    assert order.status == "Filled"
    assert order.quantity == order.filled_quantity == Decimal("0.43476")
    assert order.filled_amount == Decimal("0.43476") * Decimal("230.01")
    assert order.refund_amount == 100 - order.filled_amount > 0


def test_open_order_by_amount_binds_its_amount() -> None:
    world = World()
    world.place("BUY", "0", "200.00", cash_amount="1400000")
    with pytest.raises(OrderRefusedError, match="buying power"):
        world.place("BUY", "0", "200.00", cash_amount="200000")


def test_sale_by_amount_sells_no_more_than_is_held() -> None:
    world = World()
    world.place("BUY", "1")
    with pytest.raises(OrderRefusedError, match="exceeds"):
        world.place("SELL", "0", cash_amount="500")
    order = world.place("SELL", "0", cash_amount="100")
    assert order.status == "Filled"
    assert world.held() == 1 - order.filled_quantity


def test_sale_by_amount_ends_with_the_level_that_spends_it() -> None:
    world = World()
    level = world.engine.prices.levels("AAPL", "BUY")[0]
    world.fund("100000000")
    world.place("BUY", str(level.volume + 10))
    # A little less than a step is left over after the first level.
    order = world.place("SELL", "0", cash_amount=str(level.price * level.volume + Decimal("0.001")))
    fills = [fill for fill in world.engine.book.fills if fill.global_id == order.global_id]
    assert [(fill.price, fill.quantity) for fill in fills] == [(level.price, Decimal(level.volume))]
    assert order.status == "Filled"


def test_limit_is_moved_to_the_tick_within_what_the_order_allows() -> None:
    world = World()
    up = world.place("BUY", "1", "200.004", adjust_limit="0.001")
    down = world.place("BUY", "1", "200.006", adjust_limit="-0.001")
    too_far = world.place("BUY", "1", "200.004", adjust_limit="0.00001")
    assert (up.limit_price, down.limit_price) == (Decimal("200.01"), Decimal("200.00"))
    assert (too_far.status, too_far.limit_price) == ("Invalid", Decimal("200.004"))


def test_trigger_off_the_tick_is_rejected_late() -> None:
    order = World().place("BUY", "1", order_type="STP", aux_price="240.001")
    assert order.status == "Invalid"
    assert "minimum price increment" in order.remark


def test_auction_orders_trade_at_the_one_price() -> None:
    world = World()
    last = world.engine.prices.last("00700")
    market = world.place("BUY", "100", order_type="AM", symbol="00700")
    limited = world.place("BUY", "100", str(last), order_type="AL", symbol="00700")
    low = world.place("BUY", "100", str(last - 1), order_type="AL", symbol="00700")
    assert market.filled_amount == limited.filled_amount == 100 * last
    assert low.status == "PendingSubmit"


def test_option_order_pays_the_premium_with_its_multiplier() -> None:
    world = World()
    before = world.cash()
    order = world.place("BUY", "2", key=CALL)
    fill = world.engine.book.fills[0]
    assert (order.status, order.multiplier, fill.contract_key) == ("Filled", Decimal(100), CALL)
    paid = sum(fill.amount + fill.fee for fill in world.engine.book.fills)
    assert paid > order.filled_amount * 100
    assert before - world.cash() == paid
