"""What a desk is told of its account's halt file, and of the cancels made under it without it.

A desk takes a halt before all else, and a line of the journal after everything: a night's lines
keep no halt, answer or reading waiting.
"""

import time
from typing import Final

from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.file_halt import FileHalt
from adapters.tiger_worker.parts import Work
from core.account_state import AccountState
from core.items import CancelJournaled, HaltFileSeen

# How often a halt file that the desk has not taken yet is told again, and further lines are told.
TELL_EVERY_S: Final = 1.0
# More lines are told when the desk has taken these.
LINES_MAX: Final = 100


class HaltTelling:
    """Tells one desk; `look` is called from one thread, several times a second."""

    def __init__(self, file_halt: FileHalt, *, desk: DeskThread) -> None:
        self._file_halt = file_halt
        self._desk = desk
        self._told_at = 0.0
        self._taken_when_told = -1
        # Keys of the lines that the desk was told of and has not taken yet.
        self._lines: frozenset[str] = frozenset()

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
        # An order that no listing has shown yet will be: its line waits in the journal for it.
        known = [entry for entry in waiting if entry.tiger_order_id in state.by_tiger_id]
        self._lines &= {entry.key for entry in known}
        if self._lines:
            return ()
        lines = tuple(known[:LINES_MAX])
        self._lines = frozenset(entry.key for entry in lines)
        return lines
