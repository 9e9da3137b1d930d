"""What may last for a while and no longer: an order out of view, or one that rests under a halt.

Looked at all the time. Only seconds count in which what has to work for it worked: a call that
failed, a process that ended or stood still, begin the count anew.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from adapters.tiger_worker.rates import TIGER_BUDGETS
from core.orders import CancelPhase
from tests.simulation.broker_twin import BrokerTwin
from tests.simulation.line import Line
from tests.simulation.scheduler import Scheduler
from tests.simulation.worker_process import HaltFile

LOOK_EVERY_S: Final = 1.0
# From the halt, the order's first sight or the last request that may have failed to the next one.
CANCELLED_WITHIN_S: Final = 8.0
# How soon a request is repeated that came to nothing, and one that was taken or is on its way.
AGAIN_S: Final = 5.0
TAKEN_AGAIN_S: Final = 30.0
# A cancel that takes longer holds up those behind it.
ANSWERED_WITHIN_S: Final = 1.0
# Under a halt file the desk goes first; a watch that stands in for it waits for it.
FILE_CANCELLED_WITHIN_S: Final = 20.0
# Longer than two rounds with nothing to watch, and than three while something is unclear.
SEEN_WITHIN_S: Final = 40.0
# What a listing lied about is found by a sweep at the latest, so much later: its own round may last
# for some seconds more, and the next sweep is a minute and a quiet round after that.
SWEPT_S: Final = 55.0
# A token is taken a while before its call.
COUNTED_S: Final = 45.0
# A ration of the broker's has to be waited for.
RATION_S: Final = 65.0
# A cancel on its way outlives the halt file that it was asked for.
FILE_OUTLIVED_S: Final = 60.0


class Watch:
    """Watches every account of a run."""

    def __init__(
        self,
        scheduler: Scheduler,
        broker: BrokerTwin,
        lines: Iterable[Line],
        halt_files: Mapping[str, HaltFile],
        *,
        violate: Callable[[str], None],
    ) -> None:
        self._scheduler = scheduler
        self._broker = broker
        self._lines = list(lines)
        self._halt_files = halt_files
        self._violate = violate
        self.has_rations = False
        # When each of these last did not work: processes, their desks, the ledger, the listings of
        # orders, and any reading.
        self._processes_s = self._desks_s = self._ledger_s = self._lists_s = self._reads_s = 0.0
        # Processes whose last append to a stream was not acknowledged.
        self._unanswered: set[tuple[str, str]] = set()
        # When each cancel that is on its way began, and when a slow one ended last.
        self._cancels_begun_s: list[float] = []
        self._cancels_s = 0.0
        # When a listing last lied.
        self._lied_s = -1.0
        # Since when each scope is halted, each halt file is in place, and each order is known.
        self._halted_s: dict[tuple[str, str], float] = {}
        self._file_s: dict[str, float] = {}
        self._file_seen_s: dict[str, float] = {}
        self._known_s: dict[str, float] = {}
        self._there_s: dict[str, float] = {}
        self._filled_s: dict[str, tuple[Any, float]] = {}
        self._asked_s: dict[str, float] = {}
        self._is_told: set[str] = set()
        # Orders of which an execution followed another that was taken back.
        self.followed: set[str] = set()
        # When each process called each method lately.
        self._calls: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def ledger_answered(self, process: str, stream: str, is_plain: bool) -> None:
        """Note whether an append of a process was simply acknowledged; until it is, it waits."""
        if is_plain:
            self._unanswered.discard((process, stream))
        else:
            self._unanswered.add((process, stream))
            self._ledger_s = self._scheduler.now_s

    @contextmanager
    def request(self, method: str) -> Iterator[None]:
        """Note a request on its way: a cancel without an answer holds up those behind it."""
        begun_s = self._scheduler.now_s
        if method == "cancel_order":
            self._cancels_begun_s.append(begun_s)
        try:
            yield
        finally:
            if method == "cancel_order":
                self._cancels_begun_s.remove(begun_s)
                if self._scheduler.now_s - begun_s > ANSWERED_WITHIN_S:
                    self._cancels_s = self._scheduler.now_s

    def reading_failed(self, *, is_listing: bool, is_lie: bool) -> None:
        """Note that a reading failed, came late or lied; of orders, or of something else."""
        now_s = self._scheduler.now_s
        self._reads_s = max(self._reads_s, now_s)
        if is_lie:
            self._lied_s = now_s
        if is_listing:
            self._lists_s = max(self._lists_s, now_s + SWEPT_S * is_lie)

    def row_was_half(self) -> None:
        """Note that a row lacked something: what is done is read again by a sweep."""
        self._lists_s = max(self._lists_s, self._scheduler.now_s + SWEPT_S)

    def called(self, process: str, method: str) -> None:
        """Count a call to the broker against what it allows in a minute."""
        calls, limit = self._calls[process, method], TIGER_BUDGETS.get(method)
        calls.append(self._scheduler.now_s)
        while calls[0] < self._scheduler.now_s - COUNTED_S:
            calls.popleft()
        if self.has_rations and limit is not None and len(calls) == limit + 1:
            self._violate(f"{process} called {method} {len(calls)} times in {COUNTED_S:.0f} s")

    def halted(self, account: str, scope: str) -> None:
        """Note a halt that is stored."""
        self._halted_s[account, scope] = self._scheduler.now_s

    def resumed(self, account: str, scope: str) -> None:
        """Note the end of a halt."""
        self._halted_s.pop((account, scope), None)

    def was_cancel_asked(self, tiger_order_id: str) -> bool:
        """Say whether a cancel of this order was ever asked for."""
        return tiger_order_id in self._asked_s

    def cancel_asked(self, line: Line, tiger_order_id: str) -> None:
        """Look at a request to cancel: somebody must have wanted it."""
        self._asked_s[tiger_order_id] = self._scheduler.now_s
        order_id = line.state.by_tiger_id.get(tiger_order_id)
        is_intended = order_id is not None and (
            line.state.orders[order_id].cancel is not CancelPhase.NONE
        )
        is_unread = any(getattr(f.data, "unread", "") == tiger_order_id for f in line.facts)
        file_s = self._file_seen_s.get(line.account)
        is_by_file = self._halt_files[line.account].exists() or (
            file_s is not None and self._scheduler.now_s - file_s < FILE_OUTLIVED_S
        )
        if not (is_intended or is_unread or is_by_file):
            self._violate(f"{tiger_order_id} was cancelled, which nobody intended")

    def look(
        self, living: Collection[str], *, are_processes_well: bool, are_desks_well: bool
    ) -> None:
        """Look at every order of the broker's book, and note what works."""
        now_s = self._scheduler.now_s
        self._unanswered = {each for each in self._unanswered if each[0] in living}
        if self._unanswered:
            self._ledger_s = now_s
        if not are_processes_well:
            self._processes_s = now_s
        if not (are_processes_well and are_desks_well):
            self._desks_s = now_s
        for line in self._lines:
            self._look_at_file(line)
            for order in self._broker.orders(line.number):
                self._there_s.setdefault(str(order.global_id), now_s)
                self._out_of_view(line, order)
                if order.is_open:
                    self._rests(line, order)
                    self._rests_by_file(line, order)

    def _look_at_file(self, line: Line) -> None:
        if self._halt_files[line.account].exists():
            self._file_s.setdefault(line.account, self._scheduler.now_s)
            self._file_seen_s[line.account] = self._scheduler.now_s
        else:
            self._file_s.pop(line.account, None)

    def _out_of_view(self, line: Line, order: Any) -> None:
        tiger_order_id = str(order.global_id)
        order_id = line.state.by_tiger_id.get(tiger_order_id)
        within_s = SEEN_WITHIN_S + RATION_S * self.has_rations
        if order_id is None:
            since_s = max(self._there_s[tiger_order_id], self._desks_s, self._ledger_s)
            self._lasts(
                tiger_order_id, max(since_s, self._lists_s), within_s, "is out of view while"
            )
            return
        self._known_s.setdefault(tiger_order_id, self._scheduler.now_s)
        filled = order.filled_quantity
        if self._filled_s.get(tiger_order_id, (None, 0.0))[0] != filled:
            self._filled_s[tiger_order_id] = (filled, self._scheduler.now_s)
        if line.state.orders[order_id].recorded_quantity < filled:
            since_s = max(self._filled_s[tiger_order_id][1], self._desks_s, self._ledger_s)
            # What follows in the place of an execution comes after the end, for a sweep to find.
            within_s += SWEPT_S * (tiger_order_id in self.followed)
            what = "has a fill out of view while"
            self._lasts(tiger_order_id, max(since_s, self._reads_s), within_s, what)

    def _rests(self, line: Line, order: Any) -> None:
        tiger_order_id = str(order.global_id)
        order_id = line.state.by_tiger_id.get(tiger_order_id)
        # Once readings have verified a halt, what a person does elsewhere is let be, until another.
        halts_s = [
            at_s
            for (account, scope), at_s in self._halted_s.items()
            if account == line.account
            and scope in ("", order.symbol)
            and self._is_concerned(
                line, order, at_s if scope in line.state.unverified_halts else -1.0
            )
        ]
        if order_id is None or not halts_s:
            return
        ours = line.state.orders[order_id]
        if not ours.is_open:
            return
        since_s = max(min(halts_s), self._known_s[tiger_order_id], self._desks_s, self._ledger_s)
        asked_s = self._asked_s.get(tiger_order_id)
        if asked_s is None:
            since_s = max(since_s, self._cancels_until_s())
        else:
            is_taken = ours.cancel in (CancelPhase.REQUESTED, CancelPhase.STARTED)
            since_s = max(since_s, asked_s + (TAKEN_AGAIN_S if is_taken else AGAIN_S))
        self._lasts(tiger_order_id, since_s, CANCELLED_WITHIN_S, "rests under a halt while")

    def _cancels_until_s(self) -> float:
        """Return until when cancels without an answer held up those that stand behind them."""
        now_s = self._scheduler.now_s
        is_held = any(at_s < now_s - ANSWERED_WITHIN_S for at_s in self._cancels_begun_s)
        return now_s if is_held else self._cancels_s

    def _rests_by_file(self, line: Line, order: Any) -> None:
        file_s = self._file_s.get(line.account)
        tiger_order_id = str(order.global_id)
        # Where a listing lied, the watch may have taken it that nothing was open any more.
        if file_s is None or not self._is_concerned(
            line, order, -1.0 if self._lied_s >= file_s else file_s
        ):
            return
        asked_s = self._asked_s.get(tiger_order_id)
        since_s = max(file_s, self._there_s[tiger_order_id], self._processes_s, self._lists_s)
        if asked_s is not None:
            since_s = max(since_s, asked_s + TAKEN_AGAIN_S)
        what = "rests under a halt file while"
        self._lasts(tiger_order_id, since_s, FILE_CANCELLED_WITHIN_S, what)

    def _is_concerned(self, line: Line, order: Any, halted_s: float) -> bool:
        """Say whether a halt is about an order: one given here, or any that was there before it."""
        root = order
        while root.parent_id:
            root = self._broker.engine.book.orders[root.parent_id]
        is_ours = root.user_mark in line.state.by_mark
        return is_ours or self._there_s[str(root.global_id)] < halted_s

    def _lasts(self, tiger_order_id: str, since_s: float, within_s: float, what: str) -> None:
        lasted_s = self._scheduler.now_s - since_s
        if lasted_s <= within_s or f"{tiger_order_id} {what}" in self._is_told:
            return
        self._is_told.add(f"{tiger_order_id} {what}")
        self._violate(f"{tiger_order_id} {what} all worked for {lasted_s:.0f} s")
