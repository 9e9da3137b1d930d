"""Logs: one JSON object per line on stderr, from our code and from libraries alike.

stdout belongs to MCP. Tracebacks carry no local variables, because a token in a local would be
printed with them.
"""

import logging
import sys
from typing import Final

import structlog

# Libraries whose INFO lines quote requests, tokens or every message.
_QUIET: Final = (
    *("tigeropen", "urllib3", "stomp", "nats", "mcp"),
    *("httpx", "httpcore", "httpx2", "httpcore2"),
)
# It quotes the whole name that a request asked for, as often as anybody asks; the guard of the HTTP
# service has a line of its own.
_SILENT: Final = "mcp.server.transport_security"


def configure(process: str, level: str) -> None:
    """Send all logging of this process to stderr; `process` is in every line."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Named(process),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(
                    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
                ),
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_SILENT).setLevel(logging.ERROR)


class _Named:
    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(
        self, _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["process"] = self._process
        return event
