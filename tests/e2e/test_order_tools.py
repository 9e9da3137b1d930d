"""A real MCP client against the whole service: every tool of orders, and what they must not do.

The sandbox's journal and its book say what the broker was asked.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio

from core.modes import Mode
from infra.home import Home
from infra.supervisor.installation import load_or_make
from tests.support import order_calls
from tests.support.cluster import (
    ACCOUNT,
    Era,
    answer,
    fault,
    sandbox_of,
    served,
    text_of,
)
from tests.support.gateway import rows_of
from tests.support.order_calls import CANCEL, LOW, MARKET, MODIFY, PLACE, WAIT_S, terms

pytestmark = pytest.mark.asyncio(loop_scope="module")
both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])
READ_ONLY: Final = "sandbox-two"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    folder = tmp_path_factory.mktemp("tools") / "home"
    folder.mkdir()
    _make_read_only(Home(folder), READ_ONLY)
    async with order_calls.trading_cluster(folder):
        yield folder


@pytest.fixture
def home(running: Path) -> Path:
    return order_calls.cleared(running)


def _make_read_only(home: Home, alias: str) -> None:
    installation = load_or_make(home)
    logins = tuple(
        msgspec.structs.replace(
            login,
            accounts=tuple(
                msgspec.structs.replace(each, mode=Mode.READ_ONLY) if each.alias == alias else each
                for each in login.accounts
            ),
        )
        for login in installation.logins
    )
    home.save(msgspec.structs.replace(installation, logins=logins))


async def _typed(home: Path, *words: str) -> None:
    """Have a person type a command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "infra.cli", "--home", str(home), *words
    )
    async with asyncio.timeout(WAIT_S):
        assert await process.wait() == 0


CALL: Final = {"security": "option", "expiry": "2026-12-18", "right": "call", "quantity": "1"}
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "good till cancelled": ({"time_in_force": "gtc"}, "good until cancelled"),
    "extended hours": (
        {"outside_regular_hours": True, "session": "extended"},
        "session extended",
    ),
    "stop": (
        {**MARKET, "order_type": "stop", "stop_price": "5000.00"},
        "at market once the price rises to 5000.00 USD",
    ),
    "stop limit": (
        {"order_type": "stop_limit", "stop_price": "5000.00", "limit_price": "5000.00"},
        "at limit 5000.00 USD once the price rises to 5000.00 USD",
    ),
    "trailing": (
        {**MARKET, "order_type": "trailing_stop", "trailing_percent": "20"},
        "once the price rises by 20 % from its lowest",
    ),
    "iceberg": ({"order_type": "iceberg", "display_quantity": "2"}, "showing 2 at a time"),
    "vwap": ({"order_type": "vwap", "participation_rate": "0.1"}, "spread by volume"),
    "bracket": (
        {"take_profit_price": "5000.00", "stop_loss_price": "0.50"},
        "take profit at 5000.00 once filled, stop loss at 0.50 once filled",
    ),
    "one cancels the other": ({"or_stop_price": "5000.00"}, "one cancels the other"),
    "option": ({**CALL, "strike": "230", "limit_price": "0.01"}, "230 call (US option)"),
    "combination": (
        {
            "security": "combination",
            "quantity": "1",
            "limit_price": "0.01",
            # As some clients send a list.
            "legs": json.dumps(
                [
                    {"side": side, "right": "call", "expiry": "2026-12-18", "strike": strike}
                    for side, strike in (("buy", "230"), ("sell", "240"))
                ]
            ),
        },
        "buy 1 2026-12-18 230 call; sell 1 2026-12-18 240 call",
    ),
}


