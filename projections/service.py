"""`view.<account>.<what>` on NATS: decodes a question strictly, answers it, or says why not.

A refusal travels as the micro protocol has it (`Nats-Service-Error-Code`, `Nats-Service-Error`),
with `core.asks.AskFault` as its body. Nothing that the caller sent is repeated in it.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
import nats.errors
import nats.micro
import structlog
from nats.aio.client import Client
from nats.micro.request import Request
from nats.micro.service import Service

from core import views
from core.asks import AskFault
from core.errors import CommandError
from core.ids import is_alias
from core.subjects import SYSTEM, Kind
from projections.progress import HealthAnswer, Progress
from projections.queries import Queries

BEHIND_WAIT_S: Final = 2.0
STOP_WAIT_S: Final = 2.0
# Questions that wait for the ledger at the same time; every other question is answered at once.
WAITING_MAX: Final = 256
BODY_BYTES_MAX: Final = 16 * 1024
_NAME: Final = "tiger-views"
_VERSION: Final = "1.0.0"
_QUEUE: Final = "views"
_FIELD: Final = re.compile(r" - at `\$\.([a-z_]+)")

_log: Final = structlog.get_logger(__name__)

Q = TypeVar("Q", bound=views.Query)


class _Endpoint(NamedTuple, Generic[Q]):
    """One kind of question about one account."""

    decoder: msgspec.json.Decoder[Q]
    answer: Callable[[str, Q], bytes]


class ViewService:
    """Answers every `view.` question of one projector."""

    def __init__(
        self,
        nc: Client,
        queries: Queries,
        progress: Progress,
        *,
        health: Callable[[], HealthAnswer],
    ) -> None:
        self._nc = nc
        self._queries = queries
        self._progress = progress
        self._health = health
        self._service: Service | None = None
        self._waiting: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on every subject of the service."""
        queries = self._queries
        self._service = await nats.micro.add_service(
            self._nc, name=_NAME, version=_VERSION, queue_group=_QUEUE
        )
        await self._serve("orders", views.OrdersQuery, queries.orders)
        await self._serve("executions", views.ExecutionsQuery, queries.executions)
        await self._serve("positions", views.PositionsQuery, queries.positions)
        await self._serve("balances", views.BalancesQuery, queries.balances)
        await self._serve("command", views.CommandQuery, queries.command)
        await self._serve("explain", views.ExplainQuery, queries.explain)
        await self._serve("audit", views.AuditQuery, queries.audit)
        await self._serve_system("accounts", queries.accounts)
        await self._serve_system("health", lambda: msgspec.json.encode(self._health()))
        await self._nc.flush()

    async def stop(self) -> None:
        """Stop listening; questions that wait are not answered any more."""
        if self._service is not None and self._nc.is_connected:
            try:
                async with asyncio.timeout(STOP_WAIT_S):
                    await self._service.stop()
            except (nats.errors.Error, TimeoutError) as error:
                # A server that does not answer is often why we stop, and it forgets us by itself.
                _log.warning(
                    "views.left", waited_for="nats-server to let go", cause=type(error).__name__
                )
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _serve(self, name: str, query: type[Q], answer: Callable[[str, Q], bytes]) -> None:
        endpoint = _Endpoint(msgspec.json.Decoder(query), answer)

        async def handle(request: Request) -> None:
            await self._handle(request, endpoint)

        await self._add(name, f"{Kind.VIEW}.*.{name}", handle)

    async def _serve_system(self, name: str, answer: Callable[[], bytes]) -> None:
        decoder = msgspec.json.Decoder(views.AccountsQuery)

        async def handle(request: Request) -> None:
            try:
                if _decoded(decoder, request.data).at_least_n:
                    raise CommandError("expected at_least_n on an account", field="at_least_n")
                await request.respond(answer())
            except CommandError as error:
                await _refuse(request, error)

        await self._add(name, f"{Kind.VIEW}.{SYSTEM}.{name}", handle)

    async def _add(self, name: str, subject: str, handle: Callable[[Request], Any]) -> None:
        assert self._service is not None, "add endpoints after the service was made"
        await self._service.add_endpoint(name=name, subject=subject, handler=handle)

    async def _handle(self, request: Request, endpoint: _Endpoint[Q]) -> None:
        try:
            account = _account_of(request.subject)
            query = _decoded(endpoint.decoder, request.data)
            if query.at_least_n <= self._progress.n(account):
                await request.respond(endpoint.answer(account, query))
                return
            if len(self._waiting) >= WAITING_MAX:
                raise CommandError(
                    f"expected at most {WAITING_MAX} questions that wait",
                    field="at_least_n",
                    code="busy",
                )
        except CommandError as error:
            await _refuse(request, error)
            return
        # The endpoint takes the next question only when this one returns, so waiting is done apart.
        task = asyncio.create_task(self._answer_later(request, endpoint, account, query))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _answer_later(
        self, request: Request, endpoint: _Endpoint[Q], account: str, query: Q
    ) -> None:
        in_time = await self._progress.wait(account, query.at_least_n, timeout_s=BEHIND_WAIT_S)
        try:
            body = endpoint.answer(account, query)
            if not in_time:
                raise CommandError(
                    f"expected the views to include event {query.at_least_n}, "
                    f"they end at {self._progress.n(account)}; ask again",
                    field="at_least_n",
                    code="behind",
                )
            await request.respond(body)
        except CommandError as error:
            await _refuse(request, error)


def _account_of(subject: str) -> str:
    account = subject.split(".")[1]
    if not is_alias(account):
        raise CommandError(
            "expected view.<account>.<what> with an account's alias", field="account"
        )
    return account


def _decoded(decoder: msgspec.json.Decoder[Q], body: bytes) -> Q:
    if len(body) > BODY_BYTES_MAX:
        raise CommandError(f"expected at most {BODY_BYTES_MAX} bytes", field="body")
    try:
        query = decoder.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _misread(decoder, error) from None
    if query.at_least_n < 0:
        raise CommandError("expected at_least_n of 0 or more", field="at_least_n")
    return query


# msgspec's own text repeats what was sent; only the name of a field of ours is taken from it.
def _misread(decoder: msgspec.json.Decoder[Q], error: Exception) -> CommandError:
    known = [field.name for field in msgspec.structs.fields(decoder.type)]
    found = _FIELD.search(str(error))
    if found is not None and found[1] in known:
        return CommandError(f"expected another type or value of {found[1]}", field=found[1])
    return CommandError(
        f"expected a JSON object with no other fields than {', '.join(known)}", field="body"
    )


async def _refuse(request: Request, error: CommandError) -> None:
    fault = AskFault(code=error.code, message=str(error), field=error.field)
    await request.respond_error(error.code, str(error), msgspec.json.encode(fault))
