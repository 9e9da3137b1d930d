"""Deliberate mistakes at the gates, in what is sent, and in what a halt does; see `mutants`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final
from unittest.mock import patch

from msgspec.structs import replace

import adapters.tiger_worker.desk
import adapters.tiger_worker.own_cancels
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.desk_thread import DeskThread
from adapters.tiger_worker.file_halt import FileHalt
from adapters.tiger_worker.guard import SendGuard
from adapters.tiger_worker.own_cancels import OwnCancels
from adapters.tiger_worker.parts import Intent, ModifyIntent, Work
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.windows import Windows
from core import account_events, cancelling, events, items, modifying, readings, submitting
from core.account_state import AccountState
from core.cancelling import must_cancel_unread, must_not_rest
from core.commands import CancelOrders, ReleaseOrder, ResumeAccount, SubmitOrder
from core.context import Context
from core.orders import CancelPhase, Order, Phase
from core.submitting import is_reducing
from core.terms import OrderSpec, Side
from tests.simulation.mutants_of_decisions import Decide, Mutant, both, decides

FOR_EVER: Final = 2100


def send_twice_the_size() -> AbstractContextManager[Any]:
    """An order is intended for twice what its preview showed."""
    return _intends_other(lambda spec: replace(spec, quantity=spec.quantity * 2))


def flip_the_side() -> AbstractContextManager[Any]:
    """An order is intended for the other side than its preview showed."""

    def flipped(spec: OrderSpec) -> OrderSpec:
        return replace(spec, side=Side.SELL if spec.side is Side.BUY else Side.BUY)

    return _intends_other(flipped)


def send_another_price() -> AbstractContextManager[Any]:
    """What is sent has another limit than was intended."""
    prepare = AccountBroker.prepare

    def worse(self: AccountBroker, spec: OrderSpec, **more: Any) -> Any:
        if spec.limit_price is not None:
            spec = replace(spec, limit_price=spec.limit_price + 1)
        return prepare(self, spec, **more)

    return patch.object(AccountBroker, "prepare", worse)


def modify_past_halt_and_time() -> AbstractContextManager[Any]:
    """The last checks before a send are not made for changes."""
    objection = SendGuard.objection

    def lenient(self: SendGuard, intent: Intent | ModifyIntent) -> str | None:
        return None if isinstance(intent, ModifyIntent) else objection(self, intent)

    return patch.object(SendGuard, "objection", lenient)


def modify_through_every_gate() -> AbstractContextManager[Any]:
    """A change is held to no gate of the account: not halted, stale, frozen, nor in doubt."""
    return patch.object(modifying, "shut_gate", lambda *_, **__: None)


def no_gate_of_breaks() -> AbstractContextManager[Any]:
    """A position that fills do not explain closes nothing."""
    return patch.object(AccountState, "break_of", lambda *_: None)


def no_skew_gate() -> AbstractContextManager[Any]:
    """Clocks that differ by any time close nothing."""
    return patch.object(submitting, "CLOCK_SKEW_MAX_S", 1e9)


def trust_one_reading_of_positions() -> AbstractContextManager[Any]:
    """Whether an order reduces is asked of the last reading of positions alone."""

    def trusting(state: AccountState, spec: OrderSpec, **more: Any) -> bool:
        return is_reducing(replace(state, expected=state.observed), spec, **more)

    return both(
        patch.object(submitting, "is_reducing", trusting),
        patch("core.desk.is_reducing", trusting),
    )


def act_on_expired_commands() -> AbstractContextManager[Any]:
    """A command is done, and a preview submitted, however old it is."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, items.CommandItem):
            item = replace(item, expires_at=context.now.replace(year=FOR_EVER))
            if isinstance(item.command, SubmitOrder):
                state = _with_fresh_preview(state, item.command.preview_id, context.now)
        return decide(state, item, context)

    return both(
        decides(mutate),
        patch.object(
            adapters.tiger_worker.desk,
            "_expires_at",
            lambda _, context: context.now.replace(year=FOR_EVER),
        ),
    )


def resume_whatever_was_shown() -> AbstractContextManager[Any]:
    """A resume lifts also what came after it was shown."""
    return _shown_without_end(ResumeAccount)


def release_whatever_was_shown() -> AbstractContextManager[Any]:
    """A release counts whatever more was told of the order since it was shown."""
    return _shown_without_end(ReleaseOrder)


def _shown_without_end(
    kind: type[ResumeAccount] | type[ReleaseOrder],
) -> AbstractContextManager[Any]:
    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, items.CommandItem) and isinstance(item.command, kind):
            item = replace(item, command=replace(item.command, shown_n=state.n))
        return decide(state, item, context)

    return decides(mutate)


def never_break() -> AbstractContextManager[Any]:
    """Positions and cash are never held against the fills."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        event = decide(state, item, context)
        is_break = isinstance(
            event, account_events.AccountPositionBreak | account_events.AccountCashBreak
        )
        return None if is_break else event

    return decides(mutate)


def cancel_many_cancels_all() -> AbstractContextManager[Any]:
    """A cancel of many heeds no filter."""
    return patch.object(cancelling, "_fits", lambda *_: True)


def cancel_many_asks_nothing() -> AbstractContextManager[Any]:
    """A cancel of many says that all were asked, and asks none."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if not isinstance(item, items.CommandItem) or item.command_id in state.handled:
            return decide(state, item, context)
        command = item.command
        if not isinstance(command, CancelOrders):
            return decide(state, item, context)
        return account_events.AccountCancelsAsked(
            command_id=item.command_id, symbol=command.symbol, side=command.side, order_ids=()
        )

    return decides(mutate)


