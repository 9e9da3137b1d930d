"""What the conformance suite expects a server to have: tools, resources and prompts of fixed names.

Source: `@modelcontextprotocol/conformance` 0.2.0-alpha.12, the descriptions of its scenarios.
"""

import base64
import json
from typing import Any, Final

from mcp.server import MCPServer, ServerRequestContext
from mcp.server.mcpserver import Context, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import (
    AudioContent,
    Completion,
    CompletionArgument,
    CompletionContext,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    PromptReference,
    ResourceTemplateReference,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)

# One white pixel, and no sound at all.
PNG: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4////fwAJ+wP9CNHoHgAAAABJRU5E"
    "rkJggg=="
)
WAV: Final = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
WATCHED: Final = "test://watched-resource"
SCHEMA_2020_12: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
_IN_HEADER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    "required": ["region"],
}


def add_to(server: MCPServer[Any]) -> None:
    """Mount everything that answers by itself; what asks the client back is in `asking`."""
    for tool in (
        test_simple_text,
        test_image_content,
        test_audio_content,
        test_embedded_resource,
        test_multiple_content_types,
        test_tool_with_logging,
        test_logging_tool,
        test_error_handling,
        test_tool_with_progress,
    ):
        server.tool(structured_output=False)(tool)
    server.tool()(test_trigger_tool_change)
    server.tool()(test_trigger_prompt_change)
    _add_with_schema(server, "json_schema_2020_12_tool", SCHEMA_2020_12)
    _add_with_schema(server, "test_x_mcp_header", _IN_HEADER)
    _add_resources(server)
    for prompt in (
        test_simple_prompt,
        test_prompt_with_arguments,
        test_prompt_with_embedded_resource,
        test_prompt_with_image,
    ):
        server.prompt()(prompt)
    server.completion()(_complete)  # type: ignore[no-untyped-call]  # the SDK's own
    _add_legacy(server)


def test_simple_text() -> str:
    """Answer with a text."""
    return "This is a simple text response for testing."


def test_image_content() -> list[ImageContent]:
    """Answer with an image."""
    return [_image()]


def test_audio_content() -> list[AudioContent]:
    """Answer with sound."""
    return [AudioContent(type="audio", data=WAV, mime_type="audio/wav")]


def test_embedded_resource() -> list[EmbeddedResource]:
    """Answer with a resource."""
    text = "This is an embedded resource content."
    return [_embedded("test://embedded-resource", text)]


def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """Answer with a text, an image and a resource."""
    told = json.dumps({"test": "data", "value": 123})
    return [
        TextContent(type="text", text="Multiple content types test:"),
        _image(),
        _embedded("test://mixed-content-resource", told, mime_type="application/json"),
    ]


async def test_tool_with_logging(ctx: Context[Any, Any]) -> str:
    """Log three lines, then answer."""
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.log("info", line)
    return "Tool with logging executed successfully"


async def test_logging_tool(ctx: Context[Any, Any]) -> str:
    """Log a line, which only a client that asked for a level may see."""
    await ctx.log("info", "A line for whoever asked for it")
    return "Logged"


def test_error_handling() -> str:
    """Fail."""
    raise ToolError("This tool intentionally returns an error for testing")


async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
    """Report progress three times, then answer."""
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, 100)
    return "Tool with progress executed successfully"


async def test_trigger_tool_change(ctx: Context[Any, Any]) -> str:
    """Tell whoever listens that the tools changed."""
    await ctx.notify_tools_changed()
    return "Told"


async def test_trigger_prompt_change(ctx: Context[Any, Any]) -> str:
    """Tell whoever listens that the prompts changed."""
    await ctx.notify_prompts_changed()
    return "Told"


def test_simple_prompt() -> list[UserMessage]:
    """A text."""
    return [UserMessage("This is a simple prompt for testing.")]


def test_prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
    """A text with two arguments."""
    return [UserMessage(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]


def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803  # the suite's name
    """A resource and a text."""
    return [
        UserMessage(_embedded(resourceUri, "Embedded resource content for testing.")),
        UserMessage("Please process the embedded resource above."),
    ]


def test_prompt_with_image() -> list[UserMessage]:
    """An image and a text."""
    return [UserMessage(_image()), UserMessage("Please analyze the image above.")]


def _image() -> ImageContent:
    return ImageContent(type="image", data=PNG, mime_type="image/png")


def _embedded(uri: str, text: str, *, mime_type: str = "text/plain") -> EmbeddedResource:
    resource = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=resource)


def _add_with_schema(server: MCPServer[Any], name: str, schema: dict[str, Any]) -> None:
    def answer() -> str:
        return "ok"

    tool = Tool.from_function(answer, name=name, description="Has a schema of its own.")
    tool.parameters = schema
    server._tool_manager._tools[name] = tool


def _add_resources(server: MCPServer[Any]) -> None:
    @server.resource("test://static-text", description="A text.", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", description="An image.", mime_type="image/png")
    def static_binary() -> bytes:
        return base64.b64decode(PNG)

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @server.resource(WATCHED, description="Can be watched.", mime_type="text/plain")
    def watched() -> str:
        return "Watched resource content"


async def _complete(
    ref: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    context: CompletionContext | None,
) -> Completion:
    return Completion(values=[f"{argument.value}is"], total=1, has_more=False)


# Requests of the older era that the SDK's server class has no public way to serve.
def _add_legacy(server: MCPServer[Any]) -> None:
    watched: set[str] = set()

    async def subscribe(
        _: ServerRequestContext[Any, Any], params: SubscribeRequestParams
    ) -> EmptyResult:
        watched.add(params.uri)
        return EmptyResult()

    async def unsubscribe(
        _: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams
    ) -> EmptyResult:
        watched.discard(params.uri)
        return EmptyResult()

    async def set_level(
        _: ServerRequestContext[Any, Any], params: SetLevelRequestParams
    ) -> EmptyResult:
        return EmptyResult()

    low = server._lowlevel_server
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
    low.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
