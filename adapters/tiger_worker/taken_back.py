"""Fills that the broker takes back: rows that fall short of what is recorded, and what lists lack.

A row with fewer fills than are recorded may be behind, and a list of executions may be too. Both
are counted until they are evidence: the row, and what the order's complete lists of executions have
lacked since the row first fell short. Whoever trades on may fill again what was taken back, so the
list is asked for with every change of the row until it agrees with the record.
"""

import time
from collections.abc import Callable, Mapping, Set
from decimal import Decimal
from typing import Final, NamedTuple

from adapters.tiger_worker.execution_calls import (
    AGAIN_LEAVE,
    AGAIN_MAX_S,
    FAILED_AGAIN_S,
    End,
    ExecutionCalls,
    together,
)
from adapters.tiger_worker.executions import Found
from adapters.tiger_worker.order_rows import OrderRows
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.context import Timing
from core.errors import CorruptRecordError
from core.items import Item
from core.lost_fills import are_explained, is_short
from core.orders import Order
from core.readings import ExecutionSeen, FillsTakenBack, OrderSeen
from core.sightings import is_over, may_be_over

# Listings that are behind show fewer fills too, but not for so long.
TAKEN_BACK_AFTER_S: Final = 30.0
# So often at least an order is asked for whose last list lacked something: what is evidence is what
# lists lack all that time, and not now and then.
LACKED_AGAIN_S: Final = 10.0
# Lists that lack something are waited for until they are evidence, but no longer than this.
LISTS_WAIT_S: Final = 2 * TAKEN_BACK_AFTER_S
# What figures differ by meanwhile may be what was taken back; of an order that only sweeps show the
# lists are not sooner evidence. No order holds up for longer what is told of the others' figures.
FIGURES_WAIT_S: Final = 8 * TAKEN_BACK_AFTER_S
# A mean that is listed may be rounded to cents; by more than this it is that of other fills.
MEAN_STEP: Final = Decimal("0.005")


class _Shortfall(NamedTuple):
    """Listings in a row that show the same order over, or live, with fewer fills than recorded.

    `filled_quantity`: by the last of them.
    """

    is_over: bool
    listings: int
    since_s: float
    filled_quantity: Decimal


class _Lack(NamedTuple):
    """Complete lists in a row, since then, that lack one execution that is recorded."""

    lists: int
    since_s: float


class _Asked(NamedTuple):
    """An order as it was last asked for: `times` in a row without anything new.

    `agreeing`: lists in a row that had what is recorded. One of them may be behind.
    """

    filled_quantity: Decimal
    executions: tuple[ExecutionSeen, ...] = ()
    lacks: Mapping[str, _Lack] = {}
    times: int = 0
    agreeing: int = 0


