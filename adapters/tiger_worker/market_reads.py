"""Readings of the market: each spends a token of its method's budget, or none if it is still fresh.

A reply is kept for seconds (prices) or minutes (what changes by the day), so that a model that asks
the same thing again costs nothing at Tiger.
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import structlog

from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.login_refusals import unanswered
from adapters.tiger_worker.quote_rights import (
    FORBIDDEN,
    NEED_THEM,
    QuoteRights,
    is_elsewhere,
    is_right_missing,
)
from adapters.tiger_worker.rates import RateBudget
from core.errors import BrokerUnavailableError

log = structlog.get_logger()
TOKEN_WAIT_S: Final = 2.0
# Previews and changes of orders and the rounds read these too, and must not wait behind a curious
# model.
_ORDERS_NEED: Final = frozenset(
    {
        "contract",
        "contracts",
        "future_real_time_quote",
        "option_brief",
        "prime_assets",
        "quote_real_time",
    }
)
_LEFT_FOR_ORDERS: Final = 15
# A round takes six of them, and none of the last twenty unless it is owed.
_LEFT_FOR_ROUNDS: Final[Mapping[str, int]] = {"positions": 30}
# A kept reply of the largest kind (a chain) is about 100 kB.
KEPT_MAX: Final = 200
_PRICE_S: Final = 1.0
_MINUTES_S: Final = 300.0
_DAY_S: Final = 3_600.0
# Seconds for which a method's reply is as good as new; what is not here is a price.
KEEP_S: Final[Mapping[str, float]] = {
    "all_hk_option_symbols": _DAY_S,
    "all_symbol_names": _DAY_S,
    "analytics_asset": 20.0,
    "broker_hold": _MINUTES_S,
    "capital_distribution": 20.0,
    "capital_flow": 20.0,
    "contract": _MINUTES_S,
    "contracts": _MINUTES_S,
    "corporate_action": _MINUTES_S,
    "financial_currency": _DAY_S,
    "financial_daily": _MINUTES_S,
    "financial_exchange_rate": _MINUTES_S,
    "financial_report": _MINUTES_S,
    "fund_all_symbols": _DAY_S,
    "fund_contracts": _DAY_S,
    "fund_history_quote": _MINUTES_S,
    "fund_quote": _MINUTES_S,
    "future_contract_by_contract_code": _MINUTES_S,
    "future_contract_by_exchange_code": _MINUTES_S,
    "future_continuous_contracts": _MINUTES_S,
    "future_contracts": _MINUTES_S,
    "future_current_contract": _MINUTES_S,
    "future_exchange": _DAY_S,
    "future_history_main_contract": _MINUTES_S,
    "future_kline": 5.0,
    "future_trading_date": _MINUTES_S,
    "get_quote_permission": 30.0,
    "history_timeline": _MINUTES_S,
    "industry_list": _DAY_S,
    "industry_stocks": _DAY_S,
    "kline": 5.0,
    "market_scanner": 15.0,
    "market_scanner_tags": _DAY_S,
    "market_state": 10.0,
    "option_analysis": 20.0,
    "option_chain": 3.0,
    "option_expiration": _MINUTES_S,
    "option_kline": 5.0,
    "option_timeline": 5.0,
    "option_trade_tick": 5.0,
    "quote_delay": 15.0,
    "quote_shortable_stocks": _MINUTES_S,
    "stock_detail": 10.0,
    "stock_fundamental": 30.0,
    "stock_industry": _DAY_S,
    "timeline": 5.0,
    "trade_rank": 15.0,
    "trading_calendar": _DAY_S,
    "warrant_filter": 10.0,
}
# Source: Tiger's error codes and their texts as seen (see `words.py`; read 2026-11-22): 4 stands
# for missing rights, for a device without them and, against the table, for the rate limit.
_RATE_CODES: Final = (4, 5)
_RATE_WORDS: Final = "rate limit"
_RIGHTS: Final = "get_quote_permission"
_WRONG_PARAMETER: Final = 1010
# "permission denied(the time range is not allowed)": the right is there, the bars are not.
_REACH_WORDS: Final = "time range"


class MarketRefusalError(Exception):
    """Why a question is not answered; the text is ours and for the model.

    Attributes:
        code: of `core.asks.AskFault`.
        field: the argument at fault, if one is.
    """

    def __init__(self, code: str, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class Read(NamedTuple):
    """The data of one reply, and the broker's time when it was given."""

    data: Any
    at: datetime


def wrong(field: str, message: str) -> MarketRefusalError:
    """Return the fault of an argument."""
    return MarketRefusalError("invalid_argument", message, field=field)


