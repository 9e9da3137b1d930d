"""Questions to the projector and its answers: `view.<account>.<what>`, JSON both ways.

Every answer says `as_of`: how far the account's line of events had been folded. A question may name
an `at_least_n` that the answer must include; the projector waits for it, for a bounded time.
The absence of an order is never stated by a view: it may simply be behind.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from core.events import CashFigure, Environment, Mode, PositionFigure
from core.money import Money
from core.orders import CancelPhase, ModifyPhase, Phase
from core.terms import OrderType, Side, TimeInForce

ROWS_MAX: Final = 200
ROWS_DEFAULT: Final = 50


class AsOf(msgspec.Struct, frozen=True, kw_only=True):
    """How far an account's events are folded: its counter, and the time of the last of them."""

    n: int
    sequence: int
    recorded_at: datetime | None


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every question may say."""

    at_least_n: int = 0


class OrderStatus(StrEnum):
    """Which orders a question is about."""

    OPEN = "open"  # may still trade, doubtful ones included
    DONE = "done"
    ALL = "all"


class OrdersQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.orders`: newest first."""

    status: OrderStatus = OrderStatus.ALL
    symbol: str | None = None
    order_ids: tuple[str, ...] = ()
    limit: int = ROWS_DEFAULT
    cursor: str | None = None


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the ledger has it; `detail` is the cause of a refusal, doubt or rejection.

    `wanted_…` are the terms of a change that no listing shows yet.
    """

    order_id: str
    tiger_order_id: str
    symbol: str
    market: str
    currency: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None
    time_in_force: TimeInForce
    phase: Phase
    cancel: CancelPhase
    modify: ModifyPhase
    wanted_quantity: Decimal | None
    wanted_limit_price: Decimal | None
    filled_quantity: Decimal
    average_price: Decimal | None
    reason: str
    detail: str
    is_external: bool
    started_at: datetime
    updated_at: datetime


class OrdersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of orders; `cursor` is None on the last page."""

    as_of: AsOf
    orders: tuple[OrderRow, ...]
    cursor: str | None


class ExecutionsQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.executions`: newest first."""

    symbol: str | None = None
    order_id: str | None = None
    limit: int = ROWS_DEFAULT
    cursor: str | None = None


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fill."""

    execution_id: str
    order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Money
    executed_at: datetime


class ExecutionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of fills; `cursor` is None on the last page."""

    as_of: AsOf
    executions: tuple[ExecutionRow, ...]
    cursor: str | None


class PositionsQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.positions`: by symbol."""

    symbol: str | None = None


class PositionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's own figures, and when they were read; None until the first reading."""

    as_of: AsOf
    observed_at: datetime | None
    positions: tuple[PositionFigure, ...]


class BalancesQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.balances`."""


class BalancesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's own figures, in `currency` unless they name another; None until read."""

    as_of: AsOf
    observed_at: datetime | None
    currency: str
    net_liquidation: Decimal | None
    buying_power: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    cash: tuple[CashFigure, ...]


class CommandQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.command`: what one command led to so far."""

    command_id: str


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One stored fact; `data` is the event's own JSON object."""

    type: str
    n: int
    recorded_at: datetime
    data: msgspec.Raw


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The facts caused by the command, oldest first; empty while none is known here."""

    as_of: AsOf
    events: tuple[EventRow, ...]


class AccountsQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.system.accounts`: every account there is."""


class PositionBreakRow(msgspec.Struct, frozen=True, kw_only=True):
    """A position that the recorded fills do not explain; `break_id` is what a person adopts."""

    break_id: str
    symbol: str
    market: str
    expected: Decimal
    observed: Decimal
    found_at: datetime


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """One account: its binding, its mode, and whether it takes orders now.

    `state` is `active`, `halted`, `frozen`, `stale` or `starting`; `detail` says why. An account
    that is `active` may have single symbols halted or frozen; `detail` says why they are frozen.
    """

    alias: str
    login: str
    environment: Environment
    mode: Mode | None
    state: str
    detail: str
    halted_symbols: tuple[str, ...]
    frozen_symbols: tuple[str, ...] = ()
    breaks: tuple[PositionBreakRow, ...] = ()
    open_orders: int
    doubtful_orders: int
    as_of: AsOf


class AccountsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Every account, by alias."""

    accounts: tuple[AccountRow, ...]
