"""Orders that this worker cancels by its own wish: a halt's, or ones wished away in doubt.

A rule of state, looked at again and again: a cancel that failed, or that a crash ate, is asked once
more; and later each time while it is answered the same and nothing else changes.
"""

import math
from datetime import datetime, timedelta
from typing import Final

from adapters.tiger_worker.parts import Work
from adapters.tiger_worker.pauses import Pause, Pauses
from core import items
from core.account_state import AccountState
from core.cancelling import must_not_rest
from core.commands import CancelOrder
from core.ids import derived_id
from core.orders import CancelPhase, Order

# How soon to look again while nothing else calls for it.
LOOK_EVERY_S: Final = 1.0
# How soon a cancel that came to nothing is asked again, and one that the broker took while its
# order stays open; and how late at most. An exchange that is shut keeps it so for a weekend, and
# once it opens the order may fill.
ASK_EVERY_S: Final = 5.0
TAKEN_ASK_EVERY_S: Final = 30.0
ASK_LATEST_S: Final = 120.0
# One that was never sent waits for a token or for a connection, which may be there at any moment.
UNSENT_ASK_LATEST_S: Final = 30.0
_TO_NOTHING: Final = Pause(ASK_EVERY_S, ASK_LATEST_S)
UNSENT: Final = Pause(ASK_EVERY_S, UNSENT_ASK_LATEST_S)
_TAKEN: Final = Pause(TAKEN_ASK_EVERY_S, ASK_LATEST_S)


class OwnCancels:
    """Knows when each order of one account was asked away last; used by the desk's thread."""

    def __init__(self, *, account: str, login: str) -> None:
        self._account = account
        self._login = login
        self._pauses = Pauses()
        # How each order's last cancel ended: what became of it, and the broker's code.
        self._answers: dict[str, tuple[items.Outcome, int | None]] = {}
        self._looked_at = -math.inf

    def is_time(self, *, boot_s: float) -> bool:
        """Say whether to look again, whatever happened since."""
        return boot_s - self._looked_at >= LOOK_EVERY_S

    def forget(self, order_id: str) -> None:
        """Let an order be asked away at once: what was wished before could not reach the broker."""
        self._pauses.forget(order_id)

    def answered(self, answer: items.CancelAnswered) -> None:
        """Note how a cancel ended, whoever asked for it."""
        self._answers[answer.order_id] = (answer.outcome, answer.code)

    def wishes(self, state: AccountState, *, now: datetime, boot_s: float) -> list[Work]:
        """Return what is to be asked now."""
        self._looked_at = boot_s
        self._pauses.keep_only(state.open_orders)
        self._answers = {o: each for o, each in self._answers.items() if o in state.open_orders}
        found = (state.orders[order_id] for order_id in sorted(state.open_orders))
        due = [each for each in found if must_not_rest(state, each)]
        return [
            self._wish(order, halts_of(state, order.spec.symbol), now)
            for order in due
            if self._is_time_for(state, order, boot_s)
        ]

    def _is_time_for(self, state: AccountState, order: Order, boot_s: float) -> bool:
        answer = self._answers.get(order.order_id)
        pause = _TO_NOTHING
        if order.cancel is CancelPhase.REQUESTED:
            pause = _TAKEN
        elif answer is not None and answer[0] is items.Outcome.NOT_SENT:
            pause = UNSENT
        told = (order.cancel, order.phase, order.filled_quantity, order.spec)
        # Where the readings failed, what failed with them may work again.
        found = (answer, told, halts_of(state, order.spec.symbol), state.is_stale)
        return self._pauses.ask(order.order_id, pause, found=found, now_s=boot_s)

    def _wish(self, order: Order, halts: tuple[int, int], now: datetime) -> Work:
        # The same for as long as the same halts hold: it is asked again, and kept once.
        parts = ("own cancel", order.order_id, *(str(n) for n in halts))
        command_id = derived_id("cmd", self._account, *parts)
        cancel = items.CommandItem(
            command=CancelOrder(order_id=order.order_id),
            command_id=command_id,
            principal=f"worker:{self._login}",
            expires_at=now + timedelta(days=1),
            is_own=True,
        )
        return Work(cancel, correlation_id=order.correlation_id)


def halts_of(state: AccountState, symbol: str) -> tuple[int, int]:
    """Return the `n` of the account's last halt and of the symbol's; 0 for none."""
    return state.halted_at.get("") or 0, state.halted_at.get(symbol) or 0
