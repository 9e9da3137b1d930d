"""The real push client and the market topics: quotes, depth and trades, told when they change."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from infra.sandbox.settings import Settings
from tests.support.push import PushCollector, following
from tests.support.sandbox import Sandbox, running_sandbox

OPTION = "AAPL  261218C00230000"
FUTURE = "CL2612"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    options = ("--clock", "virtual:2026-06-01T15:00:00+00:00")
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), *options) as started:
        yield started


@pytest.fixture
def push(sandbox: Sandbox) -> Iterator[PushCollector]:
    sandbox.control.set_settings(Settings(price_drift=False))
    sandbox.control.set_price("AAPL", Decimal("230.00"))
    sandbox.control.set_price("00700", Decimal("620.0"))
    with following(sandbox) as collector:
        yield collector


@pytest.fixture(scope="module")
def quotes(sandbox: Sandbox) -> Any:
    return sandbox.quote_client()


def last_price(quotes: Any, symbol: str) -> float:
    """Return a contract's last price as the quote methods answer it."""
    if symbol == FUTURE:
        return float(quotes.get_future_brief([symbol])["latest_price"][0])
    return float(quotes.get_stock_briefs([symbol])["latest_price"][0])


def test_price_change_is_told_with_both_sides_of_the_book(
    sandbox: Sandbox, push: PushCollector
) -> None:
    push.subscribe(lambda: push.client.subscribe_quote(["AAPL"]))
    quote = sandbox.control.set_price("AAPL", Decimal("231.50"))
    (basic,), (bbo,) = push.wait_for("quote"), push.wait_for("quote_bbo")
    assert (basic.symbol, basic.latestPrice, basic.volume, basic.preClose) == (
        "AAPL",
        231.5,
        quote.volume,
        float(quote.previous_close),
    )
    assert (basic.open, basic.high, basic.low) == (
        float(quote.open),
        float(quote.high),
        float(quote.low),
    )
    assert (basic.latestTime, basic.marketStatus) == ("06-01 11:00:00", "Trading")
    assert (bbo.symbol, bbo.bidPrice, bbo.askPrice, bbo.bidSize, bbo.askSize) == (
        "AAPL",
        float(quote.bid),
        float(quote.ask),
        quote.bid_size,
        quote.ask_size,
    )


def test_quote_that_does_not_change_is_not_told(sandbox: Sandbox, push: PushCollector) -> None:
    push.subscribe(lambda: push.client.subscribe_quote(["AAPL", "00700"]))
    sandbox.control.set_price("00700", Decimal("621.0"))
    sandbox.control.set_price("AAPL", Decimal("231.00"))
    push.wait_until("quote", lambda frames: any(frame.symbol == "AAPL" for frame in frames))
    assert [frame.symbol for frame in push.of("quote")] == ["00700", "AAPL"]


def test_unsubscribed_symbol_is_told_no_more(sandbox: Sandbox, push: PushCollector) -> None:
    push.subscribe(lambda: push.client.subscribe_quote(["AAPL", "00700"]))
    push.client.unsubscribe_quote(["AAPL"])
    push.wait_for("unsubscribed")
    sandbox.control.set_price("AAPL", Decimal("231.00"))
    sandbox.control.set_price("00700", Decimal("621.0"))
    push.wait_for("quote")
    assert [frame.symbol for frame in push.of("quote")] == ["00700"]


def test_depth_is_told_with_every_level(sandbox: Sandbox, push: PushCollector) -> None:
    push.subscribe(lambda: push.client.subscribe_depth_quote(["AAPL", "00700"]))
    us, hk = sandbox.control.set_price("AAPL", Decimal("231.00")), "00700"
    frames = push.wait_until("quote_depth", lambda found: len(found) >= 2)
    depths = {frame.symbol: frame for frame in frames}
    assert (depths["AAPL"].bid.price[0], depths["AAPL"].bid.volume[0]) == (
        float(us.bid),
        us.bid_size,
    )
    assert (depths["AAPL"].ask.price[0], depths["AAPL"].ask.volume[0]) == (
        float(us.ask),
        us.ask_size,
    )
    for side, is_rising in ((depths[hk].ask, True), (depths[hk].bid, False)):
        assert len(side.price) == len(side.volume) == len(side.orderCount) == 10
        assert sorted(side.price, reverse=not is_rising) == list(side.price)
    # Only Hong Kong says how many orders stand behind a price.
    assert list(depths["AAPL"].ask.orderCount) == []


@pytest.mark.parametrize("symbol", ["AAPL", "00700", FUTURE])
def test_trades_are_told_in_the_short_form(
    sandbox: Sandbox, push: PushCollector, quotes: Any, symbol: str
) -> None:
    push.subscribe(lambda: push.client.subscribe_tick([symbol]))
    sandbox.control.advance(5)
    (told,) = push.wait_for("tick")
    assert told.symbol == symbol
    assert len(told.ticks) == 5
    numbers = [tick.sn for tick in told.ticks]
    step = 10 if symbol == FUTURE else 1
    assert [number - numbers[0] for number in numbers] == [step * item for item in range(5)]
    assert told.ticks[-1].price == pytest.approx(last_price(quotes, symbol))
    assert [tick.time for tick in told.ticks] == [1780326000000] * 5
    assert all(tick.volume > 0 for tick in told.ticks)


