"""Scenes of what a halt is about and what it lets be, each with a check of its own at its end."""

from collections.abc import Iterator
from typing import Final

from core.commands import HaltTrading, ReleaseOrder
from core.orders import Phase
from core.terms import Side
from tests.simulation.scenes import FAR, Scenes, Step

# How long after a halt is looked what it cancelled.
CANCELLED_AFTER_S: Final = 20.0
MODELS_HALT: Final = "cmd-model-halts"


class HaltScenes(Scenes):
    """Plays them; the world that they are set in is the class that inherits it."""

    def _released_in_an_odd_row(self, account: str) -> Iterator[Step]:
        """An order works in a row that nobody can read; a person releases it, and another halts."""
        rest = self._wish(account, "AAPL", Side.BUY, is_far=True)
        yield lambda: self._is(rest, Phase.WORKING)
        order = self._order_of(rest)
        assert order is not None
        self.note(f"the rows of {order.tiger_order_id} cannot be read")
        self._broker.in_odd_rows.add(order.tiger_order_id)
        self._checks.touch(account, "AAPL")
        yield lambda: self._is(rest, Phase.UNKNOWN)
        shown_n = self._state(account).doubted_n[order.order_id]
        release = ReleaseOrder(order_id=order.order_id, shown_n=shown_n)
        self._person.control(account, release)
        yield lambda: self._is(rest, Phase.RELEASED)
        self._halt_here(account, "")
        yield CANCELLED_AFTER_S
        if self._broker.engine.book.orders[int(order.tiger_order_id)].status != "Cancelled":
            self.violate(f"{order.tiger_order_id}, which was released, rests under a halt")
        self._broker.hide_nothing()

    def _symbol_halted_by_a_model(self, account: str) -> Iterator[Step]:
        """Under a verified halt a person buys by phone, and a model halts just that symbol."""
        self._halt_here(account, "")
        yield lambda: self._is_halt_verified(account)
        self._checks.touch(account, "AAPL")
        limit = self._broker.engine.prices.last("AAPL") - FAR
        number = self._numbers[account]
        self._broker.place_elsewhere(number, "AAPL", 10, "BUY", limit=limit)
        tiger_order_id = str(self._broker.orders(number)[-1].global_id)
        yield lambda: tiger_order_id in self._state(account).by_tiger_id
        self._checks.halts[MODELS_HALT] = "AAPL"
        halt = HaltTrading(symbol="AAPL", reason="enough")
        self._gateway.send(account, halt, command_id=MODELS_HALT)
        yield lambda: "AAPL" in self._state(account).halted_symbols
        yield CANCELLED_AFTER_S
        if self._checks.watch.was_cancel_asked(tiger_order_id):
            self.violate(f"{tiger_order_id}, a person's own deed, was cancelled by a model's halt")

    def _is_halt_verified(self, account: str) -> bool:
        state = self._state(account)
        return state.is_halted and "" not in state.unverified_halts
