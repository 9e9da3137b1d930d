"""How often a login may call each of the broker's methods: a rolling minute per method.

Tiger counts per login and method, whatever the account, and each page of a listing is a call.
Source: Tiger's page on rate limits (read 2026-11-22): 120, 60 or 10 a minute by method; places,
changes and cancels of a paper account together 120.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

WINDOW_S: Final = 60.0
_WAIT_STEP_S: Final = 0.05
TIGER_BUDGETS: Final[Mapping[str, int]] = {
    # Together what a paper account allows; half of it for cancels, which must find a token.
    "place_order": 40,
    "modify_order": 20,
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
    "future_real_time_quote": 120,
    "future_tick": 120,
    "option_brief": 120,
    "option_trade_tick": 120,
    "timeline": 120,
    "trade_tick": 120,
    "contract": 60,
    "future_current_contract": 60,
    "future_kline": 60,
    "future_trading_date": 60,
    "history_timeline": 60,
    "kline": 60,
    "option_analysis": 60,
    "option_chain": 60,
    "option_expiration": 60,
    "option_kline": 60,
    "quote_contract": 60,
    "quote_depth": 60,
    "quote_shortable_stocks": 60,
    "all_symbol_names": 10,
    "all_symbols": 10,
    "future_exchange": 10,
    "get_quote_permission": 10,
    "grab_quote_permission": 10,
    "market_state": 10,
    "stock_detail": 10,
    "trade_rank": 10,
    # Tiger's page says nothing of these: the middle of its three tiers, halved.
    "all_hk_option_symbols": 30,
    "analytics_asset": 30,
    "broker_hold": 30,
    "capital_distribution": 30,
    "capital_flow": 30,
    "corporate_action": 30,
    "financial_currency": 30,
    "financial_daily": 30,
    "financial_exchange_rate": 30,
    "financial_report": 30,
    "fund_all_symbols": 30,
    "fund_contracts": 30,
    "fund_history_quote": 30,
    "fund_quote": 30,
    "future_continuous_contracts": 30,
    "future_contract_by_contract_code": 30,
    "future_contract_by_exchange_code": 30,
    "future_contracts": 30,
    "future_depth": 30,
    "future_history_main_contract": 30,
    "industry_list": 30,
    "industry_stocks": 30,
    "kline_quota": 30,
    "market_scanner": 30,
    "market_scanner_tags": 30,
    "option_depth": 30,
    "option_timeline": 30,
    "quote_delay": 30,
    "quote_overnight": 30,
    "stock_broker": 30,
    "stock_fundamental": 30,
    "stock_industry": 30,
    "trading_calendar": 30,
    "warrant_filter": 30,
    "warrant_real_time_quote": 30,
}
NO_BUDGETS: Final[Mapping[str, int]] = {}
# What everything else leaves of these to halts: their listing of what is open, and its cancels. Of
# a small budget it is no more than a share.
HALT_LEAVE: Final = 10
_HALT_SHARE: Final = 6
_HALT_METHODS: Final = frozenset({"active_orders", "cancel_order"})


class RateBudget:
    """Counts a login's calls; a method without a number is not limited."""

    def __init__(self, budgets: Mapping[str, int]) -> None:
        self._budgets = budgets
        self._spent: dict[str, deque[float]] = {method: deque() for method in budgets}
        self._for_halts = {
            method: min(HALT_LEAVE, budgets[method] // _HALT_SHARE)
            for method in _HALT_METHODS & budgets.keys()
        }
        self._lock = threading.Lock()

    @property
    def is_unlimited(self) -> bool:
        """Whether no method has a number, as on the sandbox."""
        return not self._budgets

    def try_take(
        self, method: str, *, count: int = 1, leave: int = 0, for_halt: bool = False
    ) -> bool:
        """Take `count` tokens if all are there, and `leave` more of them stay; or take none.

        What is not `for_halt` leaves some of them to what is.
        """
        limit = self._budgets.get(method)
        if limit is None:
            return True
        if not for_halt:
            leave += self._for_halts.get(method, 0)
        now = time.monotonic()
        with self._lock:
            spent = self._spent[method]
            while spent and spent[0] <= now - WINDOW_S:
                spent.popleft()
            if len(spent) + count + leave > limit:
                return False
            spent.extend([now] * count)
            return True

    def take(
        self,
        method: str,
        *,
        wait_s: float,
        count: int = 1,
        leave: int = 0,
        for_halt: bool = False,
    ) -> bool:
        """Take as `try_take` does, waiting for the tokens at most `wait_s`."""
        give_up_at = time.monotonic() + wait_s
        while not self.try_take(method, count=count, leave=leave, for_halt=for_halt):
            if time.monotonic() >= give_up_at:
                return False
            time.sleep(_WAIT_STEP_S)
        return True
