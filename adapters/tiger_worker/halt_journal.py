"""What outlives a process of a halt by file: the cancels made under it, and how far it came.

Both lie beside the halt file, and are all that is known of it until the ledger answers. So does the
check of the number at the broker that the account is bound to; see `binding`.
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from core.items import CancelJournaled

log = structlog.get_logger()
_NOTE_SUFFIX: Final = ".note"
_BOUND_SUFFIX: Final = ".bound"


class HaltNote(msgspec.Struct, frozen=True, kw_only=True):
    """How far the halt by one file came.

    `file` tells one file from the next of the same name; `is_told`: the desk was halted since it
    was put there; `is_quiet`: readings begun since then showed nothing open; `ours`: the broker's
    ids of orders that were found to be ours, sorted.
    """

    file: str
    is_told: bool = False
    is_quiet: bool = False
    ours: tuple[str, ...] = ()


class CancelJournal:
    """Cancels that could not be recorded yet, one line of JSON each, synced before they count.

    A small file beside it holds the note, and another what the account is bound to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._note_path = path.with_suffix(_NOTE_SUFFIX)
        self._bound_path = path.with_suffix(_BOUND_SUFFIX)
        self._lock = threading.Lock()

    def write(self, entry: CancelJournaled) -> None:
        """Keep one answer to a cancel."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with self._lock, os.fdopen(os.open(self._path, flags, 0o600), "ab") as file:
            # The line before may be torn; this one must not be its end.
            file.write(b"\n" + msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def entries(self) -> tuple[CancelJournaled, ...]:
        """Return what is kept, oldest first; a line torn by a crash is none."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except (FileNotFoundError, NotADirectoryError):
            return ()
        found: list[CancelJournaled] = []
        for line in lines:
            try:
                found.append(msgspec.json.decode(line, type=CancelJournaled))
            except msgspec.DecodeError:
                if line:
                    log.warning("halt_journal.torn_line", path=str(self._path))
        return tuple(found)

    def clear(self, recorded: tuple[CancelJournaled, ...]) -> None:
        """Forget all, if these are all: every line is in the ledger, or torn."""
        with self._lock:
            if self._path.exists() and self.entries() == recorded:
                self._path.unlink(missing_ok=True)

    def note(self) -> HaltNote | None:
        """Return the note; one that a crash tore is none."""
        try:
            return msgspec.json.decode(self._note_path.read_bytes(), type=HaltNote)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except msgspec.DecodeError:
            log.warning("halt_journal.torn_note", path=str(self._note_path))
            return None

    def keep_note(self, note: HaltNote | None) -> None:
        """Put this note in the place of the one before, whole or not at all; None removes it."""
        if note is None:
            self._note_path.unlink(missing_ok=True)
            return
        _put(self._note_path, msgspec.json.encode(note))

    def bound(self) -> str:
        """Return what the account was last found to be bound to, or ""; see `binding`."""
        try:
            return self._bound_path.read_text("ascii", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def bind(self, bound: str) -> None:
        """Keep what the account is bound to."""
        if self.bound() != bound:
            # No halt file may ever have been put there.
            self._bound_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _put(self._bound_path, bound.encode())


def _put(path: Path, content: bytes) -> None:
    draft = path.with_suffix(f"{path.suffix}-draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def is_news(entry: CancelJournaled, kept: Iterable[CancelJournaled]) -> bool:
    """Say whether an answer differs from the last one that is kept of its order.

    An order that stays open is asked for through a whole night, and answered the same each time.
    """
    answers = [
        (one.outcome, one.code) for one in kept if one.tiger_order_id == entry.tiger_order_id
    ]
    return answers[-1:] != [(entry.outcome, entry.code)]
