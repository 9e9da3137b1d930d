"""Which of the broker's open orders a halt by file concerns, and when each is asked for again.

Whose an order is, its mark says, or the ledger as far as it is known, or for what the broker made
of another order (a leg, a stop) whose that one is. A parent that nobody ever knew is no order of
ours: a person may buy with a stop attached, and the buy is done before any listing shows it.
"""

import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

from adapters.tiger_worker import words
from adapters.tiger_worker.words import Row
from core.items import Outcome

# How soon a cancel that came to nothing is asked again, and one that the broker took while its
# order stays open: an exchange that is shut keeps it so for a night.
AGAIN_S: Final = 5.0
TAKEN_AGAIN_S: Final = 30.0


class HaltOrders:
    """One account's; its user's lock guards it."""

    def __init__(self, *, own_marks: str, ours: Iterable[str]) -> None:
        """Make it of none.

        Args:
            own_marks: what the marks of our orders begin with.
            ours: the broker's ids of orders that an earlier process found to be ours.
        """
        self._own_marks = own_marks
        self._ours = set(ours)
        self._due_at: dict[str, float] = {}
        self._under_way: set[str] = set()

    @property
    def ours(self) -> tuple[str, ...]:
        """The broker's ids of the orders that were found to be ours, sorted."""
        return tuple(sorted(self._ours))

    def concerned(
        self, rows: Collection[Row], *, is_quiet: bool, is_ours: Callable[[str], bool]
    ) -> list[str]:
        """Return the broker's ids of the orders to cancel; "" for one that has none.

        Args:
            is_quiet: nothing was open any more. From then on an order from elsewhere is a person's
                own deed: closing a position by hand is not undone. One that was to be cancelled
                before then still is.
            is_ours: what the ledger says of a broker's id.
        """
        self._find_ours(rows, is_ours)
        found = (_id_of(row) for row in rows)
        if not is_quiet:
            return list(found)
        # Of one without an id nobody can say that it is done with.
        return [id_ for id_ in found if id_ in self._ours or id_ in self._due_at or not id_]

    def due(self, tiger_order_ids: Iterable[str]) -> list[str]:
        """Return for which of them a cancel is to be asked now, and count these as under way."""
        now = time.monotonic()
        due = [
            id_
            for id_ in tiger_order_ids
            if id_ and id_ not in self._under_way and now >= self._due_at.get(id_, now)
        ]
        self._due_at.update(dict.fromkeys(due, now))
        self._under_way.update(due)
        return due

    def ended(self, tiger_order_id: str, outcome: Outcome) -> None:
        """Note how the request to cancel one ended."""
        again_s = TAKEN_AGAIN_S if outcome is Outcome.DONE else AGAIN_S
        self._due_at[tiger_order_id] = time.monotonic() + again_s
        self._under_way.discard(tiger_order_id)

    def _find_ours(self, rows: Collection[Row], is_ours: Callable[[str], bool]) -> None:
        parents = {_id_of(row): words.text(row, "parentId") for row in rows}
        self._ours |= {_id_of(row) for row in rows if self._is_marked(row)} - {""}
        self._ours |= {id_ for pair in parents.items() for id_ in pair if id_ and is_ours(id_)}
        made = [(id_, parent) for id_, parent in parents.items() if id_]
        while more := {id_ for id_, parent in made if parent in self._ours} - self._ours:
            self._ours |= more

    def _is_marked(self, row: Row) -> bool:
        return words.text(row, "userMark").startswith(self._own_marks)


def _id_of(row: Row) -> str:
    tiger_order_id = words.text(row, "id")
    return tiger_order_id if tiger_order_id.isdecimal() else ""
