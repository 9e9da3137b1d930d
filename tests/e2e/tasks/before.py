"""What was done before a task: by the person, by the market, by trouble."""

import asyncio
from decimal import Decimal
from typing import Any, Final

from infra.sandbox.broker.records import Side
from infra.sandbox.wire import faults
from tests.e2e.tasks.stage import PLACE, Act, Stage
from tests.support.cluster import answer
from tests.support.gateway import rows_of

TOKEN_LIFE_S: Final = 2 * 60 * 60


def price(symbol: str, at: str) -> Act:
    """The market stands at a price."""

    async def act(stage: Stage) -> None:
        stage.control.set_price(symbol, Decimal(at))

    return act


def holds(alias: str, symbol: str, quantity: str, reason: str = "to have some") -> Act:
    """The account holds so many, bought at the market for a reason."""

    async def act(stage: Stage) -> None:
        side, size = ("sell", quantity[1:]) if quantity.startswith("-") else ("buy", quantity)
        order_id = await stage.ordered(
            alias,
            symbol=symbol,
            side=side,
            order_type="market",
            quantity=size,
            reason=reason,
        )
        await stage.in_phase(alias, order_id, "filled")
        held = stage.holdings(alias)[symbol]
        # Where some were held before, that is told until the positions are read again.
        await stage.until(
            "get_positions",
            lambda told: held in [Decimal(row["quantity"]) for row in rows_of(told["positions"])],
            account=alias,
            symbol=symbol,
        )

    return act


def rests(alias: str, symbol: str, side: str, quantity: str, **terms: Any) -> Act:
    """An order waits in the market."""

    async def act(stage: Stage) -> None:
        order_id = await stage.ordered(
            alias, symbol=symbol, side=side, quantity=quantity, reason="to wait", **terms
        )
        await stage.in_phase(alias, order_id, "working")

    return act


def written_call(alias: str, symbol: str) -> Act:
    """A call of the nearest expiry is sold against shares that are held."""

    async def act(stage: Stage) -> None:
        chain = rows_of(await answer(stage.client, "get_option_chain", symbol=symbol))
        calls = rows_of(
            await answer(
                stage.client,
                "get_option_chain",
                symbol=symbol,
                expiry=chain[0]["expiry"],
                right="call",
                money="out",
                limit=1,
            )
        )
        order_id = await stage.ordered(
            alias,
            symbol=symbol,
            security="option",
            expiry=chain[0]["expiry"],
            strike=calls[0]["strike"],
            right="call",
            side="sell",
            order_type="market",
            quantity="1",
            reason="to earn the premium",
        )
        await stage.in_phase(alias, order_id, "filled")
        await stage.until(
            "get_positions",
            lambda told: bool(rows_of(told["positions"])),
            account=alias,
            security="option",
        )

    return act


def refused_by_broker(alias: str, symbol: str, words: str) -> Act:
    """The broker refused an order, in its own words."""

    async def act(stage: Stage) -> None:
        stage.control.add_fault(faults.ErrorCode(code=1200, message=words), method=PLACE)
        order_id = await stage.ordered(
            alias, symbol=symbol, side="buy", order_type="market", quantity="1", reason="to try"
        )
        await stage.in_phase(alias, order_id, "rejected")

    return act


def token_ends_soon(alias: str, login: str) -> Act:
    """The login's token, with which its worker starts, is over in two hours."""

    async def act(stage: Stage) -> None:
        stage.control.issue_user_token(login, life_s=TOKEN_LIFE_S)
        stage.worker(login).kill()
        await stage.until(
            "get_account",
            lambda told: (told["state"], told["token"]["state"]) == ("active", "expiring"),
            account=alias,
        )

    return act


def answer_lost() -> Act:
    """The broker will take the next order, and its answer will be lost."""

    async def act(stage: Stage) -> None:
        stage.control.add_fault(faults.DropAfterAcceptance(), method=PLACE)

    return act


def filled_outside(alias: str, symbol: str, quantity: str | None = None) -> Act:
    """The market fills the order that waits, or so many of it."""

    async def act(stage: Stage) -> None:
        (order,) = _open(stage, alias, symbol)
        stage.control.external_fill(
            stage.numbers[alias],
            order.global_id,
            quantity=None if quantity is None else Decimal(quantity),
        )
        if quantity is not None:
            # Its value comes with the executions, which may be listed later.
            await stage.until(
                "get_orders",
                lambda told: any(
                    row["filled_quantity"] == quantity and row.get("filled_value")
                    for row in rows_of(told["orders"])
                ),
                account=alias,
                symbol=symbol,
                status="open",
            )

    return act


def asleep_while(login: str, act: Act) -> Act:
    """The machine sleeps while something happens, and wakes."""

    async def asleep(stage: Stage) -> None:
        worker = stage.worker(login)
        worker.suspend()
        try:
            await act(stage)
        finally:
            worker.resume()

    return asleep


def phone_order(alias: str, symbol: str, side: Side, quantity: str, limit: str) -> Act:
    """The person places an order in the phone app."""

    async def act(stage: Stage) -> None:
        stage.control.external_order(
            stage.numbers[alias],
            symbol,
            side=side,
            quantity=Decimal(quantity),
            limit_price=Decimal(limit),
        )

    return act


def money_for_futures(login: str, amount: int) -> Act:
    """The person moves cash of a login's first account into its futures segment, in the app."""

    async def act(stage: Stage) -> None:
        app = stage.app(login)
        moved = await asyncio.to_thread(
            app.transfer_segment_fund,
            from_segment="SEC",
            to_segment="FUT",
            amount=amount,
            currency="USD",
        )
        assert moved is not None

    return act


def _open(stage: Stage, alias: str, symbol: str) -> list[Any]:
    book = stage.control.book(stage.numbers[alias])
    return [order for order in book.orders if order.is_open and order.symbol == symbol]
