"""Where a login's quote rights are: here, or with another device of the same login.

The broker gives them to one device at a time. Nothing here ever takes them back, because a person's
other program may need them: once a reply says that another device has them, no price is asked for
that needs them until the broker lists them here again.

Source: Tiger's documentation, page quote-common (one device per login has the rights), and the
text of the error as seen in public reports (read 2026-11-22).
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

log = structlog.get_logger()
# How soon the broker is asked again whether the rights are back; ten such calls a minute are all.
LOOK_EVERY_S: Final = 30.0
FORBIDDEN: Final = 4
_OTHER_DEVICE: Final = "current device"
_NO_RIGHT: Final = "permission"
_RATE_LIMIT: Final = "rate limit"
# What the broker answers to the device that has the rights alone.
NEED_THEM: Final = frozenset(
    {
        "future_depth",
        "future_kline",
        "future_real_time_quote",
        "future_tick",
        "kline",
        "option_brief",
        "option_depth",
        "option_kline",
        "option_timeline",
        "option_trade_tick",
        "quote_depth",
        "quote_overnight",
        "quote_real_time",
        "stock_broker",
        "timeline",
        "trade_tick",
        "warrant_real_time_quote",
    }
)


def is_right_missing(reply: Mapping[str, Any]) -> bool:
    """Say whether a reply refuses a price for want of a quote right, here or at all."""
    message = str(reply.get("message", "")).lower()
    is_forbidden = reply.get("code") == FORBIDDEN and _RATE_LIMIT not in message
    return is_forbidden and _NO_RIGHT in message


def is_elsewhere(reply: Mapping[str, Any]) -> bool:
    """Say whether a reply refuses because another device of the login has the rights."""
    return is_right_missing(reply) and _OTHER_DEVICE in str(reply.get("message", "")).lower()


class QuoteRights:
    """Remembers that they went; `are_listed` asks whether any is back, and takes none."""

    def __init__(
        self,
        are_listed: Callable[[], bool],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._are_listed = are_listed
        self._monotonic = monotonic
        self._lock = threading.Lock()
        # When it was last seen that they are elsewhere; None while they are here.
        self._gone_at: float | None = None

    def went(self) -> None:
        """Note that a reply says so."""
        with self._lock:
            is_new, self._gone_at = self._gone_at is None, self._monotonic()
        if is_new:
            log.warning("quote_rights.elsewhere")

    def are_elsewhere(self) -> bool:
        """Say whether to ask for no price that needs them; looks now and then for their return."""
        with self._lock:
            if self._gone_at is None:
                return False
            if self._monotonic() - self._gone_at < LOOK_EVERY_S:
                return True
            # Whoever else asks meanwhile need not look too.
            self._gone_at = self._monotonic()
        if not self._are_listed():
            return True
        with self._lock:
            self._gone_at = None
        log.info("quote_rights.back")
        return False
