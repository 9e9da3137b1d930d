"""What must be true after a task, at the broker, in the ledger, and in what the person was told."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from infra.sandbox.broker.records import Order
from tests.e2e.tasks.stage import CANCEL, MODIFY, PLACE, WAIT_S, Stage

Check = Callable[[Stage, str], Awaitable[None]]


def sent(*, placed: int = 0, changed: int = 0, cancelled: int = 0) -> Check:
    """The broker got so many requests to place, change and cancel, and no more."""

    async def check(stage: Stage, _: str) -> None:
        found = {method: stage.requests(method) for method in (PLACE, MODIFY, CANCEL)}
        assert found == {PLACE: placed, MODIFY: changed, CANCEL: cancelled}

    return check


def nothing_sent() -> Check:
    """The broker was asked to do nothing at all."""
    return sent()


def book(alias: str, *orders: dict[str, Any]) -> Check:
    """The account's book got these orders, with these fields, and no others."""

    async def check(stage: Stage, _: str) -> None:
        found = stage.orders(alias)
        shown = [_fields(order, wanted) for order, wanted in zip(found, orders, strict=True)]
        assert shown == list(orders)

    return check


def stands(alias: str, symbol: str, **fields: Any) -> Check:
    """One order of a symbol is open in the account's book, with these fields."""

    async def check(stage: Stage, _: str) -> None:
        every = stage.control.book(stage.numbers[alias]).orders
        (order,) = [each for each in every if each.is_open and each.symbol == symbol]
        assert _fields(order, fields) == fields

    return check


def bound_together(alias: str) -> Check:
    """The orders that the account's book got cancel each other."""

    async def check(stage: Stage, _: str) -> None:
        groups = {order.oca_group for order in stage.orders(alias)}
        assert len(groups) == 1, groups
        assert all(groups)

    return check


def none_open(alias: str, symbol: str | None = None) -> Check:
    """Nothing is open any more, of a symbol or of the account."""

    async def check(stage: Stage, _: str) -> None:
        every = stage.control.book(stage.numbers[alias]).orders
        assert [o for o in every if o.is_open and symbol in (None, o.symbol)] == []

    return check


def moved(alias: str, **changes: str) -> Check:
    """The account holds so much more or less of these contracts, and the same of all others."""

    async def check(stage: Stage, _: str) -> None:
        was, now = stage.was.holdings[alias], stage.holdings(alias)
        found = {
            key: now.get(key, Decimal(0)) - was.get(key, Decimal(0)) for key in was.keys() | now
        }
        assert {key: change for key, change in found.items() if change} == {
            key.strip("_"): Decimal(change) for key, change in changes.items()
        }

    return check


def recorded(alias: str, **facts: int) -> Check:
    """The account's ledger got these facts so often; `order_accepted` stands for order.accepted."""

    async def check(stage: Stage, _: str) -> None:
        wanted = {name.replace("_", ".", 1): count for name, count in facts.items()}
        async with asyncio.timeout(WAIT_S):
            while any(stage.facts(alias)[name] < count for name, count in wanted.items()):
                await stage.ledger.read()
        found = stage.facts(alias)
        assert {name: found[name] for name in wanted} == wanted

    return check


def said(pattern: str) -> Check:
    """The person was told this."""

    async def check(_: Stage, told: str) -> None:
        assert re.search(pattern, told), told

    return check


def _fields(order: Order, wanted: dict[str, Any]) -> dict[str, Any]:
    shown = {name: getattr(order, name) for name in wanted}
    return {
        name: f"{value.normalize():f}" if isinstance(value, Decimal) else value
        for name, value in shown.items()
    }
