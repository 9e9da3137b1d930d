"""Halt, resume and freeze as gates, and who passes them."""

import msgspec
import pytest

from core import account_events, events, items
from core.modes import Environment, Mode
from core.refusals import NEXT_STEP, Refusal
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_core_submit_gates import BUY_1, refusal_of

# --- halt, resume, freeze -------------------------------------------------------------------


def test_halt_and_resume_of_a_symbol_have_that_scope() -> None:
    desk = facts.TestDesk(*facts.ready(BUY_1, facts.previewed("2"), facts.previewed("3")))
    desk.when(core_items.halt("AAPL"))
    assert refusal_of(desk.when(core_items.submit("1"))) is Refusal.ACCOUNT_HALTED
    desk.when(core_items.resume("", "r1"))
    assert refusal_of(desk.when(core_items.submit("2", number="902"))) is Refusal.ACCOUNT_HALTED
    desk.when(core_items.resume("AAPL", "r2"))
    event = desk.when(core_items.submit("3", number="903"))
    assert isinstance(event, events.OrderSubmissionStarted)


@pytest.mark.parametrize(
    "later", [facts.halted(), facts.frozen(), facts.frozen(symbol="MSFT")], ids=str
)
def test_resume_lifts_only_what_was_shown(later: events.Event) -> None:
    desk = facts.TestDesk(*facts.ready(facts.halted()))
    shown_n = len(desk.line)
    desk.store(later)
    refused = desk.when(core_items.resume(shown_n=shown_n))
    assert refusal_of(refused) is Refusal.SHOWN_OUTDATED
    assert desk.state.is_halted
    assert isinstance(
        desk.when(core_items.resume(command_id="r2", shown_n=shown_n + 1)),
        account_events.AccountResumed,
    )
    assert not desk.state.is_halted


def test_resume_of_a_symbol_lifts_neither_the_accounts_halt_nor_a_freeze() -> None:
    desk = facts.TestDesk(*facts.ready(facts.frozen()))
    desk.when(core_items.halt())
    desk.when(core_items.resume("AAPL"))
    assert (desk.state.is_halted, desk.state.frozen_cause) == (True, "mark_not_in_ledger")
    desk.when(core_items.resume("", "r2"))
    assert (desk.state.is_halted, desk.state.frozen_cause) == (False, "")


def test_halt_file_halts_once_and_its_absence_resumes_nothing() -> None:
    desk = facts.TestDesk(*facts.ready())
    event = desk.when(items.HaltFileSeen(detail="by hand"))
    assert isinstance(event, account_events.AccountHalted)
    assert desk.when(items.HaltFileSeen(detail="by hand")) is None
    assert desk.state.is_halted


@pytest.mark.parametrize(("mode", "is_own"), [(Mode.AUTO, False), (Mode.READ_ONLY, True)])
def test_cancels_pass_every_gate_but_a_models_on_a_read_only_account(
    mode: Mode, is_own: bool
) -> None:
    desk = facts.TestDesk(
        *facts.ready(
            facts.started(),
            facts.accepted(),
            facts.frozen(),
            facts.halted(),
            facts.stale(),
            mode=mode,
        )
    )
    cancel = msgspec.structs.replace(core_items.cancel(), is_own=is_own)
    event = desk.when(cancel, facts.context(clock_skew_s=99))
    assert event == events.OrderCancelStarted(
        order_id=facts.order_id_of(), command_id="cmd-cancel", tiger_order_id="t-1"
    )


def test_worker_start_closes_the_account_until_a_round_is_complete() -> None:
    desk = facts.TestDesk(*facts.ready())
    desk.when(items.WorkerStarts(run_id="run-2"))
    assert desk.state.is_stale
    assert desk.when(items.WorkerStarts(run_id="run-2")) is None
    assert isinstance(desk.when(core_items.round_completed()), account_events.AccountReconciled)
    assert not desk.state.is_stale


def test_account_is_bound_once() -> None:
    item = items.AccountBegins(
        environment=Environment.SANDBOX,
        mode=Mode.AUTO,
        ledger_id=facts.LEDGER_ID,
        login="login-1",
    )
    desk = facts.TestDesk()
    assert desk.when(item) == facts.opened()
    assert desk.when(item) is None


def test_message_that_does_not_decode_is_recorded() -> None:
    item = items.Unreadable(
        code=Refusal.SIGNATURE_INVALID,
        subject="cmd.sandbox.order.submit",
        stream="COMMANDS",
        sequence=7,
        body_digest="0" * 64,
        detail="d",
    )
    event = facts.TestDesk(*facts.ready()).when(item)
    assert isinstance(event, account_events.CommandUnreadable)
    assert (event.code, event.sequence) == (Refusal.SIGNATURE_INVALID, 7)


@pytest.mark.parametrize("item", [core_items.cancel("ord-x"), core_items.release("ord-x")])
def test_command_about_an_order_that_is_not_there_is_refused(item: items.CommandItem) -> None:
    desk = facts.TestDesk(*facts.ready())
    assert refusal_of(desk.when(item)) is Refusal.ORDER_UNKNOWN


def test_every_refusal_says_what_to_do_next() -> None:
    assert set(NEXT_STEP) == set(Refusal)
    assert all(NEXT_STEP.values())
