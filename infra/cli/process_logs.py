"""`logs`: the processes' own logs, last lines first asked for, then as they come."""

import time
from collections import deque
from pathlib import Path
from typing import Final, TextIO

import click

from core.errors import ConfigError
from infra.cli.context import with_settings
from infra.cli.terminal import shown
from infra.config import Settings
from infra.home import Home

_LOOK_S: Final = 0.2
_LINES: Final = 50


@click.command()
@click.argument("process", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come, until Ctrl-C.")
@click.option("-n", "--lines", default=_LINES, show_default=True, type=click.IntRange(min=0))
@with_settings
def logs(settings: Settings, process: str | None, follow: bool, lines: int) -> None:
    """Show the last lines of one process's log, or of all."""
    folder = Home(settings.home).logs
    paths = sorted(folder.glob("*.log"))
    names = [path.stem for path in paths]
    if process is not None:
        if process not in names:
            raise ConfigError(f"expected one of {', '.join(names) or 'no logs yet'}, was {process}")
        paths = [folder / f"{process}.log"]
    files = [(path, path.open(encoding="utf-8", errors="replace")) for path in paths]
    for path, file in files:
        for line in deque(file, maxlen=lines):
            _show(path, line, is_only=process is not None)
    while follow:
        news = [_show_new(path, file, is_only=process is not None) for path, file in files]
        if not any(news):
            time.sleep(_LOOK_S)


def _show_new(path: Path, file: TextIO, *, is_only: bool) -> bool:
    has_new = False
    while line := file.readline():
        has_new = True
        _show(path, line, is_only=is_only)
    return has_new


def _show(path: Path, line: str, *, is_only: bool) -> None:
    told = shown(line.rstrip())
    click.echo(told if is_only else f"{path.stem}: {told}")
