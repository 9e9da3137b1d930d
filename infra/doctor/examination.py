"""All checks in the order in which a mend makes the next ones possible."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from infra.doctor import broker, clients, credentials, files, programs, running, stdio
from infra.doctor.finding import Finding, failed
from infra.doctor.room import Room

Check = Callable[[Room], Iterable[Finding]]
CHECKS: Final = (
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
    running.check_nats_address,
    running.check_http_port,
    running.check_http_tls,
    running.check_cluster,
)


def examine(
    room: Room,
    *,
    complaint: clients.Complaint,
    reading: credentials.Reading,
    serve_command: Sequence[str] = (),
) -> Iterator[Finding]:
    """Make every check, and yield each finding as it is made.

    Args:
        complaint: what the command line says of a client's arguments, empty when they are valid.
        reading: how the worker reads a login's files.
        serve_command: what to start as a client would; none means our own `serve`.
    """
    named: tuple[tuple[str, Check], ...] = (
        *((check.__name__.removeprefix("check_"), check) for check in CHECKS),
        ("credentials", lambda each: credentials.check_credentials(each, reading)),
        ("broker", lambda each: broker.check_broker(each, reading)),
        ("stdio", lambda each: stdio.check_stdio(each, serve_command)),
        ("client", lambda each: clients.check_clients(each, complaint)),
    )
    for name, check in named:
        yield from _made(name, check, room)


# A file that this user may not look at, or that does not decode, must not end the examination.
def _made(name: str, check: Check, room: Room) -> Iterator[Finding]:
    try:
        yield from check(room)
    except OSError as error:
        seen = f"{error.filename or 'the system'}: {error.strerror}"
        yield failed(name, seen, mend="run it as the user who owns the home")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        seen = f"a file of {room.settings.home} that it reads does not decode"
        mend = "tiger-mcp down, put the file back from a copy or take it out, tiger-mcp up"
        yield failed(name, seen, mend=mend)
