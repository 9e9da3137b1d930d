"""All checks in the order in which a mend makes the next ones possible."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from infra.doctor import broker, clients, credentials, files, programs, running, stdio
from infra.doctor.finding import Finding, failed
from infra.doctor.room import Room

Check = Callable[[Room], Iterable[Finding]]
CHECKS: Final[tuple[Check, ...]] = (
    programs.check_python,
    programs.check_packages,
    programs.check_mcp,
    programs.check_names,
    programs.check_zones,
    programs.check_nats_server,
    files.check_disk,
    files.check_home,
    files.check_installation,
    files.check_keys,
    files.check_locks,
    running.check_ports,
    running.check_http_port,
    running.check_cluster,
    credentials.check_credentials,
    broker.check_broker,
)


def examine(
    room: Room, *, complaint: clients.Complaint, serve_command: Sequence[str] = ()
) -> Iterator[Finding]:
    """Make every check, and yield each finding as it is made.

    Args:
        complaint: what the command line says of a client's arguments, empty when they are valid.
        serve_command: what to start as a client would; none means our own `serve`.
    """
    last: tuple[Check, ...] = (
        lambda each: stdio.check_stdio(each, serve_command),
        lambda each: clients.check_clients(each, complaint),
    )
    for check in (*CHECKS, *last):
        yield from _made(check, room)


# A file that this user may not look at, or that does not decode, must not end the examination.
def _made(check: Check, room: Room) -> Iterator[Finding]:
    name = getattr(check, "__name__", "client").removeprefix("check_")
    try:
        yield from check(room)
    except OSError as error:
        seen = f"{error.filename or 'the system'}: {error.strerror}"
        yield failed(name, seen, mend="run it as the user who owns the home")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        seen = f"a file of {room.settings.home} that it reads does not decode"
        mend = "tiger-mcp down, put the file back from a copy or take it out, tiger-mcp up"
        yield failed(name, seen, mend=mend)
