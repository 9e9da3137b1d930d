"""A gateway's port on NATS: commands out, questions and answers, republished facts in.

A reply subject can be made to point at another process's subscription, so a message under `evt.`
counts only with the headers that the server gives a republished one (see `NatsBus.listen`).
"""

from collections.abc import Callable
from typing import Final

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from core.asks import AskFault
from core.errors import CommandError, LinkError
from core.ports import EventMessage
from core.subjects import Kind

_LEDGER_PREFIX: Final = "LEDGER_"
_STREAM_HEADER: Final = "Nats-Stream"
_SUBJECT_HEADER: Final = "Nats-Subject"
_SEQUENCE_HEADER: Final = "Nats-Sequence"
_MESSAGE_ID_HEADER: Final = "Nats-Msg-Id"
# How a service of `nats.micro` says no.
_ERROR_HEADER: Final = "Nats-Service-Error"
_ERROR_CODE_HEADER: Final = "Nats-Service-Error-Code"
_FAULT_TEXT_LENGTH_MAX: Final = 300
_STREAM_LENGTH_MAX: Final = 64


class NatsBus:
    """Implements `core.ports.Bus` on one connection, which somebody else opens and closes."""

    def __init__(self, connection: Client) -> None:
        self._connection = connection
        self._stream = connection.jetstream()
        # Messages under `evt.` that no stream republished.
        self.dropped = 0

    async def publish(
        self, subject: str, body: bytes, *, message_id: str, timeout_s: float
    ) -> bool:
        """Store a command durably; True if the stream had it already.

        Raises:
            LinkError: the stream did not confirm; whether it has the command is not known.
        """
        try:
            ack = await self._stream.publish(
                subject, body, timeout=timeout_s, headers={_MESSAGE_ID_HEADER: message_id}
            )
        except nats.errors.Error as error:
            raise LinkError(f"expected an ack on {subject}, was {_name(error)}") from error
        return bool(ack.duplicate)

    async def request(self, subject: str, body: bytes, *, timeout_s: float) -> bytes:
        """Ask a service and return its answer.

        Raises:
            LinkError: nobody answers within the limit, or the service could not answer.
            CommandError: the service refused the question.
        """
        try:
            reply = await self._connection.request(subject, body, timeout=timeout_s)
        except nats.errors.Error as error:
            raise LinkError(f"expected an answer on {subject}, was {_name(error)}") from error
        headers = reply.headers or {}
        code = headers.get(_ERROR_CODE_HEADER)
        if code is None:
            return bytes(reply.data)
        text = headers.get(_ERROR_HEADER, "")[:_FAULT_TEXT_LENGTH_MAX]
        # A number is the micro library's own word for a handler that failed; ours are words.
        if code.isdigit():
            raise LinkError(f"expected an answer on {subject}, was error {code[:40]}")
        raise CommandError(text, field=_field(reply.data), code=code[:40])

    async def listen(self, subject: str, handler: Callable[[EventMessage], None]) -> None:
        """Call `handler` for each republished fact under a subject filter.

        A message whose headers do not say the stream, subject and sequence it was stored under is
        counted in `dropped` and not handed on.

        Raises:
            LinkError: the connection is closed.
        """

        async def hear(message: Msg) -> None:
            fact = _republished(message)
            if fact is None:
                self.dropped += 1
            else:
                handler(fact)

        try:
            await self._connection.subscribe(subject, cb=hear)
        except nats.errors.Error as error:
            raise LinkError(f"expected to hear {subject}, was {_name(error)}") from error


def _republished(message: Msg) -> EventMessage | None:
    headers = message.headers or {}
    stream = headers.get(_STREAM_HEADER, "")
    sequence = headers.get(_SEQUENCE_HEADER, "")
    kind, _, rest = message.subject.partition(".")
    fits = (
        kind == Kind.EVENT
        and stream.startswith(_LEDGER_PREFIX)
        and len(stream) <= _STREAM_LENGTH_MAX
        and headers.get(_SUBJECT_HEADER) == f"{Kind.LOG}.{rest}"
        and sequence.isascii()
        and sequence.isdigit()
        and sequence.strip("0") != ""
    )
    if not fits:
        return None
    return EventMessage(message.subject, int(sequence), bytes(message.data))


# The argument that a refusal names in its body, where it has one.
def _field(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=AskFault).field
    except msgspec.DecodeError:
        return ""


# The class name says enough; the text may quote what was sent.
def _name(error: nats.errors.Error) -> str:
    return type(error).__name__
