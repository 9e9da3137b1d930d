"""`nats config`: what the server of this home runs with, or what to install on a foreign one."""

import click

from core.errors import ConfigError
from infra.cli.context import with_settings
from infra.config import Settings
from infra.home import Home
from infra.nats.config_text import render_accounts
from infra.nats.keys import create_missing, read_public_keys
from infra.nats.layout import NatsHome
from infra.supervisor.installation import topology_of


@click.group()
def nats() -> None:
    """The NATS server."""


@nats.command()
@click.option("--accounts", is_flag=True, help="Only the accounts, for a server of your own.")
@with_settings
def config(settings: Settings, accounts: bool) -> None:
    """Print the server's configuration; it holds public keys only."""
    home = NatsHome(settings.home)
    if accounts:
        topology = topology_of(Home(settings.home).load())
        create_missing(home, topology)
        click.echo(render_accounts(topology, public_keys=read_public_keys(home, topology)))
        return
    if not home.config_path.exists():
        raise ConfigError(f"expected {home.config_path}; run `tiger-mcp up` to make it")
    click.echo(home.config_path.read_text(encoding="utf-8"), nl=False)
