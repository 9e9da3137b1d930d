"""The lock of a Tiger login: one worker of this user at a time, whatever homes there are.

It lies where the user database says that the user lives. An environment (`HOME`) is chosen by
whoever starts a process: two of them would lead two workers of one login past each other.
"""

import hashlib
import os
import sys
from pathlib import Path

from core.errors import ConfigError
from infra.nats.home_lock import HomeLock, LockOwner

if sys.platform != "win32":
    import pwd


def login_locks() -> Path:
    """Return the folder of the locks, one for all homes of the user.

    Raises:
        ConfigError: the user database does not know where the user lives.
    """
    return _user_folder() / ".local" / "state" / "tiger-mcp" / "logins"


def take_login_lock(tiger_id: str, *, folder: Path) -> HomeLock | None:
    """Take the lock of a Tiger login for the life of this process, or None if another has it.

    Raises:
        ConfigError: the folder cannot be written.
    """
    name = hashlib.sha256(tiger_id.encode()).hexdigest()[:32]
    owner = LockOwner(pid=os.getpid(), purpose="worker")
    try:
        return HomeLock.try_acquire(folder / f"{name}.lock", owner=owner)
    except OSError as error:
        raise ConfigError(f"expected a folder to write in, {folder}: {error.strerror}") from None


def is_in_place(lock: HomeLock) -> bool:
    """Say whether the lock still stands at its path: a removed file would let another in."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), lock.path.stat())
    except OSError:
        return False


def _user_folder() -> Path:
    if sys.platform == "win32":
        return Path.home()
    try:
        folder = Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise ConfigError(
            f"expected user {os.getuid()} in the user database, with a folder of its own"
        ) from None
    if not folder.is_absolute():
        raise ConfigError(f"expected the user's folder in the user database, was {str(folder)!r}")
    return folder
