"""The rules between intent and broker (DESIGN, 6.1), each with the tests that fail without it.

Each line was tried: the rule was taken out of a copy of the code, and the named test failed.
"""

import ast
from pathlib import Path
from typing import Final

import pytest

from core.context import CLOCK_SKEW_MAX_S, Timing
from core.lease import late_s

TESTS: Final = Path(__file__).parents[1]
PARTS: Final = "unit/test_worker_parts.py"
NUMBERS: Final = "unit/test_worker_numbers.py"
WORDS: Final = "unit/test_worker_words.py"
BROKER: Final = "unit/test_worker_broker.py"
ROUNDS: Final = "unit/test_worker_reconcile.py"
INTAKE: Final = "unit/test_worker_intake.py"
CANCELS: Final = "unit/test_worker_cancel_lane.py"
HALTS: Final = "component/test_worker_desk_halts.py"
DESK: Final = "component/test_worker_desk.py"
TIME: Final = "component/test_worker_desk_time.py"
FENCED: Final = "component/test_worker_desk_fenced.py"
SESSION: Final = "component/test_worker_session.py"
CHANGES: Final = "component/test_worker_changes.py"
ACCOUNT: Final = "component/test_worker_account.py"
PUSH: Final = "unit/test_worker_push.py"
PUSH_CLIENT: Final = "contract/test_worker_push_client.py"
CALLBACKS: Final = "contract/test_worker_push_callbacks.py"
GATES: Final = "unit/test_core_submit_gates.py"
REDUCING: Final = "unit/test_core_reducing.py"
SIGHTINGS: Final = "unit/test_core_sightings.py"
MODIFYING: Final = "unit/test_core_modifying.py"
ORDER_TABLE: Final = "unit/test_core_desk_table.py"
MODIFY_TABLE: Final = "unit/test_core_modify_table.py"
RULES_HERE: Final = "unit/test_worker_rules.py"
HANGING: Final = "integration/test_orders_hanging.py"
PUSHED: Final = "integration/test_worker_push.py"
ENDING: Final = "integration/test_worker_ending.py"
CONTROL: Final = "integration/test_worker_control.py"
CORE_LEASE: Final = "unit/test_core_lease.py"
LEASE: Final = "unit/test_worker_lease.py"
DOMAIN: Final = "unit/test_lease_domain.py"
HOSTS: Final = "integration/test_worker_lease.py"

