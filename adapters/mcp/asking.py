"""Asks the person, through a client that can show a question, before an order is sent or changed.

A layer on top of all others, and only where the client declared that it can ask (elicitation): an
answer gives no right, and a yes is no proof of a person, because a client may answer by itself. No
argument skips the question. Whatever is not a plain yes to this very question sends nothing.

In the protocol since 2026-07-28 the question goes back as the call's result and the client calls
again with the answer; the SDK seals what ties the two together. Before, it is a request to the
client in the middle of the call.
"""

import asyncio
import hashlib
from typing import Any, Final, NamedTuple

from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import is_version_at_least
from pydantic import ValidationError

# The first version in which a question is a result.
_ASKED_BY_RESULT: Final = "2026-07-28"
_KEY: Final = "confirm"
# Yes and no are the client's own buttons; there is nothing to fill in.
_FORM: Final[dict[str, Any]] = {"type": "object", "properties": {}}
_UNREADABLE: Final = "the client's answer to the question could not be read"


class NotAgreed(NamedTuple):
    """There was no yes; `why` and `next_step` are for the model.

    `is_decline`: a person said no. A client closes a question by itself too, and that is no no.
    """

    why: str
    code: str = "not_confirmed"
    next_step: str = ""
    is_decline: bool = False


Answered = InputRequiredResult | NotAgreed | None


def can_ask(ctx: Context[Any, Any]) -> bool:
    """Say whether the client declared that it shows questions, and can be reached with one.

    Source: MCP specification, elicitation, capabilities: one without modes is for forms; mcp 2.3.0,
    `mcpserver/resolve.py`, reads it so (read 2026-11-23).
    """
    declared = ctx.client_capabilities
    shows = declared.elicitation if declared is not None else None
    if shows is None or (shows.form is None and shows.url is not None):
        return False
    return is_asked_by_result(ctx) or ctx.session.can_send_request


async def agreed(ctx: Context[Any, Any], question: str, *, limit_s: float) -> Answered:
    """Return None if the person said yes to this very question."""
    if is_asked_by_result(ctx):
        return _asked_by_result(ctx, question)
    return await _asked_now(ctx, question, limit_s=limit_s)


def is_asked_by_result(ctx: Context[Any, Any]) -> bool:
    """Say whether a question is the call's result, and the call comes again with its answer."""
    version = ctx.protocol_version
    return version is not None and is_version_at_least(version, _ASKED_BY_RESULT)


def _asked_by_result(ctx: Context[Any, Any], question: str) -> Answered:
    digest = hashlib.sha256(question.encode()).hexdigest()
    answer = (ctx.input_responses or {}).get(_KEY)
    # Only the state, which the SDK seals, says that this was the question.
    if answer is None or ctx.request_state != digest:
        request = ElicitRequest(params=_form(question))
        return InputRequiredResult(input_requests={_KEY: request}, request_state=digest)
    if not isinstance(answer, ElicitResult):
        return NotAgreed(_UNREADABLE)
    return _meant(answer)


async def _asked_now(ctx: Context[Any, Any], question: str, *, limit_s: float) -> Answered:
    form = _form(question)
    try:
        async with asyncio.timeout(limit_s):
            answer = await ctx.session.elicit_form(
                form.message, form.requested_schema, related_request_id=ctx.request_id
            )
    except TimeoutError:
        return NotAgreed(f"nobody answered the question within {limit_s:g} s")
    except (MCPError, ValidationError):
        return NotAgreed(_UNREADABLE)
    return _meant(answer)


def _meant(answer: ElicitResult) -> NotAgreed | None:
    match answer.action:
        case "accept":
            return None
        case "decline":
            return NotAgreed("the person said no", is_decline=True)
        case _:
            return NotAgreed("the question was closed without an answer")


def _form(question: str) -> ElicitRequestFormParams:
    return ElicitRequestFormParams(message=question, requested_schema=_FORM)
