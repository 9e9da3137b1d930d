"""What the real push client does by itself where nobody listens: nothing is left to it."""

import queue
from collections.abc import Iterator
from typing import Any, Final

import pytest

from adapters.tiger_worker.push_connection import (
    DATA_KINDS,
    Push,
    PushAddress,
    PushConnection,
    Sign,
)
from infra.sandbox.push.faults import RefuseConnect
from tests.support.push_link import WAIT_S
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.worker_parts import ManualClock

# Answers to what this service never asks.
NEVER_ASKED: Final = {"query_subscribed_callback", "unsubscribe_callback"}


class Line:
    """A connection to the sandbox, and the signs that it gave."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._signs: queue.Queue[Sign] = queue.Queue()
        self.connection = PushConnection(
            Push(tell=lambda _, sign: self._signs.put(sign), hear=lambda *_: None),
            address=PushAddress("127.0.0.1", sandbox.ports.push, False),
            config=sandbox.config(),
            clock=ManualClock(),
        )

    def next(self) -> Sign:
        """Return the next sign."""
        return self._signs.get(timeout=WAIT_S)

    @property
    def sdk(self) -> Any:
        """The SDK's own client of the connection."""
        return self.connection._client


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("callbacks")) as running:
        yield running


@pytest.fixture
def line(sandbox: Sandbox) -> Iterator[Line]:
    made = Line(sandbox)
    yield made
    made.connection.end()


def test_every_event_of_a_connection_is_listened_to(line: Line) -> None:
    assert line.connection.begin()
    assert line.next() is Sign.FOLLOWING
    given = {name: value for name, value in vars(line.sdk).items() if name.endswith("_callback")}
    assert {name for name, value in given.items() if value is None} == NEVER_ASKED
    heard = {name for name, value in vars(line.sdk).items() if name.endswith("_changed") and value}
    assert heard == {f"{kind}_changed" for kind in DATA_KINDS}


def test_connection_that_the_broker_refuses_says_so(sandbox: Sandbox, line: Line) -> None:
    sandbox.control.push.add_fault(RefuseConnect(code=4, message="access forbidden"))
    assert line.connection.begin()
    assert line.next() is Sign.REFUSED