class TakenBack:
    """Counts for one account; `tell` is given what became evidence, each time it is shown again."""

    def __init__(
        self,
        calls: ExecutionCalls,
        *,
        order_rows: OrderRows,
        timing: Timing,
        state: Callable[[], AccountState],
        tell: Callable[[Item], None],
    ) -> None:
        self._calls = calls
        self._order_rows = order_rows
        self._timing = timing
        self._state_now = state
        self._tell = tell
        self._asked: dict[str, _Asked] = {}
        self._shortfalls: dict[str, _Shortfall] = {}
        # What each order was listed as filled with, and at which mean, when the record agreed.
        self._agreed: dict[str, tuple[Decimal, Decimal | None]] = {}

    def look(self, seen: OrderSeen, row: Row, order: Order) -> Found | None:
        """Return the executions of an order whose row shows no more fills than are recorded.

        None, unless the row shows fewer, or a mean price of others, or did, and the list has not
        agreed with the record since. A call that fails is made again later; no round waits for it.
        """
        key = seen.tiger_order_id
        is_short = order.has_more_than(seen.filled_quantity)
        before = self._asked.get(key)
        if before is None and not is_short and not self._are_others(seen, order):
            return None
        is_new = before is None or before.filled_quantity != seen.filled_quantity
        before = before or _Asked(seen.filled_quantity)
        if not self._calls.may_ask(key, is_new=is_new, leave=AGAIN_LEAVE):
            self._asked.setdefault(key, before)
            return Found(before.executions, is_news=False)
        now_s = time.monotonic()
        listed, end = self._calls.ask(seen, row, begun_s=now_s, leave=AGAIN_LEAVE)
        executions = listed if end is End.WHOLE else together(before.executions, listed)
        again_s_max = 0.0 if end is End.BEGUN else FAILED_AGAIN_S
        known = self._state_now().executions
        ids = frozenset(each.execution_id for each in listed)
        # Half a list is evidence of what it shows, and none of what it lacks.
        lacks = {one: lack for one, lack in before.lacks.items() if one not in ids}
        asked = before._replace(
            filled_quantity=seen.filled_quantity, executions=executions, lacks=lacks
        )
        told = {each.execution_id for each in before.executions}
        is_news = any(each not in known and each not in told for each in ids)
        if end is End.WHOLE:
            lacked = _recorded(self._state_now(), order) - ids
            is_agreed = not is_short and not lacked and all(each in known for each in ids)
            agreeing = asked.agreeing + 1 if is_agreed and not is_new else int(is_agreed)
            asked = asked._replace(agreeing=agreeing)
            if agreeing >= self._timing.absence_listings_min:
                # Its time counts in this round, and nothing is asked for again.
                self._calls.asked(key, begun_s=now_s, times=1, again_s_max=0.0)
                self._asked.pop(key, None)
                self._calls.forget(key)
                self._agreed[key] = (seen.filled_quantity, seen.average_price)
                return Found(listed, is_news=False)
            lacks = {each: _more(before.lacks.get(each), now_s) for each in lacked}
            asked = asked._replace(lacks=lacks)
            again_s_max = LACKED_AGAIN_S if lacks else AGAIN_MAX_S
        # Lists that agree are evidence soon, too.
        times = 1 if is_news or is_new or asked.agreeing == 1 else asked.times + 1
        self._calls.asked(key, begun_s=now_s, times=times, again_s_max=again_s_max)
        self._asked[key] = asked._replace(times=times)
        return Found(asked.executions, is_news)

    def forget(self, tiger_order_id: str) -> None:
        """Forget the lists of an order that filled more than is recorded."""
        if self._asked.pop(tiger_order_id, None) is not None:
            self._calls.forget(tiger_order_id)

    def keep_only(self, tiger_order_ids: Set[str]) -> None:
        """Forget every order but the given ones."""
        for tiger_order_id in self._asked.keys() - tiger_order_ids:
            self.forget(tiger_order_id)
        self._agreed = {id_: each for id_, each in self._agreed.items() if id_ in tiger_order_ids}

    @property
    def is_counting(self) -> bool:
        """Whether a row or a list fell short lately of what is still recorded."""
        first_s, state = time.monotonic() - FIGURES_WAIT_S, self._state_now()
        rows_s = (
            short.since_s
            for order_id, short in self._shortfalls.items()
            if is_short(state.orders[order_id], short.filled_quantity)
        )
        lists_s = (
            lack.since_s
            for each in self._asked.values()
            for execution_id, lack in each.lacks.items()
            if execution_id in state.executions
        )
        return any(since_s > first_s for since_s in (*rows_s, *lists_s))

    def count(self, found: Mapping[str, Row]) -> bool:
        """Count the rows of a complete round that show fewer fills than are recorded.

        Returns whether executions that were taken back were told of.
        """
        has_gone = False
        state, now_s = self._state_now(), time.monotonic()
        for tiger_order_id, row in found.items():
            order = state.orders.get(state.by_tiger_id.get(tiger_order_id) or "")
            if order is None:
                continue
            try:
                seen = self._order_rows.order_of(row)
            except CorruptRecordError:
                # Told of where the rows are read; it shows nothing.
                continue
            if not is_short(order, seen.filled_quantity):
                self._shortfalls.pop(order.order_id, None)
                continue
            fresh = _Shortfall(may_be_over(order, seen), 0, now_s, seen.filled_quantity)
            before = self._shortfalls.get(order.order_id, fresh)
            if before.is_over is not fresh.is_over:
                before = fresh
            count = fresh._replace(listings=before.listings + 1, since_s=before.since_s)
            self._shortfalls[order.order_id] = count
            if now_s - count.since_s >= TAKEN_BACK_AFTER_S:
                has_gone = self._tell_of(order, seen, count, now_s) or has_gone
        return has_gone

    def _are_others(self, seen: OrderSeen, order: Order) -> bool:
        """Say whether a row with as many fills as are recorded has the mean price of other ones.

        Then one was taken back and another took its place before any row fell short.
        """
        told = (seen.filled_quantity, seen.average_price)
        # Of a combination the mean is that of no leg.
        if seen.average_price is None or order.spec.legs:
            return False
        if self._agreed.get(seen.tiger_order_id) == told:
            return False
        state = self._state_now()
        recorded = _recorded(state, order)
        fills = [fill for one in recorded if (fill := state.fills.get(one)) is not None]
        quantity = sum((fill.quantity for fill in fills), start=Decimal(0))
        worth = sum((fill.quantity * fill.price.amount for fill in fills), start=Decimal(0))
        if quantity and abs(worth - seen.average_price * quantity) > MEAN_STEP * quantity:
            return True
        self._agreed[seen.tiger_order_id] = told
        return False

    def _tell_of(self, order: Order, seen: OrderSeen, count: _Shortfall, now_s: float) -> bool:
        # One state for all of it: the desk may take back meanwhile what was told of before.
        state = self._state_now()
        recorded = _recorded(state, order)
        asked = self._asked.get(seen.tiger_order_id)
        lacks = {} if asked is None else asked.lacks
        lacked = {each: lack for each, lack in lacks.items() if each in recorded}
        gone = {each: lack for each, lack in lacked.items() if self._is_evident(lack, now_s)}
        if not are_explained(state, order, lacked, seen.filled_quantity):
            gone = {}
        if len(gone) < len(lacked) and now_s - count.since_s < LISTS_WAIT_S:
            return False
        self._tell(
            FillsTakenBack(
                order_id=order.order_id,
                listings=count.listings,
                filled_quantity=seen.filled_quantity,
                is_over=count.is_over,
                end=seen.phase if is_over(order, seen) else None,
                gone=tuple(sorted(gone)),
                lists=min((lack.lists for lack in gone.values()), default=0),
            )
        )
        return bool(gone)

    def _is_evident(self, lack: _Lack, now_s: float) -> bool:
        is_enough = lack.lists >= self._timing.absence_listings_min
        return is_enough and now_s - lack.since_s >= TAKEN_BACK_AFTER_S


def _recorded(state: AccountState, order: Order) -> frozenset[str]:
    return frozenset(one for one, owner in state.executions.items() if owner == order.order_id)


def _more(lack: _Lack | None, now_s: float) -> _Lack:
    return _Lack(1, now_s) if lack is None else lack._replace(lists=lack.lists + 1)
