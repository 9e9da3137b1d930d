"""An order: where it is in its life, and what the ledger says of it.

The phases and who may change them are in DESIGN: from `WORKING` on, only the broker's listings
change a phase; `UNKNOWN` and `NOT_FOUND` are never terminal.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from core.terms import OrderSpec


class Phase(StrEnum):
    """Where an order is in its life."""

    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    NOT_FOUND = "not_found"
    RELEASED = "released"


# The broker will not change these any more, as far as its listings have shown.
FINAL_PHASES: Final = frozenset(
    {Phase.FILLED, Phase.CANCELLED, Phase.EXPIRED, Phase.REJECTED, Phase.NOT_SENT}
)
# Nobody knows whether the order is live: its symbol is closed for opening orders.
DOUBTFUL_PHASES: Final = frozenset({Phase.UNKNOWN, Phase.NOT_FOUND})
OPEN_PHASES: Final = frozenset(
    {Phase.SUBMITTING, Phase.ACCEPTED, Phase.WORKING, Phase.UNKNOWN, Phase.NOT_FOUND}
)


class CancelPhase(StrEnum):
    """Where the wish to cancel an order is."""

    NONE = "none"
    WANTED = "wanted"  # recorded while the order is in doubt; executed at its first sighting
    STARTED = "started"
    REQUESTED = "requested"  # the broker took the request; the order is not yet cancelled
    REFUSED = "refused"
    UNKNOWN = "unknown"


class ModifyPhase(StrEnum):
    """Where the wish to change an order is."""

    NONE = "none"
    STARTED = "started"
    REQUESTED = "requested"  # the broker took the request; no listing shows the new terms yet
    UNKNOWN = "unknown"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    NOT_APPLIED = "not_applied"  # the listings go on showing the old terms
    REPLACED = "replaced"


# Either the old or the new terms may hold: the worse of the two counts.
PENDING_MODIFIES: Final = frozenset(
    {ModifyPhase.STARTED, ModifyPhase.REQUESTED, ModifyPhase.UNKNOWN}
)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger says of one order.

    Quantities are in shares. `filled_quantity` is the broker's own cumulative figure,
    `recorded_quantity` the sum of the fills recorded: of a combination the units of which every leg
    is, `recorded_legs` the sum of each contract, sorted by its word.
    """

    order_id: str
    spec: OrderSpec
    phase: Phase
    started_at: datetime
    # Latest moment at which a send of this order can still reach the broker, by the broker's clock.
    arrives_by: datetime
    # Earliest moment at which the broker may have opened it, by the broker's clock; listings that
    # are to show it begin before.
    opened_from: datetime
    order_number: str = ""
    mark: str = ""
    preview_id: str = ""
    command_id: str = ""
    correlation_id: str = ""
    reason: str = ""
    tiger_order_id: str = ""
    is_external: bool = False
    # Of a class that we have no words for: the contract in `spec` is a guess by its symbol.
    is_contract_unknown: bool = False
    parent_order_id: str = ""  # of an order that the broker made of this one
    owner_order_id: str = ""  # of a stranger's entry that was one of ours: which
    filled_quantity: Decimal = Decimal(0)
    average_price: Decimal | None = None
    recorded_quantity: Decimal = Decimal(0)
    recorded_legs: tuple[tuple[str, Decimal], ...] = ()
    # How often fills of it were taken back, or told of no more.
    losses: int = 0
    charges: Decimal = Decimal(0)
    cancel: CancelPhase = CancelPhase.NONE
    cancel_command: str = ""
    modify: ModifyPhase = ModifyPhase.NONE
    # The terms asked for, while either they or `spec` may hold.
    wanted: OrderSpec | None = None
    modify_arrives_by: datetime | None = None
    modify_command: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the order may still trade, as far as anybody knows."""
        return self.phase in OPEN_PHASES

    @property
    def is_watched(self) -> bool:
        """Whether the broker must still be asked: it may trade, or fills are not all recorded.

        One that a person released is looked for only as long as any other that left.
        """
        has_to_come = self.recorded_quantity < self.filled_quantity
        return self.is_open or (has_to_come and self.phase is not Phase.RELEASED)

    @property
    def has_lost_fills(self) -> bool:
        """Whether what its row means by "filled" is its whole size no more."""
        return self.losses > 0

    @property
    def known_filled(self) -> Decimal:
        """What is filled by the broker's figure, or by what is recorded, whichever is more."""
        return max(self.filled_quantity, self.recorded_quantity)

    @property
    def unit_sizes(self) -> dict[str, Decimal]:
        """How much of each contract makes one unit of the order."""
        if not self.spec.legs:
            return {self.spec.contract: Decimal(1)}
        sizes = dict[str, Decimal]()
        for leg in self.spec.legs:
            contract = leg.contract(self.spec.symbol)
            sizes[contract] = sizes.get(contract, Decimal(0)) + leg.ratio
        return sizes

    def unrecorded(self, filled: Decimal) -> dict[str, Decimal]:
        """Return what is missing of each contract where so much is filled; less than 0 is beyond.

        Args:
            filled: units of the order.
        """
        recorded = dict(self.recorded_legs)
        if not self.recorded_legs:
            recorded = {
                each: self.recorded_quantity * size for each, size in self.unit_sizes.items()
            }
        return {
            each: filled * size - recorded.get(each, Decimal(0))
            for each, size in self.unit_sizes.items()
        }

    def has_more_than(self, filled: Decimal) -> bool:
        """Say whether more is recorded, of any contract, than so many units filled come to."""
        return any(missing < 0 for missing in self.unrecorded(filled).values())

    @property
    def unsettled_quantity(self) -> Decimal:
        """Shares by which the position may still move in the worst case, fills recorded aside."""
        most = (
            max(self.most_quantity, self.filled_quantity) if self.is_open else self.filled_quantity
        )
        done = self.recorded_quantity
        if self.is_open:
            # Of fills that were taken back, the quantity may trade again.
            done = min(done, self.filled_quantity)
        return max(Decimal(0), most - done)

    @property
    def most_quantity(self) -> Decimal:
        """Shares that the order is for, by its terms or by those asked for, whichever is more."""
        wanted = self.wanted
        return self.spec.quantity if wanted is None else max(self.spec.quantity, wanted.quantity)

    @property
    def is_doubtful(self) -> bool:
        """Whether nobody knows if the order is live, or on which terms."""
        return self.phase in DOUBTFUL_PHASES or self.modify is ModifyPhase.UNKNOWN
