"""Whose executions a telling asks for: calls about single orders share the time it has for them.

The orders behind wait for each call to be told. What was left out goes first in the next telling:
what never was asked for, by how long it waits, and then the rest, oldest call first. So neither
slow or failing calls nor orders that fill in every round starve another. Nor does an order whose
turn came and that was not asked for, because its row cannot be read, say: it goes last from then
on, and neither time nor a token is kept for it.
"""

import time
from collections.abc import Collection
from typing import Final, NamedTuple

# What the calls of one telling may take together, but for the last: a round whose listing is cut
# into spans tells each of them.
ASKING_S: Final = 2.0


class _Asked(NamedTuple):
    """When the last call about an order ended, how long it took, and when the next one is due."""

    at_s: float
    took_s: float
    again_at_s: float


class _LeftOut(NamedTuple):
    """Since when an order was to be asked for, and was not.

    `leave`: how many tokens it was to leave when it found none; None where it lacked the time.
    """

    since_s: float
    leave: int | None


class _Planned(NamedTuple):
    """How long a call that is yet to come may take; `leave` of one that found no token before."""

    takes_s: float
    leave: int | None


class Turns:
    """Knows one account's orders that are asked for, by the broker's id."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}
        self._left_out: dict[str, _LeftOut] = {}
        # Those left out before that this telling shows; and whose turn it is, first one first.
        self._waiting: dict[str, _LeftOut] = {}
        self._turn: dict[str, _Planned] = {}
        # Those whose turn it was, and that did not come to ask.
        self._absent: set[str] = set()
        self._spent_s = 0.0
        self._last_took_s = 0.0

    def begin(self, tiger_order_ids: Collection[str]) -> None:
        """Allow the calls about the orders that a listing shows."""
        now_s, listed = time.monotonic(), frozenset(tiger_order_ids)
        self._absent |= self._turn.keys()
        left_out = self._left_out
        self._waiting = {key: each for key, each in left_out.items() if key in listed}
        self._left_out = {key: each for key, each in left_out.items() if key not in listed}
        never = sorted(
            (each.since_s, key) for key, each in self._waiting.items() if key not in self._asked
        )
        due = sorted(
            (each.at_s, key)
            for key in listed & self._asked.keys()
            if (each := self._asked[key]).again_at_s <= now_s or key in self._waiting
        )
        self._turn, takes_s = {}, 0.0
        for key in sorted((key for _, key in (*never, *due)), key=self._absent.__contains__):
            planned = self._planned(key)
            takes_s += planned.takes_s
            if self._turn and takes_s > ASKING_S:
                break
            self._turn[key] = planned
        self._spent_s = 0.0

    def may_ask(self, tiger_order_id: str, *, is_new: bool) -> bool:
        """Say whether an order may be asked for now; `is_new`: it tells more than when it was."""
        now_s, asked = time.monotonic(), self._asked.get(tiger_order_id)
        is_planned = self._turn.pop(tiger_order_id, None) is not None
        self._absent.discard(tiger_order_id)
        if asked is not None and not is_new and asked.again_at_s > now_s:
            return False
        kept_s = self._kept_s
        fits = not kept_s or self._spent_s + self._expected_s(tiger_order_id) + kept_s <= ASKING_S
        if self._spent_s < ASKING_S and (is_planned or fits):
            return True
        self._leave_out(tiger_order_id, now_s, leave=None)
        return False

    def tokens_ahead(self, tiger_order_id: str, *, leave: int) -> int:
        """Return how many tokens an order leaves, beside these, to those whose turn is before.

        Asked before `may_ask`. Those that have to leave more themselves are not waited for.
        """
        found = 0
        for key, planned in self._turn.items():
            if key == tiger_order_id:
                break
            found += planned.leave is not None and planned.leave <= leave
        return found

    def without_token(self, tiger_order_id: str, *, leave: int) -> None:
        """Note that there was no token for an order that may be asked for."""
        self._leave_out(tiger_order_id, time.monotonic(), leave=leave)

    def may_turn_page(self, *, begun_s: float) -> bool:
        """Say whether a call that began then may go on with another page."""
        return self._spent_s + time.monotonic() - begun_s + self._kept_s < ASKING_S

    def asked(self, tiger_order_id: str, *, begun_s: float, again_s: float) -> None:
        """Note a call that began then, and how many seconds later the next one is due."""
        now_s = time.monotonic()
        self._last_took_s = now_s - begun_s
        self._spent_s += self._last_took_s
        self._asked[tiger_order_id] = _Asked(now_s, self._last_took_s, now_s + again_s)

    def forget(self, tiger_order_id: str) -> None:
        """Forget an order that nothing is asked for any more."""
        self._asked.pop(tiger_order_id, None)
        self._left_out.pop(tiger_order_id, None)
        self._waiting.pop(tiger_order_id, None)
        self._turn.pop(tiger_order_id, None)
        self._absent.discard(tiger_order_id)

    @property
    def _kept_s(self) -> float:
        """What the calls take whose turn is yet to come."""
        return sum(planned.takes_s for planned in self._turn.values())

    def _planned(self, tiger_order_id: str) -> _Planned:
        if tiger_order_id in self._absent:
            return _Planned(0.0, None)
        waiting = self._waiting.get(tiger_order_id)
        leave = None if waiting is None else waiting.leave
        # No time is kept for a call that may find no token again.
        return _Planned(self._expected_s(tiger_order_id) if leave is None else 0.0, leave)

    def _expected_s(self, tiger_order_id: str) -> float:
        asked = self._asked.get(tiger_order_id)
        return self._last_took_s if asked is None else asked.took_s

    def _leave_out(self, tiger_order_id: str, now_s: float, *, leave: int | None) -> None:
        waiting = self._waiting.get(tiger_order_id)
        since_s = now_s if waiting is None else waiting.since_s
        self._left_out[tiger_order_id] = _LeftOut(since_s, leave)
