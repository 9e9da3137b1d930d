"""What every subcommand gets from the main command, and what several of them say."""

import shlex
import stat
import sys
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, Final, ParamSpec, TypeVar

import click

from infra.config import Settings
from infra.home import Home

_OTHERS_WRITE: Final = 0o022

P = ParamSpec("P")
R = TypeVar("R")


def with_settings(command: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Hand the settings, read now, to a command as its first argument."""

    def call(*arguments: P.args, **options: P.kwargs) -> R:
        return command(click.get_current_context().obj(), *arguments, **options)

    return update_wrapper(call, command)


def say_step(text: str) -> None:
    """Show a long step as it begins; on stderr, so that it never mixes with an answer."""
    if text:
        click.echo(f"  {text} …", err=True)


def warn_of_open_home(home: Home) -> None:
    """Say how a home is closed into which others may write: they could take any file's place."""
    if sys.platform == "win32" or not home.path.is_dir():
        return  # There the user's profile folder keeps it; a mode says nothing.
    mode = stat.S_IMODE(home.path.stat().st_mode)
    if mode & _OTHERS_WRITE:
        click.echo(
            f"others may write into {home.path}, mode {mode:04o}, and so change what your accounts "
            f"may do; type: chmod 700 {shlex.quote(str(home.path))}",
            err=True,
        )
