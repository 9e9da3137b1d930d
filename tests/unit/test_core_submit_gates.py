"""Every gate between a submit and its intent: each shut gate gives its own refusal, and no event
of sending; each open gate is shown open beside it."""

import pytest

from core import account_events, events, items
from core.context import CLOCK_SKEW_MAX_S
from core.desk import waits, wants_reads
from core.items import Outcome
from core.modes import Mode
from core.orders import Phase
from core.readings import SeenPhase
from core.refusals import NEXT_STEP, Refusal
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items

BUY_1 = facts.previewed("1")
SELL_1 = facts.previewed("1", facts.spec(side=Side.SELL))
LONG_100 = facts.positions(facts.figure(quantity="100"))
SHORT_100 = facts.positions(facts.figure(quantity="-100"))


def refusal_of(event: events.Event | None) -> Refusal:
    assert isinstance(event, events.OrderRefused)
    assert event.detail.endswith(NEXT_STEP[event.code])
    return event.code


def test_submit_of_a_good_preview_starts_exactly_the_order_that_was_shown() -> None:
    desk = facts.TestDesk(*facts.ready(BUY_1))
    event = desk.when(core_items.submit(number="901"), facts.context(10))
    assert event == events.OrderSubmissionStarted(
        order_id=facts.order_id_of(),
        command_id=core_items.submit().command_id,
        preview_id="prv-1",
        spec=facts.spec(),
        reason="because",
        order_number="901",
        mark=facts.mark_of(),
        send_by=facts.at(12),
        arrives_by=facts.at(34),
    )


def test_mark_begins_with_the_ledgers_id_and_names_the_order() -> None:
    desk = facts.TestDesk(*facts.ready(BUY_1))
    event = desk.when(core_items.submit())
    assert isinstance(event, events.OrderSubmissionStarted)
    assert event.mark == f"{facts.LEDGER_ID}.{event.order_id}"


def _line(code: str) -> tuple[events.Event, ...]:
    """Return a line of events under which a submit of preview 1 is refused with `code`."""
    lines: dict[str, tuple[events.Event, ...]] = {
        "read_only": facts.ready(BUY_1, mode=Mode.READ_ONLY),
        "halted": facts.ready(BUY_1, facts.halted()),
        "halted_symbol": facts.ready(BUY_1, facts.halted("AAPL")),
        "never_reconciled": (facts.opened(), BUY_1),
        "new_worker": facts.ready(BUY_1, account_events.AccountWorkerStarted(run_id="run-2")),
        "stale": facts.ready(BUY_1, facts.stale()),
        "frozen": facts.ready(BUY_1, facts.frozen()),
        "unknown": facts.ready(BUY_1, facts.started("2"), facts.unknown("2")),
        "not_found": facts.ready(
            BUY_1, facts.started("2"), facts.unknown("2"), facts.not_found("2")
        ),
        "check_failed": facts.ready(facts.previewed("1", passed=False)),
        "digest": facts.ready(facts.previewed("1", digest="f" * 64)),
        "other_account": facts.ready(facts.previewed("1", digest=facts.spec().digest("other"))),
        "expired": facts.ready(facts.previewed("1", expires_s=-0.001)),
        "used": facts.ready(BUY_1, facts.started(number="77"), facts.accepted()),
        "unseen": facts.ready(),
    }
    return lines[code]


@pytest.mark.parametrize(
    "line,code",
    [
        ("read_only", Refusal.ACCOUNT_READ_ONLY),
        ("halted", Refusal.ACCOUNT_HALTED),
        ("halted_symbol", Refusal.ACCOUNT_HALTED),
        ("never_reconciled", Refusal.ACCOUNT_STALE),
        ("new_worker", Refusal.ACCOUNT_STALE),
        ("stale", Refusal.ACCOUNT_STALE),
        ("frozen", Refusal.ACCOUNT_FROZEN),
        ("unknown", Refusal.SYMBOL_IN_DOUBT),
        ("not_found", Refusal.SYMBOL_IN_DOUBT),
        ("check_failed", Refusal.CHECK_FAILED),
        ("digest", Refusal.CHECK_FAILED),
        ("expired", Refusal.PREVIEW_EXPIRED),
        ("used", Refusal.PREVIEW_USED),
        ("unseen", Refusal.PREVIEW_UNKNOWN),
        ("other_account", Refusal.CHECK_FAILED),
    ],
)
def test_shut_gate_refuses_and_sends_nothing(line: str, code: Refusal) -> None:
    desk = facts.TestDesk(*_line(line))
    orders = len(desk.state.orders)
    item = core_items.submit(command_id="cmd-new", number="902")
    assert refusal_of(desk.when(item)) is code
    assert len(desk.state.orders) == orders
    # The "no" is recorded: the same command delivered again decides to nothing.
    assert desk.when(item) is None


