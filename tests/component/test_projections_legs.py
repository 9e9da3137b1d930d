"""A take profit and a stop loss are told as their giver's, with the reason of their parent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from core import views
from core.events import OrderAccepted, OrderExternalObserved, OrderWasOurs
from core.parent_events import OrderParentObserved
from core.subjects import ledger_stream
from projections.projector import Projector
from projections.queries import Queries
from projections.store import ViewStore
from tests.support import facts, view_asks
from tests.support.facts import Ledger

STREAM = ledger_stream(facts.LOGIN)


# The first row of an order of ours left out whose it is; another was whole.
FOUND: Final = (
    OrderAccepted(
        order_id="found", tiger_order_id="tiger-half", evidence="listing", moved_from="half"
    ),
    OrderWasOurs(order_id="half", tiger_order_id="tiger-half", owner_order_id="found"),
)


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
    ledger.add_all(facts.started("found"), facts.external("half"), leg("early", parent="half"))
    ledger.add_all(leg("early-leg", parent="early"), *FOUND)
    ledger.add_all(facts.external("late"), leg("late-leg", parent="late"))
    ledger.add(OrderParentObserved(order_id="late", parent_order_id="ours"))
    Projector(store).apply(STREAM, ledger.records)
    made = Queries(store.path)
    yield made
    made.close()
    store.close()


def orders(queries: Queries) -> dict[str, views.OrderRow]:
    return {row.order_id: row for row in view_asks.orders(queries).orders}


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
        "found": (False, "reason of found"),
        "half": (True, ""),
        "early": (False, "reason of found"),
        "early-leg": (False, "reason of found"),
        "late": (False, "reason of ours"),
        "late-leg": (False, "reason of ours"),
    }
    parents = {order_id: row.parent_order_id for order_id, row in rows.items()}
    assert (parents["leg"], parents["early"], parents["early-leg"]) == ("ours", "found", "early")
    assert (parents["late"], parents["late-leg"]) == ("ours", "late")


@pytest.mark.parametrize("order_id", ["ours", "leg", "theirs", "of-their-leg", "early", "late"])
def test_an_order_is_explained_as_it_is_listed(queries: Queries, order_id: str) -> None:
    body = queries.explain("a1", views.ExplainQuery(about=order_id))
    assert msgspec.json.decode(body, type=views.ExplainAnswer).order == orders(queries)[order_id]
