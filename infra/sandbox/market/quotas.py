"""How much history each login has asked for: Tiger counts contracts within 30 days."""

from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

import msgspec

WINDOW = timedelta(days=30)
# Contracts of each kind in a window. Source: an example in Tiger's documentation of
# `get_kline_quota` (read 2026-11); the real figure depends on the user's level.
LIMITS = {"kline": 2000, "future_kline": 600, "option_kline": 5000}


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """A contract whose history was asked for."""

    key: str
    asked_at: datetime


class Quotas:
    """Who asked for which contract's history, and when last."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], dict[str, datetime]] = {}

    def note(self, tiger_id: str, method: str, key: str, now: datetime) -> None:
        """Remember that a login asked; asking again within the window costs nothing more."""
        self._asked.setdefault((tiger_id, method), {})[key] = now

    def used(self, tiger_id: str, method: str, now: datetime) -> tuple[Used, ...]:
        """Return what counts now, in the order of asking."""
        asked = self._asked.get((tiger_id, method), {})
        return tuple(
            Used(key=key, asked_at=asked_at)
            for key, asked_at in sorted(asked.items(), key=lambda item: (item[1], item[0]))
            if now - asked_at < WINDOW
        )


_by_owner: WeakKeyDictionary[object, Quotas] = WeakKeyDictionary()


def quotas_of(owner: object) -> Quotas:
    """Return the counts that belong to a broker, and end with it."""
    return _by_owner.setdefault(owner, Quotas())
