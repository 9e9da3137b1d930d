"""Subcommands that are programs of their own: their arguments are passed on as they stand."""

import runpy
import sys

import click

from infra.cli.context import with_settings
from infra.config import Settings
from infra.home import Home

_PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}


@click.command(context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@with_settings
def sandbox(settings: Settings, arguments: tuple[str, ...]) -> None:
    """Run the sandbox broker alone, in the foreground, or control one that runs."""
    if not any(each == "--home" or each.startswith("--home=") for each in arguments):
        arguments = ("--home", str(Home(settings.home).sandbox), *arguments)
    _become("infra.sandbox", arguments)


@click.command(context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def demo(arguments: tuple[str, ...]) -> None:
    """Show the whole way of an order on a sandbox of its own."""
    _become("infra.demo", arguments)


@click.command(context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Measure the budgets on this machine."""
    _become("infra.bench", arguments)


def _become(module: str, arguments: tuple[str, ...]) -> None:
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
