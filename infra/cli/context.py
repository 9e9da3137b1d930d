"""What every subcommand gets from the main command."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec, TypeVar

import click

from infra.config import Settings

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
