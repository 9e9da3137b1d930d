"""What nats-server says of itself on its monitor port (loopback, read only)."""

import http.client
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.errors import LinkError

_REQUEST_LIMIT_S: Final = 2.0
_PROBE_PAUSE_S: Final = 0.01


class StoreStatus(msgspec.Struct, frozen=True):
    """The part of `/varz` that durability depends on."""

    sync_always: bool = False


class JetStreamStatus(msgspec.Struct, frozen=True):
    """Holds the configuration that JetStream runs with."""

    config: StoreStatus = StoreStatus()


class ServerStatus(msgspec.Struct, frozen=True):
    """The part of `/varz` that we check."""

    server_id: str
    version: str
    max_payload: int
    config_load_time: str
    jetstream: JetStreamStatus = JetStreamStatus()


def read_status(monitor_url: str) -> ServerStatus:
    """Return what the server says of itself.

    Raises:
        LinkError: when nothing, or something else than nats-server, answers there.
    """
    status, body = _get(monitor_url, "/varz")
    if status != http.HTTPStatus.OK:
        raise LinkError(f"expected /varz at {monitor_url}, was status {status}")
    try:
        return msgspec.json.decode(body, type=ServerStatus)
    except msgspec.DecodeError as error:
        raise LinkError(f"expected nats-server at {monitor_url}, was {error}") from None


def is_healthy(monitor_url: str) -> bool:
    """Say whether the server takes clients and has its streams back from disk."""
    try:
        status, _ = _get(monitor_url, "/healthz")
    except LinkError:
        return False
    return status == http.HTTPStatus.OK


def wait_until(check: Callable[[], bool], *, limit_s: float) -> bool:
    """Ask again and again until `check` holds; say whether it did within the limit."""
    deadline = time.monotonic() + limit_s
    while not check():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PROBE_PAUSE_S)
    return True


def _get(monitor_url: str, path: str) -> tuple[int, bytes]:
    address = urlsplit(monitor_url)
    if address.hostname is None:
        raise LinkError(f"expected http://host:port, was {monitor_url!r}")
    connection = http.client.HTTPConnection(
        address.hostname, address.port, timeout=_REQUEST_LIMIT_S
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise LinkError(f"expected an answer at {monitor_url}{path}, was {error!r}") from None
    finally:
        connection.close()
