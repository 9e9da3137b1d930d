"""A room for the doctor to look at, with nothing of this machine's user in it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from infra.config import Settings, settings_from
from infra.doctor.room import Room

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