def test_long_form_of_trades_says_the_same(sandbox: Sandbox, quotes: Any) -> None:
    with following(sandbox, use_full_tick=True) as push:
        push.subscribe(lambda: push.client.subscribe_tick(["AAPL"]))
        sandbox.control.advance(3)
        (told,) = push.wait_for("full_tick")
        assert len(told.ticks) == 3
        assert told.ticks[-1].price == pytest.approx(last_price(quotes, "AAPL"))
        assert {tick.partCode for tick in told.ticks} == {"t"}
        assert push.of("tick") == []


def test_long_run_of_trades_comes_in_frames_of_a_hundred(
    sandbox: Sandbox, push: PushCollector
) -> None:
    push.subscribe(lambda: push.client.subscribe_tick(["AAPL"]))
    sandbox.control.advance(250)
    frames = push.wait_for("tick", count=3)
    numbers = [tick.sn for frame in frames for tick in frame.ticks]
    assert [len(frame.ticks) for frame in frames] == [100, 100, 50]
    assert numbers == list(range(numbers[0], numbers[0] + 250))


@pytest.mark.parametrize("written", [OPTION, "AAPL 20261218 230.0 CALL"])
def test_option_is_told_by_the_name_it_was_asked_for(
    sandbox: Sandbox, push: PushCollector, quotes: Any, written: str
) -> None:
    push.subscribe(lambda: push.client.subscribe_option([written]))
    sandbox.control.set_price("AAPL", Decimal("240.00"))
    brief = quotes.get_option_briefs([OPTION]).iloc[0]
    (basic,), (bbo,) = push.wait_for("quote"), push.wait_for("quote_bbo")
    assert (basic.symbol, basic.identifier, basic.latestPrice) == (
        written,
        OPTION,
        brief["latest_price"],
    )
    assert (bbo.bidPrice, bbo.askPrice) == (brief["bid_price"], brief["ask_price"])


def test_future_is_told_with_its_step(sandbox: Sandbox, push: PushCollector, quotes: Any) -> None:
    push.subscribe(lambda: push.client.subscribe_future([FUTURE]))
    sandbox.control.advance(1)
    basic: Any = push.wait_for("quote")[0]
    assert (basic.symbol, basic.latestPrice) == (FUTURE, last_price(quotes, FUTURE))
    assert basic.minTick == pytest.approx(0.01)


def test_subscriptions_can_be_listed(push: PushCollector) -> None:
    push.subscribe(lambda: push.client.subscribe_quote(["AAPL"]))
    push.subscribe(lambda: push.client.subscribe_depth_quote(["00700"]))
    push.client.query_subscribed_quote()
    (listing,) = push.wait_for("listing")
    assert '"subscribedSymbols":["AAPL"]' in listing
    assert '"subscribedAskBidSymbols":["00700"],' in listing
    assert '"askBidLimit":20,"askBidUsed":1,' in listing


def test_minute_bar_grows_with_the_trades(sandbox: Sandbox, push: PushCollector) -> None:
    push.subscribe(lambda: push.client.subscribe_tick(["AAPL"]))
    push.subscribe(lambda: push.client.subscribe_kline(["AAPL"]))
    sandbox.control.advance(4)
    sandbox.control.advance(3)
    bars = push.wait_for("kline", count=2)
    ticks = [tick for frame in push.wait_for("tick", count=2) for tick in frame.ticks]
    prices = [tick.price for tick in ticks]
    assert [bar.count for bar in bars] == [4, 7]
    assert (bars[-1].symbol, bars[-1].time, bars[-1].volume) == (
        "AAPL",
        1780326000000,
        sum(tick.volume for tick in ticks),
    )
    assert (bars[-1].open, bars[-1].high, bars[-1].low, bars[-1].close) == pytest.approx(
        (prices[0], max(prices), min(prices), prices[-1])
    )


def test_ranking_puts_the_stock_that_rose_most_first(sandbox: Sandbox, push: PushCollector) -> None:
    push.subscribe(lambda: push.client.subscribe_stock_top("US", ["changeRate", "volume"]))
    sandbox.control.set_price("AAPL", Decimal("345.00"))
    told = push.wait_for("stock_top")[-1]
    assert (told.market, [top.targetName for top in told.topData]) == (
        "US",
        ["changeRate", "volume"],
    )
    first = told.topData[0].item[0]
    assert (first.symbol, first.latestPrice, first.targetValue) == ("AAPL", 345.0, 0.5)


def test_ranking_of_options_is_refused(push: PushCollector) -> None:
    refused = push.subscribe(lambda: push.client.subscribe_option_top("US"))
    assert '"code":3003' in refused.msg
