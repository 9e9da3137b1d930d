"""Kinds of arguments, each with its bounds and the words that a model reads."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from core.commands import PRINTABLE_EXPECTED, REASON_LENGTH_MAX, SYMBOL_PATTERN
from core.views import ROWS_MAX

CANCELS_MAX = 20
LEGS_MAX = 6
_AMOUNT_LENGTH_MAX = 42
_ID_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"
_FLAGS: Final = {"true": True, "false": False}
_KEY_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"


def _printable(text: str) -> str:
    # A person reads it on a terminal, which other characters would steer.
    if not text.isprintable():
        raise PydanticCustomError("not_printable", PRINTABLE_EXPECTED)
    return text


def _true_or_false(sent: object) -> object:
    # Some clients send every value as text; any other word, or a number, is nobody's clear yes.
    match sent:
        case bool():
            return sent
        case str() if sent.lower() in _FLAGS:
            return _FLAGS[sent.lower()]
        case _:
            raise PydanticCustomError("bool_type", "expected true or false")


# Every tool has one: what it looks like is told by list_accounts, and by the refusal.
Account = Annotated[str, Field(pattern="^[a-z0-9-]{1,32}$"), WithJsonSchema({"type": "string"})]
Symbol = Annotated[
    str,
    Field(pattern=f"^{SYMBOL_PATTERN}$"),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[A-Z0-9.-]+$", "description": "AAPL, 00700 (HK)."}
    ),
]
# What is shown of these is shorter than what is taken; a refusal tells the rest.
# Whatever orders and positions are told by, an option's own words too.
Traded = Annotated[
    str,
    Field(pattern=r"^[A-Z0-9][A-Z0-9. \-]{0,30}$"),
    WithJsonSchema({"type": "string", "description": "AAPL, 00700 (HK)."}),
]
Underlying = Annotated[
    str,
    Field(
        pattern=f"^{SYMBOL_PATTERN}$",
        description="AAPL, 00700, future ES2612; of a US option its underlying's, of an HK one "
        "option_symbol of get_option_chain (TCH.HK).",
    ),
]
Market = Annotated[
    str, Field(pattern="^[A-Z]{2,4}$"), WithJsonSchema({"type": "string", "description": "US, HK."})
]
# What it must look like is the core's to say; a pattern for each would cost more than it tells.
Amount = Annotated[str, Field(max_length=_AMOUNT_LENGTH_MAX)]
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=REASON_LENGTH_MAX,
        description="Why; kept on record.",
    ),
    AfterValidator(_printable),
]
Key = Annotated[
    str,
    Field(
        pattern=_KEY_PATTERN,
        description="Yours, one per wish: a repeated call gives the first answer.",
    ),
]
Warned = Annotated[
    str, Field(pattern="^w-[0-9a-f]{8}$", description="As the answer with warnings gave it.")
]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
Moment = Annotated[str, Field(max_length=40)]
Since = Annotated[
    str,
    Field(
        max_length=40,
        description=(
            "Person's day: 2026-11-20, today, yesterday, 5d, 2w, 3mo, 1y, ytd, "
            "this/last week/month/year (all of it); or moment with zone."
        ),
    ),
]
# The same; the list of tools has a budget of bytes.
SinceToo = Annotated[str, Field(max_length=40, description="As in get_orders.")]
Until = Annotated[str, Field(max_length=40, description="Likewise, whole day.")]
PreviewId = Annotated[str, Field(pattern="^prv-[0-9a-f]{32}$")]
OrderId = Annotated[
    str,
    Field(pattern=_ID_PATTERN),
    WithJsonSchema({"type": "string"}),
]
Flag = Annotated[bool, BeforeValidator(_true_or_false)]
Limit = Annotated[int, Field(ge=1, le=ROWS_MAX)]
Cursor = Annotated[str, Field(max_length=400)]


class Spread(BaseModel):
    """Arguments that stand beside a tool's others, and are handed to its method together."""
