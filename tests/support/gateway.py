"""A gateway for tests: the real server and client, and a scripted bus where NATS would be."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mcp import Client
from mcp.types import CallToolResult, Implementation, TextContent

from adapters.mcp.callers import CALLER, LOCAL, NOBODY
from adapters.mcp.parts import Connected, Parts, Waits
from adapters.mcp.server import build
from core import codec, events, preview_events, views
from core.asks import HEALTH, AskReply
from core.commands import COMMAND_CLASSES, Command, Envelope, Sealed, parse_body, signed_bytes
from core.errors import LinkError
from core.modes import Environment
from core.modes import Mode as AccountMode
from core.money import Money
from core.orders import CancelPhase, ModifyPhase, Phase
from core.ports import EventMessage
from core.terms import OrderSpec, OrderType, Side, TimeInForce

NOW: Final = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
ACCOUNTS: Final[Mapping[str, Environment]] = {
    "paper-1": Environment.PAPER,
    "sandbox": Environment.SANDBOX,
}
# Short, so that a test of the doubt takes a fraction of a second; long enough for a busy machine.
QUICK: Final = Waits(
    ready_s=0.2,
    reconnect_s=0.01,
    preview_s=0.3,
    submit_s=0.3,
    cancel_s=0.3,
    modify_s=0.3,
    halt_s=0.3,
    replaced_s=0.02,
    publish_s=0.2,
    event_s=0.02,
    view_s=0.2,
    ask_s=0.2,
)
PATIENT: Final = Waits(event_s=2.0)
TEST_LIMIT_S: Final = 30.0
Mode = Literal["auto", "legacy"]
MODES: Final[tuple[Mode, ...]] = ("auto", "legacy")

Handler = Callable[[EventMessage], None]


class Published(NamedTuple):
    """One command as the bus got it, its seal opened and checked."""

    account: str
    message_id: str
    envelope: Envelope
    command: Command


class TestSigner:
    """A key of its own."""

    __test__ = False
    key_id = "gateway"

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    def sign(self, message: bytes) -> str:
        """Return the base64 signature."""
        return base64.b64encode(self._key.sign(message)).decode()

    def check(self, message: bytes, signature: str) -> None:
        """Raise for a signature that is not of this key."""
        self._key.public_key().verify(base64.b64decode(signature, validate=True), message)


class FakeClock:
    """Stands still."""

    def now(self) -> datetime:
        """Return the one moment."""
        return NOW

    def boot_s(self) -> float:
        """Return no time since boot."""
        return 0.0


class CountingIds:
    """Ids in a fixed order."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new(self, prefix: str) -> str:
        """Return the next id."""
        return f"{prefix}-{next(self._numbers):032x}"


async def _store(_: str) -> None:
    """Take a record at once."""


