"""The broker's own book against the ledger, field by field.

The book comes from the sandbox's control port, the ledger from the stream; they share no code, so
the same mistake cannot sit on both sides.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from core.account_state import AccountState
from core.orders import Order, Phase
from core.terms import OrderType, Side, position_key
from infra.sandbox.broker import records
from infra.sandbox.control.views import BookView

_STATUS_OF: Final = {
    Phase.ACCEPTED: "PendingSubmit",
    Phase.WORKING: "PendingSubmit",
    Phase.FILLED: "Filled",
    Phase.CANCELLED: "Cancelled",
    Phase.EXPIRED: "Inactive",
    Phase.REJECTED: "Invalid",
}
_SIDE_OF: Final = {Side.BUY: "BUY", Side.SELL: "SELL"}
_TYPE_OF: Final = {OrderType.MARKET: "MKT", OrderType.LIMIT: "LMT"}


class Difference(NamedTuple):
    """One field on which broker and ledger disagree."""

    what: str
    field: str
    broker: str
    ledger: str


class Comparison(NamedTuple):
    """What was compared, and what did not agree."""

    orders: int
    fills: int
    positions: int
    fields: int
    differences: tuple[Difference, ...]


def compare(book: BookView, state: AccountState) -> Comparison:
    """Hold one account's book against its ledger."""
    pairs = [*_orders(book, state), *_fills(book, state), *_positions(book, state)]
    pairs.extend(_cash(book, state))
    return Comparison(
        orders=len(book.orders),
        fills=len(book.fills),
        positions=len(book.positions),
        fields=len(pairs),
        differences=tuple(pair for pair in pairs if pair.broker != pair.ledger),
    )


def _orders(book: BookView, state: AccountState) -> Iterator[Difference]:
    ours = {order.tiger_order_id: order for order in state.orders.values() if order.tiger_order_id}
    theirs = {str(order.global_id): order for order in book.orders}
    for tiger_order_id in sorted(ours.keys() | theirs.keys()):
        what = f"order {tiger_order_id}"
        order, row = ours.get(tiger_order_id), theirs.get(tiger_order_id)
        if order is None or row is None:
            yield Difference(what, "exists", str(row is not None), str(order is not None))
            continue
        yield from _order(what, row, order)


def _order(what: str, row: records.Order, order: Order) -> Iterator[Difference]:
    spec = order.spec
    pairs = {
        "symbol": (row.symbol, spec.symbol),
        "side": (row.side, _SIDE_OF[spec.side]),
        "type": (row.order_type, _TYPE_OF[spec.order_type]),
        "quantity": (_plain(row.quantity), _plain(spec.quantity)),
        "limit price": (_plain(row.limit_price), _plain(spec.limit_price)),
        "filled": (_plain(row.filled_quantity), _plain(order.recorded_quantity)),
        "status": (row.status, _STATUS_OF.get(order.phase, order.phase)),
    }
    if not order.is_external:
        pairs["number"] = (str(row.order_number), order.order_number)
        pairs["mark"] = (row.user_mark, order.mark)
    for field, (broker, ledger) in pairs.items():
        yield Difference(what, field, broker, ledger)


def _fills(book: BookView, state: AccountState) -> Iterator[Difference]:
    recorded = {execution_id for execution_id, _ in state.executions.items()}
    traded = {str(fill.fill_id) for fill in book.fills}
    for fill_id in sorted(recorded | traded):
        yield Difference(
            f"fill {fill_id}", "exists", str(fill_id in traded), str(fill_id in recorded)
        )


def _positions(book: BookView, state: AccountState) -> Iterator[Difference]:
    held = {figure.symbol: figure for figure in state.position_figures or ()}
    for symbol in sorted(book.positions.keys() | held.keys()):
        row = book.positions.get(symbol)
        quantity = row.quantity if row is not None else Decimal(0)
        figure = held.get(symbol)
        told = figure.quantity if figure is not None else Decimal(0)
        key = position_key(symbol, figure.market) if figure is not None else ""
        folded = state.positions.get(key) or Decimal(0)
        yield Difference(f"position {symbol}", "quantity", _plain(quantity), _plain(told))
        yield Difference(f"position {symbol}", "sum of fills", _plain(quantity), _plain(folded))


def _cash(book: BookView, state: AccountState) -> Iterator[Difference]:
    known = (
        {figure.currency: figure.balance for figure in state.balances.cash}
        if (state.balances is not None)
        else {}
    )
    for currency in sorted(book.cash.keys() | known.keys()):
        yield Difference(
            "cash",
            currency,
            _plain(book.cash.get(currency, Decimal(0)).quantize(Decimal("0.01"))),
            _plain(known.get(currency, Decimal(0)).quantize(Decimal("0.01"))),
        )


def _plain(value: Decimal | None) -> str:
    return "-" if value is None else f"{value.normalize():f}"
