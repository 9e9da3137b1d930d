"""Fills that were told, and of which the broker shows no execution, or no trace any more."""

from collections.abc import Collection
from decimal import Decimal
from typing import Final

from core import account_events, events, readings
from core.account_state import AccountState, freeze, freeze_key
from core.context import Context
from core.events import Event
from core.orders import DOUBTFUL_PHASES, FINAL_PHASES, Order, Phase
from core.readings import SeenPhase

# Why an order is in doubt, and its symbol frozen, whose fills the broker shows no more.
FILLS_TAKEN_BACK: Final = "fills_taken_back"
# Why a symbol is frozen of which an order has fills that no execution is listed for.
FILLS_NOT_LISTED: Final = "fills_not_listed"


def decide_taken_back(
    state: AccountState, item: readings.FillsTakenBack, context: Context
) -> Event | None:
    """Return what follows where the broker goes on showing fewer fills than are recorded.

    The symbol is frozen, whatever else comes of it. Executions that the order's lists lack are
    taken back, one by one. Where the lists say nothing of what is missing, what is recorded stays:
    an order that is over at the broker is in doubt from here on, so that a person may release it;
    one that is live may fill again what was taken back. What it was told to be filled with falls
    in any case: nobody waits for those fills any more. Decided again after each event.
    """
    order = state.orders.get(item.order_id)
    is_enough = item.listings >= context.timing.absence_listings_min
    if order is None or not is_enough or not is_short(order, item.filled_quantity):
        return None
    known = [one for one in item.gone if state.executions.get(one) == order.order_id]
    gone = known if are_explained(state, order, known, item.filled_quantity) else []
    if not gone and item.filled_quantity >= order.known_filled:
        # Of a combination, one leg alone is ahead: that may be how it fills.
        return None
    if len(known) == len(item.gone):
        # Later the rest of the same finding would read as another one.
        has_unrecorded = order.recorded_quantity <= item.filled_quantity < order.filled_quantity
        told = (
            f"{order.filled_quantity:f} filled"
            if has_unrecorded
            else f"{order.recorded_quantity:f} recorded, the last by {_last(state, order)}"
        )
        # Of an execution that was busted, listed again and busted again, too.
        before = f", fills lost before: {order.losses}" if order.losses else ""
        detail = f"{order.order_id}: {told}, {item.filled_quantity:f} listed{before}"
        found = freeze(state, FILLS_TAKEN_BACK, detail, symbol=order.spec.symbol)
        if found is not None:
            return found
    if gone and item.lists >= context.timing.absence_listings_min:
        return _taken_back(state.fills[gone[0]], order, item)
    return _fallen(order, item)


def are_explained(
    state: AccountState, order: Order, lacked: Collection[str], filled: Decimal
) -> bool:
    """Say whether a row with so much filled falls short by all that an order's lists lack.

    Where they lack more, the one or the other is behind, and nobody can say which executions are
    gone.

    Args:
        lacked: executions of the order that are recorded.
    """
    missing = order.unrecorded(filled)
    for one in lacked:
        fill = state.fills[one]
        sizes = {fill.contract: Decimal(1)} if fill.contract else order.unit_sizes
        for contract, size in sizes.items():
            missing[contract] += fill.quantity * size
            if missing[contract] > 0:
                return False
    return True


def _last(state: AccountState, order: Order) -> str:
    """Return the latest execution that is recorded: of other fills it is another finding."""
    owned = (one for one, owner in state.executions.items() if owner == order.order_id)
    known = (fill for one in owned if (fill := state.fills.get(one)) is not None)
    return max(((fill.executed_at, fill.execution_id) for fill in known), default=(None, "none"))[1]


def _fallen(order: Order, item: readings.FillsTakenBack) -> Event | None:
    """Return what lowers the filled quantity that was told to the one that is listed."""
    filled, is_done = item.filled_quantity, order.phase in FINAL_PHASES
    if item.is_over and order.phase in (Phase.ACCEPTED, Phase.WORKING):
        return doubted(order, filled)
    if filled >= order.filled_quantity:
        return None
    if item.is_over:
        return (_end(order, item) if is_done else None) or doubted(order, filled)
    if is_done or order.phase in (Phase.ACCEPTED, Phase.WORKING):
        return events.OrderWorking(
            order_id=order.order_id, tiger_order_id=order.tiger_order_id, filled_quantity=filled
        )
    return None


