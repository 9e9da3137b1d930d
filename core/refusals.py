"""The closed list of reasons for a "no", and what a person can do about each."""

from enum import StrEnum
from typing import Final


class Refusal(StrEnum):
    """Why a command was refused; stored in events, so a value never changes its meaning."""

    COMMAND_EXPIRED = "command_expired"
    COMMAND_UNREADABLE = "command_unreadable"
    SIGNATURE_INVALID = "signature_invalid"
    INVALID_TERMS = "invalid_terms"
    UNKNOWN_SYMBOL = "unknown_symbol"
    BROKER_UNAVAILABLE = "broker_unavailable"
    PREVIEW_UNKNOWN = "preview_unknown"
    PREVIEW_EXPIRED = "preview_expired"
    PREVIEW_USED = "preview_used"
    CHECK_FAILED = "check_failed"
    ACCOUNT_READ_ONLY = "account_read_only"
    ACCOUNT_HALTED = "account_halted"
    ACCOUNT_STALE = "account_stale"
    ACCOUNT_FROZEN = "account_frozen"
    CLOCK_SKEWED = "clock_skewed"
    SYMBOL_IN_DOUBT = "symbol_in_doubt"
    ORDER_UNKNOWN = "order_unknown"
    ORDER_NOT_OPEN = "order_not_open"
    ORDER_NOT_IN_DOUBT = "order_not_in_doubt"
    NO_CAPACITY = "no_capacity"
    ORDER_NOT_OURS = "order_not_ours"
    ORDER_IN_DOUBT = "order_in_doubt"
    CANCEL_UNDER_WAY = "cancel_under_way"
    POSITION_BROKEN = "position_broken"
    BREAK_UNKNOWN = "break_unknown"
    KEY_CONFLICT = "key_conflict"
    LOGIN_EXPIRED = "login_expired"
    SHOWN_OUTDATED = "shown_outdated"
    TERMS_CHANGED = "terms_changed"
    ORDER_ATTACHED = "order_attached"


NEXT_STEP: Final[dict[Refusal, str]] = {
    Refusal.COMMAND_EXPIRED: "Nothing was sent. Preview again, then submit that preview.",
    Refusal.COMMAND_UNREADABLE: "Nothing was sent: gateway and worker differ in version. A person "
    "should type `tiger-mcp down`, then `tiger-mcp up`; then ask again.",
    Refusal.SIGNATURE_INVALID: "Nothing was sent. A key of this home was changed; tell a person.",
    Refusal.INVALID_TERMS: "Nothing was sent. Mend the named field and preview again.",
    Refusal.UNKNOWN_SYMBOL: "Nothing was sent. Check symbol and security: find_contracts looks "
    "them up, get_option_chain an option's expiry and strike.",
    Refusal.BROKER_UNAVAILABLE: "Nothing was sent. Try again when the broker answers.",
    Refusal.PREVIEW_UNKNOWN: "If it may have been submitted, look at get_orders; else preview "
    "again. A preview is only for the caller that asked for it.",
    Refusal.PREVIEW_EXPIRED: "Call preview_order again; a preview is good for ten minutes.",
    Refusal.PREVIEW_USED: "This preview was already submitted; look at get_orders.",
    Refusal.CHECK_FAILED: "The preview named a failed check; mend it and preview again.",
    Refusal.ACCOUNT_READ_ONLY: "A person must set the account's mode; no tool can.",
    Refusal.ACCOUNT_HALTED: (
        "A person must type `tiger-mcp resume ACCOUNT`, for a symbol with --symbol."
    ),
    Refusal.ACCOUNT_STALE: "It is being compared with the broker; preview again in a few seconds.",
    Refusal.ACCOUNT_FROZEN: (
        "A person must look at the account and type `tiger-mcp resume ACCOUNT`."
    ),
    Refusal.CLOCK_SKEWED: "Set this machine's clock; it differs too much from the broker's.",
    Refusal.SYMBOL_IN_DOUBT: "See get_orders; once it is resolved, preview again.",
    Refusal.ORDER_UNKNOWN: "Look the order up with get_orders.",
    Refusal.ORDER_NOT_OPEN: "The order is done; there is nothing to cancel.",
    Refusal.ORDER_NOT_IN_DOUBT: "Only an order that is unknown or not_found can be released.",
    Refusal.NO_CAPACITY: "Nothing was sent. Preview again in a minute.",
    Refusal.ORDER_NOT_OURS: "Cancel it, or change it where it was placed.",
    Refusal.ORDER_ATTACHED: "Cancel it alone by its order_id; for other terms, preview a new order "
    "in its place, which nothing ties to the rest. In the Tiger app a person can change it.",
    Refusal.ORDER_IN_DOUBT: "Only a cancel passes; see get_orders, then ask again.",
    Refusal.POSITION_BROKEN: "A person must compare it and type `tiger-mcp adopt`.",
    Refusal.LOGIN_EXPIRED: "A person must put a new token into the login's token file.",
    Refusal.BREAK_UNKNOWN: "Name the break that `tiger-mcp status` shows now.",
    Refusal.KEY_CONFLICT: "Nothing was done. Repeat the same terms, or give other terms a new key.",
    Refusal.SHOWN_OUTDATED: "Look at `tiger-mcp status` and decide again.",
    Refusal.TERMS_CHANGED: "Nothing was sent. Look at the order in get_orders, then ask again, "
    "with a new key if with any.",
    Refusal.CANCEL_UNDER_WAY: "See get_orders for what becomes of the cancel.",
}
