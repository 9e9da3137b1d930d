"""Push faults: what goes wrong with which frames of data, or with the next CONNECT.

Faults of data meet only frames that carry data; acknowledgements and heart beats pass. Kicking,
cutting and pausing a connection are no rules but acts (see `server`).
"""

from typing import Literal

import msgspec

DELAY_S_MAX = 600.0
GROUP_SIZE_MAX = 1000
COPIES_MAX = 100
RULE_COUNT_MAX = 1000

# Tiger's names of what a frame carries (`SocketCommon.DataType`).
Kind = Literal[
    "Quote",
    "Option",
    "Future",
    "QuoteDepth",
    "TradeTick",
    "Asset",
    "Position",
    "OrderStatus",
    "OrderTransaction",
    "StockTop",
    "OptionTop",
    "Kline",
]


class PushEffect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all push faults have in common: a fixed name, sent as `type`."""


class DropFrames(PushEffect, frozen=True, kw_only=True, tag="drop"):
    """Lose frames without a word."""


class DuplicateFrames(PushEffect, frozen=True, kw_only=True, tag="duplicate"):
    """Send frames more than once."""

    copies: int = 1  # beside the frame itself


class ReorderFrames(PushEffect, frozen=True, kw_only=True, tag="reorder"):
    """Hold frames until there are enough, then send them last first."""

    size: int = 2


class DelayFrames(PushEffect, frozen=True, kw_only=True, tag="delay"):
    """Send frames late; later ones overtake them."""

    delay_s: float


class RefuseConnect(PushEffect, frozen=True, kw_only=True, tag="connect_refused"):
    """Answer a CONNECT with an error and close."""

    code: int = 4
    message: str = "access forbidden"


class IgnoreConnect(PushEffect, frozen=True, kw_only=True, tag="connect_ignored"):
    """Never answer a CONNECT, and keep the socket open."""


class CutConnect(PushEffect, frozen=True, kw_only=True, tag="connect_cut"):
    """Close the socket in place of an answer to a CONNECT."""


FrameEffect = DropFrames | DuplicateFrames | ReorderFrames | DelayFrames
ConnectEffect = RefuseConnect | IgnoreConnect | CutConnect
AnyPushEffect = FrameEffect | ConnectEffect


class PushFaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An effect and the frames (or CONNECTs) it meets; the first rule that matches applies."""

    effect: AnyPushEffect
    kind: Kind | None = None  # none: every kind; of no meaning for a CONNECT
    tiger_id: str | None = None  # none: every login
    account: str | None = None  # none: every account, and data of no account
    count: int | None = 1  # frames, groups of frames (reorder) or CONNECTs; none: until removed

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError(f"expected a count of at least 1, was {self.count}")
        match self.effect:
            case DelayFrames(delay_s=delay_s):
                if not 0 <= delay_s <= DELAY_S_MAX:
                    raise ValueError(f"expected 0 to {DELAY_S_MAX} s, was {delay_s}")
            case DuplicateFrames(copies=copies):
                if not 1 <= copies <= COPIES_MAX:
                    raise ValueError(f"expected 1 to {COPIES_MAX} copies, was {copies}")
            case ReorderFrames(size=size):
                if not 2 <= size <= GROUP_SIZE_MAX:
                    raise ValueError(f"expected a size of 2 to {GROUP_SIZE_MAX}, was {size}")
            case _:
                pass

    @property
    def meeting_count_max(self) -> int | None:
        """How many frames or CONNECTs it meets before it is spent; none: no end."""
        if self.count is None or not isinstance(self.effect, ReorderFrames):
            return self.count
        return self.count * self.effect.size


class ActivePushFault(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in force."""

    fault_id: int
    rule: PushFaultRule
    met_count: int = 0


class FrameFault(msgspec.Struct, frozen=True, kw_only=True):
    """What a frame meets."""

    fault_id: int
    effect: FrameEffect


class PushFaultTable:
    """The rules in force, in the order in which they were added."""

    def __init__(self) -> None:
        self._active: dict[int, ActivePushFault] = {}
        self._last_id = 0

    def add(self, rule: PushFaultRule) -> int:
        """Put a rule in force and return its id.

        Raises:
            ValueError: there are too many.
        """
        if len(self._active) >= RULE_COUNT_MAX:
            raise ValueError(f"expected at most {RULE_COUNT_MAX} rules")
        self._last_id += 1
        self._active[self._last_id] = ActivePushFault(fault_id=self._last_id, rule=rule)
        return self._last_id

    def clear(self) -> None:
        """Remove all rules."""
        self._active.clear()

    def all(self) -> tuple[ActivePushFault, ...]:
        """Return the rules in force."""
        return tuple(self._active.values())

    def meet_frame(self, *, tiger_id: str, kind: str, account: str) -> FrameFault | None:
        """Return what a frame of data meets, and count it."""
        for fault in self._active.values():
            rule, effect = fault.rule, fault.rule.effect
            if (
                isinstance(effect, FrameEffect)
                and rule.tiger_id in (None, tiger_id)
                and rule.kind in (None, kind)
                and rule.account in (None, account)
            ):
                self._count(fault)
                return FrameFault(fault_id=fault.fault_id, effect=effect)
        return None

    def meet_connect(self, *, tiger_id: str) -> ConnectEffect | None:
        """Return what a CONNECT meets, and count it."""
        for fault in self._active.values():
            effect = fault.rule.effect
            if isinstance(effect, ConnectEffect) and fault.rule.tiger_id in (None, tiger_id):
                self._count(fault)
                return effect
        return None

    def _count(self, fault: ActivePushFault) -> None:
        met_count, limit = fault.met_count + 1, fault.rule.meeting_count_max
        if limit is not None and met_count >= limit:
            del self._active[fault.fault_id]
        else:
            self._active[fault.fault_id] = msgspec.structs.replace(fault, met_count=met_count)
