"""One protocol era on a stream, whatever the client asks for first.

The SDK serves both eras and lets the client's first message decide. A client that asks in one era
and goes on in the other is then refused for good; forcing an era is the way out.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self

import anyio
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp.types import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    UNSUPPORTED_PROTOCOL_VERSION,
    ErrorData,
    JSONRPCError,
    JSONRPCRequest,
)
from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS


class Era(StrEnum):
    """Which revisions are served: `legacy` is 2025-11-25 and older, `modern` 2026-07-28."""

    AUTO = "auto"
    LEGACY = "legacy"
    MODERN = "modern"


_INITIALIZE: Final = "initialize"
_DISCOVER: Final = "server/discover"


class OneEra:
    """A client's messages without the requests of the other era, which are answered here.

    `server/discover` in the legacy era is a method that does not exist, so that a client that
    probes goes on with `initialize`.
    """

    def __init__(
        self,
        era: Era,
        reader: ReadStream[SessionMessage | Exception],
        writer: WriteStream[SessionMessage],
    ) -> None:
        self._refused = _no_modern if era is Era.LEGACY else _no_legacy
        self._reader = reader
        self._writer = writer

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message of this era.

        Raises:
            EndOfStream: the client closed its end.
        """
        while True:
            item = await self._reader.receive()
            error = self._refusal(item)
            if error is None:
                return item
            await self._writer.send(SessionMessage(error))

    def _refusal(self, item: SessionMessage | Exception) -> JSONRPCError | None:
        if isinstance(item, Exception) or not isinstance(item.message, JSONRPCRequest):
            return None
        error = self._refused(item.message)
        if error is None:
            return None
        return JSONRPCError(jsonrpc="2.0", id=item.message.id, error=error)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Close the client's end."""
        await self._reader.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def _no_modern(request: JSONRPCRequest) -> ErrorData | None:
    if request.method == _DISCOVER:
        return ErrorData(code=METHOD_NOT_FOUND, message="Method not found", data=request.method)
    if request.method != _INITIALIZE and _version(request.params) is not None:
        return ErrorData(
            code=INVALID_REQUEST,
            message="this server was told to serve the handshake era alone; begin with initialize",
        )
    return None


def _no_legacy(request: JSONRPCRequest) -> ErrorData | None:
    if request.method != _INITIALIZE and _version(request.params) is not None:
        return None
    asked: Any = (request.params or {}).get("protocolVersion")
    supported = {"supported": list(MODERN_PROTOCOL_VERSIONS)}
    return ErrorData(
        code=UNSUPPORTED_PROTOCOL_VERSION,
        message="this server was told to serve the 2026-07-28 era alone",
        data=supported | ({"requested": asked} if isinstance(asked, str) else {}),
    )


# What only a request of the modern era carries.
def _version(params: Mapping[str, Any] | None) -> object:
    meta = (params or {}).get("_meta")
    return meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, Mapping) else None