@pytest.mark.parametrize("name", KINDS)
async def test_an_order_of_each_kind_is_told_in_words_and_stands_as_told(
    home: Path, name: str
) -> None:
    more, words = KINDS[name]
    async with served(home) as client:
        preview = await order_calls.previewed(client, "AAPL", **more)
        assert words in preview["summary"]
        assert preview["order"]["order_type"] == terms("AAPL", **more)["order_type"]
        chosen = {"account": ACCOUNT, "preview_id": preview["preview_id"]}
        submitted = await answer(client, "submit_order", **chosen)
        assert submitted["status"] == "accepted", submitted
        row = await order_calls.order(
            client, submitted["order_id"], lambda r: r["phase"] == "working"
        )
        # Its exits have rows of their own by now, which say what becomes of them.
        stands = row["terms"].replace("sent with ", "").removesuffix(".")
        assert preview["summary"].startswith(stands)
        told = await answer(client, "cancel_orders", account=ACCOUNT, all_open=True)
        assert told["status"] == "asked"
        await order_calls.order(client, submitted["order_id"], lambda r: r["phase"] == "cancelled")


AT_ONCE: dict[str, dict[str, Any]] = {
    "a sale's stop above the market": {
        **MARKET,
        "side": "sell",
        "order_type": "stop",
        "stop_price": "5000.00",
    },
    "a buy's stop below it": {**MARKET, "order_type": "stop", "stop_price": LOW},
    "the other one of two": {"side": "sell", "limit_price": "5000.00", "or_stop_price": "4000.00"},
    "exits the wrong way round": {
        "limit_price": "50.00",
        "take_profit_price": "40.00",
        "stop_loss_price": "60.00",
    },
}


@pytest.mark.parametrize("name", AT_ONCE)
async def test_what_would_trade_at_once_against_its_own_words_is_never_sent(
    home: Path, name: str
) -> None:
    control = sandbox_of(home)
    asked = control.request_count(PLACE)
    async with served(home) as client:
        told = await answer(client, "preview_order", **terms("AAPL", **AT_ONCE[name]))
        failed = [row for row in rows_of(told["checks"]) if row["result"] == "failed"]
        assert failed, told
        assert all("AT ONCE" in row["detail"] for row in failed), failed
        assert told["can_submit"] is False
        chosen = {"account": ACCOUNT, "preview_id": told["preview_id"]}
        refused = await answer(client, "submit_order", **chosen)
    assert (refused["status"], refused["code"]) == ("refused", "check_failed")
    assert control.request_count(PLACE) == asked


async def test_a_stop_is_not_moved_past_the_market(home: Path) -> None:
    control = sandbox_of(home)
    stop = {**MARKET, "order_type": "stop", "stop_price": "5000.00"}
    async with served(home) as client:
        order_id = await order_calls.resting(client, "AAPL", **stop)
        asked = control.request_count(MODIFY)
        change = {"account": ACCOUNT, "order_id": order_id, "reason": "a test"}
        told = await answer(client, "modify_order", **change, stop_price=LOW)
        assert (told["status"], told["code"]) == ("refused", "warned")
        assert told["detail"].startswith("stop_price goes from 5000")
        assert control.request_count(MODIFY) == asked
        seen = told["next_step"].split('"')[1]
        told = await answer(client, "modify_order", **change, stop_price=LOW, warned=seen)
        assert (told["status"], told["code"]) == ("refused", "invalid_terms")
        assert "it would buy AT ONCE" in told["detail"]
        assert control.request_count(MODIFY) == asked
        moved = await answer(client, "modify_order", **change, stop_price="4000.00")
        assert moved["status"] == "replaced"
        await order_calls.cancelled(client, order_id)


