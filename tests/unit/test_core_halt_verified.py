"""A halt is over when the broker's own open orders say so, in a round counted as later."""

import pytest

from core import account_events, events, readings
from core.account_state import AccountState
from core.evolving import evolve
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.worker_parts import DeskRig

ORDER = facts.order_id_of()
HOUR_S = 3600.0
VERIFIED = "account.halt_verified"


def halted(*given: events.Event, scope: str = "") -> facts.TestDesk:
    desk = facts.TestDesk(*facts.ready(*given))
    desk.when(core_items.halt(scope))
    return desk


def later(desk: facts.TestDesk, *open_symbols: str) -> readings.RoundCompleted:
    return core_items.round_of_open(*open_symbols, after_n=len(desk.line))


def test_halt_is_verified_only_by_the_brokers_own_open_orders() -> None:
    # Ours was released, and so is open to nobody's knowledge; the broker has it.
    desk = halted(facts.previewed(), facts.started(), facts.unknown(), facts.released())
    assert desk.when(later(desk, "AAPL")) is None
    not_asked = readings.RoundCompleted(
        gaps=0, orders_read=1, orders_since=facts.at(-HOUR_S), after_n=len(desk.line)
    )
    assert desk.when(not_asked) is None
    assert isinstance(desk.when(later(desk)), account_events.AccountHaltVerified)


def test_halt_is_not_verified_while_the_ledger_has_an_order_open_that_the_broker_has_not() -> None:
    desk = halted(facts.previewed(), facts.started(), facts.accepted(), facts.working())
    assert desk.when(later(desk)) is None


@pytest.mark.parametrize(
    ("scope", "open_symbol", "is_verified"),
    [
        ("AAPL", "AAPL", False),
        ("AAPL", "MSFT", True),
        # It cannot be read of what it is.
        ("AAPL", "", False),
        ("", "MSFT", False),
        ("", "", False),
    ],
)
def test_open_order_keeps_the_halts_of_its_scopes_unverified(
    scope: str, open_symbol: str, is_verified: bool
) -> None:
    desk = halted(scope=scope)
    found = desk.when(later(desk, open_symbol))
    assert isinstance(found, account_events.AccountHaltVerified) == is_verified


def complete(rig: DeskRig, *, after_n: int | None = None) -> None:
    """Have the desk take a round in which nothing is open, begun now if not said otherwise."""
    gaps = rig.desk.state.gap
    begun_n = rig.desk.n if after_n is None else after_n
    rig.take(core_items.round_of_open(after_n=begun_n, gaps=gaps))


@pytest.mark.parametrize("set_back_s", [-2 * HOUR_S, -1.0, HOUR_S])
def test_halt_is_verified_by_counted_rounds_whatever_the_clock_does(set_back_s: float) -> None:
    rig = DeskRig(*facts.ready())
    # The ledger's time is an hour ahead of what the clock will say.
    rig.clock.set_wall(HOUR_S)
    rig.take(core_items.gap_noticed(1))
    complete(rig)
    begun_before = rig.desk.n
    rig.clock.set_wall(set_back_s)
    rig.take(core_items.halt(expires_s=9 * HOUR_S))
    rig.clock.set_wall(HOUR_S)
    complete(rig, after_n=begun_before)
    assert VERIFIED not in rig.stored()
    rig.clock.set_wall(-2 * HOUR_S)
    complete(rig)
    assert rig.stored()[-1] == VERIFIED


def test_second_halt_of_a_scope_is_verified_by_a_round_after_itself() -> None:
    rig = DeskRig(*facts.ready())
    rig.take(core_items.halt(command_id="cmd-h1"))
    first = rig.desk.n
    rig.take(core_items.halt(command_id="cmd-h2"))
    complete(rig, after_n=first)
    assert VERIFIED not in rig.stored()
    complete(rig)
    assert rig.stored()[-1] == VERIFIED


def test_halt_that_is_not_verified_stays_so_across_a_restart_until_a_round() -> None:
    rig = DeskRig(*facts.ready())
    rig.take(core_items.halt())
    rig.restart()
    assert len(rig.desk.state.unverified_halts) == 1
    complete(rig)
    complete(rig)
    assert rig.stored()[-2:] == ["account.reconciled", VERIFIED]


def test_time_at_which_an_order_left_the_watch_is_known_until_it_is_back() -> None:
    line = facts.ready(facts.previewed(), facts.started(), facts.unknown(), facts.released())
    state = AccountState()
    for n, event in enumerate(line, start=1):
        state = evolve(state, facts.recorded(event, n, seconds=n))
    assert state.left_at.get(ORDER) == facts.at(len(line))
    assert state.released_orders == {ORDER}
    back = facts.recorded(facts.accepted(), len(line) + 1, seconds=99)
    state = evolve(state, back)
    assert state.left_at.get(ORDER) is None
    assert state.released_orders == frozenset()
