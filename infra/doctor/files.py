"""The home: there, ours, private, with room on its disk; its keys; its locks."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.errors import ConfigError
from infra.doctor.finding import Finding, failed, not_checked, ok, warning
from infra.doctor.owning import owner_objection, private_objection
from infra.doctor.room import Room, typed
from infra.home import Installation
from infra.nats.home_lock import HomeLock, LockOwner, read_owner
from infra.nats.keys import public_nkey, read_signing_key, read_verify_key
from infra.nats.layout import NatsHome
from infra.nats.topology import GATEWAY, role_names
from infra.supervisor.installation import LIST_LOST_MEND, is_list_lost, topology_of
from infra.supervisor.status import PROBE, supervisor_lock_path, supervisor_pid

MIB: Final = 1024 * 1024
FREE_MIB_MIN: Final = 200
FREE_MIB_GOOD: Final = 2048
_MAKE_HOME: Final = "tiger-mcp up"
_ELSEWHERE: Final = "choose another: --home FOLDER"
_GROUP_OR_OTHERS_WRITE: Final = 0o022


def check_disk(room: Room) -> Iterator[Finding]:
    """Look at the room on the home's disk."""
    place = _nearest(room.settings.home)
    if place != room.settings.home and not _can_hold_a_home(place):
        yield not_checked("disk", "the home cannot be made: see home", mend="mend that first")
        return
    yield disk_finding(place, shutil.disk_usage(place).free)


def disk_finding(place: Path, free_bytes: int) -> Finding:
    """Judge what is free on a disk."""
    free_mib = free_bytes // MIB
    mend = f"free some, or move the installation: --home or TIGER_MCP_HOME ({place} is full)"
    if free_mib < FREE_MIB_MIN:
        return failed("disk", f"{free_mib} MiB are free, the ledger needs more", mend=mend)
    if free_mib < FREE_MIB_GOOD:
        return warning("disk", f"only {free_mib} MiB are free", mend=mend)
    return ok("disk", f"{free_mib} MiB are free")


def check_home(room: Room) -> Iterator[Finding]:
    """Look at the home's folder: whose it is, and who may write there."""
    path = room.settings.home
    if not path.exists():
        place = _nearest(path)
        if _can_hold_a_home(place):
            yield not_checked("home", f"{path} is not there yet", mend=_MAKE_HOME)
        else:
            seen = f"{path} is not there, and cannot be made in {place}"
            yield failed("home", seen, mend=_ELSEWHERE)
        return
    if not path.is_dir():
        yield failed("home", f"{path} is no folder", mend=_ELSEWHERE)
        return
    objection = owner_objection(room, "home", path) or _folder_objection(room, path)
    yield objection or ok("home", f"{path} is this user's own")


