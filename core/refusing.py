"""How a command is told "no"."""

from core import events, items
from core.refusals import NEXT_STEP, Refusal


def refused(
    item: items.CommandItem, code: Refusal, detail: str, *, order_id: str = "", preview_id: str = ""
) -> events.OrderRefused:
    """Return the event of a "no", with what to do next in its text."""
    return events.OrderRefused(
        command_id=item.command_id,
        code=code,
        detail=f"{detail}. {NEXT_STEP[code]}",
        order_id=order_id,
        preview_id=preview_id,
    )
