"""What follows from findings about a login's token; its state is kept with each account."""

from typing import Final

import msgspec

from core import account_events, items
from core.items import TokenFact

EVENT_OF_FACT: Final[dict[TokenFact, type[account_events.TokenEvent]]] = {
    TokenFact.ISSUED: account_events.TokenIssued,
    TokenFact.REFRESHED: account_events.TokenRefreshed,
    TokenFact.REFRESH_FAILED: account_events.TokenRefreshFailed,
    TokenFact.EXPIRING: account_events.TokenExpiring,
    TokenFact.EXPIRED: account_events.TokenExpired,
    TokenFact.REVOKED: account_events.TokenRevoked,
}
_FACT_OF_EVENT: Final = {event: fact for fact, event in EVENT_OF_FACT.items()}
_DEAD: Final = frozenset({TokenFact.EXPIRED, TokenFact.REVOKED})
# What is said of the token in use; none of it brings a dead one back to life.
_SAID_OF_THE_SAME: Final = frozenset({TokenFact.REFRESH_FAILED, TokenFact.EXPIRING})


class TokenState(msgspec.Struct, frozen=True, kw_only=True):
    """What holds of the token, a value of `core.items.TokenFact`, and the last event about it."""

    fact: str
    event: account_events.TokenEvent

    @property
    def is_dead(self) -> bool:
        """Whether the broker takes no call with it."""
        return self.fact in _DEAD


def decide_token(
    state: TokenState | None, seen: items.TokenSeen
) -> account_events.TokenEvent | None:
    """Return the event of a finding, if it says anything new."""
    said = {
        "issued_at": seen.issued_at,
        "expires_at": seen.expires_at,
        "cause": seen.detail,
        "detail": seen.detail,
    }
    # Each event takes of these what it has a field for.
    event = msgspec.convert(said, type=EVENT_OF_FACT[seen.fact])
    return None if state is not None and state.event == event else event


def state_after(before: str | None, event: account_events.TokenEvent) -> TokenFact:
    """Return what holds of the token after one more event: a dead one stays dead until a new one.

    Args:
        before: what held before, a value of `core.items.TokenFact`; None if nothing was known.
    """
    fact = _FACT_OF_EVENT[type(event)]
    if before in _DEAD and fact in _SAID_OF_THE_SAME:
        return TokenFact(before)
    return fact