def _end(order: Order, item: readings.FillsTakenBack) -> Event | None:
    """Return the end that the broker shows, if it is clear which."""
    # What a broker's mean was made of is not known any more.
    order_id, filled, mean = order.order_id, item.filled_quantity, None
    match item.end:
        case SeenPhase.FILLED:
            return events.OrderFilled(order_id=order_id, filled_quantity=filled, average_price=mean)
        case SeenPhase.CANCELLED:
            return events.OrderCancelled(
                order_id=order_id, filled_quantity=filled, average_price=mean
            )
        case SeenPhase.EXPIRED:
            return events.OrderExpired(
                order_id=order_id, filled_quantity=filled, average_price=mean
            )
        case SeenPhase.REJECTED:
            return events.OrderRejected(
                order_id=order_id, code=None, detail=FILLS_TAKEN_BACK, filled_quantity=filled
            )
        case _:
            return None


def doubted(order: Order, filled: Decimal) -> events.OrderOutcomeUnknown:
    """Return the doubt about an order with fills taken back that is listed with so much filled."""
    return events.OrderOutcomeUnknown(
        order_id=order.order_id,
        cause=FILLS_TAKEN_BACK,
        filled_quantity=None if filled == order.filled_quantity else filled,
    )


def is_short(order: Order, filled: Decimal) -> bool:
    """Say whether a listing with so much filled falls short of what is recorded, or was told."""
    return filled < order.filled_quantity or order.has_more_than(filled)


def _taken_back(
    fill: events.OrderFillRecorded, order: Order, item: readings.FillsTakenBack
) -> events.OrderFillTakenBack:
    return events.OrderFillTakenBack(
        order_id=order.order_id,
        execution_id=fill.execution_id,
        side=fill.side,
        symbol=fill.symbol,
        quantity=fill.quantity,
        price=fill.price,
        executed_at=fill.executed_at,
        filled_quantity=item.filled_quantity,
        listings=item.lists,
        contract=fill.contract,
    )


def decide_not_listed(
    state: AccountState, item: readings.FillsNotListed, context: Context
) -> account_events.AccountFrozen | None:
    """Return the freeze of the symbol of which fills are told and no executions come.

    Nothing is recorded in their place. From here on the position is waited for no more: what it
    differs by is a break, which a person may adopt.
    """
    order = state.orders.get(item.order_id)
    is_enough = item.listings >= context.timing.absence_listings_min
    if order is None or not is_enough or order.recorded_quantity >= order.filled_quantity:
        return None
    return freeze(state, FILLS_NOT_LISTED, _unlisted(order), symbol=order.spec.symbol)


def has_fills_to_come(state: AccountState, order: Order) -> bool:
    """Say whether the broker told of fills of an order whose executions may yet be listed.

    Not where it was told that they are not, and none was recorded since: what filled on is no
    reason to wait again. Nor of an order that is lost from sight: it may be that for ever.
    """
    is_lost = order.phase in DOUBTFUL_PHASES or order.phase is Phase.RELEASED
    if is_lost or order.recorded_quantity >= order.filled_quantity:
        return False
    if freeze(state, FILLS_NOT_LISTED, _unlisted(order), symbol=order.spec.symbol) is None:
        return False
    found = account_events.AccountFrozen(
        cause=FILLS_NOT_LISTED, detail=f"{order.order_id}: ", symbol=order.spec.symbol
    )
    begin, end = freeze_key(found), _unlisted_end(order)
    return not any(
        key.startswith(begin) and key.endswith(end) for key, _ in state.frozen_for.items()
    )


def _unlisted(order: Order) -> str:
    return f"{order.order_id}: {order.filled_quantity:f}{_unlisted_end(order)}"


def _unlisted_end(order: Order) -> str:
    return f" filled, {order.recorded_quantity:f} recorded"
