"""Asking JetStream over a link that may break: what is an answer, and what is none."""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from core.errors import LinkError
from infra.ledger.record import StoredRecord, direct_record_of

# A healthy server answers in about 1 ms; a slow disk may take longer, and asking again is harmless.
ANSWER_WAIT_S: Final = 1.0
# Pause after a try that failed at once, so that an outage is not a busy loop.
REPEAT_PAUSE_S: Final = 0.05
# "wrong last sequence", and the same found while another message is on its way in.
# Source: nats-server 2.15.1, `server/errors.json`.
_CONFLICT_CODES: Final = frozenset({10071, 10164})
EXPECTED_SEQUENCE: Final = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT: Final = "Nats-Expected-Last-Subject-Sequence-Subject"


class ApiError(msgspec.Struct, frozen=True):
    """The server's refusal of a JetStream request."""

    code: int = 0
    err_code: int = 0
    description: str = ""

    @property
    def is_conflict(self) -> bool:
        """Say whether the expected last sequence was not the last one."""
        return self.err_code in _CONFLICT_CODES


class PublishAck(msgspec.Struct, frozen=True):
    """The server's answer to a message that a stream captures."""

    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: ApiError | None = None


async def try_request(
    nc: Client,
    subject: str,
    body: bytes = b"",
    *,
    wait_s: float,
    headers: Mapping[str, str] | None = None,
) -> Msg | None:
    """Send a request; None when there was no answer within `wait_s` or no way to send.

    No answer says nothing: the request may have been done, may be on its way, or may lie in the
    client's buffer and leave with the next connection.

    Raises:
        LinkError: when the connection is closed for good or refuses the request itself.
    """
    if nc.is_closed:
        raise LinkError("expected an open connection, was closed")
    try:
        return await nc.request(
            subject, body, timeout=wait_s, headers=None if headers is None else dict(headers)
        )
    except (
        nats_errors.TimeoutError,
        nats_errors.NoRespondersError,
        nats_errors.OutboundBufferLimitError,
        nats_errors.ConnectionReconnectingError,
    ):
        return None
    except nats_errors.Error as error:
        raise LinkError(f"expected to send a request, was {type(error).__name__}") from error


async def last_record(
    nc: Client, *, stream: str, subject: str, give_up_at: float
) -> StoredRecord | None:
    """Return the last record below a subject (or wildcard); None where there is none.

    On one replica a direct get sees every acknowledged append; with three it may be answered by one
    that lags. The expected sequence of an append keeps the ledger right in both cases.

    Raises:
        LinkError: no answer until `give_up_at`, on the loop's clock.
    """
    loop = asyncio.get_running_loop()
    while (left_s := give_up_at - loop.time()) > 0:
        reply = await try_request(
            nc, f"$JS.API.DIRECT.GET.{stream}.{subject}", wait_s=min(left_s, ANSWER_WAIT_S)
        )
        if reply is not None:
            return direct_record_of(reply)
        await asyncio.sleep(REPEAT_PAUSE_S)
    raise LinkError(f"expected the last record of {subject}, got no answer in time")
