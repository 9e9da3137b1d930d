"""A take profit and a stop loss are told as their giver's, with the reason of their parent."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core import views
from core.events import OrderExternalObserved
from core.subjects import ledger_stream
from projections.projector import Projector
from projections.queries import Queries
from projections.store import ViewStore
from tests.support import facts
from tests.support.facts import Ledger

STREAM = ledger_stream(facts.LOGIN)


def leg(order_id: str, *, parent: str) -> OrderExternalObserved:
    return msgspec.structs.replace(facts.external(order_id), parent_order_id=parent)


@pytest.fixture
def queries(tmp_path: Path) -> Iterator[Queries]:
    """Answer about an order of ours and one of the phone app, each with a leg that has a leg."""
    store = ViewStore.open(tmp_path)
    ledger = Ledger()
    ledger.add_all(facts.opened(), facts.started("ours"), facts.accepted("ours"))
    ledger.add_all(leg("leg", parent="ours"), leg("leg-of-leg", parent="leg"))
    ledger.add_all(facts.external("theirs"))
    ledger.add_all(leg("their-leg", parent="theirs"), leg("of-their-leg", parent="their-leg"))
    ledger.add(leg("orphan", parent="never-seen"))
    Projector(store).apply(STREAM, ledger.records)
    made = Queries(store.path)
    yield made
    made.close()
    store.close()


def orders(queries: Queries) -> dict[str, views.OrderRow]:
    body = queries.orders("a1", views.OrdersQuery())
    found = msgspec.json.decode(body, type=views.OrdersAnswer)
    return {row.order_id: row for row in found.orders}


def test_whose_an_order_is_follows_its_parent(queries: Queries) -> None:
    rows = orders(queries)
    assert {order_id: (row.is_external, row.reason) for order_id, row in rows.items()} == {
        "ours": (False, "reason of ours"),
        "leg": (False, "reason of ours"),
        "leg-of-leg": (False, "reason of ours"),
        "theirs": (True, ""),
        "their-leg": (True, ""),
        "of-their-leg": (True, ""),
        "orphan": (True, ""),
    }
    assert rows["leg"].parent_order_id == "ours"


@pytest.mark.parametrize("order_id", ["ours", "leg", "theirs", "of-their-leg"])
def test_an_order_is_explained_as_it_is_listed(queries: Queries, order_id: str) -> None:
    body = queries.explain("a1", views.ExplainQuery(about=order_id))
    assert msgspec.json.decode(body, type=views.ExplainAnswer).order == orders(queries)[order_id]
