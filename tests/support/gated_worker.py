"""A worker that waits at a gate before each send: a test's own main, never shipped.

`TEST_GATE` names the gate, `TEST_TIMING` the limits of time as JSON, `TEST_LOCKS` the place of the
locks of logins. With `TEST_UNCLEAN` the first answer to each intent was lost.
"""

import os
import sys
from pathlib import Path

import msgspec
from tigeropen.trade.domain.order import Order as SdkOrder

from adapters.tiger_worker.__main__ import parse_arguments, run
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.session import Session
from core.context import Timing
from core.ports import Appended
from core.terms import OrderSpec
from infra.clock import SystemClock
from infra.config import load_settings
from infra.ledger.desk_ledger import DeskLedger


class GatedBroker(AccountBroker):
    """Stands directly before the last checks of a send until the test opens the gate.

    The gate is a named pipe: opening it to read waits for the test to open it to write.
    """

    def prepare(self, spec: OrderSpec, *, order_number: str, mark: str) -> SdkOrder:
        """Wait at the gate, if there is one."""
        gate = os.environ.get("TEST_GATE")
        if gate and mark:
            Path(gate).read_bytes()
        return super().prepare(spec, order_number=order_number, mark=mark)


class UncleanLedger(DeskLedger):
    """Says of every intent that its first answer was lost, as after a reconnect."""

    def append(
        self, *, subject: str, body: bytes, event_id: str, expected_sequence: int
    ) -> Appended:
        """Store one event."""
        appended = super().append(
            subject=subject, body=body, event_id=event_id, expected_sequence=expected_sequence
        )
        is_intent = subject.endswith(".order.submission_started")
        return appended._replace(clean=appended.clean and not is_intent)


def _gated_broker(session: Session, number: str) -> AccountBroker:
    return GatedBroker(session, number=number, clock=SystemClock())


def _main() -> None:
    arguments = parse_arguments(sys.argv[1:])
    run(
        load_settings(home=arguments.home),
        arguments.login,
        timing=msgspec.json.decode(os.environ.get("TEST_TIMING", "null"), type=Timing | None),
        make_broker=_gated_broker,
        make_ledger=UncleanLedger if os.environ.get("TEST_UNCLEAN") else DeskLedger,
        locks=Path(os.environ["TEST_LOCKS"]) if "TEST_LOCKS" in os.environ else None,
    )


if __name__ == "__main__":
    _main()
