"""`account remove`: an account is served no more; its ledger stays."""

import asyncio
from typing import Final, NamedTuple

import click

from core.account_events import AccountModeSet
from core.commands import SetMode
from core.errors import ConfigError, LinkError, ServiceError
from core.modes import Mode
from core.views import AccountRow, OrderRow
from infra.accounts import account_of, with_mode, without_account
from infra.cli.account_changes import Change, changing
from infra.cli.account_views import account_rows, open_orders
from infra.cli.context import with_settings
from infra.cli.person import operator_link, send_control
from infra.cli.terminal import shown
from infra.config import Settings

# More orders than this are told by their number alone.
_SHOWN_MAX: Final = 20
# States of an account whose record was compared with the broker's, and no gap seen since.
_RECONCILED: Final = ("active", "frozen")
_UP: Final = "Start the cluster with `tiger-mcp up`"
_DOCTOR: Final = "`tiger-mcp doctor` says what to do"


class Seen(NamedTuple):
    """The orders that are open by the record, and why there may be more, or ""."""

    orders: tuple[OrderRow, ...]
    doubt: str


@click.command()
@click.argument("alias")
@click.option("--force", is_flag=True, help="Although orders are open, in doubt, or not known.")
@with_settings
def remove(settings: Settings, alias: str, force: bool) -> None:
    """Serve ALIAS no more. Its orders stay at the broker, its record and its files stay here."""
    with changing(settings, may_begin=False) as change:
        before = account_of(change.installation, alias).mode
        login = next(
            each.name
            for each in change.installation.logins
            if any(account.alias == alias for account in each.accounts)
        )
        left: tuple[OrderRow, ...] = ()
        doubt, step = "", _DOCTOR
        try:
            # Twice, because an order may begin between the first look and the end of writing.
            left = asyncio.run(_open_now(settings, alias))
            if not left or force:
                # First in the list, so that it never says more than the record does.
                change.save(with_mode(change.installation, alias, Mode.READ_ONLY))
                left, doubt = asyncio.run(_open_after_writing(settings, alias))
        except ServiceError as error:
            doubt, step = str(error), _UP
        if left and not force:
            raise ConfigError(
                f"{alias}: {len(left)} orders are open or in doubt, so it is not removed. Cancel "
                f"them first, or say --force{_lowered(change, alias, before)}:\n{_table(left)}"
            )
        if doubt and not force:
            raise ConfigError(
                f"{alias}: whether orders are open is not known ({doubt}); it is not removed. "
                f"{step}, or say --force{_lowered(change, alias, before)}"
            )
        if doubt:
            click.echo(f"{alias}: whether more orders are open is not known ({doubt})")
        if left:
            click.echo(f"{alias}: left at the broker, served by nobody:\n{_table(left)}")
        ids = tuple(order.order_id for order in left)
        change.save(without_account(change.installation, alias, left_open=ids))
        click.echo(f"{alias}: removed; its record stays, and its alias names nothing else")
        change.wait_until_taken(login)


# What a removal that was begun and then refused left behind.
def _lowered(change: Change, alias: str, before: Mode) -> str:
    if account_of(change.installation, alias).mode is before:
        return ""
    return f". It is now read_only; `tiger-mcp account mode {alias} {before}` to go on"


async def _open_now(settings: Settings, alias: str) -> tuple[OrderRow, ...]:
    async with operator_link(settings) as client:
        return await open_orders(client, alias)


async def _open_after_writing(settings: Settings, alias: str) -> Seen:
    async with operator_link(settings) as client:
        fact = await send_control(client, settings, alias, SetMode(mode=Mode.READ_ONLY))
        if fact is None or not isinstance(fact.data, AccountModeSet):
            raise LinkError("its worker did not answer; see `tiger-mcp status`")
        orders = await open_orders(client, alias, at_least_n=fact.n)
        rows = await account_rows(client)
    return Seen(orders, doubt_of(next((row for row in rows if row.alias == alias), None)))


def doubt_of(row: AccountRow | None) -> str:
    """Return why the record may not know every order that is open at the broker, or ""."""
    if row is None:
        return "the views do not know the account"
    if row.state == "halted":
        # Nothing was sent since readings showed that nothing is open, whatever came after.
        is_open = "" in row.unverified_halts
        return "what is open after the halt is not verified yet" if is_open else ""
    if row.state in _RECONCILED:
        return ""
    return f"the account is {row.state}: {shown(row.detail)}".rstrip(": ")


def _table(orders: tuple[OrderRow, ...]) -> str:
    lines = [
        f"  {shown(order.order_id)}  {order.side} {order.quantity} {shown(order.symbol)}  "
        f"{order.phase}"
        for order in orders[:_SHOWN_MAX]
    ]
    if len(orders) > _SHOWN_MAX:
        lines.append(f"  and {len(orders) - _SHOWN_MAX} more")
    return "\n".join(lines)
