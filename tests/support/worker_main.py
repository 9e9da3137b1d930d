"""A worker that dies or pauses at one chosen step: a test's own main, never shipped.

`TEST_STEP` names the step, `TEST_TIMING` the limits of time as JSON, `TEST_LOCKS` the place of the
locks of logins. `TEST_LOOK_BACK_S` says how far listings go back beyond what they are for: with a
minute, a test would wait so long.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final
from unittest.mock import patch

import msgspec
from tigeropen.trade.domain.order import Order as SdkOrder

from adapters.tiger_worker import windows
from adapters.tiger_worker.__main__ import parse_arguments, run
from adapters.tiger_worker.broker import AccountBroker, Ended
from adapters.tiger_worker.session import Session
from core.context import Timing
from core.ports import Appended
from core.terms import OrderSpec
from infra.clock import SystemClock
from infra.config import load_settings
from infra.ledger.append import AccountWriter
from infra.ledger.desk_ledger import DeskLedger
from infra.nats.link import LoopThread

BEFORE_CALL: Final = "before the call"
AFTER_CALL: Final = "after the call"
AFTER_RECORD: Final = "after the record"
PAUSE_BEFORE_GUARD: Final = "pause before the guard"
NOWHERE: Final = "nowhere"
# Short limits, in the order that the real ones have.
SHORT: Final = Timing(send_window_s=2.0, sdk_timeout_s=1.0, deadline_s=2.0, skew_s=0.2)

_step = os.environ.get("TEST_STEP", NOWHERE)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingBroker(AccountBroker):
    """Dies beside the call that places an order."""

    def prepare(self, spec: OrderSpec, *, order_number: str, mark: str) -> SdkOrder:
        """Pause the whole process where a send stands directly before its last checks."""
        if _step == PAUSE_BEFORE_GUARD and mark:
            # To this very thread, so that it stops on its way back from the call.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return super().prepare(spec, order_number=order_number, mark=mark)

    def place(self, order: SdkOrder) -> Ended:
        """Die before or after the call."""
        if _step == BEFORE_CALL:
            _die()
        ended = super().place(order)
        if _step == AFTER_CALL:
            _die()
        return ended


class DyingLedger(DeskLedger):
    """Dies when the outcome is stored and its command is not acknowledged."""

    def append(
        self, *, subject: str, body: bytes, event_id: str, expected_sequence: int
    ) -> Appended:
        """Die after the outcome."""
        appended = super().append(
            subject=subject, body=body, event_id=event_id, expected_sequence=expected_sequence
        )
        if _step == AFTER_RECORD and subject.endswith(".order.accepted"):
            _die()
        return appended


def _broker(session: Session, number: str) -> AccountBroker:
    return DyingBroker(session, number=number, clock=SystemClock())


def _ledger(loop: LoopThread, writer: AccountWriter) -> DeskLedger:
    return DyingLedger(loop, writer)


if __name__ == "__main__":
    arguments = parse_arguments(sys.argv[1:])
    timing = msgspec.json.decode(os.environ.get("TEST_TIMING", "null"), type=Timing | None)
    look_back_s = float(os.environ.get("TEST_LOOK_BACK_S", windows.LOOK_BACK_S))
    with patch.object(windows, "LOOK_BACK_S", look_back_s):
        run(
            load_settings(home=arguments.home),
            arguments.login,
            timing=timing,
            make_broker=_broker,
            make_ledger=_ledger,
            locks=Path(os.environ["TEST_LOCKS"]) if "TEST_LOCKS" in os.environ else None,
        )
