"""JetStream's twin for ledgers: one stream per login, the real writer in front of it.

It keeps what the writer relies on (the expected last sequence below a filter, the direct get of the
last record) and what hurts it: lost, late and doubled requests and answers, "duplicate" for what
was never stored, both error codes of a conflict, refusals, and silence.
"""

import json
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Final, NamedTuple, Protocol

from nats import errors as nats_errors
from nats.aio.msg import Msg

from core.ports import StoredRecord
from tests.simulation.machine import BEGIN, Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather

EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT: Final = "Nats-Expected-Last-Subject-Sequence-Subject"
DIRECT_GET: Final = "$JS.API.DIRECT.GET."
LATENCY_S: Final = 0.002
# Of events that are stored before something is sent.
INTENTS: Final = ("order.submission_started", "order.modify_started")
# Below what the writer waits for an answer.
SLOW_DISK_S: Final = 0.9


class _Stored(NamedTuple):
    record: StoredRecord
    at_s: float


class LedgerStream:
    """One stream, as its server has it."""

    def __init__(self, name: str, on_stored: Callable[[StoredRecord], None]) -> None:
        self.name = name
        self._on_stored = on_stored
        self._stored: list[_Stored] = []
        self._last: dict[str, _Stored] = {}

    def records(self, account: str) -> list[StoredRecord]:
        """Return one account's line."""
        prefix = f"log.{account}."
        return [one.record for one in self._stored if one.record.subject.startswith(prefix)]

    def last(self, subject: str) -> _Stored | None:
        """Return the last record of a subject, or below a filter that ends in `>`."""
        return self._last.get(subject)

    def append(
        self, subject: str, body: bytes, headers: dict[str, str], *, now_s: float, code: int
    ) -> dict[str, Any]:
        """Store a message, or refuse it; returns the server's answer."""
        wanted = headers.get(EXPECTED_SUBJECT)
        if wanted is not None:
            last = self._last.get(wanted)
            have = 0 if last is None else last.record.sequence
            if have != int(headers[EXPECTED]):
                description = f"wrong last sequence: {have}"
                return {"error": {"code": 400, "err_code": code, "description": description}}
        stored = _Stored(StoredRecord(subject, len(self._stored) + 1, body), now_s)
        self._stored.append(stored)
        self._last[subject] = stored
        self._last[f"{'.'.join(subject.split('.')[:2])}.>"] = stored
        self._on_stored(stored.record)
        return {"stream": self.name, "seq": stored.record.sequence}


class AppendChecks(Protocol):
    """What watches the intents on their way."""

    def append_begun(self, event_id: str) -> bool:
        """Its append begins; True at the first try."""

    def append_clean(self, event_id: str) -> None:
        """The first answer was its plain ack."""


class NatsTwin:
    """One process's connection: what `nats.aio.client.Client` is to the real writer."""

    is_closed = False

    def __init__(
        self,
        scheduler: Scheduler,
        stream: LedgerStream,
        process: Process,
        weather: Weather,
        is_down: Callable[[], bool],
        checks: "AppendChecks",
        on_answer: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Make it; `on_answer` hears if an append was plainly acked, and of failed readings."""
        self._on_answer = on_answer
        self._checks = checks
        self._scheduler = scheduler
        self._stream = stream
        self._process = process
        self._weather = weather
        self._is_down = is_down

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        timeout: float,
        headers: dict[str, str] | None = None,
    ) -> Msg:
        """Ask the server.

        Raises:
            TimeoutError: of nats-py; no answer in time.
        """
        self._process.effect()
        is_read = subject.startswith(DIRECT_GET)
        if is_read:
            answer = self._get(subject, timeout)
        else:
            event_id = _intent_id_of(subject, payload)
            is_first = bool(event_id) and self._checks.append_begun(event_id)
            answer = self._append(subject, payload, headers or {}, timeout)
            if is_first and answer is not None and _is_plain(answer):
                self._checks.append_clean(event_id)
        is_plain = answer is not None and _is_plain(answer)
        if not (is_read and is_plain):
            self._on_answer(is_plain)
        self._process.effect()
        if answer is None:
            raise nats_errors.TimeoutError
        return answer

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._scheduler.rng.random() < chance

    def _get(self, subject: str, timeout: float) -> Msg | None:
        if self._is_down() or self._happens(self._weather.read_back_lost):
            self._scheduler.park(timeout)
            return None
        self._scheduler.park(LATENCY_S)
        wanted = subject.removeprefix(f"{DIRECT_GET}{self._stream.name}.")
        found = self._stream.last(wanted)
        if found is None:
            return _message(b"", {"Status": "404"})
        at = BEGIN + timedelta(seconds=found.at_s)
        return _message(
            found.record.body,
            {
                "Nats-Subject": found.record.subject,
                "Nats-Stream": self._stream.name,
                "Nats-Sequence": str(found.record.sequence),
                "Nats-Time-Stamp": at.isoformat(),
            },
        )

    def _append(
        self, subject: str, payload: bytes, headers: dict[str, str], timeout: float
    ) -> Msg | None:
        weather = self._weather
        if self._is_down() or self._happens(weather.append_lost):
            self._scheduler.park(timeout)
            return None
        if self._happens(weather.append_late):
            # It lies in a buffer somewhere, and arrives when its sender has asked again.
            delay_s = timeout + self._scheduler.rng.random() * 3
            self._scheduler.after(delay_s, lambda: self._arrive(subject, payload, headers))
            self._scheduler.park(timeout)
            return None
        if self._happens(weather.duplicate_ack):
            self._scheduler.park(LATENCY_S)
            return _answer({"stream": self._stream.name, "seq": 1, "duplicate": True})
        if self._happens(weather.append_refused):
            self._scheduler.park(LATENCY_S)
            error = {"code": 503, "err_code": 10077, "description": "no space left"}
            return _answer({"error": error})
        self._scheduler.park(LATENCY_S / 2)
        answer = self._store(subject, payload, headers)
        if self._happens(weather.append_slow):
            self._scheduler.park(self._scheduler.rng.random() * SLOW_DISK_S)
        if self._happens(weather.ack_lost):
            self._scheduler.park(timeout)
            return None
        self._scheduler.park(LATENCY_S / 2)
        return _answer(answer)

    def _arrive(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        self._store(subject, payload, headers)

    def _store(self, subject: str, payload: bytes, headers: dict[str, str]) -> dict[str, Any]:
        code = 10164 if self._happens(self._weather.conflict_10164) else 10071
        return self._stream.append(
            subject, payload, headers, now_s=self._scheduler.now_s, code=code
        )


class LoopTwin:
    """Runs a coroutine in the caller's task; its waits are waits of that task."""

    def run(self, work: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        """Run to the end."""
        try:
            work.send(None)
        except StopIteration as stopped:
            return stopped.value
        raise AssertionError("a coroutine of the simulation waits for nothing outside")


def _message(data: bytes, headers: dict[str, str]) -> Msg:
    return Msg(_client=None, subject="", reply="", data=data, headers=headers)  # type: ignore[arg-type]  # a message without a connection


def _answer(document: dict[str, Any]) -> Msg:
    return _message(json.dumps(document).encode(), {})


def _intent_id_of(subject: str, payload: bytes) -> str:
    if not subject.endswith(INTENTS):
        return ""
    return str(json.loads(payload)["event_id"])


def _is_plain(answer: Msg) -> bool:
    document = json.loads(answer.data or b"{}")
    return "error" not in document and not document.get("duplicate")
