"""How far the listings of orders went is recorded about once a day, by the broker's clock."""

import pytest
from msgspec.structs import replace

from core import account_events, events, readings
from tests.support import core_facts as facts
from tests.support import core_items

DAY_S = 86_400.0


def at(seconds: float) -> readings.RoundCompleted:
    return replace(core_items.round_completed(), listed_at=facts.at(seconds))


def desk_of(*given: events.Event) -> facts.TestDesk:
    return facts.TestDesk(*facts.ready(account_events.AccountListed(listed_at=facts.NOW), *given))


def test_complete_round_records_how_far_it_listed_once_a_day() -> None:
    desk = desk_of()
    assert desk.when(at(DAY_S - 1.0)) is None
    assert desk.when(at(DAY_S)) == account_events.AccountListed(listed_at=facts.at(DAY_S))
    assert desk.state.listed_at == facts.at(DAY_S)
    assert desk.when(at(DAY_S)) is None
    assert desk.when(at(2 * DAY_S - 1.0)) is None


@pytest.mark.parametrize("item", [core_items.round_completed(), at(-DAY_S / 2)])
def test_round_that_says_nothing_new_of_it_records_nothing(item: readings.RoundCompleted) -> None:
    assert desk_of().when(item) is None


def test_brokers_clock_that_was_ahead_is_corrected() -> None:
    desk = facts.TestDesk(
        *facts.ready(account_events.AccountListed(listed_at=facts.at(30 * DAY_S)))
    )
    assert desk.when(at(0.0)) == account_events.AccountListed(listed_at=facts.NOW)


def test_stale_account_is_reconciled_and_not_listed() -> None:
    desk = desk_of(facts.stale())
    gap = desk.state.gap
    # One begun before the gap heals nothing, and says nothing of what it may have missed.
    assert desk.when(replace(at(3 * DAY_S), gaps=gap - 1)) is None
    healed = desk.when(replace(at(3 * DAY_S), gaps=gap))
    assert isinstance(healed, account_events.AccountReconciled)
    assert desk.state.listed_at == facts.at(3 * DAY_S)


def test_verified_halt_comes_first() -> None:
    desk = desk_of()
    desk.when(core_items.halt())
    done = replace(core_items.round_of_open(after_n=len(desk.line)), listed_at=facts.at(2 * DAY_S))
    assert isinstance(desk.when(done), account_events.AccountHaltVerified)
    assert isinstance(desk.when(done), account_events.AccountListed)
