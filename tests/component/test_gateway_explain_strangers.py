"""What others try with a preview stands among the facts, and not for what became of it."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from core import events, views
from core.commands import submit_command_id
from core.refusals import NEXT_STEP, Refusal
from tests.support.gateway import (
    AS_OF,
    MODES,
    NOW,
    ORDER_ID,
    PREVIEW_ID,
    Mode,
    World,
    order_row,
    previewed,
    row_of,
    rows_of,
    started,
    told,
)

OWNER = "own-" + "1" * 32
OWN_SUBMIT = submit_command_id("sandbox", PREVIEW_ID, OWNER)
STRANGERS_SUBMIT = submit_command_id("sandbox", PREVIEW_ID, "own-" + "2" * 32)
ACCEPTED = events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="99", evidence="reply")
SHOWN = previewed("c1", owner=OWNER, expires_at=NOW + timedelta(minutes=10))


def no(command_id: str, code: Refusal) -> events.OrderRefused:
    return events.OrderRefused(
        command_id=command_id, code=code, detail=NEXT_STEP[code], preview_id=PREVIEW_ID
    )


STRANGERS = no(STRANGERS_SUBMIT, Refusal.PREVIEW_UNKNOWN)
OWN = no(OWN_SUBMIT, Refusal.CHECK_FAILED)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "lived, outcome",
    [
        ((SHOWN, STRANGERS), ""),
        ((SHOWN, OWN, STRANGERS), "check_failed"),
        ((SHOWN, STRANGERS, OWN), "check_failed"),
        ((SHOWN, STRANGERS, started(OWN_SUBMIT), ACCEPTED, STRANGERS), "accepted"),
        # Nobody's preview.
        ((STRANGERS, STRANGERS), "preview_unknown"),
        # A preview of before there were owners: anyone may.
        ((previewed("c1"), STRANGERS), "preview_unknown"),
    ],
    ids=["alone", "after", "before", "sent", "nobodys", "without-owner"],
)
async def test_a_strangers_refusal_is_not_what_became_of_a_preview(
    mode: Mode, lived: tuple[events.Event, ...], outcome: str
) -> None:
    answer = await explained(mode, lived, order=None)
    sending = answer.get("sending", {})
    assert sending.get("code", sending.get("outcome", "")) == outcome
    assert len(rows_of(answer["facts"])) == len(lived)


@pytest.mark.parametrize("mode", MODES)
async def test_on_a_later_page_of_an_order_that_was_sent_neither(mode: Mode) -> None:
    answer = await explained(mode, (STRANGERS,), order=order_row(ORDER_ID))
    assert "sending" not in answer


async def explained(
    mode: Mode, lived: tuple[events.Event, ...], *, order: views.OrderRow | None
) -> dict[str, Any]:
    world = World()
    rows = tuple(
        msgspec.structs.replace(row_of(world.bus.record("sandbox", event)), actor="model:x")
        for event in lived
    )
    world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
        as_of=AS_OF, order=order, events=rows, more_after=None
    )
    async with world.client(mode) as client:
        return told(
            await client.call_tool("explain_order", {"account": "sandbox", "order_id": PREVIEW_ID})
        )
