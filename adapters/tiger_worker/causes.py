"""What ties an event to the command that led to it, so that whoever sent that finds it again."""

from typing import Final

from adapters.tiger_worker.parts import Work
from core import events
from core.account_state import AccountState

_ENDS_OF_A_MODIFY: Final[frozenset[type[events.Event]]] = frozenset(
    {
        events.OrderModifyRequested,
        events.OrderModifyRefused,
        events.OrderModifyNotSent,
        events.OrderModifyUnknown,
        events.OrderModifyNotApplied,
        events.OrderReplaced,
    }
)
_ENDS_OF_A_CANCEL: Final[frozenset[type[events.Event]]] = frozenset(
    {
        events.OrderCancelRequested,
        events.OrderCancelRefused,
        events.OrderCancelUnknown,
        events.OrderCancelled,
    }
)


def links(state: AccountState, event: events.Event, work: Work) -> tuple[str, str]:
    """Return an event's causation, which is a command's id, and its correlation."""
    command_id: str = getattr(event, "command_id", "")
    order = state.orders.get(getattr(event, "order_id", ""))
    if isinstance(event, events.OrderSubmissionStarted):
        preview = state.previews.get(event.preview_id)
        return command_id, preview.correlation_id if preview else work.correlation_id
    if order is None:
        return command_id, work.correlation_id
    if not command_id:
        command_id = order.command_id
        if type(event) in _ENDS_OF_A_CANCEL and order.cancel_command:
            command_id = order.cancel_command
        elif type(event) in _ENDS_OF_A_MODIFY:
            command_id = order.modify_command
    return command_id, order.correlation_id or work.correlation_id
