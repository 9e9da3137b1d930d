"""What follows from what the broker's listings show.

One sighting may call for several events (the order is there, it has fills, it is done); it is
decided again after each, until nothing follows.
"""

from decimal import Decimal
from typing import Final, assert_never

from core import account_events, events, readings
from core.account_state import IDENTITY_UNCLEAR, UNREADABLE_CAUSES, AccountState, freeze
from core.context import Context
from core.events import Event
from core.identity import (
    decide_parent,
    half_named,
    is_ours,
    is_traded,
    marked_order,
    names_no_other,
    parent_of,
    stranger_id,
)
from core.lost_fills import doubted
from core.money import Money
from core.orders import ModifyPhase, Order, Phase
from core.readings import SeenPhase
from core.terms_seen import changed_terms

# Why an order is in doubt whose state stands in rows that nobody can read.
ROW_UNREADABLE: Final = "row_unreadable"


def decide_seen(state: AccountState, seen: readings.OrderSeen, context: Context) -> Event | None:
    """Return the next event that a sighting of one order calls for."""
    if not _is_size(seen.quantity) or not _is_size(seen.filled_quantity):
        return freeze(state, "quantity_unreadable", seen.tiger_order_id, symbol=seen.symbol)
    order_id = state.by_tiger_id.get(seen.tiger_order_id)
    if order_id is None:
        return _first_sighting(state, seen, context)
    order = state.orders[order_id]
    return (
        decide_parent(state, order, seen)
        or _contradiction(state, order, seen)
        or _reopened(order, seen)
        or changed_terms(order, seen)
        or _next_fill(state, order, seen)
        or _charged(order, seen)
        or _unapplied(order, seen, context)
        or _progress(order, seen)
    )


def is_over(order: Order, seen: readings.OrderSeen) -> bool:
    """Say whether a listing shows an order done, so that it can fill no more."""
    if _is_end_unclear(order, seen):
        return False
    return _told_phase(order, seen) not in (SeenPhase.LIVE, SeenPhase.UNREADABLE)


def may_be_over(order: Order, seen: readings.OrderSeen) -> bool:
    """Say whether a listing shows an order done, or as one that may be."""
    return _is_end_unclear(order, seen) or is_over(order, seen)


def _told_phase(order: Order, seen: readings.OrderSeen) -> SeenPhase:
    # Tiger's own library calls a part of an order filled; the figures say otherwise.
    return SeenPhase.LIVE if _is_part_called_filled(order, seen) else seen.phase


def _is_part_called_filled(order: Order, seen: readings.OrderSeen) -> bool:
    is_part = seen.filled_quantity < seen.quantity and order.spec.cash_amount is None
    return seen.phase is SeenPhase.FILLED and is_part


def _is_end_unclear(order: Order, seen: readings.OrderSeen) -> bool:
    """Say whether a row calls a part filled that may be what is left of the whole.

    It may be what has been filled so far as well: where fills were taken back nobody can say.
    """
    has_lost = order.has_lost_fills or _falls_short(order, seen)
    return has_lost and _is_part_called_filled(order, seen)


def _falls_short(order: Order, seen: readings.OrderSeen) -> bool:
    """Say whether a row shows fewer fills than were told, or recorded: it may be an older one.

    What it says of the order counts once it is evidence: see `core.lost_fills`.
    """
    return seen.filled_quantity < order.known_filled


def decide_unreadable(
    state: AccountState, row: readings.RowUnreadable
) -> account_events.AccountFrozen | None:
    """Return the freeze of the symbol that a row is about, or of the account if nobody can say.

    The same row freezes once: after a person's resume it stands for what it was then.
    """
    order = state.orders.get(state.by_tiger_id.get(row.tiger_order_id) or "")
    symbol = row.symbol if order is None else order.spec.symbol
    return freeze(state, UNREADABLE_CAUSES[row.kind], row.detail, symbol=symbol)


def decide_unread(
    state: AccountState, item: readings.OrderUnread, context: Context
) -> events.OrderOutcomeUnknown | None:
    """Return that nobody knows what became of an order which only such rows show.

    A person may then release it, and a row that can be read brings it back.
    """
    order = state.orders.get(item.order_id)
    if order is None or item.listings < context.timing.absence_listings_min:
        return None
    if order.phase not in (Phase.ACCEPTED, Phase.WORKING):
        return None
    return events.OrderOutcomeUnknown(order_id=order.order_id, cause=ROW_UNREADABLE)


def _is_size(quantity: Decimal) -> bool:
    return quantity.is_finite() and quantity >= 0


