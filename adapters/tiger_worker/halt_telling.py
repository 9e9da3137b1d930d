"""What a desk is told of its account's halt file, and of the cancels made under it without it.

A desk takes a halt before all else, and a line of the journal after everything: a night's lines
keep no halt, answer or reading waiting.
"""

import time
from typing import Final

from msgspec.structs import replace

from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.file_halt import FileHalt
from adapters.tiger_worker.parts import Work
from adapters.tiger_worker.windows import LATE_EVERY_S
from core.account_state import AccountState
from core.items import CancelJournaled, HaltFileSeen

# How often a halt file that the desk has not taken yet is told again, and further lines are told.
TELL_EVERY_S: Final = 1.0
# More lines are told when the desk has taken these.
LINES_MAX: Final = 100
# An order that readings have not shown for so long is taken for one opened before any of them goes
# back to: by then the widest sweep was due twice, though one of many rows comes rarer.
UNLISTED_AFTER_S: Final = 2 * LATE_EVERY_S


class HaltTelling:
    """Tells one desk; `look` is called from one thread, several times a second."""

    def __init__(self, file_halt: FileHalt, *, desk: DeskThread) -> None:
        self._file_halt = file_halt
        self._desk = desk
        self._told_at = 0.0
        self._taken_when_told = -1
        # Keys of the lines that the desk was told of and has not taken yet.
        self._lines: frozenset[str] = frozenset()
        # Since when readings show what they show without the orders of these ids of the broker's.
        self._unlisted_since: dict[str, float] = {}

    def look(self) -> None:
        """Tell what is not recorded yet, if it is time to."""
        now = time.monotonic()
        taken = self._desk.taken
        # A desk that hangs is not told the same again and again.
        if now - self._told_at <= TELL_EVERY_S or taken == self._taken_when_told:
            return
        halt, lines = self._halt(), self._next_lines()
        if halt is not None:
            self._desk.post(Work(halt), Turn.CONTROL)
        for line in lines:
            self._desk.post(Work(line), Turn.COMMAND)
        if halt is not None or lines:
            self._told_at, self._taken_when_told = now, taken

    @property
    def _state(self) -> AccountState:
        return self._desk.desk.state

    def _halt(self) -> HaltFileSeen | None:
        there, owed = self._file_halt.file, self._file_halt.owed_file
        if there and (there == owed or not self._state.is_halted):
            return HaltFileSeen(detail="the halt file is there", file=there)
        # It may be gone since: deleting it resumes nothing, whoever knew of it meanwhile.
        return HaltFileSeen(detail="the halt file was there", file=owed) if owed else None

    def _next_lines(self) -> tuple[CancelJournaled, ...]:
        """Return the next lines to tell, none while the desk has some; all taken, forget them."""
        state, journal = self._state, self._file_halt.journal
        entries = journal.entries()
        waiting = [entry for entry in entries if entry.key not in state.handled]
        if not waiting:
            journal.clear(entries)
        # An order that no listing has shown yet may still come: its line waits in the journal.
        unlisted = self._unlisted({entry.tiger_order_id for entry in waiting})
        told = [
            replace(entry, is_unlisted=entry.tiger_order_id in unlisted)
            for entry in waiting
            if entry.tiger_order_id in unlisted or entry.tiger_order_id in state.by_tiger_id
        ]
        self._lines &= {entry.key for entry in told}
        if self._lines:
            return ()
        lines = tuple(told[:LINES_MAX])
        self._lines = frozenset(entry.key for entry in lines)
        return lines

    def _unlisted(self, tiger_order_ids: set[str]) -> set[str]:
        """Return those of which nothing was listed for so long that nothing is waited for."""
        state, now = self._state, time.monotonic()
        unknown = {id_ for id_ in tiger_order_ids if id_ not in state.by_tiger_id}
        if state.is_stale:
            # Nobody knows what the broker lists now.
            unknown = set()
        self._unlisted_since = {id_: self._unlisted_since.get(id_, now) for id_ in unknown}
        return {id_ for id_ in unknown if now - self._unlisted_since[id_] >= UNLISTED_AFTER_S}
