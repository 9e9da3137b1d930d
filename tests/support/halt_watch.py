"""A watch over a halt file of a scripted broker, hurried, with what it asked for."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.tiger_worker import file_halt, halt_orders
from adapters.tiger_worker.file_halt import QUIET_LISTINGS, FileHalt, Standing
from adapters.tiger_worker.halt_journal import CancelJournal
from adapters.tiger_worker.rates import NO_BUDGETS, RateBudget
from core.items import CancelJournaled, Outcome
from tests.support import core_facts as facts
from tests.support.scripted_broker import ScriptedClient, ok, order_row, scripted_broker
from tests.support.worker_parts import WAIT_S, ManualClock

# How a desk stands that follows the account, and has taken no halt.
FREE: Final = Standing(is_halted=False, is_verified=False, is_carried=False, silent_s=0.0)
HALTED: Final = FREE._replace(is_halted=True)
VERIFIED: Final = HALTED._replace(is_verified=True)
CARRIED: Final = VERIFIED._replace(is_carried=True)
ELSEWHERE: Final = {"userMark": ""}
LOOKS: Final = 20


def entry(tiger: str = "1", seconds: float = 0.0) -> CancelJournaled:
    return CancelJournaled(
        tiger_order_id=tiger,
        asked_at=facts.at(seconds),
        outcome=Outcome.DONE,
        code=None,
        detail="",
    )


class Client(ScriptedClient):
    """A broker with one list of what is open, which takes every cancel."""

    def __init__(self, news: threading.Condition) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.failing: list[BaseException | dict[str, Any]] = []
        # Each listing waits for the first of these.
        self.gates: list[threading.Event] = []
        self.cancel_answer: BaseException | bool = True
        self._news = news

    def _next(self, method: str, fields: dict[str, Any]) -> Any:
        with self._news:
            self.asked.append((method, fields))
            gate = self.gates.pop(0) if method == "active_orders" and self.gates else None
            self._news.notify_all()
        if gate is not None:
            assert gate.wait(WAIT_S)
        answer: object
        if method == "active_orders":
            answer = self.failing.pop(0) if self.failing else ok({"items": list(self.rows)})
        else:
            answer = self.cancel_answer
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Watch:
    """A watch over a halt file, with what it asked for."""

    def __init__(self, folder: Path, *, budget: RateBudget | None = None) -> None:
        self.file = folder / "HALT"
        self.news = threading.Condition()
        self.client = Client(self.news)
        self.failures: list[BaseException] = []
        self.exhausted = threading.Event()
        self.looks = 0
        self.standing: Standing | None = FREE
        self.halt = FileHalt(
            scripted_broker(self.client),
            account=facts.ACCOUNT,
            ledger_id=facts.LEDGER_ID,
            halt_file=self.file,
            journal=CancelJournal(folder / "cancels.jsonl"),
            budget=budget or RateBudget(NO_BUDGETS),
            clock=ManualClock(),
            deadline_s=WAIT_S,
            on_failure=self._fail,
            on_exhausted=self.exhausted.set,
        )
        self.halt.follow(self._look)

    @property
    def asked(self) -> list[str]:
        """The broker's ids of the orders whose cancel was asked, in order."""
        return [str(f["id"]) for method, f in list(self.client.asked) if method == "cancel_order"]

    def is_owed(self) -> bool:
        return bool(self.halt.owed_file)

    @property
    def listings(self) -> int:
        """Listings begun so far."""
        return sum(method == "active_orders" for method, _ in list(self.client.asked))

    def lists(self, *ids: object, **fields: object) -> None:
        self.client.rows = [order_row(id=id_) | fields for id_ in ids]

    def until(self, is_so: Callable[[], bool]) -> None:
        with self.news:
            assert self.news.wait_for(is_so, WAIT_S)

    def looks_on(self, looks: int = LOOKS) -> None:
        """Wait until the watch has looked so often again."""
        wanted = self.looks + looks
        self.until(lambda: self.looks >= wanted)

    def lists_on(self, listings: int = QUIET_LISTINGS) -> None:
        """Wait until so many further listings were begun and all but the last came to their end."""
        wanted = self.listings + listings + 1
        self.until(lambda: self.listings >= wanted)

    @contextmanager
    def running(self) -> Iterator[None]:
        self.halt.start()
        try:
            yield
        finally:
            self.halt.stop()
            self.halt._thread.join(WAIT_S)

    def _look(self) -> Standing:
        assert self.standing is not None
        with self.news:
            self.looks += 1
            self.news.notify_all()
        return self.standing

    def _fail(self, error: BaseException) -> None:
        with self.news:
            self.failures.append(error)
            self.news.notify_all()


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have watches look and list many times a second."""
    monkeypatch.setattr(file_halt, "_LOOK_S", 0.001)
    monkeypatch.setattr(file_halt, "GRACE_S", 0.005)
    monkeypatch.setattr(file_halt, "LIST_EVERY_S", 0.01)
    monkeypatch.setattr(file_halt, "LIST_QUIET_EVERY_S", 0.01)


def again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halt_orders, "AGAIN_S", 0.0)
    monkeypatch.setattr(halt_orders, "TAKEN_AGAIN_S", 0.0)
