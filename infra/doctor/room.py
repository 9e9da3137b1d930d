"""What the checks look at: this machine, this user, one home. Read once, at the command's start."""

import shlex
import sys
import sysconfig
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from infra.config import Settings
from infra.home import Home

WINDOWS: Final = "win32"
MACOS: Final = "darwin"


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """One examination; `platform` is as `sys.platform` has it, `project` the folder it began in."""

    settings: Settings
    user_home: Path
    project: Path
    now: datetime
    platform: str = sys.platform
    is_offline: bool = False

    @property
    def home(self) -> Home:
        """Return the installation that is looked at."""
        return Home(self.settings.home)

    @property
    def is_windows(self) -> bool:
        """Say whether modes and owners of files mean nothing here."""
        return self.platform == WINDOWS


def our_command() -> tuple[str, ...]:
    """Return the command that starts this installation's `tiger-mcp`, by its absolute path."""
    suffix = ".exe" if sys.platform == WINDOWS else ""
    script = Path(sysconfig.get_path("scripts")) / f"tiger-mcp{suffix}"
    return (str(script),) if script.is_file() else (sys.executable, "-P", "-m", "infra.cli")


def typed(*words: str | Path) -> str:
    """Return words as a person types them into a shell."""
    texts = [str(word) for word in words]
    if sys.platform == WINDOWS:
        return " ".join(f'"{text}"' if " " in text else text for text in texts)
    return shlex.join(texts)
