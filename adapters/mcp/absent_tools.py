"""Names of tools that clients may know from elsewhere and that are none here: what to do instead.

No tool changes which accounts there are or holds a secret; some others come later.
"""

from typing import Final

_ADD: Final = (
    "credentials never pass through a model. A person types "
    "`tiger-mcp account add ALIAS --props FILE`"
)
_REMOVE: Final = (
    "no tool changes which accounts there are. A person types `tiger-mcp account remove ALIAS`"
)
_DEFAULT: Final = (
    "there is no default account. Name the account in each call, by its alias from list_accounts"
)
_DEFAULT_FOR_DATA: Final = (
    "there is no default account. Market tools such as get_quotes need none; to ask with a certain "
    "login, name its account in the call"
)
_RENEWED: Final = "tokens renew themselves. get_account shows a token's state and when it expires"
_INSTEAD: Final = {
    "add_account": _ADD,
    "remove_account": _REMOVE,
    "set_default_account": _DEFAULT,
    "set_default_trading_account": _DEFAULT,
    "set_default_data_account": _DEFAULT_FOR_DATA,
    "refresh_token": _RENEWED,
    "watch_price": "it comes later. Until then ask get_quotes for the price of now",
    "get_alerts": "it comes later. Until then get_account shows halts, breaks and doubtful orders",
    "search_audit": "it comes later. Until then explain_order shows the record of one order",
}
_PREFIX: Final = "tiger_"


def instead_of(name: str) -> str:
    """Return what somebody who calls a tool that is none can do; "" for a name not known here."""
    return _INSTEAD.get(name.removeprefix(_PREFIX), "")
