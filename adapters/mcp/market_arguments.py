"""Kinds of arguments of the market tools; short, because every tool shares a budget of bytes."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field, WithJsonSchema

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

_TIME_LENGTH_MAX: Final = 40
_BOUNDS: Final = frozenset({"minimum", "maximum", "minItems", "maxItems"})


# The descriptions have examples of these, and a refusal says the rest.
_PLAIN: Final = WithJsonSchema({"type": "string"})


# What is shown is wider than what is taken, and shorter; a refusal tells the rest.
def _shown(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


# The worker knows what is a symbol.
Instrument = Annotated[
    str, Field(pattern="^[A-Z0-9][A-Za-z0-9. -]{0,30}$"), _shown(r"^[A-Z0-9][\w. -]*$")
]
Instruments = Annotated[list[Instrument], Field(min_length=1, max_length=SYMBOLS_MAX)]
_Filter = Annotated[str, Field(pattern=f"^{FILTER_PATTERN}$"), _PLAIN]
Filters = Annotated[list[_Filter], Field(max_length=FILTERS_MAX)]
_Field = Annotated[str, Field(pattern=f"^{FIELD_PATTERN}$"), _shown(r"^\w+$")]
Fields = Annotated[list[_Field], Field(max_length=FIELDS_MAX)]
Sort = Annotated[str, Field(pattern=f"^{SORT_PATTERN}$"), _PLAIN]
Query = Annotated[str, Field(pattern=f"^{PRODUCT_PATTERN}$"), _PLAIN]
Expiry = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
# Any of the forms of `spans`; it words the refusal.
When = Annotated[str, Field(max_length=_TIME_LENGTH_MAX)]
# The worker knows what is one, and the broker which of them it converts to.
Currency = Annotated[str, Field(max_length=3)]
Rows = Annotated[int, Field(ge=1, le=ROWS_MAX)]
# The name of an account stands before the cursor of its worker.
Next = Annotated[str, Field(max_length=CURSOR_LENGTH_MAX + 40)]


def terse(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a tool's schema without its bounds, which are told when they are overstepped.

    What is empty by default need not be said, and an alias that is none is refused by name, with
    those there are.
    """
    named: Mapping[str, Mapping[str, Any]] = schema["properties"]
    shown = {
        name: {
            key: value
            for key, value in each.items()
            if key not in _BOUNDS and not (key == "default" and value in ("", []))
        }
        for name, each in named.items()
    }
    shown["account"].pop("pattern", None)
    return schema | {"properties": shown}
