"""`events tail`: the facts as any subscriber hears them, checked as any subscriber should."""

import asyncio
import sys

import click
import msgspec

from core import codec
from core.errors import ConfigError, CorruptRecordError
from core.ports import EventMessage
from core.subjects import SYSTEM, Kind
from infra.cli.context import with_settings
from infra.cli.person import operator_link
from infra.cli.terminal import shown
from infra.config import Settings
from infra.home import Home
from infra.nats.bus import NatsBus


@click.group()
def events() -> None:
    """Facts as they are stored."""


@events.command()
@click.argument("account", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print each event as it is stored.")
@with_settings
def tail(settings: Settings, account: str | None, as_json: bool) -> None:
    """Show each fact of ACCOUNT, or of all, as it is stored, until Ctrl-C."""
    installation = Home(settings.home).load()
    known = [each.alias for login in installation.logins for each in login.accounts] + [SYSTEM]
    if account is not None and account not in known:
        raise ConfigError(f"expected one of the accounts {', '.join(known)}, was {account}")
    asyncio.run(_tail(settings, [account] if account else known, as_json=as_json))


async def _tail(settings: Settings, accounts: list[str], *, as_json: bool) -> None:
    async with operator_link(settings) as client:
        bus = NatsBus(client)
        for account in accounts:
            await bus.listen(f"{Kind.EVENT}.{account}.>", Line(as_json=as_json).hear)
        click.echo(f"listening to {', '.join(accounts)}", err=True)
        await asyncio.Event().wait()


class Line:
    """One account's facts: shows each, and says when one was missed."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._tail: codec.Tail | None = None

    def hear(self, message: EventMessage) -> None:
        """Show one fact that the bus found to be republished by a ledger."""
        try:
            recorded = codec.decode(message.subject, message.body, sequence=message.sequence)
        except CorruptRecordError as error:
            self._tail = None
            click.echo(f"unreadable at sequence {message.sequence}: {shown(str(error))}", err=True)
            return
        if self._tail is not None:
            self._tell_gap(self._tail, message)
        stored = message.subject.replace(Kind.EVENT, Kind.LOG, 1)
        self._tail = codec.Tail(
            n=recorded.n,
            prev=codec.digest(stored, message.body),
            sequence=message.sequence,
            recorded_at=recorded.recorded_at,
        )
        click.echo(_stored(message.body) if self._as_json else readable(recorded))

    def _tell_gap(self, tail: codec.Tail, message: EventMessage) -> None:
        try:
            codec.follow(tail, message.subject, message.body, sequence=message.sequence)
        except CorruptRecordError as error:
            click.echo(
                f"gap or damage before sequence {message.sequence}: {shown(str(error))}", err=True
            )


def readable(recorded: codec.Recorded) -> str:
    """Return a fact on one line: when, whose, which, what."""
    data = msgspec.to_builtins(recorded.data)
    fields = " ".join(
        f"{name}={msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value}"
        for name, value in data.items()
        if value not in ("", None)
    )
    moment = recorded.recorded_at.strftime("%H:%M:%S.%f")[:-3]
    return shown(f"{moment} {recorded.account} #{recorded.n} {recorded.type} {fields}")


# A program gets the very bytes; on a terminal the same JSON stands with more of it escaped.
def _stored(body: bytes) -> bytes | str:
    return shown(body.decode()) if sys.stdout.isatty() else body
