"""How a plain async method becomes a tool: small schemas, strict arguments, one compact answer.

Structured content and text are the same JSON. Every refusal of an argument is worded here, because
the SDK's own wording quotes what was sent and names a validator's documentation.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, get_args, get_type_hints

import msgspec
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import ValidationError

from adapters.mcp.arguments import Spread
from adapters.mcp.callers import permit
from adapters.mcp.faults import INTERNAL_TEXT, Fault, fault, refused_arguments, shown

# No argument of any tool is longer; what is gets refused before it is looked at.
ARGUMENT_LENGTH_MAX: Final = 4_000
_LIST_LENGTH_MAX: Final = 200
_NAMED_MAX: Final = 5
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")
# What every answer has, and the instructions explain.
_EVERYWHERE: Final = frozenset({"environment", "mode"})
_NOT_SHOWN: Final = frozenset({"title", "$defs", "maxLength", "minLength"})
_encoder: Final = msgspec.json.Encoder()

# What a tool is made of; it may answer with a question to the person instead.
Method = Callable[..., Awaitable[msgspec.Struct | InputRequiredResult]]


class Effect(NamedTuple):
    """What a tool does to the world, as its annotations say it."""

    is_read: bool
    is_destructive: bool
    is_idempotent: bool
    asks_broker: bool


class GatewayTool(Tool):
    """A tool whose method returns a struct."""

    @property
    def is_read(self) -> bool:
        """Say whether the tool only reads, as it tells its clients."""
        return bool(self.annotations and self.annotations.read_only_hint)

    async def run(
        self, arguments: dict[str, Any], context: Any, convert_result: bool = False
    ) -> Any:
        """Run the tool; `convert_result` gives what goes on the wire.

        Raises:
            ToolError: the call gave no result; its text is for the model.
        """
        _check_size(arguments, self.parameters["properties"])
        permit(self.name, is_read=self.is_read, arguments=arguments)
        try:
            answer = await super().run(arguments, context, convert_result=False)
        except UnexpectedToolError as error:
            raise UnexpectedToolError(INTERNAL_TEXT) from error.__cause__
        except ToolError as error:
            raise _worded(error) from error.__cause__
        if isinstance(answer, InputRequiredResult) or not convert_result:
            return answer
        return _on_the_wire(answer)


def tool(method: Method, effect: Effect) -> GatewayTool:
    """Return the tool of a method: its name, its docstring, its parameters, its answer's shape."""
    description = " ".join(inspect.cleandoc(method.__doc__ or "").split())
    made = GatewayTool.from_function(
        _spread(method),
        name=method.__name__,
        description=description,
        annotations=ToolAnnotations(
            read_only_hint=effect.is_read,
            # Both mean nothing of a tool that only reads, by the protocol's own words.
            destructive_hint=None if effect.is_read else effect.is_destructive,
            idempotent_hint=None if effect.is_read else effect.is_idempotent,
            open_world_hint=effect.asks_broker,
        ),
        structured_output=False,
    )
    assert isinstance(made, GatewayTool)
    made.parameters = {**_input_schema(made.parameters), "additionalProperties": False}
    told = inspect.signature(method, eval_str=True).return_annotation
    (answer,) = [each for each in get_args(told) or (told,) if each is not InputRequiredResult]
    made.fn_metadata.output_schema = _output_schema(msgspec.json.schema(answer))
    return made


def _on_the_wire(answer: msgspec.Struct) -> CallToolResult:
    # Every time in every answer is in UTC unless its own text says otherwise.
    told = msgspec.to_builtins(answer) | {"time_zone": "UTC"}
    return CallToolResult(
        content=[TextContent(type="text", text=_encoder.encode(told).decode())],
        structured_content=told,
    )


# A model among the parameters is spread, so that every argument of the tool is flat; the method
# gets it whole again.
def _spread(method: Method) -> Callable[..., Any]:
    signature = inspect.signature(method, eval_str=True)
    models = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if inspect.isclass(parameter.annotation) and issubclass(parameter.annotation, Spread)
    }
    if not models:
        return method

    async def run(**given: Any) -> msgspec.Struct | InputRequiredResult:
        for name, model in models.items():
            parts = {field: given.pop(field) for field in model.model_fields}
            given[name] = model.model_construct(**parts)
        return await method(**given)

    parameters = [p for name, p in signature.parameters.items() if name not in models]
    parameters += [each for model in models.values() for each in _fields(model)]
    by_name = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__signature__ = signature.replace(parameters=by_name)  # type: ignore[attr-defined]  # how inspect is told
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _fields(model: type[Spread]) -> list[inspect.Parameter]:
    hints = get_type_hints(model, include_extras=True)
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[name],
            default=inspect.Parameter.empty if field.is_required() else field.default,
        )
        for name, field in model.model_fields.items()
    ]


def _worded(error: ToolError) -> ToolError:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return refused_arguments(cause)
    # The SDK put the tool's name before our own text.
    return ToolError(str(cause)) if isinstance(cause, ToolError) else error


def _check_size(arguments: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    # A name that is none may hold anything, and is shown as the text that it is.
    unknown = [
        name if _NAME.fullmatch(name) else shown(name) for name in arguments if name not in known
    ]
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


# References resolved in place, titles and null alternatives dropped: an optional argument is
# absent, never null. All tools together have a budget of bytes: lengths are told when they are
# overstepped, and a closed list of words needs no type.
def _input_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    definitions = schema.get("$defs", {})

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(each) for each in node]
        if not isinstance(node, Mapping):
            return node
        found = _resolved(node, definitions)
        if "enum" in found:
            found.pop("type", None)
        compact = {
            key: walk(each)
            for key, each in found.items()
            if key not in _NOT_SHOWN and key != "properties"
        }
        if "properties" in found:
            compact["properties"] = {name: walk(e) for name, e in found["properties"].items()}
        return compact

    whole: dict[str, Any] = walk(schema)
    return whole


# An answer's schema names the fields of its top that are always there, and the words of those that
# say how a call ended: what a client must rely on. The rest is told by description and answer.
def _output_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    definitions = schema.get("$defs", {})
    top = _resolved(schema, definitions)
    needed = top.get("required", [])
    kinds = {name: _kind(_resolved(top["properties"][name], definitions)) for name in needed}
    shown = {name: kind for name, kind in kinds.items() if kind and name not in _EVERYWHERE}
    properties = {"properties": shown} if shown else {}
    return {"type": "object", **properties, "required": needed}


def _kind(node: Mapping[str, Any]) -> dict[str, Any]:
    if node.get("type") == "boolean":
        return {"type": "boolean"}
    return {"enum": node["enum"]} if "enum" in node else {}


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