class FakeBus:
    """Stands for NATS: stores commands once, answers by script, republishes what is emitted.

    `worker` gets each command that is new. `answers` holds bytes, a struct, an error or a function
    of the question for each subject; a subject that is not there has nobody who answers.
    """

    def __init__(self, signer: TestSigner) -> None:
        self._signer = signer
        self._handlers: dict[str, list[Handler]] = {}
        self._stored: set[str] = set()
        self._n: dict[str, int] = {}
        self.published: list[Published] = []
        self.accesses: list[tuple[str, bytes]] = []
        # Comes back when the stream has the record, raises when it has not.
        self.on_access: Callable[[str], Awaitable[None]] = _store
        self.arrived = asyncio.Event()
        self.asked: list[tuple[str, bytes]] = []
        # A projector that knows of no order; one that is away has no answer.
        self.answers: dict[str, Any] = {
            "view.sandbox.orders": views.OrdersAnswer(as_of=AS_OF, orders=(), cursor=None)
        }
        self.worker: Callable[[Published], None] = lambda _: None
        self.publish_faults: list[Exception] = []

    async def publish(
        self, subject: str, body: bytes, *, message_id: str, timeout_s: float
    ) -> bool:
        """Store a command, or fail as scripted; keep an access record beside the commands."""
        if subject.startswith("access."):
            await self.on_access(message_id)
            self.accesses.append((subject, body))
            return False
        published = self._opened(subject, body, message_id)
        self.published.append(published)
        self.arrived.set()
        if self.publish_faults:
            raise self.publish_faults.pop(0)
        if message_id in self._stored:
            return True
        self._stored.add(message_id)
        self.worker(published)
        return False

    async def request(self, subject: str, body: bytes, *, timeout_s: float) -> bytes:
        """Answer as scripted; a worker is there unless a test says otherwise."""
        if subject.startswith("ask.") and subject.endswith(f".{HEALTH}"):
            return self._answered(
                self.answers.get(subject, AskReply(data=msgspec.Raw(b"{}"))), body
            )
        self.asked.append((subject, body))
        answer = self.answers.get(subject, LinkError("expected an answer, was none"))
        return self._answered(answer, body)

    @staticmethod
    def _answered(answer: Any, body: bytes) -> bytes:
        if callable(answer):
            answer = answer(body)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else msgspec.json.encode(answer)

    async def listen(self, subject: str, handler: Handler) -> None:
        """Keep a handler for one account's facts."""
        self._handlers.setdefault(subject, []).append(handler)

    def emit(self, account: str, event: events.Event, *, caused_by: str = "") -> codec.Recorded:
        """Republish a fact to everyone who listens."""
        recorded = self.record(account, event, caused_by=caused_by)
        _, body = codec.encode(recorded, prev=codec.FIRST_PREV)
        message = EventMessage(f"evt.{account}.{recorded.type}", recorded.sequence, body)
        for handler in self._handlers.get(f"evt.{account}.>", ()):
            handler(message)
        return recorded

    def emit_soon(self, account: str, event: events.Event, *, caused_by: str = "") -> None:
        """Republish a fact once whoever runs now waits for something."""
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: self.emit(account, event, caused_by=caused_by))

    def record(self, account: str, event: events.Event, *, caused_by: str = "") -> codec.Recorded:
        """Return a fact as the ledger would have it, without telling anybody."""
        n = self._n[account] = self._n.get(account, 0) + 1
        return codec.Recorded(
            type=codec.type_name(event),
            event_id=f"evt-{n}",
            account=account,
            n=n,
            recorded_at=NOW + timedelta(seconds=n),
            correlation_id="",
            causation_id=caused_by,
            actor="worker",
            code_version="test",
            data=event,
            sequence=100 + n,
        )

    def _opened(self, subject: str, body: bytes, message_id: str) -> Published:
        sealed = msgspec.json.decode(body, type=Sealed)
        assert sealed.key_id == "gateway"
        self._signer.check(signed_bytes(subject, bytes(sealed.envelope)), sealed.signature)
        envelope = msgspec.json.decode(sealed.envelope, type=Envelope)
        _, account, name = subject.split(".", 2)
        command = parse_body(dict(COMMAND_CLASSES), name, bytes(envelope.body))
        return Published(account, message_id, envelope, command)


class World:
    """One gateway on one scripted bus."""

    def __init__(self, waits: Waits = PATIENT, *, asks: bool = True) -> None:
        self.signer = TestSigner()
        self.bus = FakeBus(self.signer)
        self.accounts: dict[str, Environment] = dict(ACCOUNTS)
        self.modes: dict[str, AccountMode] = {}
        self.connect_faults: list[Exception] = []
        self.connections: list[Connected] = []
        self.closed = 0
        self.connected = asyncio.Event()
        # Cleared: `connect` does not come back.
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.parts = Parts(
            connect=self._connect,
            accounts=lambda: self.accounts,
            clock=FakeClock(),
            ids=CountingIds(),
            version="1.2.3",
            waits=waits,
            modes=lambda: self.modes,
            asks=asks,
        )
        self.server = build(self.parts)

    @asynccontextmanager
    async def client(self, mode: Mode) -> AsyncIterator[Client]:
        """Connect a real MCP client in memory; the whole block is bounded."""
        told = Implementation(name="test-client", version="9")
        with somebody():
            async with asyncio.timeout(TEST_LIMIT_S):
                async with Client(self.server, mode=mode, client_info=told) as client:
                    yield client

    async def _connect(self) -> Connected:
        await self.reachable.wait()
        if self.connect_faults:
            raise self.connect_faults.pop(0)
        connected = Connected(
            bus=self.bus, signer=self.signer, lost=asyncio.Event(), close=self._close
        )
        self.connections.append(connected)
        self.connected.set()
        return connected

    async def _close(self) -> None:
        self.closed += 1


