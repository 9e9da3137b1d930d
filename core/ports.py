"""What the pure middle and the adapters ask of the world; implementations are handed in."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol


class Clock(Protocol):
    """Time, from outside."""

    def now(self) -> datetime:
        """Return the wall clock, zone-aware UTC."""

    def boot_s(self) -> float:
        """Return seconds on a clock that never jumps and goes on while the machine sleeps."""


class Ids(Protocol):
    """Identity, from outside."""

    def new(self, prefix: str) -> str:
        """Return `prefix-<unguessable>`, never twice the same."""


class Signer(Protocol):
    """Holds one private key."""

    @property
    def key_id(self) -> str:
        """Name under which verifiers know the public half."""

    def sign(self, message: bytes) -> str:
        """Return the base64 signature of `message`."""


class Verifier(Protocol):
    """Holds the public keys that may send commands."""

    def is_valid(self, key_id: str, message: bytes, signature: str) -> bool:
        """Say whether `signature` is that key's of `message`; False for an unknown key."""


class Appended(NamedTuple):
    """An event is stored: its stream sequence, and whether the very first answer said so."""

    sequence: int
    clean: bool


class StoredRecord(NamedTuple):
    """One message of a ledger stream, verbatim."""

    subject: str
    sequence: int
    body: bytes


class CommandMessage(NamedTuple):
    """One message of a command stream, verbatim, and where it lies."""

    subject: str
    body: bytes
    stream: str
    sequence: int


class EventMessage(NamedTuple):
    """A republished fact, its headers checked against its subject."""

    subject: str
    sequence: int
    body: bytes


class Bus(Protocol):
    """What a gateway does on NATS; every wait is bounded and raises `LinkError`."""

    async def publish(
        self, subject: str, body: bytes, *, message_id: str, timeout_s: float
    ) -> bool:
        """Store a command durably; True if the stream had it already. No answer is unknown."""

    async def request(self, subject: str, body: bytes, *, timeout_s: float) -> bytes:
        """Ask a service and return its answer.

        Raises:
            LinkError: nobody answers.
            CommandError: the service refused the question.
        """

    async def listen(self, subject: str, handler: Callable[[EventMessage], None]) -> None:
        """Call `handler` for each republished fact under a subject filter."""
