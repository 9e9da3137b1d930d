"""The one place where a fact becomes bytes and bytes become a fact again.

A record is one JSON document. Its subject carries account and type too, and a reader holds both
against each other, the counter `n` against its predecessor, and `prev` against the hash of it.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from core import account_events, events, parent_events, preview_events
from core.errors import CorruptRecordError
from core.subjects import Kind, parse_subject, subject

FIRST_PREV: Final = "0" * 64

EVENT_CLASSES: Final[dict[str, type[events.Event]]] = {
    "order.previewed": preview_events.OrderPreviewed,
    "order.refused": events.OrderRefused,
    "order.submission_started": events.OrderSubmissionStarted,
    "order.accepted": events.OrderAccepted,
    "order.not_sent": events.OrderNotSent,
    "order.outcome_unknown": events.OrderOutcomeUnknown,
    "order.not_found": events.OrderNotFound,
    "order.released": events.OrderReleased,
    "order.working": events.OrderWorking,
    "order.fill_recorded": events.OrderFillRecorded,
    "order.fill_taken_back": events.OrderFillTakenBack,
    "order.filled": events.OrderFilled,
    "order.cancelled": events.OrderCancelled,
    "order.expired": events.OrderExpired,
    "order.rejected": events.OrderRejected,
    "order.terms_observed": events.OrderTermsObserved,
    "order.answer_observed": events.OrderAnswerObserved,
    "order.cancel_started": events.OrderCancelStarted,
    "order.cancel_wanted": events.OrderCancelWanted,
    "order.cancel_requested": events.OrderCancelRequested,
    "order.cancel_refused": events.OrderCancelRefused,
    "order.cancel_unknown": events.OrderCancelUnknown,
    "order.charges_observed": events.OrderChargesObserved,
    "order.cancel_imported": events.OrderCancelImported,
    "order.modify_started": events.OrderModifyStarted,
    "order.modify_requested": events.OrderModifyRequested,
    "order.modify_refused": events.OrderModifyRefused,
    "order.modify_not_sent": events.OrderModifyNotSent,
    "order.modify_unknown": events.OrderModifyUnknown,
    "order.modify_not_applied": events.OrderModifyNotApplied,
    "order.replaced": events.OrderReplaced,
    "order.external_observed": events.OrderExternalObserved,
    "order.was_ours": events.OrderWasOurs,
    "order.parent_observed": parent_events.OrderParentObserved,
    "account.opened": account_events.AccountOpened,
    "account.worker_started": account_events.AccountWorkerStarted,
    "account.reconciled": account_events.AccountReconciled,
    "account.listed": account_events.AccountListed,
    "account.stale": account_events.AccountStale,
    "account.frozen": account_events.AccountFrozen,
    "account.cancels_asked": account_events.AccountCancelsAsked,
    "account.halted": account_events.AccountHalted,
    "account.halt_verified": account_events.AccountHaltVerified,
    "account.resumed": account_events.AccountResumed,
    "account.mode_set": account_events.AccountModeSet,
    "account.positions_observed": account_events.AccountPositionsObserved,
    "account.balances_observed": account_events.AccountBalancesObserved,
    "account.position_break": account_events.AccountPositionBreak,
    "account.position_agreed": account_events.AccountPositionAgreed,
    "account.position_adopted": account_events.AccountPositionAdopted,
    "account.cash_break": account_events.AccountCashBreak,
    "account.added": account_events.AccountAdded,
    "account.removed": account_events.AccountRemoved,
    "token.issued": account_events.TokenIssued,
    "token.refreshed": account_events.TokenRefreshed,
    "token.refresh_failed": account_events.TokenRefreshFailed,
    "token.expiring": account_events.TokenExpiring,
    "token.expired": account_events.TokenExpired,
    "token.revoked": account_events.TokenRevoked,
    "command.unreadable": account_events.CommandUnreadable,
}
_NAMES: Final = {event_class: name for name, event_class in EVENT_CLASSES.items()}
# Newest schema of each type; absent means 1.
_SCHEMAS: Final[dict[str, int]] = {}
# (type, old schema) -> pure function from the old JSON object to the next schema's.
_UPGRADES: Final[dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]]] = {}

_E = TypeVar("_E")


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A fact with all that the ledger says about it.

    `n` counts the account's events from 1 without gaps; `sequence` is the stream's own number,
    0 while the record is not stored yet.
    """

    type: str
    event_id: str
    account: str
    n: int
    recorded_at: datetime
    correlation_id: str
    causation_id: str
    actor: str
    code_version: str
    data: events.Event
    sequence: int = 0


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """The stored JSON document; the order of fields is the order on disk."""

    type: str
    schema: int
    event_id: str
    account: str
    n: int
    prev: str
    recorded_at: datetime
    correlation_id: str
    causation_id: str
    actor: str
    code_version: str
    data: msgspec.Raw


