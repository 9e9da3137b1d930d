"""The push part of the control port's client."""

from typing import Protocol, TypeVar
from urllib.parse import urlencode

from infra.sandbox.control.push_views import (
    PushChoice,
    PushConnectionsView,
    PushConnectionView,
    PushFaultsView,
    PushJournalView,
    PushWaitCommand,
)
from infra.sandbox.control.views import Count, FaultAdded, WaitResult
from infra.sandbox.push.faults import ActivePushFault, AnyPushEffect, Kind, PushFaultRule
from infra.sandbox.push.journal import Happening, PushEntry

WAIT_S = 20.0
# What the answer may take beyond the wait itself.
GRACE_S = 5.0
Answer = TypeVar("Answer")


class CallControl(Protocol):
    """Sends one request to the control port and reads its answer."""

    def __call__(
        self,
        method: str,
        target: str,
        answer: type[Answer],
        *,
        body: object = None,
        timeout_s: float = GRACE_S,
    ) -> Answer:
        """Return the answer."""


class PushControl:
    """The push side of one sandbox."""

    def __init__(self, call: CallControl) -> None:
        self._call = call

    def connections(self) -> tuple[PushConnectionView, ...]:
        """Return who is connected."""
        return self._call("GET", "/push/connections", PushConnectionsView).connections

    def journal(self, *, since: int = 0) -> tuple[PushEntry, ...]:
        """Return what has happened to connections after a number."""
        target = f"/push/journal?{urlencode({'since': since})}"
        return self._call("GET", target, PushJournalView).entries

    def count(self, happening: Happening) -> int:
        """Return how often something has happened since the start."""
        return self._wait(happening, count=0, timeout_s=0).count

    def wait_for(self, happening: Happening, *, count: int, timeout_s: float = WAIT_S) -> bool:
        """Wait until something has happened this often since the start; say whether it has."""
        return self._wait(happening, count=count, timeout_s=timeout_s).reached

    def add_fault(
        self,
        effect: AnyPushEffect,
        *,
        kind: Kind | None = None,
        tiger_id: str | None = None,
        account: str | None = None,
        count: int | None = 1,
    ) -> int:
        """Put a fault in force and return its id."""
        rule = PushFaultRule(
            effect=effect, kind=kind, tiger_id=tiger_id, account=account, count=count
        )
        return self._call("POST", "/push/faults", FaultAdded, body=rule).fault_id

    def faults(self) -> tuple[ActivePushFault, ...]:
        """Return the faults in force."""
        return self._call("GET", "/push/faults", PushFaultsView).faults

    def clear_faults(self) -> None:
        """Remove all faults; frames that wait for others stay held."""
        self._call("DELETE", "/push/faults", PushFaultsView)

    def release(self) -> int:
        """Send the frames that wait for others, last first; return how many there were."""
        return self._call("POST", "/push/release", Count).count

    def kick(self, tiger_id: str | None = None) -> int:
        """End connections with error 4001, of one login or all; return how many."""
        return self._act("kick", tiger_id)

    def cut(self, tiger_id: str | None = None) -> int:
        """Close sockets without a word; return how many."""
        return self._act("cut", tiger_id)

    def pause(self, tiger_id: str | None = None) -> int:
        """Send nothing any more, no heart beats either; the sockets stay open."""
        return self._act("pause", tiger_id)

    def resume(self, tiger_id: str | None = None) -> int:
        """Send what has gathered, and go on."""
        return self._act("resume", tiger_id)

    def _wait(self, happening: Happening, *, count: int, timeout_s: float) -> WaitResult:
        command = PushWaitCommand(happening=happening, count=count, timeout_s=timeout_s)
        return self._call(
            "POST", "/push/wait", WaitResult, body=command, timeout_s=timeout_s + GRACE_S
        )

    def _act(self, name: str, tiger_id: str | None) -> int:
        choice = PushChoice(tiger_id=tiger_id)
        return self._call("POST", f"/push/{name}", Count, body=choice).count
