"""Who has a place among the connections of the HTTP service, and who goes when there are too many.

A place is cheap to take and costs no token, so whoever has shown none may keep nobody out who has
one: where places run short the unknown go, first those of the address that has most of them. Of the
known, no principal has more than its share.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from adapters.mcp.limits import (
    CONNECTIONS_MAX,
    PER_ADDRESS_MAX,
    PER_PRINCIPAL_HERE_MAX,
    PER_PRINCIPAL_MAX,
    UNKNOWN_MAX,
    UNKNOWN_PER_ADDRESS_MAX,
)


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections there may be at a time.

    At most `connections_max`, of these `per_address_max` of one address (of IPv6: of one /64) and
    `per_principal_max` of one principal, `per_principal_here_max` of one at one address. Over
    `unknown_max`, or `unknown_per_address_max` of one address, one more ends the oldest that has
    shown no good token for `unknown_s`; where every place is taken, one that has shown none goes
    at whatever age.
    """

    connections_max: int = CONNECTIONS_MAX
    unknown_max: int = UNKNOWN_MAX
    per_address_max: int = PER_ADDRESS_MAX
    unknown_per_address_max: int = UNKNOWN_PER_ADDRESS_MAX
    per_principal_max: int = PER_PRINCIPAL_MAX
    per_principal_here_max: int = PER_PRINCIPAL_HERE_MAX
    unknown_s: float = 1.0


class Placed(Protocol):
    """As much of a connection as its place hangs on."""

    address: str
    made_s: float

    @property
    def principal(self) -> str:
        """Whose it is, "" while nobody knows."""

    @property
    def is_answered(self) -> bool:
        """Whether somebody works for it just now."""

    @property
    def is_waited_for(self) -> bool:
        """Whether it is the client's turn."""

    def end(self) -> None:
        """Cut it off."""


P = TypeVar("P", bound=Placed)


def make_place(new: P, others: Sequence[P], places: Places, *, now_s: float) -> bool:
    """Say whether a new connection has a place; another may go for it."""
    unknown = [each for each in others if not each.principal]
    same = [each for each in unknown if each.address == new.address]
    same_count = sum(each.address == new.address for each in others)
    late_s = now_s - places.unknown_s
    if same_count >= places.per_address_max:
        return _has_ended_one(same)
    if len(same) >= places.unknown_per_address_max and _has_ended_one(_late(same, late_s)):
        # Whoever went left a place of the service too.
        return True
    if len(others) >= places.connections_max:
        return _has_ended_one(unknown)
    if len(unknown) >= places.unknown_max:
        _has_ended_one(_late(unknown, late_s))
    return True


def make_room_beside(known: P, others: Sequence[P], places: Places) -> bool:
    """Say whether a connection may stay now that it is its principal's; an idle one may go."""
    everywhere = [each for each in others if each.principal == known.principal]
    here = [each for each in everywhere if each.address == known.address]
    if len(here) >= places.per_principal_here_max:
        idle = [each for each in here if not each.is_answered]
    elif len(everywhere) >= places.per_principal_max:
        idle = [each for each in everywhere if not each.is_answered]
    else:
        return True
    if not idle:
        return False
    _oldest(idle).end()
    return True


# A client that has a token shows it within moments; one that only holds a place does not.
def _late(unknown: Sequence[P], made_before_s: float) -> list[P]:
    return [each for each in unknown if each.made_s <= made_before_s and each.is_waited_for]


def _has_ended_one(unknown: Sequence[P]) -> bool:
    if not unknown:
        return False
    counts = Counter(each.address for each in unknown)
    most = max(counts.values())
    _oldest([each for each in unknown if counts[each.address] == most]).end()
    return True


def _oldest(connections: Sequence[P]) -> P:
    return min(connections, key=lambda each: each.made_s)
