"""Questions that a worker answers by asking the broker now: `ask.<account>.<what>`.

What may be asked stands in `core.market_asks`.
"""

from typing import Final

import msgspec

# The one question that the worker answers by itself, without the broker and without waiting.
HEALTH: Final = "health"


class Health(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`health`: whether the worker is there. The question says nothing more, nor the answer."""


class AskFault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a question was not answered.

    `code` is `broker_unavailable`, `no_quote_right`, `invalid_argument` or `busy`.
    """

    code: str
    message: str
    field: str = ""


class AskReply(msgspec.Struct, frozen=True, kw_only=True):
    """What travels back: `data`, the JSON null unless the question was answered, or `fault`."""

    data: msgspec.Raw = msgspec.Raw(b"null")
    fault: AskFault | None = None
