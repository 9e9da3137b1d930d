"""The push link of one login: it says that something changed, and is believed in nothing else.

Step 12 of the way of an order. The rules of this file:
- A message is a hint: its account is read again over HTTPS, and nothing of it is ever recorded.
- One connection at a time, opened and ended by one thread. The SDK never reconnects by itself: two
  of its clients on one login kick each other out hundreds of times a second.
- A connection that ends is a gap of every account; so is the next one that stands. Between the two
  the accounts live by their own rounds of readings.
- Whoever is kicked out stays out, and opens nothing, until a person resumes.

Source: tigeropen 3.8.0, `push/protobuf_push_client.py`, `push/network/` (read 2026-11-23).
"""

import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

import structlog

from adapters.tiger_worker.gaps import PAUSE_NOTICED_S
from adapters.tiger_worker.push_connection import Push, PushConnection, Sign
from core.ports import Clock

log = structlog.get_logger()
# Tiger tells assets and positions with every move of a price: so often is one of these a hint.
FIGURES_HINT_EVERY_S: Final = 5.0
# Threads that the SDK may have left behind before the process is better begun anew.
LEFT_THREADS_MAX: Final = 32
# How often a person's resume is looked for.
RESUME_LOOK_S: Final = 0.2
# A pause between two connections is longer by up to this share of it.
JITTER_SHARE: Final = 0.25
STOP_WAIT_S: Final = 2.0
_FIGURES: Final = frozenset({"position", "asset"})


class Follower(Protocol):
    """An account, as the link knows it; each of these is called from threads of the link."""

    @property
    def alias(self) -> str:
        """Name of the account."""

    @property
    def number(self) -> str:
        """The broker's number of the account."""

    def look_again(self) -> None:
        """Have a round of readings soon; many calls make one round."""

    def note_gap(self, cause: str) -> None:
        """Open nothing until a round of readings that begins after this call is complete."""

    def note_kick(self, connection: str) -> None:
        """Open nothing until a person resumes, because this connection was kicked out."""

    def awaits_resume(self, kick: str) -> bool:
        """Say whether this kick, or with "" an earlier one, still waits for a person's resume."""


class LinkState(StrEnum):
    """How the link stands."""

    AWAY = "away"  # the accounts live by their own rounds
    FOLLOWING = "following"
    KICKED = "kicked"  # until a person resumes
    STOPPED = "stopped"


class LinkHealth(NamedTuple):
    """How the link stands, and what it counted since its start.

    `strangers` are messages of accounts that this worker does not have; `left_threads` those of the
    SDK that may still run.
    """

    state: LinkState
    connects: int
    losses: int
    hints: int
    strangers: int
    left_threads: int


class PushPace(NamedTuple):
    """How patient the link is, in seconds.

    `pause_s` doubles up to `pause_s_max` between connections that did not hold for `held_s`;
    `follow_s` is for the broker's welcome and its word that the accounts are followed;
    `silence_s` without any sign of life is a loss.
    """

    pause_s: float = 1.0
    pause_s_max: float = 60.0
    held_s: float = 30.0
    follow_s: float = 10.0
    silence_s: float = 25.0


class ConnectPauses:
    """How long to wait from the end of one connection to the begin of the next."""

    def __init__(self, pace: PushPace, jitter: Callable[[], float]) -> None:
        self._pace = pace
        self._jitter = jitter
        self._next_s = pace.pause_s

    def after(self, end: Sign, *, held_s: float) -> float:
        """Return the pause, in seconds, after a connection that held for so long."""
        # A person, or the wake of the machine, asked for these.
        is_asked = end is Sign.RENEW or end is Sign.KICKED
        if is_asked or held_s >= self._pace.held_s:
            self._next_s = self._pace.pause_s
        if is_asked:
            return 0.0
        pause_s = self._next_s * (1 + JITTER_SHARE * self._jitter())
        self._next_s = min(self._pace.pause_s_max, self._next_s * 2)
        return pause_s


