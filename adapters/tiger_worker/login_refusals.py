"""Replies that refuse the login itself: told in words of what a person must mend, not by number.

Source: Tiger's error table (page error-code), read 2026-11-23.
"""

from collections.abc import Mapping
from typing import Any, Final

from adapters.tiger_worker.properties_file import ANEW
from core.errors import BrokerUnavailableError, ConfigError

# That the login has called too often is no fault of its file.
_RATE_LIMIT: Final = "rate limit"
# What the broker says of a login, by code and a part of its text that carries nothing of ours.
_OBJECTIONS: Final = (
    (
        1000,
        "developer information",
        f"tiger_id: the broker does not know it (or it is of another region); {ANEW}",
    ),
    (
        1000,
        "verify signature",
        "private_key: it does not belong to this tiger_id; if you made a new key on the "
        f"developer page, {ANEW}",
    ),
    (1000, "public key", f"private_key: the developer page has no public key for it; {ANEW}"),
    (
        1010,
        "secret_key",
        "secret_key or account: the broker refuses one; a secret_key is for institutions alone",
    ),
    (
        2400,
        "",
        "token: the broker refuses it; put a fresh tiger_openapi_token.properties beside the "
        "properties file (developer page of Tiger's site; `tiger-mcp doctor` shows when one ends)",
    ),
    (
        4,
        "white",
        "the broker refuses this address; add it to the IP white list on the developer page",
    ),
    (4, _RATE_LIMIT, "the broker counts too many calls; wait a minute and try again"),
)


class LoginRefusedError(BrokerUnavailableError):
    """The broker refuses the login, and will until a person mends what the text names."""


def unanswered(method: str, reply: Mapping[str, Any]) -> BrokerUnavailableError:
    """Return what is to be raised for a reply that says no to a reading.

    Args:
        method: wire name of the reading.
        reply: the whole reply, with its code and message.
    """
    code, message = reply.get("code"), str(reply.get("message", ""))
    objection = objection_to(code, message)
    if isinstance(objection, ConfigError) and _RATE_LIMIT not in message:
        return LoginRefusedError(str(objection))
    return BrokerUnavailableError(f"{method} was answered with {code}")


def objection_to(code: object, text: str) -> ConfigError | BrokerUnavailableError:
    """Return what is to be raised for the broker's no: what to mend, where it is the login's own.

    Args:
        code: the reply's code.
        text: the broker's words, of which none are told.
    """
    for known, part, objection in _OBJECTIONS:
        if code == known and part in text:
            return ConfigError(objection)
    return BrokerUnavailableError(f"the broker answered with code {code}; try again later")
