"""Items for tests of the pure core: commands, the broker's answers, and what readings show."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from core import items, readings
from core.commands import (
    CancelOrder,
    Command,
    HaltAccount,
    ModifyOrder,
    PreviewOrder,
    ReleaseOrder,
    ResumeAccount,
    SubmitOrder,
    submit_command_id,
)
from core.money import Money
from core.readings import SeenPhase
from core.terms import OrderSpec, OrderType, Side, TimeInForce
from tests.support.core_facts import (
    ACCOUNT,
    ALL_SHOWN,
    NOW,
    TIMING,
    at,
    mark_of,
    order_id_of,
    spec,
)


def command(
    body: Command,
    command_id: str,
    *,
    expires_s: float = 60.0,
    number: str = "",
    principal: str = "claude",
) -> items.CommandItem:
    return items.CommandItem(
        command=body,
        command_id=command_id,
        principal=principal,
        expires_at=at(expires_s),
        number=number,
    )


def submit(
    name: str = "1", *, command_id: str = "", number: str = "901", expires_s: float = 60.0
) -> items.CommandItem:
    return command(
        SubmitOrder(preview_id=f"prv-{name}"),
        command_id or submit_command_id(ACCOUNT, f"prv-{name}"),
        number=number,
        expires_s=expires_s,
    )


def cancel(
    order_id: str = "", command_id: str = "cmd-cancel", *, expires_s: float = 60.0
) -> items.CommandItem:
    return command(CancelOrder(order_id=order_id or order_id_of()), command_id, expires_s=expires_s)


def release(
    order_id: str = "", command_id: str = "cmd-release", *, shown_n: int = ALL_SHOWN
) -> items.CommandItem:
    body = ReleaseOrder(order_id=order_id or order_id_of(), shown_n=shown_n)
    return command(body, command_id, principal="ann")


def halt(
    symbol: str = "", command_id: str = "cmd-halt", *, expires_s: float = 60.0
) -> items.CommandItem:
    body = HaltAccount(symbol=symbol, detail="stop")
    return command(body, command_id, principal="ann", expires_s=expires_s)


def resume(
    symbol: str = "", command_id: str = "cmd-resume", *, shown_n: int = ALL_SHOWN
) -> items.CommandItem:
    body = ResumeAccount(symbol=symbol, shown_n=shown_n)
    return command(body, command_id, principal="ann")


def modify_command(
    command_id: str = "cmd-modify", *, order_id: str = "", expires_s: float = 60.0, **patch: Any
) -> items.CommandItem:
    """Return a wish to change an order; `patch` are the terms that change."""
    plain: dict[str, Any] = {"quantity": None, "limit_price": None, "reason": "because"}
    body = ModifyOrder(order_id=order_id or order_id_of(), **(plain | patch))
    return command(body, command_id, expires_s=expires_s)


def modify_prepared(
    item: items.CommandItem, facts: items.ContractFacts | None = None, *, failed: str = ""
) -> items.ModifyPrepared:
    """Return the broker's rules, as read for a wish to change an order of AAPL."""
    return items.ModifyPrepared(item=item, contract=facts or contract(), failed=failed)


def modify_answered(
    outcome: items.Outcome, name: str = "1", *, code: int | None = None
) -> items.ModifyAnswered:
    return items.ModifyAnswered(order_id=order_id_of(name), outcome=outcome, code=code, detail="d")


def not_shown(*, seconds: float, listings: int = TIMING.absence_listings_min) -> items.Item:
    """Return that complete listings, the first begun then, show order 1 on its old terms."""
    return readings.ModifyNotShown(
        order_id=order_id_of(), listings=listings, first_listing_at=at(seconds)
    )


def placed(
    outcome: items.Outcome, name: str = "1", *, tiger: str = "", code: int | None = None
) -> items.PlaceAnswered:
    if outcome is items.Outcome.DONE and not tiger:
        tiger = "t-1"
    return items.PlaceAnswered(
        order_id=order_id_of(name), outcome=outcome, tiger_order_id=tiger, code=code, detail="d"
    )


