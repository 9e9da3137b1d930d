"""A preview is for who asked for it and for its account; for anybody else there is none."""

import msgspec
import pytest
from msgspec.structs import replace

from core import codec, events, items, preview_events
from core.commands import SubmitOrder, submit_command_id
from core.desk import waits
from core.orders import Phase
from core.refusals import Refusal
from tests.support import core_facts as facts
from tests.support import core_items

ANN, BOB = "own-ann", "own-bob"
ANNS = replace(facts.previewed("1"), owner=ANN)
SENT = (
    replace(facts.started(), command_id=submit_command_id(facts.ACCOUNT, "prv-1", ANN)),
    facts.accepted(),
)


def _submit(owner: str, preview: str = "1") -> items.CommandItem:
    command_id = submit_command_id(facts.ACCOUNT, f"prv-{preview}", owner)
    return replace(core_items.submit(preview, command_id=command_id), owner=owner)


def test_a_preview_is_recorded_for_who_asked_and_for_nobody_where_nobody_is_named() -> None:
    told: dict[str, object] = {}
    for owner in (ANN, ""):
        item = replace(core_items.preview_command(), owner=owner)
        desk = facts.TestDesk(*facts.ready())
        shown = desk.when(
            items.PreviewAnswered(
                item=item, contract=core_items.contract(), quote=None, estimate=None
            )
        )
        assert isinstance(shown, preview_events.OrderPreviewed)
        told[owner] = shown.owner
    assert told == {ANN: ANN, "": msgspec.UNSET}


def test_only_its_owner_can_submit_a_preview() -> None:
    desk = facts.TestDesk(*facts.ready(ANNS))
    refused = desk.when(_submit(BOB))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.PREVIEW_UNKNOWN
    assert desk.state.orders.get(facts.order_id_of()) is None
    started = desk.when(_submit(ANN))
    assert isinstance(started, events.OrderSubmissionStarted)
    assert started.order_id == facts.order_id_of()


@pytest.mark.parametrize("owner", [BOB, ""])
@pytest.mark.parametrize("state", ["open", "expired", "failed", "sent"])
def test_anothers_preview_is_told_from_none_by_nothing(owner: str, state: str) -> None:
    anns = {
        "open": ANNS,
        "expired": replace(facts.previewed("1", expires_s=-1), owner=ANN),
        "failed": replace(facts.previewed("1", passed=False), owner=ANN),
        "sent": ANNS,
    }[state]
    more = SENT if state == "sent" else ()
    answers = []
    for desk in (facts.TestDesk(*facts.ready(anns, *more)), facts.TestDesk(*facts.ready())):
        assert not waits(desk.state, _submit(owner))
        answers.append(desk.when(_submit(owner)))
    assert answers[0] == answers[1]
    assert isinstance(answers[0], events.OrderRefused)


def test_a_vain_try_of_another_spends_nothing_and_changes_no_order() -> None:
    desk = facts.TestDesk(*facts.ready(ANNS, *SENT))
    desk.when(_submit(BOB))
    assert desk.state.orders[facts.order_id_of()].phase is Phase.ACCEPTED
    assert _submit(BOB).command_id != _submit(ANN).command_id


def test_a_submit_of_anothers_preview_never_waits_for_what_is_open_there() -> None:
    other = replace(facts.previewed("2"), owner=ANN)
    desk = facts.TestDesk(*facts.ready(ANNS, other, facts.started()))
    assert waits(desk.state, _submit(ANN, "2"))
    assert not waits(desk.state, _submit(BOB, "2"))


def test_a_preview_of_a_ledger_from_before_owners_can_still_be_submitted_once() -> None:
    desk = facts.TestDesk(*facts.ready(facts.previewed("1")))
    assert isinstance(desk.when(_submit(BOB)), events.OrderSubmissionStarted)
    again = desk.when(_submit(ANN))
    assert isinstance(again, events.OrderRefused)
    assert again.code is Refusal.PREVIEW_USED


def test_a_stored_preview_keeps_its_owner_and_one_without_keeps_its_bytes() -> None:
    for event in (ANNS, facts.previewed("1")):
        stored = facts.recorded(event, 1)
        where, body = codec.encode(stored, prev=codec.FIRST_PREV)
        assert codec.decode(where, body, sequence=1) == stored
        assert (b'"owner"' in body) == (event is ANNS)


def test_a_preview_is_for_one_account() -> None:
    ids = {submit_command_id(account, "prv-1", ANN) for account in (facts.ACCOUNT, "paper-1")}
    assert len(ids) == 2
    other = facts.TestDesk(*facts.ready())
    refused = other.when(
        replace(core_items.command(SubmitOrder(preview_id="prv-1"), "c"), owner=ANN)
    )
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.PREVIEW_UNKNOWN
