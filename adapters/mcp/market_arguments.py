"""Kinds of arguments of the market tools; short, because every tool shares a budget of bytes."""

from typing import Annotated

from pydantic import Field

from core.market_asks import (
    CURSOR_LENGTH_MAX,
    FIELD_PATTERN,
    FIELDS_MAX,
    FILTER_PATTERN,
    FILTERS_MAX,
    PRODUCT_PATTERN,
    ROWS_MAX,
    SORT_PATTERN,
    SYMBOLS_MAX,
)

_TIME_LENGTH_MAX = 40
# Wider than what is a symbol, and shorter to tell; the worker knows what is one.
Instrument = Annotated[str, Field(pattern="^[A-Z0-9][A-Za-z0-9. -]{0,30}$")]
Instruments = Annotated[list[Instrument], Field(min_length=1, max_length=SYMBOLS_MAX)]
Filters = Annotated[
    list[Annotated[str, Field(pattern=f"^{FILTER_PATTERN}$")]], Field(max_length=FILTERS_MAX)
]
Fields = Annotated[
    list[Annotated[str, Field(pattern=f"^{FIELD_PATTERN}$")]], Field(max_length=FIELDS_MAX)
]
Sort = Annotated[str, Field(pattern=f"^{SORT_PATTERN}$")]
Query = Annotated[str, Field(pattern=f"^{PRODUCT_PATTERN}$")]
Expiry = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
# Any of the forms of `spans`; it words the refusal.
When = Annotated[str, Field(max_length=_TIME_LENGTH_MAX)]
Rows = Annotated[int, Field(ge=1, le=ROWS_MAX)]
# The name of an account stands before the cursor of its worker.
Next = Annotated[str, Field(max_length=CURSOR_LENGTH_MAX + 40)]
