"""`serve` as a client starts it: does every line of its stdout speak JSON-RPC, and how fast.

A single stray line on stdout (a banner, a print at import) makes clients drop a server.

Source: MCP 2025-11-25, transports (stdio: nothing but messages on stdout).
"""

import contextlib
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from infra.config import child_environment
from infra.doctor.finding import Finding, failed, ok, warning
from infra.doctor.room import Room, our_command, typed
from infra.home import Home
from infra.nats.home_lock import HomeLock, LockOwner
from infra.supervisor.status import SUPERVISOR, supervisor_lock_path, supervisor_pid

# Claude Code waits 30 s for a server unless MCP_TIMEOUT says otherwise; slow ones are dropped.
ANSWER_LIMIT_S: Final = 30.0
ANSWER_GOOD_S: Final = 10.0
END_LIMIT_S: Final = 2.0
PROTOCOL: Final = "2025-11-25"
_INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": PROTOCOL,
        "capabilities": {},
        "clientInfo": {"name": "tiger-mcp doctor", "version": "1"},
    },
}
_INITIALIZED: Final = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_LIST: Final = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a server said.

    Attributes:
        strays: how many lines of stdout were no JSON-RPC message.
        answered_s: when `initialize` was answered, None if never.
        tools: how many tools it listed, None if it listed none.
        exit_code: None while it ran until it was ended.
        last_words: the last line of its stderr.
        ended_first: it ended by itself, or could not be started, before it answered.
    """

    strays: int
    answered_s: float | None
    tools: int | None
    exit_code: int | None
    last_words: str
    ended_first: bool = False


def check_stdio(room: Room, command: Sequence[str] = ()) -> Iterator[Finding]:
    """Start a server as a client would and judge what it says.

    Ours is started on the home when its cluster runs, otherwise on a passing one.

    Args:
        command: another command to start as it stands; none means our own `serve`.
    """
    if command:
        yield from heard_findings(listen(command, child_environment(room.settings)), command)
        return
    with contextlib.ExitStack() as stack:
        home = room.settings.home
        if not home.is_dir() or supervisor_pid(room.home) is None:
            home = stack.enter_context(passing_home())
        ours = (*our_command(), "--home", str(home), "serve")
        heard = listen(ours, child_environment(room.settings))
    yield from heard_findings(heard, (*our_command(), "serve"), is_ours=True)


@contextlib.contextmanager
def passing_home() -> Iterator[Path]:
    """Make a home for the moment, in which a supervisor seems to start: no cluster is begun."""
    with tempfile.TemporaryDirectory(prefix="tiger-mcp-") as folder:
        owner = LockOwner(pid=os.getpid(), purpose=SUPERVISOR)
        lock = HomeLock.try_acquire(supervisor_lock_path(Home(Path(folder))), owner=owner)
        assert lock is not None, "nobody else knows this folder"
        with lock:
            yield Path(folder)


def heard_findings(
    heard: Heard, command: Sequence[str], *, is_ours: bool = False
) -> Iterator[Finding]:
    """Judge what a server said; lines that are no messages are counted, never shown."""
    quiet = f"{typed(*command)} < {os.devnull}"
    if heard.strays:
        yield failed(
            "stdout",
            f"{heard.strays} lines on stdout are no JSON-RPC messages: clients drop the server",
            mend=f"{quiet} shows them; let whatever prints them (a wrapper, a login script, "
            "sitecustomize) write to stderr",
        )
    else:
        yield ok("stdout", "every line is a JSON-RPC message")
    if heard.answered_s is None:
        seen = f"initialize was not answered in {ANSWER_LIMIT_S:.0f} s"
        if heard.ended_first and heard.exit_code is not None:
            seen = f"it ended with code {heard.exit_code} before it answered"
        words = f": {heard.last_words}" if is_ours and heard.last_words else ""
        yield failed("start", f"{seen}{words}", mend=f"{quiet} shows why")
    elif heard.tools is None:
        yield failed("start", "it listed no tools", mend="tiger-mcp logs")
    elif heard.answered_s > ANSWER_GOOD_S:
        seen = f"initialize took {heard.answered_s:.1f} s; clients give up after 30 s"
        yield warning("start", seen, mend="MCP_TIMEOUT=60000 claude; or take load off this machine")
    else:
        told = f"initialize was answered in {heard.answered_s:.1f} s, with {heard.tools} tools"
        yield ok("start", told)


def listen(
    command: Sequence[str], environment: dict[str, str], *, limit_s: float = ANSWER_LIMIT_S
) -> Heard:
    """Start a server, introduce ourselves, let it list its tools, and end it."""
    with tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(  # noqa: S603  # what the person registered, or our own
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
            )
        except OSError as error:
            words = error.strerror or "it cannot be started"
            return Heard(
                strays=0,
                answered_s=None,
                tools=None,
                exit_code=127,
                last_words=words,
                ended_first=True,
            )
        with _Ear(child) as ear:
            answered_s, tools = _converse(ear, limit_s)
            ended_first = answered_s is None and ear.is_over
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
    return Heard(
        strays=ear.strays,
        answered_s=answered_s,
        tools=tools,
        exit_code=ear.exit_code,
        last_words=lines[-1] if lines else "",
        ended_first=ended_first,
    )


def _converse(ear: "_Ear", limit_s: float) -> tuple[float | None, int | None]:
    began_s = time.monotonic()
    ear.say(_INITIALIZE)
    if ear.wait_for(1, until_s=began_s + limit_s) is None:
        return None, None
    answered_s = time.monotonic() - began_s
    ear.say(_INITIALIZED)
    ear.say(_LIST)
    reply = ear.wait_for(2, until_s=began_s + limit_s)
    listed = reply.get("result", {}).get("tools") if reply is not None else None
    return answered_s, len(listed) if listed else None


class _Ear:
    """Reads a child's stdout line by line in a thread, until it is closed."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, name="doctor-ear", daemon=True)
        self.strays = 0
        self.exit_code: int | None = None
        # It closed its stdout, as the end of a process does.
        self.is_over = False

    def __enter__(self) -> "_Ear":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the child, its input first as a client does, and hear what it still says."""
        assert self._child.stdin is not None, "it was asked for"
        assert self._child.stdout is not None, "it was asked for"
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            self.exit_code = self._child.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        # A grandchild may hold the pipe for ever.
        self._thread.join(END_LIMIT_S)
        while not self._lines.empty():
            self._take(self._lines.get())
        if not self._thread.is_alive():
            self._child.stdout.close()

    def say(self, message: dict[str, Any]) -> None:
        """Send one message; a child that is gone is seen by its silence."""
        assert self._child.stdin is not None, "it was asked for"
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(msgspec.json.encode(message) + b"\n")
            self._child.stdin.flush()

    def wait_for(self, number: int, *, until_s: float) -> dict[str, Any] | None:
        """Return the reply to a request, or nothing if none comes in time."""
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left_s)
            except queue.Empty:
                return None
            if line is None:
                self.is_over = True
                return None
            message = self._take(line)
            if message is not None and message.get("id") == number:
                return message
        return None

    def _take(self, line: bytes | None) -> dict[str, Any] | None:
        if line is None:
            return None
        try:
            message = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            message = {}
        if message.get("jsonrpc") != "2.0":
            self.strays += 1
            return None
        return message

    def _read(self) -> None:
        assert self._child.stdout is not None, "it was asked for"
        for line in self._child.stdout:
            self._lines.put(line)
        self._lines.put(None)
