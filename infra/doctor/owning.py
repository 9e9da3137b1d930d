"""Who owns a file and who may read it; on Windows, where a mode says nothing, nothing is judged."""

import os
import stat
import sys
from pathlib import Path

from infra.doctor.finding import Finding, failed
from infra.doctor.room import Room, typed

_OTHERS = 0o077


def private_objection(room: Room, check: str, path: Path) -> Finding | None:
    """Return what is wrong with the rights on a secret file, or nothing.

    Raises:
        OSError: it cannot be looked at.
    """
    if room.is_windows:
        return None
    facts = path.stat()
    mode = stat.S_IMODE(facts.st_mode)
    if mode & _OTHERS:
        return failed(
            check,
            f"{path} has mode {mode:04o}: others may use it",
            mend=typed("chmod", "600", path),
        )
    return owner_objection(room, check, path)


def owner_objection(room: Room, check: str, path: Path) -> Finding | None:
    """Return that a file belongs to another user, or nothing.

    Raises:
        OSError: it cannot be looked at.
    """
    if room.is_windows or sys.platform == "win32":
        return None
    owner, user = path.stat().st_uid, os.getuid()
    if owner == user:
        return None
    return failed(
        check,
        f"{path} belongs to user {owner}, this is user {user}",
        mend=typed("sudo", "chown", "-R", str(user), path),
    )
