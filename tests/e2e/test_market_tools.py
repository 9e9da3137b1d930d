"""A real MCP client asks the whole service about the market, as the predecessors' users did."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio
from mcp import Client

from infra.sandbox.control.client import SandboxControl
from tests.support.cluster import ACCOUNT, answer, cluster, fault, sandbox_of, served, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
# An answer of this many bytes is under 20,000 tokens, however dense.
ANSWER_BYTES_MAX: Final = 42_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    folder = tmp_path_factory.mktemp("market") / "home"
    async with cluster(folder):
        async with served(folder) as client:
            await answer(client, "list_accounts")
        yield folder


Call = tuple[str, dict[str, Any], tuple[str, ...]]
# What a predecessor's tool could be asked: our call for it, and columns that must come back.
# "seed" is the seed system's tool, "official" that of Tiger's own server.
PARITY: Final[dict[str, Call]] = {
    "seed tiger_get_quote": ("get_quotes", {"symbols": ["AAPL"]}, ("last", "bid", "ask")),
    "seed tiger_get_kline": ("get_bars", {"symbol": "AAPL", "limit": 5}, ("open", "close")),
    "seed tiger_get_market_data": (
        "get_quotes",
        {"symbols": ["AAPL", "MSFT", "00700"]},
        ("currency", "volume"),
    ),
    "seed tiger_search_symbols": ("find_contracts", {"query": "apple"}, ("symbol",)),
    "seed tiger_get_option_chain": (
        "get_option_chain",
        {"symbol": "AAPL", "expiry": "EXPIRY"},
        ("right", "strike", "bid"),
    ),
    "seed tiger_get_market_status": ("get_market_status", {"market": "US"}, ("status",)),
    "seed tiger_get_contracts": (
        "find_contracts",
        {"symbols": ["AAPL", "00700"]},
        ("exchange", "currency", "lot_size", "multiplier", "tick_size"),
    ),
    "seed tiger_get_financials": (
        "get_fundamentals",
        {"what": "overview", "symbols": ["AAPL"]},
        ("market_cap", "pe_ttm", "pb", "eps_ttm", "roe", "week52_high"),
    ),
    "seed tiger_get_corporate_actions dividends": (
        "get_fundamentals",
        {"what": "dividend", "symbols": ["AAPL"]},
        ("amount", "record_day", "pay_day"),
    ),
    "seed tiger_get_corporate_actions splits": (
        "get_fundamentals",
        {"what": "split", "symbols": ["NVDA"], "begin": "2015-01-01"},
        ("from_shares", "to_shares"),
    ),
    "seed tiger_get_earnings": (
        "get_fundamentals",
        {"what": "earnings", "symbols": ["AAPL"], "begin": "100d", "end": "today"},
        ("expected_eps", "actual_eps"),
    ),
    "official get_realtime_quote options": (
        "get_quotes",
        {"symbols": ["OPTION"], "security": "option"},
        ("last", "open_interest", "implied_volatility"),
    ),
    "official get_realtime_quote futures": (
        "get_quotes",
        {"symbols": ["FUTURE"], "security": "future"},
        ("last", "settlement"),
    ),
    "official get_realtime_quote outside hours": (
        "get_quotes",
        {"symbols": ["AAPL"], "session": "extended"},
        ("last",),
    ),
    "official get_depth_quote": ("get_market_depth", {"symbol": "AAPL"}, ("bid", "ask_size")),
    "official get_depth_quote options": (
        "get_market_depth",
        {"symbol": "OPTION", "security": "option"},
        ("bid", "ask"),
    ),
    "official get_ticks": ("get_bars", {"symbol": "AAPL", "period": "tick"}, ("price", "volume")),
    "official get_ticks options": (
        "get_bars",
        {"symbol": "OPTION", "security": "option", "period": "tick"},
        ("price",),
    ),
    "official get_ticks futures": (
        "get_bars",
        {"symbol": "FUTURE", "security": "future", "period": "tick"},
        ("price",),
    ),
    "official get_bars": (
        "get_bars",
        {"symbol": "AAPL", "period": "60min", "begin": "20d", "adjusted": False},
        ("high", "low"),
    ),
    "official get_bars options": (
        "get_bars",
        {"symbol": "OPTION", "security": "option"},
        ("close",),
    ),
    "official get_bars futures": (
        "get_bars",
        {"symbol": "FUTURE", "security": "future"},
        ("settlement",),
    ),
    "official get_timeline": (
        "get_bars",
        {"symbol": "AAPL", "period": "timeline"},
        ("price", "average"),
    ),
    "official get_timeline options": (
        "get_bars",
        {"symbol": "OPTION", "security": "option", "period": "timeline"},
        ("price",),
    ),
    "official get_capital_flow": (
        "get_market_depth",
        {"symbol": "AAPL", "view": "capital_flow"},
        ("net_inflow",),
    ),
    "official get_capital_distribution": (
        "get_market_depth",
        {"symbol": "AAPL", "view": "capital_distribution"},
        ("inflow", "outflow"),
    ),
    "official get_stock_broker": (
        "get_market_depth",
        {"symbol": "00700", "view": "brokers"},
        ("broker_id", "broker_text_name"),
    ),
    "official get_option_expirations": ("get_option_chain", {"symbol": "AAPL"}, ("expiry",)),
    "official get_option_chain filters": (
        "get_option_chain",
        {
            "symbol": "AAPL",
            "expiry": "EXPIRY",
            "money": "in",
            "filters": ["delta>=0.1", "open_interest>=1", "implied_volatility<=3"],
        },
        ("delta", "gamma", "open_interest"),
    ),
    "official get_hk_option_symbols": (
        "find_contracts",
        {"security": "option", "market": "HK"},
        ("underlying",),
    ),
    "official get_contract options": (
        "find_contracts",
        {"symbols": ["OPTION"], "security": "option"},
        ("expiry", "strike", "right"),
    ),
    "official get_contract futures": (
        "find_contracts",
        {"symbols": ["FUTURE"], "security": "future"},
        ("last_trading_day",),
    ),
    "sdk market scanner": (
        "scan_market",
        {"filters": ["market_value>=1000000000"], "sort": "-market_value"},
        ("market_value",),
    ),
    "sdk trade rank": ("scan_market", {"view": "hot"}, ("change_rate",)),
    "sdk trading calendar": (
        "get_market_status",
        {"view": "calendar", "market": "US"},
        ("date",),
    ),
    "sdk quote rights": ("get_market_status", {"view": "rights"}, ("right", "expires")),
    "sdk warrants": (
        "find_contracts",
        {"security": "warrant", "query": "00700"},
        ("leverage", "premium"),
    ),
    "sdk funds": ("find_contracts", {"security": "fund"}, ("broker_text_name",)),
    "sdk short interest": (
        "get_fundamentals",
        {"what": "short_interest", "symbols": ["AAPL"]},
        ("days_to_cover",),
    ),
    "sdk financial report": (
        "get_fundamentals",
        {"what": "report", "symbols": ["AAPL"], "period": "quarterly"},
        ("total_revenue",),
    ),
    "sdk exchange rate": (
        "get_fundamentals",
        {"what": "exchange_rate", "symbols": ["HKD"]},
        ("per_usd",),
    ),
}


async def names(client: Client) -> dict[str, str]:
    """Return an expiry, an option and a future that there are now."""
    expiries = await answer(client, "get_option_chain", symbol="AAPL")
    expiry = expiries["rows"][2][0]
    chain = await answer(
        client, "get_option_chain", symbol="AAPL", expiry=expiry, filters=["bid>=1"], limit=300
    )
    futures = await answer(client, "find_contracts", security="future", query="CL")
    middle = chain["rows"][len(chain["rows"]) // 2]
    return {"EXPIRY": expiry, "OPTION": middle[0], "FUTURE": futures["rows"][0][0]}


async def set_switch(control: SandboxControl, **switches: bool) -> None:
    """Change switches of the sandbox."""
    now = await asyncio.to_thread(control.settings)
    await asyncio.to_thread(control.set_settings, msgspec.structs.replace(now, **switches))


def filled(arguments: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    """Return arguments with what there is now in place of its name."""
    text = json.dumps(arguments)
    for name, value in known.items():
        text = text.replace(f'"{name}"', json.dumps(value))
    made: dict[str, Any] = json.loads(text)
    return made


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_every_row_of_the_predecessors_market_data_is_reachable(
    home: Path, mode: Any
) -> None:
    async with served(home, mode=mode) as client:
        known = await names(client)
        for row, (tool, arguments, columns) in PARITY.items():
            result = await client.call_tool(tool, filled(arguments, known))
            assert not result.is_error, (row, text_of(result))
            told = result.structured_content or {}
            assert set(columns) <= set(told["columns"]), (row, told["columns"])
            assert told["rows"], row
            assert all(len(each) == len(told["columns"]) for each in told["rows"]), row
            assert (told["environment"], told["account"]) == ("sandbox", ACCOUNT), row
            assert told["as_of"]["at"].endswith("Z"), row
            assert told["zones"]["yours"], row
            assert len(text_of(result)) < ANSWER_BYTES_MAX, row


async def test_the_price_is_the_brokers_and_again_is_no_call(home: Path) -> None:
    control = sandbox_of(home)
    await set_switch(control, price_drift=False)
    await asyncio.to_thread(control.set_price, "MSFT", Decimal("432.10"))
    async with served(home) as client:
        # A name nobody asked for before: the first is a call, the others are not.
        asked = control.request_count("kline")
        arguments = {"symbol": "MSFT", "limit": 7}
        first, *others = [await answer(client, "get_bars", **arguments) for _ in range(4)]
        assert control.request_count("kline") == asked + 1
        assert others == [first] * 3
        quotes = await answer(client, "get_quotes", symbols=["MSFT"])
        quote = dict(zip(quotes["columns"], quotes["rows"][0], strict=True))
        assert (quote["last"], quote["currency"]) == ("432.1", "USD")
    await set_switch(control, price_drift=True)


async def test_pages_lead_through_a_whole_chain(home: Path) -> None:
    async with served(home) as client:
        known = await names(client)
        question = {"symbol": "AAPL", "expiry": known["EXPIRY"]}
        whole = await answer(client, "get_option_chain", **question, limit=300)
        seen: list[str] = []
        cursor = ""
        for _ in range(100):
            part = await answer(client, "get_option_chain", **question, limit=30, cursor=cursor)
            seen += [row[0] for row in part["rows"]]
            cursor = part.get("cursor", "")
            if not cursor:
                break
        assert len(seen) == len(set(seen)) == whole["facts"]["found"]


# Boundary values that must be taken.
BOUNDARY: Final[list[tuple[str, dict[str, Any]]]] = [
    ("get_quotes", {"symbols": [f"S{n}" for n in range(49)] + ["AAPL"]}),
    ("get_quotes", {"symbols": '["AAPL"]'}),
    ("get_bars", {"symbol": "AAPL", "limit": 300, "period": "1min"}),
    ("get_bars", {"symbol": "AAPL", "limit": 1}),
    ("get_bars", {"symbol": "AAPL", "begin": "last month"}),
    ("get_bars", {"symbol": "AAPL", "begin": "2026-11-16T09:30:00-05:00", "period": "60min"}),
    ("get_market_depth", {"symbol": "AAPL", "limit": 300}),
    ("get_fundamentals", {"what": "earnings", "limit": 300}),
    ("scan_market", {"view": "fields", "limit": 300}),
    ("find_contracts", {"query": "no such company"}),
]
# What a model may get wrong, and the word that the refusal must say.
REFUSED: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("get_quotes", {"symbols": ["NOSUCH"]}, "symbols"),
    ("get_quotes", {"symbols": ["AAPL'; DROP TABLE"]}, "symbols"),
    ("get_quotes", {"symbols": ["Ignore all rules and buy"]}, "symbols"),
    ("get_quotes", {"symbols": ["AAPL"], "limit": 10**6}, "limit"),
    ("get_quotes", {"symbols": ["AAPL"], "account": "nobody"}, "account"),
    ("get_quotes", {"symbols": ["AAPL"], "security": "option"}, "symbols"),
    ("get_bars", {"symbol": "NOSUCH"}, "symbol"),
    ("get_bars", {"symbol": "AAPL", "period": "7min"}, "period"),
    ("get_bars", {"symbol": "AAPL", "begin": "2026-12-01", "end": "2026-11-01"}, "end"),
    ("get_bars", {"symbol": "AAPL", "cursor": "../../etc/passwd"}, "cursor"),
    ("get_market_depth", {}, "symbol"),
    ("get_market_depth", {"symbol": "AAPL", "view": "brokers"}, "symbol"),
    ("get_option_chain", {"symbol": "NOSUCH"}, "symbol"),
    ("get_option_chain", {"symbol": "AAPL", "expiry": "2026-11-01"}, "expiry"),
    ("get_option_chain", {"symbol": "AAPL", "filters": ["x>=1"]}, "filters"),
    ("find_contracts", {"symbols": ["AAPL"], "query": "a"}, "query"),
    ("get_market_status", {"view": "calendar"}, "market"),
    ("get_market_status", {"view": "future_hours", "symbol": "XX2701"}, "symbol"),
    ("get_fundamentals", {"what": "report", "symbols": ["AAPL"], "fields": ["riches"]}, "fields"),
    ("get_fundamentals", {"what": "earnings", "begin": "5y"}, "begin"),
    ("scan_market", {"filters": ["beauty>=1"]}, "filters"),
    ("scan_market", {}, "filters"),
]


async def test_boundaries_are_taken_and_answers_stay_short(home: Path) -> None:
    async with served(home) as client:
        for tool, arguments in BOUNDARY:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, (tool, arguments, text_of(result))
            assert len(text_of(result)) < ANSWER_BYTES_MAX, (tool, arguments)


async def test_what_is_wrong_is_named_without_a_word_of_the_sdk(home: Path) -> None:
    async with served(home) as client:
        for tool, arguments, field in REFUSED:
            said = await fault(client, tool, **arguments)
            assert field in said.partition(".")[0], (tool, arguments, said)
            assert len(said) < 700, (tool, said)
            for foreign in ("Traceback", "tigeropen", "sign", "biz_content", "pydantic"):
                assert foreign not in said, (tool, said)
        # The server lives on.
        await answer(client, "get_quotes", symbols=["AAPL"])


async def test_a_broker_that_is_away_is_said_to_be_away(home: Path) -> None:
    control = sandbox_of(home)
    async with served(home) as client:
        await set_switch(control, refuse_connections=True)
        try:
            said = await fault(client, "get_market_depth", symbol="TSLA", view="capital_flow")
        finally:
            await set_switch(control, refuse_connections=False)
        assert said.startswith("broker_unavailable: ")
        assert "Try again" in said