def _first_sighting(
    state: AccountState, seen: readings.OrderSeen, context: Context
) -> Event | None:
    order = marked_order(state, seen)
    if order is not None and not order.tiger_order_id and is_ours(order, seen):
        return events.OrderAccepted(
            order_id=order.order_id, tiger_order_id=seen.tiger_order_id, evidence="listing"
        )
    parent_id = parent_of(state, seen)
    ours = None if parent_id else half_named(state, seen)
    if ours is not None and seen.listings == 1 and not names_no_other(ours, seen):
        # Of two that cancel each other, ours may stand behind it in the same listing.
        return None
    if ours is not None and seen.listings < context.timing.absence_listings_min:
        # Its row may be half written. Once it is a stranger's, it is that for ever.
        detail = f"{ours.order_id} and {seen.tiger_order_id}"
        return freeze(state, IDENTITY_UNCLEAR, detail, symbol=seen.symbol)
    # Whatever else it is, the order is live: after the alarm it goes on the books as a stranger.
    alarm = None if parent_id else _foreign_claim(state, order, seen)
    return alarm or events.OrderExternalObserved(
        order_id=stranger_id(state, seen.tiger_order_id),
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


def _foreign_claim(
    state: AccountState, order: Order | None, seen: readings.OrderSeen
) -> account_events.AccountFrozen | None:
    """Return a freeze if an order that is not ours bears what only ours could bear."""
    opened = state.opened
    if order is not None:
        cause = "order_doubled" if order.tiger_order_id else "mark_mismatch"
        return freeze(state, cause, f"{order.order_id} and {seen.tiger_order_id}")
    if opened is not None and seen.mark.startswith(f"{opened.ledger_id}."):
        return freeze(state, "mark_not_in_ledger", seen.tiger_order_id)
    if seen.order_number in state.numbers:
        return freeze(state, "number_without_mark", seen.tiger_order_id)
    return None


def _contradiction(
    state: AccountState, order: Order, seen: readings.OrderSeen
) -> account_events.AccountFrozen | None:
    if order.is_external and not order.parent_order_id and not parent_of(state, seen):
        # Its first row may have been half written, and have left out just this.
        alarm = _foreign_claim(state, marked_order(state, seen), seen)
        if alarm is not None:
            return alarm
    detail = f"{order.order_id} and {seen.tiger_order_id}"
    if not order.is_external and not is_ours(order, seen):
        # What a half-written row leaves out says nothing of other symbols.
        symbol = seen.symbol if names_no_other(order, seen) and is_traded(order, seen) else ""
        return freeze(state, "mark_mismatch", detail, symbol=symbol)
    if seen.phase is SeenPhase.UNREADABLE:
        detail = f"{order.order_id}: {seen.status_word[:40]}"
        return freeze(state, "status_word_unknown", detail, symbol=seen.symbol)
    return None


def _reopened(order: Order, seen: readings.OrderSeen) -> Event | None:
    if _falls_short(order, seen) and may_be_over(order, seen):
        # It is over and fills of it were taken back: that is the doubt, and no end of it.
        return None
    if _is_end_unclear(order, seen) and order.phase is not Phase.NOT_FOUND:
        # Nor is a row that may mean either.
        return None
    if seen.phase is SeenPhase.UNREADABLE and order.phase in (Phase.UNKNOWN, Phase.RELEASED):
        # Nor is a status that nobody can read; only its first sighting is news.
        return None
    # In doubt, or taken off the books, and yet the broker lists it.
    if order.phase in (Phase.UNKNOWN, Phase.NOT_FOUND, Phase.RELEASED):
        return events.OrderAccepted(
            order_id=order.order_id, tiger_order_id=seen.tiger_order_id, evidence="listing"
        )
    return None


def _unclear(order: Order, seen: readings.OrderSeen) -> events.OrderOutcomeUnknown | None:
    """Return the doubt about an order that may be over or live, from which a person frees it."""
    is_told = order.phase in (Phase.UNKNOWN, Phase.RELEASED)
    if is_told and seen.filled_quantity <= order.filled_quantity:
        return None
    return doubted(order, seen.filled_quantity)


def _unapplied(
    order: Order, seen: readings.OrderSeen, context: Context
) -> events.OrderModifyNotApplied | None:
    """Return the end of a change that is waited for, of an order that is over without it.

    One that is still under way has its end in the broker's answer.
    """
    is_waited_for = order.modify in (ModifyPhase.REQUESTED, ModifyPhase.UNKNOWN)
    if not is_waited_for or _falls_short(order, seen) or not is_over(order, seen):
        return None
    return events.OrderModifyNotApplied(
        order_id=order.order_id, listings=1, first_listing_at=context.now
    )


def _next_fill(state: AccountState, order: Order, seen: readings.OrderSeen) -> Event | None:
    for execution in seen.executions:
        # Of a combination, a fill of no leg that we know is nobody's: any other leg were a guess.
        is_known = not order.spec.legs or execution.contract in order.spec.contracts
        if is_known and execution.execution_id not in state.executions:
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


def _charged(order: Order, seen: readings.OrderSeen) -> Event | None:
    if seen.charges is None or seen.charges == order.charges:
        return None
    return events.OrderChargesObserved(
        order_id=order.order_id,
        # The order's own currency may stem from a row that said none.
        charges=Money(amount=seen.charges, currency=seen.currency),
    )


def _progress(order: Order, seen: readings.OrderSeen) -> Event | None:
    phase = _told_phase(order, seen)
    if _falls_short(order, seen):
        return None
    if _is_end_unclear(order, seen):
        return _unclear(order, seen)
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
