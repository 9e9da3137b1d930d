"""The executions of orders that filled more than is recorded: asked for when there is news of them.

An order's row tells how much it filled; its executions are a call of their own, and may be listed
later, or never. Where a call brought nothing new the next one waits, longer each time, and takes no
token that others need; after a while a person is told.
"""

import time
from collections.abc import Callable, Collection, Set
from decimal import Decimal
from typing import Final, NamedTuple

import structlog

from adapters.tiger_worker import rows
from adapters.tiger_worker.broker import AccountBroker, TurnPage
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.turns import Turns
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.context import Timing
from core.errors import BrokerError, CorruptRecordError
from core.items import ExecutionSeen, FillsNotListed, Item, OrderSeen, RowKind

log = structlog.get_logger()
METHOD: Final = "order_transactions"
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
    """An order as it was last asked for: `times` in a row, since then, without anything new.

    A call that failed brought nothing new either.
    """

    filled_quantity: Decimal
    executions: tuple[ExecutionSeen, ...]
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
        turn_page: TurnPage,
        turns: Turns,
    ) -> None:
        self._broker = broker
        self._budget = budget
        self._timing = timing
        self._state_now = state
        self._tell = tell
        self._turn_page = turn_page
        self._turns = turns
        self._asked: dict[str, _Asked] = {}

    def of(self, seen: OrderSeen, row: Row) -> Found:
        """Return the executions of an order that filled more than is recorded, as far as is known.

        No round waits or fails for them: what is asked for in vain is asked for again later, and
        where that lasts they count as never listed.
        """
        key = seen.tiger_order_id
        before = self._asked.get(key)
        has_grown = before is None or seen.filled_quantity > before.filled_quantity
        known = self.known(key)
        leave = 0 if has_grown else AGAIN_LEAVE
        is_turn = self._turns.may_ask(key, is_new=has_grown)
        if not is_turn or not self._budget.try_take(METHOD, leave=leave):
            return Found(known, is_news=has_grown)
        begun_s = time.monotonic()
        listed = self._listed(seen, row, known)
        executions = known if listed is None else listed
        is_news = has_grown or not _ids(executions) <= _ids(known)
        now_s = time.monotonic()
        times, since_s = 1, now_s
        if before is not None and not is_news:
            times, since_s = before.times + 1, before.since_s
        again_s_max = FAILED_AGAIN_S if listed is None else AGAIN_MAX_S
        again_s = min(AGAIN_S * 2.0 ** min(times - 1, 30), again_s_max)
        self._turns.asked(key, begun_s=begun_s, again_s=again_s)
        asked = _Asked(seen.filled_quantity, executions, times, since_s)
        self._asked[key] = asked
        if now_s - since_s >= NOT_LISTED_AFTER_S:
            self._tell_of_none(key, asked)
        return Found(executions, is_news)

    def known(self, tiger_order_id: str) -> tuple[ExecutionSeen, ...]:
        """Return the executions that an order was last listed with."""
        asked = self._asked.get(tiger_order_id)
        return () if asked is None else asked.executions

    def forget(self, tiger_order_id: str) -> None:
        """Forget an order whose fills are all recorded."""
        if self._asked.pop(tiger_order_id, None) is not None:
            self._turns.forget(tiger_order_id)

    def keep_only(self, tiger_order_ids: Set[str]) -> None:
        """Forget every order but the given ones."""
        for tiger_order_id in self._asked.keys() - tiger_order_ids:
            self.forget(tiger_order_id)

    def _listed(
        self, seen: OrderSeen, row: Row, known: tuple[ExecutionSeen, ...]
    ) -> tuple[ExecutionSeen, ...] | None:
        """Return what the broker lists, what was known if that cannot be read, or None."""
        try:
            found = self._broker.executions(seen.tiger_order_id, turn_page=self._turn_page)
            check_legs(seen, found)
        except CorruptRecordError as error:
            # The order is known all the same.
            self._tell(rows.unreadable(RowKind.ORDER, row, error))
            return known
        except BrokerError as error:
            log.warning("executions.failed", order=seen.tiger_order_id, reason=str(error))
            return None
        return found

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


def check_legs(seen: OrderSeen, executions: Collection[ExecutionSeen]) -> None:
    """Hold the executions of a combination to its legs.

    Raises:
        CorruptRecordError: one is of no leg that the order has.
    """
    legs = seen.spec.contracts if seen.spec is not None and seen.spec.legs else ()
    # Recorded for another leg, or for the stock, it would be a guess.
    if legs and any(execution.contract not in legs for execution in executions):
        raise CorruptRecordError("expected a leg of the order in an execution's row")