async def test_an_order_by_amount_and_an_option_fill_and_show_as_positions(home: Path) -> None:
    async with served(home) as client:
        by_amount = await order_calls.submitted(
            client, "MSFT", **MARKET, quantity=None, cash_amount="500"
        )
        option = await order_calls.submitted(
            client, "AAPL", **CALL, strike="220", limit_price="200.00"
        )
        for submitted in (by_amount, option):
            assert submitted["status"] == "accepted", submitted
            await order_calls.order(
                client, submitted["order_id"], lambda row: row["phase"] == "filled"
            )
        held = await order_calls.until(
            client,
            "get_positions",
            lambda told: len(rows_of(told["positions"])) > 0,
            security="option",
        )
        (row,) = rows_of(held["positions"])
        named = {name: row[name] for name in ("symbol", "expiry", "strike", "right", "quantity")}
        assert named == {
            "symbol": "AAPL",
            "expiry": "2026-12-18",
            "strike": "220",
            "right": "call",
            "quantity": "1",
        }
        ordered = {by_amount["order_id"], option["order_id"]}
        # An order's end may be known before its executions are.
        fills = await order_calls.until(
            client,
            "get_executions",
            lambda told: ordered <= {row["order_id"] for row in rows_of(told["executions"])},
            since="today",
            limit=200,
        )
        assert fills["period"]["since"]
        found = {row["order_id"]: row for row in rows_of(fills["executions"])}
        assert found[option["order_id"]]["contract"] == "AAPL261218C220"
        balances = await answer(client, "get_balances", account=ACCOUNT)
        assert rows_of(balances["cash"])
        assert (balances["environment"], balances["time_zone"]) == ("sandbox", "UTC")


async def test_the_margin_of_an_order_is_its_own_on_an_account_that_holds_something(
    home: Path,
) -> None:
    async with served(home) as client:
        before = await order_calls.previewed(client, "AAPL", quantity="3")
        bought = await order_calls.submitted(client, "AAPL", **MARKET, quantity="5")
        await order_calls.order(client, bought["order_id"], lambda row: row["phase"] == "filled")
        after = await order_calls.previewed(client, "AAPL", quantity="3")
    margins = [Decimal(each["estimate"]["initial_margin"]["amount"]) for each in (before, after)]
    assert margins[0] == margins[1] > 0


@both_eras
async def test_a_key_makes_previews_one_and_other_content_a_conflict(home: Path, mode: Era) -> None:
    control = sandbox_of(home)
    key = f"preview-{mode}"
    async with served(home, mode=mode) as client, served(home) as another:
        first = await order_calls.previewed(client, "AAPL", key=key)
        asked = control.request_count()
        again = await answer(client, "preview_order", **terms("AAPL", key=key, quantity="10.0"))
        assert again == first
        elsewhere = await answer(another, "preview_order", **terms("AAPL", key=key))
        assert elsewhere["preview_id"] == first["preview_id"]
        conflict = await answer(
            client, "preview_order", **terms("AAPL", key=key, quantity="11", side="sell")
        )
        assert (conflict["status"], conflict["code"]) == ("refused", "key_conflict")
        assert "quantity, side" in conflict["detail"]
        placing = [entry.method for entry in control.journal(since=asked)]
        assert "preview_order" not in placing


@both_eras
async def test_a_model_can_halt_and_only_a_person_resumes(home: Path, mode: Era) -> None:
    control = sandbox_of(home)
    symbol = "BRK.A"
    async with served(home, mode=mode) as client:
        order_id = await order_calls.resting(client, symbol)
        preview = await order_calls.previewed(client, symbol)
        asked = control.request_count(PLACE)
        halted = await answer(
            client, "halt_trading", account=ACCOUNT, symbol=symbol, reason="too fast"
        )
        assert (halted["status"], halted["scope"]) == ("halted", f"{symbol} of {ACCOUNT}")
        assert "Only a person can resume" in halted["next_step"]
        refused = await answer(
            client, "submit_order", account=ACCOUNT, preview_id=preview["preview_id"]
        )
        assert (refused["status"], refused["code"]) == ("refused", "account_halted")
        assert control.request_count(PLACE) == asked
        await order_calls.order(client, order_id, lambda row: row["phase"] == "cancelled")
        whole = await order_calls.until(
            client, "get_account", lambda told: symbol not in told.get("unverified_halts", [])
        )
        assert symbol in whole["halted_symbols"]
        again = await answer(
            client, "halt_trading", account=ACCOUNT, symbol=symbol, reason="once more"
        )
        assert again["status"] == "halted"
        assert again.get("still_open", []) == []
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert not {name for name in names if "resume" in name or "approve" in name}
        shown_n = str((await answer(client, "get_account", account=ACCOUNT))["as_of"]["n"])
        await _typed(home, "resume", ACCOUNT, "--symbol", symbol, "--shown", shown_n)
        await order_calls.until(client, "get_account", lambda told: "halted_symbols" not in told)
        preview = await order_calls.previewed(client, symbol)
        assert preview["can_submit"]


