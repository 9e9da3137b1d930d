"""Facts, items and a tiny desk for tests of the pure core: given events, when an item, then one."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from core import account_events, events, items, preview_events, readings
from core.account_state import AccountState
from core.codec import Recorded, type_name
from core.commands import ReleaseOrder, ResumeAccount, submit_command_id
from core.context import Context, Timing
from core.desk import decide
from core.evolving import evolve
from core.ids import derived_id
from core.keyed import Keyed
from core.modes import Environment, Mode
from core.money import Money
from core.terms import OrderSpec, OrderType, Side, TimeInForce

ACCOUNT: Final = "sandbox"
LEDGER_ID: Final = "led1"
NOW: Final = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
TIMING: Final = Timing()
# A sighting calls for a handful of events; more means that it never comes to rest.
EVENTS_PER_ITEM_MAX: Final = 40
# Stands in an item for the account's last event, whichever that is when a desk takes it.
ALL_SHOWN: Final = -1


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


def as_shown(item: items.Item, n: int) -> items.Item:
    """Return an item whose person looked at all there is; any other as it is."""
    if not isinstance(item, items.CommandItem):
        return item
    command = item.command
    if not isinstance(command, ResumeAccount | ReleaseOrder) or command.shown_n != ALL_SHOWN:
        return item
    return replace(item, command=replace(command, shown_n=n))


def snapshot(state: AccountState) -> dict[str, object]:
    """Return all but the length of the line as plain sorted values, so that two can be compared."""
    plain: dict[str, object] = {}
    for name in set(AccountState.__struct_fields__) - {"n"}:
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
        item = as_shown(item, self.state.n)
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
            if not isinstance(item, readings.OrderSeen | readings.FillsTakenBack):
                break
        return found

    def store(self, event: events.Event) -> None:
        """Evolve by an event that no decision of this desk led to, or that one did."""
        self.line.append(event)
        self.state = evolve(self.state, recorded(event, len(self.line)))


def opened(
    *,
    mode: Mode = Mode.AUTO,
    environment: Environment = Environment.SANDBOX,
) -> account_events.AccountOpened:
    return account_events.AccountOpened(
        environment=environment, mode=mode, ledger_id=LEDGER_ID, login="login-1"
    )


def reconciled() -> account_events.AccountReconciled:
    return account_events.AccountReconciled(orders_read=0, orders_since=at(-3600))


def ready(*more: events.Event, mode: Mode = Mode.AUTO) -> tuple[events.Event, ...]:
    """Return the line of an account that takes orders, and what follows it."""
    started = account_events.AccountWorkerStarted(run_id="run-1")
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
) -> preview_events.OrderPreviewed:
    """Return a preview with the id `prv-<name>`."""
    terms = terms or spec()
    return preview_events.OrderPreviewed(
        preview_id=f"prv-{name}",
        command_id=f"cmd-preview-{name}",
        spec=terms,
        reason="because",
        checks=(preview_events.Check(name="lot_size", passed=passed, detail="d"),),
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
) -> account_events.PositionFigure:
    return account_events.PositionFigure(
        symbol=symbol,
        market=market,
        currency="USD",
        quantity=Decimal(quantity),
        average_cost=Decimal("10.00"),
        market_price=None,
        unrealized_profit=None,
    )


def positions(*figures: account_events.PositionFigure) -> account_events.AccountPositionsObserved:
    return account_events.AccountPositionsObserved(positions=figures, observed_at=NOW)


def balances(**cash: str) -> account_events.AccountBalancesObserved:
    """Return the figures of an account with so much cash by currency."""
    return account_events.AccountBalancesObserved(
        currency="USD",
        net_liquidation=None,
        buying_power=None,
        initial_margin=None,
        maintenance_margin=None,
        cash=tuple(
            account_events.CashFigure(currency=currency, balance=Decimal(balance), available=None)
            for currency, balance in sorted(cash.items())
        ),
        observed_at=NOW,
    )


def frozen(
    cause: str = "mark_not_in_ledger", *, detail: str = "d", symbol: str = ""
) -> account_events.AccountFrozen:
    return account_events.AccountFrozen(cause=cause, detail=detail, symbol=symbol)


def stale(gap: int = 1) -> account_events.AccountStale:
    return account_events.AccountStale(gap=gap, cause="slept")


def halted(symbol: str = "") -> account_events.AccountHalted:
    return account_events.AccountHalted(command_id="h", person="ann", symbol=symbol, detail="")


def released(name: str = "1") -> events.OrderReleased:
    return events.OrderReleased(order_id=order_id_of(name), command_id="cmd-r", person="ann")


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
