"""Whose executions are asked for when tokens or time are short, and what half a list may tell."""

from typing import Any, Final

import pytest

from adapters.tiger_worker.broker import PAGE_ROWS
from adapters.tiger_worker.execution_calls import AGAIN_LEAVE, AGAIN_MAX_S
from adapters.tiger_worker.executions import NOT_LISTED_AFTER_S
from adapters.tiger_worker.rates import TIGER_BUDGETS
from adapters.tiger_worker.taken_back import TAKEN_BACK_AFTER_S
from adapters.tiger_worker.turns import ASKING_S, Turns
from core import events, readings
from core.lost_fills import FILLS_NOT_LISTED
from core.orders import Phase
from tests.support import core_facts as facts
from tests.support.scripted_broker import order_row
from tests.unit.test_poison import stranger
from tests.unit.test_worker_executions import causes, reading_rig
from tests.unit.test_worker_reconcile import of, position_row
from tests.unit.test_worker_sweeps import EXECUTION, TIGER, WORKING, SweepRig, at_ms

METHOD: Final = "order_transactions"
BIG: Final = {"symbol": "BIG", "totalQuantity": 9000, "status": "Submitted"}
DOUBTED: Final = (facts.previewed(), facts.started(), facts.unknown())


def executed(execution_id: str, quantity: int = 1, symbol: str = "BIG") -> dict[str, Any]:
    return EXECUTION | {"id": execution_id, "filledQuantity": quantity, "symbol": symbol}


def big(rig: SweepRig, filled: int, *, id: int = 77) -> dict[str, Any]:
    """Have the broker list an old order's executions of one each, and return its row."""
    rig.broker_side.executions_of[id] = [executed(f"b{id}.{n}") for n in range(filled)]
    return stranger(**BIG, id=id, filledQuantity=filled, openTime=at_ms(id - 107))


def recorded(rig: SweepRig, tiger_order_id: str) -> int:
    state = rig.rig.desk.state
    return int(state.orders[state.by_tiger_id[tiger_order_id]].recorded_quantity)


def asked(rig: SweepRig, tiger_order_id: str) -> int:
    """Return how many calls were made for the executions of an order."""
    return sum(str(fields["order_id"]) == tiger_order_id for fields in rig.asked(METHOD))


def taken_back(rig: SweepRig) -> list[str]:
    """Return the executions taken back, oldest first."""
    found = [record.data for record in rig.rig.ledger.line()]
    return [e.execution_id for e in found if isinstance(e, events.OrderFillTakenBack)]


def page_tokens(rig: SweepRig) -> list[str]:
    return [fields["page_token"] for fields in rig.asked(METHOD)]


# --- lists of several pages ---------------------------------------------------------------------


def test_second_page_of_executions_without_a_token_keeps_no_order_from_being_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch, *DOUBTED, budgets=TIGER_BUDGETS)
    rig.after(0.0, rounds=2)
    # The login's other accounts have fills of their own.
    assert rig.budget.try_take(METHOD, count=TIGER_BUDGETS[METHOD] - 10)
    rig.broker_side.book = [big(rig, 150), order_row(openTime=at_ms(1))]
    before_s = rig.monotonic.monotonic()
    told = rig.after(1.0)
    assert rig.monotonic.monotonic() == before_s + 1.0
    assert rig.order().phase is Phase.WORKING
    assert of(told, readings.RoundCompleted)
    # What was read of the list is recorded; the rest of it is gone on with once there are tokens.
    assert recorded(rig, "77") == PAGE_ROWS
    rig.after(60.0, rounds=2)
    assert recorded(rig, "77") == 150
    assert page_tokens(rig) == ["", "100"]


