"""Every kind of call of the engine, by name, as a run of random calls makes them."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from infra.sandbox.broker import exercise_desk, fund_desk
from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.desk_refusals import DeskRefusedError
from infra.sandbox.broker.records import DividendPaid, Order, Record
from infra.sandbox.market.instruments import find, instrument_of
from infra.sandbox.settings import Settings
from tests.support.engine_world import CALL, FUTURE, HIGHER_CALL, PRIME, World, change_of, request

CONTRACTS: dict[str, dict[str, Any]] = {
    "AAPL": {"symbol": "AAPL"},
    "00700": {"symbol": "00700"},
    CALL: {"symbol": "AAPL", "key": CALL},
    FUTURE: {"symbol": "ES", "key": FUTURE},
}
STEPS = {"AAPL": "0.02", "00700": "1", CALL: "0.05", FUTURE: "0.25"}


def perform(world: World, name: str, arguments: tuple[Any, ...]) -> None:
    """Make one call; a refusal is an answer, and must have changed nothing."""
    world.now += timedelta(seconds=1)
    before = dict(world.engine.book.orders)
    try:
        ACTS[name](world, *arguments)
    except OrderRefusedError:
        assert world.engine.book.orders == before


def encoded(records: list[Record]) -> bytes:
    return b"\n".join(msgspec.json.encode(record) for record in records)


def _limit(world: World, key: str, at: int) -> str:
    item = find(key)
    assert item is not None
    base = world.engine.prices.last(key) if item.is_derivative else item.base_price
    if item.sec_type == "FUT":
        base = world.engine.prices.last(key)
    return str(max(Decimal(STEPS[key]), base + at * Decimal(STEPS[key])))


def _place(
    world: World,
    key: str,
    side: str,
    count: int,
    kind: str,
    at: int,
    distance: int,
    terms: dict[str, Any],
) -> None:
    item = find(key)
    assert item is not None
    limit = _limit(world, key, at) if kind in ("LMT", "STP_LMT", "ICEBERG") else None
    aux = str(distance) if kind == "TRAIL" else _limit(world, key, distance - 10)
    wanted = CONTRACTS[key] | {"order_type": kind} | terms
    if kind in ("STP", "STP_LMT", "TRAIL"):
        wanted |= {"aux_price": aux}
    world.place(side, str(count * item.lot_size), limit, **wanted)


def _place_algo(world: World, side: str, count: int, minutes: int, kind: str) -> None:
    end = world.now + timedelta(minutes=minutes)
    world.place(side, str(count), order_type=kind, algo={"end_at": end}, outside_rth=False)


def _place_amount(world: World, side: str, amount: int, at: int | None) -> None:
    limit = None if at is None else _limit(world, "AAPL", at)
    world.place(side, "0", limit, cash_amount=str(amount))


def _place_attached(world: World, side: str, count: int, at: int, trails: bool, both: bool) -> None:
    sign = 1 if side == "BUY" else -1
    profit = {"role": "PROFIT", "price": _limit(world, "AAPL", at + 15 * sign)}
    loss: dict[str, Any] = {"role": "LOSS"}
    loss |= (
        {"trailing_amount": "0.5"} if trails else {"price": _limit(world, "AAPL", at - 15 * sign)}
    )
    attached = [profit, loss] if both else [loss]
    world.place(side, str(count), _limit(world, "AAPL", at), attached=attached)


def _place_group(world: World, side: str, count: int, high: int, low: int) -> None:
    take: dict[str, Any] = {"order_type": "LMT", "limit_price": _limit(world, "AAPL", high)}
    stop: dict[str, Any] = {
        "order_type": "STP",
        "aux_price": _limit(world, "AAPL", low),
        "outside_rth": False,
    }
    requests = [request(side, str(count), **take), request(side, str(count + 5), **stop)]
    world.engine.place_oca(requests, world.now)


def _place_legs(world: World, side: str, count: int, at: int | None) -> None:
    legs = [
        {"key": CALL, "side": "BUY", "ratio": 1},
        {"key": HIGHER_CALL, "side": "SELL", "ratio": 2},
    ]
    limit = None if at is None else str(Decimal(at) / 10)
    world.place(side, str(count), limit, legs=legs)


def _picked(world: World, pick: int) -> Order | None:
    orders = world.engine.book.orders_of(PRIME)
    return orders[pick % len(orders)] if orders else None


def _cancel(world: World, pick: int) -> None:
    if (order := _picked(world, pick)) is not None:
        world.engine.cancel(order, world.now)


def _modify(world: World, pick: int, count: int, at: int) -> None:
    order = _picked(world, pick)
    if order is None:
        return
    item, terms = find(order.contract_key), {}
    assert item is not None
    if order.limit_price is not None and not order.legs:
        terms["limit_price"] = _limit(world, order.contract_key, at)
    change = change_of(order, quantity=str(count * item.lot_size), **terms)
    world.engine.modify(order, world.now, change)


def _move(world: World, key: str, at: int) -> None:
    world.price(_limit(world, key, at), key=key)


def _wait(world: World, minutes: int) -> None:
    world.at(world.now + timedelta(minutes=minutes))


def _switch(world: World, cap: int | None, cancels: bool, modifies: bool, is_open: bool) -> None:
    world.engine.settings = Settings(
        price_drift=False,
        fill_quantity_max=None if cap is None else Decimal(cap),
        defer_cancels=cancels,
        defer_modifies=modifies,
        always_open=is_open,
    )


def _bring(world: World, key: str, count: int, at: int) -> None:
    # What comes or goes without a trade, whatever open orders count on.
    world.bring(key, str(count * instrument_of(key).lot_size), _limit(world, key, at))


def _keep_prices(world: World) -> None:
    world.engine.keep_prices()


def _exercise(world: World, count: int, days: int) -> None:
    account = world.engine.book.accounts[PRIME]
    with suppress(DeskRefusedError):
        exercise_desk.submit(
            world.engine,
            account,
            instrument_of(CALL),
            kind="Exercise",
            quantity=Decimal(count),
            executing_on=world.now.date() + timedelta(days=days),
            itm_rate=0,
            is_force=False,
            now=world.now,
        )


def _dividend(world: World, symbol: str, cents: int) -> None:
    action = DividendPaid(
        key=symbol,
        currency=instrument_of(symbol).currency,
        amount=Decimal(cents) / 100,
        paid_at=world.now,
    )
    world.engine.apply_corporate_action(action, world.now)


def _transfer(world: World, amount: int, to_futures: bool) -> None:
    with suppress(DeskRefusedError):
        fund_desk.submit_transfer(
            world.engine,
            world.engine.book.accounts[PRIME],
            from_segment="SEC" if to_futures else "FUT",
            to_segment="FUT" if to_futures else "SEC",
            currency="USD",
            amount=Decimal(amount),
            now=world.now,
        )


def _advance(world: World, step_count: int) -> None:
    world.engine.advance(world.now, step_count=step_count)


ACTS: dict[str, Callable[..., None]] = {
    "place": _place,
    "place_algo": _place_algo,
    "place_amount": _place_amount,
    "place_attached": _place_attached,
    "place_group": _place_group,
    "place_legs": _place_legs,
    "cancel": _cancel,
    "modify": _modify,
    "advance": _advance,
    "move": _move,
    "wait": _wait,
    "switch": _switch,
    "bring": _bring,
    "keep_prices": _keep_prices,
    "exercise": _exercise,
    "dividend": _dividend,
    "transfer": _transfer,
}
