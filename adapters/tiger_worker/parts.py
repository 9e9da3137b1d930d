"""What a desk asks of the world around it; threads, NATS and the SDK stand behind these.

A desk step is plain code that calls these ports, so that the same step runs in a worker's thread
and, one day, in a simulation of the whole service in one thread.
"""

from datetime import datetime
from typing import NamedTuple, Protocol

from core.items import CommandItem, Item
from core.ports import Appended, StoredRecord
from core.terms import OrderSpec


class Delivery(Protocol):
    """One message of the command stream, held until it is acknowledged."""

    def acknowledge(self) -> None:
        """Take the message off the stream; a lost acknowledgement only brings it again."""

    def set_aside(self, reason: str) -> None:
        """Take off the stream a message that can never be read."""


class Work(NamedTuple):
    """An item with what is needed to record and to answer it."""

    item: Item
    delivery: Delivery | None = None
    correlation_id: str = ""
    actor: str = ""


class Intent(NamedTuple):
    """A stored intention to place an order: all that the sending thread needs.

    `is_clean` says that the very first answer of the ledger was its plain ack.
    """

    order_id: str
    spec: OrderSpec
    order_number: str
    mark: str
    send_by: datetime
    send_by_boot_s: float
    is_clean: bool


class ModifyIntent(NamedTuple):
    """A stored intention to change an order, with the whole of its new terms."""

    order_id: str
    tiger_order_id: str
    spec: OrderSpec
    order_number: str
    send_by: datetime
    send_by_boot_s: float
    is_clean: bool


class Ledger(Protocol):
    """One account's line of events. Calls block until they are answered."""

    def append(
        self, *, subject: str, body: bytes, event_id: str, expected_sequence: int
    ) -> Appended:
        """Store one event.

        Raises:
            VersionConflictError: another writer owns the account.
        """

    def tail(self) -> StoredRecord | None:
        """Return the last stored record of the account."""


class Acts(Protocol):
    """What a desk sets going; answers come back to it as items."""

    def hold(self) -> str | None:
        """Hold a sending thread, a rate token and an order number; None if any is wanting."""

    def give_back(self, order_number: str) -> None:
        """Return what `hold` gave, unused."""

    def place(self, intent: Intent) -> None:
        """Send an order from the held thread, after its last checks."""

    def hold_modify(self) -> bool:
        """Hold a sending thread and a rate token for a change; False if either is wanting."""

    def give_back_modify(self) -> None:
        """Return what `hold_modify` gave, unused."""

    def modify(self, intent: ModifyIntent) -> None:
        """Send a change from the held thread, after its last checks."""

    def cancel(self, order_id: str, tiger_order_id: str, *, is_urgent: bool) -> None:
        """Ask the broker for a cancel, on the cancels' own lane; a halt's are urgent."""

    def read_for_preview(self, item: CommandItem, work: Work) -> None:
        """Read what a preview needs."""

    def read_for_modify(self, item: CommandItem, spec: OrderSpec, work: Work) -> None:
        """Read what a change of an order with these terms needs."""

    def look_again(self) -> None:
        """Ask for a round of readings soon."""

    def halt_taken(self, symbol: str) -> None:
        """A halt of this scope is in the account's state now, if it changed anything."""
