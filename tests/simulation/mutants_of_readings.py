"""Deliberate mistakes in what is asked and told of the broker's listings; see `mutants`."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from unittest.mock import patch

from adapters.tiger_worker import words
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.evidence import Evidence
from adapters.tiger_worker.execution_calls import End
from adapters.tiger_worker.executions import Executions
from adapters.tiger_worker.reconcile import Reconciler
from adapters.tiger_worker.windows import LOOK_BACK_S, Window, Windows
from core import readings
from core.account_state import AccountState
from core.errors import BrokerUnavailableError
from core.orders import Phase
from tests.simulation.mutants_of_decisions import Mutant, both


def date_listings_by_the_record() -> AbstractContextManager[Any]:
    """A listing begins when the ledger says that the order, or the last round, was."""

    def plan(self: Windows, state: AccountState, **more: Any) -> Window:
        begins = [state.orders[order_id].started_at for order_id in state.watched_orders]
        begins.append(self.listed_since or state.listed_at or self._clock.now())
        window = planned(self, state, **more)
        return window._replace(since=min(begins) - timedelta(seconds=LOOK_BACK_S))

    planned = Windows.plan
    return patch.object(Windows, "plan", plan)


def take_the_first_figures_as_they_come() -> AbstractContextManager[Any]:
    """What fell between the first listing and the first positions is counted twice."""
    return patch.object(Reconciler, "_check_no_fill_came", lambda *_: None)


def say_not_found_too_early() -> AbstractContextManager[Any]:
    """One listing that lacks an order in doubt is enough, whenever it began."""
    count = Evidence._count_absences

    def at_once(self: Evidence, listing: Any, *more: Any, **others: Any) -> None:
        count(self, listing, *more, **others)
        listed = {words.text(row, "userMark") for row in listing.rows}
        for order_id in self._state.open_orders:
            order = self._state.orders[order_id]
            if order.phase is Phase.UNKNOWN and order.mark not in listed:
                far = order.arrives_by.replace(year=order.arrives_by.year + 1)
                absence = readings.AbsenceConfirmed(
                    order_id=order_id, listings=99, first_listing_at=far
                )
                self._tell(absence)

    return patch.object(Evidence, "_count_absences", at_once)


def read_the_first_page_alone() -> AbstractContextManager[Any]:
    """A listing ends with its first page."""

    def first_page(self: AccountBroker, method: str, fields: dict[str, Any]) -> Iterator[Any]:
        yield from self._read(method, {**fields, "page_token": ""}).get("items", [])

    return patch.object(AccountBroker, "_pages", first_page)


def look_back_too_little() -> AbstractContextManager[Any]:
    """A listing begins with the last round, whatever is still open."""
    planned = Windows.plan

    def late(self: Windows, state: AccountState, **more: Any) -> Window:
        window = planned(self, state, **more)
        return window._replace(since=max(window.since, self.listed_since or window.since))

    return patch.object(Windows, "plan", late)


def read_times_as_local() -> AbstractContextManager[Any]:
    """The broker's moments are read as if they were local times."""
    moment = words.moment

    def local(row: Any, name: str) -> Any:
        return moment(row, name) + timedelta(hours=8)

    return patch.object(words, "moment", local)


def forget_what_was_released() -> AbstractContextManager[Any]:
    """What is not watched is never asked for again, but at a start."""

    planned = Windows.plan

    def plan(self: Windows, state: AccountState, *, skew_s: float, **more: Any) -> Window:
        begins = [state.orders[order_id].opened_from for order_id in state.watched_orders]
        begins.append(self.listed_since or self._clock.now() - timedelta(days=1))
        since = min(begins) - timedelta(seconds=LOOK_BACK_S + abs(skew_s))
        return planned(self, state, skew_s=skew_s, **more)._replace(since=since)

    return both(
        patch.object(Windows, "plan", plan),
        patch("adapters.tiger_worker.windows.SWEEP_EVERY_S", math.inf),
    )


def take_a_half_written_row_at_its_word() -> AbstractContextManager[Any]:
    """One row that names an order of ours by half makes it a stranger's, whatever comes later."""
    return both(
        patch("core.sightings.half_named", lambda *_: None),
        patch("core.desk.decide_recognized", lambda *_: None),
    )


def ignore_what_is_taken_back() -> AbstractContextManager[Any]:
    """An execution that the broker takes back stays as it was recorded."""
    return patch("core.desk.decide_taken_back", lambda *_: None)


def fail_rounds_for_executions() -> AbstractContextManager[Any]:
    """A round in which the executions of one order cannot be asked for ends there."""
    listed = Executions._listed

    def failing(self: Executions, seen: readings.OrderSeen, *more: Any) -> Any:
        found = listed(self, seen, *more)
        if found.end is End.FAILED:
            raise BrokerUnavailableError("the executions of an order cannot be asked for")
        return found

    return patch.object(Executions, "_listed", failing)


def take_back_at_first_sight() -> AbstractContextManager[Any]:
    """One list that lacks an execution, which may be behind, is enough to take it back."""
    listed = Executions._listed

    def at_once(self: Executions, seen: readings.OrderSeen, *more: Any) -> Any:
        found, state = listed(self, seen, *more), self._state_now()
        order_id = state.by_tiger_id.get(seen.tiger_order_id)
        ids = {each.execution_id for each in found.executions}
        gone = tuple(o for o, of in state.executions.items() if of == order_id and o not in ids)
        if order_id is not None and gone:
            told = readings.FillsTakenBack(
                order_id=order_id,
                listings=99,
                filled_quantity=Decimal(0),
                is_over=False,
                gone=gone,
                lists=99,
            )
            self._tell(told)
        return found

    return patch.object(Executions, "_listed", at_once)


READINGS: Final[tuple[Mutant, ...]] = (
    date_listings_by_the_record,
    take_the_first_figures_as_they_come,
    say_not_found_too_early,
    read_the_first_page_alone,
    look_back_too_little,
    read_times_as_local,
    forget_what_was_released,
    take_a_half_written_row_at_its_word,
    fail_rounds_for_executions,
    ignore_what_is_taken_back,
    take_back_at_first_sight,
)