def cancel_answered(outcome: items.Outcome, name: str = "1") -> items.CancelAnswered:
    return items.CancelAnswered(order_id=order_id_of(name), outcome=outcome, detail="d")


def execution(execution_id: str = "e1", quantity: str = "40") -> readings.ExecutionSeen:
    return readings.ExecutionSeen(
        execution_id=execution_id,
        quantity=Decimal(quantity),
        price=Money(amount=Decimal("10.50"), currency="USD"),
        executed_at=at(5),
    )


def seen(
    phase: SeenPhase = SeenPhase.LIVE,
    *executions: readings.ExecutionSeen,
    tiger: str = "t-1",
    number: str = "901",
    mark: str | None = None,
    symbol: str = "AAPL",
    market: str = "US",
    side: Side = Side.BUY,
    quantity: str = "100",
    filled: str | None = None,
    limit_price: str | None = "10.50",
    order_type: OrderType | None = OrderType.LIMIT,
    word: str = "Submitted",
    listings: int = 1,
) -> readings.OrderSeen:
    """Return one row of a listing; by default that of order 1, filled as its executions say."""
    total = sum((one.quantity for one in executions), start=Decimal(0))
    return readings.OrderSeen(
        tiger_order_id=tiger,
        order_number=number,
        mark=mark_of() if mark is None else mark,
        symbol=symbol,
        market=market,
        currency="USD",
        side=side,
        order_type=order_type,
        quantity=Decimal(quantity),
        limit_price=None if limit_price is None else Decimal(limit_price),
        phase=phase,
        status_word=word,
        remark="r",
        filled_quantity=total if filled is None else Decimal(filled),
        average_price=None,
        source="openapi",
        opened_at=NOW,
        executions=executions,
        listings=listings,
    )


def listed(spec: OrderSpec, phase: SeenPhase = SeenPhase.LIVE) -> readings.OrderSeen:
    """Return a row of order 1 that shows all of these terms."""
    row = seen(
        phase,
        symbol=spec.symbol,
        side=spec.side,
        quantity=str(spec.quantity),
        order_type=spec.order_type,
        limit_price=None if spec.limit_price is None else str(spec.limit_price),
    )
    return replace(row, spec=spec)


def external(
    *, tiger: str = "t-9", symbol: str = "AAPL", side: Side = Side.SELL, quantity: str = "100"
) -> readings.OrderSeen:
    """Return a row of an order from the phone app."""
    row = seen(tiger=tiger, number="0", mark="", symbol=symbol, side=side, quantity=quantity)
    return replace(row, spec=spec(symbol=symbol, side=side, quantity=quantity))


def absent(
    *, seconds: float, listings: int = TIMING.absence_listings_min, name: str = "1"
) -> readings.AbsenceConfirmed:
    return readings.AbsenceConfirmed(
        order_id=order_id_of(name), listings=listings, first_listing_at=at(seconds)
    )


def taken_back(
    name: str = "1",
    *,
    is_over: bool = True,
    end: SeenPhase | None = SeenPhase.CANCELLED,
    filled: str = "0",
    listings: int = TIMING.absence_listings_min,
    gone: tuple[str, ...] = (),
    lists: int = TIMING.absence_listings_min,
) -> readings.FillsTakenBack:
    """Return that listings in a row show an order with so much filled, and lists lack `gone`."""
    return readings.FillsTakenBack(
        order_id=order_id_of(name),
        listings=listings,
        filled_quantity=Decimal(filled),
        is_over=is_over,
        end=end if is_over else None,
        gone=gone,
        lists=lists if gone else 0,
    )


def not_listed(
    name: str = "1", *, listings: int = TIMING.absence_listings_min
) -> readings.FillsNotListed:
    """Return that listings in a row lack executions of what an order is listed as filled with."""
    return readings.FillsNotListed(order_id=order_id_of(name), listings=listings)


def unread(name: str = "1", *, listings: int = TIMING.absence_listings_min) -> readings.OrderUnread:
    """Return that listings in a row show an order in rows that nobody can read."""
    return readings.OrderUnread(order_id=order_id_of(name), listings=listings)


