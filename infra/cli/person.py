"""A person's side of NATS: the operator's connection, and a control signed, sent and answered.

A control is stored before it is acted on; its outcome is heard as a fact with its correlation id,
so the subscription stands before the control is sent.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import msgspec
from nats.aio.client import Client

from core import codec
from core.commands import CONTROL_CLASSES, Envelope, PersonCommand, Sealed, signed_bytes
from core.errors import ConfigError, CorruptRecordError, LinkError
from core.orders import DOUBTFUL_PHASES
from core.ports import EventMessage
from core.subjects import SYSTEM, Kind, subject
from core.views import (
    AccountRow,
    AccountsAnswer,
    AccountsQuery,
    OrderRow,
    OrdersAnswer,
    OrdersQuery,
)
from infra.access import link_settings
from infra.cli.terminal import shown
from infra.clock import RandomIds, SystemClock
from infra.config import Settings
from infra.home import Home
from infra.keyring import FileSigner
from infra.nats.bus import NatsBus
from infra.nats.link import connect
from infra.nats.topology import OPERATOR

_LIFE: Final = timedelta(seconds=60)
_PUBLISH_LIMIT_S: Final = 5.0
OUTCOME_LIMIT_S: Final = 20.0
# How far the views may be behind what somebody typed before.
_SHOWN_LIMIT_S: Final = 2.0
_SHOWN_EVERY_S: Final = 0.05
_NAMES: Final = {command: name for name, command in CONTROL_CLASSES.items()}


@asynccontextmanager
async def operator_link(settings: Settings) -> AsyncIterator[Client]:
    """Connect as the operator while the block runs.

    Raises:
        LinkError: NATS cannot be reached.
        ConfigError: no cluster was ever started on this home.
    """
    try:
        client = await connect(
            link_settings(settings, role=OPERATOR, name="tiger-mcp"),
            on_error=lambda _: None,
            on_closed=lambda: None,
        )
    except LinkError as error:
        raise LinkError(f"{error}; is the cluster up? See `tiger-mcp status`") from error
    try:
        yield client
    finally:
        await client.close()


async def send_control(
    client: Client, settings: Settings, account: str, command: PersonCommand
) -> codec.Recorded | None:
    """Send one control and return the fact it led to; nothing if none came within the limit.

    Raises:
        LinkError: whether the control was stored is not known.
    """
    bus = NatsBus(client)
    where, sealed, envelope = _sealed(settings, account, command)
    outcome: asyncio.Future[codec.Recorded] = asyncio.get_running_loop().create_future()

    def hear(message: EventMessage) -> None:
        try:
            recorded = codec.decode(message.subject, message.body, sequence=message.sequence)
        except CorruptRecordError:
            return  # another version's fact; ours would decode
        if recorded.correlation_id == envelope.correlation_id and not outcome.done():
            outcome.set_result(recorded)

    await bus.listen(f"{Kind.EVENT}.{account}.>", hear)
    await bus.publish(
        where,
        sealed,
        message_id=f"{account}/{envelope.command_id}",
        timeout_s=_PUBLISH_LIMIT_S,
    )
    try:
        async with asyncio.timeout(OUTCOME_LIMIT_S):
            return await outcome
    except TimeoutError:
        return None


async def shown_account(
    client: Client, account: str, is_awaited: Callable[[AccountRow], bool]
) -> AccountRow:
    """Return the account as the views show it; one that is awaited is waited for a moment.

    The views are a little behind the record, so that what was typed just before may still come.

    Raises:
        LinkError: the projector does not answer, or does not know the account yet.
    """
    bus = NatsBus(client)
    give_up_at = time.monotonic() + _SHOWN_LIMIT_S
    while True:
        body = await bus.request(
            f"{Kind.VIEW}.{SYSTEM}.accounts",
            msgspec.json.encode(AccountsQuery()),
            timeout_s=_PUBLISH_LIMIT_S,
        )
        rows = msgspec.json.decode(body, type=AccountsAnswer).accounts
        row = next((row for row in rows if row.alias == account), None)
        is_over = time.monotonic() > give_up_at
        if row is not None and (is_over or is_awaited(row)):
            return row
        if is_over:
            raise LinkError(f"the views do not know {account} yet; see `tiger-mcp status`")
        await asyncio.sleep(_SHOWN_EVERY_S)


async def shown_order(
    client: Client, account: str, order_id: str, *, shown_n: int
) -> tuple[OrderRow | None, int]:
    """Return an order as the views show it, None if they know none, and how far they went.

    One that is not in doubt there yet is waited for a moment, and so is event `shown_n`.

    Raises:
        LinkError: the projector does not answer.
        CommandError: it does not know the account yet.
    """
    bus = NatsBus(client)
    give_up_at = time.monotonic() + _SHOWN_LIMIT_S
    while True:
        body = await bus.request(
            subject(Kind.VIEW, account, "orders"),
            msgspec.json.encode(OrdersQuery(order_ids=(order_id,))),
            timeout_s=_PUBLISH_LIMIT_S,
        )
        answer = msgspec.json.decode(body, type=OrdersAnswer)
        row = next(iter(answer.orders), None)
        is_doubtful = row is not None and row.phase in DOUBTFUL_PHASES
        is_awaited = is_doubtful and answer.as_of.n >= shown_n
        if is_awaited or time.monotonic() > give_up_at:
            return row, answer.as_of.n
        await asyncio.sleep(_SHOWN_EVERY_S)


def check_account(settings: Settings, account: str) -> None:
    """Refuse an account that the installation does not have.

    Raises:
        ConfigError: naming those there are.
    """
    installation = Home(settings.home).load()
    known = [each.alias for login in installation.logins for each in login.accounts]
    if account not in known:
        raise ConfigError(f"expected one of the accounts {', '.join(known)}, was {shown(account)}")


def _sealed(
    settings: Settings, account: str, command: PersonCommand
) -> tuple[str, bytes, Envelope]:
    ids = RandomIds()
    now = SystemClock().now()
    where = subject(Kind.CONTROL, account, _NAMES[type(command)])
    envelope = Envelope(
        command_id=ids.new("ctl"),
        correlation_id=ids.new("cor"),
        principal=OPERATOR,
        issued_at=now,
        expires_at=now + _LIFE,
        body=msgspec.Raw(msgspec.json.encode(command)),
    )
    body = msgspec.json.encode(envelope)
    signer = FileSigner(settings.keys, OPERATOR)
    sealed = Sealed(
        key_id=signer.key_id,
        signature=signer.sign(signed_bytes(where, body)),
        envelope=msgspec.Raw(body),
    )
    return where, msgspec.json.encode(sealed), envelope
