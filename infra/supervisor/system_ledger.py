"""The system's own line of events: which accounts exist, under which login, in which world."""

from typing import Final, NamedTuple

import msgspec
from nats.aio.client import Client

from core import codec
from core.account_events import AccountAdded, AccountRemoved
from core.errors import ConfigError
from core.ports import Clock, Ids
from core.subjects import SYSTEM, SYSTEM_STREAM, history_consumer
from infra.access import link_settings
from infra.config import Settings
from infra.home import Installation
from infra.ledger.append import AccountWriter
from infra.ledger.history import LedgerReader
from infra.nats.link import connect
from infra.nats.topology import OPERATOR
from infra.version import code_version

_APPEND_LIMIT_S: Final = 10.0


async def record_accounts_as_operator(
    settings: Settings, installation: Installation, *, clock: Clock, ids: Ids
) -> tuple[str, ...]:
    """Connect as the operator and record the accounts; see `record_accounts`.

    Raises:
        ServiceError: as `record_accounts`, or NATS cannot be reached.
    """
    client = await connect(
        link_settings(settings, role=OPERATOR, name="supervisor"),
        on_error=lambda _: None,
        on_closed=lambda: None,
    )
    try:
        return await record_accounts(client, installation, clock=clock, ids=ids)
    finally:
        await client.close()


async def record_accounts(
    client: Client, installation: Installation, *, clock: Clock, ids: Ids
) -> tuple[str, ...]:
    """Append which accounts were added, and which removed, since; return the aliases added.

    `client` is the operator's; the caller is the only writer (it holds the home's lock).

    Raises:
        ConfigError: an account stands in the ledger under another login or environment.
        ServiceError: the ledger cannot be read or written.
    """
    known, tail = await _read(client)
    writer = AccountWriter(client, stream=SYSTEM_STREAM, account=SYSTEM)
    added: list[str] = []
    for fact in _facts(installation):
        if (stored := known.get(fact.alias)) is not None:
            _must_match(fact, stored.added)
            if not stored.is_removed:
                continue
        tail = await _append(writer, fact, tail, clock=clock, ids=ids)
        added.append(fact.alias)
    for removal in _removals(installation):
        stored = known.get(removal.alias)
        # One that came and went while no cluster ran has no line to tell of.
        if stored is not None and not stored.is_removed:
            tail = await _append(writer, removal, tail, clock=clock, ids=ids)
    return tuple(added)


class _Known(NamedTuple):
    added: AccountAdded
    is_removed: bool


async def _read(client: Client) -> tuple[dict[str, _Known], codec.Tail]:
    reader = LedgerReader(client, stream=SYSTEM_STREAM, consumer=history_consumer(SYSTEM))
    known: dict[str, _Known] = {}
    tail = codec.EMPTY_TAIL
    try:
        async for record in reader.read_all():
            recorded, tail = codec.follow(
                tail, record.subject, record.body, sequence=record.sequence
            )
            fact = recorded.data
            if isinstance(fact, AccountAdded):
                known[fact.alias] = _Known(fact, is_removed=False)
            elif isinstance(fact, AccountRemoved) and fact.alias in known:
                known[fact.alias] = _Known(known[fact.alias].added, is_removed=True)
    finally:
        await reader.close()
    return known, tail


def _facts(installation: Installation) -> tuple[AccountAdded, ...]:
    return tuple(
        AccountAdded(alias=account.alias, login=login.name, environment=account.environment)
        for login in installation.logins
        for account in login.accounts
    )


def _removals(installation: Installation) -> tuple[AccountRemoved, ...]:
    return tuple(
        AccountRemoved(alias=account.alias, login=login.name, left_open=account.left_open)
        for login in installation.logins
        for account in login.removed
    )


def _must_match(fact: AccountAdded, stored: AccountAdded) -> None:
    if fact != stored:
        raise ConfigError(
            f"expected account {stored.alias} under login {stored.login} as {stored.environment}, "
            f"for ever, was login {fact.login} as {fact.environment} in installation.json"
        )


async def _append(
    writer: AccountWriter,
    fact: AccountAdded | AccountRemoved,
    tail: codec.Tail,
    *,
    clock: Clock,
    ids: Ids,
) -> codec.Tail:
    now = clock.now()
    recorded = codec.Recorded(
        type=codec.type_name(fact),
        event_id=ids.new("evt"),
        account=SYSTEM,
        n=tail.n + 1,
        recorded_at=now if tail.recorded_at is None else max(now, tail.recorded_at),
        correlation_id=ids.new("cor"),
        causation_id="",
        actor=OPERATOR,
        code_version=code_version(),
        data=fact,
    )
    subject, body = codec.encode(recorded, prev=tail.prev)
    appended = await writer.append(
        subject=subject,
        body=body,
        event_id=recorded.event_id,
        expected_sequence=tail.sequence,
        deadline_s=_APPEND_LIMIT_S,
    )
    stored = msgspec.structs.replace(recorded, sequence=appended.sequence)
    return codec.Tail(
        n=stored.n,
        prev=codec.digest(subject, body),
        sequence=stored.sequence,
        recorded_at=stored.recorded_at,
    )
