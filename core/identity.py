"""Whose a listed order is: ours, one that the broker made of ours, or a stranger's.

An order is ours that bears the mark and the number of one of ours and is for the same contract, on
the same side. Its size is no part of that: a person may have changed it before the first listing.
"""

from core import items
from core.account_state import AccountState
from core.orders import Order


def marked_order(state: AccountState, seen: items.OrderSeen) -> Order | None:
    """Return the order of ours whose mark a row bears."""
    return state.orders.get(state.by_mark.get(seen.mark) or "") if seen.mark else None


def is_ours(order: Order, seen: items.OrderSeen) -> bool:
    """Say whether a row shows this order of ours."""
    is_named = (seen.mark, seen.order_number) == (order.mark, order.order_number)
    return is_named and is_traded(order, seen)


def is_traded(order: Order, seen: items.OrderSeen) -> bool:
    """Say whether a row is about what an order trades."""
    return (seen.contract, seen.market, seen.side) == (
        order.spec.contract,
        order.spec.market,
        order.spec.side,
    )


def names_no_other(order: Order, seen: items.OrderSeen) -> bool:
    """Say whether what a row tells of mark and number is this order's, where it tells of them."""
    # An order of the phone app has the number 0.
    number = seen.order_number if seen.order_number.strip("0") else ""
    return seen.mark in ("", order.mark) and number in ("", order.order_number)


def half_named(state: AccountState, seen: items.OrderSeen) -> Order | None:
    """Return the order of ours, not found yet, that a row names, if it names no other beside it.

    Such a row may be half written.
    """
    by_number = state.orders.get(state.numbers.get(seen.order_number) or "")
    order = marked_order(state, seen) or by_number
    if order is None or order.tiger_order_id or not names_no_other(order, seen):
        return None
    return order


def parent_of(state: AccountState, seen: items.OrderSeen) -> str:
    """Return the id of the order in the ledger that the broker made this one of, or ""."""
    parent_id = state.by_tiger_id.get(seen.parent_tiger_id) if seen.parent_tiger_id else None
    if parent_id is not None:
        return parent_id
    # The other one of two that cancel each other may bear the mark of the first.
    marked = marked_order(state, seen)
    is_other = (
        marked is not None
        and marked.spec.has_children
        and seen.order_number != marked.order_number
        and (seen.contract, seen.market) == (marked.spec.contract, marked.spec.market)
    )
    return marked.order_id if marked is not None and is_other else ""
