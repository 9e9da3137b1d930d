"""All accounts of one login in one process: begun together, ended together.

Accounts share the login's session, rate budget and read threads, and nothing else.
"""

import json
import queue
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import structlog

from adapters.tiger_worker.account import AccountWorker, World
from adapters.tiger_worker.file_halt import FileHalt
from adapters.tiger_worker.pulse import Pulse
from adapters.tiger_worker.push import PushLink
from adapters.tiger_worker.token_keeper import TokenKeeper
from core.errors import LinkError, VersionConflictError
from core.items import TokenSeen

log = structlog.get_logger()
EXIT_STOPPED: Final = 0
EXIT_FAILED: Final = 1
EXIT_FENCED: Final = 71
# So many threads of the SDK were left behind by push connections that a new process is better.
EXIT_WORN: Final = 72
# A worker is ready when it has reconciled, or has tried for this long: the broker may be away.
READY_WAIT_S: Final = 10.0
# Between two tries to reach NATS while a halt file stands.
REACH_AGAIN_S: Final = 1.0
AWAITED: Final = "it waits for NATS, and cancels what is open, as the halt file asks"
# A process that cannot go on finishes a halt by file first, within this; its successor goes on.
HALTS_WAIT_S: Final = 30.0
_HALTS_LOOK_S: Final = 0.2
_LOOK_S: Final = 0.02

T = TypeVar("T")


class Ending:
    """Why and when the process ends; the first reason counts. Any thread may give it."""

    def __init__(self) -> None:
        # A signal handler may run amid any other call; this queue alone allows that.
        self._codes: queue.SimpleQueue[int] = queue.SimpleQueue()

    def stop(self) -> None:
        """End in order."""
        self._codes.put(EXIT_STOPPED)

    def fail(self, error: BaseException) -> None:
        """End because a part cannot go on; a login that lost an account stops whole."""
        self._codes.put(code_of(error))

    def lost_link(self) -> None:
        """End because the connection to NATS is gone for good."""
        self._codes.put(EXIT_FAILED)

    def worn_out(self) -> None:
        """End in order, so that a new process goes on with fresh connections."""
        self._codes.put(EXIT_WORN)

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return self._codes.get()

    def wait_at_most(self, timeout_s: float) -> int | None:
        """Wait for the end; None if there was none in that time."""
        try:
            return self._codes.get(timeout=timeout_s)
        except queue.Empty:
            return None


def code_of(error: BaseException) -> int:
    """Return the exit code that an error ends the process with."""
    return EXIT_FENCED if isinstance(error, VersionConflictError) else EXIT_FAILED


def reach(connect: Callable[[], T], file_halts: Sequence[FileHalt], ending: Ending) -> T | int:
    """Return what `connect` gives, trying again while a halt file stands; or an exit code.

    A process that ended without NATS would leave a person's halt to nobody.

    Raises:
        LinkError: NATS is not there, and no halt file is.
        TimeoutError: likewise.
    """
    is_awaited = False
    while True:
        try:
            found = connect()
            if is_awaited:
                say("")
            return found
        except (LinkError, TimeoutError) as error:
            if not any(each.is_file_there for each in file_halts):
                raise
            log.error("nats.awaited_under_halt_file", reason=repr(error))
            say(AWAITED, waits_for="nats")
            is_awaited = True
            for each in file_halts:
                each.go_alone()
        code = ending.wait_at_most(REACH_AGAIN_S)
        if code is not None:
            return code


def finish_halts(file_halts: Sequence[FileHalt], ending: Ending) -> None:
    """Before the process ends by a failure, let what a halt file asks for be done, in bounds.

    A successor that fails as soon as it begins would never come to it.
    """
    give_up_at = time.monotonic() + HALTS_WAIT_S
    for each in file_halts:
        each.go_alone()
    while time.monotonic() < give_up_at and any(each.is_wanted for each in file_halts):
        if ending.wait_at_most(_HALTS_LOOK_S) == EXIT_STOPPED:
            return


def say(
    detail: str,
    *,
    is_ready: bool = False,
    waits_for: str = "",
    stuck: Mapping[str, float] | None = None,
) -> None:
    """Tell the supervisor, on stdout, that this worker is ready, or what it waits for.

    `stuck`, of one that is ready: the accounts whose desk stands still, and for how many seconds.
    With it, even if empty, it promises to go on saying so.
    """
    line = {"ready": is_ready, "detail": detail, "waits_for": waits_for, "stuck": stuck}
    line = {name: value for name, value in line.items() if value not in ("", None)}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def push_link_of(accounts: list[AccountWorker], world: World, ending: Ending) -> PushLink:
    """Return the login's push connection, not begun; none is held where the login has no push."""
    session = world.session
    link = PushLink(
        lambda push: session.new_push_connection(push, clock=world.clock),
        accounts=accounts if session.push_address else (),
        name=world.ids.new("push"),
        clock=world.clock,
        on_worn=ending.worn_out,
        on_failure=ending.fail,
    )
    session.on_renewed.append(link.renew)
    return link


def token_keeper_of(
    accounts: Sequence[AccountWorker],
    world: World,
    *,
    store: Callable[[str], None],
    name: str,
) -> TokenKeeper:
    """Return what keeps the login's token alive, not begun; every account records what it finds."""

    def tell(seen: TokenSeen) -> None:
        for account in accounts:
            account.token_seen(seen)

    return TokenKeeper(
        world.session,
        clock=world.clock,
        tell=tell,
        probe=accounts[0].probe,
        store=store,
        on_failure=world.on_failure,
        name=name,
    )


def pulse_of(accounts: Sequence[AccountWorker], ending: Ending) -> Pulse:
    """Return what tells the supervisor that this worker lives, not begun."""
    return Pulse(
        {account.alias: partial(_stood_s, account) for account in accounts},
        say=lambda stuck: say("", is_ready=True, stuck=stuck),
        on_failure=ending.fail,
    )


def _stood_s(account: AccountWorker) -> float:
    return account.stood_s


def begin(accounts: Sequence[AccountWorker]) -> None:
    """Take every account, and wait for the first verdict of each, for a bounded time."""
    for account in accounts:
        account.begin()
    give_up_at = time.monotonic() + READY_WAIT_S
    while time.monotonic() < give_up_at and any(a.state.is_stale for a in accounts):
        time.sleep(_LOOK_S)


def end(
    accounts: Sequence[AccountWorker], *, stop_taking: Callable[[], None], open_act_wait_s: float
) -> None:
    """Stop in order: take no more, let open calls end and be recorded, then end the desks."""
    for account in accounts:
        account.close_for_commands()
    stop_taking()
    for account in accounts:
        account.stop_rounds()
    give_up_at = time.monotonic() + open_act_wait_s
    while time.monotonic() < give_up_at and any(a.open_acts for a in accounts):
        time.sleep(_LOOK_S)
    for account in accounts:
        account.stop()
    log.info("worker.stopped", open_acts=sum(a.open_acts for a in accounts))
