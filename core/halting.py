"""Halts, and the person's word that lifts them: what stops an account or a symbol of it.

A halt has a scope: a symbol, or "" for the account. A person's halt, by control or by file, is a
new one each time: whatever is open then is cancelled. A model's of what is halted already is
recorded and changes nothing, so that no model undoes what a person does under a halt, nor keeps one
from lifting it. Beside a halt of another scope, a model's is new only for what no halt stood over.
"""

from typing import Final

from msgspec.structs import replace

from core import account_events, events, items
from core.account_state import AccountState
from core.commands import Halt, HaltTrading, ReleaseOrder, ResumeAccount
from core.events import Event
from core.keyed import Keyed
from core.orders import DOUBTFUL_PHASES, Order
from core.refusals import Refusal
from core.refusing import refused

# More single halts than any model means; a list of them must fit into an answer.
HALTED_SYMBOLS_MAX: Final = 200


def decide_halt(state: AccountState, item: items.CommandItem, command: Halt) -> Event:
    """Return the halt, or the "no" to a model that has halted too many symbols already."""
    symbol, is_models = command.symbol, isinstance(command, HaltTrading)
    halted = state.halted_symbols
    is_repeated = is_models and (symbol in halted if symbol else state.is_halted)
    if is_models and symbol and not is_repeated and len(halted) >= HALTED_SYMBOLS_MAX:
        detail = f"{len(halted)} symbols are halted already; halt the account instead"
        return refused(item, Refusal.INVALID_TERMS, detail)
    halt = account_events.AccountHalted(
        command_id=item.command_id,
        person=item.principal,
        symbol=symbol,
        detail=command.reason if isinstance(command, HaltTrading) else command.detail,
        file="" if isinstance(command, HaltTrading) or symbol else command.file,
        is_repeated=is_repeated,
    )
    return _beside_others(state, halt) if is_models and not is_repeated else halt


def _beside_others(
    state: AccountState, halt: account_events.AccountHalted
) -> account_events.AccountHalted:
    """Return a model's halt as one that is new only for what no halt stood over."""
    if not halt.symbol:
        return replace(halt, spares=tuple(sorted(state.halted_symbols)))
    if not state.is_halted:
        return halt
    if wants_strangers_cancelled(state, halt.symbol):
        return replace(halt, since_n=state.unverified_halts[""])
    return replace(halt, spares=(halt.symbol,))


def wants_strangers_cancelled(state: AccountState, symbol: str) -> bool:
    """Say whether a halt wants the orders of a symbol cancelled that were given elsewhere.

    Once readings have verified one that covers it, they are a person's own deeds, until a person
    halts anew. A symbol that cannot be read ("") is any.
    """
    unverified = state.unverified_halts
    if "" in unverified and symbol not in state.spared_symbols:
        return True
    return (unverified.get(symbol) or 0) > state.verified_n


def decide_halt_file(
    state: AccountState, item: items.HaltFileSeen
) -> account_events.AccountHalted | None:
    """Return the halt of a file, unless the account still is halted by this one."""
    if state.is_halted and item.file in ("", state.halt_file):
        return None
    return account_events.AccountHalted(
        command_id="", person="halt file", symbol="", detail=item.detail, file=item.file
    )


def decide_resume(state: AccountState, item: items.CommandItem, command: ResumeAccount) -> Event:
    """Return the end of what was shown of a scope, or the "no" if more came since."""
    if command.shown_n > state.n:
        return refused(item, Refusal.SHOWN_OUTDATED, _unheard_of(state, command.shown_n))
    blocked_n = state.blocked_n(command.symbol)
    if blocked_n > command.shown_n:
        detail = f"event {blocked_n} halted or froze more than was shown"
        return refused(item, Refusal.SHOWN_OUTDATED, detail)
    return account_events.AccountResumed(
        command_id=item.command_id, person=item.principal, symbol=command.symbol
    )


