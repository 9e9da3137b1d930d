"""What the simulation once found in the service, as scenes that make just that likely again.

A seed alone would not keep a bug: what it draws changes whenever the simulation draws something
more. Each scene is a weather of few faults, with the mutant that takes the mend out again; the
mended code must pass some seeds of it, and the mutant must not.
"""

from dataclasses import dataclass
from typing import Final

from tests.simulation.scenes import Scene
from tests.simulation.traps import Trap


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One bug that is mended."""

    bug: str
    mutant: str
    faults: dict[str, float]
    trap: Trap | None = None
    scene: Scene | None = None
    # Whether its mutant is looked for here alone, because seeds by themselves hardly come to it.
    is_rare: bool = False


UNSHOWN: Final = "no bug that was: a rule that no run held the service to"

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
    "row_half_written": Scenario(
        bug="an order whose first row lacked its mark or number became a stranger's for ever, and "
        "its own entry stayed unknown",
        mutant="take_a_half_written_row_at_its_word",
        faults={"rows_half": 0.6, "post_reply_lost": 0.4, "push_away": 1.0},
    ),
    "fill_taken_back": Scenario(
        bug="an execution that the broker took back stayed recorded for ever",
        mutant="ignore_what_is_taken_back",
        faults={"busts": 1.0},
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
    "two_changes_at_once": Scenario(
        bug="of two changes of an order, each agreed to on the terms seen then, the second was "
        "laid over terms that nobody saw",
        mutant="lay_a_change_over_whatever_holds",
        faults={},
        trap=Trap.TWO_CHANGES_AT_ONCE,
    ),
    "bracket_under_halt": Scenario(
        bug="the stop that came with a person's own buy was cancelled under a verified halt, again "
        "and again, because what the broker makes of any order was taken for ours",
        mutant="take_a_strangers_leg_for_ours",
        faults={},
        trap=Trap.BRACKET_UNDER_HALT,
    ),
    "halt_file_under_halt": Scenario(
        bug="a halt file that a person put on an account that was halted already cancelled nothing "
        "of what was opened since",
        mutant="halt_once_for_all_files",
        faults={},
        trap=Trap.HALT_FILE_UNDER_HALT,
    ),
    "fill_amid_first_figures": Scenario(
        bug="a fill between the first listing and the first positions was counted twice",
        mutant="take_the_first_figures_as_they_come",
        faults={},
        trap=Trap.FILL_AMID_FIRST_FIGURES,
    ),
    "cancel_fails_under_halt": Scenario(
        bug="a cancel under a halt that had failed was asked again by complete rounds only",
        mutant="cancel_again_by_rounds_alone",
        faults={},
        scene=Scene.CANCEL_FAILS_UNDER_HALT,
    ),
    "cancel_of_one_side": Scenario(
        bug=UNSHOWN,
        mutant="cancel_many_cancels_all",
        faults={},
        scene=Scene.CANCEL_OF_ONE_SIDE,
    ),
    "change_meets_a_halt_file": Scenario(
        bug=UNSHOWN,
        mutant="modify_past_halt_and_time",
        faults={},
        scene=Scene.CHANGE_MEETS_A_HALT_FILE,
    ),
    "clocks_differ": Scenario(
        bug=UNSHOWN,
        mutant="no_skew_gate",
        faults={},
        scene=Scene.CLOCKS_DIFFER,
    ),
    "command_outlived": Scenario(
        bug=UNSHOWN,
        mutant="act_on_expired_commands",
        faults={},
        scene=Scene.COMMAND_OUTLIVED,
    ),
    "desk_hangs": Scenario(
        bug=UNSHOWN,
        mutant="keep_the_older_sighting",
        faults={},
        scene=Scene.DESK_HANGS,
    ),
    "halt_file_without_nats": Scenario(
        bug=UNSHOWN,
        mutant="file_halt_sleeps",
        faults={},
        scene=Scene.HALT_FILE_WITHOUT_NATS,
    ),
    "halted_again_before_resume": Scenario(
        bug="a resume lifted also a halt that came after what the person had been shown",
        mutant="resume_whatever_was_shown",
        faults={},
        scene=Scene.HALTED_AGAIN_BEFORE_RESUME,
    ),
    "halt_meets_a_place": Scenario(
        bug=UNSHOWN,
        mutant="skip_the_halt_check",
        faults={},
        scene=Scene.HALT_MEETS_A_PLACE,
    ),
    "order_unseen_under_halt": Scenario(
        bug="a halt was verified without the broker being asked what is open, over an order that "
        "no listing went back to",
        mutant="verify_halt_by_ledger_alone",
        faults={},
        scene=Scene.ORDER_UNSEEN_UNDER_HALT,
    ),
    "place_released_under_halt": Scenario(
        bug="a halt was verified while a place that a person had released was still on its way",
        mutant="verify_halt_over_a_released_place",
        faults={},
        scene=Scene.PLACE_RELEASED_UNDER_HALT,
    ),
    "position_moved": Scenario(
        bug=UNSHOWN,
        mutant="modify_through_every_gate",
        faults={},
        scene=Scene.POSITION_MOVED,
    ),
    "reading_away": Scenario(
        bug="where the executions of one order could not be asked for, each round failed before "
        "any younger order was told, and none of them was seen",
        mutant="fail_rounds_for_executions",
        faults={},
        scene=Scene.READING_AWAY,
        is_rare=True,
    ),
    "released_as_it_was_shown": Scenario(
        bug="a release that was typed for one doubt was taken for another",
        mutant="release_whatever_was_shown",
        faults={},
        scene=Scene.RELEASED_AS_IT_WAS_SHOWN,
    ),
    "released_in_an_odd_row": Scenario(
        bug="an order that a person released, and whose row nobody can read, rested under a halt",
        mutant="leave_released_orders_to_their_row",
        faults={},
        scene=Scene.RELEASED_IN_AN_ODD_ROW,
        is_rare=True,
    ),
    "sale_on_stale_positions": Scenario(
        bug="a stale reading of positions alone let a sale through a freeze, of what was sold",
        mutant="trust_one_reading_of_positions",
        faults={},
        scene=Scene.SALE_ON_STALE_POSITIONS,
    ),
    "symbol_halted_by_a_model": Scenario(
        bug="under a verified halt of the account a model's halt of a symbol cancelled what a "
        "person had ordered by phone since",
        mutant="cancel_anew_by_a_models_halt",
        faults={},
        scene=Scene.SYMBOL_HALTED_BY_A_MODEL,
        is_rare=True,
    ),
}
