"""A room for the doctor to look at, with nothing of this machine's user in it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from adapters.tiger_worker.properties_file import read_fields
from core.modes import Environment, Mode
from infra.cli.doctor_logins import worker_reading
from infra.config import Settings, settings_from
from infra.doctor.credentials import Reading, properties_path
from infra.doctor.room import Room
from infra.home import LoginSettings

READING: Final[Reading] = worker_reading()
NOW: Final = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def room_of(
    home: Path,
    *,
    settings: Settings | None = None,
    platform: str = "linux",
    is_offline: bool = False,
) -> Room:
    """Return a room whose user lives beside the home and has registered nothing."""
    user_home = home.parent / "user"
    return Room(
        settings=settings or settings_from({}, home=home, user_home=user_home),
        user_home=user_home,
        project=user_home / "project",
        now=NOW,
        platform=platform,
        is_offline=is_offline,
    )


def fields_of(room: Room, login: LoginSettings) -> dict[str, str]:
    """Return what a login's properties file says."""
    return read_fields(properties_path(room, login))


def write_fields(room: Room, login: LoginSettings, **changes: str) -> Path:
    """Change fields of a login's properties file, and return its path."""
    fields = fields_of(room, login) | changes
    path = properties_path(room, login)
    path.write_text("".join(f"{name}={value}\n" for name, value in fields.items()))
    return path


def live_login(room: Room) -> LoginSettings:
    """Return the home's first login as if it were a real one, with a file as Tiger exports it."""
    first = room.home.load().logins[0]
    accounts = tuple(
        replace(each, environment=Environment.LIVE, mode=Mode.READ_ONLY) for each in first.accounts
    )
    login = replace(first, accounts=accounts)
    write_fields(room, login, license="TBSG")
    return login
