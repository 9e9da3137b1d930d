"""Tiger's methods about the caller itself: quote rights and the user token."""

from collections.abc import Iterable

from infra.sandbox.home import QuoteRight
from infra.sandbox.methods.calls import Call


def grab_quote_permission(call: Call) -> object:
    """Give the calling device the login's quote rights, and list them."""
    return _listed(call.gate.rights.grab(call.login, device_id=call.device_id, now=call.now))


def get_quote_permission(call: Call) -> object:
    """List the quote rights that the calling device has."""
    return _listed(call.gate.rights.held(call.login, device_id=call.device_id, now=call.now))


def user_token_refresh(call: Call) -> object:
    """Return a new user token for a login of the licence TBHK."""
    return {"token": call.gate.tokens.refresh(call.login, call.now)}


def _listed(rights: Iterable[QuoteRight]) -> list[dict[str, object]]:
    return [{"name": right.name, "expireAt": right.expires_ms} for right in rights]
