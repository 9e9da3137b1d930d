"""The MCP SDK's server, listing to each caller what exists for that caller."""

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
    Resource,
    Tool,
)

from adapters.mcp.absent_tools import instead_of
from adapters.mcp.faults import Fault, fault, shown
from adapters.mcp.gateway import Gateway
from adapters.mcp.resources import Resources, seen_tools
from adapters.mcp.tool_shape import GatewayTool


class GatewayServer(MCPServer[None]):
    """Lists the tools that the caller has a right to, and its accounts' resources."""

    def __init__(self, gateway: Gateway, tools: list[GatewayTool], **options: Any) -> None:
        super().__init__(tools=[*tools], **options)
        self.gateway = gateway
        self._reads = {tool.name: tool.is_read for tool in tools}
        self._own_resources = Resources(gateway, {tool.name: tool for tool in tools})
        self._own_resources.add_to(self)

    def end_listening(self) -> None:
        """End every stream of notices as the protocol has it; the client may listen anew."""
        entry = self._lowlevel_server.get_request_handler("subscriptions/listen")
        if entry is not None and isinstance(entry.handler, ListenHandler):
            entry.handler.close()

    async def list_tools(self) -> list[Tool]:
        """Return the tools of this caller; in the order of the server, for every caller."""
        seen = seen_tools(self._reads)
        if self.gateway.is_read_only():
            seen = frozenset(name for name in seen if self._reads[name])
        # A tool that was added later is no gateway tool, and has no right of its own.
        return [
            tool
            for tool in await super().list_tools()
            if tool.name in seen or tool.name not in self._reads
        ]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool by name.

        Raises:
            ToolError: there is none of this name, or it gave no result.
        """
        # The SDK's public list copies each tool anew, which takes longer than a read.
        if self._tool_manager.get_tool(name) is None:
            instead = instead_of(name)
            told = f": {instead}." if instead else "; tools/list has those there are."
            raise fault(Fault.INVALID_ARGUMENT, f"name: there is no tool {shown(name)}{told}")
        return await super().call_tool(name, arguments, context)

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[None, Any] | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        """Return a prompt by name.

        Raises:
            MCPError: there is none of this name, or its arguments are others.
        """
        if self._prompt_manager.get_prompt(name) is None:
            told = f"name: there is no prompt {shown(name)}; prompts/list has those there are"
            raise MCPError(INVALID_PARAMS, told)
        return await super().get_prompt(name, arguments, context)

    async def list_resources(self) -> list[Resource]:
        """Return the fixed resources and those of the caller's accounts."""
        return [*await super().list_resources(), *self._own_resources.listed()]
