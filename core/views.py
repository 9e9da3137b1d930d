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

from core.account_events import CashFigure, FigureKept, PositionFigure
from core.modes import Environment, Mode
from core.money import Money
from core.orders import CancelPhase, ModifyPhase, Phase
from core.terms import OrderSpec, OrderType, SecurityType, Side, TimeInForce

ROWS_MAX: Final = 200
ROWS_DEFAULT: Final = 50
# One page of rows, as the projector encodes them: a client's model must be able to take it in.
PAGE_BYTES_MAX: Final = 48_000


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
    """`view.<account>.orders`: newest first; begun from `since` on and before `until`."""

    status: OrderStatus = OrderStatus.ALL
    symbol: str | None = None
    order_ids: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: int = ROWS_DEFAULT
    cursor: str | None = None


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the ledger has it; `detail` is the cause of a refusal, doubt or rejection.

    `spec` is all of its terms, `wanted` those of a change that no listing shows yet.
    `owner_order_id` is the order of ours that an entry from elsewhere was, once that is known.
    `average_price` is the broker's once the order is done, before that what the recorded fills
    make; `filled_value` is what they come to, in the order's currency. Neither is told while the
    fills recorded are not those that the broker counts.
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
    filled_quantity: Decimal
    average_price: Decimal | None
    reason: str
    detail: str
    is_external: bool
    started_at: datetime
    updated_at: datetime
    spec: OrderSpec
    wanted: OrderSpec | None = None
    charges: Decimal = Decimal(0)
    preview_id: str = ""
    parent_order_id: str = ""
    owner_order_id: str = ""
    filled_value: Decimal | None = None


class OrdersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of orders; `cursor` is None on the last page."""

    as_of: AsOf
    orders: tuple[OrderRow, ...]
    cursor: str | None


class ExecutionsQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.executions`: newest first; executed from `since` on and before `until`."""

    symbol: str | None = None
    order_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = ROWS_DEFAULT
    cursor: str | None = None


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fill; `contract` is what was traded as one word, of a stock its symbol.

    `taken_back_at`: the broker took it back, as was recorded then, and it counts for nothing.
    """

    execution_id: str
    order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Money
    executed_at: datetime
    contract: str
    market: str
    taken_back_at: datetime | None = None


class ExecutionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of fills; `cursor` is None on the last page."""

    as_of: AsOf
    executions: tuple[ExecutionRow, ...]
    cursor: str | None


class PositionsQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.positions`: by contract; `symbol` is of an option its underlying's."""

    symbol: str | None = None
    market: str | None = None
    security: SecurityType | None = None
    limit: int = ROWS_MAX
    cursor: str | None = None


class PositionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's own figures, and when they were read; None until the first reading."""

    as_of: AsOf
    observed_at: datetime | None
    positions: tuple[PositionFigure, ...]
    cursor: str | None = None


class BalancesQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.balances`."""


class BalancesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's own figures, in `currency` unless they name another; None until read.

    `unread` names those that the last reading did not tell: they are as old as it says.
    """

    as_of: AsOf
    observed_at: datetime | None
    currency: str
    net_liquidation: Decimal | None
    buying_power: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    cash: tuple[CashFigure, ...]
    unread: tuple[FigureKept, ...] = ()


class CommandQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.command`: what one command led to so far."""

    command_id: str


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One stored fact; `data` is the event's own JSON object, `actor` whose wish it was."""

    type: str
    n: int
    recorded_at: datetime
    data: msgspec.Raw
    actor: str = ""


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The facts caused by the command, oldest first; empty while none is known here."""

    as_of: AsOf
    events: tuple[EventRow, ...]


class ExplainQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.explain`: every fact about an order, by its id or that of its preview.

    `after_n`: the last fact that an earlier page showed.
    """

    about: str
    after_n: int = 0


class ExplainAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The facts, oldest first, and the order as it is now, if there is one.

    `more_after` is the `after_n` of the next page, None on the last.
    """

    as_of: AsOf
    order: OrderRow | None
    events: tuple[EventRow, ...]
    more_after: int | None


class AuditQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`view.<account>.audit`: an account's facts, newest first, without readings of figures.

    `before_n`: the oldest fact that an earlier page showed; 0 for the newest page.
    """

    before_n: int = 0
    limit: int = ROWS_DEFAULT


class AuditAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The facts, newest first; `more_before` is the `before_n` of the next page."""

    as_of: AsOf
    events: tuple[EventRow, ...]
    more_before: int | None


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


class CashBreakRow(msgspec.Struct, frozen=True, kw_only=True):
    """The last cash figure that fills and charges did not explain; it stops nothing."""

    expected: Money
    observed: Money
    found_at: datetime


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """The login's token as last recorded: `state` is a value of `core.items.TokenFact`."""

    state: str
    issued_at: datetime | None
    expires_at: datetime | None
    detail: str
    recorded_at: datetime

    def is_past(self, now: datetime) -> bool:
        """Say whether its end is past: what was recorded grows old where nobody renews it."""
        return self.expires_at is not None and self.expires_at <= now


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """One account: its binding, its mode, and whether it takes orders now.

    `state` is `active`, `halted`, `frozen`, `stale` or `starting`; `detail` says why. An account
    that is `active` may have single symbols halted or frozen; `detail` says why they are frozen.
    `unverified_halts` are the scopes ("" is the account) of halts after which the readings do not
    yet show that nothing is open; `token` is None for a login that has none. `halt_file` tells the
    file that halted the account last, by its event `halt_file_n`.
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
    cash_break: CashBreakRow | None = None
    token: TokenRow | None = None
    unverified_halts: tuple[str, ...] = ()
    reconciled_at: datetime | None = None
    halt_file: str = ""
    halt_file_n: int = 0
    open_orders: int
    doubtful_orders: int
    as_of: AsOf


class AccountsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Every account, by alias."""

    accounts: tuple[AccountRow, ...]
