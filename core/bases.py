"""What positions and cash are compared with, and what a fill moves of it.

The base is the first figures, and each one that was adopted or taken for the base since; what the
recorded fills make of it is expected. Where the broker tells at that moment of fills that are not
recorded, the base holds them already: their executions, should they be listed after all, move it no
more. Which of an order's executions those are nobody can say, so the first ones count. Where it
tells of fewer than are recorded the base has lost them already, and no more when they are taken
back. What a base was moved by beyond all this may be fills that nobody was told of: see
`core.unseen`.

What is kept of it is by the broker's id of the order, so that whose it is may change.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec.structs import replace

from core import account_events, events
from core.account_state import AccountState
from core.balances import is_first_told
from core.keyed import Keyed
from core.orders import Order
from core.terms import SecurityType, Side, position_key
from core.unseen import Unseen, beyond_charges, beyond_fill, with_base

Traded = events.OrderFillRecorded | events.OrderFillTakenBack
_POSITION: Final = "position"
# The broker's figure of a break that is open.
_SHOWN: Final = "shown"


class Moves(NamedTuple):
    """What one fill, recorded or taken back, moves: signed, in units of the contract and of money.

    `expected` is for what the fills make of the position, `shown` for the figure of its break, and
    `cash` is in the currency of its price. `unlisted` is what the bases hold after it, beyond what
    is recorded; what they lack of that is below 0. `unseen` is what nothing explains of them then.
    """

    expected: Decimal
    shown: Decimal
    cash: Decimal
    unlisted: Keyed[Decimal]
    unseen: Keyed[tuple[Unseen, ...]]


class _Short(NamedTuple):
    """An order's fills that are told and not recorded, of one contract by its `position_key`.

    Below 0, those that are recorded and told no more. `side` is None where a leg's own is meant.
    """

    tiger_order_id: str
    key: str
    currency: str
    quantity: Decimal
    side: Side | None


def moves_of(state: AccountState, order: Order, event: Traded) -> Moves:
    """Return what a fill moves, recorded or taken back, of what the bases do not hold already."""
    sign = 1 if event.side is Side.BUY else -1
    # By how much what is told and not recorded grows by this record.
    more = event.quantity if isinstance(event, events.OrderFillTakenBack) else -event.quantity
    unlisted, unseen = state.unlisted, state.unseen
    key = position_key(event.contract or order.spec.contract, order.spec.market)
    moves: list[Decimal] = []
    for base in (_POSITION, _SHOWN, _cash_base(event.price.currency)):
        name = _name(order.tiger_order_id, key, base)
        held = unlisted.get(name) or Decimal(0)
        is_held = held * more < 0
        left = held + more if is_held and abs(more) < abs(held) else Decimal(0)
        if is_held:
            unlisted = _with(unlisted, name, left)
        moved = -sign * (more + held - left if is_held else more)
        is_quantity = base in (_POSITION, _SHOWN)
        if not is_quantity:
            moved *= -_price_of_one(order, event)
        name = _name("", key if is_quantity else "", base)
        held_unseen = unseen.get(name)
        if held_unseen and isinstance(event, events.OrderFillRecorded):
            moved, rest = beyond_fill(held_unseen, moved, order=order, fill=event)
            unseen = unseen.put(name, rest)
        moves.append(moved)
    expected, shown, cash = moves
    return Moves(expected, shown, cash, unlisted, unseen)


def with_bases(
    before: AccountState, after: AccountState, event: account_events.AccountEvent
) -> AccountState:
    """Return the state after an event with what the bases hold that it brings."""
    unlisted, unseen = before.unlisted, before.unseen
    match event:
        case account_events.AccountPositionsObserved() if before.position_figures is None:
            for short in _short(before):
                unlisted = _with(unlisted, _name(*short[:2], _POSITION), short.quantity)
        case account_events.AccountBalancesObserved():
            unlisted = _first_cash(before, event)
        case account_events.AccountPositionBreak():
            key = position_key(event.symbol, event.market)
            unlisted = _without(unlisted, key, _SHOWN)
            for short in _short(before):
                if short.key == key:
                    unlisted = _with(unlisted, _name(*short[:2], _SHOWN), short.quantity)
            unseen = _put(unseen, _name("", key, _SHOWN), _shown_unseen(before, event))
        case account_events.AccountPositionAgreed():
            key = position_key(event.symbol, event.market)
            unlisted = _without(unlisted, key, _SHOWN)
            unseen = unseen.without(_name("", key, _SHOWN))
        case account_events.AccountPositionAdopted():
            key = position_key(event.symbol, event.market)
            unlisted = _adopted(unlisted, key)
            shown = unseen.get(_name("", key, _SHOWN)) or ()
            unseen = _put(unseen, _name("", key, _POSITION), shown)
            unseen = unseen.without(_name("", key, _SHOWN))
        case account_events.AccountCashBreak():
            unlisted = _cash(before, event.observed.currency)
            name = _name("", "", _cash_base(event.observed.currency))
            unseen = _put(unseen, name, _cash_unseen(before, event, name))
        case _:
            return after
    return replace(after, unlisted=unlisted, unseen=unseen)


def charged(
    state: AccountState, order: Order, event: events.OrderChargesObserved
) -> tuple[Decimal, Keyed[tuple[Unseen, ...]]]:
    """Return what charges move of the expected cash, and what is left of what bases hold."""
    name = _name("", "", _cash_base(event.charges.currency))
    held = state.unseen.get(name) or ()
    moved, rest = beyond_charges(held, order.charges - event.charges.amount, order)
    return moved, _put(state.unseen, name, rest)


def _shown_unseen(
    before: AccountState, event: account_events.AccountPositionBreak
) -> tuple[Unseen, ...]:
    key = position_key(event.symbol, event.market)
    known = before.unseen.get(_name("", key, _POSITION)) or ()
    shorts = [short for short in _short(before) if short.key == key]
    if any(short.side is None for short in shorts):
        return known
    told = (s.quantity if s.side is Side.BUY else -s.quantity for s in shorts)
    explained = sum(told, start=Decimal(0))
    return with_base(known, event.observed - event.expected - explained, event.quiet_from)


def _cash_unseen(
    before: AccountState, event: account_events.AccountCashBreak, name: str
) -> tuple[Unseen, ...]:
    known = before.unseen.get(name) or ()
    if any(_short(before)):
        # What is paid for fills that are told and not recorded nobody knows.
        return known
    return with_base(known, event.observed.amount - event.expected.amount, event.quiet_from)


def _put(
    unseen: Keyed[tuple[Unseen, ...]], name: str, bases: tuple[Unseen, ...]
) -> Keyed[tuple[Unseen, ...]]:
    return unseen.put(name, bases) if bases else unseen.without(name)


def _price_of_one(order: Order, event: Traded) -> Decimal:
    """Return what is paid for one unit of what was traded."""
    if order.spec.security is SecurityType.FUTURE:
        # A future is paid by margin and daily settlement, never by its price; and what it costs
        # is paid from another part of the account than the one whose cash is read.
        return Decimal(0)
    is_underlying = bool(order.spec.legs) and event.contract == order.spec.symbol
    return event.price.amount * (Decimal(1) if is_underlying else order.spec.unit)


def _first_cash(
    before: AccountState, event: account_events.AccountBalancesObserved
) -> Keyed[Decimal]:
    firsts = {f.currency for f in event.cash if is_first_told(before.balances, f.currency)}
    if before.balances is None:
        # Cash that is not listed is none, and that is a base too.
        firsts |= {short.currency for short in _short(before)}
    unlisted = before.unlisted
    for currency in sorted(firsts):
        unlisted = _cash(replace(before, unlisted=unlisted), currency)
    return unlisted


def _cash(state: AccountState, currency: str) -> Keyed[Decimal]:
    base = _cash_base(currency)
    unlisted = _without(state.unlisted, "", base)
    # What an order is paid in is known by its executions alone: one in other money finds nothing.
    for short in _short(state):
        unlisted = _with(unlisted, _name(*short[:2], base), short.quantity)
    return unlisted


def _cash_base(currency: str) -> str:
    return f"cash {currency}"


def _adopted(unlisted: Keyed[Decimal], key: str) -> Keyed[Decimal]:
    after = _without(_without(unlisted, key, _SHOWN), key, _POSITION)
    for name, quantity in _of(unlisted, key, _SHOWN):
        after = after.put(_name(name.split("\0")[0], key, _POSITION), quantity)
    return after


def _short(state: AccountState) -> Iterator[_Short]:
    # What is recorded and told no more may be of an order that is over.
    for order in state.orders.values():
        for contract, quantity in order.unrecorded(order.filled_quantity).items():
            key = position_key(contract, order.spec.market)
            if quantity:
                side = None if order.spec.legs else order.spec.side
                yield _Short(order.tiger_order_id, key, order.spec.currency, quantity, side)


def _name(tiger_order_id: str, key: str, base: str) -> str:
    return f"{tiger_order_id}\0{key}\0{base}"


def _with(unlisted: Keyed[Decimal], name: str, quantity: Decimal) -> Keyed[Decimal]:
    return unlisted.put(name, quantity) if quantity else unlisted.without(name)


# Of every position for the key "".
def _of(unlisted: Keyed[Decimal], key: str, base: str) -> list[tuple[str, Decimal]]:
    end = _name("", key, base) if key else f"\0{base}"
    return [(name, quantity) for name, quantity in unlisted.items() if name.endswith(end)]


def _without(unlisted: Keyed[Decimal], key: str, base: str) -> Keyed[Decimal]:
    for name, _ in _of(unlisted, key, base):
        unlisted = unlisted.without(name)
    return unlisted
