"""What is shown of an order of ours that stood on the books as a stranger when it was filled."""

from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import pytest

from core import events, views
from core.subjects import ledger_stream
from projections.projector import Projector
from projections.queries import Queries
from projections.store import ViewStore, digest
from tests.support import facts, view_asks
from tests.support.facts import Ledger

STREAM: Final = ledger_stream(facts.LOGIN)
TIGER: Final = "t-ext"
FILLS: Final = (facts.fill("ext", "e1", quantity="4"), facts.fill("ext", "e2", quantity="6"))
LOST: Final = FILLS[1]
STRANGER: Final = msgspec.structs.replace(
    facts.external("ext"), symbol="AAPL", side=facts.spec().side, quantity=Decimal(10)
)
MOVED: Final = (
    events.OrderAccepted(
        order_id="ours",
        tiger_order_id=TIGER,
        evidence="listing",
        moved_from="ext",
        filled_quantity=Decimal(10),
        recorded_quantity=Decimal(10),
    ),
    events.OrderWasOurs(order_id="ext", tiger_order_id=TIGER, owner_order_id="ours"),
    events.OrderFilled(order_id="ours", filled_quantity=Decimal(10), average_price=None),
)
BUST: Final = events.OrderFillTakenBack(
    order_id="ours",
    execution_id=LOST.execution_id,
    side=LOST.side,
    symbol=LOST.symbol,
    quantity=LOST.quantity,
    price=LOST.price,
    executed_at=LOST.executed_at,
    filled_quantity=Decimal(4),
    listings=3,
)


def lived(*later: events.Event) -> Ledger:
    ledger = Ledger()
    ledger.add_all(facts.opened(), facts.started("ours"), STRANGER, *FILLS, *MOVED, *later)
    return ledger


def order(queries: Queries, order_id: str) -> views.OrderRow:
    rows = view_asks.orders(queries).orders
    return next(row for row in rows if row.order_id == order_id)


def executions(queries: Queries, order_id: str) -> dict[str, views.ExecutionRow]:
    rows = view_asks.executions(queries, order_id=order_id).executions
    return {row.execution_id: row for row in rows}


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_fills_of_a_stranger_are_those_of_the_order_that_it_is(
    store: ViewStore, queries: Queries, *, is_one_batch: bool
) -> None:
    projector, records = Projector(store), lived().records
    for batch in [records] if is_one_batch else [[record] for record in records]:
        projector.apply(STREAM, batch)
    shown = executions(queries, "ours")
    assert {row.order_id for row in shown.values()} == {"ours"}
    assert (set(shown), set(executions(queries, "ext"))) == ({"e1", "e2"}, set())
    row = order(queries, "ours")
    assert (row.average_price, row.filled_value) == (Decimal("180.5"), Decimal(1805))
    row = order(queries, "ext")
    assert (row.average_price, row.filled_value) == (None, None)


def test_bust_of_a_moved_fill_leaves_the_value_of_the_others(
    store: ViewStore, queries: Queries
) -> None:
    Projector(store).apply(STREAM, lived(BUST).records)
    row = order(queries, "ours")
    assert (row.average_price, row.filled_value) == (Decimal("180.5"), Decimal(722))
    taken_back = {key for key, row in executions(queries, "ours").items() if row.taken_back_at}
    assert taken_back == {"e2"}
    entry = store.order("a1", "ext")
    assert entry is not None
    assert (entry.priced_quantity, entry.priced_sum) == (Decimal(0), Decimal(0))


def test_moved_fills_are_the_same_however_the_records_are_cut(tmp_path: Path) -> None:
    records, digests = lived(BUST).records, set()
    for length in range(1, len(records) + 1):
        cut = ViewStore.open(tmp_path / str(length))
        projector = Projector(cut)
        for begin in range(0, len(records), length):
            projector.apply(STREAM, records[begin : begin + length])
        digests.add(digest(cut))
        cut.close()
    assert len(digests) == 1
