"""`account`: which accounts the installation has, and what a model may do on each."""

import asyncio

import click

from core import codec
from core.account_events import AccountModeSet
from core.commands import SetMode
from core.errors import ConfigError, ServiceError
from core.events import OrderRefused
from core.modes import Mode
from infra.accounts import LIVE_WAITS, account_of, with_mode
from infra.cli.account_add import add
from infra.cli.account_changes import changing
from infra.cli.account_remove import remove
from infra.cli.account_views import seen_accounts
from infra.cli.context import with_settings
from infra.cli.person import OUTCOME_LIMIT_S, operator_link, send_control
from infra.cli.terminal import shown
from infra.config import Settings
from infra.home import Home
from infra.supervisor.status import live_status


@click.group()
def account() -> None:
    """Accounts of this installation: add, remove, list, and set what a model may do."""


account.add_command(add)
account.add_command(remove)


@account.command("list")
@with_settings
def list_(settings: Settings) -> None:
    """Show each account with its login, environment and mode; never its number."""
    recorded = _recorded_modes(settings)
    for login in Home(settings.home).load().logins:
        for each in login.accounts:
            in_record = recorded.get(each.alias, each.mode)
            differs = f" (its record says {in_record})" if in_record is not each.mode else ""
            click.echo(
                f"{each.alias}  login {login.name}  {each.environment}  {each.mode}{differs}"
            )


# The record has the last word on what passes; without a cluster there is nobody who knows it.
def _recorded_modes(settings: Settings) -> dict[str, Mode]:
    if live_status(Home(settings.home)) is None:
        return {}
    try:
        rows = asyncio.run(seen_accounts(settings))
    except ServiceError as error:
        click.echo(f"what the record says is not known ({error})", err=True)
        return {}
    return {row.alias: row.mode for row in rows if row.mode is not None}


@account.command("mode")
@click.argument("alias")
@click.argument("mode", type=click.Choice([mode.value for mode in Mode]))
@with_settings
def mode_(settings: Settings, alias: str, mode: str) -> None:
    """Set what a model may do on ALIAS: read_only (nothing), or auto (trade by itself).

    A live account stays read_only until limits and approvals exist.
    """
    wanted = Mode(mode)
    with changing(settings, may_begin=False) as change:
        before = account_of(change.installation, alias).mode
        after = with_mode(change.installation, alias, wanted)
        if wanted is Mode.READ_ONLY:
            # First here, where every gateway looks at each call and every worker at its start.
            change.save(after)
            if live_status(Home(settings.home)) is None:
                click.echo(
                    f"{alias}: {before} -> {wanted}; no cluster runs, the next start takes it"
                )
                return
        fact = _set(settings, alias, wanted)
        if wanted is not Mode.READ_ONLY:
            change.save(after)
        click.echo(f"{alias}: {before} -> {wanted} (event {fact.n})")


# Raises, because a person must know whether the worker has it.
def _set(settings: Settings, alias: str, mode: Mode) -> codec.Recorded:
    if mode is Mode.READ_ONLY:
        held = "no tool writes on it any more, and its worker refuses from its next start on, but"
    else:
        held = "no tool writes on it yet:"
    try:
        fact = asyncio.run(_send(settings, alias, mode))
    except ServiceError as error:
        raise ConfigError(f"{alias}: {held} the record could not be reached ({error})") from None
    if fact is None:
        raise ConfigError(
            f"{alias}: {held} no worker answered in {OUTCOME_LIMIT_S:.0f} s; see `tiger-mcp status`"
        )
    if isinstance(fact.data, AccountModeSet):
        return fact
    why = fact.data.detail if isinstance(fact.data, OrderRefused) else LIVE_WAITS
    raise ConfigError(f"{alias}: refused by its worker: {shown(why)}")


async def _send(settings: Settings, alias: str, mode: Mode) -> codec.Recorded | None:
    async with operator_link(settings) as client:
        return await send_control(client, settings, alias, SetMode(mode=mode))
