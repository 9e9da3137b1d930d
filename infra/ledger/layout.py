"""How the `eventsourcing` library's stored events lie in a stream, and how they are read back.

`<prefix>.<originator>.<topic>`. An event of ours (`log.sandbox.order.accepted`) is its body alone:
version and topic stand in the document. Anything else the library may be given (UUIDs, class names
as topics, bytes that are no document) is stored verbatim too, with version and topic in headers and
with its names escaped into one token each.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote
from uuid import UUID

import msgspec
from eventsourcing.persistence import Notification, StoredEvent

from core.errors import CorruptRecordError
from core.ids import is_alias
from core.subjects import SYSTEM
from infra.ledger.record import StoredRecord

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}(?:\.[a-z][a-z0-9_]{0,39})*")
# No alias and no name of ours begins with a tilde.
_ESCAPED_UUID: Final = "~u"
_ESCAPED_TEXT: Final = "~s"
VERSION: Final = "Es-Version"
TOPIC: Final = "Es-Topic"
# The highest version of the line, where that is not the event's own.
HIGHEST: Final = "Es-Highest"
# Tells one writer's message from another's with the same bytes.
WRITE_ID: Final = "Es-Write"


class _Document(msgspec.Struct, frozen=True):
    """The fields of our own events that the library asks for."""

    type: str
    account: str
    n: int


_document_decoder: Final = msgspec.json.Decoder(_Document)


class Outgoing(msgspec.Struct, frozen=True):
    """A message to be stored, without the headers that guard the append."""

    subject: str
    line: str  # wildcard of the originator's whole line
    body: bytes
    headers: Mapping[str, str]


class EventLayout:
    """Translates between stored events and messages below one subject prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.wildcard = f"{prefix}.>"

    def line(self, originator_id: UUID | str) -> str:
        """Return the wildcard over all events of one originator."""
        return f"{self._prefix}.{_originator_token(originator_id)}.>"

    def outgoing(self, event: StoredEvent, *, highest: int) -> Outgoing:
        """Return the message that stores an event in a line whose highest version is given."""
        headers: dict[str, str] = {}
        if highest > event.originator_version or not _is_own(event):
            headers = {VERSION: str(event.originator_version), TOPIC: quote(event.topic)}
            if highest > event.originator_version:
                headers[HIGHEST] = str(highest)
        topic = event.topic
        token = topic if _NAME.fullmatch(topic) else _escaped(_ESCAPED_TEXT, topic)
        return Outgoing(
            subject=f"{self._prefix}.{_originator_token(event.originator_id)}.{token}",
            line=self.line(event.originator_id),
            body=event.state,
            headers=headers,
        )

    def notification(self, record: StoredRecord) -> Notification:
        """Read a record as the library's notification; its id is the sequence in the stream.

        Raises:
            CorruptRecordError: when it holds neither our document nor the two headers.
        """
        token = record.subject[len(self._prefix) + 1 :].partition(".")[0]
        version, topic = _version_and_topic(record)
        return Notification(
            id=record.sequence,
            originator_id=_originator_of(token),
            originator_version=version,
            topic=topic,
            state=record.body,
        )


def highest_version(record: StoredRecord) -> int:
    """Return the highest version of the line that ends with this record."""
    highest = (record.headers or {}).get(HIGHEST)
    return _version_and_topic(record)[0] if highest is None else int(highest)


def event_of(notification: Notification) -> StoredEvent:
    """Return a notification without its place in the stream."""
    return StoredEvent(
        originator_id=notification.originator_id,
        originator_version=notification.originator_version,
        topic=notification.topic,
        state=notification.state,
    )


def name_token(text: str) -> str:
    """Return any name as one token of a subject."""
    return _escaped(_ESCAPED_TEXT, text)


def _is_own(event: StoredEvent) -> bool:
    # Only a document that says all three itself may go without headers.
    if not isinstance(event.originator_id, str) or not event.state.startswith(b"{"):
        return False
    try:
        document = _document_decoder.decode(event.state)
    except msgspec.MsgspecError:
        return False  # bytes of somebody else; the headers say what they are
    return document == _Document(
        type=event.topic, account=event.originator_id, n=event.originator_version
    )


def _version_and_topic(record: StoredRecord) -> tuple[int, str]:
    headers = record.headers or {}
    try:
        if VERSION in headers:
            return int(headers[VERSION]), unquote(headers[TOPIC])
        document = _document_decoder.decode(record.body)
    except (KeyError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise CorruptRecordError(
            f"expected an event at {record.sequence} of {record.stream}, was something else"
        ) from error
    return document.n, document.type


def _originator_token(originator_id: UUID | str) -> str:
    if isinstance(originator_id, UUID):
        return f"{_ESCAPED_UUID}{originator_id.hex}"
    if is_alias(originator_id) or originator_id == SYSTEM:
        return originator_id
    return _escaped(_ESCAPED_TEXT, originator_id)


def _originator_of(token: str) -> UUID | str:
    if token.startswith(_ESCAPED_UUID):
        return UUID(token.removeprefix(_ESCAPED_UUID))
    if token.startswith(_ESCAPED_TEXT):
        return unquote(token.removeprefix(_ESCAPED_TEXT).replace("=", "%"))
    return token


def _escaped(prefix: str, text: str) -> str:
    # `quote` leaves the dot, which would start a new token; "%" is kept out of subjects.
    return prefix + quote(text, safe="").replace(".", "%2E").replace("%", "=")