def test_many_slow_pages_are_read_a_few_in_each_telling(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = reading_rig(monkeypatch, *DOUBTED)
    rig.broker_side.call_s = {METHOD: ASKING_S / 4}
    rig.broker_side.book = [big(rig, 1950), order_row(openTime=at_ms(1))]
    rig.after(1.0)
    assert rig.order().phase is Phase.WORKING
    assert page_tokens(rig) == ["", "100", "200", "300"]
    rig.after(1.0, rounds=4)
    assert recorded(rig, "77") == 1950
    assert page_tokens(rig) == ["", *(str(n) for n in range(100, 2000, 100))]


def test_list_whose_page_fails_is_gone_on_with_and_begun_anew_where_that_fails_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch)
    rig.broker_side.failing_pages = {"100"}
    rig.broker_side.book = [big(rig, 150)]
    rig.after(1.0)
    assert recorded(rig, "77") == PAGE_ROWS
    rig.after(1.0, rounds=6)
    assert page_tokens(rig)[:4] == ["", "100", "100", ""]
    rig.broker_side.failing_pages = set()
    rig.after(AGAIN_MAX_S, rounds=2)
    assert recorded(rig, "77") == 150


def test_lists_that_take_minutes_to_be_read_show_what_was_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One page a minute.
    rig = reading_rig(monkeypatch, budgets={METHOD: AGAIN_LEAVE + 1})
    rig.broker_side.book = [big(rig, 150)]
    for _ in range(4):
        rig.after(61.0)
    assert recorded(rig, "77") == 150
    rig.broker_side.book = [big(rig, 150) | {"filledQuantity": 149}]
    del rig.broker_side.executions_of[77][0]
    for _ in range(45):
        rig.after(20.0)
    assert taken_back(rig) == ["b77.0"]


def test_list_that_was_not_read_to_its_end_takes_no_fill_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch)
    rig.broker_side.book = [big(rig, PAGE_ROWS + 1)]
    rig.after(1.0, rounds=2)
    assert recorded(rig, "77") == PAGE_ROWS + 1
    # The row falls short by as much as stands on the page that does not come.
    rig.broker_side.book = [big(rig, PAGE_ROWS + 1) | {"filledQuantity": PAGE_ROWS}]
    rig.broker_side.failing_pages = {str(PAGE_ROWS)}
    for _ in range(30):
        rig.after(5.0)
    assert recorded(rig, "77") == PAGE_ROWS + 1
    assert taken_back(rig) == []


def test_half_a_list_that_shows_an_execution_again_keeps_it_from_being_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch)
    short = big(rig, 150) | {"filledQuantity": 149}
    rig.broker_side.book = [big(rig, 150)]
    rig.after(1.0, rounds=2)
    rig.broker_side.book = [short]
    first = rig.broker_side.executions_of[77].pop(0)
    rig.after(1.0, rounds=int(TAKEN_BACK_AFTER_S) - 5)
    rig.broker_side.executions_of[77].insert(0, first)
    rig.broker_side.failing_pages = {str(PAGE_ROWS)}
    rig.after(1.0, rounds=60)
    assert taken_back(rig) == []


# --- whose turn it is ---------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "call_s"), [(1, 2.1), (3, 0.7), (9, 0.3)])
def test_orders_that_fill_in_each_round_keep_no_other_from_its_first_call(
    monkeypatch: pytest.MonkeyPatch, count: int, call_s: float
) -> None:
    rig = reading_rig(monkeypatch, *WORKING)
    rig.broker_side.call_s = {METHOD: call_s}
    rig.broker_side.executions_of[int(TIGER)] = [EXECUTION]
    for filled in range(1, 5):
        old = [big(rig, filled, id=77 + n) for n in range(count)]
        rig.broker_side.book = [*old, order_row(filledQuantity=40)]
        rig.after(1.0)
    assert rig.order().recorded_quantity == 40


def test_order_whose_turn_comes_and_that_does_not_ask_keeps_no_time_from_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch)
    moment, turns = rig.monotonic.monotonic, Turns()
    turns.begin(("slow", "other"))
    assert turns.may_ask("slow", is_new=True)
    begun_s = moment()
    rig.after(10.0)
    turns.asked("slow", begun_s=begun_s, again_s=1.0)
    allowed = 0
    for _ in range(10):
        rig.after(2.0)
        # Its row cannot be read any more, so nobody asks for it.
        turns.begin(("slow", "other"))
        if turns.may_ask("other", is_new=True):
            allowed += 1
            turns.asked("other", begun_s=moment(), again_s=1.0)
    assert allowed >= 9


