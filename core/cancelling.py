"""Cancels: of one order, of all that fit a filter, and what the broker answered."""

from typing import Final, assert_never

from core import events, items
from core.account_state import AccountState
from core.commands import CancelOrder, CancelOrders
from core.events import Event
from core.ids import derived_id
from core.orders import CancelPhase, Order, Phase
from core.refusals import Refusal
from core.refusing import refused

_UNREAD: Final = "unread:"
# Where a request to cancel came to nothing, as far as anybody knows.
_TO_NOTHING: Final = frozenset({CancelPhase.REFUSED, CancelPhase.UNKNOWN})


def decide_cancel(state: AccountState, item: items.CommandItem, command: CancelOrder) -> Event:
    """Return the intent to cancel one order, the wish to where it is in doubt, or the refusal."""
    order = state.orders.get(command.order_id)
    if order is None:
        return refused(item, Refusal.ORDER_UNKNOWN, f"there is no order {command.order_id[:40]}")
    wish = _wish(order, item.command_id)
    if wish is None:
        return refused(
            item,
            Refusal.ORDER_NOT_OPEN,
            f"order {order.order_id} is {order.phase}",
            order_id=order.order_id,
        )
    return wish


def decide_cancel_many(
    state: AccountState, item: items.CommandItem, command: CancelOrders
) -> Event:
    """Return the wish for the next order that fits, and once all are asked the event that says so.

    Decided again after each event; a crash in between leaves the command to be taken again, and
    orders that were asked before are not asked twice, unless nothing came of it.
    """
    fitting = [order for order in _open_orders(state) if _fits(order, command)]
    for order in fitting:
        command_id = derived_id("cmd", state.account, item.command_id, order.order_id)
        if _is_asked(order) or (command_id in state.handled and order.cancel not in _TO_NOTHING):
            continue
        wish = _wish(order, command_id)
        if wish is not None:
            return wish
    if not fitting:
        return refused(item, Refusal.ORDER_NOT_OPEN, "no open order of the account fits")
    return events.AccountCancelsAsked(
        command_id=item.command_id,
        symbol=command.symbol,
        side=command.side,
        order_ids=tuple(order.order_id for order in fitting),
    )


def must_not_rest(state: AccountState, order: Order) -> bool:
    """Say whether this worker has to ask for a cancel of an open order by itself.

    A halt's orders, also those whose cancel the broker took and which are open all the same, and
    one wished away while it was in doubt. Once readings have verified a halt, an order from
    elsewhere, and what the broker makes of it, is a person's own deed: closing a position by hand,
    or guarding it by a stop, is not undone.
    """
    if order.cancel is CancelPhase.STARTED:
        return False
    if order.cancel is CancelPhase.WANTED:
        return order.phase is not Phase.RELEASED and bool(order.tiger_order_id)
    symbol = order.spec.symbol
    if is_from_elsewhere(state, order):
        scopes = {""} if state.is_halted else set()
        scopes |= {symbol} & state.halted_symbols
        return any(scope in state.unverified_halts for scope in scopes)
    return state.halts(symbol)


def is_halt_carried(state: AccountState) -> bool:
    """Say whether the account is halted, and nothing is left to cancel but a person's own deeds.

    That a cancel was asked, or even taken, is not enough: nobody may be there to ask again.
    """
    is_verified = state.is_halted and "" not in state.unverified_halts
    return is_verified and all(is_from_elsewhere(state, order) for order in _open_orders(state))


def is_from_elsewhere(state: AccountState, order: Order) -> bool:
    """Say whether an order was not given here; what the broker made of one is its giver's."""
    # Of a parent that was never seen nobody knows; each is on the books before what it led to.
    parent = state.orders.get(order.parent_order_id)
    return order.is_external if parent is None else is_from_elsewhere(state, parent)


def is_ours(state: AccountState, tiger_order_id: str) -> bool:
    """Say whether the broker's id is that of an order given here, or of what was made of one."""
    order = state.orders.get(state.by_tiger_id.get(tiger_order_id) or "")
    return order is not None and not is_from_elsewhere(state, order)


