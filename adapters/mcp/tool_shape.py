"""How a plain async method becomes a tool: small schemas, strict arguments, one compact answer.

Structured content and text are the same JSON. Every refusal of an argument is worded here, because
the SDK's own wording quotes what was sent and names a validator's documentation.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import ValidationError

from adapters.mcp.faults import INTERNAL_TEXT, Fault, fault, refused_arguments

# No argument of any tool is longer; what is gets refused before it is looked at.
ARGUMENT_LENGTH_MAX: Final = 4_000
_LIST_LENGTH_MAX: Final = 200
_NAMED_MAX: Final = 5
_ENUM_SHOWN_MAX: Final = 6
# From here on a field belongs to a part or a row of the answer.
_ROW_DEPTH: Final = 2
_encoder: Final = msgspec.json.Encoder()


class Effect(NamedTuple):
    """What a tool does to the world, as its annotations say it."""

    is_read: bool
    is_destructive: bool
    is_idempotent: bool
    asks_broker: bool


class GatewayTool(Tool):
    """A tool whose method returns a struct."""

    async def run(
        self, arguments: dict[str, Any], context: Any, convert_result: bool = False
    ) -> Any:
        """Run the tool; `convert_result` gives what goes on the wire.

        Raises:
            ToolError: the call gave no result; its text is for the model.
        """
        _check_size(arguments, self.parameters["properties"])
        try:
            answer = await super().run(arguments, context, convert_result=False)
        except UnexpectedToolError as error:
            raise UnexpectedToolError(INTERNAL_TEXT) from error.__cause__
        except ToolError as error:
            raise _worded(error) from error.__cause__
        return _on_the_wire(answer) if convert_result else answer


def tool(method: Callable[..., Awaitable[msgspec.Struct]], effect: Effect) -> GatewayTool:
    """Return the tool of a method: its name, its docstring, its parameters, its answer's shape."""
    description = " ".join(inspect.cleandoc(method.__doc__ or "").split())
    made = GatewayTool.from_function(
        method,
        description=description,
        annotations=ToolAnnotations(
            read_only_hint=effect.is_read,
            destructive_hint=effect.is_destructive,
            idempotent_hint=effect.is_idempotent,
            open_world_hint=effect.asks_broker,
        ),
        structured_output=False,
    )
    assert isinstance(made, GatewayTool)
    made.parameters = {**_compact(made.parameters, is_answer=False), "additionalProperties": False}
    answer = inspect.signature(method, eval_str=True).return_annotation
    made.fn_metadata.output_schema = _compact(msgspec.json.schema(answer), is_answer=True)
    return made


def _on_the_wire(answer: msgspec.Struct) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=_encoder.encode(answer).decode())],
        structured_content=msgspec.to_builtins(answer),
    )


def _worded(error: ToolError) -> ToolError:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return refused_arguments(cause)
    # The SDK put the tool's name before our own text.
    return ToolError(str(cause)) if isinstance(cause, ToolError) else error


def _check_size(arguments: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    unknown = [name[:40] for name in arguments if name not in known]
    if unknown:
        raise fault(
            Fault.INVALID_ARGUMENT,
            f"{', '.join(unknown[:_NAMED_MAX])}: there is no such argument; "
            f"this tool takes {', '.join(known) or 'none'}.",
        )
    for name, value in arguments.items():
        if isinstance(value, str) and len(value) > ARGUMENT_LENGTH_MAX:
            raise fault(
                Fault.INVALID_ARGUMENT,
                f"{name}: expected at most {ARGUMENT_LENGTH_MAX} characters, was {len(value)}.",
            )
        if isinstance(value, list) and len(value) > _LIST_LENGTH_MAX:
            raise fault(
                Fault.INVALID_ARGUMENT,
                f"{name}: expected at most {_LIST_LENGTH_MAX} entries, was {len(value)}.",
            )


# References resolved in place, titles and null alternatives dropped: an optional field is absent,
# never null. All tools together have a budget of bytes, so an answer's schema says no more than
# names and kinds (within a part or a row, a field without a kind is text).
def _compact(schema: Mapping[str, Any], *, is_answer: bool) -> dict[str, Any]:
    definitions = schema.get("$defs", {})
    dropped = {"title", "$defs"} | ({"description", "default", "format"} if is_answer else set())

    def walk(node: Any, *, depth: int) -> Any:
        if isinstance(node, list):
            return [walk(each, depth=depth + 1) for each in node]
        if not isinstance(node, Mapping):
            return node
        found = _resolved(node, definitions)
        if is_answer and len(found.get("enum", ())) > _ENUM_SHOWN_MAX:
            found = {"type": "string"}
        compact = {
            key: walk(each, depth=depth + 1)
            for key, each in found.items()
            if key not in dropped and key != "properties"
        }
        if "properties" in found:
            named = found["properties"].items()
            compact["properties"] = {name: walk(each, depth=depth + 1) for name, each in named}
        if is_answer and depth > 0:
            compact.pop("required", None)
        if is_answer and depth >= _ROW_DEPTH and compact == {"type": "string"}:
            return {}
        return compact

    whole: dict[str, Any] = walk(schema, depth=0)
    return whole


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(node)
    choices = [each for each in found.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1:
        del found["anyOf"]
        found = choices[0] | found
    reference = found.pop("$ref", None)
    if reference is not None:
        named = definitions[reference.rpartition("/")[2]]
        found = {key: each for key, each in named.items() if key != "description"} | found
    if found.get("default", 0) is None:
        del found["default"]
    return found
