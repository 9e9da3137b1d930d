"""Short plays: several steps that lead to where a rule counts which chance alone seldom tries.

Some runs have one. Each is a generator that acts, and yields what it waits for: some seconds, or
something that has to be so.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from core import events
from core.account_state import AccountState
from core.commands import (
    HaltAccount,
    ModifyOrder,
    ReleaseOrder,
    ResumeAccount,
    SubmitOrder,
    submit_command_id,
)
from core.orders import Order, Phase
from core.terms import Side, position_key
from tests.simulation.gate_checks import Opening
from tests.simulation.order_kinds import TICK, terms_of
from tests.simulation.people import LIFE_S, Wish
from tests.simulation.queue_twin import QueueTwin
from tests.simulation.scheduler import SENDERS_SLOWER, SLOW_S_MAX
from tests.simulation.traps import STALL_S, Traps
from tests.simulation.weather import AWAY
from tests.simulation.worker_process import TIMING

LOOK_EVERY_S: Final = 0.25
# How long a step is waited for.
# Longer than a command may act, and than a preview may be submitted.
KEPT_BACK_S: Final = LIFE_S + 5.0
OUTLIVED_S: Final = TIMING.preview_life_s + 5.0
STEP_MAX_S: Final = 60.0
# So far from the market that an order rests.
FAR: Final = 60 * TICK
NATS_AWAY_S: Final = 45.0
# Longer than a listing looks back.
BEHIND_S: Final = 80.0
HANGS_S: Final = 16.0
AHEAD_S: Final = 40.0
AWAY_S: Final = 70.0
FIRST_NUMBER: Final = 50

Step = float | Callable[[], bool]


class Scene(StrEnum):
    """What is played."""

    CANCEL_FAILS_UNDER_HALT = "cancel_fails_under_halt"
    CANCEL_OF_ONE_SIDE = "cancel_of_one_side"
    CHANGE_MEETS_A_HALT_FILE = "change_meets_a_halt_file"
    CLOCKS_DIFFER = "clocks_differ"
    COMMAND_OUTLIVED = "command_outlived"
    DESK_HANGS = "desk_hangs"
    HALT_FILE_WITHOUT_NATS = "halt_file_without_nats"
    HALTED_AGAIN_BEFORE_RESUME = "halted_again_before_resume"
    HALT_MEETS_A_PLACE = "halt_meets_a_place"
    ORDER_UNSEEN_UNDER_HALT = "order_unseen_under_halt"
    PLACE_RELEASED_UNDER_HALT = "place_released_under_halt"
    POSITION_MOVED = "position_moved"
    PREVIEW_OUTLIVED = "preview_outlived"
    READING_AWAY = "reading_away"
    RELEASED_AS_IT_WAS_SHOWN = "released_as_it_was_shown"
    RELEASED_IN_AN_ODD_ROW = "released_in_an_odd_row"
    SALE_ON_STALE_POSITIONS = "sale_on_stale_positions"
    SYMBOL_HALTED_BY_A_MODEL = "symbol_halted_by_a_model"


# Scenes of scenarios alone, so that the other runs stay as they are.
STAGED_ALONE: Final = frozenset({Scene.RELEASED_IN_AN_ODD_ROW, Scene.SYMBOL_HALTED_BY_A_MODEL})
# How long a run is at least that has a scene.
SCENE_S: Final = dict.fromkeys(Scene, 110.0) | {
    Scene.READING_AWAY: 160.0,
    Scene.PREVIEW_OUTLIVED: 660.0,
}


class Scenes(Traps):
    """Plays a run's scene; the world that it is set in is the class that inherits it."""

    _scene: Scene | None
    _ledger_away_until_s: float
    _queue: QueueTwin

    def _begin_scene(self) -> None:
        if self._scene is None:
            return
        self.note(f"scene: {self._scene}")
        account = next(iter(self._numbers))
        script: Callable[[str], Iterator[Step]] = getattr(self, f"_{self._scene}")
        self._scene_numbers = iter(range(FIRST_NUMBER, FIRST_NUMBER + 20))
        self._play(self._after_verdict(account, script))

    def _after_verdict(
        self, account: str, script: Callable[[str], Iterator[Step]]
    ) -> Iterator[Step]:
        yield lambda: not self._state(account).is_stale
        yield 1.0
        yield from script(account)

    def _play(self, steps: Iterator[Step]) -> None:
        """Go on to the next step, as long as nothing has healed."""
        step = None if self._is_healed else next(steps, None)
        if step is None:
            return
        if isinstance(step, float):
            self.scheduler.after(step, lambda: self._play(steps))
            return
        self._await(step, steps, give_up_s=self.scheduler.now_s + STEP_MAX_S)

    def _await(self, is_so: Callable[[], bool], steps: Iterator[Step], give_up_s: float) -> None:
        if self._is_healed or self.scheduler.now_s > give_up_s:
            # Something else of the run was in the way.
            self.note("the scene is given up")
        elif is_so():
            self._play(steps)
        else:
            self.scheduler.after(
                LOOK_EVERY_S, lambda: self._await(is_so, steps, give_up_s=give_up_s)
            )

    @property
    def _are_people_quiet(self) -> bool:
        # Any other order would have the listings go back.
        return self._scene is Scene.ORDER_UNSEEN_UNDER_HALT

    def _scene_at_intention(self, account: str, event: Opening) -> None:
        """Act between the intention to place or to change an order and the call."""
        if self._is_healed:
            return
        is_change = isinstance(event, events.OrderModifyStarted)
        if is_change and self._scene is Scene.CHANGE_MEETS_A_HALT_FILE:
            self._scene = None
            self._come_before_change(account, event)
        elif not is_change and self._scene is Scene.HALT_MEETS_A_PLACE:
            self._scene = None
            # The thread that sends waits for the processor, and the halt does not.
            self.scheduler.slowness = 1 / SENDERS_SLOWER
            self._halt_here(account, event.spec.symbol)
            self.scheduler.after(SLOW_S_MAX, self._hurry)

    def _hurry(self) -> None:
        self.scheduler.slowness = self.weather.busy

    def _come_before_change(self, account: str, event: Opening) -> None:
        if self._rng.random() < 0.5:
            self._stall(self._rng.uniform(*STALL_S))
            return
        self.note(f"person puts the halt file in place before {event.order_id} is changed")
        self._halt_files[account].is_there = True

    def _cancel_fails_under_halt(self, account: str) -> Iterator[Step]:
        """The one request for a cancel finds no connection, and no round comes to its end."""
        rest = self._wish(account, "AAPL", Side.BUY, is_far=True)
        yield lambda: self._is(rest, Phase.WORKING)
        self._broker.next_cancel = "refused"
        self._broker.away = "orders"
        self._halt_here(account, "")
        yield 30.0
        self._broker.hide_nothing()

    def _cancel_of_one_side(self, account: str) -> Iterator[Step]:
        """Of a buy and a sale that rest somebody wants the buys cancelled, then the other."""
        rests = [
            self._wish(account, symbol, side, is_far=True)
            for symbol, side in (("AAPL", Side.BUY), ("TSLA", Side.SELL))
        ]
        yield lambda: all(self._is(rest, Phase.WORKING) for rest in rests)
        self._gateway.cancel_many(account, FIRST_NUMBER, symbol=None, side=Side.BUY)
        yield 8.0
        self._gateway.cancel_many(account, FIRST_NUMBER + 1, symbol="TSLA", side=None)
        yield 8.0

    def _change_meets_a_halt_file(self, account: str) -> Iterator[Step]:
        """A change is intended, and then the halt file is put in place, or time passes."""
        rest = self._wish(account, "AAPL", Side.BUY, is_far=True)
        yield lambda: self._is(rest, Phase.WORKING)
        self._enlarge(account, rest)
        yield 10.0

    def _clocks_differ(self, account: str) -> Iterator[Step]:
        """The wall clock is ahead for a while, and somebody wants to open, and to change."""
        rest = self._wish(account, "AAPL", Side.BUY, is_far=True)
        yield lambda: self._is(rest, Phase.WORKING)
        self._machines[0].wall_offset_s += AHEAD_S
        # What is asked for by right clocks has not expired yet.
        self._wish(account, "TSLA", Side.BUY, is_far=False)
        self._enlarge(account, rest)
        yield 12.0
        self._machines[0].wall_offset_s -= AHEAD_S

    def _command_outlived(self, account: str) -> Iterator[Step]:
        """A submit, and a change, lie in the stream until nobody may act on them any more."""
        rest = self._wish(account, "AAPL", Side.BUY, is_far=True)
        yield lambda: self._is(rest, Phase.WORKING)
        late = self._wish(account, "TSLA", Side.BUY, is_far=True)
        yield lambda: bool(late.preview_id)
        self.note(f"messages are kept back for {KEPT_BACK_S:.0f} s")
        self._queue.held_until_s = self.scheduler.now_s + KEPT_BACK_S
        self._enlarge(account, rest)
        yield KEPT_BACK_S + 5.0

    def _desk_hangs(self, account: str) -> Iterator[Step]:
        """An order from elsewhere comes and goes while the desk waits for the ledger."""
        rest = self._wish(account, "AAPL", Side.BUY, is_far=True)
        yield lambda: self._is(rest, Phase.WORKING)
        self.note("the ledger is away")
        self._ledger_away_until_s = self.scheduler.now_s + HANGS_S
        self._wish(account, "NVDA", Side.BUY, is_far=True)
        yield 2.0
        number = self._numbers[account]
        self._checks.touch(account, "TSLA")
        limit = self._broker.engine.prices.last("TSLA") - FAR
        self._broker.place_elsewhere(number, "TSLA", 10, "BUY", limit=limit)
        yield 5.0
        order = self._broker.orders(number)[-1]
        if order.is_live:
            self.note(f"elsewhere: {order.global_id} is cancelled")
            self._broker.engine.cancel(order, self._broker.now())
        yield HANGS_S

    def _halt_file_without_nats(self, account: str) -> Iterator[Step]:
        """The halt file is put in place while no event can be stored."""
        rest = self._wish(account, "AAPL", Side.BUY, is_far=True)
        yield lambda: self._is(rest, Phase.WORKING)
        self.note(f"NATS is down for {NATS_AWAY_S:.0f} s, and a person puts the halt file in place")
        self._nats_down = True
        self._halt_files[account].is_there = True
        yield NATS_AWAY_S
        self._nats_down = False

    def _halted_again_before_resume(self, account: str) -> Iterator[Step]:
        """A person resumes what was shown, and does not know yet of another halt."""
        self._halt_here(account, "")
        yield lambda: self._state(account).is_halted
        shown_n = self._state(account).blocked_n("")
        self._halt_here(account, "")
        yield lambda: self._state(account).blocked_n("") > shown_n
        self._person.control(account, ResumeAccount(symbol="", shown_n=shown_n))
        yield 5.0

    def _halt_meets_a_place(self, account: str) -> Iterator[Step]:
        """An order is intended, and a halt comes before it is sent."""
        self._wish(account, "AAPL", Side.BUY, is_far=True)
        yield 10.0

    def _order_unseen_under_halt(self, account: str) -> Iterator[Step]:
        """An order that the lists did not show for a while is older than what a round asks for."""
        self.note(f"the lists of orders stand still for {BEHIND_S:.0f} s")
        self._broker.stand_still(BEHIND_S)
        self._checks.touch(account, "AAPL")
        limit = self._broker.engine.prices.last("AAPL") - FAR
        self._broker.place_elsewhere(self._numbers[account], "AAPL", 10, "BUY", limit=limit)
        yield BEHIND_S + 0.1
        self._halt_here(account, "")
        yield 20.0

    def _place_released_under_halt(self, account: str) -> Iterator[Step]:
        """A person releases an order that is on its way still, and another halts."""
        self._broker.next_place = "last_moment"
        late = self._wish(account, "AAPL", Side.BUY, is_far=True)
        yield lambda: self._is(late, Phase.UNKNOWN)
        order = self._order_of(late)
        if order is not None:
            self._checks.touch(account, "AAPL")
            shown_n = self._state(account).doubted_n[order.order_id]
            release = ReleaseOrder(order_id=order.order_id, shown_n=shown_n)
            self._person.control(account, release)
        yield lambda: self._is(late, Phase.RELEASED)
        self._halt_here(account, "")
        yield 40.0

    def _position_moved(self, account: str) -> Iterator[Step]:
        """Shares and cash come that no fill explains; somebody wants more of them."""
        rest = self._wish(account, "TSLA", Side.BUY, is_far=True)
        yield lambda: self._is(rest, Phase.WORKING)
        self._move_in(account, "TSLA")
        yield lambda: not self._checks.unexplained
        self._wish(account, "TSLA", Side.BUY, is_far=False)
        self._enlarge(account, rest)
        yield 8.0

    def _preview_outlived(self, account: str) -> Iterator[Step]:
        """Somebody submits an order that was shown long ago."""
        late = self._wish(account, "TSLA", Side.BUY, is_far=True, submits=0)
        yield lambda: bool(late.preview_id)
        yield OUTLIVED_S
        command_id = submit_command_id(account, late.preview_id)
        self._gateway.send(account, SubmitOrder(preview_id=late.preview_id), command_id=command_id)
        yield 5.0

    def _reading_away(self, account: str) -> Iterator[Step]:
        """One kind of reading fails for long, or that of one order's fills alone."""
        away = self._rng.choice((*AWAY, ""))
        self.note(f"reading away: {away or 'the fills of the next order'}")
        self._broker.away = away
        self._broker.are_next_fills_away = not away
        for number in self._numbers.values():
            self._checks.deceived(number)
        self._elsewhere(account, "AAPL", 10, "BUY", mark="")
        yield 5.0
        self._wish(account, "TSLA", Side.BUY, is_far=True)
        self._elsewhere(account, "NVDA", 10, "BUY", mark="")
        # By now another sweep is due.
        yield AWAY_S
        self._elsewhere(account, "AAPL", 10, "BUY", mark="")
        yield AWAY_S
        self._broker.hide_nothing()

    def _released_as_it_was_shown(self, account: str) -> Iterator[Step]:
        """A person releases an order on what was known before more was told of it."""
        self._broker.next_place = "lost"
        lost = self._wish(account, "AAPL", Side.BUY, is_far=True)
        yield lambda: self._is(lost, Phase.UNKNOWN)
        order = self._order_of(lost)
        shown_n = 0 if order is None else self._state(account).doubted_n[order.order_id]
        yield lambda: self._is(lost, Phase.NOT_FOUND)
        if order is not None:
            release = ReleaseOrder(order_id=order.order_id, shown_n=shown_n)
            self._person.control(account, release)
        yield 5.0

    def _sale_on_stale_positions(self, account: str) -> Iterator[Step]:
        """All is sold, the positions still show it, and somebody sells again amid a freeze."""
        bought = self._wish(account, "AAPL", Side.BUY, is_far=False)
        yield lambda: self._is(bought, Phase.FILLED) and self._observed(account, "AAPL") == 20
        self.note("positions stand still")
        self._broker.hold_positions()
        sold = self._wish(account, "AAPL", Side.SELL, is_far=False)
        yield lambda: self._is(sold, Phase.FILLED)
        key = position_key("AAPL", "US")
        yield lambda: not self._state(account).sold_since.get(key)
        self._push.kick()
        yield lambda: bool(self._state(account).frozen_cause) and not self._state(account).is_stale
        self._wish(account, "AAPL", Side.SELL, is_far=False)
        yield 8.0
        self._broker.hide_nothing()

    def _state(self, account: str) -> AccountState:
        return self._checks.lines[account].state

    def _observed(self, account: str, symbol: str) -> object:
        return self._state(account).observed.get(position_key(symbol, "US"))

    def _wish(
        self, account: str, symbol: str, side: Side, *, is_far: bool, submits: int = 1
    ) -> Wish:
        last = self._broker.engine.prices.last(symbol)
        price = (last - FAR if side is Side.BUY else last + FAR) if is_far else None
        terms = terms_of(self._rng, symbol, side, 20, None if price is None else f"{price:.2f}")
        number = next(self._scene_numbers)
        wish = Wish(number=number, account=account, terms=terms, submits=submits, cancels=False)
        self._gateway.want(wish)
        return wish

    def _order_of(self, wish: Wish) -> Order | None:
        orders = self._state(wish.account).orders
        return next((orders[order_id] for order_id in wish.order_ids), None)

    def _is(self, wish: Wish, phase: Phase) -> bool:
        order = self._order_of(wish)
        return order is not None and order.phase is phase

    def _enlarge(self, account: str, wish: Wish) -> None:
        order = self._order_of(wish)
        if order is None:
            return
        change = ModifyOrder(
            order_id=order.order_id, quantity="40", limit_price=None, reason="simulated"
        )
        self._gateway.send(account, change, command_id=f"cmd-enlarge-{order.order_id}")

    def _halt_here(self, account: str, symbol: str) -> None:
        halt = HaltAccount(symbol=symbol, detail="enough")
        self._checks.halts[self._person.control(account, halt)] = symbol
