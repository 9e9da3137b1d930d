"""Whose a listed order is: ours, one that the broker made of ours, or a stranger's.

An order is ours that bears the mark and the number of one of ours and is for the same contract, on
the same side. Its size is no part of that: a person may have changed it before the first listing.
"""

from msgspec.structs import replace

from core import account_events, events, parent_events, readings
from core.account_state import IDENTITY_UNCLEAR, AccountState, freeze
from core.ids import derived_id
from core.orders import Order, Phase


def stranger_id(state: AccountState, tiger_order_id: str) -> str:
    """Return what an order from elsewhere is called that has this id at the broker."""
    return derived_id("ext", state.account, tiger_order_id)


def decide_recognized(
    state: AccountState, seen: readings.OrderSeen
) -> events.OrderAccepted | events.OrderWasOurs | account_events.AccountFrozen | None:
    """Return the next event where a whole row shows that a stranger on the books is one of ours.

    The rows before it lacked the mark, say. First our order takes over the broker's id and what is
    recorded, then the stranger's entry ends. Decided again after each. Where what is recorded moved
    something else than our order trades, nothing is taken over: it is frozen for a person.
    """
    stranger = state.orders.get(stranger_id(state, seen.tiger_order_id))
    owner_id = state.by_tiger_id.get(seen.tiger_order_id)
    if stranger is None or stranger.parent_order_id or owner_id is None:
        return None
    if owner_id != stranger.order_id:
        if stranger.phase is Phase.NOT_SENT:
            return None
        return events.OrderWasOurs(
            order_id=stranger.order_id,
            tiger_order_id=seen.tiger_order_id,
            owner_order_id=owner_id,
        )
    order = marked_order(state, seen)
    if order is None or order.tiger_order_id or not is_ours(order, seen):
        return None
    if _has_moved(stranger) and _moves(stranger) != _moves(order):
        return _left_in_doubt(state, order, seen)
    return events.OrderAccepted(
        order_id=order.order_id,
        tiger_order_id=seen.tiger_order_id,
        evidence="listing",
        moved_from=stranger.order_id,
        filled_quantity=stranger.filled_quantity,
        recorded_quantity=stranger.recorded_quantity,
        recorded_legs=stranger.recorded_legs,
        charges=stranger.charges,
    )


def with_moved(state: AccountState, event: events.OrderAccepted) -> AccountState:
    """Return the state with what hung on a stranger's entry hung on our order that it is."""
    executions, orders = state.executions, state.orders
    for execution_id, owner_id in state.executions.items():
        if owner_id == event.moved_from:
            executions = executions.put(execution_id, event.order_id)
    for leg in state.orders.values():
        if leg.parent_order_id == event.moved_from:
            orders = orders.put(leg.order_id, replace(leg, parent_order_id=event.order_id))
    stranger, ours = orders.get(event.moved_from), orders.get(event.order_id)
    if stranger is not None and ours is not None and stranger.has_lost_fills:
        orders = orders.put(ours.order_id, replace(ours, losses=stranger.losses))
    return replace(state, executions=executions, orders=orders)


def decide_parent(
    state: AccountState, order: Order, seen: readings.OrderSeen
) -> parent_events.OrderParentObserved | None:
    """Return what an order from elsewhere was made of, where only a later row can tell.

    Its parent's row was on no book when its own was first read. By its mark alone a row is of no
    order of ours that is not found: it may be that order's own.
    """
    if not order.is_external or order.parent_order_id:
        return None
    parent = state.orders.get(parent_of(state, seen))
    if parent is None or not parent.tiger_order_id or _hangs_on(state, parent, order):
        return None
    return parent_events.OrderParentObserved(
        order_id=order.order_id, parent_order_id=parent.order_id
    )


def _hangs_on(state: AccountState, order: Order, other: Order) -> bool:
    """Say whether an order is the other one, or was made of it or of what was made of it."""
    above: Order | None = order
    while above is not None and above.order_id != other.order_id:
        above = state.orders.get(above.parent_order_id)
    return above is not None