def test_orders_that_fill_in_each_round_are_asked_for_by_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch)
    rig.broker_side.call_s = {METHOD: ASKING_S}
    for filled in range(1, 31):
        rig.broker_side.book = [big(rig, filled, id=77 + n) for n in range(3)]
        rig.after(1.0)
    assert [asked(rig, str(77 + n)) for n in range(3)] == [10, 10, 10]


def test_order_that_fills_each_second_leaves_a_token_to_what_was_never_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch, *WORKING, budgets={METHOD: TIGER_BUDGETS[METHOD]})
    rig.broker_side.executions_of[int(TIGER)] = [EXECUTION]
    for filled in range(1, 100):
        rig.broker_side.book = [big(rig, filled), order_row()]
        rig.broker_side.executions_of[77] = []
        rig.after(1.0)
    rig.broker_side.book = [big(rig, 100), order_row(filledQuantity=40)]
    rig.after(1.0)
    assert rig.order().recorded_quantity == 40


def test_orders_that_fill_in_each_round_share_tokens_that_are_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig, before = reading_rig(monkeypatch, budgets={METHOD: 30}), 0
    # The first one alone has every token, and takes each that comes back.
    for filled in range(1, 301):
        ids = range(77, 80 if filled > 60 else 78)
        rig.broker_side.book = [big(rig, filled, id=each) for each in ids]
        rig.broker_side.executions_of = {each: [] for each in ids}
        rig.after(1.0)
        before = asked(rig, "77") if filled == 60 else before
    counts = [asked(rig, "77") - before, asked(rig, "78"), asked(rig, "79")]
    assert min(counts) > max(counts) / 2


# --- what never comes ---------------------------------------------------------------------------


@pytest.mark.parametrize("is_failing", [False, True], ids=["empty", "failing"])
def test_order_that_fills_on_without_executions_is_a_finding_and_its_figures_are_breaks(
    monkeypatch: pytest.MonkeyPatch, is_failing: bool
) -> None:
    rig = reading_rig(monkeypatch, *WORKING)
    rig.after(0.0, rounds=3)
    rig.broker_side.failing = {int(TIGER)} if is_failing else set()
    for filled in range(1, 6):
        rig.broker_side.book = [order_row(filledQuantity=filled)]
        rig.broker_side.positions = [position_row(positionQty=filled)]
        rig.broker_side.cash = -10.5 * filled
        rig.after(10.0, rounds=40)
    assert rig.order().filled_quantity == 5
    assert (FILLS_NOT_LISTED, "AAPL") in causes(rig)
    (broken,) = rig.rig.desk.state.breaks.values()
    assert broken.observed == 5
    assert "account.cash_break" in rig.rig.stored()


def test_fills_of_which_some_come_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = reading_rig(monkeypatch)
    rig.broker_side.book = [big(rig, 100)]
    for come in range(1, 8):
        rig.broker_side.executions_of[77] = [executed(f"b{n}") for n in range(come)]
        rig.after(1.0, rounds=int(NOT_LISTED_AFTER_S / 2))
    assert recorded(rig, "77") > 1
    assert causes(rig) == []


def test_fills_that_never_could_be_asked_for_are_told_of_and_hide_no_break_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch, budgets={METHOD: 0})
    rig.broker_side.book = [big(rig, 5)]
    rig.after(0.0, rounds=3)
    rig.broker_side.positions = [
        position_row(symbol="BIG", positionQty=5),
        position_row(symbol="TSLA", positionQty=500),
    ]
    rig.after(1.0, rounds=10)
    assert [broken.symbol for broken in rig.rig.desk.state.breaks.values()] == ["TSLA"]
    assert causes(rig) == []
    rig.after(1.0, rounds=300)
    assert rig.asked(METHOD) == []
    assert causes(rig) == [(FILLS_NOT_LISTED, "BIG")]
    assert {broken.symbol for broken in rig.rig.desk.state.breaks.values()} == {"TSLA", "BIG"}