class MarketReads:
    """One login's readings; calls block, and may come from several threads."""

    def __init__(
        self,
        broker: AccountBroker,
        *,
        budget: RateBudget,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._budget = budget
        self._monotonic = monotonic
        self._kept: OrderedDict[str, tuple[float, Read]] = OrderedDict()
        self._lock = threading.Lock()
        self._told: tuple[float, datetime] | None = None
        self._rights = QuoteRights(self._lists_rights, monotonic=monotonic)

    def read(
        self,
        method: str,
        content: object,
        *,
        version: str | None = None,
        of_account: bool = False,
        field: str = "",
    ) -> Read:
        """Return what the broker answers, now or seconds ago.

        Args:
            method: wire name of a reading.
            content: its fields; a language is added to an object.
            version: of the method, if it is not the common one.
            of_account: whether it is asked in the account's name.
            field: which argument of the question is at fault if the broker refuses the parameters.

        Raises:
            MarketRefusalError: it was refused, or there was no token, or no reply.
        """
        key = f"{method} {json.dumps(content, sort_keys=True)}"
        keep_s = KEEP_S.get(method, _PRICE_S)
        now = self._monotonic()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and now - kept[0] < keep_s:
            return kept[1]
        read = self._fresh(method, content, version=version, of_account=of_account, field=field)
        with self._lock:
            self._kept[key] = (now, read)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return read

    def now(self) -> datetime:
        """Return the broker's time now, by its last reply; asks for one if there was none.

        Raises:
            MarketRefusalError: as `read`.
        """
        with self._lock:
            told = self._told
        if told is None:
            return self.read("market_state", {"market": "US"}).at
        return told[1] + timedelta(seconds=self._monotonic() - told[0])

    def items(
        self, method: str, content: object, **options: Any
    ) -> tuple[list[dict[str, Any]], datetime]:
        """Return a reply that is a list of objects, or one such list under `items`.

        Raises:
            MarketRefusalError: as `read`, or for a reply of another shape.
        """
        data, at = self.read(method, content, **options)
        return rows_in(data, method), at

    def _fresh(
        self, method: str, content: object, *, version: str | None, of_account: bool, field: str
    ) -> Read:
        if isinstance(content, dict):
            content = {"lang": "en_US", **content}
        if method in NEED_THEM and self._rights.are_elsewhere():
            raise _rights_elsewhere()
        reply = self._reply(method, content, version=version, of_account=of_account)
        if is_elsewhere(reply):
            self._rights.went()
            self._forget(_RIGHTS)
        fault = _fault_of(method, reply, field=field)
        if fault is not None:
            log.info("market.refused", method=method, code=reply.get("code"))
            raise fault
        data = reply.get("data")
        try:
            parsed = json.loads(data) if isinstance(data, str) and data[:1] in "[{" else data
        except ValueError:
            raise BrokerUnavailableError(f"{method} was answered with odd data") from None
        at = _time_of(reply)
        with self._lock:
            self._told = (self._monotonic(), at)
        return Read(parsed, at)

    # Asked of the broker itself: what was kept may be from before they went.
    def _lists_rights(self) -> bool:
        self._forget(_RIGHTS)
        try:
            return bool(self.items(_RIGHTS, None)[0])
        except (MarketRefusalError, BrokerUnavailableError) as error:
            log.warning("quote_rights.not_listed", reason=str(error))
            return False

    def _forget(self, method: str) -> None:
        with self._lock:
            for key in [key for key in self._kept if key.partition(" ")[0] == method]:
                del self._kept[key]

    def _reply(
        self, method: str, content: object, *, version: str | None, of_account: bool
    ) -> dict[str, Any]:
        needed = _LEFT_FOR_ORDERS if method in _ORDERS_NEED else 0
        leave = _LEFT_FOR_ROUNDS.get(method, needed)
        if not self._budget.take(method, wait_s=TOKEN_WAIT_S, leave=leave):
            raise MarketRefusalError(
                "busy",
                f"this login's calls of {method} for this minute are used up; ask again in a "
                "minute, or through an account of another login",
            )
        return self._broker.ask(method, content, version=version, of_account=of_account)


def rows_in(data: Any, method: str) -> list[dict[str, Any]]:
    """Return the objects of a list, or of the list under `items`.

    Raises:
        BrokerUnavailableError: it is neither.
    """
    found = data.get("items", []) if isinstance(data, dict) else data
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BrokerUnavailableError(f"{method} was answered with odd data")
    return found


def object_in(data: Any, method: str) -> dict[str, Any]:
    """Return the one object of a reply; an empty one for none.

    Raises:
        BrokerUnavailableError: it is something else.
    """
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise BrokerUnavailableError(f"{method} was answered with odd data")
    return data


def _time_of(reply: Mapping[str, Any]) -> datetime:
    stamp = reply.get("timestamp")
    if not isinstance(stamp, int) or isinstance(stamp, bool):
        raise BrokerUnavailableError("expected the broker's time in a reply")
    try:
        return datetime.fromtimestamp(stamp / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        raise BrokerUnavailableError("expected the broker's time in a reply") from None


def _message(reply: Mapping[str, Any]) -> str:
    return str(reply.get("message", "")).lower()


# Taking the rights back would take them from a program of the person's, unasked.
def _rights_elsewhere() -> MarketRefusalError:
    return MarketRefusalError(
        "no_quote_right",
        "another device of this login holds its quote rights; close the other program, then ask "
        "again in a minute, or ask through an account of another login",
    )


# The broker's own text is read for its kind alone and never handed on.
def _fault_of(method: str, reply: Mapping[str, Any], *, field: str) -> MarketRefusalError | None:
    code, message = reply.get("code"), _message(reply)
    if code == 0:
        return None
    if code in _RATE_CODES and _RATE_WORDS in message:
        return MarketRefusalError(
            "busy", f"the broker counts too many calls of {method} this minute"
        )
    if is_elsewhere(reply):
        return _rights_elsewhere()
    if code == FORBIDDEN and _REACH_WORDS in message:
        return wrong("begin", "the broker has no such bars so far back; begin later")
    if is_right_missing(reply):
        return MarketRefusalError(
            "no_quote_right",
            f"this login has no quote right for this ({method}); a person can buy one in the Tiger "
            "app (Quote Store, OpenAPI). get_market_status with view=rights lists what it has",
        )
    if code == _WRONG_PARAMETER:
        where = field or "arguments"
        return wrong(where, "the broker does not take this value, or not with the others")
    raise unanswered(method, reply)
