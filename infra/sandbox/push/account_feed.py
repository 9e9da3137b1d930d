"""Turns what happens at the broker into frames for those who follow an account."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from infra.sandbox.broker.records import (
    Fill,
    NumberReserved,
    Order,
    OrderWritten,
    PricesSet,
    Record,
)
from infra.sandbox.methods.answers import fill_json, order_json
from infra.sandbox.push.delivery import Delivery
from infra.sandbox.push.holdings import (
    CallOf,
    Holdings,
    changed_positions,
    changed_segments,
    holdings_of,
    positions_of,
    segments_of,
)
from infra.sandbox.push.messages import (
    asset_message,
    order_message,
    position_message,
    transaction_message,
)
from infra.sandbox.push.session import Session
from infra.sandbox.wire.envelope import to_ms

_Follower = tuple[Session, str]


class AccountFeed:
    """Listens to the engine.

    Args:
        call_of: makes a call of a method, as a login would.
        now: the broker's time.
        sessions: by tiger_id; others add to it and take from it.
        delivery: queues frames.
    """

    def __init__(
        self,
        *,
        call_of: CallOf,
        now: Callable[[], datetime],
        sessions: Mapping[str, Session],
        delivery: Delivery,
    ) -> None:
        self._call_of = call_of
        self._now = now
        self._sessions = sessions
        self._delivery = delivery
        # What happened, when (milliseconds), and who followed the accounts then.
        self._due: list[tuple[Record, int, tuple[_Follower, ...]]] = []

    def refresh(self, session: Session) -> None:
        """Note where a session's accounts stand, after it has subscribed or unsubscribed.

        What it follows already is left as it was told; what is new counts from now.
        """
        session.holdings = {
            account: session.holdings.get(account)
            or holdings_of(self._call_of, session.login, account)
            for account in session.subscriptions.accounts
        }

    def record_applied(self, record: Record) -> None:
        """Tell who follows the accounts that a record has changed, when the broker is done.

        The reply to a call that changes something goes first: what is pushed is worked out beside
        it, as elsewhere, and takes none of its time.
        """
        if isinstance(record, NumberReserved | PricesSet):
            return
        followed = tuple(
            (session, account)
            for session in self._sessions.values()
            for account in sorted(session.subscriptions.accounts)
        )
        if not followed:
            return
        if not self._due:
            asyncio.get_running_loop().call_soon(self._flush)
        self._due.append((record, to_ms(self._now()), followed))

    def _flush(self) -> None:
        due, self._due = self._due, []
        moved: dict[_Follower, bool] = {}
        for record, at_ms, followed in due:
            order = _order_in(record)
            for session, account in followed:
                if order is not None and order.account != account:
                    continue
                if order is not None:
                    self._tell_order(session, order, record, at_ms=at_ms)
                # An order that is new, or has changed, binds cash but moves no holding.
                is_moved = not isinstance(record, OrderWritten)
                moved[session, account] = moved.get((session, account), False) or is_moved
        for (session, account), is_moved in moved.items():
            # Who has left in between hears nothing more.
            if account in session.holdings:
                self._tell_holdings(session, account, is_moved=is_moved)

    def _tell_order(self, session: Session, order: Order, record: Record, *, at_ms: int) -> None:
        message = order_message(order_json(order), at_ms=at_ms)
        self._delivery.deliver(session, message, account=order.account)
        for fill in _fills_in(record):
            message = transaction_message(
                fill_json(fill),
                account=order.account,
                identifier=fill.contract_key,
                multiplier=fill.multiplier,
                at_ms=at_ms,
            )
            self._delivery.deliver(session, message, account=order.account)

    def _tell_holdings(self, session: Session, account: str, *, is_moved: bool) -> None:
        at_ms, before = to_ms(self._now()), session.holdings[account]
        positions = before.positions
        if is_moved:
            positions = positions_of(self._call_of, session.login, account)
        segments = segments_of(self._call_of, session.login, account)
        session.holdings[account] = Holdings(positions=positions, segments=segments)
        for position in changed_positions(before.positions, positions):
            message = position_message(position, at_ms=at_ms)
            self._delivery.deliver(session, message, account=account)
        for segment in changed_segments(before.segments, segments):
            message = asset_message(account, segment, at_ms=at_ms)
            self._delivery.deliver(session, message, account=account)


# Records that tell of an order or of executions all call them so, also those of later kinds.
def _order_in(record: Record) -> Order | None:
    order: Any = getattr(record, "order", None)
    return order if isinstance(order, Order) else None


def _fills_in(record: Record) -> Iterator[Fill]:
    single: Any = getattr(record, "fill", None)
    several: Any = getattr(record, "fills", ())
    yield from (fill for fill in (single, *several) if isinstance(fill, Fill))
