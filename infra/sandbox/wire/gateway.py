"""The Tiger port: reads a request, lets a fault have its way, calls the method, replies."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from infra.sandbox.broker.engine import Engine
from infra.sandbox.methods import table
from infra.sandbox.methods.calls import Call
from infra.sandbox.wire.envelope import (
    Authenticator,
    Envelope,
    GatewayError,
    Replier,
    open_envelope,
)
from infra.sandbox.wire.faults import (
    ActiveFault,
    AnyEffect,
    DelayAfter,
    DelayBefore,
    Drip,
    DropAfterAcceptance,
    DropBeforeAcceptance,
    EmptyBody,
    ErrorCode,
    FaultTable,
    HoldAfter,
    HoldBefore,
    HttpStatus,
    MalformedBody,
    Redirect,
    RejectLate,
    StaleList,
    WrongSign,
    happens_before,
    name_of,
)
from infra.sandbox.wire.http_server import HttpReply, HttpRequest
from infra.sandbox.wire.request_journal import RequestEntry, RequestJournal

# What a proxy between client and gateway would say; no client may rely on it.
PROXY_BODY = b"<html><body>proxy error</body></html>"
WRONG_SIGN = "d3Jvbmc="

Clock = Callable[[], datetime]


class Gateway:
    """Answers requests to the Tiger port."""

    def __init__(
        self, *, engine: Engine, authenticator: Authenticator, replier: Replier, clock: Clock
    ) -> None:
        self.faults = FaultTable()
        self.journal = RequestJournal()
        self._engine = engine
        self._authenticator = authenticator
        self._replier = replier
        self._clock = clock
        self._held: list[asyncio.Event] = []

    async def answer(self, request: HttpRequest) -> HttpReply | None:
        """Return the reply to a request, or none to close the connection."""
        if request.method != "POST":
            return HttpReply(status=405)
        envelope = open_envelope(request.body)
        method, account = envelope.text("method"), _account_in(envelope)
        fault = self.faults.take(method=method, account=account)
        effect = fault.rule.effect if fault else None
        entry = RequestEntry(
            number=self.journal.number_last + 1,
            received_at=self._clock(),
            tiger_id=envelope.text("tiger_id"),
            account=account,
            method=method,
            biz_content=envelope.text("biz_content"),
            fault=name_of(effect) if effect else None,
        )
        self.journal.arrived(entry)
        match effect:
            case DelayBefore(delay_s=delay_s):
                await asyncio.sleep(delay_s)
            case HoldBefore():
                await self._hold()
            case _:
                pass
        if effect is not None and happens_before(effect):
            reply = self._reply_to(effect, b"{}", request, envelope)
        else:
            body = self._execute(envelope, fault, entry)
            reply = await self._reply_after(effect, body, request, envelope)
        entry.is_answered = reply is not None
        return reply

    @property
    def held_count(self) -> int:
        """How many requests wait for a release."""
        return len(self._held)

    def release(self) -> int:
        """Let all held requests go on, and return how many there were."""
        held, self._held = self._held, []
        for event in held:
            event.set()
        return len(held)

    async def _hold(self) -> None:
        event = asyncio.Event()
        self._held.append(event)
        try:
            await event.wait()
        finally:
            # The connection may have been cut without a release.
            if event in self._held:
                self._held.remove(event)

    def _execute(self, envelope: Envelope, fault: ActiveFault | None, entry: RequestEntry) -> bytes:
        now = self._clock()
        effect = fault.rule.effect if fault else None
        try:
            call = Call(
                login=self._authenticator.check(envelope),
                business=envelope.business,
                engine=self._engine,
                now=now,
                stale=fault.mark if fault and isinstance(effect, StaleList) else None,
                reject=effect.remark if isinstance(effect, RejectLate) else None,
            )
            data = table.run(entry.method, call)
        except GatewayError as error:
            entry.reply_code = error.code
            return self._replier.failure(error, envelope=envelope, now=now)
        entry.reply_code = 0
        return self._replier.success(data, envelope=envelope, now=now)

    async def _reply_after(
        self, effect: AnyEffect | None, body: bytes, request: HttpRequest, envelope: Envelope
    ) -> HttpReply | None:
        match effect:
            case DelayAfter(delay_s=delay_s):
                await asyncio.sleep(delay_s)
            case HoldAfter():
                await self._hold()
            case _:
                pass
        return self._reply_to(effect, body, request, envelope)

    def _reply_to(
        self, effect: AnyEffect | None, body: bytes, request: HttpRequest, envelope: Envelope
    ) -> HttpReply | None:
        match effect:
            case DropBeforeAcceptance() | DropAfterAcceptance():
                return None
            case Redirect(location=location):
                return HttpReply(status=307, location=location or request.target)
            case Drip(interval_s=interval_s):
                return HttpReply(body=body, drip_s=interval_s)
            case HttpStatus(status=status):
                return HttpReply(status=status, body=PROXY_BODY)
            case EmptyBody():
                return HttpReply()
            case MalformedBody():
                return HttpReply(body=body[: max(1, len(body) // 2)])
            case WrongSign():
                fields = msgspec.json.decode(body, type=dict[str, Any])
                return HttpReply(body=msgspec.json.encode(fields | {"sign": WRONG_SIGN}))
            case ErrorCode(code=code, message=message):
                error = GatewayError(code, message)
                refused = self._replier.failure(error, envelope=envelope, now=self._clock())
                return HttpReply(body=refused)
            case _:
                return HttpReply(body=body)


def _account_in(envelope: Envelope) -> str:
    try:
        fields = msgspec.json.decode(envelope.business, type=dict[str, Any])
    except msgspec.MsgspecError:
        return ""
    account = fields.get("account")
    return account if isinstance(account, str) else ""
