"""Calls for the executions of single orders: whether one may be made, what it told, how soon again.

They are made for fills that are not recorded, and for recorded ones that may have been taken back.
No round waits for one: a list of several pages goes on in a later call where a token or the time
for the next page is missing. Executions that half a list shows are there; only a list that was read
to its end says that one is not.
"""

from collections.abc import Callable, Collection, Iterable
from enum import Enum, auto
from typing import Final, NamedTuple

import structlog

from adapters.tiger_worker import rows
from adapters.tiger_worker.broker import PAGES_MAX, AccountBroker, ListingTooLongError
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.turns import Turns
from adapters.tiger_worker.words import Row
from core.errors import BrokerError, CorruptRecordError
from core.items import Item
from core.readings import ExecutionSeen, OrderSeen, RowKind

log = structlog.get_logger()
METHOD: Final = "order_transactions"
AGAIN_S: Final = 1.0
AGAIN_MAX_S: Final = 120.0
# What filled more, and further pages, leave this many tokens a minute to what was never asked for;
# what is asked for again leaves more to both.
MORE_LEAVE: Final = 10
AGAIN_LEAVE: Final = 20
# A call that failed says less than an empty list: it is made again sooner.
FAILED_AGAIN_S: Final = 20.0


class End(Enum):
    """How a call ended: with the last page, or amid the list, which is gone on with."""

    WHOLE = auto()
    BEGUN = auto()
    UNREADABLE = auto()
    FAILED = auto()


class Listed(NamedTuple):
    """What a list of an order's executions shows, as far as it was read."""

    executions: tuple[ExecutionSeen, ...]
    end: End


class _Begun(NamedTuple):
    """A list of which pages are read, up to the one of this token.

    `turned`: the rows before each token, the last one's last.
    """

    executions: tuple[ExecutionSeen, ...] = ()
    page_token: str = ""
    turned: tuple[tuple[str, tuple[ExecutionSeen, ...]], ...] = ()


class ExecutionCalls:
    """Makes the calls of one account; `tell` is given the row of which they cannot be read."""

    def __init__(
        self,
        broker: AccountBroker,
        *,
        budget: RateBudget,
        turns: Turns,
        tell: Callable[[Item], None],
    ) -> None:
        self._broker = broker
        self._budget = budget
        self._turns = turns
        self._tell = tell
        self._begun: dict[str, _Begun] = {}

    def may_ask(self, tiger_order_id: str, *, is_new: bool, leave: int) -> bool:
        """Say whether an order may be asked for now, by its turn, and if so take a token.

        `is_new`: it tells more than when it was; `leave` so many tokens a minute stay for others.
        """
        ahead = self._turns.tokens_ahead(tiger_order_id, leave=leave)
        if not self._turns.may_ask(tiger_order_id, is_new=is_new):
            return False
        if self._budget.try_take(METHOD, leave=leave + ahead):
            return True
        self._turns.without_token(tiger_order_id, leave=leave)
        return False

    def has_begun(self, tiger_order_id: str) -> bool:
        """Say whether the order's list is read in part, and to be gone on with."""
        return tiger_order_id in self._begun

    def ask(self, seen: OrderSeen, row: Row, *, begun_s: float, leave: int) -> Listed:
        """Read the order's list on, or from its begin, as far as time and tokens allow now.

        Args:
            row: is told of where what is listed cannot be read.
            begun_s: when the call began, which `may_ask` allowed.
            leave: so many tokens a minute stay for others, `MORE_LEAVE` at least by a further page.
        """
        key = seen.tiger_order_id
        before = self._begun.pop(key, _Begun())
        begun, leave = before, max(leave, MORE_LEAVE)
        try:
            begun = self._turned(seen, begun)
            while begun.page_token:
                if not self._may_turn_page(begun_s, leave):
                    self._begun[key] = begun
                    return Listed(begun.executions, End.BEGUN)
                begun = self._turned(seen, begun)
        except CorruptRecordError as error:
            # The order is known all the same.
            self._tell(rows.unreadable(RowKind.ORDER, row, error))
            return Listed(begun.executions, End.UNREADABLE)
        except BrokerError as error:
            log.warning("executions.failed", order=key, reason=str(error))
            # A token that fails by itself may be one that the broker takes no more.
            if begun is not before and not isinstance(error, ListingTooLongError):
                self._begun[key] = begun
            return Listed(begun.executions, End.FAILED)
        return Listed(begun.executions, End.WHOLE)

    def asked(self, tiger_order_id: str, *, begun_s: float, times: int, again_s_max: float) -> None:
        """Note a call that began then, and when the next one is due, in `again_s_max` at most.

        `times` calls in a row have brought nothing new: each pause is twice the one before.
        """
        again_s = min(AGAIN_S * 2.0 ** min(times - 1, 30), again_s_max)
        self._turns.asked(tiger_order_id, begun_s=begun_s, again_s=again_s)

    def forget(self, tiger_order_id: str) -> None:
        """Forget an order that nothing is asked for any more."""
        self._begun.pop(tiger_order_id, None)
        self._turns.forget(tiger_order_id)

    def _may_turn_page(self, begun_s: float, leave: int) -> bool:
        has_time = self._turns.may_turn_page(begun_s=begun_s)
        return has_time and self._budget.try_take(METHOD, leave=leave)

    def _turned(self, seen: OrderSeen, begun: _Begun) -> _Begun:
        """Read one page more.

        Raises:
            CorruptRecordError: it cannot be read.
            BrokerError: it did not come back; or the pages lead in a circle, or to no end.
        """
        page, page_token = self._broker.executions(seen.tiger_order_id, page_token=begun.page_token)
        _check_legs(seen, page)
        turned = (page_token, page)
        # A token may stand for a place that moves on: it is a circle if the rows are the same too.
        if page_token and (turned in begun.turned or len(begun.turned) + 1 >= PAGES_MAX):
            raise ListingTooLongError(f"{METHOD} has no last page, or its pages lead in a circle")
        executions = together(begun.executions, page)
        return _Begun(executions, page_token, (*begun.turned, turned))


def together(
    known: Iterable[ExecutionSeen], more: Iterable[ExecutionSeen]
) -> tuple[ExecutionSeen, ...]:
    """Return the executions of both, each once, as it was listed last."""
    return tuple({each.execution_id: each for each in (*known, *more)}.values())


def _check_legs(seen: OrderSeen, executions: Collection[ExecutionSeen]) -> None:
    """Hold the executions of a combination to its legs.

    Raises:
        CorruptRecordError: one is of no leg that the order has.
    """
    legs = seen.spec.contracts if seen.spec is not None and seen.spec.legs else ()
    # Recorded for another leg, or for the stock, it would be a guess.
    if legs and any(execution.contract not in legs for execution in executions):
        raise CorruptRecordError("expected a leg of the order in an execution's row")
