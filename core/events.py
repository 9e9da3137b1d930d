"""The facts about orders, one class per fact, and the union of all facts that the ledger stores.

A stored event never changes: a new shape gets a new schema number and a pure upgrade in
`core.codec`. Names are fixed strings, given in `core.codec.EVENT_CLASSES`. The facts about accounts
and tokens are in `core.account_events`, the preview in `core.preview_events`.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from core import account_events, parent_events
from core.claims import Claim
from core.money import Money
from core.preview_events import OrderPreviewed
from core.refusals import Refusal
from core.terms import OrderSpec, OrderType, Side


class OrderRefused(msgspec.Struct, frozen=True, kw_only=True):
    """A command was refused before anything was sent."""

    command_id: str
    code: Refusal
    detail: str
    preview_id: str = ""
    order_id: str = ""
    claim: Claim | msgspec.UnsetType = msgspec.UNSET


class OrderSubmissionStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The intention to send one order; stored before the broker is called.

    `send_by`: after it the order must not be sent. `arrives_by`: after it a send that began in
    time can no longer reach the broker.
    """

    order_id: str
    command_id: str
    preview_id: str
    spec: OrderSpec
    reason: str
    order_number: str
    mark: str
    send_by: datetime
    arrives_by: datetime


class OrderAccepted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The broker has the order; `evidence` is `reply` or `listing`.

    `moved_from` is the stranger that it stood on the books as until now, and the figures after it
    are what is recorded of that one, `charges` in its currency.
    """

    order_id: str
    tiger_order_id: str
    evidence: str
    moved_from: str = ""
    filled_quantity: Decimal = Decimal(0)
    recorded_quantity: Decimal = Decimal(0)
    recorded_legs: tuple[tuple[str, Decimal], ...] = ()
    charges: Decimal = Decimal(0)


class OrderWasOurs(msgspec.Struct, frozen=True, kw_only=True):
    """A stranger on the books is one of our orders; what is left of its entry is empty.

    `owner_order_id` is the order of ours that has the broker's id now.
    """

    order_id: str
    tiger_order_id: str
    owner_order_id: str


class OrderNotSent(msgspec.Struct, frozen=True, kw_only=True):
    """The order was surely never sent; only the process that wrote the intent may say so."""

    order_id: str
    cause: str


class OrderOutcomeUnknown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The order may or may not be live; evidence or a person resolves it, never a time-out.

    `filled_quantity` is what it is listed with, where that is not what was told before.
    """

    order_id: str
    cause: str
    filled_quantity: Decimal | None = None


class OrderNotFound(msgspec.Struct, frozen=True, kw_only=True):
    """Complete listings begun after every send could have arrived do not show the order."""

    order_id: str
    listings: int
    first_listing_at: datetime


class OrderReleased(msgspec.Struct, frozen=True, kw_only=True):
    """A named person took an order in doubt off the books; a later sighting reopens it."""

    order_id: str
    command_id: str
    person: str


class OrderWorking(msgspec.Struct, frozen=True, kw_only=True):
    """A listing shows the order live; `filled_quantity` is the broker's cumulative figure."""

    order_id: str
    tiger_order_id: str
    filled_quantity: Decimal


class OrderFillRecorded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One execution of an order, keyed by the broker's execution id.

    `contract` is what was traded where that is not the order's own contract: one leg of a
    combination, whose `side` is the leg's.
    """

    order_id: str
    execution_id: str
    side: Side
    symbol: str
    quantity: Decimal
    price: Money
    executed_at: datetime
    contract: str = ""


class OrderFillTakenBack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The broker took an execution back: the complete lists of its order's hold it no more.

    Which fill that was, as it was recorded. So many `listings` in a row lacked it, after the order
    was listed with fewer fills than recorded; `filled_quantity` is what it was listed with then.
    Where the same execution is listed again, it is recorded again.
    """

    order_id: str
    execution_id: str
    side: Side
    symbol: str
    quantity: Decimal
    price: Money
    executed_at: datetime
    filled_quantity: Decimal
    listings: int
    contract: str = ""


