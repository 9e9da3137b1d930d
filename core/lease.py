"""The lease of a login: which worker may send, where the lock of one machine does not reach.

A worker keeps one record per login in NATS, renews it, and sends only within the lease of its last
confirmed renewal. A worker elsewhere takes the record over once it has shown no renewal for so
long that nothing sent under it can still arrive. Only durations are compared, each on one
machine's clock since boot; no wall clock has a say.
"""

from typing import Final, NamedTuple

import msgspec

from core.context import Timing
from core.errors import CorruptRecordError

# Tries to renew within one lease.
RENEWALS_PER_LEASE: Final = 4


class LeaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder of a login's lease says of itself.

    Attributes:
        holder: one process, for its life; nobody can guess it.
        domain: equal for two processes only if the login's lock excludes one by the other.
        host: name of its machine, for people.
        late_s: how long after the lease's end something sent under it may still arrive.
        renewals: counts this holder's records.
        is_released: the holder gave it up, and nothing that it sent is still on its way.
    """

    schema: int = 1
    holder: str
    domain: str
    host: str
    lease_s: float
    late_s: float
    renewals: int
    is_released: bool = False


class FoundLease(NamedTuple):
    """A stored record and its place in the stream, which the next one must name."""

    record: LeaseRecord
    sequence: int


class Sight(NamedTuple):
    """The renewal that was seen last, and when first, on the own clock since boot."""

    sequence: int
    first_s: float


def late_s(timing: Timing) -> float:
    """Return how long after a lease's end something sent under it may arrive.

    A send that passed its last check begins at once, within `send_window_s` at the most, and dies
    with its process at the deadline. The clocks of two machines may run apart meanwhile.
    """
    return timing.send_window_s + timing.deadline_s + timing.skew_s


def renew_every_s(timing: Timing) -> float:
    """Return the pause between two renewals."""
    return timing.lease_s / RENEWALS_PER_LEASE


def sighted(before: Sight | None, found: FoundLease, *, now_s: float) -> Sight:
    """Return what is the last renewal now; one seen before keeps its moment."""
    if before is not None and before.sequence == found.sequence:
        return before
    return Sight(found.sequence, now_s)


def wait_left_s(
    found: FoundLease, sight: Sight, *, holder: str, domain: str, timing: Timing, now_s: float
) -> float:
    """Return how long a worker must wait before it may take this lease over; 0: no longer.

    One of the own domain is free at once: who holds the login's lock knows the other is dead.
    """
    record = found.record
    if record.is_released or record.holder == holder or record.domain == domain:
        return 0
    # Either side may run with other limits of time than this one.
    silence_s = max(timing.lease_s + late_s(timing), record.lease_s + record.late_s)
    return max(0, sight.first_s + silence_s - now_s)


def encode_lease(record: LeaseRecord) -> bytes:
    """Return the bytes to store."""
    return _encoder.encode(record)


def decode_lease(body: bytes) -> LeaseRecord:
    """Read a stored record.

    Raises:
        CorruptRecordError: it is none, so nobody can say how long to wait for it.
    """
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise CorruptRecordError("expected the record of a lease, was another document") from error


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(LeaseRecord)
