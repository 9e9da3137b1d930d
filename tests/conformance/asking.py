"""The suite's tools that ask the client back: for input, for a model's words, for its folders.

Until 2025-11-25 a server asks by a request of its own on the open stream; from 2026-07-28 on its
answer says what it needs, and the client calls again with it.

Source: `@modelcontextprotocol/conformance` 0.2.0-alpha.12, the descriptions of its scenarios.
"""

from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, UserMessage
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitResult,
    InputRequiredResult,
    SamplingMessage,
    TextContent,
)
from mcp_types import MISSING_REQUIRED_CLIENT_CAPABILITY

Asking = str | InputRequiredResult
Schema = dict[str, Any]
_MAX_TOKENS: Final = 100
_DEFAULTS: Final[Schema] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    },
}
_ENUMS: Final[Schema] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "oneOf": [
                {"const": "value1", "title": "First Option"},
                {"const": "value2", "title": "Second Option"},
                {"const": "value3", "title": "Third Option"},
            ],
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {
            "type": "array",
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
        },
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"const": "value1", "title": "First Choice"},
                    {"const": "value2", "title": "Second Choice"},
                    {"const": "value3", "title": "Third Choice"},
                ]
            },
        },
    },
}


def add_to(server: MCPServer[Any]) -> None:
    """Mount the tools and the prompt that ask."""
    for tool in (
        test_sampling,
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
        test_missing_capability,
        test_streaming_elicitation,
        test_input_required_result_elicitation,
        test_input_required_result_sampling,
        test_input_required_result_list_roots,
        test_input_required_result_request_state,
        test_input_required_result_tampered_state,
        test_input_required_result_multiple_inputs,
        test_input_required_result_multi_round,
        test_input_required_result_capabilities,
    ):
        server.tool(structured_output=False)(tool)
    server.prompt()(test_input_required_result_prompt)


# Until 2025-11-25


async def test_sampling(prompt: str, ctx: Context[Any, Any]) -> str:
    """Ask the client's model."""
    # On the stream of this call: a client need not have another.
    beside = ServerMessageMetadata(related_request_id=ctx.request_id)
    request = CreateMessageRequest(params=_sampling(prompt))
    result = await ctx.session.send_request(request, CreateMessageResult, metadata=beside)
    return f"LLM response: {_text(result)}"


async def test_elicitation(message: str, ctx: Context[Any, Any]) -> str:
    """Ask the person for a name and an address."""
    return await _ask(ctx, message, _object(username="string", email="string"))


async def test_elicitation_sep1034_defaults(ctx: Context[Any, Any]) -> str:
    """Ask with defaults for every plain type."""
    return await _ask(ctx, "Please review your data", _DEFAULTS)


async def test_elicitation_sep1330_enums(ctx: Context[Any, Any]) -> str:
    """Ask with each form of a choice."""
    return await _ask(ctx, "Please choose", _ENUMS)


async def _ask(ctx: Context[Any, Any], message: str, schema: Schema) -> str:
    result = await ctx.session.elicit_form(message, schema, ctx.request_id)
    return f"Elicitation completed: action={result.action}, content={result.content}"


# From 2026-07-28 on


def test_missing_capability(ctx: Context[Any, Any]) -> str:
    """Need what the client did not declare."""
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
        raise MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY,
            "the client must declare sampling",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "The client can sample"


def test_streaming_elicitation(ctx: Context[Any, Any]) -> Asking:
    """Ask in the answer, and by no request beside it."""
    return test_input_required_result_elicitation(ctx)


def test_input_required_result_elicitation(ctx: Context[Any, Any]) -> Asking:
    """Ask for a name."""
    name = _field(ctx, "user_name", "name")
    if name is None:
        return _needs(user_name=_form("What is your name?", name="string"))
    return f"Hello, {name}!"


def test_input_required_result_sampling(ctx: Context[Any, Any]) -> Asking:
    """Ask the client's model."""
    answer = (ctx.input_responses or {}).get("capital_question")
    if not isinstance(answer, CreateMessageResult):
        return _needs(capital_question=_model("What is the capital of France?"))
    return _text(answer)


def test_input_required_result_list_roots(ctx: Context[Any, Any]) -> Asking:
    """Ask for the client's folders."""
    roots = getattr((ctx.input_responses or {}).get("client_roots"), "roots", None)
    if roots is None:
        return _needs(client_roots=_ROOTS)
    return "Roots: " + ", ".join(str(root.uri) for root in roots)


