"""What the simulation once found in the service, as scenes that make just that likely again.

A seed alone would not keep a bug: what it draws changes whenever the simulation draws something
more. Each scene is a weather of few faults, with the mutant that takes the mend out again; the
mended code must pass some seeds of it, and the mutant must not.
"""

from dataclasses import dataclass
from typing import Final

from tests.simulation.traps import Trap


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One bug that is mended."""

    bug: str
    mutant: str
    faults: dict[str, float]
    trap: Trap | None = None


SCENARIOS: Final[dict[str, Scenario]] = {
    "clock_steps_back": Scenario(
        bug="an order was called not_found while its place was on the way, because the wall clock "
        "had gone back between the last reading and the intention",
        mutant="ignore_jumps_of_the_clock",
        faults={},
        trap=Trap.CLOCK_STEPS_BACK_AND_PLACE_IS_LATE,
    ),
    "clock_ahead_at_restart": Scenario(
        bug="an order was lost from view, because what the ledger dated was ahead of every clock",
        mutant="date_listings_by_the_record",
        faults={},
        trap=Trap.CLOCK_AHEAD_UNTIL_RESTART,
    ),
    "clock_ahead_and_back": Scenario(
        bug="after a jump of the wall clock and back, each preview forgot the one before",
        mutant="forget_previews_by_the_record",
        faults={"wall_jumps": 1.0},
    ),
    "clock_ahead_at_halt": Scenario(
        bug="a halt was dated by a clock that was ahead, and no round was ever late enough to "
        "verify it: orders that a person closed by hand were cancelled for as long",
        mutant="verify_halts_by_the_clock",
        faults={},
        trap=Trap.CLOCK_AHEAD_BEFORE_HALT,
    ),
    "lists_far_behind": Scenario(
        bug="an order that a person released was never seen again, because the lists that were "
        "late showed it when no listing went back to it any more",
        mutant="forget_what_was_released",
        faults={"lists_behind": 1.0, "post_reply_lost": 0.4, "push_away": 1.0},
    ),
    "lock_removed": Scenario(
        bug="a worker that had lost its login's lock stayed, and refused everything",
        mutant="stay_without_the_lock",
        faults={},
        trap=Trap.LOCK_REMOVED,
    ),
    "readings_hang": Scenario(
        bug="a hanging reading of a preview or of order numbers was waited for for ever",
        mutant="wait_for_hanging_reads",
        faults={"read_hangs": 0.02},
    ),
    "kick_after_sleep": Scenario(
        bug="a kick of the push connection was not heard, because the wake of the machine had the "
        "connection renewed first",
        mutant="forget_a_kick_that_was_overtaken",
        faults={"busy": 0.1},
        trap=Trap.KICK_WHILE_ASLEEP,
    ),
    "pause_amid_round": Scenario(
        bug="no bug that was: a round that began before a pause must not heal it, and a seed that "
        "shows so is too rare",
        mutant="count_a_round_for_later_gaps",
        faults={"push_away": 1.0},
        trap=Trap.PAUSE_AMID_ROUND,
    ),
    "fill_amid_first_figures": Scenario(
        bug="a fill between the first listing and the first positions was counted twice",
        mutant="take_the_first_figures_as_they_come",
        faults={},
        trap=Trap.FILL_AMID_FIRST_FIGURES,
    ),
}
