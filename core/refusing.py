"""How a command is told "no"."""

import msgspec

from core import events, items
from core.account_state import AccountState
from core.claims import claim_of
from core.commands import CancelOrder, CancelOrders, HaltTrading, ModifyOrder
from core.modes import Mode
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
        # The key of a refused command is used up too, but not by the one that misused it.
        claim=msgspec.UNSET
        if code is Refusal.KEY_CONFLICT
        else claim_of(item.command) or msgspec.UNSET,
    )


def refused_outright(state: AccountState, item: items.CommandItem) -> events.OrderRefused | None:
    """Return the "no" to a command that is not even looked at: barred, or under a used key."""
    is_write = isinstance(item.command, CancelOrder | CancelOrders | ModifyOrder | HaltTrading)
    is_read_only = state.opened is not None and state.opened.mode is Mode.READ_ONLY
    if is_write and is_read_only and not item.is_own:
        return refused(item, Refusal.ACCOUNT_READ_ONLY, "the account is read-only")
    return refused_by_key(state, item)


def refused_by_key(state: AccountState, item: items.CommandItem) -> events.OrderRefused | None:
    """Return the "no" to a command whose key was used before, naming what differs."""
    claim = claim_of(item.command)
    earlier = None if claim is None else state.claims.get(claim.key)
    if claim is None or earlier is None:
        return None
    differing = ", ".join(earlier.differing(claim)) or "only who asked"
    return refused(item, Refusal.KEY_CONFLICT, f"key: it was used with other content: {differing}")