class PushLink:
    """Follows the accounts of one login; `start` returns at once and never fails.

    Args:
        connect: makes a connection that is not begun.
        name: of this run of the worker, in which connections are counted.
        on_worn: called once, when a new process is better than one more connection.
        on_failure: called with what was not foreseen.
        jitter: gives 0 to 1.
    """

    def __init__(
        self,
        connect: Callable[[Push], PushConnection],
        *,
        accounts: Sequence[Follower],
        name: str,
        clock: Clock,
        on_worn: Callable[[], None],
        on_failure: Callable[[BaseException], None],
        pace: PushPace | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._connect = connect
        self._accounts = {account.number: account for account in accounts}
        self._name = name
        self._clock = clock
        self._on_worn = on_worn
        self._on_failure = on_failure
        self._pace = pace or PushPace()
        self._pauses = ConnectPauses(self._pace, jitter)
        # What connections and other threads tell; those of one that another followed are dropped.
        self._signs: queue.SimpleQueue[tuple[PushConnection | None, Sign]] = queue.SimpleQueue()
        self._present: PushConnection | None = None
        self._stopping = threading.Event()
        self._state = LinkState.AWAY
        # At start an earlier process may have been kicked out.
        self._may_be_kicked, self._kick = True, ""
        # The last connection was kicked out, and nobody was told yet.
        self._is_kicked_out = False
        self._connects = self._losses = self._hints = self._strangers = 0
        self._left_threads = 0
        self._hinted_at: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="push", daemon=True)

    def start(self) -> None:
        """Begin to connect, if there is an account to follow."""
        if self._accounts:
            self._thread.start()

    def renew(self) -> None:
        """Connect anew, as is due after the machine slept; any thread may ask."""
        self._signs.put((None, Sign.RENEW))

    def stop(self) -> None:
        """End the connection, and open no other."""
        self._stopping.set()
        self._signs.put((None, Sign.STOP))
        if self._accounts:
            self._thread.join(STOP_WAIT_S)

    @property
    def health(self) -> LinkHealth:
        """How the link stands now."""
        return LinkHealth(
            state=self._state,
            connects=self._connects,
            losses=self._losses,
            hints=self._hints,
            strangers=self._strangers,
            left_threads=self._left_threads,
        )

    def _run(self) -> None:
        try:
            self._follow()
        except Exception as error:
            log.error("push.failed", exc_info=error)
            self._on_failure(error)
        self._state = LinkState.STOPPED

    def _follow(self) -> None:
        while self._await_resume():
            end, held_s = self._live()
            if self._left_threads > LEFT_THREADS_MAX:
                log.error("push.worn_out", left_threads=self._left_threads)
                self._on_worn()
                return
            self._pause(self._pauses.after(end, held_s=held_s))

    def _await_resume(self) -> bool:
        """Wait while every account is kicked out; False if the link is to stop."""
        while not self._stopping.is_set():
            if self._is_kicked_out:
                self._tell_kicked()
            accounts = self._accounts.values()
            if not self._may_be_kicked or not all(a.awaits_resume(self._kick) for a in accounts):
                return True
            self._state = LinkState.KICKED
            self._stopping.wait(RESUME_LOOK_S)
        return False

    def _live(self) -> tuple[Sign, float]:
        """Carry one connection from its begin to its end; return its end and how long it held."""
        self._state = LinkState.AWAY
        self._connects += 1
        self._present = connection = self._connect(Push(self._tell, self._hear))
        held_s = 0.0
        if not connection.begin():
            return Sign.ENDED, held_s
        end = self._await_following()
        if is_followed := end is Sign.FOLLOWING:
            since = time.monotonic()
            self._tell_following()
            end = self._await_end(connection)
            held_s = time.monotonic() - since
        # Before the end of the connection, which may take its time.
        if end is Sign.KICKED:
            self._tell_kicked()
        if is_followed and end is not Sign.STOP:
            self._tell_lost(end, held_s)
        self._left_threads += connection.end()
        if self._is_kicked_out:
            # Another end was taken first, as after a sleep; who was kicked stays out all the same.
            self._tell_kicked()
            end = Sign.KICKED
        return end, held_s

    def _await_following(self) -> Sign:
        give_up_at = time.monotonic() + self._pace.follow_s
        while (sign := self._next(give_up_at)) is not None:
            if sign is not Sign.RENEW:
                break
        if sign is not Sign.FOLLOWING:
            log.warning("push.not_followed", end=sign or Sign.SILENT)
        return sign or Sign.SILENT

    def _await_end(self, connection: PushConnection) -> Sign:
        while True:
            silent_at = connection.heard_at + self._pace.silence_s
            sign = self._next(silent_at)
            match sign:
                case None if connection.heard_at + self._pace.silence_s <= time.monotonic():
                    return Sign.SILENT
                case Sign.RENEW if self._is_older_than_a_pause(connection):
                    return Sign.RENEW
                case Sign.ENDED | Sign.KICKED | Sign.STOP:
                    return sign
                case _:
                    pass

    def _is_older_than_a_pause(self, connection: PushConnection) -> bool:
        # Each account asks after the same sleep; what was opened since then needs no renewal.
        return self._clock.boot_s() - connection.begun_boot_s > PAUSE_NOTICED_S

    def _pause(self, pause_s: float) -> None:
        give_up_at = time.monotonic() + pause_s
        while not self._stopping.is_set():
            sign = self._next(give_up_at)
            # A connection that was given up for silent may yet tell that it was kicked out.
            if sign is None or sign is Sign.RENEW or sign is Sign.KICKED:
                return

    def _next(self, until_s: float) -> Sign | None:
        """Return the next sign that matters now, or None when the time is up."""
        while True:
            left_s = until_s - time.monotonic()
            try:
                connection, sign = self._signs.get(timeout=max(0.0, left_s))
            except queue.Empty:
                return None
            if connection is None or connection is self._present:
                return sign

    def _tell_following(self) -> None:
        self._state = LinkState.FOLLOWING
        self._may_be_kicked = False
        log.info("push.following", connects=self._connects)
        for account in self._accounts.values():
            # What fell between the loss and this moment was told to nobody.
            if self._losses:
                account.note_gap("push is back")
            account.look_again()

    def _tell_lost(self, end: Sign, held_s: float) -> None:
        self._state = LinkState.AWAY
        self._losses += 1
        log.warning("push.lost", end=end, held_s=round(held_s, 3), losses=self._losses)
        for account in self._accounts.values():
            account.note_gap(f"push was lost: {end}")

    def _tell_kicked(self) -> None:
        self._is_kicked_out = False
        self._may_be_kicked, self._kick = True, f"{self._name}:{self._connects}"
        log.error("push.kicked", connection=self._kick)
        for account in self._accounts.values():
            account.note_kick(self._kick)

    def _tell(self, connection: PushConnection, sign: Sign) -> None:
        # One that the next connection kicks out, because it did not end, was kicked by nobody else.
        if sign is Sign.KICKED and connection is self._present:
            self._is_kicked_out = True
        self._signs.put((connection, sign))

    def _hear(self, kind: str, number: str) -> None:
        # In a thread of the SDK, for every message: no more than a flag is set here.
        account = self._accounts.get(number)
        if account is None:
            self._strangers += 1
            return
        if kind in _FIGURES:
            now_s = time.monotonic()
            if now_s - self._hinted_at.get(number, -FIGURES_HINT_EVERY_S) < FIGURES_HINT_EVERY_S:
                return
            self._hinted_at[number] = now_s
        self._hints += 1
        account.look_again()
