"""How a child notices that its supervisor is gone, on every system: its stdin ends.

The supervisor holds the other end of a pipe and never writes to it. However it dies, the system
closes that end. The same pipe, closed on purpose, is how a child is asked to stop.
"""

import os
import stat
import threading
from collections.abc import Callable
from typing import Final

_STDIN: Final = 0
_READ_BYTES: Final = 4096


def watch_parent(on_gone: Callable[[], None]) -> bool:
    """Call `on_gone` from a thread of its own when the parent's end of stdin closes.

    Returns whether there is anything to watch: only a pipe counts, so that a process started from
    a terminal, or without stdin, goes on.
    """
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(_STDIN).st_mode)
    except OSError:
        return False
    if is_pipe:
        threading.Thread(target=_wait, args=(on_gone,), name="lifeline", daemon=True).start()
    return is_pipe


def _wait(on_gone: Callable[[], None]) -> None:
    wait_for_end()
    on_gone()


def wait_for_end() -> None:
    """Return when stdin has ended."""
    try:
        while os.read(_STDIN, _READ_BYTES):
            pass
    except OSError:
        # A pipe that cannot be read is as good as ended.
        return
