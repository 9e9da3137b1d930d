"""Orders that this worker cancels by its own wish: a halt's, or ones wished away in doubt.

A rule of state, looked at again and again: a cancel that failed, or that a crash ate, is asked once
more.
"""

import math
from datetime import datetime, timedelta
from typing import Final

from adapters.tiger_worker.parts import Work
from core import items
from core.account_state import AccountState
from core.cancelling import must_not_rest
from core.commands import CancelOrder
from core.ids import derived_id
from core.orders import CancelPhase, Order

# How soon to look again while nothing else calls for it.
LOOK_EVERY_S: Final = 1.0
# How soon a cancel that came to nothing is asked again, and one that the broker took while its
# order stays open: an exchange that is shut keeps it so for a night.
ASK_EVERY_S: Final = 5.0
TAKEN_ASK_EVERY_S: Final = 30.0


class OwnCancels:
    """Knows when each order of one account was asked away last; used by the desk's thread."""

    def __init__(self, *, account: str, login: str) -> None:
        self._account = account
        self._login = login
        self._asked_at: dict[str, float] = {}
        self._looked_at = -math.inf

    def is_time(self, *, boot_s: float) -> bool:
        """Say whether to look again, whatever happened since."""
        return boot_s - self._looked_at >= LOOK_EVERY_S

    def forget(self, order_id: str) -> None:
        """Let an order be asked away at once: what was wished before could not reach the broker."""
        self._asked_at.pop(order_id, None)

    def wishes(self, state: AccountState, *, n: int, now: datetime, boot_s: float) -> list[Work]:
        """Return what is to be asked now; a later halt asks anew by `n`, the last event's."""
        self._looked_at = boot_s
        self._asked_at = {o: at for o, at in self._asked_at.items() if o in state.open_orders}
        wished = []
        for order_id in sorted(state.open_orders):
            order = state.orders[order_id]
            is_taken = order.cancel is CancelPhase.REQUESTED
            every_s = TAKEN_ASK_EVERY_S if is_taken else ASK_EVERY_S
            asked_at = self._asked_at.get(order_id, -math.inf)
            if must_not_rest(state, order) and boot_s - asked_at >= every_s:
                self._asked_at[order_id] = boot_s
                wished.append(self._wish(order, n, now))
        return wished

    def _wish(self, order: Order, n: int, now: datetime) -> Work:
        command_id = derived_id("cmd", self._account, "own cancel", order.order_id, str(n))
        cancel = items.CommandItem(
            command=CancelOrder(order_id=order.order_id),
            command_id=command_id,
            principal=f"worker:{self._login}",
            expires_at=now + timedelta(days=1),
            is_own=True,
        )
        return Work(cancel, correlation_id=order.correlation_id)