def test_account_that_was_never_opened_sends_nothing() -> None:
    desk = facts.TestDesk(BUY_1, facts.reconciled())
    assert isinstance(desk.when(core_items.submit()), events.OrderRefused)


def test_refusal_names_the_order_in_doubt() -> None:
    desk = facts.TestDesk(*_line("unknown"))
    event = desk.when(core_items.submit())
    assert isinstance(event, events.OrderRefused)
    assert facts.order_id_of("2") in event.detail


@pytest.mark.parametrize("number", ["", "0", "000", "77"])
def test_order_number_must_be_new_and_above_zero(number: str) -> None:
    other = facts.started("2", facts.spec(symbol="MSFT"), number="77")
    desk = facts.TestDesk(*facts.ready(BUY_1, other, facts.accepted("2")))
    assert refusal_of(desk.when(core_items.submit(number=number))) is Refusal.NO_CAPACITY


@pytest.mark.parametrize("skew_s", [CLOCK_SKEW_MAX_S + 0.1, -CLOCK_SKEW_MAX_S - 0.1])
def test_skewed_clocks_refuse_openings(skew_s: float) -> None:
    desk = facts.TestDesk(*facts.ready(BUY_1))
    event = desk.when(core_items.submit(), facts.context(clock_skew_s=skew_s))
    assert refusal_of(event) is Refusal.CLOCK_SKEWED


@pytest.mark.parametrize("skew_s", [CLOCK_SKEW_MAX_S, -CLOCK_SKEW_MAX_S])
def test_skew_at_the_bound_passes(skew_s: float) -> None:
    desk = facts.TestDesk(*facts.ready(BUY_1))
    event = desk.when(core_items.submit(), facts.context(clock_skew_s=skew_s))
    assert isinstance(event, events.OrderSubmissionStarted)


@pytest.mark.parametrize(
    "line",
    [
        (facts.frozen(),),
        (facts.started("2"), facts.unknown("2")),
        (facts.started("2"), facts.unknown("2"), facts.not_found("2")),
    ],
)
def test_reducing_order_passes_freeze_and_doubt(line: tuple[events.Event, ...]) -> None:
    desk = facts.TestDesk(*facts.ready(LONG_100, SELL_1, *line))
    event = desk.when(core_items.submit(number="902"), facts.context(clock_skew_s=99))
    assert isinstance(event, events.OrderSubmissionStarted)


@pytest.mark.parametrize("line", ["halted", "halted_symbol", "stale", "read_only"])
def test_reducing_order_does_not_pass_halt_stale_or_read_only(line: str) -> None:
    mode = Mode.READ_ONLY if line == "read_only" else Mode.AUTO
    wall: dict[str, tuple[events.Event, ...]] = {
        "halted": (facts.halted(),),
        "halted_symbol": (facts.halted("AAPL"),),
        "stale": (facts.stale(),),
        "read_only": (),
    }
    desk = facts.TestDesk(*facts.ready(LONG_100, SELL_1, *wall[line], mode=mode))
    assert isinstance(desk.when(core_items.submit()), events.OrderRefused)


def test_doubt_and_halt_of_one_symbol_leave_other_symbols_alone() -> None:
    desk = facts.TestDesk(
        *facts.ready(
            facts.previewed("1", facts.spec(symbol="MSFT")),
            facts.started("2"),
            facts.unknown("2"),
            facts.halted("TSLA"),
        )
    )
    event = desk.when(core_items.submit(number="902"))
    assert isinstance(event, events.OrderSubmissionStarted)


