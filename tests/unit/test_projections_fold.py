"""What each stored fact does to the entries of the views."""

from datetime import timedelta
from decimal import Decimal
from typing import get_args

import pytest
from msgspec.structs import replace

from core import account_events, codec, events, parent_events, preview_events
from core.codec import EMPTY_TAIL, EVENT_CLASSES, Recorded
from core.errors import CorruptRecordError
from core.modes import Environment
from core.orders import CancelPhase, Phase
from core.refusals import Refusal
from core.subjects import SYSTEM
from projections.entries import AccountEntry, Change, FrozenSymbol, OrderEntry
from projections.fold import changed_alias, changed_order_id, fold
from tests.support import facts
from tests.support.facts import EPOCH, Ledger

BLANK = AccountEntry(alias="a1")


def record_of(event: events.Event, account: str = "a1") -> Recorded:
    ledger = Ledger()
    stored = ledger.add(event, account=account)
    return codec.decode(stored.subject, stored.body, sequence=stored.sequence)


def order_after(*lived: events.Event) -> OrderEntry:
    ledger, entry, tail = Ledger(), None, EMPTY_TAIL
    for event in lived:
        stored = ledger.add(event)
        recorded, tail = codec.follow(tail, stored.subject, stored.body, sequence=stored.sequence)
        entry = fold(BLANK, entry, recorded).order
    assert entry is not None
    return entry


def account_after(*lived: events.Event) -> AccountEntry:
    entry = BLANK
    for event in lived:
        entry = fold(entry, None, record_of(event)).account or entry
    return entry


def test_every_event_type_is_folded() -> None:
    assert set(get_args(events.Event)) == set(EVENT_CLASSES.values())


def test_intent_opens_an_order_row() -> None:
    row = order_after(facts.started("o1")).row()
    assert (row.phase, row.symbol, row.reason) == (Phase.SUBMITTING, "AAPL", "reason of o1")
    assert (row.limit_price, row.started_at, row.updated_at) == (
        Decimal(180),
        EPOCH + timedelta(seconds=1),
        EPOCH + timedelta(seconds=1),
    )


ORDER_STEPS: list[tuple[events.Event, Phase, CancelPhase, str]] = [
    (facts.accepted("o1"), Phase.ACCEPTED, CancelPhase.NONE, ""),
    (events.OrderNotSent(order_id="o1", cause="late"), Phase.NOT_SENT, CancelPhase.NONE, "late"),
    (
        events.OrderOutcomeUnknown(order_id="o1", cause="no answer"),
        Phase.UNKNOWN,
        CancelPhase.NONE,
        "no answer",
    ),
    (
        events.OrderNotFound(order_id="o1", listings=3, first_listing_at=EPOCH),
        Phase.NOT_FOUND,
        CancelPhase.NONE,
        "3 complete listings do not show it",
    ),
    (
        events.OrderReleased(order_id="o1", command_id="c", person="ann"),
        Phase.RELEASED,
        CancelPhase.NONE,
        "released by ann",
    ),
    (
        events.OrderWasOurs(order_id="o1", tiger_order_id="t1", owner_order_id="o2"),
        Phase.NOT_SENT,
        CancelPhase.NONE,
        "it was ours: o2",
    ),
    (
        parent_events.OrderParentObserved(order_id="o1", parent_order_id="o2"),
        Phase.SUBMITTING,
        CancelPhase.NONE,
        "",
    ),
    (facts.working("o1", "4"), Phase.WORKING, CancelPhase.NONE, ""),
    (facts.fill("o1", "e1"), Phase.SUBMITTING, CancelPhase.NONE, ""),
    (facts.terms("o1", "25", "181.5"), Phase.SUBMITTING, CancelPhase.NONE, ""),
    (facts.filled("o1"), Phase.FILLED, CancelPhase.NONE, ""),
    (
        events.OrderCancelled(order_id="o1", filled_quantity=Decimal(3), average_price=None),
        Phase.CANCELLED,
        CancelPhase.NONE,
        "",
    ),
    (
        events.OrderExpired(order_id="o1", filled_quantity=Decimal(0), average_price=None),
        Phase.EXPIRED,
        CancelPhase.NONE,
        "",
    ),
    (
        events.OrderRejected(order_id="o1", code=4, detail="no funds"),
        Phase.REJECTED,
        CancelPhase.NONE,
        "no funds",
    ),
    (
        events.OrderAnswerObserved(
            order_id="o1", outcome="refused", tiger_order_id="", code=4, detail="no funds"
        ),
        Phase.SUBMITTING,
        CancelPhase.NONE,
        "a late answer of the broker: refused no funds",
    ),
    (
        events.OrderAnswerObserved(
            order_id="o1", outcome="done", tiger_order_id="t1", code=None, detail=""
        ),
        Phase.ACCEPTED,
        CancelPhase.NONE,
        "",
    ),
    (
        events.OrderCancelStarted(order_id="o1", command_id="c", tiger_order_id="t1"),
        Phase.SUBMITTING,
        CancelPhase.STARTED,
        "",
    ),
    (
        events.OrderCancelWanted(order_id="o1", command_id="c"),
        Phase.SUBMITTING,
        CancelPhase.WANTED,
        "",
    ),
    (events.OrderCancelRequested(order_id="o1"), Phase.SUBMITTING, CancelPhase.REQUESTED, ""),
    (
        events.OrderCancelRefused(order_id="o1", code=1, detail="too late"),
        Phase.SUBMITTING,
        CancelPhase.REFUSED,
        "cancel refused: too late",
    ),
    (
        events.OrderCancelUnknown(order_id="o1", cause="no answer"),
        Phase.SUBMITTING,
        CancelPhase.UNKNOWN,
        "cancel in doubt: no answer",
    ),
]


