"""Every account's ledger read as an auditor reads it, with the notary's rights alone."""

import contextlib
from collections.abc import AsyncIterator

from nats.aio.client import Client as NatsClient

from core import codec
from core.account_state import AccountState
from core.evolving import evolve
from core.subjects import ledger_stream
from infra.access import link_settings
from infra.config import Settings
from infra.home import Installation
from infra.ledger.history import LedgerReader
from infra.nats.link import connect
from infra.nats.topology import NOTARY


async def states_of(settings: Settings, installation: Installation) -> dict[str, AccountState]:
    """Return what every account's ledger says, folded anew, each record's chain checked.

    Raises:
        CorruptRecordError: a line has a gap or a fork.
    """
    aliases = [account.alias for login in installation.logins for account in login.accounts]
    states = {alias: AccountState(account=alias) for alias in aliases}
    tails = dict.fromkeys(states, codec.EMPTY_TAIL)
    async with linked(settings, NOTARY) as notary:
        for login in installation.logins:
            reader = LedgerReader(notary, stream=ledger_stream(login.name), consumer=NOTARY)
            async for record in reader.read_all():
                alias = record.subject.split(".")[1]
                recorded, tails[alias] = codec.follow(
                    tails[alias], record.subject, record.body, sequence=record.sequence
                )
                states[alias] = evolve(states[alias], recorded)
    return states


@contextlib.asynccontextmanager
async def linked(settings: Settings, role: str) -> AsyncIterator[NatsClient]:
    """Have a connection of a role for a while."""
    client = await connect(
        link_settings(settings, role=role, name=f"demo {role}"),
        on_error=lambda _: None,
        on_closed=lambda: None,
    )
    try:
        yield client
    finally:
        await client.close()
