"""The ports of a home's sandbox broker: chosen once and kept, as those of nats-server are."""

import contextlib
import socket
from pathlib import Path

import msgspec

from core.errors import ConfigError
from infra.home import write_private
from infra.nats.ports import LOOPBACK


class SandboxPorts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the broker takes Tiger's requests, and where it takes those of tests."""

    http: int
    control: int


def read_or_choose_sandbox_ports(path: Path) -> SandboxPorts:
    """Return the kept ports, or choose free ones and keep them. The caller holds the home's lock.

    Raises:
        ConfigError: the file does not decode.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=SandboxPorts)
    except FileNotFoundError:
        ports = _free_ports()
    except msgspec.DecodeError as error:
        raise ConfigError(f"expected two ports in {path}, was {error}") from None
    write_private(path, msgspec.json.encode(ports))
    return ports


def _free_ports() -> SandboxPorts:
    with contextlib.ExitStack() as stack:
        # Both are bound at the same time, so that they differ.
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        http, control = (each.getsockname()[1] for each in sockets)
    return SandboxPorts(http=http, control=control)
