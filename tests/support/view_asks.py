"""What a view file answers about the account `a1`, decoded."""

import msgspec

from core import views
from projections.queries import Queries


def orders(queries: Queries, **wanted: object) -> views.OrdersAnswer:
    """Ask for orders; `wanted` are fields of the query."""
    query = msgspec.convert(wanted, views.OrdersQuery)
    return msgspec.json.decode(queries.orders("a1", query), type=views.OrdersAnswer)


def executions(queries: Queries, **wanted: object) -> views.ExecutionsAnswer:
    """Ask for executions; `wanted` are fields of the query."""
    query = msgspec.convert(wanted, views.ExecutionsQuery)
    return msgspec.json.decode(queries.executions("a1", query), type=views.ExecutionsAnswer)


def positions(queries: Queries, **wanted: object) -> views.PositionsAnswer:
    """Ask for positions; `wanted` are fields of the query."""
    query = msgspec.convert(wanted, views.PositionsQuery)
    return msgspec.json.decode(queries.positions("a1", query), type=views.PositionsAnswer)