def halts_cancel_nothing() -> AbstractContextManager[Any]:
    """A halt refuses, and cancels no order."""

    def wished(state: AccountState, order: Order) -> bool:
        is_wished = order.cancel is CancelPhase.WANTED
        return is_wished and order.phase is not Phase.RELEASED and bool(order.tiger_order_id)

    return _must_not_rest(wished)


def cancel_once_only() -> AbstractContextManager[Any]:
    """A halt's cancel that failed is never asked again."""
    first = (CancelPhase.NONE, CancelPhase.WANTED)
    return _must_not_rest(
        lambda state, order: must_not_rest(state, order) and order.cancel in first
    )


def cancel_again_by_rounds_alone() -> AbstractContextManager[Any]:
    """A halt's cancel that failed is asked again at the end of a complete round alone."""
    return patch.object(OwnCancels, "is_time", lambda *_, **__: False)


def leave_released_orders_to_their_row() -> AbstractContextManager[Any]:
    """A released order whose row cannot be read is left to the books, halt or no halt."""

    def unbooked_alone(state: AccountState, tiger_order_id: str, symbol: str) -> bool:
        is_booked = tiger_order_id in state.by_tiger_id
        return not is_booked and must_cancel_unread(state, tiger_order_id, symbol)

    return both(
        patch("adapters.tiger_worker.open_looks.must_cancel_unread", unbooked_alone),
        patch.object(cancelling, "must_cancel_unread", unbooked_alone),
    )


def cancel_anew_by_a_models_halt() -> AbstractContextManager[Any]:
    """A model's halt is a new one also for what another halt stood over already."""
    return patch("core.halting._beside_others", lambda state, halt: halt)


def spend_no_tokens() -> AbstractContextManager[Any]:
    """The broker's limits of rate limit nothing."""
    return both(
        patch.object(RateBudget, "take", lambda *_, **__: True),
        patch.object(RateBudget, "try_take", lambda *_, **__: True),
    )


def file_halt_sleeps() -> AbstractContextManager[Any]:
    """The watch over the halt file never looks."""
    return patch.object(FileHalt, "_look", lambda self: None)


def verify_halt_by_ledger_alone() -> AbstractContextManager[Any]:
    """A halt is verified though the broker was not asked what is open."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, readings.RoundCompleted) and item.open_symbols is None:
            item = replace(item, open_symbols=())
        return decide(state, item, context)

    def only_to_sweep(self: Windows, state: AccountState) -> bool:
        return self.is_sweep_due and self._budget.try_take("active_orders")

    return both(decides(mutate), patch.object(Windows, "may_ask_open", only_to_sweep))


def verify_halt_over_a_released_place() -> AbstractContextManager[Any]:
    """That a place which a person released may still arrive keeps no halt from being verified."""
    return patch("core.desk._may_arrive", lambda *_: False)


def keep_the_older_sighting() -> AbstractContextManager[Any]:
    """Of two sights of one order that wait the desk takes the earlier."""
    put_last = DeskThread._put_last

    def keep(self: DeskThread, key: tuple[object, ...], work: Work) -> None:
        if not (isinstance(work.item, readings.OrderSeen) and key in self._sightings):
            put_last(self, key, work)

    return patch.object(DeskThread, "_put_last", keep)


def _intends_other(change: Callable[[OrderSpec], OrderSpec]) -> AbstractContextManager[Any]:
    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        event = decide(state, item, context)
        if isinstance(event, events.OrderSubmissionStarted):
            return replace(event, spec=change(event.spec))
        return event

    return decides(mutate)


def _must_not_rest(rule: Callable[[AccountState, Order], bool]) -> AbstractContextManager[Any]:
    return patch.object(adapters.tiger_worker.own_cancels, "must_not_rest", rule)


def _with_fresh_preview(state: AccountState, preview_id: str, now: datetime) -> AccountState:
    preview = state.previews.get(preview_id)
    if preview is None:
        return state
    fresh = replace(preview, expires_at=now.replace(year=FOR_EVER))
    return replace(state, previews=state.previews.put(preview_id, fresh))


GATES: Final[tuple[Mutant, ...]] = (
    send_twice_the_size,
    flip_the_side,
    send_another_price,
    modify_past_halt_and_time,
    modify_through_every_gate,
    no_gate_of_breaks,
    no_skew_gate,
    trust_one_reading_of_positions,
    act_on_expired_commands,
    resume_whatever_was_shown,
    release_whatever_was_shown,
    never_break,
    cancel_many_cancels_all,
    cancel_many_asks_nothing,
    halts_cancel_nothing,
    cancel_once_only,
    cancel_again_by_rounds_alone,
    leave_released_orders_to_their_row,
    cancel_anew_by_a_models_halt,
    file_halt_sleeps,
    spend_no_tokens,
    verify_halt_by_ledger_alone,
    verify_halt_over_a_released_place,
    keep_the_older_sighting,
)
