"""Copies of the broker that know something else than it does: its past, or not every order.

Faults show them to clients, as a replica that lags, or that lost a message, would be shown. A copy
is made from the stored records, so it is right whatever the engine keeps beside them.
"""

from collections.abc import Callable, Iterable

from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.records import (
    ComboTraded,
    ForexTraded,
    OrderTraded,
    OrderWritten,
    PricesSet,
    Record,
)

Save = Callable[[Record], None]


class Replicas:
    """Makes copies of one engine.

    Args:
        engine: the broker itself; it is only read.
        make: makes an engine that knows nothing yet, with the same seed.
        records: reads what was stored so far, oldest first.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        make: Callable[[Save], Engine],
        records: Callable[[], Iterable[Record]],
    ) -> None:
        self._engine = engine
        self._make = make
        self._records = records

    def copy(self, *, without: frozenset[int] = frozenset(), save: Save | None = None) -> Engine:
        """Return a copy of the broker as it is now; what happens to it stays in it.

        Args:
            without: orders that it never heard of, by global id.
            save: told what happens to the copy.
        """
        twin = self._make(save or _forget)
        for record in self._records():
            if _order_id(record) not in without:
                twin.restore(record)
        twin.settings = self._engine.settings
        # Prices are stored only when something else is.
        twin.restore(PricesSet(state=self._engine.prices.state()))
        return twin


def _order_id(record: Record) -> int | None:
    match record:
        case (
            OrderWritten(order=order)
            | OrderTraded(order=order)
            | ComboTraded(order=order)
            | ForexTraded(order=order)
        ):
            return order.global_id
        case _:
            return None


def _forget(record: Record) -> None:
    del record