def test_input_required_result_request_state(ctx: Context[Any, Any]) -> Asking:
    """Ask with a state, and know it again."""
    return _confirmed(ctx)


def test_input_required_result_tampered_state(ctx: Context[Any, Any]) -> Asking:
    """Ask with a state, which the server itself protects."""
    return _confirmed(ctx)


def _confirmed(ctx: Context[Any, Any]) -> Asking:
    if _field(ctx, "confirm", "ok") is None or ctx.request_state != "asked":
        return _needs(state="asked", confirm=_form("Please confirm", ok="boolean"))
    return "state-ok"


def test_input_required_result_multiple_inputs(ctx: Context[Any, Any]) -> Asking:
    """Ask for three things at once."""
    asked = {
        "user_name": _form("What is your name?", name="string"),
        "greeting": _model("Generate a greeting"),
        "client_roots": _ROOTS,
    }
    if not asked.keys() <= (ctx.input_responses or {}).keys() or ctx.request_state != "asked":
        return _needs(state="asked", **asked)
    return f"Hello, {_field(ctx, 'user_name', 'name')}"


def test_input_required_result_multi_round(ctx: Context[Any, Any]) -> Asking:
    """Ask, and ask again."""
    first, second = _field(ctx, "step1", "name"), _field(ctx, "step2", "color")
    if ctx.request_state == "round-1" and first is not None:
        asked = _form("Step 2: What is your favorite color?", color="string")
        return _needs(state=f"round-2 {first}", step2=asked)
    if ctx.request_state is not None and ctx.request_state.startswith("round-2 "):
        return f"{ctx.request_state.removeprefix('round-2 ')} likes {second}"
    return _needs(state="round-1", step1=_form("Step 1: What is your name?", name="string"))


def test_input_required_result_capabilities(ctx: Context[Any, Any]) -> Asking:
    """Ask for what the client said that it can give, and for nothing else."""
    can = ctx.client_capabilities
    asked: dict[str, Any] = {}
    if can is not None and can.sampling is not None:
        asked["greeting"] = _model("Generate a greeting")
    if can is not None and can.elicitation is not None:
        asked["user_name"] = _form("What is your name?", name="string")
    if not asked or asked.keys() <= (ctx.input_responses or {}).keys():
        return "Nothing more is needed"
    return _needs(**asked)


def test_input_required_result_prompt(
    ctx: Context[Any, Any],
) -> list[UserMessage] | InputRequiredResult:
    """A prompt that asks for what it is about."""
    about = _field(ctx, "user_context", "context")
    if about is None:
        question = "What context should the prompt use?"
        return _needs(user_context=_form(question, context="string"))
    return [UserMessage(f"Use this context: {about}")]


_ROOTS: Final = {"method": "roots/list", "params": {}}


def _needs(*, state: str | None = None, **asked: Any) -> InputRequiredResult:
    told = {"inputRequests": asked} | ({} if state is None else {"requestState": state})
    return InputRequiredResult.model_validate(told)


def _form(message: str, **fields: str) -> Schema:
    params = {"mode": "form", "message": message, "requestedSchema": _object(**fields)}
    return {"method": "elicitation/create", "params": params}


def _object(**fields: str) -> Schema:
    properties = {name: {"type": kind} for name, kind in fields.items()}
    return {"type": "object", "properties": properties, "required": list(fields)}


def _model(prompt: str) -> Schema:
    params = _sampling(prompt).model_dump(by_alias=True, exclude_none=True)
    return {"method": "sampling/createMessage", "params": params}


def _sampling(prompt: str) -> CreateMessageRequestParams:
    content = TextContent(type="text", text=prompt)
    message = SamplingMessage(role="user", content=content)
    return CreateMessageRequestParams(messages=[message], max_tokens=_MAX_TOKENS)


# A field of what the person filled in under a key; None where that was not asked, or not answered.
def _field(ctx: Context[Any, Any], key: str, field: str) -> Any:
    answer = (ctx.input_responses or {}).get(key)
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        return None
    return (answer.content or {}).get(field)


def _text(result: CreateMessageResult) -> str:
    return result.content.text if isinstance(result.content, TextContent) else ""
