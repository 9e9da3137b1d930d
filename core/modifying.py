"""Changes of an open order: the intent, the broker's answer, and what the listings make of it.

A change follows the rule of a submission: the intent is stored, the broker is called once, the
outcome is stored. Until a listing shows the new terms both the old and the new may hold, so the
larger counts; while the outcome is unknown only a cancel passes.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Final, assert_never

import msgspec
from msgspec.structs import replace

from core import events, items, readings
from core.account_state import AccountState
from core.cancelling import is_from_elsewhere
from core.claims import claim_of
from core.commands import ModifyOrder, TermsSeen
from core.context import Context
from core.errors import CommandError
from core.events import Event
from core.money import is_multiple, parse_positive
from core.orders import PENDING_MODIFIES, CancelPhase, ModifyPhase, Order, Phase
from core.previewing import lot_of, tick_at
from core.price_sense import exit_checks, price_checks
from core.refusals import Refusal
from core.refusing import refused, refused_by_key
from core.submitting import No, arrival_s, shut_gate
from core.terms import OrderSpec

_CANCELS_UNDER_WAY: Final = frozenset(
    {CancelPhase.WANTED, CancelPhase.STARTED, CancelPhase.REQUESTED, CancelPhase.UNKNOWN}
)


def must_wait(state: AccountState, command: ModifyOrder) -> bool:
    """Say whether a change waits: its order, or another opening one of its symbol, is in the air.

    A change that the broker took is waited for until a listing shows it.
    """
    order = state.orders.get(command.order_id)
    if order is None or not order.is_open:
        return False
    is_changing = order.modify in (ModifyPhase.STARTED, ModifyPhase.REQUESTED)
    return is_changing or any(
        other.phase is Phase.SUBMITTING or other.modify is ModifyPhase.STARTED
        for other in state.open_of(order.spec.symbol)
    )


def objection_to(state: AccountState, command: ModifyOrder) -> No | None:
    """Return why an order cannot be changed at all, whatever the new terms are."""
    order = state.orders.get(command.order_id)
    if order is None:
        return No(Refusal.ORDER_UNKNOWN, f"there is no order {command.order_id[:40]}")
    if order.owner_order_id:
        detail = f"order {order.order_id} is {order.owner_order_id}; change it by that id"
        return No(Refusal.ORDER_UNKNOWN, detail)
    if not is_from_elsewhere(state, order) and order.is_external:
        detail = f"order {order.order_id} hangs on {order.parent_order_id}, which was placed here"
        return No(Refusal.ORDER_ATTACHED, detail)
    if order.is_external:
        return No(Refusal.ORDER_NOT_OURS, f"order {order.order_id} was not placed here")
    if not order.is_open:
        return No(Refusal.ORDER_NOT_OPEN, f"order {order.order_id} is {order.phase}")
    if order.is_doubtful:
        what = "its last change" if order.modify is ModifyPhase.UNKNOWN else "it"
        return No(Refusal.ORDER_IN_DOUBT, f"order {order.order_id}: nobody knows of {what} yet")
    if order.cancel in _CANCELS_UNDER_WAY:
        return No(Refusal.CANCEL_UNDER_WAY, f"a cancel of {order.order_id} is {order.cancel}")
    return None


def decide_modify(
    state: AccountState, prepared: items.ModifyPrepared, context: Context
) -> Event | None:
    """Return the intent to change an order, or the refusal."""
    item = prepared.item
    command = item.command
    if item.command_id in state.handled or not isinstance(command, ModifyOrder):
        return None
    if (by_key := refused_by_key(state, item)) is not None:
        return by_key
    if item.expires_at < context.now:
        return refused(item, Refusal.COMMAND_EXPIRED, "the broker's answers came too late")
    no = objection_to(state, command)
    order = state.orders.get(command.order_id)
    if no is not None or order is None:
        code, detail = no or No(Refusal.ORDER_UNKNOWN, "there is no such order")
        return refused(item, code, detail, order_id=command.order_id[:64] if order else "")
    if prepared.failed:
        detail = f"the broker did not answer {prepared.failed}"
        return refused(item, Refusal.BROKER_UNAVAILABLE, detail, order_id=order.order_id)
    if (outdated := _outdated(order, command)) is not None:
        return refused(item, Refusal.TERMS_CHANGED, outdated, order_id=order.order_id)
    try:
        spec = patched(order, command, prepared.contract)
    except (CommandError, ValueError) as error:
        return refused(item, Refusal.INVALID_TERMS, str(error), order_id=order.order_id)
    if (senseless := _senseless(spec, command, prepared.quote, context)) is not None:
        return refused(item, Refusal.INVALID_TERMS, senseless, order_id=order.order_id)
    larger = replace(spec, quantity=max(spec.quantity, order.spec.quantity))
    no = shut_gate(state, larger, context, instead_of=order)
    if no is not None:
        return refused(item, no.code, no.detail, order_id=order.order_id)
    send_by = context.now + timedelta(seconds=context.timing.send_window_s)
    return events.OrderModifyStarted(
        order_id=order.order_id,
        command_id=item.command_id,
        tiger_order_id=order.tiger_order_id,
        spec=spec,
        reason=command.reason,
        send_by=send_by,
        arrives_by=send_by + timedelta(seconds=arrival_s(context)),
        claim=claim_of(command) or msgspec.UNSET,
    )


def patched(order: Order, command: ModifyOrder, contract: items.ContractFacts | None) -> OrderSpec:
    """Return the order's present terms with the patch laid over them.

    Raises:
        CommandError: naming the field that does not fit.
    """
    if contract is None:
        raise CommandError(f"Tiger knows no {order.spec.contract}", field="order_id")
    spec = order.spec
    for name in ("limit_price", "stop_price", "trailing_amount", "trailing_percent"):
        asked: str | None = getattr(command, name)
        if asked is None:
            continue
        if getattr(spec, name) is None:
            raise CommandError(f"expected {name} for an order that has one alone", field=name)
        price = parse_positive(asked, field=name)
        if name in ("limit_price", "stop_price") and not spec.legs:
            _check_step(price, tick_at(price, contract), field=name)
        spec = replace(spec, **{name: price})
    if command.quantity is not None:
        if spec.cash_amount is not None:
            raise CommandError("expected no quantity for an order by amount", field="quantity")
        quantity = parse_positive(command.quantity, field="quantity")
        _check_step(quantity, lot_of(spec, contract), field="quantity")
        filled = order.known_filled
        if quantity <= filled:
            raise CommandError(
                f"expected quantity above the {filled} that are filled, was {quantity}; "
                "to keep only those, cancel the order",
                field="quantity",
            )
        spec = replace(spec, quantity=quantity)
    if spec == order.spec:
        raise CommandError("expected terms other than the order has now", field="order_id")
    return spec


def decide_modify_answered(state: AccountState, item: items.ModifyAnswered) -> Event | None:
    """Return what the end of a request to change means for its order."""
    order = state.orders.get(item.order_id)
    if order is None or order.modify not in (ModifyPhase.STARTED, ModifyPhase.UNKNOWN):
        return None
    match item.outcome:
        case items.Outcome.DONE:
            return events.OrderModifyRequested(order_id=item.order_id)
        case items.Outcome.REFUSED:
            return events.OrderModifyRefused(
                order_id=item.order_id, code=item.code, detail=item.detail
            )
        case items.Outcome.NOT_SENT:
            return events.OrderModifyNotSent(order_id=item.order_id, cause=item.detail)
        case items.Outcome.UNKNOWN:
            if order.modify is ModifyPhase.UNKNOWN:
                return None
            return events.OrderModifyUnknown(order_id=item.order_id, cause=item.detail)
        case _:
            assert_never(item.outcome)


def decide_not_shown(
    state: AccountState, item: readings.ModifyNotShown, context: Context
) -> Event | None:
    """Return that a change was not applied, where the evidence is enough."""
    order = state.orders.get(item.order_id)
    if order is None or order.modify not in PENDING_MODIFIES or order.modify_arrives_by is None:
        return None
    is_enough = item.listings >= context.timing.absence_listings_min
    if not is_enough or item.first_listing_at <= order.modify_arrives_by:
        return None
    return events.OrderModifyNotApplied(
        order_id=item.order_id, listings=item.listings, first_listing_at=item.first_listing_at
    )


def _senseless(
    spec: OrderSpec, command: ModifyOrder, quote: items.QuoteFacts | None, context: Context
) -> str | None:
    """Return why prices that are asked for would trade at once; others are as they were."""
    if command.stop_price is None and command.limit_price is None:
        return None
    # A stop that stays may be triggered by now: then its limit alone is what works.
    judge = exit_checks if command.stop_price is None else price_checks
    checks = judge(spec, quote, now=context.now)
    return next((check.detail for check in checks if not check.passed), None)


def _outdated(order: Order, command: ModifyOrder) -> str | None:
    """Return what of an order is no longer as it was when the change of it was agreed to."""
    if command.seen is None:
        return None
    differing = command.seen.differing(TermsSeen.of(order.spec))
    return f"of order {order.order_id} {'; '.join(differing)}" if differing else None


def _check_step(value: Decimal, step: Decimal | None, *, field: str) -> None:
    if step is not None and not is_multiple(value, step):
        raise CommandError(f"expected {field} in steps of {step}, was {value}", field=field)
