"""The ports of a home: chosen once, kept in `run/ports.json`, never changed in silence.

A changed port would leave clients of the old one talking to a stranger, so a kept port that is
taken stops the start instead.
"""

import contextlib
import socket
from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError

LOOPBACK: Final = "127.0.0.1"


class Ports(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where nats-server listens: for clients, and for the monitor on loopback."""

    client: int
    monitor: int

    @property
    def client_url(self) -> str:
        """Return the address that clients on this machine connect to."""
        return f"nats://{LOOPBACK}:{self.client}"

    @property
    def monitor_url(self) -> str:
        """Return the address of the monitor."""
        return f"http://{LOOPBACK}:{self.monitor}"


def read_ports(path: Path) -> Ports | None:
    """Return the kept ports, or nothing when none were chosen yet.

    Raises:
        ConfigError: for a file that does not hold two different ports.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        ports = msgspec.json.decode(text, type=Ports)
    except msgspec.DecodeError as error:
        raise ConfigError(f"expected two ports in {path}, was {error}") from None
    if ports.client == ports.monitor:
        raise ConfigError(f"expected two different ports in {path}, was {ports.client} twice")
    return ports


def read_or_choose_ports(path: Path) -> Ports:
    """Return the kept ports, or choose free ones and keep them. The caller holds the home's lock.

    Raises:
        ConfigError: as `read_ports`.
    """
    ports = read_ports(path)
    if ports is not None:
        return ports
    ports = _free_ports()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(ports))
    draft.replace(path)
    return ports


def _free_ports() -> Ports:
    with contextlib.ExitStack() as stack:
        # Both are bound at the same time, so that they differ.
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        client, monitor = (each.getsockname()[1] for each in sockets)
    return Ports(client=client, monitor=monitor)
