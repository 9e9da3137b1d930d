"""From a message of the command streams to an item for the desk; whatever cannot be read is kept.

Step 4 of the way of an order. A message that is no command of ours becomes an event with its
digest and place, so that it is never dropped in silence and never stops the account.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.guard import HaltLatch
from adapters.tiger_worker.parts import Delivery, Work
from core.commands import (
    COMMAND_CLASSES,
    CONTROL_CLASSES,
    MESSAGE_BYTES_MAX,
    Envelope,
    Halt,
    Sealed,
    parse_body,
    signed_bytes,
)
from core.errors import CommandError, CorruptRecordError
from core.items import CommandItem, Unreadable
from core.ports import CommandMessage, Verifier
from core.refusals import Refusal
from core.subjects import Kind, parse_subject

_DETAIL_MAX: Final = 200
_decoder: Final = msgspec.json.Decoder(Sealed)
_envelope_decoder: Final = msgspec.json.Decoder(Envelope)


class Held(Delivery, Protocol):
    """A message that can be acknowledged, with its bytes."""

    @property
    def message(self) -> CommandMessage:
        """What was received."""


class _UnreadableError(Exception):
    def __init__(self, code: Refusal, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Intake:
    """Takes the messages of one account's commands and controls, and queues them for its desk."""

    def __init__(
        self,
        account: str,
        *,
        desk: DeskThread,
        verifiers: Mapping[Kind, Verifier],
        latch: HaltLatch,
    ) -> None:
        """Make an intake; `verifiers` hold, by kind of subject, the keys that count there."""
        self._account = account
        self._desk = desk
        self._verifiers = verifiers
        self._latch = latch

    def take(self, held: Held) -> None:
        """Queue one message. It may come from any thread and returns at once."""
        message = held.message
        try:
            kind, envelope, item = self._read(message)
        except _UnreadableError as error:
            unreadable = Unreadable(
                code=error.code,
                subject=message.subject[:_DETAIL_MAX],
                stream=message.stream,
                sequence=message.sequence,
                body_digest=hashlib.sha256(message.body).hexdigest(),
                detail=str(error)[:_DETAIL_MAX],
            )
            self._desk.post(Work(unreadable, held), Turn.COMMAND)
            return
        is_first = kind is Kind.CONTROL
        if isinstance(item.command, Halt):
            # Sends stop now; the desk may have much to do before it comes to the halt itself.
            self._latch.set(item.command.symbol)
            is_first = True
        who = "person" if kind is Kind.CONTROL else "model"
        work = Work(item, held, envelope.correlation_id, f"{who}:{envelope.principal}")
        self._desk.post(work, Turn.CONTROL if is_first else Turn.COMMAND)

    def _read(self, message: CommandMessage) -> tuple[Kind, Envelope, CommandItem]:
        if len(message.body) > MESSAGE_BYTES_MAX:
            raise _UnreadableError(Refusal.COMMAND_UNREADABLE, "it is too long")
        try:
            where = parse_subject(message.subject)
            sealed = _decoder.decode(message.body)
            envelope = _envelope_decoder.decode(sealed.envelope)
        except CorruptRecordError as error:
            raise _UnreadableError(Refusal.COMMAND_UNREADABLE, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _UnreadableError(Refusal.COMMAND_UNREADABLE, str(error)) from None
        verifier = self._verifiers.get(where.kind)
        if where.account != self._account or verifier is None:
            raise _UnreadableError(Refusal.COMMAND_UNREADABLE, "it is not for this account")
        signed = signed_bytes(message.subject, bytes(sealed.envelope))
        if not verifier.is_valid(sealed.key_id, signed, sealed.signature):
            raise _UnreadableError(Refusal.SIGNATURE_INVALID, "its signature does not hold")
        classes = COMMAND_CLASSES if where.kind is Kind.COMMAND else CONTROL_CLASSES
        try:
            command = parse_body({**classes}, where.name, bytes(envelope.body))
        except CommandError as error:
            raise _UnreadableError(Refusal.COMMAND_UNREADABLE, str(error)) from None
        item = CommandItem(
            command=command,
            command_id=envelope.command_id,
            principal=envelope.principal,
            expires_at=envelope.expires_at,
            owner=envelope.owner,
            issued_at=envelope.issued_at,
        )
        return where.kind, envelope, item
