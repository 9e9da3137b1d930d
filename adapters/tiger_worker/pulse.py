"""Says on stdout that this worker is ready, and again and again that it still lives.

Whoever hears nothing any more knows that it hangs: so the supervisor, which has no right on NATS,
shows it in its status. A desk that stands still in a process that lives is named with each word.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Final

import structlog

log = structlog.get_logger()
PULSE_EVERY_S: Final = 1.0
# A desk turns ten times a second, unless it hangs in something.
STUCK_AFTER_S: Final = 3.0


class Pulse:
    """A thread that says it; `say` writes one word and may block where nobody listens."""

    def __init__(
        self,
        desks: Mapping[str, Callable[[], float]],
        *,
        say: Callable[[Mapping[str, float]], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """Make a pulse.

        Args:
            desks: by account, for how many seconds its desk has not turned.
            say: is given those that are stuck, likewise.
            on_failure: is told if no more can be said.
        """
        self._desks = desks
        self._say = say
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Say that it is ready, and go on."""
        self._thread.start()

    def stop(self) -> None:
        """Say it no more."""
        self._stopping.set()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                stood = {alias: stood_s() for alias, stood_s in self._desks.items()}
                self._say({alias: s for alias, s in stood.items() if s > STUCK_AFTER_S})
                self._stopping.wait(PULSE_EVERY_S)
        except BrokenPipeError:
            # Who listened is gone; whether this process ends with it, the lifeline decides.
            log.warning("pulse.unheard")
        except Exception as error:
            log.error("pulse.failed", exc_info=error)
            self._on_failure(error)
