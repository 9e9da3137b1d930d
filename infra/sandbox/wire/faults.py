"""Faults on demand: what goes wrong, with which requests, how often.

`AnyEffect` is the closed union of all faults of the HTTP side. To add one: a struct here, its case
in `gateway` (or in `bending`, if it changes what is done), a line in docs/sandbox.md and a test.
"""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from infra.sandbox.bounds import SKEW_S_MAX, is_plain
from infra.sandbox.broker.engine import Engine

DELAY_S_MAX = 600.0
RULE_COUNT_MAX = 1000

ORDER_LISTINGS = frozenset({"orders", "active_orders", "inactive_orders", "filled_orders"})
# Methods that show an account's book, and change nothing.
LISTINGS = ORDER_LISTINGS | {
    "aggregate_assets",
    "analytics_asset",
    "assets",
    "fund_details",
    "order_transactions",
    "positions",
    "prime_assets",
}
PLACES = frozenset({"place_order"})


class Effect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all faults have in common: a fixed name, sent as `type`."""


class DropBeforeAcceptance(Effect, frozen=True, kw_only=True, tag="drop_before_acceptance"):
    """Close the connection; nothing is done."""


class DropAfterAcceptance(Effect, frozen=True, kw_only=True, tag="drop_after_acceptance"):
    """Do it, then close the connection without a reply."""


class DelayBefore(Effect, frozen=True, kw_only=True, tag="delay_before"):
    """Wait, then do it and reply: done late, even if the client has gone."""

    delay_s: float


class DelayAfter(Effect, frozen=True, kw_only=True, tag="delay_after"):
    """Do it at once, reply late."""

    delay_s: float


class HoldBefore(Effect, frozen=True, kw_only=True, tag="hold_before"):
    """Wait for a release, then do it and reply."""


class HoldAfter(Effect, frozen=True, kw_only=True, tag="hold_after"):
    """Do it at once, reply after a release."""


class Redirect(Effect, frozen=True, kw_only=True, tag="redirect_307"):
    """Answer 307 to the given place, or to where the request came; nothing is done."""

    location: str | None = None


class Drip(Effect, frozen=True, kw_only=True, tag="drip"):
    """Do it, then send the reply byte by byte."""

    interval_s: float


class HttpStatus(Effect, frozen=True, kw_only=True, tag="http_status"):
    """Answer with an HTTP status, as a proxy in between would."""

    status: int
    accepted: bool = False  # whether it is done all the same


class EmptyBody(Effect, frozen=True, kw_only=True, tag="empty_body"):
    """Answer 200 with nothing in it."""

    accepted: bool = True


class MalformedBody(Effect, frozen=True, kw_only=True, tag="malformed_body"):
    """Answer 200 with the first half of the reply."""

    accepted: bool = True


class WrongSign(Effect, frozen=True, kw_only=True, tag="wrong_sign"):
    """Answer with a signature that does not hold."""

    accepted: bool = True


class ErrorCode(Effect, frozen=True, kw_only=True, tag="error_code"):
    """Answer with one of Tiger's error codes."""

    code: int
    message: str
    accepted: bool = False


class ClockSkew(Effect, frozen=True, kw_only=True, tag="clock_skew"):
    """Do it as a machine whose clock is off: order times and the reply's own are so much later."""

    skew_s: int  # negative: earlier


class StaleList(Effect, frozen=True, kw_only=True, tag="stale_list"):
    """Listings of orders, executions, positions and assets show the book of the rule's making."""


class LostPage(Effect, frozen=True, kw_only=True, tag="lost_page"):
    """A page of a listing comes without its items."""

    is_last: bool = False  # and as if no page came after it


class HiddenOrder(Effect, frozen=True, kw_only=True, tag="hidden_order"):
    """Take an order, then leave it and its executions out of its account's next listings."""

    listing_count: int  # of orders and of executions, together


class SilentLoss(Effect, frozen=True, kw_only=True, tag="silent_loss"):
    """Answer an order with success and an id, but do not take it."""


class RejectNow(Effect, frozen=True, kw_only=True, tag="reject_now"):
    """Refuse an order with a remark, in the words and with the code of its account's kind."""

    remark: str


class RejectLate(Effect, frozen=True, kw_only=True, tag="reject_late"):
    """Take an order, then reject it with a remark."""

    remark: str


class PartialThenCancel(Effect, frozen=True, kw_only=True, tag="partial_then_cancel"):
    """Take an order, fill a part of it at its limit or the market's price, cancel the rest."""

    quantity: Decimal  # of the fill
    remark: str = ""


