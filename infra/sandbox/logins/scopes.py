"""OAuth2's scopes, and which of them a Tiger method needs.

Tiger lets a holder choose quotes, reading accounts, reading orders and trading. Of the names,
`api.quote:read` and `api.trade:read` are seen in Tiger's own clients; the other two follow them.
Source: tigeropen 3.8.0, `examples/oauth2_push_client_demo.py`; Tiger's page authentication (read
2026-11-22).
"""

QUOTE_READ = "api.quote:read"
ACCOUNT_READ = "api.account:read"
TRADE_READ = "api.trade:read"
TRADE_WRITE = "api.trade:write"
SCOPES = (ACCOUNT_READ, QUOTE_READ, TRADE_READ, TRADE_WRITE)

ACCOUNT_METHODS = frozenset(
    {
        "accounts",
        "aggregate_assets",
        "analytics_asset",
        "assets",
        "fund_details",
        "option_exercise_position",
        "position_transfer_detail",
        "position_transfer_external_records",
        "position_transfer_records",
        "positions",
        "prime_assets",
        "segment_fund_available",
        "segment_fund_history",
        "transfer_fund",
    }
)
TRADE_READ_METHODS = frozenset(
    {
        "active_orders",
        "estimate_tradable_quantity",
        "filled_orders",
        "inactive_orders",
        "option_exercise_check",
        "option_exercise_record",
        "order_transactions",
        "orders",
        "preview_order",
    }
)
TRADE_WRITE_METHODS = frozenset(
    {
        "cancel_order",
        "cancel_segment_fund",
        "modify_order",
        "option_exercise_cancel",
        "option_exercise_submit",
        "order_no",
        "place_forex_order",
        "place_order",
        "position_transfer",
        "transfer_segment_fund",
    }
)


def scope_for(method: str) -> str:
    """Return the scope that a method needs."""
    if method in TRADE_WRITE_METHODS:
        return TRADE_WRITE
    if method in TRADE_READ_METHODS:
        return TRADE_READ
    return ACCOUNT_READ if method in ACCOUNT_METHODS else QUOTE_READ
