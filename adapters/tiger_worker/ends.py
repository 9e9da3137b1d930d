"""How a call ended that changes something: read strictly from what the SDK returned or raised."""

from typing import Final, NamedTuple

import urllib3.exceptions
from tigeropen.common.exceptions import ApiException, RequestException, ResponseException

from adapters.tiger_worker import words
from adapters.tiger_worker.redaction import OwnSecrets
from core.items import Outcome

# No connection was made, so nothing was sent. Source: urllib3 2, `urllib3/exceptions.py`.
_NEVER_CONNECTED: Final = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NameResolutionError,
)


class Ended(NamedTuple):
    """How a call that changes something ended."""

    outcome: Outcome
    tiger_order_id: str = ""
    code: int | None = None
    detail: str = ""


def end_of(error: Exception, *, own: OwnSecrets) -> Ended:
    """Return how a call ended that raised this."""
    if isinstance(error, ApiException):
        detail = words.broker_text(own.hidden(str(error.msg or "")))
        if isinstance(error.code, int) and words.is_definite_no(error.code, str(error.msg)):
            return Ended(Outcome.REFUSED, code=error.code, detail=detail)
        return Ended(Outcome.UNKNOWN, detail=f"answered with code {error.code}: {detail}")
    # The SDK raises its own error while it handles the transport's, without naming it as cause.
    if isinstance(error.__context__, _NEVER_CONNECTED):
        return Ended(Outcome.NOT_SENT, detail="no connection to the broker was made")
    return Ended(Outcome.UNKNOWN, detail=_doubt(error))


# This is recorded and told to people, for whom the classes of a library say nothing.
def _doubt(error: Exception) -> str:
    match error:
        case RequestException():
            return "the connection ended without a reply"
        case ResponseException():
            return "what came back was not the broker's signed reply"
        case ValueError() | AttributeError() | TypeError() | RecursionError():
            return "the broker's reply could not be read"
        case _:
            return "the call ended as nobody foresaw"
