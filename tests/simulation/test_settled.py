"""What the simulation waits for before its person acts: nobody may be asked too early."""

from decimal import Decimal

from core import account_events, events
from tests.simulation.final_checks import is_settled
from tests.support import core_facts as facts


def told(quantity: str) -> account_events.AccountPositionBreak:
    return account_events.AccountPositionBreak(
        symbol="AAPL", market="US", expected=Decimal(0), observed=Decimal(quantity), reads=3
    )


def test_person_waits_until_a_break_that_a_fill_moved_is_told_anew() -> None:
    held = facts.positions(facts.figure("AAPL", "80"))
    broken = facts.ready(
        facts.positions(), held, told("80"), facts.previewed(), facts.started(), facts.accepted()
    )
    done = events.OrderFilled(
        order_id=facts.order_id_of(), filled_quantity=Decimal(50), average_price=None
    )
    assert is_settled(facts.fold((*broken, done)), 0.0)
    # What the break told of had this fill already, so that its figure is not what is held.
    filled = (*broken, facts.fill("e1", "50"), done)
    assert not is_settled(facts.fold(filled), 0.0)
    moved = (*filled, held)
    assert not is_settled(facts.fold(moved), 0.0)
    assert is_settled(facts.fold((*moved, told("80"))), 0.0)
