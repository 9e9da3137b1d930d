"""What follows from what the broker's listings show.

One sighting may call for several events (the order is there, it has fills, it is done); it is
decided again after each, until nothing follows.
"""

from decimal import Decimal
from typing import Final, assert_never

from core import events, items
from core.account_state import AccountState, freeze_key
from core.events import Event
from core.ids import derived_id
from core.items import SeenPhase
from core.money import Money
from core.orders import Order, Phase
from core.terms import OrderSpec, OrderType


def decide_seen(state: AccountState, seen: items.OrderSeen) -> Event | None:
    """Return the next event that a sighting of one order calls for."""
    if not _is_size(seen.quantity) or not _is_size(seen.filled_quantity):
        return _freeze(state, "quantity_unreadable", seen.tiger_order_id, symbol=seen.symbol)
    order_id = state.by_tiger_id.get(seen.tiger_order_id)
    if order_id is None:
        return _first_sighting(state, seen)
    order = state.orders[order_id]
    return (
        _contradiction(state, order, seen)
        or _reopened(order, seen)
        or _changed_terms(order, seen)
        or _next_fill(state, order, seen)
        or _charged(order, seen)
        or _progress(order, seen)
    )


def _is_size(quantity: Decimal) -> bool:
    return quantity.is_finite() and quantity >= 0


def _first_sighting(state: AccountState, seen: items.OrderSeen) -> Event | None:
    order_id = state.by_mark.get(seen.mark) if seen.mark else None
    order = state.orders.get(order_id) if order_id is not None else None
    if order is not None and not order.tiger_order_id and _is_same(order, seen):
        return events.OrderAccepted(
            order_id=order.order_id, tiger_order_id=seen.tiger_order_id, evidence="listing"
        )
    parent_id = _parent_of(state, order, seen)
    # Whatever else it is, the order is live: after the alarm it goes on the books as a stranger.
    alarm = None if parent_id else _foreign_claim(state, order, seen)
    return alarm or events.OrderExternalObserved(
        order_id=derived_id("ext", state.account, seen.tiger_order_id),
        tiger_order_id=seen.tiger_order_id,
        symbol=seen.symbol,
        market=seen.market,
        currency=seen.currency,
        side=seen.side,
        order_type=seen.order_type,
        quantity=seen.quantity,
        limit_price=seen.limit_price,
        source=seen.source,
        opened_at=seen.opened_at,
        parent_order_id=parent_id,
        spec=seen.spec,
    )


def _parent_of(state: AccountState, marked: Order | None, seen: items.OrderSeen) -> str:
    """Return the id of the order of ours that the broker made this one of, or ""."""
    parent_id = state.by_tiger_id.get(seen.parent_tiger_id) if seen.parent_tiger_id else None
    if parent_id is not None:
        return parent_id
    # The other one of two that cancel each other may bear the mark of the first.
    is_other = (
        marked is not None
        and marked.spec.has_children
        and seen.order_number != marked.order_number
        and (seen.contract, seen.market) == (marked.spec.contract, marked.spec.market)
    )
    return marked.order_id if marked is not None and is_other else ""


def _foreign_claim(state: AccountState, order: Order | None, seen: items.OrderSeen) -> Event | None:
    """Return a freeze if an order that is not ours bears what only ours could bear."""
    opened = state.opened
    if order is not None:
        cause = "order_doubled" if order.tiger_order_id else "mark_mismatch"
        return _freeze(state, cause, f"{order.order_id} and {seen.tiger_order_id}")
    if opened is not None and seen.mark.startswith(f"{opened.ledger_id}."):
        return _freeze(state, "mark_not_in_ledger", seen.tiger_order_id)
    if seen.order_number in state.numbers:
        return _freeze(state, "number_without_mark", seen.tiger_order_id)
    return None


def _contradiction(
    state: AccountState, order: Order, seen: items.OrderSeen
) -> events.AccountFrozen | None:
    detail = f"{order.order_id} and {seen.tiger_order_id}"
    if not order.is_external and not _is_same_but_size(order, seen):
        return _freeze(state, "mark_mismatch", detail)
    if seen.phase is SeenPhase.UNREADABLE:
        detail = f"{order.order_id}: {seen.status_word[:40]}"
        return _freeze(state, "status_word_unknown", detail, symbol=seen.symbol)
    return None


def _is_same(order: Order, seen: items.OrderSeen) -> bool:
    return _is_same_but_size(order, seen) and seen.quantity == order.spec.quantity


def _is_same_but_size(order: Order, seen: items.OrderSeen) -> bool:
    return (seen.mark, seen.order_number, seen.contract, seen.market, seen.side) == (
        order.mark,
        order.order_number,
        order.spec.contract,
        order.spec.market,
        order.spec.side,
    )


