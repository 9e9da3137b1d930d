"""What a task is: what a person says, what was there before, and what must be true afterwards."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.e2e.tasks import after
from tests.e2e.tasks.after import Check
from tests.e2e.tasks.assistant import Assistant
from tests.e2e.tasks.stage import Act


class Task(NamedTuple):
    """One task.

    `is_week_later`: the person asks a week after what was there before. `calls_max` is what a
    person would expect: one look at the accounts, one call per thing to know or to do, and one look
    at the end.
    """

    words: str
    script: Callable[[Assistant], Awaitable[str]]
    calls_max: int
    after: tuple[Check, ...]
    before: tuple[Act, ...] = ()
    is_week_later: bool = False


def traded(alias: str, *, orders: int = 1, fills: int = 1) -> Check:
    """So many orders were previewed, sent and taken, and made so many fills."""
    return after.recorded(
        alias,
        order_previewed=orders,
        order_submission_started=orders,
        order_accepted=orders,
        order_fill_recorded=fills,
    )
