"""Which processes a login's lock excludes from each other: the lock domain that a lease names.

Two processes have one domain only if the operating system lets one of them alone hold the lock: the
same file (not one of the same name) on the same running system. Then whoever holds the lock and
reads a lease of its own domain knows that the lease's holder is dead.
"""

import hashlib
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Final

from infra.nats.home_lock import HomeLock

_LINUX_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MAC_BOOT_ID: Final = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
_ANSWER_LIMIT_S: Final = 5.0
_RANDOM_BYTES: Final = 16


def lock_domain(lock: HomeLock, *, is_own_server: bool, boot: str | None) -> str:
    """Return the domain of a held lock, as a text that tells nothing of the machine.

    Args:
        is_own_server: NATS is the home's own server on loopback, which no other machine reaches.
            So the file alone tells, and a start after a power cut need not wait for anybody.
        boot: what names this start of this machine. None where the system has no such name: then
            each process is its own domain, and waits as for one elsewhere.
    """
    file = os.fstat(lock.fileno())
    system = "own server" if is_own_server else boot or secrets.token_hex(_RANDOM_BYTES)
    return hashlib.sha256(f"{system} {file.st_dev} {file.st_ino}".encode()).hexdigest()[:32]


def read_boot_identity() -> str | None:
    """Return what names this start of this machine and no other, or None where nothing does."""
    return _boot_identity()


if sys.platform == "linux":

    def _boot_identity() -> str | None:
        try:
            return _LINUX_BOOT_ID.read_text(encoding="ascii").strip() or None
        except OSError:
            return None
elif sys.platform == "darwin":

    def _boot_identity() -> str | None:
        try:
            done = subprocess.run(  # noqa: S603  # a program of the system, by its whole path
                _MAC_BOOT_ID, capture_output=True, check=True, text=True, timeout=_ANSWER_LIMIT_S
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip() or None
else:

    def _boot_identity() -> str | None:
        return None
