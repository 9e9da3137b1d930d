"""What the sandbox trades: contracts, price steps, options by rule, prices and books."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sandbox.market.calendars import is_trading_day
from infra.sandbox.market.futures import FAMILIES, find_future, listed_futures, main_future
from infra.sandbox.market.instruments import (
    CATALOGUE,
    Instrument,
    Right,
    find,
    is_on_tick,
    is_tradable,
    is_whole_lot,
    resolve,
    rounded_to_tick,
    tick_above,
    tick_at,
    tick_bands,
    tick_below,
)
from infra.sandbox.market.options import UNDERLYINGS, expirations, identifier_of, strikes
from infra.sandbox.market.prices import Prices
from infra.sandbox.market.pricing import greeks_of, intrinsic

TODAY = date(2026, 11, 23)
CALL, PUT = "AAPL  261218C00230000", "AAPL  261218P00230000"
KINDS = ("AAPL", "00700", "D05", "BHP", "600519", "13719", CALL, "TCH.HK261230P00620000", "ES2612")

days = st.dates(date(2025, 1, 2), date(2027, 6, 30))
classes = st.sampled_from(sorted(UNDERLYINGS))
rights = st.sampled_from(("CALL", "PUT"))


def started(seed: int = 1) -> Prices:
    prices = Prices(seed=seed, catalogue=CATALOGUE)
    prices.set_day(TODAY)
    return prices


def contract(key: str) -> Instrument:
    found = find(key)
    assert found is not None, key
    return found


@given(st.sampled_from(KINDS), st.decimals("0.0001", "9000", places=4))
def test_rounded_price_is_on_its_tick_and_near(key: str, price: Decimal) -> None:
    instrument = contract(key)
    rounded = rounded_to_tick(instrument, price)
    assert is_on_tick(instrument, rounded)
    assert abs(rounded - price) <= tick_at(instrument, price) / 2


@given(st.sampled_from(KINDS), st.integers(2, 100_000))
def test_step_up_and_down_are_inverse(key: str, steps: int) -> None:
    instrument = contract(key)
    price = rounded_to_tick(instrument, Decimal(steps) * tick_bands(instrument)[0].tick)
    assert tick_below(instrument, tick_above(instrument, price)) == price
    assert is_on_tick(instrument, tick_below(instrument, price))


@given(classes, days, rights, st.data())
def test_listed_option_is_found_by_terms_and_by_identifier(
    option_class: str, day: date, right: Right, data: st.DataObject
) -> None:
    expiry = data.draw(st.sampled_from(expirations(option_class, day)))
    strike = data.draw(st.sampled_from(strikes(UNDERLYINGS[option_class])))
    key = identifier_of(option_class, expiry=expiry, right=right, strike=strike)
    option = contract(key)
    assert (option.key, option.symbol, option.expiry) == (key, option_class, expiry)
    assert (option.strike, option.right) == (strike, right)
    assert option == resolve(
        option_class, sec_type="OPT", expiry=expiry, strike=strike, right=right
    )
    assert option == resolve(key, sec_type="OPT")
    assert is_tradable(option, day)
    assert not is_tradable(option, expiry + timedelta(days=1))


@given(classes, days)
def test_expirations_are_trading_days_in_order_and_not_past(option_class: str, day: date) -> None:
    found = expirations(option_class, day)
    market = CATALOGUE[UNDERLYINGS[option_class]].market
    assert list(found) == sorted(set(found))
    assert found[0] >= day
    assert all(is_trading_day(market, expiry) for expiry in found)


@given(st.text(max_size=24))
def test_any_text_is_a_contract_or_none(text: str) -> None:
    found = find(text)
    assert found is None or found.symbol in text or text in CATALOGUE


@pytest.mark.parametrize(
    "key",
    [
        "AAPL  261219C00230000",  # a Saturday
        "AAPL  261332C00230000",  # no date
        "AAPL  261218C00230001",  # between two strikes
        "AAPL  261218C09000000",  # beyond the strikes
        "BURU  261218C00000500",  # no options
        "TCH.HK261218C00620000",  # no expiration in Hong Kong
        "ES2611",
        "ES26122",
        "ZZ2612",
        "ES",
    ],
)
def test_what_is_not_listed_is_no_contract(key: str) -> None:
    assert find(key) is None


def test_identifier_is_read_with_one_space_or_none() -> None:
    assert contract("AAPL 261218C00230000").key == CALL
    assert contract("TCH.HK 261230C00620000").key == "TCH.HK261230C00620000"


def test_expired_option_is_found_and_not_tradable() -> None:
    expired = contract("AAPL  261120C00230000")
    assert not is_tradable(expired, TODAY)
    assert is_tradable(expired, date(2026, 11, 20))


def test_multipliers_and_lots_are_those_of_the_contracts() -> None:
    assert contract(CALL).multiplier == 100
    # In Hong Kong an option stands for a board lot: HSBC's is 400 shares.
    assert contract("HKB.HK261230C00110000").multiplier == 400
    assert contract("ES2612").multiplier == 50
    assert contract("CL2701").multiplier == 1000
    assert is_whole_lot(contract("00005"), Decimal(800))
    assert not is_whole_lot(contract("00005"), Decimal(500))


def test_contract_ids_are_unique_and_exact_as_doubles() -> None:
    options = [
        contract(identifier_of(name, expiry=expiry, right=right, strike=strike))
        for name in ("AAPL", "TCH.HK")
        for expiry in expirations(name, TODAY)
        for strike in strikes(UNDERLYINGS[name])
        for right in ("CALL", "PUT")
    ]
    futures = [item for name in FAMILIES for item in listed_futures(name, TODAY)]
    ids = [item.contract_id for item in (*CATALOGUE.values(), *options, *futures)]
    assert len(ids) == len(set(ids))
    assert max(ids) < 2**53


@given(st.sampled_from(sorted(FAMILIES)), days)
def test_main_future_is_listed_and_not_about_to_end(name: str, day: date) -> None:
    listed = listed_futures(name, day)
    main = main_future(name, day)
    assert main in listed[:2]
    assert main.expiry is not None
    assert main.expiry - day >= timedelta(days=7)
    assert [find_future(item.key) for item in listed] == list(listed)
    ends = [item.expiry for item in listed if item.expiry is not None]
    assert ends == sorted(set(ends))


def test_future_is_named_by_code_month_or_last_day() -> None:
    december, january_oil = contract("ES2612"), contract("CL2701")
    assert resolve("ES2612", sec_type="FUT") == december
    assert resolve("ES", sec_type="FUT", expiry=date(2026, 12, 18)) == december
    # January's oil has its last day in December.
    assert resolve("CL", sec_type="FUT", expiry=date(2026, 12, 21)) == january_oil
    assert resolve("ES", sec_type="FUT") is None
    assert resolve("13719") is None
    assert resolve("13719", sec_type="WAR") == CATALOGUE["13719"]


@given(st.sampled_from((*KINDS, "BURU", "BRK.A", "62077")), st.integers(0, 50))
def test_book_is_monotone_on_tick_and_finite(key: str, step_count: int) -> None:
    prices = started()
    prices.set_all({}, step_count=step_count)
    instrument, quote = contract(key), prices.quote(key)
    asks, bids = prices.levels(key, "SELL"), prices.levels(key, "BUY")
    ask_prices, bid_prices = [level.price for level in asks], [level.price for level in bids]
    assert ask_prices == sorted(set(ask_prices))
    assert bid_prices == sorted(set(bid_prices), reverse=True)
    assert all(is_on_tick(instrument, price) and price > 0 for price in ask_prices + bid_prices)
    assert all(0 < level.count <= level.volume < 10**6 for level in asks + bids)
    assert (quote.ask, quote.ask_size) == (asks[0].price, asks[0].volume)
    assert (quote.bid, quote.bid_size) == (bids[0].price, bids[0].volume)
    assert quote.bid < quote.last < quote.ask


def test_books_of_one_seed_are_the_same_for_ever() -> None:
    one, other = (started(seed=7) for _ in range(2))
    assert one.levels("AAPL", "SELL") == other.levels("AAPL", "SELL")
    assert one.levels("AAPL", "SELL") != started(seed=8).levels("AAPL", "SELL")
    other.set_all({}, step_count=1)
    assert one.levels("AAPL", "SELL") != other.levels("AAPL", "SELL")


def test_nobody_bids_for_a_worthless_option() -> None:
    quote = started().quote("AAPL  261127C00345000")
    assert (quote.last, quote.bid, quote.bid_size) == (Decimal("0.01"), Decimal(0), 0)


@given(
    rights,
    st.decimals("100", "400", places=2),
    st.sampled_from(strikes("AAPL")),
    st.sampled_from(expirations("AAPL", TODAY)),
)
def test_option_value_obeys_its_bounds(
    right: Right, price: Decimal, strike: Decimal, expiry: date
) -> None:
    option = contract(identifier_of("AAPL", expiry=expiry, right=right, strike=strike))
    found = greeks_of(option, price, TODAY)
    tolerance = Decimal("0.001")
    assert -tolerance <= found.value <= max(price, strike) + tolerance
    assert -1 - tolerance <= found.delta <= 1 + tolerance
    assert found.gamma >= 0
    assert found.vega >= 0
    if right == "CALL":
        assert found.value >= intrinsic(option, price) - tolerance


@given(st.decimals("100", "400", places=2), st.sampled_from(strikes("AAPL")))
def test_call_less_put_is_the_forward(price: Decimal, strike: Decimal) -> None:
    expiry = date(2027, 1, 15)
    call, put = (
        greeks_of(
            contract(identifier_of("AAPL", expiry=expiry, right=right, strike=strike)),
            price,
            TODAY,
        )
        for right in ("CALL", "PUT")
    )
    years = Decimal((expiry - TODAY).days + 1) / 365
    forward = price - strike * (Decimal("-0.04") * years).exp()
    assert abs(call.value - put.value - forward) < Decimal("0.001")


def test_option_after_its_expiry_is_worth_what_exercising_yields() -> None:
    prices = started()
    prices.set_day(date(2026, 12, 19))
    prices.set_all({"AAPL": Decimal("241.00")}, step_count=0)
    assert prices.last(CALL) == Decimal("11.00")
    assert prices.last(PUT) == Decimal("0.01")


def test_price_of_an_option_set_by_hand_keeps_its_distance_and_survives_a_restart() -> None:
    prices = started()
    before = prices.last(CALL)
    prices.set_all({CALL: before + 1}, step_count=0)
    assert prices.last(CALL) == before + 1
    again = Prices(seed=1, catalogue=CATALOGUE)
    again.restore(prices.state())
    assert again.last(CALL) == before + 1
    assert again.snapshot() == prices.snapshot()
    prices.set_all({"AAPL": Decimal("250.00")}, step_count=0)
    assert prices.last(CALL) > before + 10


def test_every_contract_of_a_step_is_on_its_tick() -> None:
    prices = started(seed=5)
    derived = [CALL, PUT, "TCH.HK261230C00620000", "13719", "62077", "ES2612", "HSI2612", "GC2702"]
    for step in range(300):
        prices.set_all(prices.next_prices(), step_count=step + 1)
        for key in derived:
            quote = prices.quote(key)
            assert is_on_tick(contract(key), quote.last)
            assert quote.low <= quote.last <= quote.high


def test_unknown_key_has_no_price() -> None:
    with pytest.raises(KeyError):
        started().quote("NO SUCH")


@pytest.mark.parametrize(
    ("key", "price", "below", "above"),
    [
        ("AAPL", "1.00", "0.9999", "1.01"),
        ("AAPL", "0.9999", "0.9998", "1.0000"),
        ("AAPL", "0.0001", "0", "0.0002"),
        ("00700", "20.00", "19.99", "20.02"),
        ("00700", "100.0", "99.95", "100.1"),
        ("00700", "5000", "4998", "5005"),
        (CALL, "3.00", "2.99", "3.05"),
        ("AAPL", "999999999.99", "999999999.98", "1000000000.00"),
    ],
)
def test_step_at_the_border_of_two_bands_is_that_of_the_band_it_goes_to(
    key: str, price: str, below: str, above: str
) -> None:
    item = contract(key)
    assert tick_below(item, Decimal(price)) == Decimal(below)
    assert tick_above(item, Decimal(price)) == Decimal(above)
