"""What the gateway tells of accounts: their state, their token, and what helps."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.mcp import answers
from adapters.mcp.callers import CALLER, Caller, read_grants
from core import views
from core.asks import AskFault, AskReply
from core.errors import LinkError
from core.items import TokenFact
from core.modes import Environment
from tests.support.gateway import MODES, NOW, Mode, World, error_of, rows_of, told
from tests.support.gateway_script import account_row

UTC_NOW = "2026-11-22T15:30:00Z"
both_eras = pytest.mark.parametrize("mode", MODES)


def troubled(**changes: Any) -> views.AccountRow:
    """Return an account with something open, something in doubt and something halted."""
    whole: dict[str, Any] = {
        "state": "frozen",
        "detail": "a strange order",
        "halted_symbols": ("AAPL",),
        "open_orders": 2,
        "doubtful_orders": 1,
    }
    return account_row(**(whole | changes))


@both_eras
async def test_accounts_are_listed_with_world_mode_and_state(mode: Mode) -> None:
    world = World()
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=(troubled(),))
    async with world.client(mode) as client:
        answer = told(await client.call_tool("list_accounts", {}))
    assert rows_of(answer["accounts"]) == [
        {
            "account": "sandbox",
            "environment": "sandbox",
            "mode": "auto",
            "state": "frozen",
            "open_orders": 2,
            "doubtful_orders": 1,
            "detail": "a strange order",
            "as_of": UTC_NOW,
        }
    ]


TOKEN_STEPS = {
    "issued": "renewed by itself",
    "refreshed": "renewed by itself",
    "refresh_failed": "a person must put a new token into the login's token file",
    "expiring": "a person must put a new token into the login's token file",
    "expired": "takes no call of this login: a person must put a new token",
    "revoked": "takes no call of this login: a person must put a new token",
}


@pytest.mark.parametrize("state", list(TokenFact))
async def test_a_token_past_its_end_is_not_said_to_be_well(state: TokenFact) -> None:
    ends = NOW - timedelta(hours=30)
    token = views.TokenRow(state=state, issued_at=None, expires_at=ends, detail="", recorded_at=NOW)
    world = World()
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(
        accounts=(troubled(state="active", token=token),)
    )
    async with world.client("auto") as client:
        answer = told(await client.call_tool("get_account", {"account": "sandbox"}))
    assert answer["token"]["state"] == state
    assert answer["token"]["expires_in_hours"] == 0
    step = answer["token"]["next_step"]
    assert "takes no call" in step
    assert "a person must put a new token" in step
    assert answer["next_step"] == step


async def test_a_login_is_named_on_this_machine_alone() -> None:
    row = troubled(state="active")
    here = answers.account_answer(row, now=NOW, is_local=True)
    assert here.login == row.login != ""
    there = answers.account_answer(row, now=NOW, is_local=False)
    assert row.login not in msgspec.json.encode(there).decode()
    world = World()
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=(row,))
    before = CALLER.set(Caller("ann", "t", read_grants(("tiger:sandbox:viewer",))))
    try:
        async with world.client("auto") as client:
            told_there = told(await client.call_tool("get_account", {"account": "sandbox"}))
    finally:
        CALLER.reset(before)
    assert "login" not in told_there


@pytest.mark.parametrize("state", list(TokenFact))
async def test_a_token_says_when_it_ends_and_what_to_do(state: TokenFact) -> None:
    ends = NOW + timedelta(hours=5)
    token = views.TokenRow(state=state, issued_at=None, expires_at=ends, detail="", recorded_at=NOW)
    world = World()
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(
        accounts=(troubled(state="active", token=token),)
    )
    async with world.client("auto") as client:
        listed = told(await client.call_tool("list_accounts", {}))
        answer = told(await client.call_tool("get_account", {"account": "sandbox"}))
    (row,) = rows_of(listed["accounts"])
    assert (row["token"], row["token_expires_at"]) == (state, "2026-11-22T20:30:00Z")
    step = answer["token"]["next_step"]
    assert TOKEN_STEPS[state] in step
    # With a dead token no order gets through, whatever else is well.
    is_dead = state in (TokenFact.EXPIRED, TokenFact.REVOKED)
    assert (answer["next_step"] == step) is is_dead


@both_eras
async def test_an_account_tells_its_token_its_halts_and_what_helps(mode: Mode) -> None:
    world = World()
    row = troubled(
        state="halted",
        unverified_halts=("", "AAPL"),
        reconciled_at=NOW,
        token=views.TokenRow(
            state="expiring",
            issued_at=None,
            expires_at=NOW + timedelta(hours=5, minutes=30),
            detail="no\x07new",
            recorded_at=NOW,
        ),
        breaks=(
            views.PositionBreakRow(
                break_id="evt-1",
                symbol="AAPL",
                market="US",
                expected=Decimal(1),
                observed=Decimal(3),
                found_at=NOW,
            ),
        ),
    )
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=(row,))
    async with world.client(mode) as client:
        answer = told(await client.call_tool("get_account", {"account": "sandbox"}))
        lacking = error_of(await client.call_tool("get_account", {"account": "paper-1"}))
    assert lacking.startswith("behind: ")
    assert answer == {
        "environment": "sandbox",
        "account": "sandbox",
        "as_of": {"n": 5, "at": UTC_NOW},
        "login": "main",
        "mode": "auto",
        "state": "halted",
        "next_step": answer["next_step"],
        "detail": "a strange order",
        "token": {
            "state": "expiring",
            "next_step": answer["token"]["next_step"],
            "expires_at": "2026-11-22T21:00:00Z",
            "expires_in_hours": 5,
            "recorded_at": UTC_NOW,
            "detail": "no new",
        },
        "reconciled_at": UTC_NOW,
        "open_orders": 2,
        "doubtful_orders": 1,
        "halted_symbols": ["AAPL"],
        "unverified_halts": ["the account", "AAPL"],
        "position_breaks": {
            "columns": ["break_id", "symbol", "market", "expected", "observed", "found_at"],
            "rows": [["evt-1", "AAPL", "US", "1", "3", UTC_NOW]],
        },
        "time_zone": "UTC",
    }
    assert "tiger-mcp resume" in answer["next_step"]


@both_eras
@pytest.mark.parametrize(("symbols", "words"), [((), ""), (("AAPL",), "but for the symbols that")])
async def test_account_with_an_order_in_doubt_says_what_it_bars_and_who_helps(
    mode: Mode, symbols: tuple[str, ...], words: str
) -> None:
    world = World()
    row = troubled(state="active", halted_symbols=symbols)
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=(row,))
    async with world.client(mode) as client:
        answer = told(await client.call_tool("get_account", {"account": "sandbox"}))
    assert words in answer["next_step"]
    assert "get_orders(status=open)" in answer["next_step"]
    assert "`tiger-mcp release`" in answer["next_step"]


@both_eras
@pytest.mark.parametrize("state", ["active", "halted", "frozen", "stale"])
async def test_an_account_whose_worker_does_not_answer_is_unavailable(
    mode: Mode, state: str
) -> None:
    world = World()
    there = troubled(alias="paper-1", environment=Environment.PAPER, state=state)
    row = troubled(state=state)
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=(there, row))
    world.bus.answers["ask.sandbox.health"] = LinkError("expected an answer, was none")
    async with world.client(mode) as client:
        listed = told(await client.call_tool("list_accounts", {}))
        answer = told(await client.call_tool("get_account", {"account": "sandbox"}))
    assert [each["state"] for each in rows_of(listed["accounts"])] == [state, "unavailable"]
    assert answer["state"] == "unavailable"
    # What was known of it last is not lost.
    assert answer["detail"] == f"last recorded: {state}, a strange order"
    assert "tiger-mcp status" in answer["next_step"]


async def test_a_worker_that_says_no_is_there_and_one_that_starts_is_not_asked() -> None:
    world = World()
    started = troubled(alias="paper-1", environment=Environment.PAPER, state="starting")
    rows = (started, troubled(state="active"))
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=rows)
    world.bus.answers["ask.paper-1.health"] = LinkError("expected an answer, was none")
    busy = AskReply(fault=AskFault(code="busy", message="too many questions at once"))
    world.bus.answers["ask.sandbox.health"] = busy
    async with world.client("auto") as client:
        listed = told(await client.call_tool("list_accounts", {}))
    assert [each["state"] for each in rows_of(listed["accounts"])] == ["starting", "active"]
