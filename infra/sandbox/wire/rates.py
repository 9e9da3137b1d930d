"""Tiger's rate limits: so many calls per tiger_id and method in any 60 seconds.

Only calls that were let pass count. Methods outside the table have no limit.
Source: docs.itigerup.com, page ratelimit (read 2026-11-22): tiers, the error's text, the black
list; the shared limit of a paper account from the notes on paper trading.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.wire.envelope import GatewayError

WINDOW = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
PAPER_ORDERS_MAX = 120
ORDER_METHODS = frozenset({"place_order", "modify_order", "cancel_order"})
PLACE_METHODS = frozenset({"place_order", "modify_order"})
# Of one tiger_id; above the highest limit, so that it never hides one.
REFUSALS_KEPT_MAX = 1000
KEYS_MAX = 100_000

HIGH = 120
MIDDLE = 60
LOW = 10
LIMITS: dict[str, int] = (
    dict.fromkeys(
        (
            "order_no",
            "place_order",
            "modify_order",
            "cancel_order",
            "orders",
            "active_orders",
            "inactive_orders",
            "filled_orders",
            "timeline",
            "hour_trading_timeline",
            "quote_real_time",
            "quote_overnight",
            "trade_tick",
            "option_brief",
            "option_trade_tick",
            "future_real_time_quote",
            "future_tick",
        ),
        HIGH,
    )
    | dict.fromkeys(
        (
            "brief",
            "option_chain",
            "option_expiration",
            "quote_depth",
            "contract",
            "contracts",
            "quote_contract",
            "quote_shortable_stocks",
            "quote_stock_trade",
            "future_trading_date",
            "future_current_contract",
            "accounts",
            "assets",
            "prime_assets",
            "aggregate_assets",
            "positions",
            "order_transactions",
            "history_timeline",
            "kline",
            "option_kline",
            "future_kline",
            "option_analysis",
        ),
        MIDDLE,
    )
    | dict.fromkeys(
        (
            "grab_quote_permission",
            "get_quote_permission",
            "market_state",
            "quote_delay",
            "user_license",
            "user_token_refresh",
            "kline_quota",
            "all_symbols",
            "all_symbol_names",
            "stock_detail",
            "future_exchange",
            "market_scanner",
            "market_scanner_tags",
            "trade_rank",
            "fund_details",
        ),
        LOW,
    )
)


class RateLimiter:
    """Counts the calls of every tiger_id."""

    def __init__(self, switches: Callable[[], LoginSwitches]) -> None:
        self._switches = switches
        self._calls: dict[tuple[str, str], deque[datetime]] = {}
        self._refusals: dict[str, deque[datetime]] = {}
        self._black_list: set[str] = set()

    def check(
        self, *, tiger_id: str, method: str, account: str, is_paper: bool, now: datetime
    ) -> None:
        """Count a call, or refuse it.

        Raises:
            GatewayError: 4, or 5 with HTTP 429, as switched.
        """
        switches = self._switches()
        if switches.refusals_per_minute_max is None:
            self._black_list.clear()
        elif tiger_id in self._black_list:
            raise GatewayError(4, "access forbidden(the account is on the black list)")
        if switches.rate_answers == "off":
            return
        windows = [
            (self._window((tiger_id, key), now, span), limit, span)
            for key, limit, span in _limits(method, account, switches, is_paper=is_paper)
        ]
        for window, limit, span in windows:
            if len(window) >= limit:
                self._refused(tiger_id, now)
                raise _refusal(method, limit, span, switches)
        for window, _, _ in windows:
            window.append(now)

    def _window(self, key: tuple[str, str], now: datetime, span: timedelta) -> deque[datetime]:
        if len(self._calls) > KEYS_MAX:
            self._forget(now)
        window = self._calls.setdefault(key, deque())
        _cut(window, now - span)
        return window

    def _forget(self, now: datetime) -> None:
        for key, window in tuple(self._calls.items()):
            if not window or window[-1] <= now - WINDOW:
                del self._calls[key]

    def _refused(self, tiger_id: str, now: datetime) -> None:
        refusals = self._refusals.setdefault(tiger_id, deque(maxlen=REFUSALS_KEPT_MAX))
        refusals.append(now)
        _cut(refusals, now - WINDOW)
        limit = self._switches().refusals_per_minute_max
        if limit is not None and len(refusals) > limit:
            self._black_list.add(tiger_id)
            refusals.clear()


def _limits(
    method: str, account: str, switches: LoginSwitches, *, is_paper: bool
) -> list[tuple[str, int, timedelta]]:
    found = [(method, LIMITS[method], WINDOW)] if method in LIMITS else []
    if is_paper and method in ORDER_METHODS:
        found.append((f"paper orders of {account}", PAPER_ORDERS_MAX, WINDOW))
    if switches.orders_per_s_max is not None and method in PLACE_METHODS:
        found.append((f"orders of {account}", switches.orders_per_s_max, SECOND))
    return found


def _refusal(method: str, limit: int, span: timedelta, switches: LoginSwitches) -> GatewayError:
    period = "minute" if span == WINDOW else "second"
    text = (
        f"rate limit error(current limiting interface:{method}, up to {limit} times per {period})"
    )
    if switches.rate_answers == "http_429":
        return GatewayError(5, text, status=429)
    return GatewayError(4, text)


def _cut(window: deque[datetime], until: datetime) -> None:
    while window and window[0] <= until:
        window.popleft()
