"""Whether a previewed order may be sent now: every gate between a submit and its intent."""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from core import events, items
from core.account_state import AccountState, Preview
from core.commands import SubmitOrder
from core.context import CLOCK_SKEW_MAX_S, Context
from core.events import Event
from core.ids import derived_id
from core.modes import Environment, Mode
from core.orders import Order
from core.refusals import Refusal
from core.refusing import refused
from core.terms import OrderSpec, Side, position_key

# A larger difference is no clock; see `CLOCK_SKEW_MAX_S`, which blocks openings long before.
SKEW_COUNTED_MAX_S: Final = 3600.0
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}")


class No(NamedTuple):
    """A gate that is shut: why, in a closed word and in a sentence."""

    code: Refusal
    detail: str


def decide_submit(
    state: AccountState, item: items.CommandItem, command: SubmitOrder, context: Context
) -> Event:
    """Return the intent to send, or the refusal."""
    preview = state.preview_for(command.preview_id, item.owner)
    no = _preview_gate(state, preview, context)
    if no is None and preview is not None:
        no = shut_gate(state, preview.spec, context)
        if no is None and not preview.all_passed:
            no = No(Refusal.CHECK_FAILED, "a check of the preview failed")
        if no is None and not is_new_number(state, item.number):
            no = No(Refusal.NO_CAPACITY, "the broker gave no new order number")
    if no is not None or preview is None or state.opened is None:
        code, detail = no or No(Refusal.PREVIEW_UNKNOWN, "there is no such preview")
        return refused(item, code, detail, preview_id=command.preview_id)
    order_id = derived_id("ord", state.account, command.preview_id)
    send_by = context.now + timedelta(seconds=context.timing.send_window_s)
    return events.OrderSubmissionStarted(
        order_id=order_id,
        command_id=item.command_id,
        preview_id=command.preview_id,
        spec=preview.spec,
        reason=preview.reason,
        order_number=item.number,
        mark=f"{state.opened.ledger_id}.{order_id}",
        send_by=send_by,
        arrives_by=send_by + timedelta(seconds=arrival_s(context)),
    )


def arrival_s(context: Context) -> float:
    """Return for how long after its last moment to be sent a request may still arrive."""
    # The bound is held against the broker's clock, whichever way that differs from ours.
    skew_s = abs(context.clock_skew_s)
    if not skew_s <= SKEW_COUNTED_MAX_S:
        skew_s = SKEW_COUNTED_MAX_S
    return context.timing.deadline_s + context.timing.skew_s + skew_s


def _preview_gate(state: AccountState, preview: Preview | None, context: Context) -> No | None:
    if preview is None:
        return No(Refusal.PREVIEW_UNKNOWN, "there is no such preview, or it is long expired")
    if derived_id("ord", state.account, preview.preview_id) in state.orders:
        return No(Refusal.PREVIEW_USED, "the preview was submitted before")
    if preview.expires_at < context.now:
        return No(Refusal.PREVIEW_EXPIRED, f"the preview expired at {preview.expires_at}")
    if preview.digest != preview.spec.digest(state.account):
        return No(Refusal.CHECK_FAILED, "the stored preview does not fit its digest")
    return None


def shut_gate(
    state: AccountState, spec: OrderSpec, context: Context, *, instead_of: Order | None = None
) -> No | None:
    """Return the first gate of the account that stands against an order of these terms.

    Args:
        instead_of: the order whose terms these would become.
    """
    if state.opened is None or state.opened.mode is Mode.READ_ONLY:
        return No(Refusal.ACCOUNT_READ_ONLY, "the account is read-only")
    if state.opened.environment is Environment.LIVE:
        return No(Refusal.ACCOUNT_READ_ONLY, "live accounts wait for limits and approvals")
    if state.halts(spec.symbol):
        scope = "the account" if state.is_halted else spec.symbol
        return No(Refusal.ACCOUNT_HALTED, f"{scope} is halted")
    if state.token is not None and state.token.is_dead:
        return No(Refusal.LOGIN_EXPIRED, f"the login's token is {state.token.fact}")
    if state.is_stale:
        return No(Refusal.ACCOUNT_STALE, "the account is not yet reconciled with the broker")
    no = _objection_to_opening(state, spec, context)
    return None if no is None or is_reducing(state, spec, instead_of=instead_of) else no


