"""What follows from findings about a login's token; its state is kept with each account."""

from typing import assert_never

import msgspec

from core import events, items
from core.items import TokenFact


class TokenState(msgspec.Struct, frozen=True, kw_only=True):
    """The last event about the token; `fact` is a value of `core.items.TokenFact`."""

    fact: str
    event: events.TokenEvent

    @property
    def is_dead(self) -> bool:
        """Whether the broker takes no call with it."""
        return self.fact in (TokenFact.EXPIRED, TokenFact.REVOKED)


def decide_token(state: TokenState | None, seen: items.TokenSeen) -> events.TokenEvent | None:
    """Return the event of a finding, if it says anything new."""
    event = _event(seen)
    return None if state is not None and state.event == event else event


def state_after(event: events.TokenEvent) -> TokenState:
    """Return what is known of the token after one more event about it."""
    match event:
        case events.TokenIssued():
            fact = TokenFact.ISSUED
        case events.TokenRefreshed():
            fact = TokenFact.REFRESHED
        case events.TokenRefreshFailed():
            fact = TokenFact.REFRESH_FAILED
        case events.TokenExpiring():
            fact = TokenFact.EXPIRING
        case events.TokenExpired():
            fact = TokenFact.EXPIRED
        case events.TokenRevoked():
            fact = TokenFact.REVOKED
        case _:
            assert_never(event)
    return TokenState(fact=fact, event=event)


def _event(seen: items.TokenSeen) -> events.TokenEvent:
    match seen.fact:
        case TokenFact.ISSUED:
            return events.TokenIssued(issued_at=seen.issued_at, expires_at=seen.expires_at)
        case TokenFact.REFRESHED:
            return events.TokenRefreshed(issued_at=seen.issued_at, expires_at=seen.expires_at)
        case TokenFact.REFRESH_FAILED:
            return events.TokenRefreshFailed(expires_at=seen.expires_at, cause=seen.detail)
        case TokenFact.EXPIRING:
            return events.TokenExpiring(expires_at=seen.expires_at, detail=seen.detail)
        case TokenFact.EXPIRED:
            return events.TokenExpired(expires_at=seen.expires_at)
        case TokenFact.REVOKED:
            return events.TokenRevoked(cause=seen.detail)
        case _:
            assert_never(seen.fact)
