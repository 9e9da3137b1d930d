"""What a row that cannot be read hides: what may stand in it, until a person has looked at it."""

from typing import Any, Final

import pytest

from core import account_events
from core.orders import Phase
from tests.support import core_facts as facts
from tests.unit.test_poison import PoisonRig, stranger

ORDER: Final = facts.order_id_of()
# Enough listings for an order that is not there to be in doubt, and then not found.
MANY: Final = 4 * facts.TIMING.absence_listings_min
NAMELESS: Final = stranger(id=None, symbol="")


def accepted() -> PoisonRig:
    return PoisonRig(facts.previewed(), facts.started(), facts.accepted(tiger="40130857465156608"))


def phase_after(rig: PoisonRig, *rows: dict[str, Any], from_s: float = 60.0) -> Phase:
    """Read these rows, and nothing of the order, again and again, and return its phase then."""
    for number in range(MANY):
        rig.read(*rows, at_s=from_s + number)
    phase: Phase = rig.state.orders[ORDER].phase
    return phase


def resume(rig: PoisonRig, symbol: str) -> None:
    record = rig.rig.ledger.write(
        account_events.AccountResumed(command_id=f"cmd-{symbol}", person="ann", symbol=symbol)
    )
    rig.rig.desk.restore(record.subject, record.body, sequence=record.sequence)


@pytest.mark.parametrize("row", [NAMELESS, stranger(id=None)], ids=["of no name", "of its symbol"])
def test_row_that_nobody_has_looked_at_hides_every_absence_of_its_symbol(
    row: dict[str, Any],
) -> None:
    assert phase_after(accepted(), row) is Phase.ACCEPTED


def test_resumed_nameless_row_hides_no_absence() -> None:
    rig = accepted()
    phase_after(rig, NAMELESS)
    resume(rig, "")
    assert rig.state.hidden_symbols == frozenset()
    assert phase_after(rig, NAMELESS, from_s=200.0) is Phase.NOT_FOUND


def test_row_that_comes_after_a_persons_look_hides_again() -> None:
    rig = accepted()
    rig.read(NAMELESS, at_s=60.0)
    resume(rig, "")
    other = stranger(id=None, symbol="AAPL", totalQuantity="many")
    assert phase_after(rig, NAMELESS, other, from_s=200.0) is Phase.ACCEPTED
    resume(rig, "AAPL")
    assert phase_after(rig, NAMELESS, other, from_s=300.0) is Phase.NOT_FOUND


def test_row_that_the_desk_has_not_taken_yet_hides_all_the_same() -> None:
    rig = accepted()
    for number in range(MANY):
        rig.client.answers.clear()
        # Nothing of what a round tells reaches the desk.
        rig.round(NAMELESS, at_s=60.0 + number)
    assert rig.reconciler._evidence.absences == {}


def test_row_of_another_symbol_hides_nothing() -> None:
    assert phase_after(accepted(), stranger(id=None, symbol="TSLA")) is Phase.NOT_FOUND
