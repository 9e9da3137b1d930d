"""Facts, items and a tiny desk for tests of the pure core: given events, when an item, then one."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from core import events, items
from core.account_state import AccountState
from core.codec import Recorded, type_name
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
from core.context import Context, Timing
from core.desk import decide
from core.evolving import evolve
from core.ids import derived_id
from core.items import SeenPhase
from core.keyed import Keyed
from core.money import Money
from core.terms import OrderSpec, OrderType, Side, TimeInForce

ACCOUNT: Final = "sandbox"
LEDGER_ID: Final = "led1"
NOW: Final = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
TIMING: Final = Timing()
# A sighting calls for a handful of events; more means that it never comes to rest.
EVENTS_PER_ITEM_MAX: Final = 40


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def context(seconds: float = 0.0, *, clock_skew_s: float = 0.0) -> Context:
    """Return what a decision may know, so many seconds after `NOW`."""
    return Context(now=at(seconds), timing=TIMING, clock_skew_s=clock_skew_s)


def recorded(event: events.Event, n: int, *, seconds: float = 0.0) -> Recorded:
    """Return the event as the ledger would have it."""
    return Recorded(
        type=type_name(event),
        event_id=f"evt-{n}",
        account=ACCOUNT,
        n=n,
        recorded_at=at(seconds),
        correlation_id="cor-1",
        causation_id="cau-1",
        actor="test",
        code_version="0",
        data=event,
        sequence=n,
    )


def fold(facts: Iterable[events.Event]) -> AccountState:
    """Return the state after a line of events, all at `NOW`."""
    state = AccountState()
    for n, event in enumerate(facts, start=1):
        state = evolve(state, recorded(event, n))
    return state


def snapshot(state: AccountState) -> dict[str, object]:
    """Return the whole state as plain sorted values, so that two histories can be compared."""
    plain: dict[str, object] = {}
    for name in AccountState.__struct_fields__:
        value = getattr(state, name)
        if isinstance(value, Keyed):
            value = sorted((key, str(msgspec.to_builtins(one))) for key, one in value.items())
        elif isinstance(value, frozenset):
            value = sorted(value)
        plain[name] = value
    return plain


class TestDesk:
    """One account without a ledger: what was decided is evolved at once, and kept in `line`."""

    __test__ = False

    def __init__(self, *given: events.Event) -> None:
        self.line: list[events.Event] = []
        self.state = AccountState()
        for event in given:
            self.store(event)

    def when(self, item: items.Item, with_context: Context | None = None) -> events.Event | None:
        """Take one item once and return its event."""
        event = decide(self.state, item, with_context or context())
        if event is not None:
            self.store(event)
        return event

    def settle(self, item: items.Item, with_context: Context | None = None) -> list[events.Event]:
        """Take one item as a worker does: a sighting until nothing follows, all else once."""
        found: list[events.Event] = []
        while (event := self.when(item, with_context)) is not None:
            found.append(event)
            assert len(found) < EVENTS_PER_ITEM_MAX, f"{item} never comes to rest"
            if not isinstance(item, items.OrderSeen | items.FillsTakenBack):
                break
        return found

    def store(self, event: events.Event) -> None:
        """Evolve by an event that no decision of this desk led to, or that one did."""
        self.line.append(event)
        self.state = evolve(self.state, recorded(event, len(self.line)))


def opened(
    *,
    mode: events.Mode = events.Mode.AUTO,
    environment: events.Environment = events.Environment.SANDBOX,
) -> events.AccountOpened:
    return events.AccountOpened(
        environment=environment, mode=mode, ledger_id=LEDGER_ID, login="login-1"
    )


def reconciled() -> events.AccountReconciled:
    return events.AccountReconciled(orders_read=0, orders_since=at(-3600))


def ready(*more: events.Event, mode: events.Mode = events.Mode.AUTO) -> tuple[events.Event, ...]:
    """Return the line of an account that takes orders, and what follows it."""
    started = events.AccountWorkerStarted(run_id="run-1")
    return (opened(mode=mode), started, reconciled(), *more)


def spec(
    *,
    symbol: str = "AAPL",
    side: Side = Side.BUY,
    quantity: str = "100",
    limit_price: str | None = "10.50",
    market: str = "US",
) -> OrderSpec:
    return OrderSpec(
        symbol=symbol,
        market=market,
        currency="USD",
        side=side,
        order_type=OrderType.MARKET if limit_price is None else OrderType.LIMIT,
        quantity=Decimal(quantity),
        limit_price=None if limit_price is None else Decimal(limit_price),
        time_in_force=TimeInForce.DAY,
        outside_regular_hours=False,
    )


def previewed(
    name: str = "1",
    terms: OrderSpec | None = None,
    *,
    expires_s: float = 600.0,
    passed: bool = True,
    digest: str = "",
) -> events.OrderPreviewed:
    """Return a preview with the id `prv-<name>`."""
    terms = terms or spec()
    return events.OrderPreviewed(
        preview_id=f"prv-{name}",
        command_id=f"cmd-preview-{name}",
        spec=terms,
        reason="because",
        checks=(events.Check(name="lot_size", passed=passed, detail="d"),),
        quote=None,
        estimate=None,
        digest=digest or terms.digest(ACCOUNT),
        expires_at=at(expires_s),
    )


def order_id_of(name: str = "1") -> str:
    """Return the id of the order that the preview `prv-<name>` leads to."""
    return derived_id("ord", ACCOUNT, f"prv-{name}")


def mark_of(name: str = "1") -> str:
    """Return the mark that this order carries at the broker."""
    return f"{LEDGER_ID}.{order_id_of(name)}"


def started(
    name: str = "1", terms: OrderSpec | None = None, *, number: str = "901"
) -> events.OrderSubmissionStarted:
    return events.OrderSubmissionStarted(
        order_id=order_id_of(name),
        command_id=submit_command_id(ACCOUNT, f"prv-{name}"),
        preview_id=f"prv-{name}",
        spec=terms or spec(),
        reason="because",
        order_number=number,
        mark=mark_of(name),
        send_by=at(2),
        arrives_by=at(24),
    )


def accepted(
    name: str = "1", *, tiger: str = "t-1", evidence: str = "reply"
) -> events.OrderAccepted:
    return events.OrderAccepted(order_id=order_id_of(name), tiger_order_id=tiger, evidence=evidence)


def working(name: str = "1", *, tiger: str = "t-1", filled: str = "0") -> events.OrderWorking:
    return events.OrderWorking(
        order_id=order_id_of(name), tiger_order_id=tiger, filled_quantity=Decimal(filled)
    )


def unknown(name: str = "1") -> events.OrderOutcomeUnknown:
    return events.OrderOutcomeUnknown(order_id=order_id_of(name), cause="timeout")


def not_found(name: str = "1") -> events.OrderNotFound:
    return events.OrderNotFound(order_id=order_id_of(name), listings=3, first_listing_at=at(30))


def fill(
    execution_id: str,
    quantity: str,
    *,
    order_id: str = "",
    side: Side = Side.BUY,
    symbol: str = "AAPL",
) -> events.OrderFillRecorded:
    return events.OrderFillRecorded(
        order_id=order_id or order_id_of(),
        execution_id=execution_id,
        side=side,
        symbol=symbol,
        quantity=Decimal(quantity),
        price=Money(amount=Decimal("10.50"), currency="USD"),
        executed_at=at(5),
    )


def figure(
    symbol: str = "AAPL", quantity: str = "100", *, market: str = "US"
) -> events.PositionFigure:
    return events.PositionFigure(
        symbol=symbol,
        market=market,
        currency="USD",
        quantity=Decimal(quantity),
        average_cost=Decimal("10.00"),
        market_price=None,
        unrealized_profit=None,
    )


def positions(*figures: events.PositionFigure) -> events.AccountPositionsObserved:
    return events.AccountPositionsObserved(positions=figures, observed_at=NOW)


def balances(**cash: str) -> events.AccountBalancesObserved:
    """Return the figures of an account with so much cash by currency."""
    return events.AccountBalancesObserved(
        currency="USD",
        net_liquidation=None,
        buying_power=None,
        initial_margin=None,
        maintenance_margin=None,
        cash=tuple(
            events.CashFigure(currency=currency, balance=Decimal(balance), available=None)
            for currency, balance in sorted(cash.items())
        ),
        observed_at=NOW,
    )


def frozen(
    cause: str = "mark_not_in_ledger", *, detail: str = "d", symbol: str = ""
) -> events.AccountFrozen:
    return events.AccountFrozen(cause=cause, detail=detail, symbol=symbol)


def stale(gap: int = 1) -> events.AccountStale:
    return events.AccountStale(gap=gap, cause="slept")


def halted(symbol: str = "") -> events.AccountHalted:
    return events.AccountHalted(command_id="h", person="ann", symbol=symbol, detail="")


def released(name: str = "1") -> events.OrderReleased:
    return events.OrderReleased(order_id=order_id_of(name), command_id="cmd-r", person="ann")


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
    order_id: str = "", command_id: str = "cmd-release", *, shown_n: int = 1_000
) -> items.CommandItem:
    body = ReleaseOrder(order_id=order_id or order_id_of(), shown_n=shown_n)
    return command(body, command_id, principal="ann")


def halt(
    symbol: str = "", command_id: str = "cmd-halt", *, expires_s: float = 60.0
) -> items.CommandItem:
    body = HaltAccount(symbol=symbol, detail="stop")
    return command(body, command_id, principal="ann", expires_s=expires_s)


def resume(
    symbol: str = "", command_id: str = "cmd-resume", *, shown_n: int = 1_000
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


def modify_started(
    name: str = "1",
    *,
    tiger: str = "t-1",
    command_id: str = "cmd-modify",
    seconds: float = 0.0,
    terms: OrderSpec | None = None,
    **wanted: str,
) -> events.OrderModifyStarted:
    """Return the intent to change order `name` to its terms with `wanted` in place of some."""
    new = replace(terms or spec(), **{field: Decimal(value) for field, value in wanted.items()})
    return events.OrderModifyStarted(
        order_id=order_id_of(name),
        command_id=command_id,
        tiger_order_id=tiger,
        spec=new,
        reason="because",
        send_by=at(seconds + 2),
        arrives_by=at(seconds + 24),
    )


def modify_answered(
    outcome: items.Outcome, name: str = "1", *, code: int | None = None
) -> items.ModifyAnswered:
    return items.ModifyAnswered(order_id=order_id_of(name), outcome=outcome, code=code, detail="d")


def not_shown(*, seconds: float, listings: int = TIMING.absence_listings_min) -> items.Item:
    """Return that complete listings, the first begun then, show order 1 on its old terms."""
    return items.ModifyNotShown(
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


def execution(execution_id: str = "e1", quantity: str = "40") -> items.ExecutionSeen:
    return items.ExecutionSeen(
        execution_id=execution_id,
        quantity=Decimal(quantity),
        price=Money(amount=Decimal("10.50"), currency="USD"),
        executed_at=at(5),
    )


def seen(
    phase: SeenPhase = SeenPhase.LIVE,
    *executions: items.ExecutionSeen,
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
) -> items.OrderSeen:
    """Return one row of a listing; by default that of order 1, filled as its executions say."""
    total = sum((one.quantity for one in executions), start=Decimal(0))
    return items.OrderSeen(
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


def listed(spec: OrderSpec, phase: SeenPhase = SeenPhase.LIVE) -> items.OrderSeen:
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
) -> items.OrderSeen:
    """Return a row of an order from the phone app."""
    row = seen(tiger=tiger, number="0", mark="", symbol=symbol, side=side, quantity=quantity)
    return replace(row, spec=spec(symbol=symbol, side=side, quantity=quantity))


def absent(
    *, seconds: float, listings: int = TIMING.absence_listings_min, name: str = "1"
) -> items.AbsenceConfirmed:
    return items.AbsenceConfirmed(
        order_id=order_id_of(name), listings=listings, first_listing_at=at(seconds)
    )


def taken_back(
    name: str = "1",
    *,
    is_over: bool = True,
    filled: str = "0",
    listings: int = TIMING.absence_listings_min,
    gone: tuple[str, ...] = (),
    lists: int = TIMING.absence_listings_min,
) -> items.FillsTakenBack:
    """Return that listings in a row show an order with so much filled, and lists lack `gone`."""
    return items.FillsTakenBack(
        order_id=order_id_of(name),
        listings=listings,
        filled_quantity=Decimal(filled),
        is_over=is_over,
        gone=gone,
        lists=lists if gone else 0,
    )


def not_listed(
    name: str = "1", *, filled: str = "40", listings: int = TIMING.absence_listings_min
) -> items.FillsNotListed:
    """Return that listings in a row lack executions of an order with so much filled."""
    return items.FillsNotListed(
        order_id=order_id_of(name), listings=listings, filled_quantity=Decimal(filled)
    )


def unread(name: str = "1", *, listings: int = TIMING.absence_listings_min) -> items.OrderUnread:
    """Return that listings in a row show an order in rows that nobody can read."""
    return items.OrderUnread(order_id=order_id_of(name), listings=listings)


def round_completed(gaps: int = 0) -> items.RoundCompleted:
    """Return a complete round of readings, begun after so many gaps."""
    return items.RoundCompleted(gaps=gaps, orders_read=1, orders_since=at(-3600))


def round_of_open(*open_symbols: str, after_n: int, gaps: int = 0) -> items.RoundCompleted:
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
    quantity: str = "100",
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