def round_completed(gaps: int = 0) -> readings.RoundCompleted:
    """Return a complete round of readings, begun after so many gaps."""
    return readings.RoundCompleted(gaps=gaps, orders_read=1, orders_since=at(-3600))


def round_of_open(*open_symbols: str, after_n: int, gaps: int = 0) -> readings.RoundCompleted:
    """Return such a round that began when `after_n` events were stored, and asked what is open."""
    return replace(
        round_completed(gaps), after_n=after_n, open_symbols=open_symbols, open_from=at(1_000)
    )


def gap_noticed(gap: int = 1) -> items.GapNoticed:
    return items.GapNoticed(gap=gap, cause="slept")


def contract(
    *,
    symbol: str = "AAPL",
    currency: str = "USD",
    lot_size: str = "1",
    tick_sizes: tuple[tuple[str, str], ...] = (("0", "0.0001"), ("1", "0.01")),
    is_tradeable: bool = True,
) -> items.ContractFacts:
    return items.ContractFacts(
        symbol=symbol,
        market="US",
        currency=currency,
        lot_size=Decimal(lot_size),
        is_tradeable=is_tradeable,
        tick_sizes=tuple((Decimal(begin), Decimal(step)) for begin, step in tick_sizes),
    )


def quote(
    bid: str | None = "10.40", ask: str | None = "10.60", last: str | None = "10.55"
) -> items.QuoteFacts:
    return items.QuoteFacts(
        symbol="AAPL",
        bid=None if bid is None else Decimal(bid),
        ask=None if ask is None else Decimal(ask),
        last=None if last is None else Decimal(last),
        at=at(-1),
    )


def estimate(*, passed: bool = True, message: str = "") -> items.EstimateFacts:
    fee = Money(amount=Decimal("1.00"), currency="USD")
    return items.EstimateFacts(passed=passed, message=message, commission=fee, initial_margin=None)


def preview_command(
    *,
    symbol: str = "AAPL",
    side: Side = Side.BUY,
    quantity: str | None = "100",
    limit_price: str | None = "10.50",
    order_type: OrderType = OrderType.LIMIT,
    command_id: str = "cmd-preview",
    expires_s: float = 60.0,
    **more: Any,
) -> items.CommandItem:
    body = PreviewOrder(
        symbol=symbol,
        side=side,
        order_type=order_type,
        quantity=quantity,
        limit_price=limit_price,
        time_in_force=TimeInForce.DAY,
        outside_regular_hours=False,
        reason="because",
        **more,
    )
    return command(body, command_id, expires_s=expires_s)


def items_of_order(name: str) -> list[items.Item]:
    """Return every item about order `name`, as often as it may differ."""
    order_id, tiger, number = order_id_of(name), f"t-{name}", f"90{name}"
    mark = mark_of(name)
    found: list[items.Item] = [
        submit(name, number=number),
        submit(name, number=number, command_id=f"cmd-again-{name}"),
        cancel(order_id, f"cmd-c1-{name}"),
        cancel(order_id, f"cmd-c2-{name}"),
        release(order_id, f"cmd-r-{name}"),
        items.ActAbandoned(order_id=order_id),
        absent(seconds=10, name=name),
        absent(seconds=9999, name=name),
        taken_back(name),
        taken_back(name, is_over=False),
        taken_back(name, gone=(f"e1-{name}",)),
        taken_back(name, is_over=False, filled="40", gone=(f"e1-{name}", f"e2-{name}")),
        seen(tiger=f"t-other-{name}", number=number, mark=mark),
        seen(tiger=tiger, number=number, mark=mark, quantity="250"),
        seen(tiger=tiger, number=number, mark=mark, limit_price="11.00"),
        seen(tiger=tiger, number=number, mark=mark, symbol="MSFT"),
    ]
    fills = (execution(f"e1-{name}", "40"), execution(f"e2-{name}", "60"))
    for outcome in items.Outcome:
        found.append(placed(outcome, name, tiger=tiger))
        found.append(cancel_answered(outcome, name))
    for phase in SeenPhase:
        for executions in ((), fills[:1], fills):
            found.append(seen(phase, *executions, tiger=tiger, number=number, mark=mark))
    return found