@pytest.mark.parametrize(
    "event, phase, cancel, detail", ORDER_STEPS, ids=[type(s[0]).__name__ for s in ORDER_STEPS]
)
def test_order_event_moves_the_row(
    event: events.Event, phase: Phase, cancel: CancelPhase, detail: str
) -> None:
    row = order_after(facts.started("o1"), event).row()
    assert (row.phase, row.cancel, row.detail) == (phase, cancel, detail)
    assert row.updated_at == EPOCH + timedelta(seconds=2)


@pytest.mark.parametrize("event", [step[0] for step in ORDER_STEPS])
def test_event_of_an_order_that_never_began_stops(event: events.Event) -> None:
    assert changed_order_id(event) == "o1"
    with pytest.raises(CorruptRecordError):
        fold(BLANK, None, record_of(event))


def test_cause_of_a_doubt_goes_when_the_order_is_sighted_and_the_cancels_cause_stays() -> None:
    entry = order_after(
        facts.started("o1"),
        events.OrderOutcomeUnknown(order_id="o1", cause="no answer"),
        events.OrderCancelRefused(order_id="o1", code=None, detail="not sent"),
        facts.working("o1"),
    )
    assert entry.row().detail == "cancel refused: not sent"


def test_order_that_was_changed_elsewhere_shows_its_new_terms_and_keeps_its_cause() -> None:
    entry = order_after(
        facts.started("o1"),
        events.OrderOutcomeUnknown(order_id="o1", cause="no answer"),
        facts.terms("o1", "25", "181.5"),
    )
    row = entry.row()
    assert (row.quantity, row.limit_price) == (Decimal(25), Decimal("181.5"))
    assert (row.phase, row.detail) == (Phase.UNKNOWN, "no answer")
    assert row.updated_at == EPOCH + timedelta(seconds=3)


def test_external_order_is_marked_so() -> None:
    row = order_after(facts.external("o9", second=5)).row()
    assert (row.is_external, row.phase) == (True, Phase.ACCEPTED)
    assert row.started_at == EPOCH + timedelta(seconds=5)


def test_fill_gives_an_execution() -> None:
    event = facts.fill("o1", "e1")
    change = fold(BLANK, order_after(facts.started("o1")), record_of(event))
    assert change.execution is not None
    assert change.execution.price == event.price
    assert change.order is not None
    assert change.order.order.recorded_quantity == Decimal(10)


@pytest.mark.parametrize(
    "event",
    [
        events.OrderRefused(command_id="c", code=Refusal.ACCOUNT_HALTED, detail="halted"),
        account_events.CommandUnreadable(
            code=Refusal.COMMAND_UNREADABLE,
            subject="cmd.a1.order.submit",
            stream="COMMANDS",
            sequence=1,
            body_digest="",
            detail="",
        ),
        preview_events.OrderPreviewed(
            preview_id="p",
            command_id="c",
            spec=facts.spec(),
            reason="r",
            checks=(),
            quote=None,
            estimate=None,
            digest="d",
            expires_at=EPOCH,
        ),
    ],
)
def test_facts_without_a_row_of_their_own_change_nothing(event: events.Event) -> None:
    assert fold(BLANK, None, record_of(event)) == Change()


