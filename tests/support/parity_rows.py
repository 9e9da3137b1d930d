"""What the predecessors' tools could do, row by row, and what does it here.

The seed is `luxiaolei/tiger-mcp`, generation 1; the official server is Tiger's `tigermcp` 0.1.7. A
row that is no capability here says so: refused by design, with what a person types instead, or
waiting for later work. `docs/tools.md` shows the rows, `tests/e2e/test_parity.py` performs each of
those two.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple

_ARGUMENTS: Final = re.compile(r"\([^)]*\)|`[^`]*`")
_TOOL: Final = re.compile(r"[a-z]+(?:_[a-z]+)+")


class Answered(StrEnum):
    """How a predecessor's tool is answered here."""

    BY_TOOL = "tool"
    AT_START = "at the start"
    REFUSED = "refused by design"
    LATER = "later"


class Row(NamedTuple):
    """One tool of a predecessor's; `ours` is the call, or what a person types."""

    name: str
    ours: str
    note: str = ""
    answered: Answered = Answered.BY_TOOL

    @property
    def tools(self) -> frozenset[str]:
        """Return the tools of ours that the row names."""
        return frozenset(_TOOL.findall(_ARGUMENTS.sub("", self.ours)))


_NO_DEFAULT: Final = (
    "There is no default account: whoever may be meant is named in each call, and a person is "
    "never traded for by accident."
)
SEED: Final[tuple[Row, ...]] = (
    Row("tiger_get_quote", "get_quotes(symbols)"),
    Row("tiger_get_kline", "get_bars(symbol, period, limit)", "pages by `cursor`, no end at 300"),
    Row("tiger_get_market_data", "get_quotes(symbols)", "up to 50 at once, of several markets"),
    Row("tiger_search_symbols", "find_contracts(query, market)"),
    Row(
        "tiger_get_option_chain",
        "get_option_chain(symbol), get_option_chain(symbol, expiry)",
        "expiries first, then calls and puts with the underlying's price",
    ),
    Row("tiger_get_market_status", "get_market_status(market)"),
    Row("tiger_get_contracts", "find_contracts(symbols)"),
    Row(
        "tiger_get_financials",
        "get_fundamentals(what=overview), get_fundamentals(what=report, fields)",
        "the broker has no beta",
    ),
    Row(
        "tiger_get_corporate_actions",
        "get_fundamentals(what=dividend), get_fundamentals(what=split)",
        "and `symbol_change`, `delisting`, `ipo`",
    ),
    Row("tiger_get_earnings", "get_fundamentals(what=earnings)", "estimates and what came"),
    Row("tiger_list_accounts", "list_accounts"),
    Row(
        "tiger_add_account",
        "a person types `tiger-mcp account add`",
        "Credentials never pass through a model.",
        Answered.REFUSED,
    ),
    Row(
        "tiger_remove_account",
        "a person types `tiger-mcp account remove`",
        "No tool changes which accounts there are.",
        Answered.REFUSED,
    ),
    Row(
        "tiger_get_account_status",
        "get_account(account), get_market_status(view=rights)",
        "mode, state, halts, breaks, token; the quote rights held",
    ),
    Row(
        "tiger_refresh_token",
        "get_account(account)",
        "The worker refreshes by itself; `get_account` shows the token's state and end.",
        Answered.LATER,
    ),
    Row(
        "tiger_set_default_data_account",
        "get_quotes(symbols) and its like need no account",
        _NO_DEFAULT,
        Answered.REFUSED,
    ),
    Row(
        "tiger_set_default_trading_account",
        "preview_order(account) names it",
        _NO_DEFAULT,
        Answered.REFUSED,
    ),
    Row("tiger_get_positions", "get_positions(account, view)", "view=now has prices of now"),
    Row(
        "tiger_get_account_info",
        "get_balances(account, view=now)",
        "asked now; `recorded` is what checks of orders use",
    ),
    Row("tiger_get_orders", "get_orders(account, status, symbol, since, until)"),
    Row(
        "tiger_place_order",
        "preview_order(account), submit_order(account, preview_id)",
        "two steps; the broker knows no IOC and no FOK",
    ),
    Row(
        "tiger_cancel_order",
        "cancel_orders(account, order_ids), get_orders(account)",
        "`requested` until the broker's listing shows it",
    ),
    Row("tiger_modify_order", "modify_order(account, order_id)"),
)
OFFICIAL: Final[tuple[Row, ...]] = (
    Row(
        "get_realtime_quote",
        "get_quotes(symbols, security, session)",
        "stocks, options, futures, warrants and funds",
    ),
    Row("get_depth_quote", "get_market_depth(symbol, security)", "futures too"),
    Row(
        "get_ticks",
        "get_bars(symbol, period=tick, security, session)",
        "the latest, and back by `cursor`",
    ),
    Row("get_bars", "get_bars(symbol, period, security, adjusted, session, begin, end)"),
    Row("get_timeline", "get_bars(symbol, period=timeline, security, session, begin)"),
    Row("get_capital_flow", "get_market_depth(symbol, view=capital_flow, period)"),
    Row("get_capital_distribution", "get_market_depth(symbol, view=capital_distribution)"),
    Row("get_stock_broker", "get_market_depth(symbol, view=brokers)"),
    Row("get_option_expirations", "get_option_chain(symbol)"),
    Row("get_option_chain", "get_option_chain(symbol, expiry, right, money, filters)"),
    Row("get_hk_option_symbols", "find_contracts(security=option, market=HK)"),
    Row("get_market_status", "get_market_status(market)"),
    Row("get_positions", "get_positions(account, security, market, symbol)"),
    Row("get_assets", "get_balances(account, view=now, base_currency)"),
    Row("get_analytics_asset", "get_balances(account, view=history, begin, end, base_currency)"),
    Row("get_contract", "find_contracts(symbols, security)", "an option by its OCC symbol"),
    Row(
        "preview_order",
        "preview_order(account)",
        "combinations too, and a fund by amount",
    ),
    Row(
        "place_order",
        "preview_order(account), submit_order(account, preview_id)",
        "our own mark finds an order again after a doubt; `key` makes a repeated wish one",
    ),
    Row("cancel_order", "cancel_orders(account, order_ids), get_orders(account)"),
    Row("get_orders", "get_orders(account, status, symbol, since, until)"),
    Row("get_order", "get_orders(account, order_ids), explain_order(account, order_id)"),
    Row("get_transactions", "get_executions(account, symbol, order_id, since, until)"),
)
# Of the seed's second generation, which is a REST process and a shim with eleven tools.
SHIM: Final[tuple[Row, ...]] = (
    Row("place_option_order", "preview_order(account, security=option), submit_order(account)"),
    Row("modify_order", "modify_order(account, order_id)", "a stub text there"),
    Row("search_symbols", "find_contracts(query)", "five fixed names there"),
)
# What both have beside their tools; the seed's two are registered in a form that fails there.
RESOURCES: Final[tuple[Row, ...]] = (
    Row(
        "tiger://health",
        "list_accounts, get_account(account)",
        "state, freezes, breaks and token; of the processes a person types `tiger-mcp status`",
    ),
    Row(
        "tiger://info",
        "name, version and instructions, as every client gets them at the start",
        "`tiger-mcp --version` for a person",
        Answered.AT_START,
    ),
    Row(
        "server://status",
        "get_account(account), get_market_status(view=rights)",
        "account and quote rights; `tiger-mcp doctor` looks at the machine",
    ),
)
# Tools that are promised for later, and are not listed until they work.
LATER_TOOLS: Final = ("watch_price", "get_alerts", "search_audit", "refresh_token")


def all_rows() -> dict[str, Row]:
    """Return every row that must be performed, by `seed` or `official` and its name."""
    named = [("seed", row) for row in SEED] + [("official", row) for row in OFFICIAL]
    return {f"{source} {row.name}": row for source, row in named}
