"""The real SDK over the wire: options, warrants and bull/bear contracts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import Market, SortDirection
from tigeropen.common.exceptions import ApiException
from tigeropen.quote.domain.filter import OptionFilter
from tigeropen.quote.request.model import WarrantFilterParams

from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

# A Monday, 10:00 in New York.
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
NOW_MS = 1_795_446_000_000
# Midnight in New York and in Hong Kong of the expirations used.
DECEMBER_MS = 1_797_570_000_000
HK_DECEMBER_MS = 1_798_560_000_000
CALL = "AAPL  261218C00230000"
PUT = "AAPL  261218P00230000"
HK_CALL = "TCH.HK261230C00620000"
# The SDK renames columns in place, which the installed pandas is about to give up.
RENAMES_IN_PLACE = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame")
GREEKS = ["delta", "gamma", "theta", "vega", "rho"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(home, "--clock", f"virtual:{NOW.isoformat()}") as started:
        started.control.set_settings(Settings(price_drift=False, always_open=False))
        yield started


@pytest.fixture(scope="module")
def quotes(sandbox: Sandbox) -> Any:
    return sandbox.quote_client()


@pytest.fixture(scope="module")
def trade(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


@RENAMES_IN_PLACE
def test_expirations_are_weekly_and_monthly_with_holidays(quotes: Any) -> None:
    found = quotes.get_option_expirations(["AAPL", "BURU"])
    assert list(found.columns) == ["symbol", "option_symbol", "date", "timestamp", "period_tag"]
    rows = found[["date", "period_tag"]].values.tolist()
    assert rows[:9] == [
        ["2026-11-27", "w"],
        ["2026-12-04", "w"],
        ["2026-12-11", "w"],
        ["2026-12-18", "m"],
        ["2026-12-24", "w"],  # the 25th is Christmas
        ["2026-12-31", "w"],  # the 1st is New Year
        ["2027-01-08", "w"],
        ["2027-01-15", "m"],
        ["2027-02-19", "m"],
    ]
    assert ["2027-06-17", "m"] in rows  # the 18th is a holiday
    assert found.loc[found["date"] == "2026-12-18", "timestamp"].item() == DECEMBER_MS
    assert set(found["option_symbol"]) == {"AAPL"}


@RENAMES_IN_PLACE
def test_hong_kong_expirations_are_monthly_and_named_by_class(quotes: Any) -> None:
    found = quotes.get_option_expirations(["TCH.HK"], market=Market.HK)
    assert list(found["date"])[:2] == ["2026-11-27", "2026-12-30"]
    assert set(found["period_tag"]) == {"m"}
    assert set(found["option_symbol"]) == {"TCH.HK"}
    assert found["timestamp"][1] == HK_DECEMBER_MS


def test_chain_has_call_and_put_of_every_strike(quotes: Any) -> None:
    chain = quotes.get_option_chain("AAPL", "2026-12-18")
    assert not set(GREEKS) & set(chain.columns)
    assert set(chain["expiry"]) == {DECEMBER_MS}
    assert set(chain["multiplier"]) == {100}
    by_right = chain.groupby("put_call")["strike"].apply(list)
    assert by_right["CALL"] == by_right["PUT"]
    assert by_right["CALL"][0] == "115.0"
    assert by_right["CALL"][-1] == "345.0"
    row = chain.loc[chain["identifier"] == CALL].iloc[0]
    assert (row["strike"], row["put_call"]) == ("230.0", "CALL")
    assert row["bid_price"] < row["latest_price"] < row["ask_price"]
    assert row["last_timestamp"] == NOW_MS


def test_greeks_obey_put_call_parity(quotes: Any) -> None:
    chain = quotes.get_option_chain("AAPL", DECEMBER_MS, return_greek_value=True)
    rows = {row["identifier"]: row for row in chain.to_dict("records")}
    call, put = rows[CALL], rows[PUT]
    assert call["delta"] - put["delta"] == pytest.approx(1, abs=1e-5)
    assert call["gamma"] == put["gamma"] > 0
    assert call["vega"] == put["vega"] > 0
    assert call["theta"] < 0
    assert call["rho"] > 0 > put["rho"]
    # 26 days to go at 4 % a year: a call is worth more than a put by the strike's interest.
    interest = 230 * (1 - 2.718281828 ** (-0.04 * 26 / 365))
    spread = call["latest_price"] - put["latest_price"]
    assert spread == pytest.approx(interest, abs=0.06)
    deltas = chain.loc[chain["put_call"] == "CALL", "delta"].tolist()
    assert deltas == sorted(deltas, reverse=True)


def test_chain_filter_keeps_what_is_asked_for(quotes: Any) -> None:
    kept = OptionFilter(delta_min=0.3, delta_max=0.7, in_the_money=True, open_interest_min=1)
    chain = quotes.get_option_chain(
        "AAPL", "2026-12-18", option_filter=kept, return_greek_value=True
    )
    assert not chain.empty
    assert set(chain["put_call"]) == {"CALL"}
    assert chain["delta"].between(0.3, 0.7).all()
    assert (chain["strike"].astype(float) < 230).all()
    assert quotes.get_option_chain("AAPL", "2026-12-18", implied_volatility_min=9).empty
    assert quotes.get_option_chain("AAPL", "2026-12-17").empty


def test_hong_kong_chain_writes_strikes_with_two_places(quotes: Any) -> None:
    chain = quotes.get_option_chain("TCH.HK", "2026-12-30")
    row = chain.loc[chain["identifier"] == HK_CALL].iloc[0]
    assert (row["strike"], row["multiplier"]) == ("620.00", 100)
    assert (row["symbol"], row["expiry"]) == ("TCH.HK", HK_DECEMBER_MS)


def test_option_briefs_have_the_published_fields(quotes: Any) -> None:
    found = quotes.get_option_briefs([CALL, PUT])
    assert list(found["identifier"]) == [CALL, PUT]
    call, put = found.to_dict("records")
    assert (call["symbol"], call["strike"], call["put_call"]) == ("AAPL", "230.0", "CALL")
    assert put["put_call"] == "PUT"
    assert (call["expiry"], call["multiplier"]) == (DECEMBER_MS, 100)
    assert call["mid_price"] == pytest.approx((call["bid_price"] + call["ask_price"]) / 2)
    assert (call["mark_price"], call["pre_mark_price"]) == (
        call["latest_price"],
        call["pre_close"],
    )
    assert call["rates_bonds"] == 0.04
    assert call["volatility"].endswith("%")
    assert call["change"] == pytest.approx(call["latest_price"] - call["pre_close"])
    assert call["open_interest"] > 0
    assert 0 < call["selling_return"] < 2
    assert (call["timestamp"], call["mid_timestamp"]) == (NOW_MS, NOW_MS)


def test_hong_kong_option_brief_is_found_without_naming_the_market(quotes: Any) -> None:
    (row,) = quotes.get_option_briefs([HK_CALL]).to_dict("records")
    assert (row["identifier"], row["symbol"], row["strike"]) == (HK_CALL, "TCH.HK", "620.00")
    # Hong Kong closed at 16:00, seven hours ago.
    assert row["timestamp"] == NOW_MS - 7 * 3600 * 1000


def test_worthless_option_has_no_bid(quotes: Any) -> None:
    (row,) = quotes.get_option_briefs(["AAPL  261127C00345000"]).to_dict("records")
    assert (row["latest_price"], row["ask_price"]) == (0.01, 0.02)
    assert "bid_price" not in row
    book = quotes.get_option_depth(["AAPL  261127C00345000"])
    assert book["bids"] == []


def test_option_book_quotes_each_exchange_once(quotes: Any) -> None:
    book = quotes.get_option_depth([CALL])
    assert book["identifier"] == CALL
    codes = [code for _, _, _, code in book["asks"]]
    assert len(codes) == len(set(codes)) > 1
    assert "CBOE" in codes
    prices = [price for price, _, _, _ in book["asks"]]
    assert prices == sorted(prices)
    assert {at for _, _, at, _ in book["asks"] + book["bids"]} == {NOW_MS}
    both = quotes.get_option_depth([CALL, PUT])
    assert set(both) == {CALL, PUT}
    (row,) = quotes.get_option_briefs([CALL]).to_dict("records")
    assert (book["asks"][0][:2], book["bids"][0][:2]) == (
        (row["ask_price"], row["ask_size"]),
        (row["bid_price"], row["bid_size"]),
    )


def test_hong_kong_option_symbols_name_their_stocks(quotes: Any) -> None:
    found = quotes.get_option_symbols()
    assert list(found.columns) == ["symbol", "name", "underlying_symbol"]
    assert ["TCH.HK", "TCH", "00700"] in found.values.tolist()


def test_option_analysis_ranks_volatility_in_its_period(quotes: Any) -> None:
    apple, tesla = quotes.get_option_analysis(
        ["AAPL", {"symbol": "TSLA", "period": "13week", "require_volatility_list": True}, "BURU"]
    )
    assert (apple.symbol, apple.iv_metric.period) == ("AAPL", "52week")
    assert apple.volatility_list is None
    assert 0 <= apple.iv_metric.rank <= 1
    assert 0 <= apple.iv_metric.percentile <= 1
    ratio = apple.implied_vol_30_days / apple.his_volatility
    assert apple.iv_his_v_ratio == pytest.approx(ratio, abs=1e-4)
    assert tesla.iv_metric.period == "13week"
    newest, *rest = tesla.volatility_list
    assert newest.implied_vol == tesla.implied_vol_30_days
    assert newest.timestamp == 1_795_410_000_000  # midnight in New York
    assert 60 <= len(rest) <= 66
    implied = [item.implied_vol for item in tesla.volatility_list]
    below = sum(value < newest.implied_vol for value in implied) / len(implied)
    assert newest.percentile == pytest.approx(below)


def test_option_prices_follow_their_underlying(sandbox: Sandbox, quotes: Any) -> None:
    def lasts() -> list[float]:
        return list(quotes.get_option_briefs([CALL, PUT])["latest_price"])

    call, put = lasts()
    sandbox.control.set_price("AAPL", Decimal("240.00"))
    higher_call, lower_put = lasts()
    sandbox.control.set_price("AAPL", Decimal("230.00"))
    assert higher_call > call
    assert lower_put < put
    assert lasts() == [call, put]


def test_malformed_option_requests_are_refused(quotes: Any) -> None:
    option: dict[str, object] = {
        "symbol": "AAPL",
        "expiry": DECEMBER_MS,
        "strike": 230.0,
        "right": "CALL",
    }
    refused: tuple[tuple[str, dict[str, object]], ...] = (
        ("option_brief", {"option_basic": []}),
        ("option_brief", {"option_basic": [option] * 31}),
        ("option_brief", {"option_basic": [option | {"right": "UP"}]}),
        ("option_brief", {"option_basic": [option | {"strike": None}]}),
        ("option_depth", {"option_basic": [option | {"expiry": None}]}),
        ("option_chain", {"option_basic": [{"symbol": "AAPL", "expiry": "soon"}]}),
        ("option_chain", {"option_basic": [{"symbol": "AAPL", "expiry": "0001-01-01"}]}),
        ("option_chain", {"option_basic": [{"symbol": "AAPL", "expiry": "9" * 5000}]}),
        ("trading_calendar", {"market": "US", "begin_date": "9999-12-31"}),
        ("future_trading_date", {"contract_code": "ES2612", "trading_date": "0001-01-01"}),
        ("option_expiration", {"symbols": [f"S{number}" for number in range(31)]}),
        ("option_analysis", {"symbols": [{"symbol": "AAPL", "period": "1day"}]}),
    )
    for method, business in refused:
        assert raw_call(quotes, method, business)["code"] == 1010, (method, business)


def test_option_contract_has_terms_and_steps(trade: Any) -> None:
    found = trade.get_contract("AAPL", "OPT", expiry="20261218", strike=230.0, put_call="CALL")
    assert (found.identifier, found.symbol, found.sec_type) == (CALL, "AAPL", "OPT")
    assert (found.expiry, found.strike, found.put_call) == ("20261218", 230.0, "CALL")
    assert (found.multiplier, found.currency, found.trade) == (100.0, "USD", True)
    assert [item["tick_size"] for item in found.tick_sizes] == [0.01, 0.05]
    expired = trade.get_contract("AAPL", "OPT", expiry="20261120", strike=230.0, put_call="CALL")
    assert expired.trade is False
    assert (
        trade.get_contract("AAPL", "OPT", expiry="20261219", strike=230.0, put_call="PUT") is None
    )


def test_derivative_contracts_are_listed_by_stock(trade: Any) -> None:
    (options,) = trade.get_derivative_contracts("AAPL", "OPT", "20261218")
    assert (options.symbol, options.sec_type) == ("AAPL", "OPT")
    assert {
        "identifier": CALL,
        "strike": "230.0",
        "right": "CALL",
        "expiry": "20261218",
    }.items() <= (next(item for item in options.items if item["identifier"] == CALL).items())
    (warrants,) = trade.get_derivative_contracts("00700", "WAR", None)
    assert [item["symbol"] for item in warrants.items] == ["13719"]
    with pytest.raises(ApiException) as error:
        trade.get_derivative_contracts("AAPL", "OPT", None)
    assert error.value.code == 1010


def test_warrant_contract_is_found_by_its_code(trade: Any) -> None:
    found = trade.get_contract("58123", "IOPT")
    assert (found.sec_type, found.put_call, found.strike) == ("IOPT", "CALL", 510.0)
    assert (found.expiry, found.lot_size, found.shortable) == ("20271230", 10_000.0, False)


def test_warrant_briefs_follow_from_price_and_terms(quotes: Any) -> None:
    warrant, bull = quotes.get_warrant_briefs(["13719", "58123", "00700"]).to_dict("records")
    assert (warrant["symbol"], warrant["sec_type"], warrant["right"]) == ("13719", "WAR", "CALL")
    assert (warrant["underlying_symbol"], warrant["entitlement_ratio"]) == ("00700", 500.0)
    assert warrant["breakeven_point"] == pytest.approx(680 + 500 * warrant["latest_price"])
    # A bull contract is worth what the stock is above its strike: (620 - 510) / 500.
    assert bull["latest_price"] == 0.22
    assert (bull["call_price"], bull["delta"]) == (515.1, 1.0)
    assert bull["leverage_ratio"] == pytest.approx(620 / 110, abs=1e-4)


def test_warrant_filter_pages_sorts_and_bounds(quotes: Any) -> None:
    found = quotes.get_warrant_filter("00700", page_size=2, sort_field_name="latest_price")
    assert (found.page, found.total_page, found.total_count) == (0, 2, 3)
    assert list(found.items["latest_price"]) == sorted(found.items["latest_price"])
    assert found.bounds.lot_size == [10_000]
    assert found.bounds.expire_date == ["2027-12"]
    assert found.bounds.strike == {"min": 510.0, "max": 750.0}
    bears = WarrantFilterParams()
    bears.warrant_type = {4}
    bears.in_out_price = {1}
    (bear,) = quotes.get_warrant_filter(
        "00700", sort_dir=SortDirection.DESC, filter_params=bears
    ).items.to_dict("records")
    assert (bear["symbol"], bear["type"], bear["sec_type"]) == ("62077", 4, "IOPT")
    assert bear["in_out_price"] > 0
    struck = WarrantFilterParams()
    struck.strike = (600, 700)
    assert list(quotes.get_warrant_filter("00700", filter_params=struck).items["symbol"]) == [
        "13719"
    ]
