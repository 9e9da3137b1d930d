"""The halt that needs nothing but a file: what is open is cancelled though no event can be stored.

While the halt file stands and the desk has not taken the halt (NATS is away, or the ledger hangs),
a thread of its own asks the broker what is open and has it cancelled. Each answer goes into a
journal beside the file, and from there into the ledger when that is back. The ids are the broker's
own: an order whose fate the ledger does not know is cancelled too.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from adapters.tiger_worker import words
from adapters.tiger_worker.broker import AccountBroker, Ended
from core.errors import BrokerError, CorruptRecordError
from core.items import CancelJournaled
from core.ports import Clock

log = structlog.get_logger()
_LOOK_S: Final = 0.2
# The desk is given this long to take the halt itself.
GRACE_S: Final = 1.0
# How often the broker is asked what is open, meanwhile.
LIST_EVERY_S: Final = 2.0
# How soon a cancel that came to nothing is asked again.
AGAIN_S: Final = 5.0


class CancelJournal:
    """Cancels that could not be recorded yet, one line of JSON each, synced before they count."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
        except FileNotFoundError:
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


class FileHalt:
    """Watches one account's halt file. `ended` is told of each cancel's end, from any thread."""

    def __init__(
        self,
        broker: AccountBroker,
        *,
        account: str,
        halt_file: Path,
        journal: CancelJournal,
        clock: Clock,
        is_taken: Callable[[], bool],
        cancel: Callable[[str], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """Make a watch.

        Args:
            is_taken: whether the account is halted by its own state, and each order that this
                concerns is being cancelled by its desk.
            cancel: has an order cancelled by the broker's id, on a lane of its own.
            on_failure: is told if this watch can watch no more.
        """
        self._broker = broker
        self._account = account
        self._halt_file = halt_file
        self._journal = journal
        self._clock = clock
        self._is_taken = is_taken
        self._cancel = cancel
        self._on_failure = on_failure
        self._listed_at = -LIST_EVERY_S
        self._asked_at: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"halt-{account}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()

    def ended(self, tiger_order_id: str, ended: Ended) -> None:
        """Keep how a cancel of this watch ended."""
        entry = CancelJournaled(
            tiger_order_id=tiger_order_id,
            asked_at=self._clock.now(),
            outcome=ended.outcome,
            code=ended.code,
            detail=ended.detail,
        )
        try:
            self._journal.write(entry)
        except OSError as error:
            # The cancel is made; its order's listing will tell. The lane must go on.
            log.error("halt_journal.not_written", account=self._account, reason=str(error))

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:
            log.error("halt_file.failed", account=self._account, exc_info=error)
            self._on_failure(error)

    def _watch(self) -> None:
        seen_at: float | None = None
        while not self._stopping.wait(_LOOK_S):
            if not self._halt_file.exists() or self._is_taken():
                seen_at = None
                continue
            now = time.monotonic()
            seen_at = seen_at or now
            if now - seen_at > GRACE_S and now - self._listed_at >= LIST_EVERY_S:
                self._listed_at = now
                self._cancel_what_is_open()

    def _cancel_what_is_open(self) -> None:
        try:
            rows = self._broker.open_orders()
        except (BrokerError, CorruptRecordError) as error:
            log.warning("halt_file.listing_failed", account=self._account, reason=str(error))
            return
        now = time.monotonic()
        for row in rows:
            tiger_order_id = words.text(row, "id")
            if not tiger_order_id.isdecimal():
                log.error("halt_file.order_without_id", account=self._account)
                continue
            if now - self._asked_at.get(tiger_order_id, -AGAIN_S) >= AGAIN_S:
                self._asked_at[tiger_order_id] = now
                self._cancel(tiger_order_id)
        log.warning("halt_file.cancels", account=self._account, open_orders=len(rows))