WRITES: dict[str, dict[str, Any]] = {
    "submit_order": {"preview_id": "prv-" + "0" * 32},
    "modify_order": {"order_id": "o1", "quantity": "5", "reason": "x"},
    "cancel_orders": {"all_open": True},
    "halt_trading": {"reason": "x"},
}


@both_eras
async def test_on_a_read_only_account_a_preview_shows_and_every_write_is_refused(
    home: Path, mode: Era
) -> None:
    control = sandbox_of(home)
    async with served(home, mode=mode) as client:
        before = {method: control.request_count(method) for method in (PLACE, MODIFY, CANCEL)}
        shown = await answer(client, "preview_order", **terms("AAPL") | {"account": READ_ONLY})
        assert (shown["status"], shown["can_submit"]) == ("previewed", False)
        failed = {row["name"] for row in rows_of(shown["checks"]) if row["result"] == "failed"}
        assert failed == {"account_open"}
        WRITES["submit_order"]["preview_id"] = shown["preview_id"]
        for tool, arguments in WRITES.items():
            text = await fault(client, tool, account=READ_ONLY, **arguments)
            assert text.startswith("account_read_only: "), text
        mode_of = {
            row["account"]: row["mode"]
            for row in rows_of((await answer(client, "list_accounts"))["accounts"])
        }
        assert mode_of[READ_ONLY] == "read_only"
        assert {m: control.request_count(m) for m in before} == before


ODD: Final[tuple[Any, ...]] = (None, [], {}, -1, 1.5, True)
HOSTILE: Final = ("", " ", "\x00", "../../x", "*", ">", "NaN", "-1", "9" * 60, "'; DROP", "{}", "é")


@both_eras
async def test_hostile_arguments_meet_words_and_never_the_broker(home: Path, mode: Era) -> None:
    control = sandbox_of(home)
    async with served(home, mode=mode) as client:
        before = {method: control.request_count(method) for method in (PLACE, MODIFY, CANCEL)}
        numbers = [
            account.number for login in Home(home).load().logins for account in login.accounts
        ]
        calls = 0
        for tool in (await client.list_tools()).tools:
            if tool.name not in GOOD:
                continue
            for name in tool.input_schema["properties"]:
                for value in (*HOSTILE, *ODD):
                    result = await client.call_tool(tool.name, GOOD[tool.name] | {name: value})
                    said = str(result.content) + str(result.structured_content)
                    calls += 1
                    assert len(said) < 60_000, (tool.name, name, value)
                    for secret in ("Traceback", "pydantic", 'File "', "private_key", *numbers):
                        assert secret not in said, (tool.name, name, value, secret)
                    if result.is_error:
                        code = text_of(result).partition(":")[0]
                        assert code.isidentifier(), said[:200]
                        assert code != "internal", (tool.name, name, value, said[:300])
        assert calls > 500
        assert {m: control.request_count(m) for m in before} == before
        await answer(client, "list_accounts")


GOOD: dict[str, dict[str, Any]] = {
    "list_accounts": {},
    "get_account": {"account": ACCOUNT},
    "get_positions": {"account": ACCOUNT},
    "get_balances": {"account": ACCOUNT},
    "get_orders": {"account": ACCOUNT},
    "get_executions": {"account": ACCOUNT},
    "explain_order": {"account": ACCOUNT, "order_id": "ord-1"},
    # Refused by its own terms, whatever else is changed.
    "preview_order": terms("NOSUCH", limit_price="0"),
    "submit_order": {"account": ACCOUNT, "preview_id": "prv-" + "0" * 32},
    "modify_order": {"account": ACCOUNT, "order_id": "o1", "quantity": "5", "reason": "x"},
    "cancel_orders": {"account": ACCOUNT, "order_ids": ["ord-x"]},
    "halt_trading": {"account": READ_ONLY, "reason": "x"},
}