AnyEffect = (
    DropBeforeAcceptance
    | DropAfterAcceptance
    | DelayBefore
    | DelayAfter
    | HoldBefore
    | HoldAfter
    | Redirect
    | Drip
    | HttpStatus
    | EmptyBody
    | MalformedBody
    | WrongSign
    | ErrorCode
    | ClockSkew
    | StaleList
    | LostPage
    | HiddenOrder
    | SilentLoss
    | RejectNow
    | RejectLate
    | PartialThenCancel
)


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An effect and the requests it meets. The first rule that matches a request applies.

    Effects of orders and of listings meet only those, whatever `method` says.
    """

    effect: AnyEffect
    method: str | None = None  # none: every method
    account: str | None = None  # none: every account
    count: int | None = 1  # how many requests; none: until removed
    probability: Decimal | None = None  # of meeting a matching request; none: always
    seed: int = 0  # of the chance

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError(f"expected a count of at least 1, was {self.count}")
        chance = self.probability
        if chance is not None and not (is_plain(chance) and 0 <= chance <= 1):
            raise ValueError(f"expected a probability from 0 to 1, was {chance}")
        match self.effect:
            case DelayBefore(delay_s=wait_s) | DelayAfter(delay_s=wait_s) | Drip(interval_s=wait_s):
                if not 0 <= wait_s <= DELAY_S_MAX:
                    raise ValueError(f"expected 0 to {DELAY_S_MAX} s, was {wait_s}")
            case HttpStatus(status=status):
                # 1xx and 204 have no body and would confuse this server, not the client.
                if not 300 <= status <= 599:
                    raise ValueError(f"expected a status from 300 to 599, was {status}")
            case ClockSkew(skew_s=skew_s):
                if abs(skew_s) > SKEW_S_MAX:
                    raise ValueError(f"expected at most {SKEW_S_MAX} s of skew, was {skew_s}")
            case HiddenOrder(listing_count=listing_count):
                if listing_count < 1:
                    raise ValueError(f"expected at least 1 listing, was {listing_count}")
            case PartialThenCancel(quantity=quantity):
                if not (is_plain(quantity) and quantity > 0):
                    raise ValueError(f"expected a quantity above 0, was {quantity}")
            case _:
                pass


class ActiveFault(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in force."""

    fault_id: int
    rule: FaultRule
    met_count: int = 0  # requests that it was applied to
    seen_count: int = 0  # requests that matched, applied or not


class FaultTable:
    """The rules in force, in the order in which they were added."""

    def __init__(self) -> None:
        self._active: dict[int, ActiveFault] = {}
        self._pasts: dict[int, Engine] = {}
        self._last_id = 0

    def add(self, rule: FaultRule, *, past: Callable[[], Engine]) -> int:
        """Put a rule in force and return its id.

        Args:
            rule: the rule.
            past: makes a copy of the broker as it is; asked only for an effect that needs one.

        Raises:
            ValueError: there are too many.
        """
        if len(self._active) >= RULE_COUNT_MAX:
            raise ValueError(f"expected at most {RULE_COUNT_MAX} rules")
        self._last_id += 1
        self._active[self._last_id] = ActiveFault(fault_id=self._last_id, rule=rule)
        if isinstance(rule.effect, StaleList):
            self._pasts[self._last_id] = past()
        return self._last_id

    def remove(self, fault_id: int) -> None:
        """Remove one rule.

        Raises:
            ValueError: it is not in force.
        """
        if self._active.pop(fault_id, None) is None:
            raise ValueError(f"expected the id of a rule in force, was {fault_id}")
        self._pasts.pop(fault_id, None)

    def clear(self) -> None:
        """Remove all rules."""
        self._active.clear()
        self._pasts.clear()

    def all(self) -> tuple[ActiveFault, ...]:
        """Return the rules in force."""
        return tuple(self._active.values())

    def take(self, *, method: str, account: str) -> "TakenFault | None":
        """Return the effect that applies to a request, and count it."""
        for fault in self._active.values():
            if _matches(fault.rule, method=method, account=account):
                counted = msgspec.structs.replace(fault, seen_count=fault.seen_count + 1)
                is_met = _is_met(counted)
                past = self._pasts.get(fault.fault_id)
                self._keep(counted, is_met=is_met)
                if is_met:
                    return TakenFault(effect=fault.rule.effect, past=past)
        return None

    def _keep(self, fault: ActiveFault, *, is_met: bool) -> None:
        met_count = fault.met_count + is_met
        if fault.rule.count is not None and met_count >= fault.rule.count:
            self.remove(fault.fault_id)
        else:
            self._active[fault.fault_id] = msgspec.structs.replace(fault, met_count=met_count)


class TakenFault(NamedTuple):
    """What goes wrong with one request."""

    effect: AnyEffect
    past: Engine | None  # what a stale listing shows


def happens_before(effect: AnyEffect) -> bool:
    """Say whether the request is answered or dropped without being done."""
    match effect:
        case DropBeforeAcceptance() | Redirect():
            return True
        case HttpStatus() | EmptyBody() | MalformedBody() | WrongSign() | ErrorCode():
            return not effect.accepted
        case _:
            return False


def methods_of(effect: AnyEffect) -> frozenset[str] | None:
    """Return the methods that an effect can meet; none: every method."""
    match effect:
        case StaleList():
            return LISTINGS
        case LostPage():
            return ORDER_LISTINGS | {"order_transactions"}
        case HiddenOrder() | SilentLoss() | RejectNow() | RejectLate() | PartialThenCancel():
            return PLACES
        case _:
            return None


def name_of(effect: AnyEffect) -> str:
    """Return the fixed name of a fault."""
    return str(type(effect).__struct_config__.tag)


def _matches(rule: FaultRule, *, method: str, account: str) -> bool:
    if rule.method not in (None, method) or rule.account not in (None, account):
        return False
    possible = methods_of(rule.effect)
    return possible is None or method in possible


def _is_met(fault: ActiveFault) -> bool:
    probability = fault.rule.probability
    if probability is None:
        return True
    # A hash in place of a generator: the same seed meets the same requests, in every run.
    text = f"{fault.rule.seed}:{fault.seen_count}".encode()
    drawn = int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big")
    return drawn < probability * 2**32