def _objection_to_opening(state: AccountState, spec: OrderSpec, context: Context) -> No | None:
    if state.frozen_cause:
        return No(Refusal.ACCOUNT_FROZEN, f"openings are frozen: {state.frozen_cause}")
    if spec.symbol in state.frozen_symbols:
        return No(Refusal.ACCOUNT_FROZEN, f"openings of {spec.symbol} are frozen")
    broken = state.break_of(spec)
    if broken is not None:
        return No(
            Refusal.POSITION_BROKEN,
            f"{broken.break_id}: the broker's position of {spec.symbol} is not what the fills make",
        )
    doubtful = state.doubtful_of(spec.symbol)
    if doubtful is not None:
        return No(
            Refusal.SYMBOL_IN_DOUBT,
            f"order {doubtful.order_id} of {spec.symbol} is {doubtful.phase}",
        )
    if not abs(context.clock_skew_s) <= CLOCK_SKEW_MAX_S:
        return No(Refusal.CLOCK_SKEWED, f"clocks differ by {context.clock_skew_s:.1f} s")
    return None


def is_reducing(state: AccountState, spec: OrderSpec, *, instead_of: Order | None = None) -> bool:
    """Say whether an order brings its position nearer to zero however all open orders end.

    Every watched order on the same side counts as if it filled whole, and those on the other side
    as if they never filled. A fill recorded since the broker's last figure may be in it already: on
    the same side it is counted all the same, on the other side it is not.
    """
    if spec.legs or spec.has_children or spec.quantity == 0:
        # It moves several positions, or opens one anew once filled, or nobody knows its size.
        return False
    if state.hides_orders_of(spec.symbol):
        # How an order ends that nobody can read, nobody knows.
        return False
    key = position_key(spec.contract, spec.market)
    is_sale = spec.side is Side.SELL
    observed = state.observed.get(key) or Decimal(0)
    since = state.sold_since if is_sale else state.bought_since
    # One reading of the broker may be stale; what the fills make of earlier ones may be too much.
    expected = state.expected.get(key) or Decimal(0)
    shown = (observed if is_sale else -observed) - (since.get(key) or Decimal(0))
    held = min(shown, expected if is_sale else -expected)
    others = [
        other
        for other in state.watched_of(spec.symbol)
        if instead_of is None or other.order_id != instead_of.order_id
    ]
    legs = Counter(order.parent_order_id for order in state.orders.values())
    # Of an order that is done, what the broker made of it may not be listed yet.
    parents = (o for o in state.orders.values() if o.spec.has_children and o.filled_quantity)
    if any(_may_move_unseen(order, spec, legs) for order in (*others, *parents)):
        return False
    same_side = [
        other
        for other in others
        if other.spec.side is spec.side and other.spec.contract == spec.contract
    ]
    if any(order.spec.quantity == 0 for order in same_side):
        # Given by amount, so its size is not known.
        return False
    unsettled = sum((order.unsettled_quantity for order in same_side), start=Decimal(0))
    recorded = Decimal(0) if instead_of is None else instead_of.recorded_quantity
    return held - unsettled >= spec.quantity - recorded


def _may_move_unseen(order: Order, spec: OrderSpec, legs: Mapping[str, int]) -> bool:
    """Say whether an order may move the position of `spec` by more than its own quantity says."""
    if order.is_contract_unknown:
        return True
    if order.spec.legs:
        return spec.contract in order.spec.contracts
    parts = (order.spec.take_profit, order.spec.stop_loss, order.spec.or_stop)
    asked = sum(part is not None for part in parts)
    # What the broker makes of it counts by itself, once a listing has shown it.
    return order.spec.contract == spec.contract and legs.get(order.order_id, 0) < asked


def is_new_number(state: AccountState, number: str) -> bool:
    """Say whether an order number is one: above zero, and not seen in this ledger."""
    return _NUMBER.fullmatch(number) is not None and number not in state.numbers
