"""What the views answer about the word that names one option."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from core import views
from core.subjects import ledger_stream
from core.terms import OptionRight, OrderSpec, SecurityType
from projections.projector import Projector
from projections.queries import Queries
from projections.store import ViewStore
from tests.support import facts
from tests.support.facts import Ledger

STREAM = ledger_stream(facts.LOGIN)
CALL = "AAPL261211C230"
PUT = "AAPL261211P230"


def option(right: OptionRight) -> OrderSpec:
    return msgspec.structs.replace(
        facts.spec(limit="4"),
        security=SecurityType.OPTION,
        expiry=date(2026, 12, 11),
        strike=Decimal("230.00"),
        right=right,
        multiplier=Decimal(100),
    )


@pytest.fixture
def queries(tmp_path: Path) -> Iterator[Queries]:
    """Answer about a stock, a call and a put of it, each bought once, and a stock of no order."""
    store = ViewStore.open(tmp_path)
    ledger = Ledger()
    ledger.add(facts.opened())
    terms = {
        "stock": facts.spec(),
        "call": option(OptionRight.CALL),
        "put": option(OptionRight.PUT),
    }
    for name, spec in terms.items():
        ledger.add_all(facts.started(name, spec), facts.accepted(name))
        ledger.add_all(facts.fill(name, f"e-{name}"), facts.filled(name))
    held = facts.positions(("AAPL", "1"), ("AAPL", "2"))
    stock, call = held.positions
    call = msgspec.structs.replace(call, contract=CALL, security=SecurityType.OPTION)
    ledger.add(msgspec.structs.replace(held, positions=(stock, call)))
    Projector(store).apply(STREAM, ledger.records)
    made = Queries(store.path)
    yield made
    made.close()
    store.close()


def found(queries: Queries, symbol: str) -> tuple[set[str], set[str], set[str]]:
    """Return the orders, the executions and the positions that are of a symbol."""
    orders = msgspec.json.decode(
        queries.orders("a1", views.OrdersQuery(symbol=symbol)), type=views.OrdersAnswer
    )
    executions = msgspec.json.decode(
        queries.executions("a1", views.ExecutionsQuery(symbol=symbol)), type=views.ExecutionsAnswer
    )
    positions = msgspec.json.decode(
        queries.positions("a1", views.PositionsQuery(symbol=symbol)), type=views.PositionsAnswer
    )
    return (
        {row.order_id for row in orders.orders},
        {row.execution_id for row in executions.executions},
        {row.contract for row in positions.positions},
    )


def test_an_options_own_word_asks_for_that_option_alone(queries: Queries) -> None:
    assert found(queries, CALL) == ({"call"}, {"e-call"}, {CALL})
    assert found(queries, PUT) == ({"put"}, {"e-put"}, set())
    assert found(queries, "AAPL261211C231") == (set(), set(), set())


def test_an_underlyings_symbol_asks_for_its_options_too(queries: Queries) -> None:
    assert found(queries, "AAPL") == (
        {"stock", "call", "put"},
        {"e-stock", "e-call", "e-put"},
        {"", CALL},
    )