def decide_release(state: AccountState, item: items.CommandItem, command: ReleaseOrder) -> Event:
    """Return the end of the doubt about an order that was shown, or the "no"."""
    order_id = command.order_id
    order = state.orders.get(order_id)
    if order is None:
        return refused(item, Refusal.ORDER_UNKNOWN, f"there is no order {order_id[:40]}")
    if order.phase not in DOUBTFUL_PHASES:
        return refused(
            item,
            Refusal.ORDER_NOT_IN_DOUBT,
            f"order {order_id} is {order.phase}",
            order_id=order_id,
        )
    if command.shown_n > state.n:
        detail = _unheard_of(state, command.shown_n)
        return refused(item, Refusal.SHOWN_OUTDATED, detail, order_id=order_id)
    doubted_n = state.doubted_n.get(order_id) or 0
    if doubted_n > command.shown_n:
        detail = f"event {doubted_n} told more of order {order_id} than was shown"
        return refused(item, Refusal.SHOWN_OUTDATED, detail, order_id=order_id)
    return events.OrderReleased(
        order_id=order_id, command_id=item.command_id, person=item.principal
    )


# Whoever names a number that is still to come would lift what nobody has looked at.
def _unheard_of(state: AccountState, shown_n: int) -> str:
    return f"nobody was shown event {shown_n}: the account's last is event {state.n}"


def after_halt(state: AccountState, event: account_events.AccountHalted, n: int) -> AccountState:
    """Return what is true after a halt, the account's event `n`."""
    # A halt by the local file has no command.
    handled = state.handled.put(event.command_id, "") if event.command_id else state.handled
    if event.is_repeated:
        return replace(state, handled=handled)
    symbol, unverified, spared = event.symbol, state.unverified_halts, frozenset(event.spares)
    if not symbol or symbol not in spared:
        unverified = unverified.put(symbol, event.since_n or n)
    return replace(
        state,
        is_halted=state.is_halted or not symbol,
        halted_symbols=state.halted_symbols | ({symbol} - {""}),
        halt_file=event.file or state.halt_file,
        halted_at=state.halted_at.put(symbol, n),
        unverified_halts=unverified,
        # A single symbol's halt stands in for the account's: it is the later of the two.
        spared_symbols=state.spared_symbols | {symbol} if symbol else spared,
        handled=handled,
    )


def after_verified(state: AccountState, event: account_events.AccountHaltVerified) -> AccountState:
    """Return what is true once readings have shown that nothing of a halt's scope is open."""
    scope = event.symbol
    verified_n = state.verified_n if scope else state.unverified_halts.get("") or state.verified_n
    unverified = state.unverified_halts.without(scope)
    return replace(state, unverified_halts=unverified, verified_n=verified_n)


def after_resume(state: AccountState, event: account_events.AccountResumed) -> AccountState:
    """Return what is true after a person's resume; the account's lifts every symbol's freeze."""
    symbol = event.symbol
    # What a single halt had not seen gone yet is the account's again.
    spared = state.spared_symbols - ({symbol} if symbol in state.unverified_halts else set())
    return replace(
        state,
        is_halted=state.is_halted and bool(symbol),
        spared_symbols=spared if symbol else frozenset(),
        frozen_cause=state.frozen_cause if symbol else "",
        kicks=state.kicks if symbol else frozenset(),
        frozen_symbols=state.frozen_symbols - {symbol} if symbol else frozenset(),
        hidden_symbols=state.hidden_symbols - {symbol} if symbol else frozenset(),
        frozen_at=state.frozen_at.without(symbol) if symbol else Keyed[int](),
        halted_symbols=state.halted_symbols - {symbol},
        unverified_halts=state.unverified_halts.without(symbol),
        handled=state.handled.put(event.command_id, ""),
    )


def after_change(state: AccountState, order: Order, n: int) -> AccountState:
    """Return the state with which event last told something of an order in doubt, as `n` left it.

    A wish tells nothing: no model makes another doubt of it by asking for cancels.
    """
    if order.phase not in DOUBTFUL_PHASES:
        return replace(state, doubted_n=state.doubted_n.without(order.order_id))
    before = state.orders.get(order.order_id)
    if before is not None and _known(before) == _known(order):
        return state
    return replace(state, doubted_n=state.doubted_n.put(order.order_id, n))


def _known(order: Order) -> tuple[object, ...]:
    return (
        order.phase,
        order.tiger_order_id,
        order.filled_quantity,
        order.recorded_quantity,
        order.spec,
    )
