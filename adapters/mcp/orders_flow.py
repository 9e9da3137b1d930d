"""A command's way: sealed, stored durably, then waited for; never withdrawn, never sent anew.

Whatever goes wrong after the first try to store it, the outcome is a state that can be asked about
again by the same command id, never an error that sounds like "not sent".
"""

import asyncio
import hashlib
from collections.abc import Set
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
import structlog

from adapters.mcp.facts import Fact, Waiter, fact_of
from adapters.mcp.gateway import Gateway
from adapters.mcp.parts import Connected
from core.commands import Envelope, ModelCommand, Sealed, signed_bytes
from core.errors import CommandError, LinkError
from core.ports import Signer
from core.subjects import Kind, subject
from core.views import CommandAnswer, CommandQuery

_log = structlog.get_logger()
_encoder: Final = msgspec.json.Encoder()
_answer_decoder: Final = msgspec.json.Decoder(CommandAnswer)

PREVIEW: Final = "order.preview"
SUBMIT: Final = "order.submit"
CANCEL: Final = "order.cancel"
CANCEL_MANY: Final = "order.cancel_many"
MODIFY: Final = "order.modify"
HALT: Final = "trading.halt"

# The facts after which a command is over, as far as its caller is concerned.
ENDS: Final[dict[str, Set[str]]] = {
    PREVIEW: frozenset({"order.previewed", "order.refused"}),
    SUBMIT: frozenset(
        {
            "order.accepted",
            "order.rejected",
            "order.refused",
            "order.not_sent",
            "order.outcome_unknown",
        }
    ),
    CANCEL: frozenset(
        {
            "order.cancel_requested",
            "order.cancel_refused",
            "order.cancel_unknown",
            "order.cancel_wanted",
            "order.refused",
        }
    ),
    CANCEL_MANY: frozenset({"account.cancels_asked", "order.refused"}),
    MODIFY: frozenset(
        {
            "order.replaced",
            "order.modify_refused",
            "order.modify_not_sent",
            "order.modify_unknown",
            "order.modify_not_applied",
            "order.refused",
        }
    ),
    HALT: frozenset({"account.halted", "order.refused"}),
}
# Facts that are an answer already, behind which an end may follow soon.
HALFWAY: Final[dict[str, Set[str]]] = {MODIFY: frozenset({"order.modify_requested"})}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One command to be sent: `life_s` until it may act, `wait_s` until we stop waiting for it."""

    account: str
    name: str
    command_id: str
    correlation_id: str
    principal: str
    body: ModelCommand
    owner: str = ""
    life_s: float
    wait_s: float
    linger_s: float = 0.0  # behind an answer that is no end yet


class Outcome(NamedTuple):
    """What became of a command so far; `end` is None while that is not known.

    `is_repeat`: it was over before this call, by what was known of it then and by what the stream
    and the views say of it first; never by a clock, for the worker's is another.
    """

    facts: tuple[Fact, ...]
    end: Fact | None
    is_stored: bool
    is_repeat: bool = False


def seal(asked: Asked, *, signer: Signer, now: datetime) -> tuple[str, bytes]:
    """Return the subject and the signed bytes of a command."""
    command_subject = subject(Kind.COMMAND, asked.account, asked.name)
    envelope = _encoder.encode(
        Envelope(
            command_id=asked.command_id,
            correlation_id=asked.correlation_id,
            principal=asked.principal,
            issued_at=now,
            expires_at=now + timedelta(seconds=asked.life_s),
            owner=asked.owner,
            body=msgspec.Raw(_encoder.encode(asked.body)),
        )
    )
    sealed = Sealed(
        key_id=signer.key_id,
        signature=signer.sign(signed_bytes(command_subject, envelope)),
        envelope=msgspec.Raw(envelope),
    )
    return command_subject, _encoder.encode(sealed)


async def carry_out(gateway: Gateway, asked: Asked) -> Outcome:
    """Store a command and wait for the fact that ends it, at most `wait_s`.

    Raises:
        ToolError: before anything was sent, if there is no link yet.
    """
    connected = await gateway.link()
    ends = ENDS[asked.name]
    halfway = HALFWAY.get(asked.name, frozenset())
    answers = ends | halfway
    before_n = gateway.facts.highest(asked.account)
    where, body = seal(asked, signer=connected.signer, now=gateway.parts.clock.now())
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + asked.wait_s
    waits = gateway.parts.waits
    is_stored = is_repeat = False
    is_first = True
    digest = hashlib.sha256(body).hexdigest()
    with gateway.facts.waiting(asked.command_id, digest) as waiter:
        while not waiter.has_end(answers) and (left_s := give_up_at - loop.time()) > 0:
            is_new = was_stored = False
            if not is_stored:
                # The same bytes under the same id: the stream and the worker take them once.
                limit_s = min(waits.publish_s, left_s)
                unread = gateway.facts.unread(asked.command_id)
                known = await _store(connected, asked, where, body, limit_s=limit_s)
                is_stored = known is not None
                is_new = known is False
                # Later it may have it of this very call.
                was_stored = is_first and known is True
                if is_new and unread is not None:
                    gateway.facts.forget_unread(asked.command_id, unread)
            if not is_new:
                is_untold = not waiter.has_end(answers)
                await _look_up(gateway, connected, asked, waiter, limit_s=min(waits.view_s, left_s))
                gateway.facts.tell_unread(asked.command_id, waiter)
                is_repeat |= was_stored and is_untold and waiter.has_end(answers)
            is_first = False
            left_s = give_up_at - loop.time()
            await waiter.until_end(answers, limit_s=min(waits.event_s, max(left_s, 0.0)))
        if waiter.has_end(halfway):
            await waiter.until_end(ends, limit_s=asked.linger_s)
    facts = waiter.facts
    end = next((fact for fact in reversed(facts) if fact.type in answers), None)
    # The caller goes on without another turn of the loop, so its answer leaves before this line.
    loop.call_soon(_log_end, asked, end, loop.time() - give_up_at + asked.wait_s)
    is_repeat |= end is not None and end.n <= before_n
    return Outcome(facts, end, is_stored or bool(facts), is_repeat)


def _log_end(asked: Asked, end: Fact | None, elapsed_s: float) -> None:
    _log.info(
        "command.ended" if end is not None else "command.pending",
        account=asked.account,
        command_id=asked.command_id,
        outcome=end.type if end is not None else "",
        elapsed_s=round(elapsed_s, 4),
    )


# True: the stream had it before. False: it is new. None: nobody knows.
async def _store(
    connected: Connected, asked: Asked, where: str, body: bytes, *, limit_s: float
) -> bool | None:
    message_id = f"{asked.account}/{asked.command_id}"
    try:
        return await connected.bus.publish(where, body, message_id=message_id, timeout_s=limit_s)
    except LinkError as error:
        _log.warning("command.unconfirmed", command_id=asked.command_id, cause=str(error))
        return None


async def _look_up(
    gateway: Gateway, connected: Connected, asked: Asked, waiter: Waiter, *, limit_s: float
) -> None:
    question = _encoder.encode(CommandQuery(command_id=asked.command_id))
    try:
        body = await connected.bus.request(
            subject(Kind.VIEW, asked.account, "command"), question, timeout_s=limit_s
        )
        answer = _answer_decoder.decode(body)
    except (LinkError, CommandError, msgspec.DecodeError) as error:
        _log.warning(
            "command.not_looked_up", command_id=asked.command_id, cause=type(error).__name__
        )
        return
    for row in answer.events:
        gateway.facts.saw(asked.account, row.n)
        fact = fact_of(row)
        if fact is not None:
            waiter.add(fact)
