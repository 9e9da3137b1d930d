"""The executions of orders that filled more than is recorded: asked for when there is news of them.

An order's row tells how much it filled; its executions are a call of their own, and may be listed
later, or never. Where a call brought nothing new the next one waits, longer each time, and takes no
token that others need; after a while a person is told. That the order fills on brings the next call
forward and ends no such while: only an execution that was not known does.
"""

import time
from collections.abc import Callable, Collection, Set
from decimal import Decimal
from typing import Final, NamedTuple, assert_never

from adapters.tiger_worker.execution_calls import (
    AGAIN_LEAVE,
    AGAIN_MAX_S,
    FAILED_AGAIN_S,
    MORE_LEAVE,
    End,
    ExecutionCalls,
    Listed,
    together,
)
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.context import Timing
from core.items import Item
from core.readings import ExecutionSeen, FillsNotListed, OrderSeen

NOT_LISTED_AFTER_S: Final = 60.0
# Those that nobody could ask for, for want of tokens or of time, say nothing of the broker: three
# hundred fills at an opening take this long.
LEFT_OUT_AFTER_S: Final = 300.0


class Found(NamedTuple):
    """All executions of an order that are known, and whether its fills or they are news."""

    executions: tuple[ExecutionSeen, ...]
    is_news: bool


class _Missing(NamedTuple):
    """An order of which fills are missing.

    Attributes:
        since_s: when they first were, or when a call last brought an execution that was not known.
        moved_s: when it was last asked for; before that as `since_s`.
        told: how much its last row told of; `asked`: the row of the last call, None before one.
        rows: rows in a row since then, and `calls` that ended, in vain.
        times: calls in a row that ended in vain since it last filled more.
    """

    since_s: float
    moved_s: float
    told: Decimal = Decimal(0)
    asked: Decimal | None = None
    executions: tuple[ExecutionSeen, ...] = ()
    rows: int = 0
    calls: int = 0
    times: int = 0


class Executions:
    """Asks for one account's executions; `tell` is given what never comes."""

    def __init__(
        self,
        calls: ExecutionCalls,
        *,
        timing: Timing,
        state: Callable[[], AccountState],
        tell: Callable[[Item], None],
    ) -> None:
        self._calls = calls
        self._timing = timing
        self._state_now = state
        self._tell = tell
        self._missing: dict[str, _Missing] = {}

    def of(self, seen: OrderSeen, row: Row) -> Found:
        """Return the executions of an order that filled more than is recorded, as far as is known.

        No round waits or fails for them: what is asked for in vain is asked for again later, and
        where that lasts they count as never listed.
        """
        key, now_s = seen.tiger_order_id, time.monotonic()
        before = self._missing.get(key) or _Missing(since_s=now_s, moved_s=now_s)
        missing = before._replace(told=seen.filled_quantity, rows=before.rows + 1)
        is_more = before.asked is None or seen.filled_quantity > before.asked
        leave = AGAIN_LEAVE
        if is_more or self._calls.has_begun(key):
            leave = 0 if before.asked is None else MORE_LEAVE
        is_asked = self._calls.may_ask(key, is_new=is_more, leave=leave)
        if is_asked:
            missing = missing._replace(asked=seen.filled_quantity)
            missing = self._after_call(missing._replace(times=0) if is_more else missing, seen, row)
        self._missing[key] = missing
        if self._is_late(missing, is_asked=is_asked):
            self._tell_of_none(key, missing)
        has_new = not _ids(missing.executions) <= _ids(before.executions)
        is_news = has_new or seen.filled_quantity > before.told
        return Found(missing.executions, is_news)

    def forget(self, tiger_order_id: str) -> None:
        """Forget an order whose fills are all recorded."""
        if self._missing.pop(tiger_order_id, None) is not None:
            self._calls.forget(tiger_order_id)

    def keep_only(self, tiger_order_ids: Set[str]) -> None:
        """Forget every order but the given ones."""
        for tiger_order_id in self._missing.keys() - tiger_order_ids:
            self.forget(tiger_order_id)

    def _after_call(self, missing: _Missing, seen: OrderSeen, row: Row) -> _Missing:
        begun_s = time.monotonic()
        listed = self._listed(seen, row, begun_s)
        now_s = time.monotonic()
        executions = listed.executions
        if listed.end is not End.WHOLE:
            # What was listed before, or on other pages, is there all the same.
            executions = together(missing.executions, executions)
        missing = missing._replace(moved_s=now_s)
        if not _ids(executions) <= _ids(missing.executions):
            missing = missing._replace(since_s=now_s, rows=1, calls=0, times=0)
        ended = int(listed.end is not End.BEGUN)
        missing = missing._replace(
            executions=executions, calls=missing.calls + ended, times=missing.times + ended
        )
        self._calls.asked(
            seen.tiger_order_id,
            begun_s=begun_s,
            times=max(1, missing.times),
            again_s_max=_again_s_max(listed.end),
        )
        return missing

    def _listed(self, seen: OrderSeen, row: Row, begun_s: float) -> Listed:
        return self._calls.ask(seen, row, begun_s=begun_s, leave=MORE_LEAVE)

    def _is_late(self, missing: _Missing, *, is_asked: bool) -> bool:
        now_s = time.monotonic()
        if now_s - missing.since_s >= LEFT_OUT_AFTER_S:
            return is_asked or now_s - missing.moved_s >= LEFT_OUT_AFTER_S
        is_enough = missing.calls >= self._timing.absence_listings_min
        return is_asked and is_enough and now_s - missing.since_s >= NOT_LISTED_AFTER_S

    def _tell_of_none(self, tiger_order_id: str, missing: _Missing) -> None:
        state = self._state_now()
        order_id = state.by_tiger_id.get(tiger_order_id)
        is_taken = all(each.execution_id in state.executions for each in missing.executions)
        # A desk that is behind has yet to record what was listed.
        if order_id is not None and is_taken:
            self._tell(FillsNotListed(order_id=order_id, listings=missing.rows))


def _again_s_max(end: End) -> float:
    match end:
        case End.BEGUN:
            return 0.0
        case End.FAILED:
            return FAILED_AGAIN_S
        case End.WHOLE | End.UNREADABLE:
            return AGAIN_MAX_S
        case _:
            assert_never(end)


def _ids(executions: Collection[ExecutionSeen]) -> frozenset[str]:
    return frozenset(each.execution_id for each in executions)
