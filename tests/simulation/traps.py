"""Coincidences that chance alone brings about too seldom: some runs have one of them set up.

Each is a sentence of what happens, at the first occasion of its run.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Final

from core import events
from core.commands import HaltAccount
from tests.simulation.troubles import Troubles

AHEAD_S: Final = 3600.0
AHEAD_FOR_S: Final = 6.0
# So far that a request arrives later than was reckoned; further, and it would be refused.
STEP_BACK_S: Final = 28.0
SMALL_STEP_BACK_S: Final = 5.0
SLEEP_S: Final = 20.0
ROUND_AFTER_S: Final = 5.0
PAUSED_S: Final = 12.0
WISHED_AFTER_S: Final = 0.2
WISHED: Final = 90
TWO_ATTEMPTS: Final = (90, 91)
LEASE_AWAY_S: Final = 40.0
WISHED_WITHOUT_A_LEASE: Final = ((92, 12.0), (93, 20.0))
MOVED_AFTER_S: Final = 1.0
# Longer than another host waits for one that is silent.
TAKEN_OVER_S: Final = 60.0
# Longer than an intention may wait to be sent, shorter than what is noticed as a pause.
STALL_S: Final = (2.3, 4.5)


class Trap(StrEnum):
    """What is set up."""

    CLOCK_STEPS_BACK_AND_PLACE_IS_LATE = "clock_steps_back_and_place_is_late"
    CLOCK_STEPS_BACK_WHILE_STALLED = "clock_steps_back_while_stalled"
    HALT_FILE_BEFORE_SEND = "halt_file_before_send"
    CLOCK_AHEAD_UNTIL_RESTART = "clock_ahead_until_restart"
    CLOCK_AHEAD_BEFORE_HALT = "clock_ahead_before_halt"
    KICK_WHILE_ASLEEP = "kick_while_asleep"
    LOCK_REMOVED = "lock_removed"
    FILL_AMID_FIRST_FIGURES = "fill_amid_first_figures"
    PAUSE_AMID_ROUND = "pause_amid_round"
    LEASE_AWAY = "lease_away"
    OTHER_HOST_TAKES_OVER = "other_host_takes_over"
    MOVED_AMID_A_PLACE = "moved_amid_a_place"
    TWO_CHANGES_AT_ONCE = "two_changes_at_once"
    BRACKET_UNDER_HALT = "bracket_under_halt"
    HALT_FILE_UNDER_HALT = "halt_file_under_halt"


# Far below any price of a run, so that the stop rests.
STOP: Final = Decimal("0.01")
FILE_AFTER_S: Final = 5.0
CANCELLED_AFTER_S: Final = 15.0


class Traps(Troubles):
    """Springs a run's trap; the world that it is set in is the class that inherits it."""

    _trap: Trap | None
    _lease_away_until_s: float

    def violate(self, text: str) -> None:
        """Write down what must never be."""
        raise NotImplementedError

    def _trap_at_start(self) -> None:
        """Act before the first process starts."""
        if self._springs(Trap.CLOCK_AHEAD_UNTIL_RESTART):
            self._machines[0].wall_offset_s += AHEAD_S
            self.scheduler.after(AHEAD_FOR_S, self._restart_in_time)
        if self._trap in (Trap.BRACKET_UNDER_HALT, Trap.HALT_FILE_UNDER_HALT):
            self.scheduler.after(ROUND_AFTER_S, self._halt_all)

    def _trap_at_verified(self, account: str) -> None:
        """Act once readings have shown that nothing is open after a halt of the account."""
        is_file_put = self._trap is Trap.HALT_FILE_UNDER_HALT
        if self._springs(Trap.BRACKET_UNDER_HALT) or self._springs(Trap.HALT_FILE_UNDER_HALT):
            self._elsewhere(account, "AAPL", 10, "BUY", mark="", stop=STOP)
        if is_file_put:
            self.scheduler.after(FILE_AFTER_S, lambda: self._put_another_halt(account))

    def _put_another_halt(self, account: str) -> None:
        if self._is_healed or self._halt_files[account].is_there:
            return
        self.note("person puts the halt file in place, under a halt")
        self._halt_files[account].is_there = True
        self.scheduler.after(CANCELLED_AFTER_S, lambda: self._nothing_rests(account))

    def _nothing_rests(self, account: str) -> None:
        since_s = self.scheduler.now_s - CANCELLED_AFTER_S
        if any(process.frozen_until > since_s for process in self._machines[0].processes):
            # Nobody cancels in his sleep.
            self.scheduler.after(CANCELLED_AFTER_S, lambda: self._nothing_rests(account))
            return
        watch = self._checks.watch
        resting = [
            one
            for one in self._broker.orders(self._numbers[account])
            if one.is_open and not watch.was_cancel_asked(str(one.global_id))
        ]
        if resting and not self._is_healed and not self.weather.lists_behind:
            self.violate(f"{resting[0].global_id} rests under a halt file that was put there since")

    def _restart_in_time(self) -> None:
        if self._is_healed:
            return
        self.note("the wall clock is set, and the worker killed")
        self._machines[0].wall_offset_s -= AHEAD_S
        for process in list(self._machines[0].processes):
            process.exit(-9)

    def _halt_in_time(self) -> None:
        if self._is_healed:
            return
        self.note("the wall clock is set, and a person halts")
        self._machines[0].wall_offset_s -= AHEAD_S
        self._halt_all()

    def _halt_all(self) -> None:
        for account in self._numbers:
            halt = HaltAccount(symbol="", detail="enough")
            self._checks.halts[self._person.control(account, halt)] = ""

    def _trap_at_preview(self) -> None:
        """Act between the last reading and an intention."""
        if self._springs(Trap.CLOCK_STEPS_BACK_AND_PLACE_IS_LATE):
            self._machines[0].wall_offset_s -= STEP_BACK_S
            self._broker.next_place = "last_moment"
        if self._springs(Trap.KICK_WHILE_ASLEEP):
            self._machines[0].sleep(SLEEP_S)
            self.scheduler.after(SLEEP_S / 2, self._push.kick)
        if self._springs(Trap.CLOCK_AHEAD_BEFORE_HALT):
            # The answer to the submit is dated so.
            self._machines[0].wall_offset_s += AHEAD_S
            self.scheduler.after(AHEAD_FOR_S, self._halt_in_time)
        if self._springs(Trap.LOCK_REMOVED):
            self._lock.remove()
        if self._springs(Trap.MOVED_AMID_A_PLACE):
            self._broker.next_place = "last_moment"
            self.scheduler.after(MOVED_AFTER_S, self._move)
        if self._springs(Trap.LEASE_AWAY):
            # Events are stored meanwhile: each stream has a leader of its own.
            self._lease_away_until_s = self.scheduler.now_s + LEASE_AWAY_S
            for number, after_s in WISHED_WITHOUT_A_LEASE:
                self.scheduler.after(after_s, lambda number=number: self._want(number))  # type: ignore[misc]  # bound early

    def _move(self) -> None:
        if self._is_healed:
            return
        self.note("a person stops the worker, and starts one on another machine")
        self._start(self._machines[1])
        self._stop_in_order(self._machines[0])

    def _trap_at_intention(self, account: str, event: events.OrderSubmissionStarted) -> None:
        """Act between an intention and its send."""
        if self._springs(Trap.CLOCK_STEPS_BACK_WHILE_STALLED):
            self._machines[0].wall_offset_s -= SMALL_STEP_BACK_S
            self._stall(self._rng.uniform(*STALL_S))
        if self._springs(Trap.OTHER_HOST_TAKES_OVER):
            self._stall(TAKEN_OVER_S)
            self._start(self._machines[1])
        if self._springs(Trap.HALT_FILE_BEFORE_SEND):
            self.note(f"person puts the halt file in place before {event.order_id} is sent")
            self._halt_files[account].is_there = True
        if event.spec.limit_price is not None and self._springs(Trap.TWO_CHANGES_AT_ONCE):
            for attempt in TWO_ATTEMPTS:
                self.scheduler.after(
                    WISHED_AFTER_S,
                    lambda attempt=attempt: self._gateway.modify(  # type: ignore[misc]  # bound early
                        account, event.order_id, attempt
                    ),
                )

    def _trap_at_reading(self, method: str, number: str) -> None:
        """Act while a round of readings runs."""
        if method == "orders":
            self._trap_at_orders()
        elif method == "positions":
            self._trap_at_positions(number)

    def _trap_at_orders(self) -> None:
        if self.scheduler.now_s > ROUND_AFTER_S and self._springs(Trap.PAUSE_AMID_ROUND):
            for process in self._machines[0].processes:
                process.freeze(PAUSED_S)
            self.scheduler.after(PAUSED_S + WISHED_AFTER_S, lambda: self._want(WISHED))

    def _trap_at_positions(self, number: str) -> None:
        account = next(alias for alias, held in self._numbers.items() if held == number)
        is_first = self._checks.lines[account].state.position_figures is None
        if is_first and self._springs(Trap.FILL_AMID_FIRST_FIGURES):
            self._elsewhere(account, "AAPL", 10, "BUY", mark="")

    def _springs(self, trap: Trap) -> bool:
        if self._trap is not trap or self._is_healed:
            return False
        self._trap = None
        self.note(f"trap: {trap}")
        return True
