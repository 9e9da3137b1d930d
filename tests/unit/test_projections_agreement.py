"""The views fold each order alone, the desk the whole account: both must come out the same."""

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from core import events, items
from core.account_state import AccountState
from core.desk import waits
from core.orders import Phase
from core.readings import SeenPhase
from core.terms import Side
from projections.entries import AccountEntry, OrderEntry
from projections.fold import changed_order_id, claimed_tiger_id, fold
from tests.support import core_facts as facts
from tests.support import core_items

_NAMES: Final = ("1", "2", "3")
_STRANGERS: Final[list[items.Item]] = [
    core_items.external(),
    core_items.external(quantity="0"),
    core_items.external(tiger="t-8", side=Side.BUY, quantity="7"),
    core_items.seen(
        SeenPhase.FILLED, core_items.execution("x1", "100"), tiger="t-9", mark="", number="0"
    ),
    # The same execution in the row of another order.
    core_items.seen(
        SeenPhase.LIVE, core_items.execution("x1", "100"), tiger="t-8", mark="", number="0"
    ),
    core_items.seen(SeenPhase.CANCELLED, tiger="t-7", mark=f"{facts.LEDGER_ID}.ord-lost"),
]
_REST: Final[list[items.Item]] = [
    core_items.halt(),
    core_items.halt("AAPL", "cmd-h2"),
    core_items.resume(),
    core_items.resume("AAPL", "cmd-r2"),
    core_items.resume("MSFT", "cmd-r3"),
    core_items.round_completed(0),
    core_items.round_completed(1),
    core_items.gap_noticed(1),
    items.WorkerStarts(run_id="run-2"),
    items.HaltFileSeen(detail="by hand"),
]
# An answer that a worker still held when it had lost the account, stored without a decision.
_LATE: Final = [
    events.OrderAnswerObserved(
        order_id=facts.order_id_of(name),
        outcome="done" if tiger else "refused",
        tiger_order_id=tiger,
        code=None,
        detail="",
    )
    for name in _NAMES
    for tiger in ("", "t-1", "t-2", "t-8", "t-9")
]
_POOL: Final[list[items.Item | events.OrderAnswerObserved]] = [
    *(item for name in _NAMES for item in core_items.items_of_order(name)),
    *_STRANGERS,
    *_REST,
    *_LATE,
]


def _line_of(schedule: list[items.Item | events.OrderAnswerObserved]) -> facts.TestDesk:
    desk = facts.TestDesk(*facts.ready(*(facts.previewed(name) for name in _NAMES)))
    for second, step in enumerate(schedule):
        if isinstance(step, events.OrderAnswerObserved):
            order = desk.state.orders.get(step.order_id)
            # As a worker does: the act was its own, and nothing else had ended it.
            if order is not None and order.phase in (Phase.SUBMITTING, Phase.UNKNOWN):
                desk.store(step)
        elif not waits(desk.state, step):
            desk.settle(step, facts.context(second))
    return desk


def _views_of(line: list[events.Event]) -> tuple[AccountEntry, dict[str, OrderEntry]]:
    account, orders = AccountEntry(alias=facts.ACCOUNT), dict[str, OrderEntry]()
    for n, event in enumerate(line, start=1):
        recorded = facts.recorded(event, n)
        order_id, claimed = changed_order_id(event), claimed_tiger_id(event)
        change = fold(
            account,
            None if order_id is None else orders.get(order_id),
            recorded,
            is_tiger_id_known=any(one.order.tiger_order_id == claimed for one in orders.values()),
        )
        if change.order is not None:
            orders[change.order.order.order_id] = change.order
        account = change.account or account
    return account, orders


def _gates(state: AccountState) -> tuple[object, ...]:
    return (
        state.run_id,
        state.is_stale,
        state.frozen_cause,
        tuple(sorted(state.frozen_symbols)),
        state.is_halted,
        tuple(sorted(state.halted_symbols)),
    )


@settings(max_examples=200)
@given(st.lists(st.sampled_from(_POOL), max_size=60))
def test_order_folded_alone_stands_where_the_desk_has_it(
    schedule: list[items.Item | events.OrderAnswerObserved],
) -> None:
    desk = _line_of(schedule)
    account, orders = _views_of(desk.line)
    rows = {order_id: entry.row() for order_id, entry in orders.items()}
    assert {
        order_id: (row.phase, row.filled_quantity, row.cancel) for order_id, row in rows.items()
    } == {
        order.order_id: (order.phase, order.filled_quantity, order.cancel)
        for order in desk.state.orders.values()
    }
    # The rest of an order is the same too: what is shown, and what a later event stands on.
    assert {order_id: entry.order for order_id, entry in orders.items()} == {
        order.order_id: order for order in desk.state.orders.values()
    }
    assert _gates(desk.state) == (
        account.run_id,
        account.is_stale,
        account.frozen_cause,
        tuple(frozen.symbol for frozen in account.frozen_symbols),
        account.is_halted,
        account.halted_symbols,
    )


def test_late_answer_with_the_id_of_another_order_moves_no_row() -> None:
    late = _LATE[1]
    assert (late.order_id, late.tiger_order_id) == (facts.order_id_of("1"), "t-1")
    line = [
        *facts.ready(),
        facts.started("2", number="902"),
        facts.accepted("2", tiger="t-1"),
        facts.started("1"),
        late,
    ]
    _, orders = _views_of(line)
    assert orders[facts.order_id_of("1")].row().phase is Phase.SUBMITTING
    _, alone = _views_of([*facts.ready(), facts.started("1"), late])
    assert alone[facts.order_id_of("1")].row().phase is Phase.ACCEPTED
