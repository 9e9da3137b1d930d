"""Time and identity from outside: what implements `core.ports.Clock` and `core.ports.Ids`."""

import secrets
import sys
import time
from datetime import UTC, datetime
from typing import Final

_ID_BYTES: Final = 16


class SystemClock:
    """This machine's clocks."""

    def now(self) -> datetime:
        """Return the wall clock, zone-aware UTC."""
        return datetime.now(UTC)

    def boot_s(self) -> float:
        """Return seconds on a clock that never jumps and goes on while the machine sleeps."""
        return _boot_s()


class RandomIds:
    """Identifiers that nobody can guess."""

    def new(self, prefix: str) -> str:
        """Return `prefix-<32 hex>`, never twice the same."""
        return f"{prefix}-{secrets.token_hex(_ID_BYTES)}"


if sys.platform == "linux":

    def _boot_s() -> float:
        # CLOCK_MONOTONIC stands still there during sleep.
        return time.clock_gettime(time.CLOCK_BOOTTIME)
elif sys.platform == "darwin":

    def _boot_s() -> float:
        # Python's own monotonic() stands still there during sleep; this clock does not.
        return time.clock_gettime(time.CLOCK_MONOTONIC)
else:

    def _boot_s() -> float:
        return time.monotonic()
