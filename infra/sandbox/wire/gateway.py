"""The Tiger port: reads a request, lets a fault have its way, calls the method, replies."""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

import msgspec

from infra.sandbox.broker.engine import Engine
from infra.sandbox.clock import Now, Sleep
from infra.sandbox.logins.gate import Gate
from infra.sandbox.logins.oauth_http import OAuthEndpoints
from infra.sandbox.methods.calls import Call
from infra.sandbox.replica import Replicas
from infra.sandbox.wire.bending import Bending
from infra.sandbox.wire.envelope import Envelope, GatewayError, Replier, open_envelope
from infra.sandbox.wire.faults import (
    AnyEffect,
    ClockSkew,
    DelayAfter,
    DelayBefore,
    Drip,
    DropAfterAcceptance,
    DropBeforeAcceptance,
    EmptyBody,
    ErrorCode,
    FaultRule,
    FaultTable,
    HoldAfter,
    HoldBefore,
    HttpStatus,
    MalformedBody,
    Redirect,
    TakenFault,
    WrongSign,
    happens_before,
    name_of,
)
from infra.sandbox.wire.http_server import HttpReply, HttpRequest
from infra.sandbox.wire.request_journal import RequestEntry, RequestJournal

# What a proxy between client and gateway would say; no client may rely on it.
PROXY_BODY = b"<html><body>proxy error</body></html>"
WRONG_SIGN = "d3Jvbmc="


class _WithAccount(msgspec.Struct, frozen=True, kw_only=True):
    account: str | int | None = None


class Gateway:
    """Answers requests to the Tiger port."""

    def __init__(
        self,
        *,
        engine: Engine,
        replicas: Replicas,
        gate: Gate,
        oauth: OAuthEndpoints,
        replier: Replier,
        now: Now,
        sleep: Sleep,
    ) -> None:
        self.faults = FaultTable()
        self.journal = RequestJournal()
        self._engine = engine
        self._replicas = replicas
        self._bending = Bending(engine, replicas)
        self.gate = gate
        self._oauth = oauth
        self._replier = replier
        self._now = now
        self._sleep = sleep
        self._held: list[asyncio.Event] = []

    async def answer(self, request: HttpRequest) -> HttpReply | None:
        """Return the reply to a request, or none to close the connection."""
        if self._oauth.serves(request.target):
            return await self._oauth.answer(request)
        if request.method != "POST":
            return HttpReply(status=405)
        began_ns = time.perf_counter_ns()
        envelope = open_envelope(request.body)
        method, account = envelope.text("method"), _account_in(envelope)
        fault = self.faults.take(method=method, account=account)
        effect = fault.effect if fault else None
        entry = RequestEntry(
            number=self.journal.number_last + 1,
            received_at=self._now(),
            tiger_id=envelope.text("tiger_id"),
            account=account,
            method=method,
            biz_content=envelope.text("biz_content"),
            fault=name_of(effect) if effect else None,
        )
        self.journal.arrived(entry)
        match effect:
            case DelayBefore(delay_s=delay_s):
                await self._sleep(delay_s)
            case HoldBefore():
                await self._hold()
            case _:
                pass
        if effect is not None and happens_before(effect):
            reply = self._reply_to(effect, HttpReply(body=b"{}"), request, envelope)
        else:
            done = self._execute(request, envelope, fault, entry)
            reply = await self._reply_after(effect, done, request, envelope)
        entry.is_answered = reply is not None
        if reply is None:
            return None

        def note() -> None:
            entry.took_us = (time.perf_counter_ns() - began_ns) // 1000

        return msgspec.structs.replace(reply, on_ready=note)

    def add_fault(self, rule: FaultRule) -> int:
        """Put a rule in force and return its id.

        Raises:
            ValueError: there are too many.
        """
        return self.faults.add(rule, past=self._replicas.copy)

    def clear_faults(self) -> None:
        """Remove all rules, and show again the orders that they hid; what is held stays held."""
        self.faults.clear()
        self._bending.clear()

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

    def _execute(
        self,
        request: HttpRequest,
        envelope: Envelope,
        fault: TakenFault | None,
        entry: RequestEntry,
    ) -> HttpReply:
        now = self._time_of(fault)
        try:
            caller = self.gate.admit(request, envelope, account=entry.account, now=self._now())
            call = Call(
                login=caller.login,
                device_id=caller.device_id,
                gate=self.gate,
                business=envelope.business,
                engine=self._engine,
                now=now,
            )
            data = self._bending.run(entry.method, entry.account, call, fault)
        except GatewayError as error:
            entry.reply_code = error.code
            body = self._replier.failure(error, envelope=envelope, now=now)
            return HttpReply(status=error.status, body=body)
        entry.reply_code = 0
        return HttpReply(body=self._replier.success(data, envelope=envelope, now=now))

    def _time_of(self, fault: TakenFault | None) -> datetime:
        if fault is not None and isinstance(fault.effect, ClockSkew):
            return self._now() + timedelta(seconds=fault.effect.skew_s)
        return self._now()

    async def _reply_after(
        self, effect: AnyEffect | None, done: HttpReply, request: HttpRequest, envelope: Envelope
    ) -> HttpReply | None:
        match effect:
            case DelayAfter(delay_s=delay_s):
                await self._sleep(delay_s)
            case HoldAfter():
                await self._hold()
            case _:
                pass
        return self._reply_to(effect, done, request, envelope)

    def _reply_to(
        self, effect: AnyEffect | None, done: HttpReply, request: HttpRequest, envelope: Envelope
    ) -> HttpReply | None:
        body = done.body
        match effect:
            case DropBeforeAcceptance() | DropAfterAcceptance():
                return None
            case Redirect(location=location):
                return HttpReply(status=307, location=location or request.target)
            case Drip(interval_s=interval_s):
                return msgspec.structs.replace(done, drip_s=interval_s)
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
                refused = self._replier.failure(error, envelope=envelope, now=self._now())
                return HttpReply(body=refused)
            case _:
                return done


def _account_in(envelope: Envelope) -> str:
    try:
        account = msgspec.json.decode(envelope.business, type=_WithAccount).account
    except (msgspec.MsgspecError, RecursionError):
        return ""
    return "" if account is None else str(account)
