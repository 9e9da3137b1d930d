"""One whole account on twins: what its looks notice, and whose threads wait for whom."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.tiger_worker import account as account_module
from adapters.tiger_worker.account import (
    ASK_THREADS,
    GAP_AFTER,
    ROUND_ENDS_AFTER,
)
from adapters.tiger_worker.cancel_lane import HANGING_MAX
from adapters.tiger_worker.halt_telling import TELL_EVERY_S
from adapters.tiger_worker.parts import Work
from adapters.tiger_worker.watchdog import EXIT_STUCK
from core import account_events
from core.errors import BrokerUnavailableError, ConfigError
from core.items import GapNoticed, HaltFileSeen, Outcome, PlaceAnswered, PushKicked
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.account_rig import PACE, TIMING, AccountRig, Exits, Monotonic
from tests.support.worker_parts import WAIT_S, intent


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> Exits:
    made = Exits()
    monkeypatch.setattr(account_module, "exit_now", made.end)
    return made


@pytest.fixture
def rig(tmp_path: Path, exits: Exits) -> Iterator[AccountRig]:
    made = AccountRig(tmp_path / "halt")
    yield made
    made.end()
    assert made.failures == []


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    made = Monotonic()
    for module in ("cancel_lane", "halt_telling", "reconcile"):
        monkeypatch.setattr(f"adapters.tiger_worker.{module}.time", made)
    return made


def test_round_that_hangs_is_a_gap_and_ends_the_process_at_last(
    rig: AccountRig, exits: Exits
) -> None:
    account = rig.make()
    rig.begin(account)
    rig.ledger.wait_for("account.stale")
    assert exits.wait() == EXIT_STUCK
    last = rig.ledger.last().data
    assert isinstance(last, account_events.AccountStale)
    assert last.cause == "a reading of the broker hangs"


def test_round_that_hangs_is_told_once_and_again_after_it_moved(
    rig: AccountRig, exits: Exits, monotonic: Monotonic
) -> None:
    account = rig.make()
    monotonic.now_s += GAP_AFTER * TIMING.deadline_s - 0.01
    account._look()
    assert rig.posted(account) == []
    for _ in range(3):
        monotonic.now_s += 0.02
        account._look()
    assert [item.gap for item in rig.posted(account)] == [1]
    # A round moved, and another hangs.
    account._reconciler._moved_at = monotonic.now_s
    account._look()
    monotonic.now_s += GAP_AFTER * TIMING.deadline_s + 0.01
    account._look()
    assert [item.gap for item in rig.posted(account)] == [1, 2]
    assert exits.codes == []
    monotonic.now_s += (ROUND_ENDS_AFTER - GAP_AFTER) * TIMING.deadline_s
    account._look()
    assert exits.codes == [EXIT_STUCK]


def test_wait_between_two_rounds_is_no_hanging_round(
    rig: AccountRig, exits: Exits, monotonic: Monotonic
) -> None:
    rig.pace = PACE._replace(idle_s=20.0)
    account = rig.make()
    monotonic.now_s += 20.0 + GAP_AFTER * TIMING.deadline_s - 0.01
    account._look()
    assert rig.posted(account) == exits.codes == []


def test_halt_file_is_told_each_second_to_a_desk_that_moves_until_the_account_is_halted(
    rig: AccountRig, exits: Exits, monotonic: Monotonic
) -> None:
    account = rig.make()

    def told() -> int:
        account._look()
        return sum(isinstance(item, HaltFileSeen) for item in rig.posted(account))

    assert told() == 0
    rig.halt_file.touch()
    assert [told(), told()] == [1, 1]
    # A desk that hangs finds it once, however long it hangs.
    monotonic.now_s += TELL_EVERY_S + 0.01
    assert told() == 1
    account._thread.taken += 1
    assert [told(), told()] == [2, 2]
    account._thread.taken += 1
    record = rig.ledger.write(facts.halted())
    account.restore([record])
    monotonic.now_s += TELL_EVERY_S + 0.01
    assert told() == 2
    # The rounds of this account never began, which is noticed beside it.
    assert set(exits.codes) == {EXIT_STUCK}


def test_halt_file_halts_and_asks_cancels_while_a_reading_hangs(
    rig: AccountRig, exits: Exits
) -> None:
    account = rig.make()
    rig.halt_file.touch()
    rig.begin(account)
    rig.ledger.wait_for("account.halted")
    rig.ledger.wait_for("order.cancel_started")
    assert rig.brokers[0].cancels.acquire(timeout=WAIT_S)
    # And the cancel, which hangs too, is given up.
    rig.ledger.wait_for("order.cancel_unknown")
    assert set(exits.codes) <= {EXIT_STUCK}


@pytest.mark.parametrize(("symbol", "is_held"), [("", True), ("AAPL", True), ("MSFT", False)])
def test_send_is_held_back_by_the_accounts_own_state(
    rig: AccountRig, symbol: str, is_held: bool
) -> None:
    account = rig.make()
    account.restore([rig.ledger.write(facts.halted(symbol))])
    account.lanes.place(intent(rig.clock))
    _, _, work = account._thread._queue.get(timeout=WAIT_S)
    assert work is not None
    assert isinstance(work.item, PlaceAnswered)
    # This broker has no place at all, so a send that was let through is in doubt.
    wanted = Outcome.NOT_SENT if is_held else Outcome.UNKNOWN
    assert work.item.outcome is wanted


def test_too_many_cancels_that_hang_end_the_process(
    rig: AccountRig, exits: Exits, monotonic: Monotonic
) -> None:
    account = rig.make()
    for number in range(HANGING_MAX + 1):
        assert exits.codes == []
        account.lanes.cancel(f"ord-{number}", "t-1", is_urgent=True)
        assert rig.brokers[0].cancels.acquire(timeout=WAIT_S)
        monotonic.now_s += TIMING.deadline_s + 0.01
        account._reconciler._moved_at = monotonic.now_s
        account._look()
    assert exits.codes == [EXIT_STUCK]


def test_questions_that_hang_delay_no_preview_and_no_other_accounts_questions(
    rig: AccountRig,
) -> None:
    first, second = rig.make(), rig.make("other")
    may_end = threading.Event()

    def hang() -> None:
        assert may_end.wait(WAIT_S)

    hanging = [first.ask_threads.submit(hang) for _ in range(ASK_THREADS + 1)]
    lanes: list[Callable[..., Any]] = [
        second.ask_threads.submit,
        first.lanes._previews.submit,
        first.lanes.numbers._thread.submit,
    ]
    for submit in lanes:
        assert submit(lambda: "answered").result(WAIT_S) == "answered"
    may_end.set()
    for future in hanging:
        future.result(WAIT_S)


def test_gap_of_push_makes_the_account_stale_and_asks_for_a_round(
    rig: AccountRig, exits: Exits
) -> None:
    account = rig.make()
    account.note_gap("push was lost: ended")
    assert rig.posted(account) == [GapNoticed(gap=1, cause="push was lost: ended")]
    assert account._reconciler._nudge.is_set()
    assert exits.codes == []


def test_kick_awaits_a_resume_from_before_it_is_recorded_until_a_person_gives_it(
    rig: AccountRig, exits: Exits
) -> None:
    account = rig.make()
    assert not account.awaits_resume("")
    account.note_kick("push-1:1")
    assert rig.posted(account) == [PushKicked(connection="push-1:1")]
    assert account.awaits_resume("push-1:1")
    account.restore([rig.ledger.write(facts.frozen("kicked", detail="push-1:1"))])
    # A successor finds it in the ledger.
    assert account.awaits_resume("push-1:1")
    assert account.awaits_resume("")
    resumed = account_events.AccountResumed(command_id="cmd-r", person="ann", symbol="")
    account.restore([rig.ledger.write(resumed)])
    assert not account.awaits_resume("push-1:1")
    assert not account.awaits_resume("")
    assert exits.codes == []


def test_kick_that_a_person_resumed_keeps_no_push_away_after_a_later_freeze_and_a_restart(
    rig: AccountRig, exits: Exits
) -> None:
    for event in (
        facts.frozen("kicked", detail="push-1:1"),
        account_events.AccountResumed(command_id="cmd-r", person="ann", symbol="AAPL"),
    ):
        rig.ledger.write(event)
    # A resume of one symbol lifts no kick.
    assert rig.make().awaits_resume("")
    rig.ledger.write(account_events.AccountResumed(command_id="cmd-s", person="ann", symbol=""))
    rig.ledger.write(facts.frozen())
    successor = rig.make()
    assert successor.state.frozen_cause
    assert not successor.awaits_resume("")
    assert not successor.awaits_resume("push-1:1")
    assert successor.awaits_resume("push-2:1")
    successor.restore([rig.ledger.write(facts.frozen("kicked", detail="push-2:1"))])
    assert successor.awaits_resume("")
    assert exits.codes == []


def test_freeze_for_another_cause_keeps_no_push_away(rig: AccountRig, exits: Exits) -> None:
    account = rig.make()
    account.restore([rig.ledger.write(facts.frozen())])
    assert not account.awaits_resume("")
    assert exits.codes == []


def test_account_whose_login_lock_is_lost_ends_the_login_and_says_so_once(
    rig: AccountRig, exits: Exits, monotonic: Monotonic
) -> None:
    is_held = True
    rig.world = replace(rig.world, is_lock_held=lambda: is_held)
    account = rig.make()
    account._look()
    assert rig.failures == []
    is_held = False
    account._look()
    account._look()
    assert [type(failure) for failure in rig.failures] == [ConfigError]
    rig.failures.clear()
    assert exits.codes == []


@pytest.mark.parametrize("reading", ["number", "preview", "modify"])
def test_reading_of_a_lane_that_hangs_ends_the_process(
    rig: AccountRig,
    exits: Exits,
    monotonic: Monotonic,
    monkeypatch: pytest.MonkeyPatch,
    reading: str,
) -> None:
    monkeypatch.setattr("adapters.tiger_worker.reading_watch.time", monotonic)
    account = rig.make()
    broker = rig.brokers[0]
    has_begun = threading.Event()

    def hang(*_: object) -> Any:
        has_begun.set()
        assert broker.may_end.wait(WAIT_S)
        raise BrokerUnavailableError("away")

    monkeypatch.setattr(broker, "reserve_number", hang)
    monkeypatch.setattr(broker, "contracts", hang)
    match reading:
        case "number":
            account.lanes.numbers.fill()
        case "preview":
            item = core_items.preview_command()
            account.lanes.read_for_preview(item, Work(item))
        case _:
            item = core_items.modify_command()
            account.lanes.read_for_modify(item, facts.spec(), Work(item))
    assert has_begun.wait(WAIT_S)
    monotonic.now_s += ROUND_ENDS_AFTER * TIMING.deadline_s - 0.01
    account._reconciler._moved_at = monotonic.now_s
    account._look()
    assert exits.codes == []
    monotonic.now_s += 0.02
    account._look()
    assert exits.codes == [EXIT_STUCK]


def test_number_edited_by_hand_goes_on_under_no_record(rig: AccountRig) -> None:
    account = rig.make()
    account.check_binding()
    rig.begin(account)
    rig.ledger.wait_for("account.worker_started")
    assert rig.make().state.number_check == account.state.number_check != ""
    kept = rig.halt_file.with_suffix(".bound")
    # The watch over the halt file waits for no ledger, and is not even made.
    brokers = len(rig.brokers)
    with pytest.raises(ConfigError, match="another number"):
        rig.make(number="2")
    assert len(rig.brokers) == brokers
    # On a machine that kept nothing the ledger says so.
    kept.unlink()
    with pytest.raises(ConfigError, match="another number"):
        rig.make(number="2").check_binding()
    rig.make().check_binding()


def test_what_is_kept_of_another_ledger_binds_nothing(rig: AccountRig) -> None:
    rig.halt_file.with_suffix(".bound").write_text("led-of-before:0000")
    account = rig.make()
    account.check_binding()
    rig.begin(account)
    rig.ledger.wait_for("account.worker_started")
    rig.halt_file.with_suffix(".bound").unlink()
    rig.make().check_binding()


def test_record_of_before_is_bound_by_its_next_start_and_tells_no_number(rig: AccountRig) -> None:
    number = "51230321"
    assert rig.make().state.number_check == ""
    account = rig.make(number=number)
    account.check_binding()
    rig.begin(account)
    rig.ledger.wait_for("account.worker_started")
    rig.make(number=number).check_binding()
    with pytest.raises(ConfigError, match="another number"):
        rig.make(number="51230322")
    kept = rig.halt_file.with_suffix(".bound").read_bytes()
    told = [kept, *(record.body for record in rig.ledger.records)]
    assert [each for each in told if number.encode() in each] == []
