"""A lock file that the operating system frees when the last process holding it dies.

On POSIX the lock is `flock`: it belongs to the open file, so a child that inherits the descriptor
keeps it after its parent's death. On Windows it belongs to the process (`msvcrt.locking`); there
the child is put into a job that ends with its parent instead (`infra.nats.windows_job`).
"""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Windows forbids others to read a locked byte, so the byte lies behind the owner's line.
_LOCKED_BYTE: Final = 1 << 20


class LockOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Who took the lock; information only, the lock itself is the operating system's."""

    pid: int
    purpose: str


class HomeLock:
    """A held lock; `try_acquire` is the way to one."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def try_acquire(cls, path: Path, *, owner: LockOwner) -> "HomeLock | None":
        """Take the lock at once, or return nothing because another holds it."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, msgspec.json.encode(owner))
        return cls(path, descriptor)

    def fileno(self) -> int:
        """Return the descriptor that holds the lock, for a child to inherit."""
        if self._descriptor is None:
            raise ValueError("expected a held lock, was released")
        return self._descriptor

    def release(self) -> None:
        """Give up this process's share; a child that inherited the lock goes on holding it."""
        if self._descriptor is not None:
            # Closing, never unlocking: an unlock would take the lock from the child as well.
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "HomeLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def read_owner(path: Path) -> LockOwner | None:
    """Return who took the lock last, or nothing when nobody left a readable line."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LockOwner)
    except (OSError, msgspec.DecodeError):
        return None


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