@contextmanager
def somebody() -> Iterator[None]:
    """Call as the user of this machine, where a test does not say who calls."""
    if CALLER.get() is not NOBODY:
        yield
        return
    before = CALLER.set(LOCAL)
    try:
        yield
    finally:
        CALLER.reset(before)


def told(result: CallToolResult) -> dict[str, Any]:
    """Return what a good result says, its text being the very same."""
    assert not result.is_error, text_of(result)
    structured = msgspec.convert(result.structured_content, dict[str, Any])
    assert msgspec.json.decode(text_of(result)) == structured
    return structured


def rows_of(table: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a table by the names of its columns."""
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def error_of(result: CallToolResult) -> str:
    """Return the text of a result that is an error."""
    assert result.is_error
    return text_of(result)


def text_of(result: CallToolResult) -> str:
    """Return the one text of a result."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def order_spec(**changes: Any) -> OrderSpec:
    """Return the order that the tests talk about."""
    return msgspec.structs.replace(
        OrderSpec(
            symbol="AAPL",
            market="US",
            currency="USD",
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            quantity=Decimal(10),
            limit_price=Decimal("185.50"),
            time_in_force=TimeInForce.DAY,
            outside_regular_hours=False,
        ),
        **changes,
    )


def previewed(command_id: str, **changes: Any) -> preview_events.OrderPreviewed:
    """Return the fact of a good preview."""
    return msgspec.structs.replace(
        preview_events.OrderPreviewed(
            preview_id=PREVIEW_ID,
            command_id=command_id,
            spec=order_spec(),
            reason="because",
            checks=(
                preview_events.Check(name="lot_size", passed=True, detail="10 in lots of 1"),
                preview_events.Check(
                    name="broker_preview", passed=True, detail="ok\x07 by\nthe broker"
                ),
            ),
            quote=preview_events.QuoteUsed(
                bid=Decimal("185.40"), ask=Decimal("185.60"), last=None, at=NOW
            ),
            estimate=preview_events.Estimate(
                notional=Money(amount=Decimal("1855.00"), currency="USD"),
                commission=Money(amount=Decimal("0.99"), currency="USD"),
                initial_margin=None,
                message="",
            ),
            digest="d" * 64,
            expires_at=NOW + timedelta(minutes=10),
        ),
        **changes,
    )


def started(command_id: str) -> events.OrderSubmissionStarted:
    """Return the fact of an intent."""
    return events.OrderSubmissionStarted(
        order_id=ORDER_ID,
        command_id=command_id,
        preview_id=PREVIEW_ID,
        spec=order_spec(),
        reason="because",
        order_number="77",
        mark=f"ledger.{ORDER_ID}",
        send_by=NOW,
        arrives_by=NOW,
    )


def row_of(recorded: codec.Recorded) -> views.EventRow:
    """Return a fact as a view shows it."""
    return views.EventRow(
        type=recorded.type,
        n=recorded.n,
        recorded_at=recorded.recorded_at,
        data=msgspec.Raw(msgspec.json.encode(recorded.data)),
    )


def order_row(order_id: str, **changes: Any) -> views.OrderRow:
    """Return an order as a view shows it."""
    spec = order_spec()
    return msgspec.structs.replace(
        views.OrderRow(
            order_id=order_id,
            tiger_order_id="",
            symbol=spec.symbol,
            market=spec.market,
            currency=spec.currency,
            side=spec.side,
            order_type=spec.order_type,
            quantity=spec.quantity,
            limit_price=spec.limit_price,
            time_in_force=spec.time_in_force,
            phase=Phase.WORKING,
            cancel=CancelPhase.REQUESTED,
            modify=ModifyPhase.NONE,
            filled_quantity=spec.quantity,
            average_price=None,
            reason="",
            detail="",
            is_external=False,
            started_at=NOW,
            updated_at=NOW,
            spec=spec,
        ),
        **changes,
    )


PREVIEW_ID: Final = f"prv-{7:032x}"
ORDER_ID: Final = f"ord-{8:032x}"
AS_OF: Final = views.AsOf(n=5, sequence=9, recorded_at=NOW)
TERMS: Final[dict[str, object]] = {
    "account": "sandbox",
    "symbol": "AAPL",
    "side": "buy",
    "order_type": "limit",
    "quantity": "10",
    "limit_price": "185.50",
    "reason": "because",
}
