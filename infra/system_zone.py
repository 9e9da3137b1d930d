"""The zone that this machine is set to, by its IANA name."""

from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FOLDER: Final = "zoneinfo"
_OTHERWISE: Final = "UTC"


def system_zone(*, link: Path = Path("/etc/localtime"), named: Path = Path("/etc/timezone")) -> str:
    """Return the system's zone; UTC where it has none that we can read, as on Windows.

    There the person names it by a setting, `TIGER_MCP_TIMEZONE`.

    Args:
        link: what links to the zone's file on Linux and macOS.
        named: what holds the name on Debian.
    """
    _, found, name = link.resolve().as_posix().rpartition(f"/{_FOLDER}/")
    if found and is_zone(name):
        return name
    try:
        name = named.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return _OTHERWISE
    return name if is_zone(name) else _OTHERWISE


def is_zone(name: str) -> bool:
    """Say whether a name is a zone's."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
