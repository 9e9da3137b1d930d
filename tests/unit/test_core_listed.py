"""How far the listings of orders went is recorded about once a day, by the broker's clock."""

import pytest
from msgspec.structs import replace

from core import events, items
from tests.support import core_facts as facts

DAY_S = 86_400.0


def at(seconds: float) -> items.RoundCompleted:
    return replace(facts.round_completed(), listed_at=facts.at(seconds))


def desk_of(*given: events.Event) -> facts.TestDesk:
    return facts.TestDesk(*facts.ready(events.AccountListed(listed_at=facts.NOW), *given))


def test_complete_round_records_how_far_it_listed_once_a_day() -> None:
    desk = desk_of()
    assert desk.when(at(DAY_S - 1.0)) is None
    assert desk.when(at(DAY_S)) == events.AccountListed(listed_at=facts.at(DAY_S))
    assert desk.state.listed_at == facts.at(DAY_S)
    assert desk.when(at(DAY_S)) is None
    assert desk.when(at(2 * DAY_S - 1.0)) is None


@pytest.mark.parametrize("item", [facts.round_completed(), at(-DAY_S / 2)])
def test_round_that_says_nothing_new_of_it_records_nothing(item: items.RoundCompleted) -> None:
    assert desk_of().when(item) is None


def test_brokers_clock_that_was_ahead_is_corrected() -> None:
    desk = facts.TestDesk(*facts.ready(events.AccountListed(listed_at=facts.at(30 * DAY_S))))
    assert desk.when(at(0.0)) == events.AccountListed(listed_at=facts.NOW)


def test_stale_account_is_reconciled_and_not_listed() -> None:
    desk = desk_of(facts.stale())
    gap = desk.state.gap
    # One begun before the gap heals nothing, and says nothing of what it may have missed.
    assert desk.when(replace(at(3 * DAY_S), gaps=gap - 1)) is None
    healed = desk.when(replace(at(3 * DAY_S), gaps=gap))
    assert isinstance(healed, events.AccountReconciled)
    assert desk.state.listed_at == facts.at(3 * DAY_S)


def test_verified_halt_comes_first() -> None:
    desk = desk_of()
    desk.when(facts.halt())
    done = replace(facts.round_of_open(after_n=len(desk.line)), listed_at=facts.at(2 * DAY_S))
    assert isinstance(desk.when(done), events.AccountHaltVerified)
    assert isinstance(desk.when(done), events.AccountListed)
