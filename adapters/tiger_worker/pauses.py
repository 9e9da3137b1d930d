"""How soon the same is asked once more: later each time, while nothing changes.

An order that an exchange keeps open for a weekend would else be asked away, and that written down,
every few seconds until Monday.
"""

from collections.abc import Collection
from typing import NamedTuple


class Pause(NamedTuple):
    """Seconds to the second time that something is asked, and the most to any later one."""

    first_s: float
    longest_s: float


class _Asked(NamedTuple):
    at_s: float
    waited_s: float
    found: object


class Pauses:
    """When each of some things was asked last, and what was true of it then; for one thread."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def ask(self, key: str, pause: Pause, *, found: object, now_s: float) -> bool:
        """Say whether a thing is to be asked now, and if so note that it is.

        Args:
            found: what is true of it; where that differs from the last time, the pauses begin anew.
        """
        before = self._asked.get(key)
        wait_s = pause.first_s
        if before is not None:
            if before.found == found:
                wait_s = min(max(2 * before.waited_s, pause.first_s), pause.longest_s)
            if now_s - before.at_s < wait_s:
                return False
        self._asked[key] = _Asked(now_s, 0.0 if before is None else wait_s, found)
        return True

    def forget(self, key: str) -> None:
        """Let a thing be asked at once."""
        self._asked.pop(key, None)

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget every other thing."""
        self._asked = {key: asked for key, asked in self._asked.items() if key in keys}
