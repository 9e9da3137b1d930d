"""A contract that the broker lists twice is held in an unknown size: never the last row's."""

from typing import Any, Final

import pytest

from adapters.tiger_worker.position_rows import positions_in
from core import account_events
from core.submitting import is_reducing
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_market_positions import STOCK, broker_of, told
from tests.unit.test_poison import ENOUGH, PoisonRig
from tests.unit.test_worker_reconcile import position_row

CALL: Final = {"secType": "OPT", "expiry": "20261218", "strike": "200", "right": "CALL"}
PLAIN: Final = position_row(positionQty=5, multiplier=100, **CALL)
ADJUSTED: Final = position_row(positionQty=-5, multiplier=28, **CALL)
SHARES: Final = (position_row(positionQty=60), position_row(positionQty=40))
OTHER: Final = position_row(symbol="MSFT", positionQty=5)


def rig_of(*figures: account_events.PositionFigure) -> PoisonRig:
    return PoisonRig(facts.positions(*figures), facts.balances(), bare=True)


def keys_held(rig: PoisonRig) -> dict[str, str]:
    return {key: str(held) for key, held in rig.state.positions.items()}


@pytest.mark.parametrize("twice", [SHARES, (PLAIN, ADJUSTED)], ids=["stock", "adjusted option"])
@pytest.mark.parametrize("order", [1, -1], ids=["as listed", "the other way"])
def test_position_listed_twice_is_no_figure(twice: tuple[dict[str, Any], ...], order: int) -> None:
    rig = rig_of(facts.figure(quantity="100"))
    for number in range(ENOUGH):
        rig.read(positions=(*twice[::order], OTHER), at_s=number)
    assert keys_held(rig) == {"MSFT@US": "5"}
    assert rig.state.frozen_symbols == {"AAPL"}
    assert {(cause, symbol) for cause, symbol, _ in rig.frozen()} == {
        ("position_unreadable", "AAPL")
    }
    # Nothing is made up of AAPL; of MSFT, which no fill explains, a person is told.
    assert [broken.symbol for broken in rig.state.breaks.values()] == ["MSFT"]
    assert not is_reducing(rig.state, facts.spec(side=Side.SELL))


def test_position_listed_twice_freezes_once_and_stays_hidden_after_a_resume() -> None:
    rig = rig_of(facts.figure(quantity="100"))
    rig.read(positions=SHARES)
    rig.rig.take(core_items.resume("AAPL"))
    for number in range(ENOUGH):
        rig.read(positions=SHARES, at_s=number)
    assert len(rig.frozen()) == 1
    assert rig.state.frozen_symbols == frozenset()
    assert list(rig.state.breaks.values()) == []
    rig.read(positions=(*SHARES, SHARES[0]))
    assert len(rig.frozen()) == 2
    rig.read(positions=(position_row(positionQty=100),))
    assert keys_held(rig) == {"AAPL@US": "100"}
    assert list(rig.state.breaks.values()) == []


def test_other_contracts_of_the_symbol_are_read() -> None:
    put = {**PLAIN, "right": "PUT"}
    found = positions_in([PLAIN, put, ADJUSTED, position_row(positionQty=7)])
    assert {figure.key: str(figure.quantity) for figure in found.figures} == {
        "AAPL261218P200@US": "5",
        "AAPL@US": "7",
    }
    assert [(row.symbol, row.detail.rpartition(": ")[2]) for row in found.unreadable] == [
        ("AAPL", "expected AAPL261218C200@US once, was 2 times")
    ] * 2


def test_rows_of_one_symbol_in_two_markets_are_two_positions() -> None:
    found = positions_in([position_row(), position_row(market="HK")])
    assert [figure.key for figure in found.figures] == ["AAPL@US", "AAPL@HK"]
    assert found.unreadable == ()


def test_position_listed_twice_is_no_figure_of_now() -> None:
    found = told(broker_of(STK=[STOCK, {**STOCK, "position": 4}, {**STOCK, "symbol": "MSFT"}]))
    assert ([row.symbol for row in found.positions], found.unreadable) == (["MSFT"], 2)
