"""Errors as the model reads them: `code: field: what was wrong. What to do next.`

Codes are a closed list. Text of outside errors, stack traces and requests never get here.
"""

import json
from enum import StrEnum
from typing import Any, Final

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

from core.errors import CommandError

_SHOWN_LENGTH_MAX: Final = 40
_SHOWN_NUMBER_MAX: Final = 10**15
_SHOWN_FAULTS_MAX: Final = 5
_DETAIL_LENGTH_MAX: Final = 300


class Fault(StrEnum):
    """Why a call gave no result."""

    INVALID_ARGUMENT = "invalid_argument"
    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_READ_ONLY = "account_read_only"
    FORBIDDEN = "forbidden"  # the token of an HTTP client lacks the right
    STARTING = "starting"  # the cluster is not ready yet
    UNAVAILABLE = "unavailable"  # a part of the service does not answer
    BROKER_UNAVAILABLE = "broker_unavailable"
    BUSY = "busy"
    NO_QUOTE_RIGHT = "no_quote_right"
    BEHIND = "behind"  # the views do not yet include what was written; ask again
    INTERNAL = "internal"


class GatewayError(ToolError):
    """A foreseen refusal.

    Attributes:
        code: of the closed list.
        text: what is told behind it.
    """

    def __init__(self, code: Fault, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


INTERNAL_TEXT: Final = (
    f"{Fault.INTERNAL}: the gateway failed inside this call, and a command may have been sent. "
    "Look at get_orders before anything else; `tiger-mcp logs` has the cause."
)


_AGAIN: Final = "Nothing was changed. Try again in a few seconds."
# What a model should do about each code; with `core.refusals.NEXT_STEP` the whole closed list.
NEXT_STEP: Final[dict[Fault, str]] = {
    Fault.INVALID_ARGUMENT: "Nothing was sent. Mend the argument that is named and call again.",
    Fault.UNKNOWN_ACCOUNT: "Nothing was sent. Take an alias from list_accounts.",
    Fault.ACCOUNT_READ_ONLY: "Nothing was sent. Only a person can change it, on their machine.",
    Fault.FORBIDDEN: "Nothing was sent. The token lacks the right; a person must issue another.",
    Fault.STARTING: "Nothing was sent. Try again in a few seconds.",
    Fault.UNAVAILABLE: "Nothing was changed. A person should type `tiger-mcp status`.",
    Fault.BROKER_UNAVAILABLE: _AGAIN,
    Fault.BUSY: _AGAIN,
    Fault.NO_QUOTE_RIGHT: "Nothing was changed. The login must buy the right at the broker.",
    Fault.BEHIND: _AGAIN,
    Fault.INTERNAL: "A command may have been sent: look at get_orders before anything else.",
}
_TELL_THEMSELVES: Final = frozenset({Fault.INVALID_ARGUMENT, Fault.NO_QUOTE_RIGHT})


def fault(code: Fault, text: str) -> GatewayError:
    """Return the error of one code; the text names the field, if one is at fault."""
    return GatewayError(code, text)


def refused_argument(error: CommandError) -> ToolError:
    """Return the error for an argument that the domain refuses."""
    return told_fault(Fault.INVALID_ARGUMENT, str(error), field=error.field)


def told_fault(code: str, message: str, *, field: str) -> ToolError:
    """Return the error for a question that a part of the service refused, in its words."""
    known = Fault(code) if code in frozenset(Fault) else Fault.UNAVAILABLE
    where = f"{field}: " if field and known is Fault.INVALID_ARGUMENT else ""
    said = message[:_DETAIL_LENGTH_MAX].rstrip(". ")
    after = "" if known in _TELL_THEMSELVES else f" {NEXT_STEP[known]}"
    return fault(known, f"{where}{said}.{after}")


def no_answer(who: str) -> ToolError:
    """Return the error for a read that a part of the service did not answer."""
    return fault(
        Fault.UNAVAILABLE,
        f"{who} does not answer; nothing was changed. The gateway reconnects by itself: "
        "try again in a few seconds. If it stays so, a person should type `tiger-mcp status`.",
    )


def refused_arguments(error: ValidationError) -> ToolError:
    """Return the error for arguments that do not fit the tool's schema."""
    found = error.errors(include_url=False)[:_SHOWN_FAULTS_MAX]
    return fault(
        Fault.INVALID_ARGUMENT,
        "; ".join(f"{_place(each['loc'])}: {_wrong(each)}" for each in found) + ".",
    )


def shown(value: object) -> str:
    """Return a short form of a value that somebody sent."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float() if abs(value) < _SHOWN_NUMBER_MAX:
            return f"{value:g}" if isinstance(value, float) else str(value)
        case int() | float():
            return "a number"
        case str():
            cut = value[:_SHOWN_LENGTH_MAX]
            return repr(cut) if cut == value else f"{cut!r}… ({len(value)} characters)"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)[: 2 * _SHOWN_LENGTH_MAX]


def _such_as(found: Any) -> str:
    """Return the list that somebody may have meant who sent one text alone, as an example."""
    sent = found["input"]
    # Legs are no texts.
    if not isinstance(sent, str) or len(sent) > _SHOWN_LENGTH_MAX or found["loc"][-1] == "legs":
        return ""
    parts = [part for each in sent.split(",") if (part := each.strip())]
    return f", such as {json.dumps(parts or [sent])}"


# One pydantic error in our words; it tells what was expected and a short form of what was.
def _wrong(found: Any) -> str:
    limits = found.get("ctx", {})
    was = f"was {shown(found['input'])}"
    match found["type"]:
        case "missing":
            return "is needed"
        case "string_type" if found["input"] is None:
            return f"expected text, or leave it out, {was}"
        case "string_type":
            return f'expected text in quotes, such as "10.50" for an amount, {was}'
        case "string_pattern_mismatch":
            told = f"expected text like {limits['pattern']}, {was}"
            return (
                f"{told}; list_accounts tells the names" if found["loc"][-1] == "account" else told
            )
        case "string_too_long":
            return f"expected at most {limits['max_length']} characters, {was}"
        case "string_too_short":
            return f"expected at least {limits['min_length']} characters, {was}"
        case "not_printable":
            return f"{found['msg']}, {was}"
        case "too_long":
            return f"expected at most {limits['max_length']} entries, {was}"
        case "too_short":
            return f"expected at least {limits['min_length']} entries, {was}"
        case "enum" | "literal_error":
            return f"expected {limits['expected']}, {was}"
        case "list_type" | "tuple_type":
            return f"expected a list{_such_as(found)}, {was}"
        case "greater_than_equal":
            return f"expected at least {limits['ge']}, {was}"
        case "less_than_equal":
            return f"expected at most {limits['le']}, {was}"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"expected a whole number, {was}"
        case "bool_parsing" | "bool_type":
            return f"expected true or false, {was}"
        case _:
            return f"expected another kind of value, {was}"
