"""`tiger-mcp` for a person who comes a week later: its own clock is ahead, the cluster's is not."""

from datetime import datetime, timedelta
from typing import Final
from unittest.mock import patch

from infra.cli.__main__ import main
from infra.clock import SystemClock

PROGRAM: Final = "tests.support.week_later"
_now = SystemClock.now


def _later(clock: SystemClock) -> datetime:
    return _now(clock) + timedelta(weeks=1)


if __name__ == "__main__":
    with patch.object(SystemClock, "now", _later):
        main()
