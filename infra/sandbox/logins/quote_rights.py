"""Quote rights: what a login may see in real time, and which of its devices has the right now.

Delayed quotes are everybody's. Source: Tiger's documentation, page quote-common (one device per
tiger_id has the right, a grab takes it, the error of the others), and its table of right names
(read 2026-11-22); the text for a right that was never bought is the one seen in public reports.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from infra.sandbox.home import Login, QuoteRight
from infra.sandbox.logins.register import Register
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.wire.envelope import GatewayError, common_error, to_ms

ACCESS_FORBIDDEN = 4
OTHER_DEVICE = "4000:permission denied(current device does not have permission)"

STOCK_METHODS = frozenset(
    {
        "brief",
        "hour_trading_timeline",
        "kline",
        "quote_overnight",
        "quote_real_time",
        "timeline",
        "trade_tick",
        "warrant_real_time_quote",
    }
)
STOCK_DEPTH_METHODS = frozenset({"quote_depth", "stock_broker"})
OPTION_METHODS = frozenset(
    {"option_brief", "option_depth", "option_kline", "option_timeline", "option_trade_tick"}
)
FUTURE_METHODS = frozenset(
    {"future_depth", "future_kline", "future_real_time_quote", "future_tick"}
)
REAL_TIME_METHODS = STOCK_METHODS | STOCK_DEPTH_METHODS | OPTION_METHODS | FUTURE_METHODS
US_DEPTH_RIGHTS = frozenset({"usStockQuoteLv2Totalview", "usStockQuoteLv2Arca"})
US_STOCK_RIGHTS = US_DEPTH_RIGHTS | {"usStockQuote", "usQuoteBasic"}
HK_RIGHTS = frozenset({"hkStockQuoteLv2", "hkStockQuoteLv2Global"})
US_OPTION_RIGHTS = frozenset({"usOptionQuote"})
FUTURE_MARK = "FuturesQuote"


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    symbols: Any = ()
    symbol: Any = ""
    market: Any = ""


class QuoteRights:
    """The rights of a home's logins."""

    def __init__(self, register: Register, switches: Callable[[], LoginSwitches]) -> None:
        self._register = register
        self._switches = switches

    def check(
        self, login: Login, *, device_id: str, method: str, business: bytes, now: datetime
    ) -> None:
        """Let a quote method pass that the caller has a right to; other methods always.

        Raises:
            GatewayError: 4.
        """
        if method not in REAL_TIME_METHODS:
            return
        owned = {right.name for right in _valid(login.quote_rights, now)}
        for area, names in _needed(method, business):
            if not _has_one(owned, names):
                raise GatewayError(
                    ACCESS_FORBIDDEN,
                    "4000:permission denied(Current user and device do not have permissions "
                    f"in the {area} quote market)",
                )
        devices = self._register.content.quote_devices
        if self._switches().quote_holders == "last_asker":
            devices[login.tiger_id] = device_id
        elif devices.get(login.tiger_id) != device_id:
            raise GatewayError(ACCESS_FORBIDDEN, OTHER_DEVICE)

    def grab(self, login: Login, *, device_id: str, now: datetime) -> tuple[QuoteRight, ...]:
        """Give the calling device the right, take it from the others, and return what it has.

        Raises:
            GatewayError: 1000, for a request that names no device.
        """
        if not device_id:
            raise common_error("get device information error")
        devices = self._register.content.quote_devices
        if devices.get(login.tiger_id) != device_id:
            devices[login.tiger_id] = device_id
            self._register.keep()
        return _valid(login.quote_rights, now)

    def held(self, login: Login, *, device_id: str, now: datetime) -> tuple[QuoteRight, ...]:
        """Return the rights that the calling device has; none if another device has them."""
        holder = self._register.content.quote_devices.get(login.tiger_id)
        is_ours = self._switches().quote_holders == "last_asker" or holder == device_id
        return _valid(login.quote_rights, now) if is_ours else ()


def _valid(rights: Iterable[QuoteRight], now: datetime) -> tuple[QuoteRight, ...]:
    return tuple(
        right for right in rights if right.expires_ms == -1 or right.expires_ms > to_ms(now)
    )


def _has_one(owned: set[str], names: frozenset[str]) -> bool:
    if names:
        return not owned.isdisjoint(names)
    return any(FUTURE_MARK in name for name in owned)


def _needed(method: str, business: bytes) -> list[tuple[str, frozenset[str]]]:
    # Areas with the rights of which one is needed; no names mean any futures right.
    if method in FUTURE_METHODS:
        return [("FUT", frozenset())]
    is_us, is_hk = _markets(business)
    if method in OPTION_METHODS:
        return [("HK OPT", HK_RIGHTS)] if is_hk and not is_us else [("US OPT", US_OPTION_RIGHTS)]
    us_rights = US_DEPTH_RIGHTS if method in STOCK_DEPTH_METHODS else US_STOCK_RIGHTS
    areas = [("US", us_rights)] if is_us else []
    return areas + ([("HK", HK_RIGHTS)] if is_hk else [])


def _markets(business: bytes) -> tuple[bool, bool]:
    # What does not decode is refused by the method itself, with the right error.
    try:
        asked = msgspec.json.decode(business, type=_Asked)
    except (msgspec.MsgspecError, RecursionError):
        return False, False
    named = asked.symbols if isinstance(asked.symbols, list) else [asked.symbol]
    symbols = [symbol for symbol in named if isinstance(symbol, str) and symbol]
    hk_count = sum(symbol.removesuffix(".HK").isdecimal() for symbol in symbols)
    is_hk = hk_count > 0 or asked.market == "HK"
    return len(symbols) > hk_count and asked.market != "HK", is_hk
