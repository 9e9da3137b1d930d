"""A mode is set by a person's control alone, and a live account's stays read_only."""

import pytest

from core import account_events, events, items
from core.codec import Recorded, decode
from core.commands import CONTROL_CLASSES, SetMode, parse_body
from core.errors import CommandError
from core.modes import Environment, Mode
from core.refusals import Refusal
from core.subjects import SYSTEM
from projections.entries import AccountEntry
from projections.fold import changed_alias, fold
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.facts import Ledger

AUTO, READ_ONLY = Mode.AUTO, Mode.READ_ONLY


def wish(mode: Mode, command_id: str = "ctl-1") -> items.CommandItem:
    return core_items.command(SetMode(mode=mode), command_id, principal="ann")


@pytest.mark.parametrize("environment", [Environment.SANDBOX, Environment.PAPER])
@pytest.mark.parametrize("before", list(Mode))
@pytest.mark.parametrize("mode", list(Mode))
def test_a_person_sets_the_mode_of_play_money(
    environment: Environment, before: Mode, mode: Mode
) -> None:
    desk = facts.TestDesk(facts.opened(environment=environment, mode=before))
    assert desk.when(wish(mode)) == account_events.AccountModeSet(
        command_id="ctl-1", person="ann", mode=mode
    )
    assert desk.state.opened is not None
    assert desk.state.opened.mode is mode
    assert desk.when(wish(mode)) is None


def test_a_live_account_cannot_leave_read_only_but_can_be_set_to_it() -> None:
    desk = facts.TestDesk(facts.opened(environment=Environment.LIVE, mode=READ_ONLY))
    no = desk.when(wish(AUTO))
    assert isinstance(no, events.OrderRefused)
    assert no.code is Refusal.ACCOUNT_READ_ONLY
    assert "limits and approvals" in no.detail
    assert desk.state.opened == facts.opened(environment=Environment.LIVE, mode=READ_ONLY)
    assert isinstance(desk.when(wish(READ_ONLY, "ctl-2")), account_events.AccountModeSet)


def test_an_account_that_nothing_is_known_of_is_not_set_to_auto() -> None:
    assert isinstance(facts.TestDesk().when(wish(AUTO)), events.OrderRefused)


def test_orders_pass_and_stop_with_the_mode() -> None:
    desk = facts.TestDesk(*facts.ready(facts.previewed()))
    desk.when(wish(READ_ONLY))
    refused = desk.when(core_items.submit(command_id="cmd-1"))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.ACCOUNT_READ_ONLY
    desk.when(wish(AUTO, "ctl-2"))
    assert isinstance(
        desk.when(core_items.submit(command_id="cmd-2")), events.OrderSubmissionStarted
    )


def test_an_old_wish_sets_nothing() -> None:
    desk = facts.TestDesk(*facts.ready())
    late = core_items.command(SetMode(mode=READ_ONLY), "ctl-1", principal="ann", expires_s=-1.0)
    no = desk.when(late)
    assert isinstance(no, events.OrderRefused)
    assert no.code is Refusal.COMMAND_EXPIRED


@pytest.mark.parametrize("body", [b'{"mode":"approve"}', b'{"mode":"AUTO"}', b"{}"])
def test_a_mode_that_does_not_exist_is_the_callers_fault(body: bytes) -> None:
    with pytest.raises(CommandError):
        parse_body({**CONTROL_CLASSES}, "account.set_mode", body)


def test_views_show_the_mode_that_holds_and_no_removed_account() -> None:
    entry = AccountEntry(alias="a1")

    def told(fact: events.Event, account: str = "a1") -> Recorded:
        stored = Ledger().add(fact, account=account)
        return decode(stored.subject, stored.body, sequence=stored.sequence)

    added = account_events.AccountAdded(alias="a1", login="x", environment=Environment.SANDBOX)
    removed = account_events.AccountRemoved(alias="a1", login="x", left_open=("ord-1",))
    assert changed_alias(told(removed, SYSTEM)) == "a1"
    line = (
        told(facts.opened()),
        told(account_events.AccountModeSet(command_id="c", person="ann", mode=READ_ONLY)),
        told(added, SYSTEM),
        told(removed, SYSTEM),
    )
    seen = []
    for recorded in (*line, told(added, SYSTEM)):
        entry = fold(entry, None, recorded).account or entry
        seen.append((entry.opened is not None and entry.opened.mode, entry.is_removed))
    assert seen == [
        (AUTO, False),
        (READ_ONLY, False),
        (READ_ONLY, False),
        (READ_ONLY, True),
        (READ_ONLY, False),
    ]
