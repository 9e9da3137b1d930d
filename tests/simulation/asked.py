"""What everybody asked for, as it was published: what the checks hold the service's deeds to."""

from dataclasses import dataclass
from datetime import datetime

from core.commands import CancelOrder, CancelOrders, Command, PreviewOrder
from core.ids import derived_id
from core.orders import Order


@dataclass
class Wanted:
    """One command: what it says, and until when the last copy of it may act."""

    command: Command
    expires_at: datetime


class Asked:
    """Every command and control of a run, by account and command id."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, str], Wanted] = {}

    def note(self, account: str, command_id: str, command: Command, *, until: datetime) -> None:
        """Note a copy that is published."""
        before = self._wanted.get((account, command_id))
        expires_at = until if before is None else max(until, before.expires_at)
        self._wanted[account, command_id] = Wanted(command, expires_at)

    def of(self, account: str, command_id: str) -> Wanted | None:
        """Return what a command id stands for."""
        return self._wanted.get((account, command_id))

    def preview(self, account: str, command_id: str) -> PreviewOrder | None:
        """Return the terms that somebody wanted to see."""
        one = self.of(account, command_id)
        if one is None or not isinstance(one.command, PreviewOrder):
            return None
        return one.command

    def wants_cancelled(self, account: str, order: Order, command_id: str) -> bool:
        """Say whether that command asked for a cancel of this order."""
        one = self.of(account, command_id)
        if one is not None and isinstance(one.command, CancelOrder):
            return one.command.order_id == order.order_id
        return any(
            derived_id("cmd", account, many_id, order.order_id) == command_id
            for (alias, many_id), many in self._wanted.items()
            if alias == account
            and isinstance(many.command, CancelOrders)
            and fits(order, many.command)
        )


def fits(order: Order, command: CancelOrders) -> bool:
    """Say whether an order is among those that a cancel of many is about."""
    is_symbol = command.symbol is None or command.symbol == order.spec.symbol
    return is_symbol and (command.side is None or command.side is order.spec.side)
