"""What a person is asked before an order is sent or changed, in words; nothing here asks.

A question says all that a yes agrees to, and reads the same each time it is put, or the answer
would be to another question.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from adapters.mcp.answers import one_line
from adapters.mcp.outcomes import costs_in_words
from adapters.mcp.words import order_in_words, plain
from core import preview_events, views
from core.commands import ModifyOrder
from core.errors import CommandError
from core.modes import Environment
from core.money import parse_positive
from core.orders import FINAL_PHASES
from core.previewing import notional_of, reference_price
from core.price_sense import change_warnings
from core.terms import OrderSpec, OrderType, Side, TermsError

_MONEY: Final = {
    Environment.SANDBOX: "simulated money",
    Environment.PAPER: "play money",
    Environment.LIVE: "REAL MONEY",
}
CHANGEABLE: Final = (
    "quantity",
    "limit_price",
    "stop_price",
    "trailing_amount",
    "trailing_percent",
)


def place(environment: Environment, account: str) -> str:
    """Return on what account, and with whose money, a question is about to act."""
    return f"account {account} ({environment}: {_MONEY[environment]})"


def order_question(
    shown: preview_events.OrderPreviewed, warnings: Mapping[str, str], *, where: str
) -> str:
    """Return the question for one new order, with what a person should be warned of."""
    lines = (
        f"Send this order to the broker, on {where}?",
        one_line(order_in_words(shown.spec)),
        costs_in_words(shown.estimate),
        *(f"Warning: {one_line(text)}." for text in warnings.values()),
        f"Reason given: {one_line(shown.reason)}",
    )
    return "\n".join(lines)


def unknown_order_question(preview_id: str, *, where: str) -> str:
    """Return the question for a preview that no view shows."""
    return f"Send the order of {preview_id} on {where}? What it says is not known here."


def change_question(row: views.OrderRow | None, command: ModifyOrder, *, where: str) -> str | None:
    """Return the question for a change, None if none is needed.

    None is needed where the worker refuses it for good (the order ended, is not ours, or was made
    of another by the broker), and where the order only becomes less risky.

    Raises:
        CommandError: naming the term that the order has not, or that does not fit it.
    """
    if row is None:
        return _unknown_change(command, where=where)
    if not _is_changeable(row):
        return None
    present = _present(row)
    new = changed(present, command)
    warnings = change_warnings(present, new)
    if row.wanted is None and shrinks(row.spec, new) and not warnings:
        return None
    lines = (
        f"Change order {row.order_id} at the broker, on {where}?",
        f"From: {one_line(order_in_words(present, is_sent=True))} {_worth(present)}",
        f"To: {one_line(order_in_words(new, is_sent=True))} {_worth(new)}",
        *(f"Warning: {text}." for text in warnings.values()),
        f"Reason given: {one_line(command.reason)}",
    )
    return "\n".join(lines)


def warnings_of_change(row: views.OrderRow, command: ModifyOrder) -> dict[str, str]:
    """Return what a person should know of a change, {} where the worker refuses it anyway."""
    if not _is_changeable(row):
        return {}
    present = _present(row)
    try:
        return change_warnings(present, changed(present, command))
    except CommandError:
        return {}


def changed(spec: OrderSpec, command: ModifyOrder) -> OrderSpec:
    """Return the terms with a change laid over them; what is not named stays.

    Raises:
        CommandError: naming the term that the order has not, or that does not fit it.
    """
    for name in CHANGEABLE:
        asked: str | None = getattr(command, name)
        if asked is None:
            continue
        has_it = spec.cash_amount is None if name == "quantity" else getattr(spec, name) is not None
        if not has_it:
            raise CommandError(f"expected {name} for an order that has one alone", field=name)
        try:
            spec = replace(spec, **{name: parse_positive(asked, field=name)})
        except TermsError as error:
            raise CommandError(str(error), field=name) from None
    return spec


def shrinks(old: OrderSpec, new: OrderSpec) -> bool:
    """Say whether a change surely takes risk away: no more of it, at no worse a limit.

    A combination's limit has no better side that holds for each, and a trigger that moves may do
    so either way: these never count as less. Nor does less of what waits for a trigger, which may
    guard a position.
    """
    if new == old:
        return True
    if old.stop_price is not None or old.order_type is OrderType.TRAILING_STOP:
        return False
    if replace(new, quantity=old.quantity, limit_price=old.limit_price) != old:
        return False
    return new.quantity <= old.quantity and _is_no_worse(old, new)


def _is_changeable(row: views.OrderRow) -> bool:
    return not (row.is_external or row.parent_order_id or row.phase in FINAL_PHASES)


# Terms that no listing shows yet are those that a later change is laid over.
def _present(row: views.OrderRow) -> OrderSpec:
    return row.wanted or row.spec


def _is_no_worse(old: OrderSpec, new: OrderSpec) -> bool:
    if new.limit_price == old.limit_price:
        return True
    if old.limit_price is None or new.limit_price is None or old.legs:
        return False
    if old.side is Side.BUY:
        return new.limit_price < old.limit_price
    return new.limit_price > old.limit_price


def _worth(spec: OrderSpec) -> str:
    price = reference_price(spec, None)
    if price is None:
        return "(worth: not known)"
    worth: Decimal = notional_of(spec, price)
    return f"(worth about {plain(worth)} {one_line(spec.currency)})"


def _unknown_change(command: ModifyOrder, *, where: str) -> str:
    asked = {name: getattr(command, name) for name in CHANGEABLE}
    terms = ", ".join(f"{name} {one_line(text)}" for name, text in asked.items() if text)
    return (
        f"Change order {command.order_id} on {where} to {terms}? What it says now is not known "
        f"here.\nReason given: {one_line(command.reason)}"
    )
