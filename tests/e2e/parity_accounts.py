"""Rows of the predecessors' table about accounts, and those that are refused or come later."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from infra.cli.account import account
from tests.e2e.parity_orders import MARKET
from tests.e2e.parity_stage import Case, Stage, same
from tests.support.cluster import ACCOUNT, text_of
from tests.support.gateway import rows_of
from tests.support.parity_rows import LATER_TOOLS

SECRET: Final = "MIICXAIBAAKBgQC-not-to-be-seen-again"
OTHER: Final = "sandbox-two"
PAID_IN: Final = Decimal("1234.56")


async def tiger_list_accounts(stage: Stage) -> None:
    told = await stage.ask("list_accounts")
    rows = {row["account"]: row for row in rows_of(told["accounts"])}
    assert rows.keys() == {ACCOUNT, "sandbox-paper", OTHER}
    assert {row["environment"] for row in rows.values()} == {"sandbox"}
    assert rows[ACCOUNT]["state"] == "active"
    # Not even a broker's number of an account is told.
    assert stage.number not in str(told)


async def tiger_get_account_status(stage: Stage) -> None:
    told = await stage.own("get_account")
    assert (told["state"], told["mode"], told["environment"]) == ("active", "auto", "sandbox")
    assert told["token"]["state"] == "none"
    open_orders = sum(order.is_open for order in stage.book().orders)
    assert told["open_orders"] == open_orders
    rights = {row["right"] for row in await stage.rows("get_market_status", view="rights")}
    read = await stage.sdk(stage.quotes.get_quote_permission)
    assert rights == {each["name"] for each in read}


async def tiger_get_positions(stage: Stage) -> None:
    stock = await stage.placed("NVDA", **MARKET, quantity="7")
    await stage.order(stock["order_id"], "filled")
    told = await stage.until(
        "get_positions", lambda seen: bool(seen["positions"]["rows"]), symbol="NVDA"
    )
    (row,) = rows_of(told["positions"])
    held = stage.book().positions["NVDA"]
    assert Decimal(row["quantity"]) == held.quantity
    # Fees are no part of what it cost.
    assert Decimal(row["average_cost"]) == held.cost / held.quantity
    assert (row["currency"], row["market"]) == ("USD", "US")
    told = await stage.own("get_positions", view="now", symbol="NVDA")
    (now,) = rows_of(told["positions"])
    assert Decimal(now["quantity"]) == held.quantity


async def get_positions(stage: Stage) -> None:
    option = await stage.placed("AAPL", **stage.call_option("220", "200.00"))
    hong_kong = await stage.placed("00700", **MARKET, quantity="100")
    for told in (option, hong_kong):
        await stage.order(told["order_id"], "filled")
    seen = await stage.until(
        "get_positions", lambda told: bool(told["positions"]["rows"]), security="option"
    )
    (row,) = rows_of(seen["positions"])
    assert (row["symbol"], row["strike"], row["right"]) == ("AAPL", "220", "call")
    held = stage.book().positions[stage.call_key("AAPL", 220)]
    assert Decimal(row["quantity"]) == held.quantity == 1
    seen = await stage.until(
        "get_positions", lambda told: bool(told["positions"]["rows"]), market="HK"
    )
    (row,) = rows_of(seen["positions"])
    assert (row["symbol"], row["currency"], row["quantity"]) == ("00700", "HKD", "100")


async def tiger_get_account_info(stage: Stage) -> None:
    stage.control.external_cash(stage.number_of(OTHER), "USD", PAID_IN)
    cash = stage.control.book(stage.number_of(OTHER)).cash
    told = await stage.ask("get_balances", account=OTHER, view="now")
    balances = {
        row["currency"]: Decimal(row["balance"])
        for row in rows_of(told["cash"])
        if row["segment"] == "securities"
    }
    assert balances == cash
    assert (told["account"], told["environment"], told["currency"]) == (OTHER, "sandbox", "USD")
    named = {row["segment"]: row for row in rows_of(told["segments"])}
    assert named["securities"]["net_liquidation"] == told["net_liquidation"]
    # No other account's figures are ever told.
    own = await stage.own("get_balances", view="now")
    assert own["net_liquidation"] != told["net_liquidation"]
    said = await stage.refusal("get_balances", account=OTHER, base_currency="HKD")
    assert said.startswith("invalid_argument: base_currency: only view=now or history")


async def get_assets(stage: Stage) -> None:
    for currency in ("USD", "HKD"):
        told = await stage.own("get_balances", view="now", base_currency=currency)
        read = await stage.sdk(
            stage.trades.get_prime_assets, account=stage.number, base_currency=currency
        )
        rows = {row["segment"]: row for row in rows_of(told["segments"])}
        assert told["currency"] == currency
        for category, segment in {"S": "securities", "C": "futures", "F": "funds"}.items():
            theirs = read.segments[category]
            for name, wire in {
                "net_liquidation": "net_liquidation",
                "cash_balance": "cash_balance",
                "positions_value": "gross_position_value",
                "buying_power": "buying_power",
                "unrealized_profit": "unrealized_pl",
                "realized_profit": "realized_pl",
                "initial_margin": "init_margin",
                "maintenance_margin": "maintain_margin",
                "excess_liquidity": "excess_liquidation",
                "leverage": "leverage",
            }.items():
                assert same(rows[segment][name], getattr(theirs, wire)), (segment, name)
    assert "base_currency" in await stage.refusal(
        "get_balances", account=ACCOUNT, view="now", base_currency="ZZZ"
    )


async def get_analytics_asset(stage: Stage) -> None:
    begin = str(stage.today - timedelta(days=20))
    told = await stage.own("get_balances", view="history", begin=begin, base_currency="HKD")
    read = await stage.sdk(
        stage.trades.get_analytics_asset,
        account=stage.number,
        start_date=begin,
        end_date=told["facts"]["to_day"],
        seg_type="SEC",
        currency="HKD",
    )
    rows = [row for row in rows_of(told["history"]) if row["segment"] == "securities"]
    assert told["currency"] == "HKD"
    assert len(rows) == len(read["history"]) > 10
    for row, theirs in zip(rows, reversed(read["history"]), strict=True):
        for name, wire in {"value": "asset", "cash": "cash_balance", "profit": "pnl"}.items():
            assert same(row[name], theirs[wire]), (row, theirs)
    assert rows[-1]["day"] == read["history"][0]["dt"]
    assert same(told["facts"]["securities_profit"], read["summary"]["pnl"])
    cut = await stage.own("get_balances", view="history", begin=begin, end="10d")
    days = [row["day"] for row in rows_of(cut["history"])]
    assert max(days) == cut["facts"]["to_day"] <= str(stage.today - timedelta(days=9))
    assert set(days) == {row["day"] for row in rows if row["day"] <= max(days)} != set()
    said = await stage.refusal("get_balances", account=ACCOUNT, view="now", begin="5d")
    assert "begin: only view=history" in said


async def tiger_add_account(stage: Stage) -> None:
    told = stage.instructions()
    assert "`tiger-mcp account add`" in told
    assert "credentials never pass" in told
    assert {"add", "remove"} <= account.commands.keys(), "what is named can be typed"
    before = await stage.ask("list_accounts")
    result = await stage.client.call_tool("tiger_add_account", {"secret_key": SECRET})
    assert result.is_error
    assert SECRET not in text_of(result)
    assert "`tiger-mcp account add ALIAS --props FILE`" in text_of(result)
    said = await stage.refusal("list_accounts", secret_key=SECRET)
    assert said.startswith("invalid_argument: secret_key: there is no such argument")
    assert SECRET not in said
    assert [row[0] for row in (await stage.ask("list_accounts"))["accounts"]["rows"]] == [
        row[0] for row in before["accounts"]["rows"]
    ]


async def tiger_remove_account(stage: Stage) -> None:
    assert "`account remove`" in stage.instructions()
    for name in ("tiger_remove_account", "remove_account"):
        said = await stage.refusal(name, account_id=ACCOUNT)
        assert "`tiger-mcp account remove ALIAS`" in said
    told = await stage.ask("list_accounts")
    assert ACCOUNT in {row["account"] for row in rows_of(told["accounts"])}


async def tiger_set_default_data_account(stage: Stage) -> None:
    assert "no default account" in stage.instructions()
    said = await stage.refusal("tiger_set_default_data_account", account_id=ACCOUNT)
    assert "get_quotes need none" in said
    # None is needed: the answer says whose login was asked, and a named one is asked and no other.
    told = await stage.ask("get_quotes", symbols=["AAPL"])
    assert told["account"] == ACCOUNT
    told = await stage.ask("get_quotes", symbols=["AAPL"], account=OTHER)
    assert told["account"] == OTHER
    assert "account" in await stage.refusal("get_quotes", symbols=["AAPL"], account="nobody")


async def tiger_set_default_trading_account(stage: Stage) -> None:
    assert "no default account" in stage.instructions()
    said = await stage.refusal("tiger_set_default_trading_account", account_id=ACCOUNT)
    assert "Name the account in each call" in said
    placed = stage.control.request_count("place_order")
    asked: dict[str, dict[str, Any]] = {
        "preview_order": {"symbol": "AAPL", "side": "buy", "order_type": "market", "reason": "x"},
        "submit_order": {"preview_id": "prv-" + "0" * 32},
        "cancel_orders": {"all_open": True},
        "get_balances": {},
    }
    for tool, arguments in asked.items():
        said = await stage.refusal(tool, **arguments)
        assert said.startswith("invalid_argument: account: is needed"), (tool, said)
    assert stage.control.request_count("place_order") == placed


async def tiger_refresh_token(stage: Stage) -> None:
    listed = {tool.name for tool in (await stage.client.list_tools()).tools}
    assert listed.isdisjoint(LATER_TOOLS)
    for name in ("tiger_refresh_token", "refresh_token"):
        assert "tokens renew themselves" in await stage.refusal(name, account=ACCOUNT)
    told = await stage.own("get_account")
    assert told["token"]["state"] == "none"
    assert "a key that does not expire" in told["token"]["detail"]


CASES: Final[dict[str, Case]] = {
    "seed tiger_list_accounts": tiger_list_accounts,
    "seed tiger_add_account": tiger_add_account,
    "seed tiger_remove_account": tiger_remove_account,
    "seed tiger_get_account_status": tiger_get_account_status,
    "seed tiger_refresh_token": tiger_refresh_token,
    "seed tiger_set_default_data_account": tiger_set_default_data_account,
    "seed tiger_set_default_trading_account": tiger_set_default_trading_account,
    "seed tiger_get_positions": tiger_get_positions,
    "seed tiger_get_account_info": tiger_get_account_info,
    "official get_positions": get_positions,
    "official get_assets": get_assets,
    "official get_analytics_asset": get_analytics_asset,
}
