"""Kinds of arguments, each with its bounds and the words that a model reads."""

from typing import Annotated

from pydantic import Field

from core.asks import SYMBOLS_MAX
from core.commands import REASON_LENGTH_MAX, SYMBOL_PATTERN
from core.views import ROWS_MAX

CANCELS_MAX = 20
_AMOUNT_LENGTH_MAX = 42
_ID_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"

Account = Annotated[str, Field(pattern="^[a-z0-9-]{1,32}$")]
Symbol = Annotated[
    str, Field(pattern=f"^{SYMBOL_PATTERN}$", description="Like AAPL, or 00700 in Hong Kong.")
]
Symbols = Annotated[
    list[Annotated[str, Field(pattern=f"^{SYMBOL_PATTERN}$")]],
    Field(min_length=1, max_length=SYMBOLS_MAX, description="Like AAPL or 00700."),
]
Quantity = Annotated[
    str, Field(max_length=_AMOUNT_LENGTH_MAX, description='Shares as text: "10" or "0.5".')
]
Price = Annotated[
    str,
    Field(
        max_length=_AMOUNT_LENGTH_MAX,
        description='Per share in the listing\'s currency, as text: "185.50". Limit orders only.',
    ),
]
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=REASON_LENGTH_MAX,
        description="Why this order; kept in the audit record.",
    ),
]
PreviewId = Annotated[str, Field(pattern="^prv-[0-9a-f]{32}$", description="From preview_order.")]
OrderId = Annotated[str, Field(pattern=_ID_PATTERN)]
Limit = Annotated[int, Field(ge=1, le=ROWS_MAX)]
Cursor = Annotated[str, Field(max_length=200, description="From the page before.")]