RULES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "1 own ack, not a duplicate": (
        (PARTS, "test_guard_objects_to_an_intent_whose_ack_was_not_plain"),
        (DESK, "test_intent_carries_what_the_last_checks_need"),
        (ENDING, "test_intent_whose_ack_was_not_plain_is_not_sent"),
    ),
    "1 wall clock before send_by": ((PARTS, "test_guard_objects_once_the_wall_clock_is_past"),),
    "1 boot clock before send_by": (
        (
            PARTS,
            "test_guard_objects_once_the_boot_clock_is_past_though_the_wall_clock_went_back",
        ),
    ),
    "1 halt latch": (
        (PARTS, "test_guard_objects_while_the_latch_holds_the_symbol"),
        (PARTS, "test_guard_objects_while_the_accounts_state_halts_the_symbol"),
        (PARTS, "test_latch_holds_until_every_halt_that_arrived_is_taken"),
        (INTAKE, "test_halt_holds_sends_back_before_the_desk_has_it_and_goes_first"),
        (ENDING, "test_halt_between_intent_and_call_sends_nothing"),
    ),
    "1 halt file": (
        (PARTS, "test_guard_objects_while_the_halt_file_is_in_place"),
        (ENDING, "test_halt_file_between_intent_and_call_sends_nothing"),
    ),
    "1 login lock held": (
        (PARTS, "test_guard_objects_without_the_logins_lock"),
        (ENDING, "test_lock_file_that_is_gone_sends_nothing"),
    ),
    "1 a change passes the same last checks": (
        (CHANGES, "test_change_that_grew_stale_before_its_call_is_surely_not_sent"),
        (MODIFYING, "test_change_says_until_when_it_may_be_sent_and_arrive"),
    ),
    "1 two seconds from the append to the send": (
        (RULES_HERE, "test_limits_of_time_are_those_of_the_design"),
    ),
    "1 only the writing process says not_sent": (
        (FENCED, "test_restored_submission_is_doubted_by_its_successor_and_never_sent_again"),
    ),
    "2 the pool tries nothing twice and follows nothing": (
        (SESSION, "test_pool_tries_nothing_twice_and_follows_nothing"),
        (SESSION, "test_place_is_one_request_whatever_comes_back"),
        (SESSION, "test_connections_are_dropped_after_a_sleep"),
    ),
    "2 the SDK repeats nothing": ((SESSION, "test_reading_is_one_request_too_and_fails_clearly"),),
    "2 the SDK gives up before the deadline": ((SESSION, "test_sdk_gives_up_before_the_deadline"),),
    "2 the deadline records the doubt and ends the process": (
        (PARTS, "test_watchdog_has_the_doubt_recorded_and_then_ends_the_process"),
        (PARTS, "test_watchdog_deadline_is_counted_from_the_hand_over_to_the_thread"),
    ),
    "2 a ledger that hangs does not keep the process": (
        (PARTS, "test_watchdog_ends_the_process_though_the_ledger_hangs"),
    ),
    "2 a change is one request, and its deadline is a send's": (
        (CHANGES, "test_change_is_one_request_whatever_comes_back"),
        (
            CHANGES,
            "test_change_that_hangs_past_the_deadline_is_told_as_doubt_and_ends_the_process",
        ),
    ),
    "2 a watchdog that is stopped does not go round without a pause": (
        (PARTS, "test_watchdog_that_is_stopped_waits_for_no_record_any_more"),
    ),
    "2 a process that hangs in a send ends all the same": (
        (HANGING, "test_a_call_held_past_the_deadline_ends_the_process_in_recorded_doubt"),
    ),
    "2 a hanging cancel is not fatal": (
        (CANCELS, "test_cancels_that_hang_are_given_up_and_their_threads_replaced"),
        (HALTS, "test_cancel_of_a_halt_that_came_to_nothing_is_asked_again"),
    ),
    "3 one process per login, whatever its home": (
        (ENDING, "test_second_worker_of_a_login_ends_at_once_from_this_home_and_from_another"),
    ),
    "3 on another host, a lease": (
        (LEASE, "test_lease_of_another_domain_is_taken_after_its_silence_and_not_before"),
        (LEASE, "test_wait_is_measured_by_the_clock_since_boot_alone"),
        (LEASE, "test_renewal_at_the_last_moment_beats_the_takeover"),
        (HOSTS, "test_second_host_waits_while_the_first_lives_and_follows_its_end_at_once"),
    ),
    "3 nothing is sent without it": (
        (PARTS, "test_guard_objects_once_the_logins_lease_has_run_out"),
        (LEASE, "test_renewal_counts_from_before_it_was_sent"),
        (LEASE, "test_renewal_without_an_answer_prolongs_nothing"),
        (HOSTS, "test_send_whose_lease_ran_out_is_not_sent"),
        (HOSTS, "test_stopped_host_that_wakes_after_a_takeover_sends_nothing"),
    ),
    "3 who lost it records nothing more": (
        (LEASE, "test_ledger_takes_nothing_of_one_whose_lease_is_anothers_but_its_last_word"),
        (HOSTS, "test_host_that_finds_another_holder_records_and_sends_nothing_more"),
    ),
    "3 a takeover waits lease, send_by, deadline and skew": (
        (CORE_LEASE, "test_silence_before_a_takeover_is_lease_window_deadline_and_skew"),
        (CORE_LEASE, "test_wait_begins_anew_with_each_renewal_and_with_no_other_look"),
        (HOSTS, "test_killed_host_with_a_hanging_place_is_followed_after_its_silence"),
    ),
    "3 a takeover resolves nothing by absence": (
        (HOSTS, "test_killed_host_with_a_hanging_place_is_followed_after_its_silence"),
        (ROUNDS, "test_listings_begun_too_early_by_the_brokers_clock_prove_nothing"),
    ),
    "3 the own lock domain is not waited for": (
        (CORE_LEASE, "test_lease_of_the_own_lock_domain_is_free_at_once"),
        (DOMAIN, "test_two_lock_files_of_one_name_are_two_domains"),
        (DOMAIN, "test_another_start_of_the_machine_is_another_domain_on_a_shared_server"),
        (HOSTS, "test_killed_worker_is_followed_at_once_on_its_own_host"),
    ),
    "3 a lease is given up only when nothing may arrive": (
        (LEASE, "test_lease_is_not_given_up_while_something_may_still_be_sent"),
        (HOSTS, "test_lease_with_an_order_in_doubt_is_not_given_up"),
    ),
    "4 a definite no is a closed list": (
        (WORDS, "test_definite_no_is_a_closed_list"),
        (BROKER, "test_place_ends_in_done_refused_or_unknown"),
        (SESSION, "test_place_is_one_request_whatever_comes_back"),
    ),
    "4 no connection made is not_sent": (
        (BROKER, "test_no_connection_made_is_surely_not_sent"),
        (SESSION, "test_refused_connection_is_surely_not_sent"),
        (SESSION, "test_name_that_does_not_resolve_is_surely_not_sent"),
    ),
    "5 number, mark and contract match, all of them": (
        (FENCED, "test_sighting_that_fits_in_part_is_not_taken_for_the_unknown_order"),
    ),
    "5 an id that another order owns proves nothing": (
        (FENCED, "test_reply_with_an_id_that_another_order_owns_is_unknown"),
    ),
    "5 the number is above zero and new": (
        (NUMBERS, "test_number_that_the_sdk_would_leave_out_is_dropped"),
        (NUMBERS, "test_number_that_the_logins_ledger_has_seen_is_dropped"),
        (FENCED, "test_number_that_is_none_sends_nothing"),
        (FENCED, "test_number_used_before_sends_nothing"),
    ),
    "5 several orders that match are a break": (
        (SIGHTINGS, "test_second_order_at_the_broker_with_one_mark_freezes"),
    ),
    "5 a mark like ours that is not in the ledger freezes": (
        (SIGHTINGS, "test_mark_like_ours_that_is_not_in_the_ledger_freezes"),
        (GATES, "test_mark_begins_with_the_ledgers_id_and_names_the_order"),
    ),
    "5 code 4001 freezes openings until a resume": (
        (PUSH, "test_kick_freezes_openings_once_and_a_resume_lifts_it_until_the_next"),
        (PUSH, "test_kick_is_told_before_the_gap_and_waits_for_a_person"),
        (PUSH, "test_kick_that_a_renewal_overtook_waits_for_a_person_too"),
        (PUSH_CLIENT, "test_kicked_link_freezes_and_comes_back_once_for_each_resume"),
        (ACCOUNT, "test_kick_awaits_a_resume_from_before_it_is_recorded_until_a_person_gives_it"),
    ),
    "6 several complete listings": (
        (ROUNDS, "test_absence_needs_several_listings_begun_when_the_send_had_arrived"),
        (ROUNDS, "test_second_page_that_fails_fails_the_round"),
        (BROKER, "test_a_page_that_fails_fails_the_listing"),
    ),
    "6 begun late enough by the broker's clock": (
        (ROUNDS, "test_listings_begun_too_early_by_the_brokers_clock_prove_nothing"),
        (BROKER, "test_listing_says_the_brokers_time_before_it_began"),
    ),
    "6 a person may release": ((CONTROL, "test_release_of_a_not_found_order_frees_its_symbol"),),
    "6 a later sighting reopens it": (
        (SIGHTINGS, "test_sighting_reopens_what_was_not_found_or_released"),
    ),
    "7 a symbol in doubt is closed": (
        (FENCED, "test_symbol_in_doubt_is_closed_and_a_release_opens_it"),
    ),
    "7 reducing is what reduces however every other order ends": (
        (REDUCING, "test_open_and_doubtful_orders_of_the_same_side_count_as_filled"),
        (REDUCING, "test_open_orders_of_the_other_side_count_as_never_filled"),
    ),
    "7 a change counts at the larger of old and new": (
        (MODIFYING, "test_larger_of_old_and_new_counts_until_a_listing_decides"),
        (MODIFYING, "test_change_of_a_sale_is_held_against_the_position_without_its_own_old_size"),
    ),
    "7 while a change is unknown only a cancel passes": ((MODIFY_TABLE, "test_cell"),),
    "7 not found by a cancel is no evidence": ((ORDER_TABLE, "test_cell"),),
    "7 the cancel of an unknown order is executed at its sighting": (
        (DESK, "test_cancel_wanted_of_an_order_in_doubt_is_executed_when_it_is_sighted"),
        (HALTS, "test_cancel_wanted_that_a_crash_ate_is_asked_by_the_successor"),
        (CONTROL, "test_cancel_of_an_unknown_order_is_executed_when_it_is_sighted"),
    ),
    "8 push is a hint to pull": (
        (PUSH, "test_orders_and_fills_are_hints_each_but_figures_only_now_and_then"),
        (PUSHED, "test_b9_execution_told_twice_late_or_out_of_order_is_one_fill"),
    ),
    "8 the SDK's logger is silent": (
        (SESSION, "test_no_log_holds_a_request_a_signature_or_an_account_number"),
    ),
    "8 no account number in an event": (
        (WORDS, "test_broker_text_holds_no_account_number_and_has_an_end"),
        (SESSION, "test_end_holds_no_account_number"),
    ),
    "9 recorded_at never goes back": (
        (TIME, "test_recorded_at_never_goes_back"),
        (TIME, "test_recorded_at_never_goes_back_behind_what_was_restored"),
    ),
    "9 skew blocks openings": ((TIME, "test_clocks_that_differ_much_block_openings"),),
    "9 a sleep is a gap, noticed before a command is decided": (
        (TIME, "test_sleep_is_noticed_before_the_next_command_is_decided"),
        (TIME, "test_sleep_is_noticed_before_what_was_parked_is_looked_at_again"),
        (PARTS, "test_a_pause_by_the_boot_clock_is_one_gap_and_passing_time_is_none"),
        (ROUNDS, "test_gap_noticed_while_a_round_runs_is_not_healed_by_it"),
    ),
    "9 expired commands never execute": (
        (DESK, "test_parked_submit_expires_unsent"),
        (DESK, "test_expired_preview_asks_the_broker_nothing"),
    ),
    "10 no host is looked up": ((SESSION, "test_start_makes_no_call_to_anybody"),),
    "10 quotes and orders have one host, asserted after construction": (
        (SESSION, "test_quotes_go_to_the_same_host_as_orders"),
        (SESSION, "test_url_that_the_sdk_changed_stops_the_start"),
    ),
    "10 sandbox means loopback, real means https": (
        (SESSION, "test_sandbox_login_refuses_any_other_machine"),
        (SESSION, "test_real_login_refuses_anything_but_https"),
    ),
    "10 the SDK's environment is cleared": ((SESSION, "test_environment_of_the_sdk_is_forgotten"),),
    "10 quote rights are not grabbed at the start": (
        (SESSION, "test_start_makes_no_call_to_anybody"),
    ),
    "10 every end of a push connection is told to us": (
        (CALLBACKS, "test_every_event_of_a_connection_is_listened_to"),
        (CALLBACKS, "test_connection_that_the_broker_refuses_says_so"),
    ),
}


def _functions(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("rule", RULES)
def test_named_tests_of_a_rule_exist(rule: str) -> None:
    assert [name for file, name in RULES[rule] if name not in _functions(file)] == []


def test_every_rule_is_named() -> None:
    assert {int(rule.partition(" ")[0]) for rule in RULES} == set(range(1, 11))


def test_limits_of_time_are_those_of_the_design() -> None:
    timing = Timing()
    assert (timing.send_window_s, timing.sdk_timeout_s, timing.deadline_s) == (2.0, 10.0, 20.0)
    assert (timing.skew_s, CLOCK_SKEW_MAX_S) == (2.0, 30.0)
    assert (timing.lease_s, late_s(timing)) == (10.0, 24.0)
