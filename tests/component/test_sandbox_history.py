"""The laws of the sandbox's history, on its own functions and without a wire."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import groupby, pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from infra.sandbox.market.bars import PERIOD_MINUTES, PERIODS_LONG, Bar, BarQuery, bars_of
from infra.sandbox.market.calendars import is_trading_day, previous_trading_day
from infra.sandbox.market.corporate import dividends_of, listed_on
from infra.sandbox.market.history import REGULAR, AdjustedBy, Series, series_of
from infra.sandbox.market.instruments import CATALOGUE, Instrument, find, is_on_tick
from infra.sandbox.market.stretches import TradedKind, day_at, midnight_ms, stretches_of
from infra.sandbox.market.ticks import TICKS_PER_MINUTE_MAX, Tape, Tick

KEYS = (
    "AAPL",
    "SPY",
    "BRK.A",
    "BURU",
    "00700",
    "00939",
    "Z74",
    "13719",
    "58123",
    "62077",
    "ES2612",
    "HSI2612",
    "AAPL  261218C00230000",
    "AAPL  261218P00230000",
    "TCH.HK261230C00620000",
)
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
LAST = datetime(2026, 11, 23, tzinfo=UTC)
ALL_KINDS: frozenset[TradedKind] = frozenset({"overnight", "pre", "regular", "post"})
LAWS = settings(max_examples=30)

keys = st.sampled_from(KEYS)
seeds = st.integers(0, 2**31)
moments = st.datetimes(
    FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC)
)
rights: st.SearchStrategy[AdjustedBy] = st.sampled_from(("br", "nr"))
periods = st.sampled_from(("day", *PERIODS_LONG, *PERIOD_MINUTES))


def contract(key: str) -> Instrument:
    found = find(key)
    assert found is not None, key
    return found


def window(
    series: Series,
    period: str,
    *,
    limit: int,
    before_ms: int | None = None,
    begin_ms: int = 0,
    kinds: frozenset[TradedKind] = REGULAR,
) -> BarQuery:
    return BarQuery(
        period=period,
        begin_ms=begin_ms,
        before_ms=before_ms,
        limit=limit,
        kinds=kinds,
    )


def bars(
    series: Series, period: str, limit: int, *, before_ms: int | None = None, begin_ms: int = 0
) -> tuple[Bar, ...]:
    query = window(series, period, limit=limit, before_ms=before_ms, begin_ms=begin_ms)
    return bars_of(series, query, last=None)[0]


@LAWS
@given(key=keys, seed=seeds, now=moments, period=periods, short=st.integers(1, 5))
def test_a_bar_is_the_same_whatever_the_window(
    key: str, seed: int, now: datetime, period: str, short: int
) -> None:
    series = series_of(contract(key), seed, now)
    long = bars(series, period, 12)
    assume(len(long) > short)
    assert bars(series, period, short) == long[-short:]
    cut = long[-short].time_ms
    assert bars(series, period, 12, before_ms=cut) == bars(series, period, 12 + short)[:-short]
    assert bars(series, period, 12, begin_ms=cut) == long[-short:]


@LAWS
@given(key=keys, seed=seeds, now=moments, period=periods, right=rights)
def test_every_bar_is_whole_and_on_the_tick(
    key: str, seed: int, now: datetime, period: str, right: AdjustedBy
) -> None:
    item = contract(key)
    series = series_of(item, seed, now, right)
    for bar in bars(series, period, 20):
        assert bar.high >= max(bar.open, bar.close)
        assert 0 < bar.low <= min(bar.open, bar.close)
        assert all(is_on_tick(item, price) for price in (bar.open, bar.high, bar.low, bar.close))
        assert bar.volume >= 0
        assert bar.volume % (item.lot_size if right == "br" else 1) == 0
        assert bar.amount >= 0


@LAWS
@given(key=keys, seed=seeds, now=moments)
def test_day_bars_stand_on_trading_days_that_have_begun(key: str, seed: int, now: datetime) -> None:
    item = contract(key)
    series = series_of(item, seed, now)
    found = bars(series, "day", 40)
    days = [day_at(item.market, bar.time_ms) for bar in found]
    assert days == sorted(set(days))
    for bar, day in zip(found, days, strict=True):
        assert bar.time_ms == midnight_ms(item.market, day)
        assert is_trading_day(item.market, day)
    for before, after in pairwise(days):
        assert previous_trading_day(item.market, after) == before


@LAWS
@given(
    key=keys,
    seed=seeds,
    now=moments,
    period=st.sampled_from(tuple(PERIOD_MINUTES)),
    kinds=st.sampled_from((REGULAR, ALL_KINDS, frozenset({"pre"}), frozenset({"post"}))),
)
def test_minute_bars_stand_inside_their_sessions(
    key: str, seed: int, now: datetime, period: str, kinds: frozenset[TradedKind]
) -> None:
    item = contract(key)
    series = series_of(item, seed, now)
    found, _ = bars_of(series, window(series, period, limit=30, kinds=kinds), last=None)
    times = [bar.time_ms for bar in found]
    assert times == sorted(set(times))
    for time_ms in times:
        assert time_ms <= series.now_ms
        day = day_at(item.market, time_ms)
        around = (day - timedelta(days=1), day, day + timedelta(days=1))
        assert any(
            stretch.kind in kinds and stretch.begin_ms <= time_ms < stretch.end_ms
            for one in around
            for stretch in stretches_of(item.market, item.sec_type, one)
        )


@LAWS
@given(key=keys, seed=seeds, now=moments, period=periods, ticks=st.integers(-40, 40))
def test_the_newest_bar_ends_at_the_live_price(
    key: str, seed: int, now: datetime, period: str, ticks: int
) -> None:
    item = contract(key)
    series = series_of(item, seed, now)
    plain = bars(series, period, 3)
    assume(plain)
    last = max(Decimal(1), plain[-1].close.to_integral_value() + ticks)
    found, _ = bars_of(series, window(series, period, limit=3), last=last)
    assert found[:-1] == plain[:-1]
    assert found[-1].close == last
    assert found[-1].high == max(plain[-1].high, last)
    assert found[-1].low == min(plain[-1].low, last)


@LAWS
@given(key=keys, seed=seeds, now=moments, period=periods)
def test_an_earlier_window_does_not_know_the_live_price(
    key: str, seed: int, now: datetime, period: str
) -> None:
    series = series_of(contract(key), seed, now)
    known = bars(series, period, 8)
    assume(len(known) == 8)
    for number in range(1, 8):
        query = window(series, period, limit=1, before_ms=known[number].time_ms)
        assert bars_of(series, query, last=Decimal(1))[0] == (known[number - 1],)


@LAWS
@given(key=keys, seed=seeds, now=moments, right=rights)
def test_a_day_is_the_fold_of_its_minutes(
    key: str, seed: int, now: datetime, right: AdjustedBy
) -> None:
    series = series_of(contract(key), seed, now, right)
    found = bars(series, "day", 3)
    assume(len(found) == 3)
    # The day before the newest one is over.
    day = day_at(series.instrument.market, found[-2].time_ms)
    raws = [raw for _, part in series.minutes(day, REGULAR) for raw in part]
    whole = series.day(day)
    assert whole is not None
    assert whole[1:5] == (
        raws[0][1],
        max(raw[2] for raw in raws),
        min(raw[3] for raw in raws),
        raws[-1][4],
    )
    volume = sum(raw[5] for raw in raws)
    # Unadjusted minutes are rounded down one by one.
    assert volume == whole[5] if right == "br" else abs(volume - whole[5]) <= len(raws)


@LAWS
@given(key=keys, seed=seeds, now=moments, right=rights, period=st.sampled_from(tuple(PERIODS_LONG)))
def test_a_long_bar_is_the_fold_of_its_days(
    key: str, seed: int, now: datetime, right: AdjustedBy, period: str
) -> None:
    series = series_of(contract(key), seed, now, right)
    name = PERIODS_LONG[period]
    market = series.instrument.market
    days = bars(series, "day", 600)
    for bar in bars(series, period, 2):
        held = [one for one in days if same(name, market, one, bar)]
        assert bar.time_ms == held[0].time_ms
        assert bar.open == held[0].open
        assert bar.high == max(one.high for one in held)
        assert bar.low == min(one.low for one in held)
        assert bar.close == held[-1].close
        assert bar.volume == sum(one.volume for one in held)
        assert bar.amount == sum(one.amount for one in held)


def same(name: object, market: object, one: Bar, other: Bar) -> bool:
    assert callable(name)
    day, other_day = (day_at(market, bar.time_ms) for bar in (one, other))  # type: ignore[arg-type]  # a venue
    return bool(name(day) == name(other_day))


@LAWS
@given(key=st.sampled_from(KEYS[:7]), seed=seeds, now=moments, later=st.integers(1, 40))
def test_what_is_over_stays_as_it_was_quoted(
    key: str, seed: int, now: datetime, later: int
) -> None:
    item = contract(key)
    series = series_of(item, seed, now, "nr")
    after = series_of(item, seed, now + timedelta(days=later), "nr")
    old = bars(series, "day", 20)[:-1]
    assume(old)
    known = {bar.time_ms: bar for bar in bars(after, "day", 80)}
    assert [known[bar.time_ms] for bar in old] == list(old)


@pytest.mark.parametrize("seed", [1, 7])
def test_a_split_divides_the_quoted_prices_and_not_the_money(seed: int) -> None:
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    item = CATALOGUE["NVDA"]
    before, after = date(2024, 6, 7), date(2024, 6, 10)
    quoted = series_of(item, seed, now, "nr")
    path = series_of(item, seed, now, "br")
    old, old_path = quoted.day(before), path.day(before)
    new = quoted.day(after)
    assert old is not None
    assert old_path is not None
    assert new is not None
    # Ten for one, and dividends of some thousandths since.
    assert 9.9 < old[4] / old_path[4] < 10.2
    assert 0.9 < old[4] / (10 * new[1]) < 1.1
    assert old[5] == old_path[5] // 10
    assert old[6] == old_path[6]


@pytest.mark.parametrize("key", ["AAPL", "00700", "BHP", "SPY"])
def test_adjusted_prices_lack_the_dividends_that_were_paid_since(key: str) -> None:
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    item = CATALOGUE[key]
    quoted, adjusted = series_of(item, 3, now, "nr"), series_of(item, 3, now, "br")
    today = quoted.today
    paid = dividends_of(item, date(2025, 1, 1), today)
    assert paid
    newest = paid[-1].execute_date
    assert quoted.day(newest) == adjusted.day(newest)
    for dividend in paid[-3:]:
        eve = previous_trading_day(item.market, dividend.execute_date)
        shares = [one for one in paid if one.execute_date > eve]
        kept = reduce(
            lambda left, one: left * (1 - one.amount / close_before(quoted, one.execute_date)),
            shares,
            Decimal(1),
        )
        raw, shown = quoted.day(eve), adjusted.day(eve)
        assert raw is not None
        assert shown is not None
        assert shown[4] == pytest.approx(float(raw[4] * kept), rel=1e-6)


def close_before(series: Series, execute_date: date) -> Decimal:
    raw = series.day(previous_trading_day(series.instrument.market, execute_date))
    assert raw is not None
    return Decimal(raw[4]) / 1_000_000


@LAWS
@given(
    key=keys,
    seed=seeds,
    now=moments,
    kinds=st.sampled_from((REGULAR, frozenset({"pre"}))),
    begin=st.integers(0, 400),
    count=st.integers(1, 60),
)
def test_trades_fold_to_their_minutes(
    key: str,
    seed: int,
    now: datetime,
    kinds: frozenset[TradedKind],
    begin: int,
    count: int,
) -> None:
    item = contract(key)
    series = series_of(item, seed, now)
    tape = Tape(series, kinds, last=Decimal(1_000))
    whole = tape.between(0, len(tape))
    assume(whole)
    assert [tick.index for tick in whole] == list(range(len(tape)))
    assert [tick.time_ms for tick in whole] == sorted(tick.time_ms for tick in whole)
    assert all(tick.volume > 0 and tick.volume % item.lot_size == 0 for tick in whole)
    assert whole[-1].time_ms <= series.now_ms
    if "regular" in kinds:
        assert whole[-1].price == Decimal(1_000)
    assert tape.between(begin, begin + count) == whole[begin : begin + count]
    assert_folds(whole[:-1], series, kinds)


def assert_folds(ticks: tuple[Tick, ...], series: Series, kinds: frozenset[TradedKind]) -> None:
    found, _ = bars_of(series, window(series, "1min", limit=2_000, kinds=kinds), last=None)
    minutes = {bar.time_ms: bar for bar in found[:-1]}
    for time_ms, part in groupby(ticks, key=lambda tick: tick.time_ms // 60_000 * 60_000):
        traded, bar = list(part), minutes.get(time_ms)
        if bar is not None and len(traded) == TICKS_PER_MINUTE_MAX:
            assert sum(tick.volume for tick in traded) == bar.volume
            assert (traded[0].price, traded[-1].price) == (bar.open, bar.close)
            assert max(tick.price for tick in traded) == bar.high
            assert min(tick.price for tick in traded) == bar.low


@pytest.mark.parametrize("key", ["TSLA", "03690", "09988"])
def test_history_begins_with_the_listing(key: str) -> None:
    series = series_of(CATALOGUE[key], 1, datetime(2026, 11, 20, 15, tzinfo=UTC))
    (first,) = bars(series, "day", 1, before_ms=midnight_ms(series.instrument.market, after(key)))
    assert day_at(series.instrument.market, first.time_ms) == listed_on(key)


def after(key: str) -> date:
    found = listed_on(key)
    assert found is not None
    return found + timedelta(days=1)


def test_two_seeds_have_two_pasts() -> None:
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    pasts = [bars(series_of(CATALOGUE["AAPL"], seed, now), "day", 10) for seed in (1, 2, 1)]
    assert pasts[0] == pasts[2] != pasts[1]
