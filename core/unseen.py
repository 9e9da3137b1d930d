"""What a base was moved by that no listing had told of: it may hold such fills already.

A figure that is taken for the base may differ from what was expected by fills that nobody was told
of: of an order whose row cannot be read, or that no listing shows yet. Once they are listed they
are in it. So those of up to that difference, the same way, that were executed no later than the
figure was read, and after the base before it was, move it no more. All moments are by the broker's
clock.

Nothing is held of an order that lost fills: of what is listed again it cannot be said whether it
was recorded when the figure was read.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from core import events
from core.orders import Order

# Of so many bases of one contract, or of cash of one currency, is it remembered what moved them.
BASES_KEPT: Final = 8


class Unseen(msgspec.Struct, frozen=True, kw_only=True):
    """What nothing explained of a base, and is left of it; signed, in units or in money.

    `until`: its figure was read then, and stood for several readings; `since`: that of the base
    before was. `orders` are the broker's ids of those of which fills were found in it.
    """

    amount: Decimal
    since: datetime | None
    until: datetime
    orders: tuple[str, ...] = ()

    def is_of(self, executed_at: datetime) -> bool:
        """Say whether its figure is the first that may show what was executed then."""
        return executed_at <= self.until and (self.since is None or executed_at > self.since)


class Rest(NamedTuple):
    """What is left of a move when the bases hold part of it, and what they hold then."""

    moved: Decimal
    unseen: tuple[Unseen, ...]


def with_base(
    unseen: tuple[Unseen, ...], amount: Decimal, until: datetime | None
) -> tuple[Unseen, ...]:
    """Return what is held once a new base was moved by so much, oldest first.

    Args:
        until: None where nobody knows when its figure was read; then nothing is held of it.
    """
    if until is None:
        return unseen
    since = unseen[-1].until if unseen else None
    return (*unseen, Unseen(amount=amount, since=since, until=until))[-BASES_KEPT:]


def beyond_fill(
    unseen: tuple[Unseen, ...], moved: Decimal, *, order: Order, fill: events.OrderFillRecorded
) -> Rest:
    """Return what a fill that moves so much moves of a figure whose bases may hold it."""
    if order.has_lost_fills:
        return Rest(moved, unseen)
    for index, base in enumerate(unseen):
        if base.is_of(fill.executed_at) and moved * base.amount > 0:
            orders = tuple(dict.fromkeys((*base.orders, order.tiger_order_id)))
            return _beyond(unseen, index, moved, orders)
    return Rest(moved, unseen)


def beyond_charges(unseen: tuple[Unseen, ...], moved: Decimal, order: Order) -> Rest:
    """Return the same of an order's charges: the first that are told, of a fill found in a base."""
    for index, base in enumerate(unseen):
        is_found = order.tiger_order_id in base.orders and not order.charges
        if is_found and moved * base.amount > 0:
            return _beyond(unseen, index, moved, base.orders)
    return Rest(moved, unseen)


def _beyond(
    unseen: tuple[Unseen, ...], index: int, moved: Decimal, orders: tuple[str, ...]
) -> Rest:
    base = unseen[index]
    part = min(moved, base.amount, key=abs)
    after = replace(base, amount=base.amount - part, orders=orders)
    return Rest(moved - part, (*unseen[:index], after, *unseen[index + 1 :]))
