"""The executions of orders that filled more than is recorded: asked for when there is news of them.

An order's row tells how much it filled; its executions are a call of their own, and may be listed
later, or never. Where a call brought nothing new the next one waits, longer each time, and takes no
token that others need; after a while a person is told.
"""

import time
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Final, NamedTuple

from adapters.tiger_worker import rows
from adapters.tiger_worker.broker import AccountBroker, TurnPage
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.context import Timing
from core.errors import BrokerError, CorruptRecordError
from core.items import ExecutionSeen, FillsNotListed, Item, OrderSeen, RowKind

_METHOD: Final = "order_transactions"
AGAIN_S: Final = 1.0
AGAIN_MAX_S: Final = 120.0
# What is asked for again leaves this many tokens a minute to what filled just now.
AGAIN_LEAVE: Final = 20
# A call that failed says less than an empty list: it is made again sooner.
FAILED_AGAIN_S: Final = 20.0
NOT_LISTED_AFTER_S: Final = 60.0


class Found(NamedTuple):
    """All executions of an order that are known, and whether its fills or they are news."""

    executions: tuple[ExecutionSeen, ...]
    is_news: bool


class _Asked(NamedTuple):
    """An order as it was last asked for: `times` in a row, since then, without anything new."""

    filled_quantity: Decimal
    executions: tuple[ExecutionSeen, ...]
    times: int
    since_s: float
    again_at_s: float


class _Failing(NamedTuple):
    """How often in a row an order could not be asked for, and since when."""

    times: int
    since_s: float


class Executions:
    """Asks for one account's executions; `tell` is given what cannot be read, or never comes."""

    def __init__(
        self,
        broker: AccountBroker,
        *,
        budget: RateBudget,
        timing: Timing,
        state: Callable[[], AccountState],
        tell: Callable[[Item], None],
        spend: Callable[[str], None],
        turn_page: TurnPage,
    ) -> None:
        self._broker = broker
        self._budget = budget
        self._timing = timing
        self._state_now = state
        self._tell = tell
        self._spend = spend
        self._turn_page = turn_page
        self._asked: dict[str, _Asked] = {}
        self._failing: dict[str, _Failing] = {}

    def of(self, seen: OrderSeen, row: Row) -> Found:
        """Return the executions of an order that filled more than is recorded.

        Raises:
            BrokerError: they cannot be asked for. Where that lasts they count as never listed, so
                that one order keeps no round of all the others from its end.
        """
        before = self._asked.get(seen.tiger_order_id)
        has_grown = before is None or seen.filled_quantity > before.filled_quantity
        if before is not None and not has_grown and not self._may_ask_again(before):
            return Found(before.executions, is_news=False)
        try:
            found = self._asked_for(seen, row, before=before, has_grown=has_grown)
        except BrokerError:
            now_s = time.monotonic()
            failing = self._failing.get(seen.tiger_order_id, _Failing(0, now_s))
            failing = failing._replace(times=failing.times + 1)
            self._failing[seen.tiger_order_id] = failing
            if now_s - failing.since_s < NOT_LISTED_AFTER_S:
                raise
            known, again_at_s = self.known(seen.tiger_order_id), now_s + FAILED_AGAIN_S
            asked = _Asked(seen.filled_quantity, known, failing.times, failing.since_s, again_at_s)
            self._asked[seen.tiger_order_id] = asked
            self._tell_of_none(seen.tiger_order_id, asked)
            return Found(known, is_news=False)
        self._failing.pop(seen.tiger_order_id, None)
        return found

    def known(self, tiger_order_id: str) -> tuple[ExecutionSeen, ...]:
        """Return the executions that an order was last listed with."""
        asked = self._asked.get(tiger_order_id)
        return () if asked is None else asked.executions

    def _asked_for(
        self, seen: OrderSeen, row: Row, *, before: _Asked | None, has_grown: bool
    ) -> Found:
        if has_grown:
            self._spend(_METHOD)
        known = self.known(seen.tiger_order_id)
        executions = self._listed(seen, row, known)
        is_news = has_grown or not _ids(executions) <= _ids(known)
        now_s = time.monotonic()
        times, since_s = 1, now_s
        if before is not None and not is_news:
            times, since_s = before.times + 1, before.since_s
        again_s = min(AGAIN_S * 2.0 ** min(times - 1, 30), AGAIN_MAX_S)
        asked = _Asked(seen.filled_quantity, executions, times, since_s, now_s + again_s)
        self._asked[seen.tiger_order_id] = asked
        if now_s - since_s >= NOT_LISTED_AFTER_S:
            self._tell_of_none(seen.tiger_order_id, asked)
        return Found(executions, is_news)

    def forget(self, tiger_order_id: str) -> None:
        """Forget an order whose fills are all recorded."""
        self._asked.pop(tiger_order_id, None)
        self._failing.pop(tiger_order_id, None)

    def keep_only(self, tiger_order_ids: Collection[str]) -> None:
        """Forget every order but the given ones."""
        self._asked = {id_: each for id_, each in self._asked.items() if id_ in tiger_order_ids}
        self._failing = {id_: f for id_, f in self._failing.items() if id_ in tiger_order_ids}

    def _may_ask_again(self, asked: _Asked) -> bool:
        is_time = time.monotonic() >= asked.again_at_s
        return is_time and self._budget.try_take(_METHOD, leave=AGAIN_LEAVE)

    def _listed(
        self, seen: OrderSeen, row: Row, known: tuple[ExecutionSeen, ...]
    ) -> tuple[ExecutionSeen, ...]:
        try:
            found = self._broker.executions(seen.tiger_order_id, turn_page=self._turn_page)
            _check_legs(seen, found)
            return found
        except CorruptRecordError as error:
            # The order is known all the same.
            self._tell(rows.unreadable(RowKind.ORDER, row, error))
            return known

    def _tell_of_none(self, tiger_order_id: str, asked: _Asked) -> None:
        state = self._state_now()
        order_id = state.by_tiger_id.get(tiger_order_id)
        is_taken = all(each.execution_id in state.executions for each in asked.executions)
        # A desk that is behind has yet to record what was listed.
        if order_id is None or not is_taken or asked.times < self._timing.absence_listings_min:
            return
        self._tell(
            FillsNotListed(
                order_id=order_id, listings=asked.times, filled_quantity=asked.filled_quantity
            )
        )


def _ids(executions: Collection[ExecutionSeen]) -> frozenset[str]:
    return frozenset(each.execution_id for each in executions)


def _check_legs(seen: OrderSeen, executions: Collection[ExecutionSeen]) -> None:
    legs = seen.spec.contracts if seen.spec is not None and seen.spec.legs else ()
    # Recorded for another leg, or for the stock, it would be a guess.
    if legs and any(execution.contract not in legs for execution in executions):
        raise CorruptRecordError("expected a leg of the order in an execution's row")
