"""Fills that were told, and of which the broker shows no execution, or no trace any more."""

from decimal import Decimal
from typing import Final

from core import events, items
from core.account_state import AccountState, freeze_key
from core.context import Context
from core.events import Event
from core.orders import FINAL_PHASES, Order, Phase

# Why an order is in doubt, and its symbol frozen, whose fills the broker shows no more.
FILLS_TAKEN_BACK: Final = "fills_taken_back"
# Why a symbol is frozen of which an order has fills that no execution is listed for.
FILLS_NOT_LISTED: Final = "fills_not_listed"


def decide_taken_back(
    state: AccountState, item: items.FillsTakenBack, context: Context
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
    gone = [one for one in item.gone if state.executions.get(one) == order.order_id]
    told = max(order.recorded_quantity, order.filled_quantity)
    if not gone and item.filled_quantity >= told:
        # Of a combination, one leg alone is ahead: that may be how it fills.
        return None
    if len(gone) == len(item.gone):
        # Later the rest of the same finding would read as another one.
        has_unrecorded = order.recorded_quantity <= item.filled_quantity < order.filled_quantity
        known = (
            f"{order.filled_quantity:f} filled"
            if has_unrecorded
            else f"{order.recorded_quantity:f} recorded, the last by {_last(state, order)}"
        )
        detail = f"{order.order_id}: {known}, {item.filled_quantity:f} listed"
        found = freeze(state, FILLS_TAKEN_BACK, detail, symbol=order.spec.symbol)
        if found is not None:
            return found
    if gone and item.lists >= context.timing.absence_listings_min:
        return _taken_back(state.fills[gone[0]], order, item)
    return _fallen(order, item)


def _last(state: AccountState, order: Order) -> str:
    """Return the latest execution that is recorded: of other fills it is another finding."""
    owned = (one for one, owner in state.executions.items() if owner == order.order_id)
    known = (fill for one in owned if (fill := state.fills.get(one)) is not None)
    return max(((fill.executed_at, fill.execution_id) for fill in known), default=(None, "none"))[1]


def _fallen(order: Order, item: items.FillsTakenBack) -> Event | None:
    """Return what lowers the filled quantity that was told to the one that is listed."""
    filled, is_done = item.filled_quantity, order.phase in FINAL_PHASES
    if item.is_over and order.phase in (Phase.ACCEPTED, Phase.WORKING):
        return doubted(order, filled)
    if filled >= order.filled_quantity:
        return None
    if item.is_over:
        return _same_end(order, filled) if is_done else doubted(order, filled)
    if is_done or order.phase in (Phase.ACCEPTED, Phase.WORKING):
        return events.OrderWorking(
            order_id=order.order_id, tiger_order_id=order.tiger_order_id, filled_quantity=filled
        )
    return None


def _same_end(order: Order, filled: Decimal) -> Event | None:
    # What a broker's mean was made of is not known any more.
    order_id, mean = order.order_id, None
    match order.phase:
        case Phase.FILLED:
            return events.OrderFilled(order_id=order_id, filled_quantity=filled, average_price=mean)
        case Phase.CANCELLED:
            return events.OrderCancelled(
                order_id=order_id, filled_quantity=filled, average_price=mean
            )
        case Phase.EXPIRED:
            return events.OrderExpired(
                order_id=order_id, filled_quantity=filled, average_price=mean
            )
        case Phase.REJECTED:
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
    fill: events.OrderFillRecorded, order: Order, item: items.FillsTakenBack
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
    state: AccountState, item: items.FillsNotListed, context: Context
) -> events.AccountFrozen | None:
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
    """Say whether the broker told of fills of an order whose executions may yet be listed."""
    if order.recorded_quantity >= order.filled_quantity:
        return False
    return freeze(state, FILLS_NOT_LISTED, _unlisted(order), symbol=order.spec.symbol) is not None


def _unlisted(order: Order) -> str:
    filled, recorded = order.filled_quantity, order.recorded_quantity
    return f"{order.order_id}: {filled:f} filled, {recorded:f} recorded"


def freeze(
    state: AccountState, cause: str, detail: str, *, symbol: str = ""
) -> events.AccountFrozen | None:
    """Return the freeze by this finding, of one symbol or of the account; once for each."""
    found = events.AccountFrozen(cause=cause, detail=detail, symbol=symbol)
    return None if freeze_key(found) in state.frozen_for else found
