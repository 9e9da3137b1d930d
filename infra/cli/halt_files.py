"""What lies in the folder of the halt files and halts no account: a name that was mistyped."""

import re
from collections.abc import Iterator
from typing import Final

from core.errors import ConfigError
from core.ids import ACCOUNT_PATTERN
from infra.cli.terminal import shown
from infra.home import Home

# Beside an account's file its worker keeps its journal, its note and its number's check, each by
# way of a draft; a halt file has a draft too.
_OWN: Final = re.compile(
    rf"{ACCOUNT_PATTERN}\.(?:jsonl|(?:note|bound)(?:-draft)?|[0-9a-f]{{16}}\.new)"
)


def stray_halt_files(home: Home) -> tuple[str, ...]:
    """Return a line for each file there that is neither of an account's name nor one of our own."""
    return tuple(_lines(home))


def _lines(home: Home) -> Iterator[str]:
    try:
        names = sorted(each.name for each in home.halt.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    names = [name for name in names if not _OWN.fullmatch(name)]
    if not names:
        return
    try:
        # A removed account's halt file waits for it to come back.
        known = {alias for login in home.load().logins for alias in login.aliases}
    except (ConfigError, OSError) as error:
        told = ", ".join(shown(name) for name in names)
        yield f"whether these in {home.halt} halt an account is not known: {told} ({error})"
        return
    for name in names:
        if name not in known:
            yield (
                f"halt file {shown(name)} has the name of no account, so it halts none; name it as "
                f"one of {', '.join(sorted(known))}, or delete {shown(str(home.halt / name))}"
            )
