"""The halt that needs nothing but a file: what is open is cancelled though no event can be stored.

A watch of its own, from the moment the login is locked until the process ends. While the halt file
stands and no desk carries the halt (it is not restored yet, NATS is away, its append hangs), the
broker is asked what is open and has it cancelled, on a lane of its own. Each answer goes into a
journal beside the file, and from there into the ledger when that is back. The ids are the broker's
own: an order whose fate the ledger does not know is cancelled too.

No other call is made here than that listing and these cancels.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from adapters.tiger_worker.broker import AccountBroker, Ended
from adapters.tiger_worker.cancel_lane import CancelJob, CancelLane
from adapters.tiger_worker.halt_journal import CancelJournal, HaltNote, is_news
from adapters.tiger_worker.halt_orders import HaltOrders
from adapters.tiger_worker.lanes import NO_END, ask_cancel
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.reading_watch import ReadingWatch
from core.account_state import AccountState
from core.cancelling import is_halt_carried
from core.errors import BrokerError, CorruptRecordError
from core.ids import file_id
from core.items import CancelJournaled, Outcome
from core.ports import Clock

log = structlog.get_logger()
_LOOK_S: Final = 0.2
# A desk that follows is given this long to take the halt itself.
GRACE_S: Final = 1.0
# One that took it asks for the cancels itself, as long as rounds of readings reach it this often;
# and a desk that is not restored yet may still do so.
DESK_GRACE_S: Final = 10.0
# How often the broker is asked what is open, meanwhile; and once nothing was.
LIST_EVERY_S: Final = 2.0
LIST_QUIET_EVERY_S: Final = 10.0
# So many listings in a row without an order to cancel say that nothing is open.
QUIET_LISTINGS: Final = 3
# A listing that hangs for so many deadlines of a call has taken a thread for good.
LISTING_ENDS_AFTER: Final = 6.0


class Standing(NamedTuple):
    """How a desk stands to the halt of its account.

    `is_verified`: readings begun after the halt showed nothing open; `is_carried`: besides, nothing
    that the halt concerns is open now; `silent_s`: seconds since a whole round of readings last
    reached the desk; `file` tells the halt file that halted the account last, by itself or named by
    a person's control, from the next of its name.
    """

    is_halted: bool
    is_verified: bool
    is_carried: bool
    silent_s: float
    file: str = ""


def standing_of(state: AccountState, *, silent_s: float) -> Standing:
    """Return how a desk stands whose account is in this state."""
    return Standing(
        is_halted=state.is_halted,
        is_verified=state.is_halted and "" not in state.unverified_halts,
        is_carried=is_halt_carried(state),
        silent_s=silent_s,
        file=state.halt_file,
    )


class FileHalt:
    """Watches one account's halt file; without a desk until `follow` names one."""

    def __init__(
        self,
        broker: AccountBroker,
        *,
        account: str,
        ledger_id: str,
        halt_file: Path,
        journal: CancelJournal,
        budget: RateBudget,
        clock: Clock,
        deadline_s: float,
        on_failure: Callable[[BaseException], None],
        on_exhausted: Callable[[], None],
    ) -> None:
        """Make a watch.

        Args:
            ledger_id: what the marks of our orders begin with.
            deadline_s: after which a call that hangs is not waited for.
            on_failure: is told if this watch can watch no more.
            on_exhausted: is called when only a new process has threads that do not hang.
        """
        self.broker = broker
        self.journal = journal
        self._account = account
        self._halt_file = halt_file
        self._budget = budget
        self._clock = clock
        self._deadline_s = deadline_s
        self._on_failure = on_failure
        self._on_exhausted = on_exhausted
        self._lane = CancelLane(
            self._ask,
            name=f"halt-cancel-{account}",
            deadline_s=deadline_s,
            on_ended=self._ended,
            on_given_up=self._give_up,
            on_exhausted=on_exhausted,
        )
        self._desk: Callable[[], Standing] | None = None
        self._is_alone = False
        # What the watch saw last, and since when it is so.
        self._seen: tuple[str, bool, bool, bool] = ("", False, False, False)
        self._since = 0.0
        self._readings = ReadingWatch()
        self._lister: threading.Thread | None = None
        self._listings = 0
        self._listed_at = -LIST_QUIET_EVERY_S
        # Shared by the watch, its listings and the lane's threads.
        self._lock = threading.Lock()
        self._note = journal.note()
        self._quiet_listings = 0
        ours = () if self._note is None else self._note.ours
        self._orders = HaltOrders(own_marks=f"{ledger_id}.", ours=ours)
        self._is_ours: Callable[[str], bool] = lambda _: False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"halt-{account}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def follow(
        self, desk: Callable[[], Standing], *, is_ours: Callable[[str], bool] = lambda _: False
    ) -> None:
        """Leave to this desk, from now on, what it does by itself; it has taken nothing yet.

        `is_ours` says of a broker's id whether the desk knows it for that of an order of ours.
        """
        self._desk, self._is_ours = desk, is_ours

    def go_alone(self) -> None:
        """Wait for no desk any more, until `follow` names one: there is none, or it has failed."""
        self._desk, self._is_alone = None, True

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()

    @property
    def is_file_there(self) -> bool:
        """Whether the halt file is in place."""
        return bool(self.file)

    @property
    def file(self) -> str:
        """What tells the halt file that is in place from the next of its name, or ""."""
        try:
            stat = self._halt_file.stat()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        return file_id(inode=stat.st_ino, modified_ns=stat.st_mtime_ns, changed_ns=stat.st_ctime_ns)

    @property
    def is_wanted(self) -> bool:
        """Whether the halt file stands, and nothing has shown yet that it is done with."""
        file, note = self.file, self._note
        return bool(file) and not (note is not None and note.file == file and note.is_quiet)

    @property
    def owed_file(self) -> str:
        """The file that was seen, here or by an earlier process, and that no desk has halted for.

        "" if there is none. Deleting the file resumes nothing.
        """
        standing = None if self._desk is None else self._desk()
        with self._lock:
            note = self._note
            is_owed = note is not None and not self._is_told(note, standing)
        return note.file if note is not None and is_owed else ""

    def _run(self) -> None:
        try:
            while not self._stopping.wait(_LOOK_S):
                self._lane.check()
                if self._readings.longest_s > LISTING_ENDS_AFTER * self._deadline_s:
                    log.error("halt_file.listing_hangs", account=self._account)
                    self._on_exhausted()
                self._look()
        except Exception as error:
            log.error("halt_file.failed", account=self._account, exc_info=error)
            self._on_failure(error)

    def _look(self) -> None:
        file = self.file
        standing = None if self._desk is None else self._desk()
        self._follow_note(file, standing)
        now = time.monotonic()
        is_halted = standing is not None and standing.is_halted
        seen = (file, standing is not None, is_halted, self._is_told_of)
        if seen != self._seen:
            self._seen, self._since = seen, now
        if file and self._is_due(standing, now - self._since) and self._is_listing_due(now):
            self._listed_at = now
            self._listings += 1
            self._lister = threading.Thread(
                target=self._list,
                args=(self._listings,),
                name=f"halt-list-{self._account}",
                daemon=True,
            )
            self._lister.start()

    def _follow_note(self, file: str, standing: Standing | None) -> None:
        with self._lock:
            note = self._note
            if file and (note is None or note.file != file):
                note = HaltNote(file=file, ours=self._orders.ours)
                self._quiet_listings = 0
            if note is not None and standing is not None:
                is_told = self._is_told(note, standing)
                # An earlier halt's verification says nothing of what was opened since.
                is_quiet = note.is_quiet or (is_told and standing.is_verified)
                note = replace(note, is_told=is_told, is_quiet=is_quiet)
            if not file and note is not None and note.is_told:
                note = None
            self._keep(note)

    def _is_told(self, note: HaltNote, standing: Standing | None) -> bool:
        """Say whether a desk was halted for this file, or by a control of who put it there.

        Any other halt may be a model's, which is no word on what a person halts. A person may have
        resumed since, between two looks.
        """
        return note.is_told or (standing is not None and standing.file == note.file)

    @property
    def _is_told_of(self) -> bool:
        return self._note is None or self._note.is_told

    def _keep(self, note: HaltNote | None) -> None:
        if note == self._note:
            return
        self._note = note
        try:
            self.journal.keep_note(note)
        except OSError as error:
            # This process knows it all the same.
            log.error("halt_journal.not_noted", account=self._account, reason=str(error))

    def _is_due(self, standing: Standing | None, waited_s: float) -> bool:
        """Say whether nobody else is going to cancel what is open."""
        if standing is None:
            return self._is_alone or waited_s >= DESK_GRACE_S
        if not (standing.is_halted and self._is_told_of):
            return waited_s >= GRACE_S
        if standing.is_carried:
            return False
        # Every cancel at once from two sides would help nobody.
        return min(waited_s, standing.silent_s) >= DESK_GRACE_S

    def _is_listing_due(self, now: float) -> bool:
        is_quiet = self._note is not None and self._note.is_quiet
        every_s = LIST_QUIET_EVERY_S if is_quiet else LIST_EVERY_S
        if self._lister is not None and self._lister.is_alive():
            # One that drips is waited for no longer than any other call.
            every_s = max(every_s, self._deadline_s)
        return now - self._listed_at >= every_s

    def _list(self, number: int) -> None:
        try:
            self._cancel_what_is_open(number)
        except Exception as error:
            log.error("halt_file.failed", account=self._account, exc_info=error)
            self._on_failure(error)

    def _cancel_what_is_open(self, number: int) -> None:
        if not self._budget.try_take("active_orders", for_halt=True):
            log.warning("halt_file.no_budget", account=self._account)
            return
        try:
            with self._readings.reading():
                rows = self.broker.open_orders(turn_page=self._turn_page)
        except (BrokerError, CorruptRecordError) as error:
            log.warning("halt_file.listing_failed", account=self._account, reason=str(error))
            return
        with self._lock:
            is_quiet = self._note is not None and self._note.is_quiet
            concerned = self._orders.concerned(rows, is_quiet=is_quiet, is_ours=self._is_ours)
            due = self._orders.due(concerned)
            if self._note is not None:
                self._keep(replace(self._note, ours=self._orders.ours))
            if number == self._listings:
                self._count(has_orders=bool(concerned))
        if "" in concerned:
            log.error("halt_file.order_without_id", account=self._account)
        for tiger_order_id in due:
            self._lane.submit(CancelJob("", tiger_order_id, is_urgent=True))
        log.warning(
            "halt_file.cancels",
            account=self._account,
            open_orders=len(rows),
            left_alone=len(rows) - len(concerned),
            asked=len(due),
        )

    def _turn_page(self, method: str) -> None:
        # Counted for the others' sake; a halt is not given up amid its listing for a ration.
        if not self._budget.try_take(method, for_halt=True):
            log.warning("halt_file.over_budget", account=self._account)

    def _count(self, *, has_orders: bool) -> None:
        self._quiet_listings = 0 if has_orders else self._quiet_listings + 1
        if self._note is not None and self._quiet_listings >= QUIET_LISTINGS:
            self._keep(replace(self._note, is_quiet=True))

    def _ask(self, job: CancelJob) -> Ended:
        return ask_cancel(self.broker, self._budget, job)

    def _give_up(self, job: CancelJob) -> None:
        log.error("halt_file.cancel_deadline_passed", account=self._account)
        self._ended(job, Ended(Outcome.UNKNOWN, detail=NO_END))

    def _ended(self, job: CancelJob, ended: Ended) -> None:
        entry = CancelJournaled(
            tiger_order_id=job.tiger_order_id,
            asked_at=self._clock.now(),
            outcome=ended.outcome,
            code=ended.code,
            detail=ended.detail,
        )
        try:
            if is_news(entry, self.journal.entries()):
                self.journal.write(entry)
        except OSError as error:
            # The cancel is made; its order's listing will tell. The lane must go on.
            log.error("halt_journal.not_written", account=self._account, reason=str(error))
        with self._lock:
            self._orders.ended(job.tiger_order_id, ended.outcome)