def test_broker_figures_are_kept_whole() -> None:
    seen, cash = facts.positions(("AAPL", "10")), facts.balances()
    assert fold(BLANK, None, record_of(seen)) == Change(positions=seen)
    assert fold(BLANK, None, record_of(cash)) == Change(balances=cash)


def test_account_is_bound_whichever_ledger_is_read_first() -> None:
    added = account_events.AccountAdded(alias="a1", login="x", environment=Environment.SANDBOX)
    recorded = record_of(added, SYSTEM)
    assert changed_alias(recorded) == "a1"
    opened = record_of(facts.opened())
    one = fold(fold(BLANK, None, recorded).account or BLANK, None, opened).account
    other = fold(fold(BLANK, None, opened).account or BLANK, None, recorded).account
    assert one == other
    assert one is not None
    assert (one.added, one.opened) == (added, facts.opened())


def test_worker_start_makes_stale_until_reconciled() -> None:
    start = account_events.AccountWorkerStarted(run_id="r1")
    lived: list[events.Event] = [facts.opened(), start, facts.reconciled()]
    assert account_after(*lived[:2]).is_stale
    assert not account_after(*lived).is_stale
    stale = account_after(*lived, account_events.AccountStale(gap=1, cause="gap in push"))
    assert (stale.is_stale, stale.stale_cause) == (True, "gap in push")
    assert (
        account_after(*lived, account_events.AccountStale(gap=1, cause="gap"), start).stale_cause
        == ""
    )


def test_halt_and_freeze_stand_until_resumed() -> None:
    halted = account_events.AccountHalted(command_id="c", person="ann", symbol="", detail="lunch")
    symbols = [
        account_events.AccountHalted(command_id="c", person="ann", symbol=symbol, detail="")
        for symbol in ("TSLA", "AAPL")
    ]
    frozen = account_events.AccountFrozen(cause="foreign_mark", detail="order 7")
    entry = account_after(facts.opened(), halted, *symbols, frozen)
    assert (entry.is_halted, entry.halt_detail) == (True, "by ann: lunch")
    assert entry.halted_symbols == ("AAPL", "TSLA")
    assert (entry.frozen_cause, entry.frozen_detail) == ("foreign_mark", "order 7")
    resumed = account_after(
        facts.opened(),
        halted,
        *symbols,
        frozen,
        account_events.AccountResumed(command_id="c", person="ann", symbol=""),
    )
    assert (resumed.is_halted, resumed.halt_detail, resumed.frozen_cause) == (False, "", "")
    assert resumed.halted_symbols == ("AAPL", "TSLA")


@pytest.mark.parametrize("symbol", ["", "AAPL"])
def test_models_halt_of_what_is_halted_changes_no_view(symbol: str) -> None:
    halted = account_events.AccountHalted(
        command_id="c", person="ann", symbol=symbol, detail="lunch"
    )
    verified = account_events.AccountHaltVerified(symbol=symbol, orders_read=0)
    again = replace(halted, command_id="m", person="model", detail="again", is_repeated=True)
    line = (facts.opened(), halted, verified)
    assert account_after(*line, again) == account_after(*line)


def test_frozen_symbols_stand_sorted_with_their_last_cause_until_resumed() -> None:
    def frozen(symbol: str, detail: str) -> account_events.AccountFrozen:
        return account_events.AccountFrozen(cause="word", detail=detail, symbol=symbol)

    def resumed(symbol: str) -> account_events.AccountResumed:
        return account_events.AccountResumed(command_id="c", person="ann", symbol=symbol)

    line: list[events.Event] = [
        facts.opened(),
        frozen("TSLA", "1"),
        frozen("AAPL", "2"),
        frozen("TSLA", "3"),
    ]
    entry = account_after(*line)
    assert entry.frozen_symbols == (
        FrozenSymbol(symbol="AAPL", why="word: 2"),
        FrozenSymbol(symbol="TSLA", why="word: 3"),
    )
    assert (entry.frozen_cause, entry.frozen_detail) == ("", "")
    assert account_after(*line, resumed("TSLA")).frozen_symbols == entry.frozen_symbols[:1]
    assert account_after(*line, resumed("")).frozen_symbols == ()


def test_login_cannot_add_accounts_in_its_own_ledger() -> None:
    forged = account_events.AccountAdded(alias="b1", login="x", environment=Environment.LIVE)
    with pytest.raises(CorruptRecordError):
        fold(AccountEntry(alias="b1"), None, record_of(forged, "a1"))
