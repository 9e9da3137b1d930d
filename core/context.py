"""What a decision may know beside the account's own history: time, and the named limits of time."""

from datetime import datetime
from typing import Final

import msgspec

CLOCK_SKEW_MAX_S: Final = 30.0


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The service's limits of time, in seconds, and of the readings that prove something."""

    # From the beginning of the intent's append to the last moment at which it may be sent.
    send_window_s: float = 2.0
    # The SDK gives up waiting first; at the deadline the whole process ends.
    sdk_timeout_s: float = 10.0
    deadline_s: float = 20.0
    # How far this machine's clock and the broker's may differ without being noticed.
    skew_s: float = 2.0
    # How long a worker may send after it renewed its login's lease.
    lease_s: float = 10.0
    preview_life_s: float = 600.0
    absence_listings_min: int = 3
    # Readings in a row, without a fill between them, that show the same figures.
    quiet_reads_min: int = 3

    def __post_init__(self) -> None:
        if not self.sdk_timeout_s < self.deadline_s:
            raise ValueError("expected sdk_timeout_s below deadline_s")


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Handed to `decide`: the moment, the limits, and how far this clock is ahead of the broker's.

    `clock_skew_s` is negative where this clock is behind.
    """

    now: datetime
    timing: Timing
    clock_skew_s: float = 0.0
