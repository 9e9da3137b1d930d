"""One stored message of a ledger, and how the server's two ways of handing it out are read.

A record carries the stored bytes verbatim; what they mean is `core.codec`'s business.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from nats.aio.msg import Msg

from core.errors import CorruptRecordError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ACK_TOKENS_V1: Final = 9
# The second form of the reply subject has the domain and the account's hash in front of the stream.
_ACK_SHIFT_V2: Final = 2
STATUS_NOT_FOUND: Final = "404"


class StoredRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message as it is stored: where, when, and exactly which bytes."""

    subject: str
    stream: str
    sequence: int  # of the stream, from 1
    body: bytes
    time_us: int  # when the server stored it, microseconds since 1970
    headers: dict[str, str] | None = None

    @property
    def time(self) -> datetime:
        """Return when the server stored it, in UTC."""
        return _EPOCH + timedelta(microseconds=self.time_us)


class Delivery(NamedTuple):
    """What a consumer says about one message that it hands out."""

    record: StoredRecord
    consumer_sequence: int  # counts deliveries since the last reset, from 1
    pending: int  # messages that the consumer still has after this one


def status_of(message: Msg) -> str | None:
    """Return the server's status code of a message that is no data, else None."""
    headers = message.headers
    return None if headers is None else headers.get("Status")


def delivery_of(message: Msg) -> Delivery:
    """Read a message that a pull consumer delivered.

    Raises:
        CorruptRecordError: when the reply subject is not one of a consumer.

    Source: the reply subject `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.
    <consumer sequence>.<time in ns>.<pending>`; nats-server 2.15.1.
    """
    tokens = message.reply.split(".")
    shift = 0 if len(tokens) == _ACK_TOKENS_V1 else _ACK_SHIFT_V2
    try:
        record = StoredRecord(
            subject=message.subject,
            stream=tokens[2 + shift],
            sequence=int(tokens[5 + shift]),
            body=message.data,
            time_us=int(tokens[7 + shift]) // 1000,
            headers=message.headers,
        )
        return Delivery(record, int(tokens[6 + shift]), int(tokens[8 + shift]))
    except (IndexError, ValueError) as error:
        raise CorruptRecordError(
            f"expected the reply subject of a consumer, was {message.reply[:120]!r}"
        ) from error


def direct_record_of(message: Msg) -> StoredRecord | None:
    """Read the answer to a direct get; None where the server holds no such message.

    Raises:
        CorruptRecordError: when the answer is neither a message nor "not found".
    """
    headers = message.headers or {}
    try:
        stored_at = datetime.fromisoformat(headers["Nats-Time-Stamp"])
        return StoredRecord(
            subject=headers["Nats-Subject"],
            stream=headers["Nats-Stream"],
            sequence=int(headers["Nats-Sequence"]),
            body=message.data,
            time_us=(stored_at - _EPOCH) // timedelta(microseconds=1),
            headers=headers,
        )
    except (KeyError, ValueError) as error:
        if status_of(message) == STATUS_NOT_FOUND:
            return None
        raise CorruptRecordError(
            f"expected a stored message, was status {status_of(message)!r}"
        ) from error
