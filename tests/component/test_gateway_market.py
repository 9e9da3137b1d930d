"""The market tools at the gateway: what goes to which worker, and how its table is told."""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import pytest
from mcp.types import Tool

from adapters.mcp.server import build
from core import asks, market_asks
from core.market_asks import MarketTable
from core.modes import Environment
from tests.support.gateway import (
    MODES,
    NOW,
    QUICK,
    FakeClock,
    Mode,
    World,
    error_of,
    told,
)

BYTES_EACH_MAX: Final = 1_200
BYTES_ALL_MAX: Final = 7_200
# Each tool, the question it asks, and a call that is right.
TOOLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "get_quotes": ("quotes", {"symbols": ["AAPL"]}),
    "get_bars": ("bars", {"symbol": "AAPL"}),
    "get_market_depth": ("depth", {"symbol": "AAPL"}),
    "get_option_chain": ("option_chain", {"symbol": "AAPL"}),
    "find_contracts": ("contracts", {"query": "apple"}),
    "get_market_status": ("market_status", {}),
    "get_fundamentals": ("fundamentals", {"what": "overview", "symbols": ["AAPL"]}),
    "scan_market": ("scan", {"filters": ["volume>=1"]}),
}
TABLE: Final = MarketTable(
    columns=("symbol", "last"),
    rows=(("AAPL", "185.50"), ("IBM", None)),
    at=NOW - timedelta(seconds=9),
    zone="America/New_York",
    currency="USD",
    quality="real_time",
    facts=(("found", 2), ("price", None)),
    begin=NOW - timedelta(days=1),
    unknown=("ZZZZ",),
    cursor="next",
    note="careful",
)
NO_RIGHT: Final = asks.AskReply(fault=asks.AskFault(code="no_quote_right", message="no right"))
BUSY: Final = asks.AskReply(fault=asks.AskFault(code="busy", message="used up"))
WRONG: Final = asks.AskReply(
    fault=asks.AskFault(code="invalid_argument", message="no", field="symbols")
)
both_eras = pytest.mark.parametrize("mode", MODES)


def reply(table: MarketTable = TABLE) -> asks.AskReply:
    return asks.AskReply(data=msgspec.Raw(msgspec.json.encode(table)))


class LateClock(FakeClock):
    """Stands still at 20:48 UTC of a Monday: New York trades, and in Hong Kong it is Tuesday."""

    def now(self) -> datetime:
        """Return the one moment."""
        return NOW + timedelta(days=1, hours=5, minutes=18)


def world_of(zone: str = "UTC", clock: FakeClock | None = None, **answers: object) -> World:
    """Return a world whose accounts answer quotes as given, by alias with `_` for `-`."""
    world = World(QUICK)
    parts = msgspec.structs.replace(world.parts, zone=zone, clock=clock or FakeClock())
    world.server = build(parts)
    for account, answer in answers.items():
        world.bus.answers[f"ask.{account.replace('_', '-')}.quotes"] = answer
    return world


def asked(world: World) -> list[str]:
    return [subject for subject, _ in world.bus.asked]


@both_eras
async def test_a_table_is_told_with_its_world_and_three_clocks(mode: Mode) -> None:
    world = world_of("Europe/Berlin", sandbox=reply())
    arguments = {"account": "sandbox", "symbols": '["AAPL", "IBM", "ZZZZ", "AAPL"]'}
    async with world.client(mode) as client:
        # Some clients send a list as its JSON text.
        answer = told(await client.call_tool("get_quotes", arguments))
    assert answer == {
        "environment": "sandbox",
        "account": "sandbox",
        "as_of": {
            "at": "2026-11-22T15:29:51Z",
            "exchange": "2026-11-22T10:29:51-05:00",
            "yours": "2026-11-22T16:29:51+01:00",
        },
        "zones": {"exchange": "America/New_York", "yours": "Europe/Berlin"},
        "currency": "USD",
        "quality": "real_time",
        "span": {
            "from": {
                "at": "2026-11-21T15:30:00Z",
                "exchange": "2026-11-21T10:30:00-05:00",
                "yours": "2026-11-21T16:30:00+01:00",
            }
        },
        "facts": {"found": 2},
        "columns": ["symbol", "last"],
        "rows": [["AAPL", "185.50"], ["IBM", ""]],
        "unknown_symbols": ["ZZZZ"],
        "cursor": "sandbox~next",
        "note": "careful",
        "time_zone": "UTC",
    }
    question = msgspec.json.decode(world.bus.asked[-1][1], type=market_asks.QuotesAsk)
    assert question.symbols == ("AAPL", "IBM", "ZZZZ", "AAPL")