def _freeze(
    state: AccountState, cause: str, detail: str, *, symbol: str = ""
) -> events.AccountFrozen | None:
    found = events.AccountFrozen(cause=cause, detail=detail, symbol=symbol)
    return None if freeze_key(found) in state.frozen_for else found


def _reopened(order: Order, seen: items.OrderSeen) -> Event | None:
    # In doubt, or taken off the books, and yet the broker lists it.
    if order.phase in (Phase.UNKNOWN, Phase.NOT_FOUND, Phase.RELEASED):
        return events.OrderAccepted(
            order_id=order.order_id, tiger_order_id=seen.tiger_order_id, evidence="listing"
        )
    return None


def _changed_terms(order: Order, seen: items.OrderSeen) -> Event | None:
    if order.wanted is not None and shows(seen, order.wanted):
        return events.OrderReplaced(order_id=order.order_id, spec=order.wanted)
    if shows(seen, order.spec):
        return None
    stop_price, trailing_amount, trailing_percent = _triggers_of(seen.spec)
    return events.OrderTermsObserved(
        order_id=order.order_id,
        quantity=seen.quantity,
        limit_price=_limit_of(seen),
        stop_price=stop_price,
        trailing_amount=trailing_amount,
        trailing_percent=trailing_percent,
    )


def shows(seen: items.OrderSeen, spec: OrderSpec) -> bool:
    """Say whether a listed order stands on these terms, as far as they can be changed.

    A reading that has no words for the order's type says nothing of what triggers it.
    """
    if (seen.quantity, _limit_of(seen)) != (spec.quantity, spec.limit_price):
        return False
    return seen.spec is None or _triggers_of(seen.spec) == _triggers_of(spec)


def _limit_of(seen: items.OrderSeen) -> Decimal | None:
    if seen.spec is not None:
        return seen.spec.limit_price
    return seen.limit_price if seen.order_type is OrderType.LIMIT else None


def _triggers_of(
    spec: OrderSpec | None,
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    if spec is None:
        return None, None, None
    return spec.stop_price, spec.trailing_amount, spec.trailing_percent


def _next_fill(state: AccountState, order: Order, seen: items.OrderSeen) -> Event | None:
    for execution in seen.executions:
        if execution.execution_id not in state.executions:
            return events.OrderFillRecorded(
                order_id=order.order_id,
                execution_id=execution.execution_id,
                side=execution.side or order.spec.side,
                symbol=order.spec.symbol,
                quantity=execution.quantity,
                price=execution.price,
                executed_at=execution.executed_at,
                contract=execution.contract if order.spec.legs else "",
            )
    return None


def _charged(order: Order, seen: items.OrderSeen) -> Event | None:
    if seen.charges is None or seen.charges == order.charges:
        return None
    return events.OrderChargesObserved(
        order_id=order.order_id,
        charges=Money(amount=seen.charges, currency=order.spec.currency),
    )


def _progress(order: Order, seen: items.OrderSeen) -> Event | None:
    phase = seen.phase
    if phase is SeenPhase.FILLED and seen.filled_quantity < seen.quantity:
        # Tiger's own library calls a part of an order filled; the figures say otherwise.
        phase = SeenPhase.LIVE
    if seen.filled_quantity < order.recorded_quantity:
        # Older than the fills that are recorded.
        return None
    grew = seen.filled_quantity > order.filled_quantity
    match phase:
        case SeenPhase.LIVE:
            if order.phase is Phase.WORKING and not grew:
                return None
            return events.OrderWorking(
                order_id=order.order_id,
                tiger_order_id=seen.tiger_order_id,
                filled_quantity=seen.filled_quantity,
            )
        case SeenPhase.FILLED:
            end: Event = events.OrderFilled(
                order_id=order.order_id,
                filled_quantity=seen.filled_quantity,
                average_price=seen.average_price,
            )
        case SeenPhase.CANCELLED:
            end = events.OrderCancelled(
                order_id=order.order_id,
                filled_quantity=seen.filled_quantity,
                average_price=seen.average_price,
            )
        case SeenPhase.EXPIRED:
            end = events.OrderExpired(
                order_id=order.order_id,
                filled_quantity=seen.filled_quantity,
                average_price=seen.average_price,
            )
        case SeenPhase.REJECTED:
            end = events.OrderRejected(
                order_id=order.order_id,
                code=None,
                detail=seen.remark,
                filled_quantity=seen.filled_quantity,
            )
        case SeenPhase.UNREADABLE:
            return None
        case _:
            assert_never(phase)
    # The same end again says nothing new, unless more was filled than it said before.
    return end if grew or order.phase is not _PHASE_OF[phase] else None


_PHASE_OF: Final = {
    SeenPhase.FILLED: Phase.FILLED,
    SeenPhase.CANCELLED: Phase.CANCELLED,
    SeenPhase.EXPIRED: Phase.EXPIRED,
    SeenPhase.REJECTED: Phase.REJECTED,
}