class Tail(NamedTuple):
    """The end of an account's line: last `n`, hash for the next `prev`, last stream sequence."""

    n: int
    prev: str
    sequence: int
    recorded_at: datetime | None


EMPTY_TAIL: Final = Tail(n=0, prev=FIRST_PREV, sequence=0, recorded_at=None)

_document_decoder: Final = msgspec.json.Decoder(_Document)
_encoder: Final = msgspec.json.Encoder()
_decoders: Final = {name: msgspec.json.Decoder(cls) for name, cls in EVENT_CLASSES.items()}


def type_name(event: events.Event) -> str:
    """Return the fixed stored name of an event, such as `order.accepted`."""
    return _NAMES[type(event)]


def digest(record_subject: str, body: bytes) -> str:
    """Return the hex SHA-256 over subject, a zero byte and the exact body."""
    return hashlib.sha256(record_subject.encode() + b"\0" + body).hexdigest()


def encode(recorded: Recorded, *, prev: str) -> tuple[str, bytes]:
    """Return the log subject and the body under which a fact is stored."""
    document = _Document(
        type=recorded.type,
        schema=_SCHEMAS.get(recorded.type, 1),
        event_id=recorded.event_id,
        account=recorded.account,
        n=recorded.n,
        prev=prev,
        recorded_at=recorded.recorded_at,
        correlation_id=recorded.correlation_id,
        causation_id=recorded.causation_id,
        actor=recorded.actor,
        code_version=recorded.code_version,
        data=msgspec.Raw(_encoder.encode(recorded.data)),
    )
    return subject(Kind.LOG, recorded.account, recorded.type), _encoder.encode(document)


def decode(record_subject: str, body: bytes, *, sequence: int) -> Recorded:
    """Read one stored record and hold it against its own subject.

    Args:
        record_subject: `log.…` as stored, or `evt.…` as republished.
        body: the exact stored bytes.
        sequence: the stream's number of it.

    Raises:
        CorruptRecordError: for bytes, a type or a schema that this version does not know, or a
            subject that says something else than the body.
    """
    return _recorded(_document(record_subject, body), record_subject, sequence)


def follow(tail: Tail, record_subject: str, body: bytes, *, sequence: int) -> tuple[Recorded, Tail]:
    """Decode the record after `tail` and check counter, hash and sequence.

    Raises:
        CorruptRecordError: for a gap, a repetition, a fork, or what `decode` raises.
    """
    document = _document(record_subject, body)
    fits = document.prev == tail.prev
    if document.n != tail.n + 1 or not fits or sequence <= tail.sequence:
        raise CorruptRecordError(
            f"expected n={tail.n + 1} after sequence {tail.sequence} on {record_subject}, "
            f"was n={document.n} at sequence {sequence}"
            + ("" if fits else ", and its prev does not fit")
        )
    recorded = _recorded(document, record_subject, sequence)
    stored_subject = subject(Kind.LOG, recorded.account, recorded.type)
    return recorded, Tail(recorded.n, digest(stored_subject, body), sequence, recorded.recorded_at)


def _document(record_subject: str, body: bytes) -> _Document:
    where = parse_subject(record_subject)
    document = _decoded(_document_decoder, body, record_subject)
    if (where.account, where.name) != (document.account, document.type):
        raise CorruptRecordError(
            f"expected {document.account}/{document.type} by the body, was {record_subject}"
        )
    return document


def _recorded(document: _Document, record_subject: str, sequence: int) -> Recorded:
    return Recorded(
        type=document.type,
        event_id=document.event_id,
        account=document.account,
        n=document.n,
        recorded_at=document.recorded_at,
        correlation_id=document.correlation_id,
        causation_id=document.causation_id,
        actor=document.actor,
        code_version=document.code_version,
        data=_event(document, record_subject),
        sequence=sequence,
    )


def _event(document: _Document, where: str) -> events.Event:
    decoder = _decoders.get(document.type)
    newest = _SCHEMAS.get(document.type, 1)
    if decoder is None or not 1 <= document.schema <= newest:
        raise CorruptRecordError(
            f"expected a known type and schema, was {document.type} {document.schema} at {where}"
        )
    if document.schema == newest:
        return _decoded(decoder, document.data, where)
    shape: dict[str, Any] = msgspec.json.decode(document.data)
    for old in range(document.schema, newest):
        shape = _UPGRADES[document.type, old](shape)
    return _decoded(decoder, _encoder.encode(shape), where)


def _decoded(decoder: msgspec.json.Decoder[_E], body: bytes, where: str) -> _E:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptRecordError(f"a record at {where} does not decode: {error}") from error
