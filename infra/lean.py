"""Keeps out of a service's process what libraries load merely because it is installed.

structlog and the MCP SDK load `rich` where they find it, to colour logs that no service colours:
4 MiB and some 50 ms in each process.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

UNUSED: Final = ("rich",)


@contextmanager
def left_out(names: tuple[str, ...] = UNUSED) -> Iterator[None]:
    """Let imports in the block find these packages not installed; what is loaded already stays."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        # Source: Python reference 3.11, "The module cache": None there is a ModuleNotFoundError.
        sys.modules[name] = None  # type: ignore[assignment]  # as the reference has it
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
