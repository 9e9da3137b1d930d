"""The fact that an exact order was shown, and what was shown with it.

What holds for every fact stands in `core.events`, which names them all in one union.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from core.claims import Claim
from core.money import Money
from core.terms import OrderSpec


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One pre-trade check of a preview: its name, whether it held, and what was compared."""

    name: str
    passed: bool
    detail: str


class QuoteUsed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The quote a preview was made with; prices in the order's currency, `at` by the broker."""

    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    at: datetime
    is_delayed: bool = False  # for want of a quote right


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What an order would cost, by the broker's own preview; amounts in `currency`."""

    notional: Money
    commission: Money | None
    initial_margin: Money | None
    message: str


class OrderPreviewed(msgspec.Struct, frozen=True, kw_only=True):
    """An exact order was shown to the caller; `digest` binds a later submit to it.

    `owner` is the one caller who may submit it; without one, as in records of before, anyone may.
    """

    preview_id: str
    command_id: str
    spec: OrderSpec
    reason: str
    checks: tuple[Check, ...]
    quote: QuoteUsed | None
    estimate: Estimate | None
    digest: str
    expires_at: datetime
    claim: Claim | msgspec.UnsetType = msgspec.UNSET
    owner: str | msgspec.UnsetType = msgspec.UNSET

    def is_for(self, owner: str) -> bool:
        """Say whether this owner may submit it."""
        return not self.owner or self.owner == owner