@both_eras
async def test_an_empty_table_says_so(mode: Mode) -> None:
    world = world_of(sandbox=reply(MarketTable(columns=(), rows=(), at=NOW)))
    async with world.client(mode) as client:
        answer = told(
            await client.call_tool("get_quotes", {"account": "sandbox", "symbols": ["AAPL"]})
        )
    assert (answer["rows"], answer["note"]) == ([], "nothing was found")


@pytest.mark.parametrize("tool", TOOLS)
async def test_each_tool_asks_its_question_of_the_named_account(tool: str) -> None:
    what, arguments = TOOLS[tool]
    world = world_of()
    world.bus.answers[f"ask.sandbox.{what}"] = reply()
    async with world.client("auto") as client:
        answer = told(await client.call_tool(tool, {"account": "sandbox", **arguments}))
    assert (answer["account"], asked(world)) == ("sandbox", [f"ask.sandbox.{what}"])


@pytest.mark.parametrize(
    ("zone", "question", "expected"),
    [
        ("UTC", {"symbol": "AAPL", "begin": "today"}, ("2026-11-23", "")),
        ("Asia/Hong_Kong", {"symbol": "AAPL", "begin": "today"}, ("2026-11-23", "")),
        ("Asia/Hong_Kong", {"symbol": "AAPL", "begin": "yesterday"}, ("2026-11-22", "2026-11-22")),
        # In Hong Kong nothing was traded yet on Tuesday.
        ("America/New_York", {"symbol": "00700", "begin": "today"}, ("2026-11-23", "")),
        ("Asia/Hong_Kong", {"symbol": "00700", "begin": "today"}, ("2026-11-24", "")),
        (
            "Asia/Hong_Kong",
            {"symbol": "TCH.HK261230C00620000", "begin": "today"},
            ("2026-11-24", ""),
        ),
        ("Asia/Hong_Kong", {"symbol": "600519", "begin": "5d"}, ("2026-11-19", "")),
        ("UTC", {"symbol": "AAPL", "begin": "last month"}, ("2026-10-01", "2026-10-31")),
        ("UTC", {"symbol": "AAPL", "begin": "2026-01-02"}, ("2026-01-02", "")),
        # A future may be of any exchange: both days.
        ("Asia/Hong_Kong", {"symbol": "HSI2612", "begin": "today"}, ("2026-11-23", "")),
        (
            "Asia/Hong_Kong",
            {"symbol": "HSI2612", "begin": "yesterday"},
            ("2026-11-22", "2026-11-23"),
        ),
    ],
)
async def test_words_for_days_are_of_the_earlier_of_the_exchanges_day_and_the_persons(
    zone: str, question: dict[str, str], expected: tuple[str, str]
) -> None:
    world = world_of(zone, LateClock())
    world.bus.answers["ask.sandbox.bars"] = reply()
    security = "future" if question["symbol"].startswith("HSI") else "stock"
    arguments = {"account": "sandbox", "security": security, **question}
    async with world.client("auto") as client:
        answer = told(await client.call_tool("get_bars", arguments))
    sent = msgspec.json.decode(world.bus.asked[-1][1], type=market_asks.BarsAsk)
    assert (sent.begin, sent.end) == expected
    assert answer["zones"]["yours"] == zone


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"what": "earnings", "begin": "this week"}, ("US", "2026-11-23", "2026-11-29")),
        ({"what": "earnings", "begin": "tomorrow"}, ("US", "2026-11-24", "2026-11-24")),
        (
            {"what": "earnings", "begin": "next month", "market": "HK"},
            ("HK", "2026-12-01", "2026-12-31"),
        ),
        (
            {"what": "dividend", "symbols": ["00700"], "begin": "today"},
            ("HK", "2026-11-24", "2026-11-24"),
        ),
        ({"what": "overview", "symbols": ["00700"]}, ("HK", "", "")),
        ({"what": "overview", "symbols": ["600519"]}, ("CN", "", "")),
        ({"what": "overview", "symbols": ["00700"], "market": "SG"}, ("SG", "", "")),
        ({"what": "overview", "symbols": ["00700", "AAPL"]}, ("US", "", "")),
        ({"what": "daily", "symbols": ["AAPL"], "begin": "this week"}, ("US", "2026-11-23", "")),
    ],
)
async def test_figures_are_of_the_market_of_their_symbols_and_a_named_span_is_whole(
    arguments: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    world = world_of("Asia/Hong_Kong", LateClock())
    world.bus.answers["ask.sandbox.fundamentals"] = reply()
    async with world.client("auto") as client:
        told(await client.call_tool("get_fundamentals", {"account": "sandbox", **arguments}))
    sent = msgspec.json.decode(world.bus.asked[-1][1], type=market_asks.FundamentalsAsk)
    assert (sent.market, sent.begin, sent.end) == expected


async def test_a_calendar_of_a_named_span_is_whole() -> None:
    world = world_of()
    world.bus.answers["ask.sandbox.market_status"] = reply()
    question = {"account": "sandbox", "view": "calendar", "market": "HK", "begin": "next week"}
    async with world.client("auto") as client:
        told(await client.call_tool("get_market_status", question))
    sent = msgspec.json.decode(world.bus.asked[-1][1], type=market_asks.MarketStatusAsk)
    assert (sent.begin, sent.end) == ("2026-11-23", "2026-11-29")


async def test_the_days_of_an_account_are_new_yorks() -> None:
    world = world_of("Asia/Hong_Kong", LateClock())
    table = MarketTable(columns=(), rows=(), at=NOW, zone="America/New_York")
    told_of = market_asks.AssetsTold(table=table)
    world.bus.answers["ask.sandbox.assets"] = asks.AskReply(
        data=msgspec.Raw(msgspec.json.encode(told_of))
    )
    question = {"account": "sandbox", "view": "history", "begin": "today"}
    async with world.client("auto") as client:
        told(await client.call_tool("get_balances", question))
    (_, body) = next(each for each in world.bus.asked if each[0] == "ask.sandbox.assets")
    sent = msgspec.json.decode(body, type=market_asks.AssetsAsk)
    assert (sent.begin, sent.end) == ("2026-11-23", "")


NOTHING_IN_US: Final = "nothing was found (in market=US, the default; there are HK, CN and SG too)"


@pytest.mark.parametrize(
    ("tool", "what", "arguments", "note"),
    [
        ("find_contracts", "contracts", {"query": "tencent"}, NOTHING_IN_US),
        ("find_contracts", "contracts", {"query": "tencent", "market": "HK"}, "nothing was found"),
        ("find_contracts", "contracts", {"query": "00700"}, "nothing was found"),
        (
            "find_contracts",
            "contracts",
            {"query": "x", "security": "fund"},
            "nothing was found",
        ),
        (
            "get_fundamentals",
            "fundamentals",
            {"what": "overview", "symbols": ["TENCENT"]},
            NOTHING_IN_US,
        ),
        (
            "get_fundamentals",
            "fundamentals",
            {"what": "exchange_rate", "symbols": ["ZZZ"]},
            "nothing was found",
        ),
        (
            "get_fundamentals",
            "fundamentals",
            {"what": "overview", "symbols": ["AAPL", "00700"]},
            "nothing was found (in market=US, the default; of another market: 00700)",
        ),
    ],
)
async def test_where_nothing_was_found_the_market_by_default_is_told(
    tool: str, what: str, arguments: dict[str, Any], note: str
) -> None:
    world = world_of()
    world.bus.answers[f"ask.sandbox.{what}"] = reply(MarketTable(columns=(), rows=(), at=NOW))
    async with world.client("auto") as client:
        answer = told(await client.call_tool(tool, {"account": "sandbox", **arguments}))
    assert answer["note"] == note


async def test_without_a_name_a_real_account_is_asked_and_never_the_sandbox_beside_it() -> None:
    world = world_of(paper_1=reply(), sandbox=reply())
    async with world.client("auto") as client:
        for _ in range(3):
            answer = told(await client.call_tool("get_quotes", {"symbols": ["AAPL"]}))
            assert (answer["account"], answer["environment"]) == ("paper-1", "paper")
        world.bus.answers["ask.paper-1.quotes"] = NO_RIGHT
        text = error_of(await client.call_tool("get_quotes", {"symbols": ["AAPL"]}))
    assert text.startswith("no_quote_right: no right.")
    assert set(asked(world)) == {"ask.paper-1.quotes"}


async def test_without_a_name_the_sandbox_is_asked_where_it_is_all_there_is() -> None:
    world = world_of(sandbox=reply())
    del world.accounts["paper-1"]
    async with world.client("auto") as client:
        answer = told(await client.call_tool("get_quotes", {"symbols": ["AAPL"]}))
    assert answer["environment"] == "sandbox"


@pytest.mark.parametrize("refusal", [NO_RIGHT, BUSY])
async def test_an_account_without_right_or_calls_gives_way_to_the_next(
    refusal: asks.AskReply,
) -> None:
    world = world_of(paper_1=refusal, paper_2=reply())
    world.accounts["paper-2"] = Environment.PAPER
    async with world.client("auto") as client:
        for _ in range(4):
            answer = told(await client.call_tool("get_quotes", {"symbols": ["AAPL"]}))
            assert answer["account"] == "paper-2"
    # The one that refused is left alone for a while.
    assert asked(world).count("ask.paper-1.quotes") == 1


async def test_the_next_page_is_asked_where_the_first_came_from() -> None:
    world = world_of(paper_1=NO_RIGHT, paper_2=reply())
    world.accounts["paper-2"] = Environment.PAPER
    arguments = {"symbols": ["AAPL"]}
    async with world.client("auto") as client:
        cursor = told(await client.call_tool("get_quotes", arguments))["cursor"]
        world.bus.answers["ask.paper-1.quotes"] = reply()
        following = told(await client.call_tool("get_quotes", arguments | {"cursor": cursor}))
        other = arguments | {"cursor": cursor, "account": "paper-1"}
        text = error_of(await client.call_tool("get_quotes", other))
        forged = arguments | {"cursor": f"nobody{cursor[7:]}"}
        unknown = error_of(await client.call_tool("get_quotes", forged))
    assert following["account"] == "paper-2"
    question = msgspec.json.decode(world.bus.asked[-1][1], type=market_asks.QuotesAsk)
    assert question.cursor == "next"
    assert text.startswith("invalid_argument: cursor: expected the account")
    assert unknown.startswith("unknown_account: ")


async def test_a_wrong_argument_is_not_asked_of_the_next() -> None:
    world = world_of(paper_1=WRONG, paper_2=reply())
    world.accounts["paper-2"] = Environment.PAPER
    async with world.client("auto") as client:
        text = error_of(await client.call_tool("get_quotes", {"symbols": ["AAPL"]}))
    assert text.startswith("invalid_argument: symbols: no.")
    assert asked(world) == ["ask.paper-1.quotes"]


async def test_a_named_account_has_no_stand_in() -> None:
    world = world_of(paper_1=NO_RIGHT, paper_2=reply())
    world.accounts["paper-2"] = Environment.PAPER
    arguments = {"symbols": ["AAPL"], "account": "paper-1"}
    async with world.client("auto") as client:
        text = error_of(await client.call_tool("get_quotes", arguments))
    assert text.startswith("no_quote_right: ")
    assert asked(world) == ["ask.paper-1.quotes"]


async def test_without_any_account_a_person_is_told_what_to_type() -> None:
    world = world_of()
    world.accounts.clear()
    async with world.client("auto") as client:
        text = error_of(await client.call_tool("get_quotes", {"symbols": ["AAPL"]}))
    assert text.startswith("unknown_account: account: there is none yet.")
    assert "tiger-mcp account add" in text


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("get_quotes", {"symbols": "AAPL"}, "symbols: expected a list"),
        ("get_quotes", {"symbols": []}, "symbols: expected at least 1"),
        ("get_quotes", {"symbols": ["A"] * 51}, "symbols: expected at most 50"),
        ("get_quotes", {"symbols": ["a;b"]}, "symbols.0: expected text like"),
        ("get_quotes", {"symbols": [5]}, "symbols.0: expected text in quotes"),
        ("get_quotes", {"symbols": ["AAPL"], "security": "bond"}, "security: expected 'stock'"),
        ("get_quotes", {"symbols": ["AAPL"], "limit": 10**6}, "limit: expected at most 300"),
        ("get_quotes", {"symbols": ["AAPL"], "limit": 0}, "limit: expected at least 1"),
        ("get_quotes", {"symbols": ["AAPL"], "cursor": "x" * 1_041}, "cursor: expected at most"),
        ("get_quotes", {"symbols": ["AAPL"], "secret": 1}, "secret: there is no such argument"),
        ("get_bars", {"symbol": "AAPL", "period": "2min"}, "period: expected 'tick'"),
        ("get_bars", {"symbol": "AAPL", "begin": "tomorrow"}, "begin: expected a day"),
        ("get_bars", {"symbol": "AAPL", "end": "x" * 50}, "end: expected at most 40"),
        ("get_bars", {}, "symbol: is needed"),
        ("get_market_depth", {"view": "moon"}, "view: expected 'book'"),
        ("get_option_chain", {"symbol": "AAPL", "expiry": "soon"}, "expiry: expected text like"),
        (
            "get_option_chain",
            {"symbol": "AAPL", "filters": ["delta > 1"]},
            "filters.0: expected text like",
        ),
        ("find_contracts", {"query": "<script>"}, "query: expected text like"),
        ("get_market_status", {"market": "MARS"}, "market: expected 'ALL'"),
        ("get_fundamentals", {}, "what: is needed"),
        ("get_fundamentals", {"what": "wealth"}, "what: expected 'overview'"),
        ("scan_market", {"filters": ["a>=1"] * 21}, "filters: expected at most 20"),
        ("scan_market", {"sort": "1; drop"}, "sort: expected text like"),
    ],
)
async def test_a_wrong_argument_is_named_and_nobody_is_asked(
    tool: str, arguments: dict[str, Any], says: str
) -> None:
    world = world_of()
    async with world.client("auto") as client:
        text = error_of(await client.call_tool(tool, arguments))
    assert text.startswith(f"invalid_argument: {says}")
    assert len(text) < 700
    assert asked(world) == []


async def test_the_tools_are_small_and_say_that_they_only_read() -> None:
    async with World(QUICK).client("auto") as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    sizes = {name: len(_listed(listed[name])) for name in TOOLS}
    assert max(sizes.values()) <= BYTES_EACH_MAX, sizes
    assert sum(sizes.values()) <= BYTES_ALL_MAX, sizes
    for name in TOOLS:
        tool = listed[name]
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        always = ["environment", "account", "as_of", "columns", "rows"]
        assert tool.output_schema == {"type": "object", "required": always}
        assert "account" not in tool.input_schema.get("required", [])


def _listed(tool: Tool) -> str:
    return tool.model_dump_json(by_alias=True, exclude_none=True)
