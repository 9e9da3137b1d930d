"""`halt`, `resume`, `release` and `adopt`: what only a person may do, and what became of it."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import click
import msgspec

from core import codec
from core.account_events import (
    AccountHalted,
    AccountPositionAdopted,
    AccountResumed,
    CommandUnreadable,
)
from core.commands import (
    AdoptPosition,
    HaltAccount,
    PersonCommand,
    ReleaseOrder,
    ResumeAccount,
    check_scope,
)
from core.errors import ConfigError, ServiceError
from core.events import OrderRefused, OrderReleased
from core.ids import file_id, is_alias
from core.views import AccountRow, OrderRow
from infra.cli.context import with_settings
from infra.cli.person import (
    OUTCOME_LIMIT_S,
    check_account,
    operator_link,
    send_control,
    shown_account,
    shown_order,
)
from infra.cli.terminal import shown
from infra.config import Settings
from infra.home import Home, write_private

# States of an account that a resume ends.
_LIFTED: Final = ("halted", "frozen")


@click.command()
@click.argument("account")
@click.option("--symbol", help="Halt one symbol instead of the whole account.")
@click.option("--detail", default="typed by a person", help="Why, for the record.")
@with_settings
def halt(settings: Settings, account: str, symbol: str | None, detail: str) -> None:
    """Stop sending orders of ACCOUNT and cancel what is open; also works while NATS is down."""
    scope = _scope_of(symbol, otherwise="nothing was halted")
    unchecked = _unchecked(settings, account)
    if unchecked:
        click.echo(unchecked, err=True)
    # A halt is never refused for its words.
    detail = shown(detail)
    # First the file: every worker looks at it directly before it sends.
    has_file = not scope and _put_halt_file(settings, account, detail)
    # Named, so that this halt is the file's too, and no other one is.
    file = _identity(Home(settings.home).halt_file(account)) if has_file else ""
    command = HaltAccount(symbol=scope, detail=detail, file=file)
    try:
        fact = asyncio.run(_send(settings, account, command))
    except (ServiceError, OSError) as error:
        if not has_file:
            if scope:
                click.echo(
                    f"`tiger-mcp halt {account}` without --symbol works without NATS", err=True
                )
            raise
        if unchecked:
            # Of another name than an account's it would halt nothing.
            raise click.ClickException(
                f"{account}: the halt file is in place, {Home(settings.home).halt_file(account)}, "
                f"but nobody confirmed that it halts an account ({error})"
            ) from None
        click.echo(
            f"{account}: the halt file is in place, so no worker sends orders or lets one pass. "
            f"The record could not be reached ({error}); the worker records the halt when it can."
        )
        return
    _report(account, fact)


@click.command()
@click.argument("account")
@click.option("--symbol", help="Lift the halt of one symbol.")
@click.option(
    "--shown",
    "shown_n",
    type=click.IntRange(min=1),
    help="How far the events went in what you looked at. Else you are asked.",
)
@with_settings
def resume(settings: Settings, account: str, symbol: str | None, shown_n: int | None) -> None:
    """Lift a halt of the same scope, and a freeze, of ACCOUNT.

    Shows what it lifts and asks; with --shown, which names what you read before, it does not ask. A
    halt or freeze that came since stays, and so does a halt file that no event told of till then.
    """
    scope = _scope_of(symbol, otherwise="nothing was sent")
    check_account(settings, account)
    file = None if scope else Home(settings.home).halt_file(account)
    seen = "" if file is None else _identity(file)
    row = asyncio.run(_show_account(settings, account, scope, shown_n=shown_n or 0))
    _check_shown(account, shown_n or 0, last_n=row.as_of.n)
    is_told = not seen or (row.halt_file == seen and row.halt_file_n <= (shown_n or row.as_of.n))
    if shown_n is None:
        shown_n = row.as_of.n
        of_symbol = f" --symbol {shown(scope)}" if scope else ""
        if not is_told:
            click.echo("a halt file stands besides, of which no event tells yet", err=True)
        question = "Did you look at the account, and shall this be lifted?"
        _ask(question, f"tiger-mcp resume {account}{of_symbol} --shown {shown_n}")
    elif not is_told:
        raise click.ClickException(
            f"nothing was sent: a halt file stands of which no event up to {shown_n} tells; look "
            f"again, `tiger-mcp status`, then `tiger-mcp resume {account}`"
        )
    command = ResumeAccount(symbol=scope, shown_n=shown_n)
    fact = asyncio.run(_resume(settings, account, command, file=file, seen=seen))
    _report(account, fact)
    _tell_rest(row, scope)


@click.command()
@click.argument("account")
@click.argument("order_id")
@click.option(
    "--shown",
    "shown_n",
    type=click.IntRange(min=1),
    help="How far the events went in what you looked at; `status` says it. Else you are asked.",
)
@with_settings
def release(settings: Settings, account: str, order_id: str, shown_n: int | None) -> None:
    """Take an order in doubt off the books of ACCOUNT, after you looked at the broker yourself.

    Shows the doubt and asks; with --shown, which names what you read before, it does not ask. A
    doubt of which more became known since is not released.
    """
    check_account(settings, account)
    _check_id(order_id)
    row, last_n = asyncio.run(_order(settings, account, order_id, shown_n=shown_n or 0))
    _check_shown(account, shown_n or 0, last_n=last_n)
    if shown_n is None:
        shown_n = last_n
        if row is None:
            raise click.ClickException(f"{account}: no order {shown(order_id)} is known")
        click.echo(f"{shown(row.order_id)}: {_doubt(row)}", err=True)
        question = "Did you look at the broker, and shall this order be taken off the books?"
        _ask(question, f"tiger-mcp release {account} {shown(order_id)} --shown {shown_n}")
    command = ReleaseOrder(order_id=order_id, shown_n=shown_n)
    _report(account, asyncio.run(_send(settings, account, command)))


@click.command()
@click.argument("account")
@click.argument("break_id")
@with_settings
def adopt(settings: Settings, account: str, break_id: str) -> None:
    """Take the broker's figure of one position break of ACCOUNT for true.

    `tiger-mcp status` shows the breaks; compare with the broker's own statement first.
    """
    check_account(settings, account)
    _check_id(break_id)
    _report(account, asyncio.run(_send(settings, account, AdoptPosition(break_id=break_id))))


def _scope_of(symbol: str | None, *, otherwise: str) -> str:
    """Return a symbol as it is halted, "" for the account where none was typed.

    Raises:
        click.ClickException: what was typed is no symbol, and must not be taken for none.
    """
    if symbol is None:
        return ""
    # Other letters than these have capitals that are somebody else's symbol.
    scope = symbol.strip().upper() if symbol.isascii() else symbol.strip()
    if not scope:
        raise click.ClickException(
            f"{otherwise}: --symbol is empty; name a symbol, or leave the option out for the whole "
            "account"
        )
    try:
        check_scope(scope)
    except ValueError as error:
        raise click.ClickException(
            f"{otherwise}: {shown(str(error))}; of an option give its underlying's symbol"
        ) from None
    return scope


# Bytes that are no text can stand in no message.
def _check_id(text: str) -> None:
    if not text.isprintable():
        raise click.ClickException(
            f"nothing was sent: expected an id as `tiger-mcp status` shows it, was {shown(text)}"
        )


# A number that is still to come was shown to nobody, and would lift what comes till then.
def _check_shown(account: str, shown_n: int, *, last_n: int) -> None:
    if shown_n > last_n:
        raise click.ClickException(
            f"nothing was sent: --shown {shown_n} was shown to nobody, the events of {account} go "
            f"to {last_n}; look first, `tiger-mcp status`"
        )


# A halt waits for no list: workers read theirs when they began, and go on whatever became of it.
def _unchecked(settings: Settings, account: str) -> str:
    """Return what to say where the name of an account cannot be checked, "" where it is one.

    Raises:
        ConfigError: it is no account's name, or there is no home.
    """
    home = Home(settings.home)
    try:
        home.load()
    except (ConfigError, OSError) as error:
        if not is_alias(account) or not home.path.is_dir():
            raise
        return (
            f"the list of accounts cannot be read ({error}), so it is not checked that {account} "
            "is one; `tiger-mcp status` must say that it is halted"
        )
    check_account(settings, account)
    return ""


def _put_halt_file(settings: Settings, account: str, detail: str) -> bool:
    try:
        write_private(Home(settings.home).halt_file(account), msgspec.json.encode(detail))
    except OSError as error:
        # A full disk must not keep the halt from going the other way.
        click.echo(f"the halt file cannot be written: {error.strerror}; asking by NATS", err=True)
        return False
    return True


async def _send(settings: Settings, account: str, command: PersonCommand) -> codec.Recorded | None:
    async with operator_link(settings) as client:
        return await send_control(client, settings, account, command)


async def _show_account(
    settings: Settings, account: str, symbol: str, *, shown_n: int
) -> AccountRow:
    def is_awaited(row: AccountRow) -> bool:
        is_held = row.state in _LIFTED or symbol in _symbols(row)
        return is_held and row.as_of.n >= shown_n

    async with operator_link(settings) as client:
        row = await shown_account(client, account, is_awaited)
    click.echo(f"{account} is {row.state}: {shown(row.detail) or _halts(row)}", err=True)
    return row


async def _resume(
    settings: Settings,
    account: str,
    command: ResumeAccount,
    *,
    file: Path | None,
    seen: str,
) -> codec.Recorded | None:
    async with operator_link(settings) as client:
        # Only with NATS in reach: a file gone alone would leave the halt in the record.
        if file is not None:
            _remove(file, seen=seen)
        return await send_control(client, settings, account, command)


# A file that was put there since is another halt, which nobody has told of yet.
def _remove(file: Path, *, seen: str) -> None:
    if _identity(file) == seen:
        file.unlink(missing_ok=True)


# As the worker tells it; "" where there is none.
def _identity(file: Path) -> str:
    try:
        found = file.stat()
    except FileNotFoundError:
        return ""
    return file_id(inode=found.st_ino, modified_ns=found.st_mtime_ns, changed_ns=found.st_ctime_ns)


async def _order(
    settings: Settings, account: str, order_id: str, *, shown_n: int
) -> tuple[OrderRow | None, int]:
    async with operator_link(settings) as client:
        return await shown_order(client, account, order_id, shown_n=shown_n)


# What nobody read binds nobody: where no person can be asked, only the line to type is said.
def _ask(question: str, typed: str) -> None:
    if not sys.stdin.isatty():
        raise click.ClickException(
            f"nothing was sent, because nobody can be asked here; look first, then `{typed}`"
        )
    if not click.confirm(question, default=False, err=True):
        raise click.ClickException(f"nothing was sent; to do it later, type `{typed}`")


def _doubt(row: OrderRow) -> str:
    terms = f"{row.side} {row.quantity} {shown(row.symbol)}"
    return f"{terms} is {row.phase}, {row.filled_quantity} filled: {shown(row.detail)}".rstrip(": ")


def _halts(row: AccountRow) -> str:
    held = ", ".join(sorted(shown(symbol) for symbol in _symbols(row)))
    return f"halted or frozen by symbol: {held}" if held else "nothing to lift is known"


# Each scope is lifted by itself; what was shown of the others stands.
def _tell_rest(row: AccountRow, symbol: str) -> None:
    if symbol and row.state in _LIFTED:
        click.echo(f"{row.alias} itself is still {row.state}; `tiger-mcp resume {row.alias}`")
    # A freeze of a symbol ends with the account's.
    others = _symbols(row) - {symbol} if symbol else set(row.halted_symbols)
    for other in sorted(others):
        name = shown(other)
        click.echo(f"{name} is still held; `tiger-mcp resume {row.alias} --symbol {name}`")


def _symbols(row: AccountRow) -> set[str]:
    return {*row.halted_symbols, *row.frozen_symbols}


def _report(account: str, fact: codec.Recorded | None) -> None:
    if fact is None:
        raise click.ClickException(
            f"{account}: the control is stored, but no worker answered in {OUTCOME_LIMIT_S:.0f} s; "
            "see `tiger-mcp status`"
        )
    match fact.data:
        case AccountHalted(symbol=symbol):
            click.echo(f"{_scope(account, symbol)}: halted (event {fact.n})")
        case AccountResumed(symbol=symbol):
            click.echo(f"{_scope(account, symbol)}: resumed (event {fact.n})")
        case OrderReleased(order_id=order_id):
            click.echo(f"{account}: order {shown(order_id)} released (event {fact.n})")
        case AccountPositionAdopted(symbol=symbol, quantity=quantity):
            click.echo(f"{_scope(account, symbol)}: {quantity} adopted (event {fact.n})")
        case OrderRefused(code=code, detail=detail) | CommandUnreadable(code=code, detail=detail):
            raise click.ClickException(f"{account}: refused, {code}: {shown(detail)}")
        case _:
            click.echo(f"{account}: {fact.type} (event {fact.n})")


def _scope(account: str, symbol: str) -> str:
    return f"{account}, {shown(symbol)}" if symbol else account
