"""How often a login may call each of the broker's methods: a rolling minute per method.

Tiger counts per login and method, whatever the account. Source: Tiger's page on rate limits (read
2026-11-22): 120, 60 or 10 a minute by method; places, changes and cancels of a paper account
together 120.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

WINDOW_S: Final = 60.0
_WAIT_STEP_S: Final = 0.05
TIGER_BUDGETS: Final[Mapping[str, int]] = {
    # Half of what a paper account allows together, so that a cancel always finds a token.
    "place_order": 60,
    "cancel_order": 60,
    "order_no": 120,
    "orders": 120,
    "active_orders": 120,
    "order_transactions": 60,
    "positions": 60,
    "prime_assets": 60,
    "contracts": 60,
    "quote_real_time": 120,
    "preview_order": 60,
}
NO_BUDGETS: Final[Mapping[str, int]] = {}


class RateBudget:
    """Counts a login's calls; a method without a number is not limited."""

    def __init__(self, budgets: Mapping[str, int]) -> None:
        self._budgets = budgets
        self._spent: dict[str, deque[float]] = {method: deque() for method in budgets}
        self._lock = threading.Lock()

    @property
    def is_unlimited(self) -> bool:
        """Whether no method has a number, as on the sandbox."""
        return not self._budgets

    def try_take(self, method: str) -> bool:
        """Take a token if there is one."""
        limit = self._budgets.get(method)
        if limit is None:
            return True
        now = time.monotonic()
        with self._lock:
            spent = self._spent[method]
            while spent and spent[0] <= now - WINDOW_S:
                spent.popleft()
            if len(spent) >= limit:
                return False
            spent.append(now)
            return True

    def take(self, method: str, *, wait_s: float) -> bool:
        """Take a token, waiting for one at most `wait_s`."""
        give_up_at = time.monotonic() + wait_s
        while not self.try_take(method):
            if time.monotonic() >= give_up_at:
                return False
            time.sleep(_WAIT_STEP_S)
        return True
