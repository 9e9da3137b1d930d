"""Run one of our modules as a child that does not outlive its supervisor.

`python -P -m infra.supervisor.child MODULE ARGUMENT...` is `python -P -m MODULE ARGUMENT...` with
the lifeline around it, so that no process has to know of the supervisor.
"""

import os
import runpy
import signal
import sys
import threading
from typing import Final

from infra.lean import left_out
from infra.supervisor.lifeline import watch_parent

# Above the longest orderly stop of any child: a worker lets a call to the broker end first.
GRACE_S: Final = 30.0
_EXIT_HUNG: Final = 70


def main() -> None:
    """Start the lifeline, then become the module."""
    module, *arguments = sys.argv[1:]
    watch_parent(_end)
    sys.argv = [module, *arguments]
    with left_out():
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end() -> None:
    # On Windows this ends the process at once, which the ledger's rules survive as they do a crash.
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_S)
    os._exit(_EXIT_HUNG)


if __name__ == "__main__":
    main()
