"""What follows from what the broker's listings show.

One sighting may call for several events (the order is there, it has fills, it is done); it is
decided again after each, until nothing follows.
"""

from decimal import Decimal
from typing import assert_never

from core import events, items
from core.account_state import AccountState
from core.events import Event
from core.ids import derived_id
from core.items import SeenPhase
from core.orders import FINAL_PHASES, Order, Phase


def decide_seen(state: AccountState, seen: items.OrderSeen) -> Event | None:
    """Return the next event that a sighting of one order calls for."""
    order_id = state.by_tiger_id.get(seen.tiger_order_id)
    if order_id is None:
        return _first_sighting(state, seen)
    order = state.orders[order_id]
    if seen.phase is SeenPhase.UNREADABLE:
        return _freeze(
            state, "status_word_unknown", f"{seen.symbol}: {seen.status_word[:40]} {order_id}"
        )
    for execution in seen.executions:
        if execution.execution_id not in order.executions:
            return events.OrderFillRecorded(
                order_id=order_id,
                execution_id=execution.execution_id,
                side=seen.side,
                symbol=seen.symbol,
                quantity=execution.quantity,
                price=execution.price,
                executed_at=execution.executed_at,
            )
    # A listing may be older than what is recorded; what the broker once showed as done stays so.
    if order.phase in FINAL_PHASES:
        return None
    return _progress(order, seen)


def _first_sighting(state: AccountState, seen: items.OrderSeen) -> Event | None:
    order_id = state.by_mark.get(seen.mark) if seen.mark else None
    if order_id is not None:
        order = state.orders[order_id]
        if order.tiger_order_id:
            return _freeze(state, "order_doubled", f"{order_id} and {seen.tiger_order_id}")
        if not _is_same(order, seen):
            return _freeze(state, "mark_mismatch", f"{order_id} and {seen.tiger_order_id}")
        return events.OrderAccepted(
            order_id=order_id, tiger_order_id=seen.tiger_order_id, evidence="listing"
        )
    opened = state.opened
    if opened is not None and seen.mark.startswith(f"{opened.ledger_id}."):
        return _freeze(state, "mark_not_in_ledger", seen.tiger_order_id)
    return events.OrderExternalObserved(
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
    )


def _is_same(order: Order, seen: items.OrderSeen) -> bool:
    return (seen.order_number, seen.symbol, seen.side, seen.quantity) == (
        order.order_number,
        order.spec.symbol,
        order.spec.side,
        order.spec.quantity,
    )


def _freeze(state: AccountState, cause: str, detail: str) -> Event | None:
    if state.frozen_cause:
        return None
    return events.AccountFrozen(cause=cause, detail=detail)


def _progress(order: Order, seen: items.OrderSeen) -> Event | None:
    match seen.phase:
        case SeenPhase.LIVE:
            if order.phase is Phase.WORKING and seen.filled_quantity <= order.filled_quantity:
                return None
            return events.OrderWorking(
                order_id=order.order_id,
                tiger_order_id=seen.tiger_order_id,
                filled_quantity=seen.filled_quantity,
            )
        case SeenPhase.FILLED:
            return events.OrderFilled(
                order_id=order.order_id,
                filled_quantity=seen.filled_quantity,
                average_price=seen.average_price,
            )
        case SeenPhase.CANCELLED:
            return events.OrderCancelled(
                order_id=order.order_id,
                filled_quantity=seen.filled_quantity,
                average_price=seen.average_price,
            )
        case SeenPhase.EXPIRED:
            return events.OrderExpired(
                order_id=order.order_id,
                filled_quantity=seen.filled_quantity,
                average_price=seen.average_price,
            )
        case SeenPhase.REJECTED:
            return events.OrderRejected(
                order_id=order.order_id,
                code=None,
                detail=seen.remark,
                filled_quantity=seen.filled_quantity,
            )
        case SeenPhase.UNREADABLE:
            return None
        case _:
            assert_never(seen.phase)


def decide_positions(state: AccountState, seen: items.PositionsSeen) -> Event | None:
    """Return the new complete list, if it says anything else than what is known."""
    figures = tuple(sorted(seen.positions, key=lambda figure: figure.symbol))
    held = {figure.symbol: figure.quantity for figure in figures}
    known = state.position_figures
    if known is not None:
        unchanged = [(f.symbol, f.quantity, f.average_cost) for f in figures] == [
            (f.symbol, f.quantity, f.average_cost) for f in known
        ]
        folded = all(
            (state.positions.get(symbol) or Decimal(0)) == held.get(symbol, Decimal(0))
            for symbol in {*held, *(figure.symbol for figure in known)}
        )
        if unchanged and folded:
            return None
    return events.AccountPositionsObserved(positions=figures, observed_at=seen.observed_at)


def decide_balances(state: AccountState, seen: items.BalancesSeen) -> Event | None:
    """Return the new figures, if cash of any currency changed; values move with every quote."""
    cash = tuple(sorted(seen.cash, key=lambda figure: figure.currency))
    if state.balances is not None and state.balances.cash == cash:
        return None
    return events.AccountBalancesObserved(
        currency=seen.currency,
        net_liquidation=seen.net_liquidation,
        buying_power=seen.buying_power,
        initial_margin=seen.initial_margin,
        maintenance_margin=seen.maintenance_margin,
        cash=cash,
        observed_at=seen.observed_at,
    )
