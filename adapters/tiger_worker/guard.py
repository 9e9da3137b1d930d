"""The last checks before an order leaves: step 8, directly before the SDK's call.

Each is a way in which an intent may have grown stale between its append and its send.
"""

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from adapters.tiger_worker.parts import Intent, ModifyIntent
from core.ports import Clock


class HaltLatch:
    """Counts the halts that arrived and are not taken by the desk yet; "" or a symbol each."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    def set(self, scope: str) -> None:
        """A halt of this scope arrived: hold back its sends until the desk has taken it."""
        with self._lock:
            self._waiting[scope] += 1

    def taken(self, scope: str) -> None:
        """The desk has taken a halt of this scope; from here on the account's state tells."""
        with self._lock:
            self._waiting[scope] = max(0, self._waiting[scope] - 1)

    def holds(self, symbol: str) -> bool:
        """Say whether a send of this symbol is held back."""
        with self._lock:
            return self._waiting[""] > 0 or self._waiting[symbol] > 0


class SendGuard:
    """Says why an intent may not be sent any more."""

    def __init__(
        self,
        *,
        clock: Clock,
        latch: HaltLatch,
        is_halted: Callable[[str], bool],
        halt_file: Path,
        is_lock_held: Callable[[], bool],
        has_lease: Callable[[], bool],
    ) -> None:
        """Make a guard; `is_halted` says what the account's state says of a symbol."""
        self._clock = clock
        self._latch = latch
        self._is_halted = is_halted
        self._halt_file = halt_file
        self._is_lock_held = is_lock_held
        self._has_lease = has_lease

    def objection(self, intent: Intent | ModifyIntent) -> str | None:
        """Return why the order, or the change of one, must not be sent, or None."""
        if not intent.is_clean:
            return "the ledger's first answer to the intent was lost"
        if self._clock.now() >= intent.send_by or self._clock.boot_s() >= intent.send_by_boot_s:
            return "the time to send had passed"
        if self._latch.holds(intent.spec.symbol) or self._is_halted(intent.spec.symbol):
            return "a halt had arrived"
        if self._halt_file.exists():
            return "the halt file is in place"
        if not self._is_lock_held():
            return "the login's lock is lost"
        # The last of all, because it is true for a time only.
        if not self._has_lease():
            return "the login's lease had run out"
        return None