def _has_moved(order: Order) -> bool:
    """Say whether an order moved, or is waited for to move, a position or cash."""
    figures = (order.filled_quantity, order.recorded_quantity, order.charges)
    # Of a combination one leg may be recorded, and no unit.
    return any(figures) or any(quantity for _, quantity in order.recorded_legs)


def _moves(order: Order) -> tuple[object, ...]:
    """Return which position a fill of an order moves, which way, and what is paid for one unit."""
    spec = order.spec
    return (spec.contract, spec.market, spec.side, spec.security, spec.unit)


def _left_in_doubt(
    state: AccountState, order: Order, seen: readings.OrderSeen
) -> account_events.AccountFrozen | None:
    detail = f"{order.order_id} and {seen.tiger_order_id}: what is recorded moved something else"
    return freeze(state, IDENTITY_UNCLEAR, detail, symbol=seen.symbol)


def marked_order(state: AccountState, seen: readings.OrderSeen) -> Order | None:
    """Return the order of ours whose mark a row bears."""
    return state.orders.get(state.by_mark.get(seen.mark) or "") if seen.mark else None


def is_ours(order: Order, seen: readings.OrderSeen) -> bool:
    """Say whether a row shows this order of ours."""
    is_named = (seen.mark, seen.order_number) == (order.mark, order.order_number)
    return is_named and is_traded(order, seen)


def is_traded(order: Order, seen: readings.OrderSeen) -> bool:
    """Say whether a row is about what an order trades."""
    return (seen.contract, seen.market, seen.side) == (
        order.spec.contract,
        order.spec.market,
        order.spec.side,
    )


def names_no_other(order: Order, seen: readings.OrderSeen) -> bool:
    """Say whether what a row tells of mark and number is this order's, where it tells of them."""
    # An order of the phone app has the number 0.
    number = seen.order_number if seen.order_number.strip("0") else ""
    return seen.mark in ("", order.mark) and number in ("", order.order_number)


def half_named(state: AccountState, seen: readings.OrderSeen) -> Order | None:
    """Return the order of ours, not found yet, that a row names, if it names no other beside it.

    Such a row may be half written. One of another number, where we gave two that cancel each other,
    may be the other one, as long as our own is still to come.
    """
    by_number = state.orders.get(state.numbers.get(seen.order_number) or "")
    order = marked_order(state, seen) or by_number
    if order is None or order.tiger_order_id:
        return None
    return order if names_no_other(order, seen) or _may_be_the_other(order, seen) else None


def _may_be_the_other(order: Order, seen: readings.OrderSeen) -> bool:
    is_marked = seen.mark == order.mark and order.spec.or_stop is not None
    return is_marked and is_traded(order, seen)


def parent_of(state: AccountState, seen: readings.OrderSeen) -> str:
    """Return the id of the order in the ledger that the broker made this one of, or ""."""
    parent_id = state.by_tiger_id.get(seen.parent_tiger_id) if seen.parent_tiger_id else None
    if parent_id is not None:
        return parent_id
    # The other one of two that cancel each other may bear the mark of the first.
    marked = marked_order(state, seen)
    return marked.order_id if marked is not None and _is_made_of(marked, seen) else ""


def _is_made_of(order: Order, seen: readings.OrderSeen) -> bool:
    """Say whether a row that bears an order's mark is of what the broker made of that order."""
    is_same = seen.order_number == order.order_number
    is_about_it = (seen.contract, seen.market) == (order.spec.contract, order.spec.market)
    if is_same or not is_about_it or not order.spec.has_children:
        return False
    # Until the order is found this may be its own row, half written, if nothing tells them apart.
    is_leg = bool(seen.parent_tiger_id) or seen.side is not order.spec.side
    return bool(order.tiger_order_id) or is_leg
