"""A place where only loopback exists: the official server asks a third party where to connect.

On Linux the whole bench moves into a network namespace of its own, so that nothing it starts can
reach anything. Elsewhere, or where that is forbidden, the rows that need it are refused.
"""

import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

# The option that says so to the bench that was started there.
INSIDE: Final = "--inside"
_LOOPBACK: Final = "lo"
# Source: Linux, `include/uapi/linux/sockios.h` and `if.h`.
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP_RUNNING: Final = 0x1 | 0x40
_PROBE_LIMIT_S: Final = 10.0
_PREFIX: Final = ("unshare", "--user", "--map-root-user", "--net", "--kill-child")


def enter(arguments: Sequence[str]) -> int | None:
    """Run the bench again where only loopback exists, and return its exit code.

    None: there is no such place on this machine. The second bench is told by `INSIDE`.
    """
    if not _can_isolate():
        return None
    return subprocess.call(
        [*_PREFIX, sys.executable, "-P", "-m", "infra.bench", INSIDE, *arguments]
    )


def only_loopback() -> bool:
    """Say whether this process can reach nothing but this machine; brings loopback up."""
    if sys.platform != "linux":
        return False
    if [name for _, name in socket.if_nameindex()] != [_LOOPBACK]:
        return False
    return _bring_up()


def _can_isolate() -> bool:
    if sys.platform != "linux" or shutil.which(_PREFIX[0]) is None:
        return False
    try:
        probe = subprocess.run(
            [*_PREFIX, "true"], capture_output=True, timeout=_PROBE_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


def _bring_up() -> bool:
    if sys.platform != "linux":
        return False
    # Not on Windows.
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sH14x", _LOOPBACK.encode(), _IFF_UP_RUNNING)
        try:
            fcntl.ioctl(handle.fileno(), _SIOCSIFFLAGS, request)
        except OSError:
            return False
    return True