def must_cancel_unread(state: AccountState, tiger_order_id: str, symbol: str) -> bool:
    """Say whether a halt wants an open order cancelled that is on no book because of its row.

    Once readings have verified the halt, it is a person's own deed, as any order from elsewhere.
    """
    if not tiger_order_id or tiger_order_id in state.by_tiger_id:
        return False
    scopes = {""} if state.is_halted else set()
    scopes |= {symbol} & state.halted_symbols
    return any(scope in state.unverified_halts for scope in scopes)


def decide_cancel_unread(state: AccountState, item: items.UnreadOrderOpen) -> Event | None:
    """Return the intention to have an order cancelled whose id alone can be read."""
    if not must_cancel_unread(state, item.tiger_order_id, item.symbol):
        return None
    return events.AccountCancelsAsked(
        command_id=derived_id("cmd", state.account, "unread order", item.tiger_order_id),
        symbol=item.symbol or None,
        side=None,
        order_ids=(),
        unread=item.tiger_order_id,
    )


def unread_key(tiger_order_id: str) -> str:
    """Return what such an order is called in place of an id of ours."""
    return f"{_UNREAD}{tiger_order_id}"


def decide_cancel_answered(state: AccountState, item: items.CancelAnswered) -> Event | None:
    """Return what the end of a request to cancel means for its order."""
    if item.order_id.startswith(_UNREAD):
        tiger_order_id = item.order_id.removeprefix(_UNREAD)
        return events.AccountCancelsAsked(
            command_id=derived_id("cmd", state.account, "unread order", tiger_order_id),
            symbol=None,
            side=None,
            order_ids=(),
            unread=tiger_order_id,
            outcome=str(item.outcome),
            detail=item.detail,
        )
    order = state.orders.get(item.order_id)
    if order is None or order.cancel is not CancelPhase.STARTED:
        return None
    match item.outcome:
        case items.Outcome.DONE:
            return events.OrderCancelRequested(order_id=item.order_id)
        case items.Outcome.REFUSED | items.Outcome.NOT_SENT:
            return events.OrderCancelRefused(
                order_id=item.order_id, code=item.code, detail=item.detail
            )
        case items.Outcome.UNKNOWN:
            return events.OrderCancelUnknown(order_id=item.order_id, cause=item.detail)
        case _:
            assert_never(item.outcome)


def _wish(order: Order, command_id: str) -> Event | None:
    match order.phase:
        case Phase.ACCEPTED | Phase.WORKING | Phase.UNKNOWN | Phase.NOT_FOUND if (
            order.tiger_order_id
        ):
            # The broker's id is all that a cancel needs, whatever else is in doubt.
            return events.OrderCancelStarted(
                order_id=order.order_id,
                command_id=command_id,
                tiger_order_id=order.tiger_order_id,
            )
        case (
            Phase.SUBMITTING
            | Phase.ACCEPTED
            | Phase.WORKING
            | Phase.UNKNOWN
            | Phase.NOT_FOUND
            | Phase.RELEASED
        ):
            return events.OrderCancelWanted(order_id=order.order_id, command_id=command_id)
        case Phase.FILLED | Phase.CANCELLED | Phase.EXPIRED | Phase.REJECTED | Phase.NOT_SENT:
            return None
        case _:
            assert_never(order.phase)


def _open_orders(state: AccountState) -> list[Order]:
    found = (state.orders[order_id] for order_id in state.open_orders)
    return sorted(found, key=lambda order: (order.started_at, order.order_id))


def _fits(order: Order, command: CancelOrders) -> bool:
    return command.symbol in (None, order.spec.symbol) and command.side in (None, order.spec.side)


def _is_asked(order: Order) -> bool:
    # One that the broker took, and that is open all the same, is asked again.
    return order.cancel is CancelPhase.STARTED
