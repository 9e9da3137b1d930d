"""What an account holds, as the HTTP methods say it, and what is new in it since last time."""

from collections.abc import Callable
from typing import Any

import msgspec

from infra.sandbox.home import Login
from infra.sandbox.methods.calls import Call
from infra.sandbox.methods.holdings import positions, prime_assets
from infra.sandbox.push.messages import Json, closed_position

POSITION_FIGURES = ("position", "positionScale", "averageCost")
# The segments that a push can name. Source: tigeropen 3.8.0, `push/pb/AssetData.proto`.
SEGMENTS = frozenset({"S", "C"})

# Makes a call of a method: who calls, and with which parameters (JSON).
CallOf = Callable[[Login, bytes], Call]


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """An account's holdings and figures at a moment."""

    positions: dict[str, Json]  # by identifier
    segments: dict[str, Json]  # by category


def holdings_of(call_of: CallOf, login: Login, account: str) -> Holdings:
    """Return what `positions` and `prime_assets` would answer now."""
    return Holdings(
        positions=positions_of(call_of, login, account),
        segments=segments_of(call_of, login, account),
    )


def positions_of(call_of: CallOf, login: Login, account: str) -> dict[str, Json]:
    """Return an account's holdings of every kind, by identifier."""
    asked = msgspec.json.encode({"account": account, "sec_type": "ALL"})
    answer: Any = positions(call_of(login, asked))
    return {item["identifier"]: item for item in answer["items"]}


def segments_of(call_of: CallOf, login: Login, account: str) -> dict[str, Json]:
    """Return an account's figures, by segment."""
    answer: Any = prime_assets(call_of(login, msgspec.json.encode({"account": account})))
    return {item["category"]: item for item in answer["segments"] if item["category"] in SEGMENTS}


def changed_positions(before: dict[str, Json], after: dict[str, Json]) -> list[Json]:
    """Return the holdings that traded or moved; one that is gone comes with nothing in it.

    A price that moved alone changes no holding.
    """
    gone = [closed_position(item) for key, item in before.items() if key not in after]
    changed = [
        item
        for key, item in after.items()
        if key not in before
        or any(before[key][figure] != item[figure] for figure in POSITION_FIGURES)
    ]
    return gone + changed


def changed_segments(before: dict[str, Json], after: dict[str, Json]) -> list[Json]:
    """Return the segments with other figures than before."""
    return [item for category, item in after.items() if before.get(category) != item]