def test_released_order_no_longer_blocks_its_symbol() -> None:
    desk = facts.TestDesk(*facts.ready(BUY_1, facts.started("2"), facts.unknown("2")))
    desk.when(core_items.release(facts.order_id_of("2")))
    assert isinstance(desk.when(core_items.submit(number="902")), events.OrderSubmissionStarted)


def test_released_order_that_is_sighted_blocks_no_more_but_counts_again() -> None:
    desk = facts.TestDesk(*facts.ready(facts.started(), facts.unknown()))
    desk.when(core_items.release())
    assert desk.state.open_orders == frozenset()
    desk.settle(core_items.seen())
    assert desk.state.open_orders == {facts.order_id_of()}
    assert desk.state.orders[facts.order_id_of()].phase is Phase.WORKING


# --- expiry ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        core_items.submit(expires_s=-0.001),
        core_items.cancel(expires_s=-0.001),
        core_items.command(core_items.resume().command, "r", expires_s=-0.001),
        core_items.command(core_items.release().command, "r", expires_s=-0.001),
    ],
)
def test_command_past_its_expiry_never_acts(item: items.CommandItem) -> None:
    desk = facts.TestDesk(*facts.ready(BUY_1))
    assert refusal_of(desk.when(item)) is Refusal.COMMAND_EXPIRED


def test_command_at_its_very_expiry_still_acts() -> None:
    desk = facts.TestDesk(*facts.ready(BUY_1))
    event = desk.when(core_items.submit(expires_s=0))
    assert isinstance(event, events.OrderSubmissionStarted)


def test_halt_is_never_too_late() -> None:
    desk = facts.TestDesk(*facts.ready())
    assert isinstance(desk.when(core_items.halt(expires_s=-9999)), account_events.AccountHalted)


def test_preview_is_good_at_its_very_expiry() -> None:
    desk = facts.TestDesk(*facts.ready(facts.previewed("1", expires_s=10)))
    event = desk.when(core_items.submit(), facts.context(10))
    assert isinstance(event, events.OrderSubmissionStarted)


# --- commands that wait, and commands that read ---------------------------------------------


def test_opening_order_waits_while_one_of_its_symbol_is_being_sent() -> None:
    other = facts.previewed("3", facts.spec(symbol="MSFT"))
    desk = facts.TestDesk(*facts.ready(facts.previewed("2"), other, BUY_1))
    desk.when(core_items.submit("1"))
    assert waits(desk.state, core_items.submit("2", number="902"))
    assert not waits(desk.state, core_items.submit("3", number="903"))
    desk.when(core_items.placed(Outcome.DONE))
    assert not waits(desk.state, core_items.submit("2", number="902"))


def test_cancels_controls_and_answers_pass_a_place_that_hangs() -> None:
    desk = facts.TestDesk(*facts.ready(facts.previewed("2"), facts.started()))
    for item in (
        core_items.cancel(),
        core_items.halt(),
        core_items.resume(),
        core_items.release(),
        core_items.preview_command(),
        core_items.placed(Outcome.UNKNOWN),
        core_items.seen(SeenPhase.LIVE),
    ):
        assert not waits(desk.state, item)


def test_command_that_was_answered_never_waits() -> None:
    desk = facts.TestDesk(*facts.ready(BUY_1))
    desk.when(core_items.submit())
    assert not waits(desk.state, core_items.submit())


def test_submit_of_an_unseen_preview_does_not_wait() -> None:
    assert not waits(facts.TestDesk(*facts.ready()).state, core_items.submit("9"))


def test_only_a_preview_that_is_not_answered_wants_reads() -> None:
    desk = facts.TestDesk(*facts.ready())
    item = core_items.preview_command()
    assert wants_reads(desk.state, item)
    desk.when(_answer(item))
    assert not wants_reads(desk.state, item)
    for other in (core_items.submit(), core_items.cancel(), core_items.halt(), core_items.seen()):
        assert not wants_reads(desk.state, other)


def _answer(item: items.CommandItem) -> items.PreviewAnswered:
    return items.PreviewAnswered(
        item=item, contract=core_items.contract(), quote=core_items.quote(), estimate=None
    )
