"""What becomes of one order by one event: the part of the fold that knows no other order."""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from core import events, parent_events
from core.orders import FINAL_PHASES, CancelPhase, ModifyPhase, Order, Phase
from core.terms import OrderSpec, OrderType, TermsError

CancelEvent = (
    events.OrderCancelStarted
    | events.OrderCancelWanted
    | events.OrderCancelRequested
    | events.OrderCancelRefused
    | events.OrderCancelUnknown
)
ModifyEvent = (
    events.OrderModifyStarted
    | events.OrderModifyRequested
    | events.OrderModifyRefused
    | events.OrderModifyNotSent
    | events.OrderModifyUnknown
    | events.OrderModifyNotApplied
    | events.OrderReplaced
)

# What tells how much of an order is filled, by the broker's own figure.
_TOLD: Final = (
    events.OrderWorking,
    events.OrderFilled,
    events.OrderCancelled,
    events.OrderExpired,
    events.OrderRejected,
    events.OrderOutcomeUnknown,
)

# Outcomes by their stored names; see `core.items.Outcome`.
_CANCEL_BY_OUTCOME: Final = {
    "done": CancelPhase.REQUESTED,
    "refused": CancelPhase.REFUSED,
    "not_sent": CancelPhase.REFUSED,
}


def order_after(order: Order, event: events.OrderEvent, *, is_tiger_id_new: bool = True) -> Order:
    """Return the order as it is after one more event of its own.

    Args:
        is_tiger_id_new: no other order of the account has the broker's id that the event brings.
    """
    changed = _after(order, event, is_tiger_id_new=is_tiger_id_new)
    # What is recorded beyond it counts once it is taken back.
    is_fallen = changed.recorded_quantity <= changed.filled_quantity < order.filled_quantity
    if is_fallen and isinstance(event, _TOLD):
        changed = replace(changed, losses=changed.losses + 1)
    is_answered = changed.modify is not ModifyPhase.STARTED
    if changed.wanted is not None and changed.phase in FINAL_PHASES and is_answered:
        # An order that is done can no more be changed, whatever became of the request; but what the
        # broker says to one that is under way is still to be recorded.
        return replace(changed, wanted=None, modify=ModifyPhase.NOT_APPLIED)
    return changed


def _after(order: Order, event: events.OrderEvent, *, is_tiger_id_new: bool) -> Order:
    match event:
        case events.OrderAccepted():
            accepted = replace(order, phase=Phase.ACCEPTED, tiger_order_id=event.tiger_order_id)
            return _taken_over(accepted, event) if event.moved_from else accepted
        case events.OrderWasOurs():
            return _emptied(order, event.owner_order_id)
        case parent_events.OrderParentObserved():
            return replace(order, parent_order_id=event.parent_order_id)
        case events.OrderAnswerObserved():
            is_new = bool(event.tiger_order_id) and is_tiger_id_new
            if is_new and not order.tiger_order_id:
                return replace(order, phase=Phase.ACCEPTED, tiger_order_id=event.tiger_order_id)
            return order
        case events.OrderTermsObserved():
            return replace(order, spec=terms_after(order.spec, event))
        case events.OrderNotSent():
            return replace(order, phase=Phase.NOT_SENT)
        case events.OrderOutcomeUnknown():
            filled = event.filled_quantity
            filled = order.filled_quantity if filled is None else filled
            return replace(order, phase=Phase.UNKNOWN, filled_quantity=filled)
        case events.OrderNotFound():
            return replace(order, phase=Phase.NOT_FOUND)
        case events.OrderReleased():
            return replace(order, phase=Phase.RELEASED)
        case events.OrderWorking():
            return replace(order, phase=Phase.WORKING, filled_quantity=event.filled_quantity)
        case events.OrderFilled():
            return _done(order, Phase.FILLED, event)
        case events.OrderCancelled():
            return _done(order, Phase.CANCELLED, event)
        case events.OrderExpired():
            return _done(order, Phase.EXPIRED, event)
        case events.OrderRejected():
            return replace(order, phase=Phase.REJECTED, filled_quantity=event.filled_quantity)
        case events.OrderFillRecorded():
            return _recorded(order, event.contract, event.quantity)
        case events.OrderFillTakenBack():
            less = _recorded(order, event.contract, -event.quantity)
            # What a broker's mean was made of is not known any more.
            filled, losses = event.filled_quantity, order.losses + 1
            return replace(less, filled_quantity=filled, average_price=None, losses=losses)
        case events.OrderCancelImported():
            if order.cancel is CancelPhase.STARTED:
                # The desk's own request is under way, and its answer is still to come.
                return order
            return replace(order, cancel=_CANCEL_BY_OUTCOME.get(event.outcome, CancelPhase.UNKNOWN))
        case events.OrderChargesObserved():
            return replace(order, charges=event.charges.amount)
        case (
            events.OrderCancelStarted()
            | events.OrderCancelWanted()
            | events.OrderCancelRequested()
            | events.OrderCancelRefused()
            | events.OrderCancelUnknown()
        ):
            return _cancel(order, event)
        case events.OrderSubmissionStarted() | events.OrderExternalObserved():
            raise AssertionError(f"{type(event).__name__} begins an order")
        case _:
            return _modify(order, event)


