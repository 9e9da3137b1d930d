"""The real SDK over the wire: futures."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tigeropen.common.exceptions import ApiException

from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, running_sandbox

# A Monday, 10:00 in New York.
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
CONTRACT_COLUMNS = [
    "contract_code",
    "continuous",
    "contract_month",
    "currency",
    "delivery_mode",
    "display_multiplier",
    "exchange",
    "exchange_code",
    "first_notice_date",
    "last_bidding_close_time",
    "last_trading_date",
    "min_tick",
    "multiplier",
    "name",
    "product_type",
    "product_worth",
    "symbol",
    "trade",
    "type",
]
ES_DECEMBER = {
    "contract_code": "ES2612",
    "continuous": True,
    "contract_month": "202612",
    "currency": "USD",
    "delivery_mode": "Cash",
    "exchange": "CME",
    "exchange_code": "GLOBEX",
    "first_notice_date": "",
    "last_trading_date": "20261218",
    "min_tick": 0.25,
    "multiplier": 50.0,
    "name": "E-mini S&P 500 - Dec 2026",
    "symbol": "ES",
    "trade": True,
    "type": "ES",
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(home, "--clock", f"virtual:{NOW.isoformat()}") as started:
        started.control.set_settings(Settings(price_drift=False, always_open=False))
        yield started


@pytest.fixture(scope="module")
def quotes(sandbox: Sandbox) -> Any:
    return sandbox.quote_client()


def in_ms(*place: int) -> int:
    return int(datetime(*place, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]


def test_exchanges_come_with_their_zones(quotes: Any) -> None:
    found = quotes.get_future_exchanges()
    assert list(found.columns) == ["code", "name", "zone"]
    assert ["CME", "CME", "America/Chicago"] in found.values.tolist()
    assert ["HKEX", "HKEX", "Asia/Hong_Kong"] in found.values.tolist()


def test_current_contract_has_the_published_fields(quotes: Any) -> None:
    found = quotes.get_current_future_contract("ES")
    assert list(found.columns) == CONTRACT_COLUMNS
    (row,) = found.to_dict("records")
    assert {name: row[name] for name in ES_DECEMBER} == ES_DECEMBER


def test_contracts_of_a_family_are_its_months(quotes: Any) -> None:
    found = quotes.get_all_future_contracts("ES")
    assert list(found["contract_code"])[:3] == ["ES2612", "ES2703", "ES2706"]
    assert list(found["continuous"])[:2] == [True, False]
    assert set(found["trade"]) == {True}
    oil = quotes.get_all_future_contracts("CL")
    # January's oil ends before December's 25th; December's has ended already.
    assert list(oil["contract_code"])[:2] == ["CL2701", "CL2702"]
    first = oil.iloc[0]
    assert (first["last_trading_date"], first["first_notice_date"]) == ("20261221", "20261222")
    with pytest.raises(ApiException) as error:
        quotes.get_all_future_contracts("XX")
    assert error.value.code == 1010


def test_contracts_of_an_exchange_are_of_all_its_families(quotes: Any) -> None:
    assert set(quotes.get_future_contracts("COMEX")["type"]) == {"GC"}
    assert set(quotes.get_future_contracts("HKEX")["currency"]) == {"HKD"}
    assert quotes.get_future_contracts("NO SUCH").empty


def test_contract_is_found_by_its_code_and_by_the_main_code(quotes: Any) -> None:
    (row,) = quotes.get_future_contract("ES2612").to_dict("records")
    assert {name: row[name] for name in ES_DECEMBER} == ES_DECEMBER
    (main,) = quotes.get_future_contract("CLmain").to_dict("records")
    assert (main["contract_code"], main["contract_month"]) == ("CLmain", "")
    assert (main["name"], main["continuous"]) == ("WTI Crude Oil - main", False)
    (same,) = quotes.get_future_continuous_contracts("CL").to_dict("records")
    assert same == main
    assert quotes.get_future_contract("ES2611").empty
    (ended,) = quotes.get_future_contract("ES2609").to_dict("records")
    assert ended["trade"] is False


def test_main_contract_changes_a_week_before_the_end(quotes: Any) -> None:
    found = quotes.get_future_history_main_contract(
        ["ESmain", "ES2612"], in_ms(2026, 9, 8), in_ms(2026, 9, 16)
    )
    assert set(found["contract_code"]) == {"ESmain"}
    # The September contract ends on the 18th; each row is the end of a trading day, 17:00.
    assert found[["time", "refer_contract_code"]].values.tolist() == [
        [in_ms(2026, 9, 15, 21), "ES2612"],
        [in_ms(2026, 9, 14, 21), "ES2612"],
        [in_ms(2026, 9, 11, 21), "ES2609"],
        [in_ms(2026, 9, 10, 21), "ES2609"],
        [in_ms(2026, 9, 9, 21), "ES2609"],
        [in_ms(2026, 9, 8, 21), "ES2609"],
    ]


def test_trading_times_begin_the_evening_before(quotes: Any) -> None:
    found = quotes.get_future_trading_times("ES2612", trading_date="2026-11-23")
    assert found.values.tolist() == [
        [in_ms(2026, 11, 22, 22, 45), in_ms(2026, 11, 22, 23), False, True, "America/New_York"],
        [in_ms(2026, 11, 22, 23), in_ms(2026, 11, 23, 22), True, False, "America/New_York"],
    ]
    current = quotes.get_future_trading_times("ESmain")
    assert current.values.tolist() == found.values.tolist()
    hong_kong = quotes.get_future_trading_times("HSI2612", trading_date=in_ms(2026, 11, 23, 4))
    assert list(hong_kong["bidding"]) == [True, False, False, False]
    assert set(hong_kong["zone"]) == {"Asia/Hong_Kong"}


def test_future_brief_has_the_published_fields(quotes: Any) -> None:
    found = quotes.get_future_brief(["ES2612", "ESmain", "HSI2612", "NO SUCH"])
    assert list(found["identifier"]) == ["ES2612", "ESmain", "HSI2612"]
    row, main, hong_kong = found.to_dict("records")
    assert {name: row[name] for name in row if name != "identifier"} == {
        name: main[name] for name in main if name != "identifier"
    }
    assert row["ask_price"] - row["bid_price"] == 0.5
    assert row["latest_price"] % 0.25 == 0
    assert row["limit_down"] < row["settlement"] < row["limit_up"]
    assert row["latest_time"] == int(NOW.timestamp() * 1000)
    assert min(row["bid_size"], row["ask_size"], row["latest_size"], row["open_interest"]) > 0
    assert hong_kong["latest_price"] % 1 == 0
    # Hong Kong's day session ended at 16:30, its evening goes on.
    closed_at = NOW - timedelta(hours=6, minutes=30)
    assert hong_kong["latest_time"] == int(closed_at.timestamp() * 1000)


def test_later_contracts_cost_more(quotes: Any) -> None:
    codes = list(quotes.get_all_future_contracts("GC")["contract_code"])
    prices = list(quotes.get_future_brief(codes)["latest_price"])
    assert prices == sorted(set(prices))


def test_future_book_begins_at_the_quote(quotes: Any) -> None:
    book = quotes.get_future_depth("ES2612")
    (row,) = quotes.get_future_brief("ES2612").to_dict("records")
    assert book["identifier"] == "ES2612"
    assert book["asks"][0] == (row["ask_price"], row["ask_size"])
    assert book["bids"][0] == (row["bid_price"], row["bid_size"])
    assert [price for price, _ in book["asks"]] == [row["ask_price"] + n * 0.25 for n in range(10)]
    assert set(quotes.get_future_depth(["ES2612", "CLmain"])) == {"ES2612", "CLmain"}


def test_future_contract_of_the_trade_side_agrees(sandbox: Sandbox) -> None:
    found = sandbox.trade_client().get_contract("ES2612", "FUT")
    assert (found.identifier, found.symbol, found.multiplier) == ("ES2612", "ES", 50.0)
    assert (found.contract_month, found.last_trading_date) == ("202612", "20261218")
    assert (found.min_tick, found.continuous, found.currency) == (0.25, True, "USD")
    assert found.tick_sizes == [
        {"begin": "0", "end": "Infinity", "type": "OPEN", "tick_size": 0.25}
    ]