class OrderFilled(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's listing shows the order wholly filled."""

    order_id: str
    filled_quantity: Decimal
    average_price: Decimal | None


class OrderCancelled(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's listing shows the order cancelled, perhaps after partial fills."""

    order_id: str
    filled_quantity: Decimal
    average_price: Decimal | None


class OrderExpired(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's listing shows that the order's time ran out."""

    order_id: str
    filled_quantity: Decimal
    average_price: Decimal | None


class OrderRejected(msgspec.Struct, frozen=True, kw_only=True):
    """A definite no of the broker, by its reply (`code` set) or later by its listing."""

    order_id: str
    code: int | None
    detail: str
    filled_quantity: Decimal = Decimal(0)


class OrderTermsObserved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A listing shows an order with other terms than recorded: somebody changed it elsewhere."""

    order_id: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    trailing_percent: Decimal | None = None


class OrderAnswerObserved(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that had lost the account still held the broker's answer to its call.

    `outcome` is a value of `core.items.Outcome`; appended at the new tail, then that worker ends.
    """

    order_id: str
    outcome: str
    tiger_order_id: str
    code: int | None
    detail: str


class OrderCancelStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The intention to ask the broker to cancel; stored before the call."""

    order_id: str
    command_id: str
    tiger_order_id: str


class OrderCancelWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A cancel of an order in doubt: executed when the order is sighted."""

    order_id: str
    command_id: str


class OrderCancelRequested(msgspec.Struct, frozen=True, kw_only=True):
    """The broker took the request to cancel; the order is not cancelled until a listing says so."""

    order_id: str


class OrderCancelRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The broker refused to cancel, or the request was surely not sent."""

    order_id: str
    code: int | None
    detail: str


class OrderCancelUnknown(msgspec.Struct, frozen=True, kw_only=True):
    """The request to cancel may or may not have arrived; it is safe to ask again."""

    order_id: str
    cause: str


class OrderChargesObserved(msgspec.Struct, frozen=True, kw_only=True):
    """What an order has cost so far, all fees together, by the broker's listing."""

    order_id: str
    charges: Money


class OrderCancelImported(msgspec.Struct, frozen=True, kw_only=True):
    """A cancel that was made under the halt file while no event could be stored.

    `outcome` is a value of `core.items.Outcome`; `key` names the line of the worker's journal.
    """

    order_id: str
    key: str
    asked_at: datetime
    outcome: str
    code: int | None
    detail: str


class OrderModifyStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The intention to change an order to the terms `spec`; stored before the broker is called.

    `send_by` and `arrives_by` mean what they mean for a submission.
    """

    order_id: str
    command_id: str
    tiger_order_id: str
    spec: OrderSpec
    reason: str
    send_by: datetime
    arrives_by: datetime
    claim: Claim | msgspec.UnsetType = msgspec.UNSET


class OrderModifyRequested(msgspec.Struct, frozen=True, kw_only=True):
    """The broker took the request to change; the old terms hold until a listing shows the new."""

    order_id: str


class OrderModifyRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The broker refused to change the order; it stands as it was."""

    order_id: str
    code: int | None
    detail: str


class OrderModifyNotSent(msgspec.Struct, frozen=True, kw_only=True):
    """The request to change was surely never sent; only the process that meant to may say so."""

    order_id: str
    cause: str


class OrderModifyUnknown(msgspec.Struct, frozen=True, kw_only=True):
    """The order may stand on its old or its new terms; the listings will show which."""

    order_id: str
    cause: str


class OrderModifyNotApplied(msgspec.Struct, frozen=True, kw_only=True):
    """Complete listings begun after every request could have arrived do not show the new terms.

    One listing is enough where it shows the order over.
    """

    order_id: str
    listings: int
    first_listing_at: datetime


class OrderReplaced(msgspec.Struct, frozen=True, kw_only=True):
    """A listing shows the order on the terms that were asked for."""

    order_id: str
    spec: OrderSpec


class OrderExternalObserved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order that this service did not send, such as one from the phone app.

    `parent_order_id` names the order of ours that the broker made it of (a leg that was attached);
    `spec` is all of its terms, None where we have no words for them.
    """

    order_id: str
    tiger_order_id: str
    symbol: str
    market: str
    currency: str
    side: Side
    order_type: OrderType | None
    quantity: Decimal
    limit_price: Decimal | None
    source: str
    opened_at: datetime
    parent_order_id: str = ""
    spec: OrderSpec | None = None


OrderEvent = (
    OrderSubmissionStarted
    | OrderAccepted
    | OrderNotSent
    | OrderOutcomeUnknown
    | OrderNotFound
    | OrderReleased
    | OrderWorking
    | OrderFillRecorded
    | OrderFillTakenBack
    | OrderFilled
    | OrderCancelled
    | OrderExpired
    | OrderRejected
    | OrderTermsObserved
    | OrderAnswerObserved
    | OrderCancelStarted
    | OrderCancelWanted
    | OrderCancelRequested
    | OrderCancelRefused
    | OrderCancelUnknown
    | OrderChargesObserved
    | OrderCancelImported
    | OrderModifyStarted
    | OrderModifyRequested
    | OrderModifyRefused
    | OrderModifyNotSent
    | OrderModifyUnknown
    | OrderModifyNotApplied
    | OrderReplaced
    | OrderExternalObserved
    | OrderWasOurs
    | parent_events.OrderParentObserved
)

Event = (
    OrderPreviewed
    | OrderRefused
    | OrderEvent
    | account_events.AccountEvent
    | account_events.TokenEvent
    | account_events.CommandUnreadable
    | account_events.AccountAdded
    | account_events.AccountRemoved
)
