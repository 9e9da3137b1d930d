"""The day's figures of a contract: they begin anew with its exchange's trading day."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from infra.sandbox.market.prices import VOLUME_PER_STEP, Quote
from tests.support.engine_world import CALL, NOW, World

# New York, Friday 20 November 2026: the close, the end of the day, and Thanksgiving's half day.
CLOSE = datetime(2026, 11, 20, 21, tzinfo=UTC)
DAY_END = datetime(2026, 11, 21, 1, tzinfo=UTC)
HALF_DAY_END = datetime(2026, 11, 27, 22, tzinfo=UTC)


def quote(world: World, key: str = "AAPL") -> Quote:
    return world.engine.prices.quote(key)


def figures(found: Quote) -> tuple[str, ...]:
    return tuple(str(item) for item in (found.previous_close, found.open, found.high, found.low))


def test_day_begins_anew_after_the_post_session_with_the_close_of_regular_trading() -> None:
    world = World()
    world.price("235.00")
    world.price("225.00")
    world.at(CLOSE)
    world.price("228.00")
    world.at(DAY_END - timedelta(seconds=1))
    assert figures(quote(world)) == ("230.00", "230.00", "235.00", "225.00")
    world.at(DAY_END)
    assert figures(quote(world)) == ("225.00", "228.00", "228.00", "228.00")
    world.price("229.00")
    assert figures(quote(world)) == ("225.00", "228.00", "229.00", "228.00")
    # Hong Kong's day began when its closing auction ended, hours ago.
    assert figures(quote(world, "00700"))[:2] == ("620.0", "620.0")


def test_volume_is_the_days() -> None:
    world = World()
    world.engine.advance(world.now, step_count=7)
    assert quote(world).volume == 8 * VOLUME_PER_STEP
    world.at(DAY_END)
    assert quote(world).volume == VOLUME_PER_STEP
    world.engine.advance(world.now, step_count=2)
    assert quote(world).volume == quote(world, CALL).volume == 3 * VOLUME_PER_STEP


def test_half_day_ends_early() -> None:
    world = World()
    world.at(HALF_DAY_END - timedelta(seconds=1))
    world.price("231.00")
    assert quote(world).previous_close == Decimal("230.00")
    world.at(HALF_DAY_END)
    assert quote(world).open == Decimal("231.00")


@pytest.mark.parametrize("days", [1, 3, 40])
def test_jump_over_several_sessions_ends_in_one_new_day(days: int) -> None:
    world = World()
    world.price("233.00")
    world.later(days=days)
    assert figures(quote(world)) == ("233.00",) * 4


def test_clock_that_is_set_back_begins_no_day() -> None:
    world = World()
    world.at(DAY_END)
    world.price("233.00")
    world.at(NOW)
    world.at(DAY_END + timedelta(seconds=1))
    assert figures(quote(world)) == ("230.00", "230.00", "233.00", "230.00")


def test_option_keeps_its_underlyings_day() -> None:
    world = World()
    world.price("235.00")
    world.at(DAY_END)
    found = quote(world, CALL)
    assert found.previous_close == found.open == found.last


def test_days_figures_are_kept_over_a_restart() -> None:
    world = World()
    world.price("235.00")
    world.at(CLOSE)
    world.price("228.00")
    world.price("12.00", key=CALL)
    twin = world.replayed().prices
    assert twin.state() == world.engine.prices.state()
    world.at(DAY_END)
    world.place("BUY", "1", "100.00")
    again = world.replayed()
    assert again.prices.quote("AAPL") == quote(world)
    assert again.prices.quote(CALL) == quote(world, CALL)
