"""The thread of one desk: an ordered queue before it, and a failure that stops the login.

Controls go first, then the broker's answers, then what its listings show, then commands. Only
listings could come without end. What one shows stands for what an earlier one showed of the same
thing, so a desk that hangs for an hour finds each thing once; and only listings wait for room:
whoever brings a message, an answer or a doubt is never held up here, or the loop that carries the
ledger's answers would wait for a desk that waits for the ledger.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Final

import structlog
from msgspec.structs import replace

from adapters.tiger_worker.desk import Desk
from adapters.tiger_worker.parts import Work
from core.items import Item
from core.readings import (
    AbsenceConfirmed,
    BalancesSeen,
    FillsNotListed,
    FillsTakenBack,
    ModifyNotShown,
    OrderSeen,
    OrderUnread,
    PositionsSeen,
    RoundCompleted,
    RowUnreadable,
    UnreadOrderOpen,
)

log = structlog.get_logger()
SIGHTINGS_MAX: Final = 1_000
# How often parked commands are looked at again when nothing else happens.
PARKED_LOOK_S: Final = 0.1
_STOP_WAIT_S: Final = 30.0


class Turn(IntEnum):
    """In which order waiting items are taken."""

    CONTROL = 0
    ANSWER = 1
    SIGHTING = 2
    COMMAND = 3
    STOP = 4


class DeskThread:
    """Runs one desk. `post` may be called from any thread."""

    def __init__(
        self,
        desk: Desk,
        *,
        name: str,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """Make a desk's thread; `on_failure` is called where it ends by itself."""
        self.desk = desk
        # Items carried through so far.
        self.taken = 0
        self._on_failure = on_failure
        self._count = itertools.count()
        # An entry of a sighting carries none: it takes whichever has waited longest by then.
        self._queue: queue.PriorityQueue[tuple[Turn, int, Work | None]] = queue.PriorityQueue()
        self._room = threading.Semaphore(SIGHTINGS_MAX)
        self._sightings: dict[tuple[object, ...], Work] = {}
        # Entries of sightings that were dropped, and the last round among these.
        self._spare_entries = 0
        self._dropped: Work | None = None
        self._lock = threading.Lock()
        self._round_at = self._turned_at = time.monotonic()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to take items."""
        self._round_at = self._turned_at = time.monotonic()
        self._thread.start()

    @property
    def silent_s(self) -> float:
        """Seconds since the desk last carried a whole round of readings through, or began."""
        return time.monotonic() - self._round_at

    @property
    def stood_s(self) -> float:
        """Seconds since the thread last turned to what waits; it does so all the time."""
        return time.monotonic() - self._turned_at

    def post(self, work: Work, turn: Turn) -> None:
        """Queue an item; only a sighting waits, while too many others do."""
        if turn is Turn.SIGHTING:
            self._post_sighting(work)
        else:
            self._queue.put((turn, next(self._count), work))

    def close_for_commands(self) -> None:
        """Take no command any more; those that wait stay on their stream for a successor."""
        self._is_closing = True

    def stop(self) -> None:
        """Take what is queued, commands aside, then end."""
        self.close_for_commands()
        self._queue.put((Turn.STOP, next(self._count), None))
        self._thread.join(_STOP_WAIT_S)

    def _post_sighting(self, work: Work) -> None:
        number = next(self._count)
        key = _thing_of(work.item) or (number,)
        if self._renew(key, work):
            return
        self._room.acquire()
        with self._lock:
            if key in self._sightings:
                # Another thread was quicker.
                self._put_last(key, work)
                self._room.release()
                return
            self._put_last(key, work)
            is_called = self._spare_entries > 0
            self._spare_entries -= is_called
        if not is_called:
            self._queue.put((Turn.SIGHTING, number, None))

    def _renew(self, key: tuple[object, ...], work: Work) -> bool:
        """Put a sighting last, in the place of one of the same thing; False if there is none."""
        with self._lock:
            if key not in self._sightings:
                return False
            match work.item:
                case OrderSeen():
                    # The order comes after figures that hold its fills now, and after the end of
                    # the round that showed it: the later round brings its own.
                    self._drop(PositionsSeen, BalancesSeen, RoundCompleted)
                case PositionsSeen() | BalancesSeen():
                    # A round is not at its end before its figures are taken.
                    self._drop(RoundCompleted)
                case _:
                    pass
            self._put_last(key, work)
            return True

    def _put_last(self, key: tuple[object, ...], work: Work) -> None:
        before = self._sightings.pop(key, None)
        if isinstance(work.item, RoundCompleted):
            rounds = [each for each in (self._dropped, before) if each is not None]
            self._dropped = None
            for earlier in rounds:
                work = work._replace(item=_joined(earlier.item, work.item))
        self._sightings[key] = work

    def _drop(self, *kinds: type[Item]) -> None:
        for kind in kinds:
            dropped = self._sightings.pop((kind.__name__,), None)
            if dropped is None:
                continue
            if isinstance(dropped.item, RoundCompleted):
                self._dropped = dropped
            self._spare_entries += 1
            self._room.release()

    def _next_sighting(self) -> Work | None:
        """Return the sighting that has waited longest; None where it was dropped."""
        with self._lock:
            if not self._sightings:
                self._spare_entries -= 1
                return None
            first = self._sightings.pop(next(iter(self._sightings)))
        self._room.release()
        return first

    def _run(self) -> None:
        try:
            while self._take_one():
                pass
        except Exception as error:
            log.error("desk.failed", account=self.desk.state.account, exc_info=error)
            self._on_failure(error)

    def _take_one(self) -> bool:
        self._turned_at = time.monotonic()
        try:
            turn, _, work = self._queue.get(timeout=PARKED_LOOK_S)
        except queue.Empty:
            self.desk.look_for_a_pause()
            if not self._is_closing:
                self.desk.retry_parked()
            return True
        if turn is Turn.STOP:
            return False
        if turn is Turn.SIGHTING:
            work = self._next_sighting()
        if work is None:
            # What waited here was dropped.
            return True
        if turn is not Turn.COMMAND or not self._is_closing:
            self.desk.take(work, with_parked=not self._is_closing)
        self.taken += 1
        if isinstance(work.item, RoundCompleted):
            self._round_at = time.monotonic()
        return True


def _thing_of(item: Item) -> tuple[object, ...] | None:
    """Return what a listing shows here, of which only the latest sight counts; None: of nothing.

    Each of these holds all that the earlier one of the same thing held: an order comes with all its
    executions, a count goes on, and a round that is complete says so of the one before.
    """
    match item:
        case OrderSeen():
            return ("order", item.tiger_order_id, item.order_number, item.mark)
        case (
            AbsenceConfirmed()
            | ModifyNotShown()
            | FillsTakenBack()
            | FillsNotListed()
            | OrderUnread()
        ):
            return (type(item).__name__, item.order_id)
        case RowUnreadable():
            return (item.kind, item.symbol, item.tiger_order_id, item.detail)
        case UnreadOrderOpen():
            return ("unread", item.tiger_order_id)
        case PositionsSeen() | BalancesSeen() | RoundCompleted():
            return (type(item).__name__,)
        case _:
            return None


def _joined(before: Item, item: Item) -> Item:
    assert isinstance(before, RoundCompleted)
    assert isinstance(item, RoundCompleted)
    # Together the two read what was opened since the first began to.
    return replace(item, orders_since=min(before.orders_since, item.orders_since))
