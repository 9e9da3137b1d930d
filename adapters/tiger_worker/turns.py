"""Whose executions a telling asks for: calls about single orders share the time it has for them.

The orders behind wait for each call to be told. So what never was asked for comes first, and what
is asked for again comes by how long it is due, so that slow or failing calls starve nobody.
"""

import time
from collections.abc import Collection
from typing import Final, NamedTuple

# What the calls of one telling may take together, but for the last: a round whose listing is cut
# into spans tells each of them.
ASKING_S: Final = 2.0


class _Asked(NamedTuple):
    """How long the last call about an order took, and when it is asked for again."""

    took_s: float
    again_at_s: float


class Turns:
    """Knows one account's orders that are asked for, by the broker's id."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}
        self._turn: frozenset[str] = frozenset()
        self._spent_s = 0.0
        self._has_left_out = False

    def begin(self, tiger_order_ids: Collection[str]) -> None:
        """Allow the calls about the orders that a listing shows."""
        now_s = time.monotonic()
        listed = ((key, self._asked.get(key)) for key in tiger_order_ids)
        due = sorted(
            (each.again_at_s, key, each.took_s)
            for key, each in listed
            if each is not None and each.again_at_s <= now_s
        )
        turn: set[str] = set()
        takes_s = ASKING_S if self._has_left_out else 0.0
        for _, key, took_s in due:
            if takes_s >= ASKING_S:
                break
            turn.add(key)
            takes_s += took_s
        self._turn = frozenset(turn)
        self._spent_s, self._has_left_out = 0.0, False

    def may_ask(self, tiger_order_id: str, *, is_new: bool) -> bool:
        """Say whether an order may be asked for now; `is_new`: it tells more than when it was."""
        is_new = is_new or tiger_order_id not in self._asked
        if is_new and self._spent_s >= ASKING_S:
            self._has_left_out = True
        return self._spent_s < ASKING_S and (is_new or tiger_order_id in self._turn)

    def asked(self, tiger_order_id: str, *, begun_s: float, again_s: float) -> None:
        """Note a call that began then, and how many seconds later the next one is due."""
        now_s = time.monotonic()
        self._spent_s += now_s - begun_s
        self._asked[tiger_order_id] = _Asked(now_s - begun_s, now_s + again_s)

    def forget(self, tiger_order_id: str) -> None:
        """Forget an order that nothing is asked for any more."""
        self._asked.pop(tiger_order_id, None)