def _taken_over(order: Order, event: events.OrderAccepted) -> Order:
    return replace(
        order,
        filled_quantity=event.filled_quantity,
        recorded_quantity=event.recorded_quantity,
        recorded_legs=event.recorded_legs,
        charges=event.charges,
    )


def _emptied(order: Order, owner_order_id: str) -> Order:
    # There never was such an order beside the one that it is.
    return replace(
        order,
        phase=Phase.NOT_SENT,
        tiger_order_id="",
        owner_order_id=owner_order_id,
        filled_quantity=Decimal(0),
        average_price=None,
        recorded_quantity=Decimal(0),
        recorded_legs=(),
        charges=Decimal(0),
    )


def _done(
    order: Order,
    phase: Phase,
    event: events.OrderFilled | events.OrderCancelled | events.OrderExpired,
) -> Order:
    return replace(
        order,
        phase=phase,
        filled_quantity=event.filled_quantity,
        average_price=event.average_price,
    )


def terms_after(spec: OrderSpec, event: events.OrderTermsObserved) -> OrderSpec:
    """Return the terms with those of a listing laid over them, as far as they fit together.

    Prices that do not fit the type leave the size, which is what a worst case needs; of an order
    by amount not even that is new.
    """
    order_type = spec.order_type
    if order_type in (OrderType.LIMIT, OrderType.MARKET):
        order_type = OrderType.MARKET if event.limit_price is None else OrderType.LIMIT
    quantity = spec.quantity if spec.cash_amount is not None else event.quantity
    try:
        return replace(
            spec,
            quantity=quantity,
            order_type=order_type,
            limit_price=event.limit_price,
            stop_price=event.stop_price,
            trailing_amount=event.trailing_amount,
            trailing_percent=event.trailing_percent,
        )
    except TermsError:
        return replace(spec, quantity=quantity)


def _recorded(order: Order, contract: str, quantity: Decimal) -> Order:
    if not contract or not order.spec.legs:
        return replace(order, recorded_quantity=order.recorded_quantity + quantity)
    by_contract = dict(order.recorded_legs)
    by_contract[contract] = by_contract.get(contract, Decimal(0)) + quantity
    # A unit is recorded once all its legs are: until then there are executions to come.
    units = min(
        by_contract.get(each, Decimal(0)) / ratio for each, ratio in order.unit_sizes.items()
    )
    recorded_legs = tuple(sorted(by_contract.items()))
    return replace(order, recorded_quantity=units, recorded_legs=recorded_legs)


def _cancel(order: Order, event: CancelEvent) -> Order:
    match event:
        case events.OrderCancelStarted():
            phase = CancelPhase.STARTED
        case events.OrderCancelWanted():
            phase = CancelPhase.WANTED
        case events.OrderCancelRequested():
            phase = CancelPhase.REQUESTED
        case events.OrderCancelRefused():
            phase = CancelPhase.REFUSED
        case events.OrderCancelUnknown():
            phase = CancelPhase.UNKNOWN
    command_id = order.cancel_command
    if isinstance(event, events.OrderCancelStarted | events.OrderCancelWanted):
        # The last one alone: an order may be asked away all weekend.
        command_id = event.command_id
    return replace(order, cancel=phase, cancel_command=command_id)


def _modify(order: Order, event: ModifyEvent) -> Order:
    match event:
        case events.OrderModifyStarted():
            return replace(
                order,
                modify=ModifyPhase.STARTED,
                wanted=event.spec,
                modify_arrives_by=event.arrives_by,
                modify_command=event.command_id,
            )
        case events.OrderModifyRequested():
            return replace(order, modify=ModifyPhase.REQUESTED)
        case events.OrderModifyUnknown():
            return replace(order, modify=ModifyPhase.UNKNOWN)
        case events.OrderModifyRefused():
            return replace(order, modify=ModifyPhase.REFUSED, wanted=None)
        case events.OrderModifyNotSent():
            return replace(order, modify=ModifyPhase.NOT_SENT, wanted=None)
        case events.OrderModifyNotApplied():
            return replace(order, modify=ModifyPhase.NOT_APPLIED, wanted=None)
        case events.OrderReplaced():
            return replace(order, modify=ModifyPhase.REPLACED, spec=event.spec, wanted=None)
