"""The last checks before an order leaves: step 8, directly before the SDK's call.

Each is a way in which an intent may have grown stale between its append and its send.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from adapters.tiger_worker.parts import Intent
from core.ports import Clock


class HaltLatch:
    """Set the moment a halt arrives, before the desk has taken it; scopes are "" or a symbol."""

    def __init__(self) -> None:
        self._scopes: set[str] = set()
        self._lock = threading.Lock()

    def set(self, scope: str) -> None:
        """Hold back every send of the scope."""
        with self._lock:
            self._scopes.add(scope)

    def lift(self, scope: str) -> None:
        """Let sends of the scope pass again."""
        with self._lock:
            self._scopes.discard(scope)

    def holds(self, symbol: str) -> bool:
        """Say whether a send of this symbol is held back."""
        with self._lock:
            return "" in self._scopes or symbol in self._scopes


class SendGuard:
    """Says why an intent may not be sent any more."""

    def __init__(
        self,
        *,
        clock: Clock,
        latch: HaltLatch,
        halt_file: Path,
        is_lock_held: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._latch = latch
        self._halt_file = halt_file
        self._is_lock_held = is_lock_held

    def objection(self, intent: Intent) -> str | None:
        """Return why the order must not be sent, or None."""
        if not intent.is_clean:
            return "the ledger's first answer to the intent was lost"
        if self._clock.now() >= intent.send_by or self._clock.boot_s() >= intent.send_by_boot_s:
            return "the time to send had passed"
        if self._latch.holds(intent.spec.symbol):
            return "a halt had arrived"
        if self._halt_file.exists():
            return "the halt file is in place"
        if not self._is_lock_held():
            return "the login's lock is lost"
        return None
