"""A desk that lost its account, its successor, and what takes an order for another."""

from typing import Any

import pytest

from adapters.tiger_worker.parts import Work
from core import events, items
from core.commands import SubmitOrder
from core.errors import CorruptRecordError, LinkError, VersionConflictError
from core.items import Outcome
from core.modes import Mode
from core.orders import Phase
from core.ports import StoredRecord
from core.refusals import Refusal
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.worker_parts import DeskRig

ORDER = facts.order_id_of()


def ready_rig(*more: events.Event) -> DeskRig:
    return DeskRig(*facts.ready(*more))


def previewed_rig(*names: str) -> DeskRig:
    return ready_rig(*(facts.previewed(name) for name in names))


def test_answer_that_meets_a_foreign_append_is_observed_at_the_new_tail() -> None:
    rig = previewed_rig("1")
    rig.take(core_items.submit(number=""), name="submit")
    rig.ledger.write(facts.stale(1))
    rig.trace.clear()
    with pytest.raises(VersionConflictError):
        rig.take(core_items.placed(Outcome.DONE, tiger="t-7"))
    observed = rig.ledger.last().data
    assert observed == events.OrderAnswerObserved(
        order_id=ORDER, outcome="done", tiger_order_id="t-7", code=None, detail="d"
    )
    # Nothing more of this worker, and the message is left to its successor.
    assert rig.trace == [("stored", "order.answer_observed")]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_SENT])
def test_definite_answers_are_observed_too(outcome: Outcome) -> None:
    rig = previewed_rig("1")
    rig.take(core_items.submit(number=""), name="submit")
    rig.ledger.write(facts.stale(1))
    with pytest.raises(VersionConflictError):
        rig.take(core_items.placed(outcome))
    assert rig.ledger.types()[-1] == "order.answer_observed"


@pytest.mark.parametrize(
    "item",
    [
        core_items.placed(Outcome.UNKNOWN),
        core_items.gap_noticed(2),
        core_items.cancel(),
        core_items.halt(),
    ],
    ids=lambda item: type(getattr(item, "command", item)).__name__,
)
def test_what_is_no_answer_is_not_observed(item: items.Item) -> None:
    rig = previewed_rig("1")
    rig.take(core_items.submit(number=""), name="submit")
    rig.ledger.write(facts.stale(1))
    rig.trace.clear()
    with pytest.raises(VersionConflictError):
        rig.take(item, name="m")
    assert rig.trace == []


def test_successor_restores_what_the_fenced_worker_observed() -> None:
    rig = previewed_rig("1")
    rig.take(core_items.submit(number=""))
    rig.ledger.write(facts.stale(1))
    with pytest.raises(VersionConflictError):
        rig.take(core_items.placed(Outcome.DONE, tiger="t-7"))
    successor = rig.new_desk()
    for record in rig.ledger.records:
        successor.restore(record.subject, record.body, sequence=record.sequence)
    assert successor.state.orders[ORDER].phase is Phase.ACCEPTED
    assert successor.state.by_tiger_id["t-7"] == ORDER


def test_answer_that_cannot_be_observed_still_ends_the_worker_as_fenced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = previewed_rig("1")
    rig.take(core_items.submit(number=""), name="submit")
    rig.ledger.write(facts.stale(1))
    rig.trace.clear()

    def tail() -> StoredRecord:
        raise LinkError("no answer")

    monkeypatch.setattr(rig.ledger, "tail", tail)
    with pytest.raises(VersionConflictError):
        rig.take(core_items.placed(Outcome.DONE, tiger="t-7"))
    assert rig.trace == []


def test_conflict_on_an_intent_places_nothing() -> None:
    rig = previewed_rig("1")
    rig.ledger.write(facts.stale(1))
    rig.trace.clear()
    with pytest.raises(VersionConflictError):
        rig.take(core_items.submit(number=""), name="submit")
    assert rig.trace == []


@pytest.mark.parametrize("spoil", ["gap", "twice", "fork"])
def test_past_that_has_a_gap_or_a_fork_is_not_restored(spoil: str) -> None:
    rig = ready_rig(facts.previewed())
    records = list(rig.ledger.records)
    if spoil == "gap":
        del records[1]
    elif spoil == "twice":
        records.insert(1, records[0])
    else:
        other = DeskRig(facts.opened(mode=Mode.READ_ONLY)).ledger.records[0]
        records[0] = other
    successor = rig.new_desk()

    def restore() -> None:
        for record in records:
            successor.restore(record.subject, record.body, sequence=record.sequence)

    with pytest.raises(CorruptRecordError):
        restore()


def test_restored_submission_is_doubted_by_its_successor_and_never_sent_again() -> None:
    rig = previewed_rig("1")
    rig.take(core_items.submit(number=""), name="submit")
    rig.acts.intents.clear()
    successor = rig.new_desk()
    for record in rig.ledger.records:
        successor.restore(record.subject, record.body, sequence=record.sequence)
    successor.take(Work(items.WorkerStarts(run_id="run-2")))
    successor.take(Work(items.ActAbandoned(order_id=ORDER)))
    successor.take(Work(core_items.submit(number="")))
    assert rig.ledger.types()[-2:] == ["account.worker_started", "order.outcome_unknown"]
    assert rig.acts.intents == []


# Rules 5 and 6, at the desk.


@pytest.mark.parametrize("number", ["0", "-5", "901x"])
def test_number_that_is_none_sends_nothing(number: str) -> None:
    rig = previewed_rig("1")
    rig.acts.numbers.appendleft(number)
    rig.take(core_items.submit(number=""), name="submit")
    assert rig.acts.intents == []


def test_number_used_before_sends_nothing() -> None:
    rig = ready_rig(
        facts.previewed("1"),
        facts.started("1", number="901"),
        facts.accepted("1"),
        facts.previewed("2"),
    )
    rig.take(core_items.submit("2", number=""), name="submit")
    assert rig.acts.intents == []
    assert isinstance(rig.ledger.last().data, events.OrderRefused)


def test_reply_with_an_id_that_another_order_owns_is_unknown() -> None:
    rig = ready_rig(
        facts.previewed("1"),
        facts.started("1", number="800"),
        facts.accepted("1", tiger="t-1"),
        facts.previewed("2"),
    )
    rig.take(core_items.submit("2", number=""))
    rig.take(core_items.placed(Outcome.DONE, "2", tiger="t-1"))
    assert rig.stored()[-1] == "order.outcome_unknown"


@pytest.mark.parametrize(
    "other",
    [{"number": "902"}, {"symbol": "MSFT"}, {"side": Side.SELL}, {"mark": "led1.ord-other"}],
    ids=str,
)
def test_sighting_that_fits_in_part_is_not_taken_for_the_unknown_order(
    other: dict[str, Any],
) -> None:
    rig = ready_rig(facts.previewed(), facts.started(), facts.unknown())
    rig.take(core_items.seen(**other))
    assert rig.desk.state.orders[ORDER].phase is Phase.UNKNOWN
    assert "account.frozen" in rig.stored()


def test_symbol_in_doubt_is_closed_and_a_release_opens_it() -> None:
    rig = ready_rig(
        facts.previewed("1"),
        facts.started("1", number="800"),
        facts.unknown("1"),
        facts.previewed("2"),
    )
    rig.take(core_items.submit("2", number=""))
    refused = rig.ledger.last().data
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.SYMBOL_IN_DOUBT
    assert ORDER in refused.detail
    rig.take(core_items.release(ORDER))
    rig.take(core_items.command(SubmitOrder(preview_id="prv-2"), "cmd-again"))
    assert rig.stored()[-1] == "order.submission_started"
