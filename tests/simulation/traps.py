"""Coincidences that chance alone brings about too seldom: some runs have one of them set up.

Each is a sentence of what happens, at the first occasion of its run.
"""

from enum import StrEnum
from typing import Final

from core import events
from core.commands import HaltAccount
from tests.simulation.troubles import Troubles

AHEAD_S: Final = 3600.0
AHEAD_FOR_S: Final = 6.0
STEP_BACK_S: Final = 40.0
SMALL_STEP_BACK_S: Final = 5.0
SLEEP_S: Final = 20.0
ROUND_AFTER_S: Final = 5.0
PAUSED_S: Final = 12.0
WISHED_AFTER_S: Final = 0.2
WISHED: Final = 90
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


class Traps(Troubles):
    """Springs a run's trap; the world that it is set in is the class that inherits it."""

    _trap: Trap | None

    def _trap_at_start(self) -> None:
        """Act before the first process starts."""
        if self._springs(Trap.CLOCK_AHEAD_UNTIL_RESTART):
            self._machines[0].wall_offset_s += AHEAD_S
            self.scheduler.after(AHEAD_FOR_S, self._restart_in_time)

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

    def _trap_at_intention(self, account: str, event: events.OrderSubmissionStarted) -> None:
        """Act between an intention and its send."""
        if self._springs(Trap.CLOCK_STEPS_BACK_WHILE_STALLED):
            self._machines[0].wall_offset_s -= SMALL_STEP_BACK_S
            self._stall(self._rng.uniform(*STALL_S))
        if self._springs(Trap.HALT_FILE_BEFORE_SEND):
            self.note(f"person puts the halt file in place before {event.order_id} is sent")
            self._halt_files[account].is_there = True

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
