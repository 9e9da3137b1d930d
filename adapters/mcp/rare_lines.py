"""Lines of the log that anybody may cause: each once a minute, then how many more there were.

Whoever is refused may ask again at once and without end, so a line for each refusal would fill the
disk. What was left out is told when the minute is over, or at the end.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import structlog

_MINUTE_S: Final = 60.0
# Beyond these, whoever is new shares one line of the event.
_ROWS_MAX: Final = 1024
_OTHERS: Final = "others"

_log = structlog.get_logger()


class _Row:
    def __init__(self, level: int, counted: str, fields: Mapping[str, str | int]) -> None:
        self.level = level
        self.counted = counted
        self.fields = fields
        self.left_out = 0
        self.timer: asyncio.TimerHandle | None = None


class RareLines:
    """Writes lines, at most one a period for each event and whom it is about."""

    def __init__(self, *, period_s: float = _MINUTE_S, rows_max: int = _ROWS_MAX) -> None:
        self._period_s = period_s
        self._rows_max = rows_max
        # By the event and whom it is about.
        self._rows: dict[tuple[str, ...], _Row] = {}

    def say(
        self,
        event: str,
        who: tuple[str, ...],
        fields: Mapping[str, str | int],
        *,
        level: int = logging.WARNING,
        counted: str = "left_out",
    ) -> None:
        """Write a line, or count it.

        Args:
            event: the name of the line.
            who: whose lines of this event are one, such as address and cause.
            fields: of the line; a later one has those of the first.
            level: of `logging`.
            counted: the field of a later line that says how many there were since.
        """
        key = (event, *who)
        if key not in self._rows and len(self._rows) >= self._rows_max:
            key, fields = (event,), {"peer": _OTHERS}
        row = self._rows.get(key)
        if row is not None:
            row.left_out += 1
            return
        _log.log(level, event, **fields)
        self._rows[key] = row = _Row(level, counted, fields)
        self._wait(key, row)

    def close(self) -> None:
        """Tell what was left out until now."""
        rows, self._rows = self._rows, {}
        for key, row in rows.items():
            if row.timer is not None:
                row.timer.cancel()
            _tell(key, row)

    def _wait(self, key: tuple[str, ...], row: _Row) -> None:
        loop = asyncio.get_running_loop()
        row.timer = loop.call_later(self._period_s, self._period_over, key, row)

    def _period_over(self, key: tuple[str, ...], row: _Row) -> None:
        if not row.left_out:
            del self._rows[key]
            return
        _tell(key, row)
        row.left_out = 0
        self._wait(key, row)


def _tell(key: tuple[str, ...], row: _Row) -> None:
    if row.left_out:
        _log.log(row.level, key[0], **{**row.fields, row.counted: row.left_out})
