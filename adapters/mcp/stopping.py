"""How a gateway on stdio ends when it is told to: as if its client had gone."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.mcp.wire import LineReader


@contextmanager
def ended_by_sigterm(reader: object) -> Iterator[None]:
    """Take SIGTERM for the end of a client's input while the block runs; a second ends all at once.

    Only where the wire is ours: what the SDK reads in a thread (Windows, a terminal, a file) nobody
    can end, and there SIGTERM ends the process at once.
    """
    if sys.platform == "win32" or not isinstance(reader, LineReader):
        yield
        return
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.remove_signal_handler(signal.SIGTERM)
        reader.end()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