# The folder itself, or the nearest above it that is there.
def _nearest(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


# What the kernel shows as files (/proc, /sys) has no size at all, and root may write there in vain.
def _can_hold_a_home(place: Path) -> bool:
    is_ours = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return is_ours and shutil.disk_usage(place).total > 0


def _folder_objection(room: Room, path: Path) -> Finding | None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not room.is_windows and mode & _GROUP_OR_OTHERS_WRITE:
        seen = f"{path} has mode {mode:04o}: others may write into it"
        return failed("home", seen, mend=typed("chmod", "700", path))
    if not os.access(path, os.W_OK | os.X_OK):
        seen = f"{path} cannot be written"
        return failed("home", seen, mend=typed("chmod", "700", path))
    return None


def check_installation(room: Room) -> Iterator[Finding]:
    """Look whether the list of accounts can be read; numbers are never told."""
    file = room.home.installation_file
    if is_list_lost(room.home):
        seen = f"{file} is missing, and this home served accounts before"
        yield failed("accounts", seen, mend=LIST_LOST_MEND)
        return
    if not file.exists():
        yield not_checked("accounts", "no accounts are set up yet", mend=_MAKE_HOME)
        return
    try:
        installation = room.home.load()
    except ConfigError as error:
        mend = f"put back {file} from a copy; or set up anew in another folder with --home"
        yield failed("accounts", f"it does not decode: {error}", mend=mend)
        return
    except PermissionError:
        yield failed("accounts", f"{file} cannot be read", mend=typed("chmod", "600", file))
        return
    objection = private_objection(room, "accounts", file)
    told = ", ".join(
        f"{account.alias} ({account.environment}, {account.mode})"
        for login in installation.logins
        for account in login.accounts
    )
    yield objection or ok("accounts", told)


def installation_of(room: Room) -> Installation | None:
    """Return the accounts, or nothing where `check_installation` has something to say."""
    try:
        return room.home.load()
    except (ConfigError, OSError):
        return None


def accounts_unknown(room: Room, check: str) -> Finding:
    """Return why a check of accounts cannot be made: there are none yet, or none can be read."""
    if _is_list_unreadable(room):
        seen = "the list of accounts cannot be read: see accounts"
        return not_checked(check, seen, mend="mend that first")
    return not_checked(check, "no accounts are set up yet", mend=_MAKE_HOME)


# With a list of accounts there is, or was, something to look at.
def _is_list_unreadable(room: Room) -> bool:
    return room.home.installation_file.exists() or is_list_lost(room.home)


def check_keys(room: Room) -> Iterator[Finding]:
    """Look at the keys of the roles and of those who sign: there, whole, and nobody else's."""
    installation = installation_of(room)
    folder = room.settings.keys
    if installation is None and _is_list_unreadable(room):
        yield accounts_unknown(room, "keys")
        return
    if installation is None or not folder.is_dir():
        yield not_checked("keys", "no keys were made yet", mend=_MAKE_HOME)
        return
    found = [
        objection
        for file in sorted(folder.iterdir())
        if file.suffix in (".seed", ".sign", ".pub")
        for objection in _key_objections(room, file)
    ]
    topology = topology_of(installation)
    roles = role_names(topology)
    missing = [role for role in roles if not (folder / f"{role}.seed").exists()]
    if missing:
        seen = f"no key of {', '.join(missing)} in {folder}"
        found.append(failed("keys", seen, mend="tiger-mcp down, then tiger-mcp up, makes it"))
    for name in (GATEWAY, *topology.operators):
        found += _pair_objections(folder / f"{name}.sign", folder / f"{name}.pub")
    yield from found or [ok("keys", f"{len(roles)} roles have theirs, for this user alone")]


# Who signs needs both halves of one pair; a public one that is missing is made of the other.
def _pair_objections(private: Path, public: Path) -> Iterator[Finding]:
    anew = "tiger-mcp down, then tiger-mcp up, makes it"
    if not private.exists():
        other = f"put it back from a copy; or tiger-mcp down, {typed('rm', public)}, tiger-mcp up"
        mend = other if public.exists() else anew
        yield failed("keys", f"{private} is not there, which signs what is asked for", mend=mend)
    elif not public.exists():
        seen = f"{public} is not there, by which signatures are checked"
        yield failed("keys", seen, mend=anew)
    elif not _is_pair(private, public):
        yield failed(
            "keys",
            f"{public} does not belong to {private}: what the one signs is refused by the other",
            mend=f"tiger-mcp down, {typed('rm', public)}, tiger-mcp up",
        )


def _is_pair(private: Path, public: Path) -> bool:
    try:
        signing, checking = read_signing_key(private), read_verify_key(public)
    except (ConfigError, PermissionError):
        return True  # Each is judged by itself.
    return signing.public_key().public_bytes_raw() == checking.public_bytes_raw()


def _key_objections(room: Room, file: Path) -> Iterator[Finding]:
    objection = None if file.suffix == ".pub" else private_objection(room, "keys", file)
    if objection is not None:
        yield objection
        return
    read = {".seed": public_nkey, ".sign": read_signing_key, ".pub": read_verify_key}[file.suffix]
    try:
        read(file)
    except (ConfigError, PermissionError):
        yield failed(
            "keys",
            f"{file} holds no key",
            mend=f"put it back from a copy; or tiger-mcp down, {typed('rm', file)}, tiger-mcp up",
        )


def check_locks(room: Room) -> Iterator[Finding]:
    """Look who holds the home: our supervisor, nobody, or a server that outlived its supervisor."""
    home = NatsHome(room.settings.home)
    if not home.lock_path.exists():
        yield not_checked("locks", "nothing ran here yet", mend=_MAKE_HOME)
        return
    pid = supervisor_pid(room.home)
    if pid is not None:
        yield ok("locks", f"held by our supervisor, process {pid}")
        return
    probe = LockOwner(pid=os.getpid(), purpose=PROBE)
    # While this is held no supervisor begins, so a held home is a leftover's.
    starting = HomeLock.try_acquire(supervisor_lock_path(room.home), owner=probe)
    if starting is None:
        yield not_checked("locks", "a supervisor starts or stops just now", mend="try again")
        return
    with starting:
        yield _leftover_finding(home, probe)


def _leftover_finding(home: NatsHome, probe: LockOwner) -> Finding:
    last = read_owner(home.lock_path)
    lock = HomeLock.try_acquire(home.lock_path, owner=probe)
    if lock is not None:
        lock.release()
        return ok("locks", "nobody holds the home")
    holder = f"process {last.pid}, which is gone" if last is not None else "a process unknown"
    return failed(
        "locks",
        f"{home.lock_path} was taken by {holder}, and its nats-server still holds it",
        mend="tiger-mcp down",
    )
