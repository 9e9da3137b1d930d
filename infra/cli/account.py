"""`account`: which accounts the installation has."""

import click

from infra.cli.context import with_settings
from infra.config import Settings
from infra.home import Home


@click.group()
def account() -> None:
    """Accounts of this installation."""


@account.command("list")
@with_settings
def list_(settings: Settings) -> None:
    """Show each account with its login, environment and mode; never its number."""
    for login in Home(settings.home).load().logins:
        for each in login.accounts:
            click.echo(f"{each.alias}  login {login.name}  {each.environment}  {each.mode}")
