"""Calls that a model would make of every tool, for the walk, and what else it would put into them.

Every word of a closed list is in a call here, or can be put into one of them by itself: what only
goes together stands together. Words in braces as in `tool_walk_values`.
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.support.tool_walk_values import (
    ACCOUNTS,
    HALTED_ACCOUNT,
    INJECTION,
    TRADED,
    WATCHED_ACCOUNT,
)

_BUY: Final = {"side": "buy", "order_type": "limit", "limit_price": "1.00", "quantity": "10"}
_AAPL: Final = {"account": TRADED[0], "symbol": "AAPL", "reason": "a walk", **_BUY}
_MARKET: Final = {
    "account": TRADED[1],
    "symbol": "MSFT",
    "side": "buy",
    "order_type": "market",
    "quantity": "1",
    "reason": INJECTION,
}
_CALL: Final = {"security": "option", "expiry": "{expiry:0}", "right": "call", "quantity": "1"}
_LEG: Final = {"right": "call", "expiry": "{expiry:0}"}
_NO_LIMIT: Final = {name: value for name, value in _AAPL.items() if name != "limit_price"}
_WARRANT: Final = _AAPL | {
    "right": "call",
    "strike": "100",
    "quantity": "10000",
    "limit_price": "0.01",
}
_FUND: Final = {
    **{name: value for name, value in _MARKET.items() if name not in ("quantity", "symbol")},
    "security": "fund",
    "symbol": "{fund:0}",
    "cash_amount": "500",
}
# No market has reached it.
_FAR: Final = "5000.00"

_ORDERS: Final[tuple[dict[str, Any], ...]] = (
    _AAPL,
    _MARKET,
    _AAPL | {"account": TRADED[1], "time_in_force": "gtc", "key": "wish-1"},
    _AAPL | {"time_in_force": "gtd", "good_till": "{moment:2}"},
    _AAPL | {"time_in_force": "opg"},
    _AAPL | {"account": WATCHED_ACCOUNT},
    _AAPL | {"symbol": "00700", "quantity": "100", "limit_price": "100"},
    _AAPL | {"outside_regular_hours": True, "session": "extended"},
    _AAPL | {"order_type": "iceberg", "display_quantity": "2"},
    _AAPL | {"order_type": "vwap", "participation_rate": "0.1"},
    _NO_LIMIT | {"order_type": "twap", "start_at": "{moment:0}", "end_at": "{moment:1}"},
    _NO_LIMIT | {"order_type": "auction"},
    _AAPL | {"take_profit_price": _FAR, "stop_loss_price": "0.50"},
    _AAPL | {"stop_loss_price": "0.50", "stop_loss_limit_price": "0.49"},
    _AAPL | {"stop_loss_trailing_percent": "20"},
    _AAPL | {"or_stop_price": _FAR},
    _AAPL | {"or_stop_price": _FAR, "or_stop_limit_price": _FAR},
    _AAPL | {"order_type": "stop_limit", "stop_price": _FAR, "limit_price": _FAR},
    _AAPL | {**_CALL, "strike": "230", "limit_price": "0.01"},
    _AAPL | {**_CALL, "right": "put", "strike": "230", "limit_price": "0.01"},
    _AAPL | {"security": "future", "symbol": "{future:0}", "quantity": "1"},
    _WARRANT | {"security": "warrant", "symbol": "{warrant:0}", "expiry": "{warrant:1}"},
    _WARRANT | {"security": "cbbc", "symbol": "{cbbc:0}", "expiry": "{cbbc:1}"},
    _FUND,
    _NO_LIMIT | {"order_type": "stop", "stop_price": _FAR},
    _NO_LIMIT | {"order_type": "trailing_stop", "trailing_percent": "20"},
    _NO_LIMIT | {"order_type": "trailing_stop", "trailing_amount": "20.00"},
    {name: value for name, value in _MARKET.items() if name != "quantity"} | {"cash_amount": "50"},
    _AAPL
    | {
        "security": "combination",
        "quantity": "1",
        "limit_price": "0.01",
        "legs": [
            {**_LEG, "side": "buy", "strike": "230"},
            {**_LEG, "side": "sell", "strike": "240", "ratio": 1},
        ],
    },
    _AAPL
    | {
        "security": "combination",
        "quantity": "1",
        "limit_price": "0.01",
        "legs": [
            {"expiry": "{expiry:0}", "side": side, "right": "put", "strike": strike}
            for side, strike in (("buy", "240"), ("sell", "230"))
        ],
    },
)


def _on(account: str, *arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"account": account, **each} for each in arguments]


# Calls that a model would make.
KNOWN: Final[Mapping[str, list[dict[str, Any]]]] = {
    "list_accounts": [{}],
    "get_account": [{"account": each} for each in ACCOUNTS],
    "get_positions": _on(TRADED[0], {}, {"symbol": "AAPL"}, {"limit": 1, "cursor": "{cursor:0}"})
    + _on(TRADED[0], {"view": "now", "limit": 1}, {"limit": 1})
    + _on(TRADED[1], {"market": "US"}, {"security": "stock", "limit": 2}, {"view": "now"}),
    "get_balances": [
        *({"account": each} for each in ACCOUNTS),
        *_on(TRADED[0], {"view": "now"}, {"view": "history", "begin": "30d"}),
        *_on(TRADED[0], {"view": "now", "base_currency": "HKD"}),
        *_on(TRADED[1], {"view": "history", "begin": "1y", "end": "10d", "base_currency": "USD"}),
    ],
    "get_quotes": [
        {"symbols": ["AAPL", "00700"]},
        {"symbols": '["AAPL", "00700"]'},
        {"symbols": ["{option:0}"], "security": "option"},
        {"symbols": ["{future:0}"], "security": "future"},
        {"symbols": ["{warrant:0}"], "security": "warrant"},
        {"symbols": ["{fund:0}"], "security": "fund"},
        {"symbols": ["MSFT"], "account": TRADED[1], "session": "extended"},
        {"symbols": ["MSFT", "AAPL", "QQQ"], "limit": 2},
    ],
    "get_bars": [
        {"symbol": "AAPL", "limit": 5},
        {"symbol": "AAPL", "period": "1min", "limit": 300},
        {"symbol": "MSFT", "period": "tick"},
        {"symbol": "00700", "begin": "last month", "account": TRADED[0]},
        {"symbol": "{option:0}", "security": "option"},
        {"symbol": "{future:0}", "security": "future", "limit": 5},
        {"symbol": "{warrant:0}", "security": "warrant", "limit": 5},
        {"symbol": "{fund:0}", "security": "fund", "limit": 5},
        {"symbol": "AAPL", "period": "timeline", "limit": 10},
        {"symbol": "AAPL", "period": "60min", "begin": "10d", "end": "5d", "adjusted": False},
        {"symbol": "AAPL", "limit": 3, "cursor": "{cursor:0}"},
    ],
    "get_market_depth": [
        {"symbol": "AAPL"},
        {"symbol": "AAPL", "view": "capital_flow", "begin": "5d"},
        {"symbol": "AAPL", "view": "capital_flow", "begin": "3mo", "end": "10d", "limit": 5},
        {"symbol": "AAPL", "view": "capital_distribution", "account": TRADED[1]},
        {"symbol": "00700", "view": "brokers", "limit": 3},
        {"symbol": "00700", "view": "broker_holdings"},
        {"symbol": "{option:0}", "security": "option"},
        {"symbol": "{future:0}", "security": "future"},
        {"symbol": "{warrant:0}", "security": "warrant"},
    ],
    "get_option_chain": [
        {"symbol": "AAPL"},
        {"symbol": "AAPL", "expiry": "{expiry:0}", "filters": ["delta>=0.1"]},
        {"symbol": "AAPL", "expiry": "{expiry:1}", "limit": 10},
        {"symbol": "AAPL", "expiry": "{expiry:0}", "right": "put", "account": TRADED[1]},
        {"symbol": "AAPL", "expiry": "{expiry:0}", "limit": 300},
    ],
    "find_contracts": [
        {"query": "apple"},
        {"symbols": ["AAPL", "00700"]},
        {"query": "a", "account": TRADED[1], "limit": 2},
        {"security": "future", "query": "CL"},
        {"security": "future", "symbols": ["{future:0}"]},
        {"security": "option", "symbols": ["{option:0}"]},
        {"security": "option", "market": "HK"},
        {"security": "fund", "limit": 300},
        {"security": "warrant", "query": "00700"},
    ],
    "get_market_status": [
        {},
        {"view": "calendar", "market": "US"},
        {"view": "calendar", "market": "HK", "begin": "3mo", "end": "today", "limit": 20},
        {"view": "rights"},
        {"view": "quota", "account": TRADED[1]},
        {"view": "future_hours", "symbol": "{future:0}"},
    ],
    "get_fundamentals": [
        {"what": "overview", "symbols": ["AAPL"]},
        {"what": "daily", "symbols": ["AAPL"], "begin": "10d", "end": "yesterday", "limit": 2},
        {"what": "dividend", "symbols": ["AAPL"], "begin": "1y", "account": TRADED[1]},
        {"what": "earnings", "limit": 300},
        {"what": "report", "symbols": ["AAPL"], "period": "quarterly"},
        {"what": "report", "symbols": ["AAPL"], "period": "annual", "fields": ["net_income"]},
        {"what": "exchange_rate", "symbols": ["HKD"]},
        {"what": "industries"},
        {"what": "industry_stocks", "fields": ["{industry:0}"]},
        {"what": "main_contracts", "symbols": ["CLmain"], "begin": "3mo"},
    ],
    "scan_market": [
        {"filters": ["market_value>=1000000000"], "sort": "-market_value"},
        {"filters": ["market_value>=1000000000"], "account": TRADED[1], "limit": 2},
        {"view": "hot"},
        {"view": "fields", "limit": 300},
        {"view": "tags"},
    ],
    "preview_order": list(_ORDERS),
    "submit_order": [
        {"account": account, "preview_id": f"{{preview:{n}}}"}
        for account in TRADED
        for n in range(12)
    ],
    "modify_order": [
        {"account": account, "order_id": f"{{order:{n}}}", "reason": INJECTION, **change}
        for account in TRADED
        for n in range(3)
        for change in ({"quantity": "7"}, {"limit_price": "1.02", "key": f"change-{n}"})
    ]
    + [
        {"account": TRADED[0], "order_id": order, "reason": "a walk", **change}
        for order, change in (
            ("{limit:0}", {"quantity": "3"}),
            ("{keyed:0}", {"limit_price": "1.01", "key": "one-change"}),
            ("{dear:0}", {"limit_price": "3.00"}),
            ("{stop:0}", {"stop_price": "5010.00"}),
            ("{percent:0}", {"trailing_percent": "21"}),
            ("{amount:0}", {"trailing_amount": "21.00"}),
        )
    ],
    "cancel_orders": [
        *_on(TRADED[0], {"order_ids": ["{order:0}", "{order:1}"]}, {"symbol": "AAPL"}),
        *_on(TRADED[0], {"order_ids": '["ord-1", "ord-2"]'}, {"side": "sell"}),
        *_on(TRADED[1], {"order_ids": ["{order:5}"]}, {"side": "buy"}),
        *_on(HALTED_ACCOUNT, {"all_open": True}),
    ],
    "get_orders": [
        *_on(TRADED[0], {}, {"status": "open"}, {"since": "today"}, {"limit": 200}),
        *_on(TRADED[0], {"symbol": "AAPL", "since": "7d", "until": "today", "limit": 1}),
        *_on(TRADED[1], {"order_ids": ["{order:0}"]}, {"limit": 2, "cursor": "{cursor:0}"}),
    ],
    "get_executions": [
        *_on(TRADED[0], {}, {"order_id": "{order:0}"}, {"since": "7d", "until": "today"}),
        *_on(TRADED[0], {"limit": 1}),
        *_on(TRADED[1], {"symbol": "MSFT"}, {"limit": 1, "cursor": "{cursor:0}"}),
    ],
    "explain_order": [
        {"account": account, "order_id": f"{{{what}:{n}}}"}
        for account in TRADED
        for what in ("order", "preview")
        for n in range(3)
    ],
    "halt_trading": [
        *_on(HALTED_ACCOUNT, {"reason": "a walk"}, {"reason": INJECTION, "symbol": "AAPL"}),
        *_on(WATCHED_ACCOUNT, {"reason": "a walk"}),
    ],
}

# What else is right, by `tool.parameter` or by parameter, where a schema says no more than text.
_SPANS: Final = ("10d", "3mo", "ytd", "last month", "2026-10-01", "2026-11-20T09:30:00Z")
_PRICES: Final = ("0.01", "1.00", "1.05", "230", "5000.00")
SENSIBLE: Final[Mapping[str, tuple[Any, ...]]] = {
    **dict.fromkeys(("begin", "since"), _SPANS),
    **dict.fromkeys(("end", "until"), ("today", "yesterday", "5d", "2026-11-20")),
    **dict.fromkeys(("start_at", "end_at", "good_till"), ("{moment:0}", "{moment:2}")),
    **dict.fromkeys(
        (
            *("limit_price", "stop_price", "take_profit_price", "stop_loss_price"),
            *("stop_loss_limit_price", "or_stop_price", "or_stop_limit_price", "strike"),
        ),
        _PRICES,
    ),
    **dict.fromkeys(("trailing_percent", "stop_loss_trailing_percent"), ("1", "5.5", "20")),
    "trailing_amount": ("0.50", "20.00"),
    "participation_rate": ("0.01", "0.1", "0.5"),
    "quantity": ("1", "3", "100"),
    "display_quantity": ("1", "2"),
    "cash_amount": ("50", "100.50"),
    "limit": (1, 2, 7, 20),
    "expiry": ("{expiry:0}", "{expiry:1}"),
    "base_currency": ("USD", "HKD"),
    "get_positions.market": ("US", "HK"),
    "symbol": ("AAPL", "MSFT", "QQQ", "00700"),
    "symbols": (["AAPL"], ["MSFT", "QQQ"], ["00700", "AAPL"]),
    "query": ("apple", "CL", "a", "tencent"),
    "filters": ([], ["delta>=0.1"], ["open_interest>=1", "strike<=300"]),
    "scan_market.filters": ([], ["market_value>=1000000000"], ["pe_ttm<=30"]),
    "sort": ("market_value", "-pe_ttm"),
    "fields": (["net_income"], ["total_revenue", "net_income"]),
    "order_id": tuple(f"{{order:{n}}}" for n in range(4)),
    "order_ids": (["{order:0}"], ["{order:0}", "{order:1}"]),
    "preview_id": tuple(f"{{preview:{n}}}" for n in range(4)),
    "reason": ("a walk", INJECTION),
    "key": ("wish-2", "wish-3"),
}
# Words that no answer can have, and why.
UNANSWERED: Final[Mapping[str, str]] = {
    "explain_order.cursor": "no order here has a history of several pages; see "
    "tests/component/test_gateway_explain.py",
    "get_balances.cursor": "a year, the most that is told, is one page of an account like these",
    "get_market_depth.security=fund": "a fund has no order book",
}
