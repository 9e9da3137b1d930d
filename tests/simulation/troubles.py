"""What people do in a run, and what goes wrong with machines, lines and clocks meanwhile."""

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Final

from core.commands import HaltAccount, ReleaseOrder, ResumeAccount
from core.orders import DOUBTFUL_PHASES
from core.terms import Side
from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.records import Fill
from tests.simulation.broker_twin import BrokerTwin
from tests.simulation.checks import Checks
from tests.simulation.gate_checks import Opening
from tests.simulation.machine import Machine
from tests.simulation.order_kinds import near, new_prices, odd_terms_of, terms_of
from tests.simulation.people import Gateway, Person, Wish
from tests.simulation.push_twin import PushServerTwin
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather
from tests.simulation.worker_process import LEDGER_ID, HaltFile, LoginLock

SYMBOLS: Final = ("AAPL", "TSLA", "NVDA")
HALT_SCOPES: Final = ("", "", *SYMBOLS[:2])
# Chance that a fault which a run has hits just after an intention is stored.
AIMED: Final = 0.3
# Longer than a listing looks back, and than it takes until what it lacks is called absent.
BEHIND_S: Final = (70.0, 130.0)
HOUR_S: Final = 3600.0
# How often another execution follows one that was taken back, and how much later.
FOLLOWED: Final = 0.5
FOLLOWS_S: Final = (0.0, 3.0, 25.0, 90.0)


class Troubles:
    """Plans a run by its weather; the world that it troubles is the class that inherits it."""

    scheduler: Scheduler
    weather: Weather
    _rng: Random
    _numbers: dict[str, str]
    _checks: Checks
    _broker: BrokerTwin
    _gateway: Gateway
    _person: Person
    _push: PushServerTwin
    _machines: list[Machine]
    _lock: LoginLock
    _halt_files: dict[str, HaltFile]
    _is_healed: bool
    _nats_down: bool
    _outage: str

    def note(self, text: str) -> None:
        """Write a line of the trace."""
        raise NotImplementedError

    def _start(self, machine: Machine) -> None:
        raise NotImplementedError

    def _stop_in_order(self, machine: Machine) -> None:
        raise NotImplementedError

    @property
    def _are_people_quiet(self) -> bool:
        """Whether nobody wants anything of their own accord."""
        raise NotImplementedError

    def _plan(self) -> float:
        rng, weather = self._rng, self.weather
        end_s = 20.0 + rng.random() * 60
        self._plan_people(end_s)
        if weather.halts:
            for _ in range(rng.randrange(1, 3)):
                self._at(rng.random() * end_s, self._halt)
        if weather.halt_file:
            self._at(rng.random() * end_s, self._put_halt_file)
        if weather.hasty_release:
            self._at(rng.random() * end_s, self._release_hastily)
        if weather.lists_behind:
            end_s = self._plan_lists_behind(end_s)
        if weather.phone_orders:
            for _ in range(rng.randrange(1, 4)):
                self._at(rng.random() * end_s, self._phone)
        if weather.transfers:
            for _ in range(rng.randrange(1, 3)):
                self._at(rng.random() * end_s, self._transfer)
        if weather.foreign_marks:
            self._at(rng.random() * end_s, self._foreign)
        if weather.second_worker:
            self._at(rng.random() * end_s, self._second_worker)
        if weather.nats_down:
            self._outage_of_nats(rng.random() * end_s, 0.5 + rng.random() ** 2 * 30)
        if weather.broker_down:
            self._outage_of_broker(rng.random() * end_s, 1 + rng.random() ** 2 * 60)
        if weather.wall_jumps:
            for _ in range(rng.randrange(1, 3)):
                self._at(rng.random() * end_s, self._jump)
        self._plan_push(end_s)
        if weather.busts:
            self._plan_busts(end_s)
        if weather.broker_down_for_hours:
            down_s = HOUR_S * (1 + rng.random())
            self._outage_of_broker(end_s * rng.random(), down_s)
            end_s += down_s
        if weather.machine_sleeps:
            sleep_s = rng.choice((3.0, 20.0, 200.0, HOUR_S))
            self._at(rng.random() * end_s, lambda: self._sleep(sleep_s))
            end_s += sleep_s
        return end_s

    def _plan_people(self, end_s: float) -> None:
        rng = self._rng
        for number in range(0 if self._are_people_quiet else rng.randrange(2, 9)):
            self._at(rng.random() * end_s * 0.9, lambda number=number: self._want(number))  # type: ignore[misc]  # bound early
        if self.weather.cancel_many:
            for number in range(rng.randrange(1, 4)):
                self._at(rng.random() * end_s, lambda number=number: self._cancel_many(number))  # type: ignore[misc]  # bound early
        if self.weather.garbage:
            for _ in range(rng.randrange(1, 3)):
                self._at(rng.random() * end_s, lambda: self._gateway.spoil("sandbox"))

    def _plan_lists_behind(self, end_s: float) -> float:
        """Have the lists of orders stand still; a person releases what they do not show."""
        from_s, behind_s = self._rng.random() * end_s / 2, self._rng.uniform(*BEHIND_S)

        def begin() -> None:
            self.note(f"the lists of orders stand still for {behind_s:.0f} s")
            self._broker.stand_still(behind_s)

        self._at(from_s, begin)
        self._at(from_s + behind_s - 3.0, self._release_hastily)
        return max(end_s, from_s + behind_s + 10.0)

    def _plan_push(self, end_s: float) -> None:
        rng, weather = self._rng, self.weather
        if weather.push_drops:
            for _ in range(rng.randrange(1, 4)):
                self._at(rng.random() * end_s, self._push.drop)
        if weather.push_mute:
            self._at(rng.random() * end_s, self._push.fall_mute)
        if weather.push_kicked:
            self._at(rng.random() * end_s, self._push.kick)

    def _plan_busts(self, end_s: float) -> None:
        rng = Random(f"busts until {end_s}")
        for _ in range(rng.randrange(1, 3)):
            at_s = end_s * (0.4 + 0.6 * rng.random())
            self._at(at_s, lambda: self._take_back(rng))

    def _take_back(self, rng: Random) -> None:
        """Have the broker take an execution back; another one may follow."""
        account = rng.choice(list(self._numbers))
        fills = self._broker.engine.book.fills_of(self._numbers[account])
        if not fills or self._is_healed:
            return
        fill = rng.choice(fills)
        self.note(f"the broker takes execution {fill.fill_id} back: {fill.side} {fill.quantity}")
        self._checks.took_back(account, fill)
        self._broker.take_back(fill)
        if rng.random() < FOLLOWED:
            self._checks.busts[account].follows_due += 1
            after_s = rng.choice(FOLLOWS_S)
            self.scheduler.after(after_s, lambda: self._execute_again(account, fill))

    def _execute_again(self, account: str, gone: Fill) -> None:
        self.note(f"another execution follows {gone.fill_id}")
        self._checks.busts[account].follows_due -= 1
        self._checks.watch.followed.add(str(gone.global_id))
        self._broker.execute_again(gone)

    def _at(self, at_s: float, function: Callable[[], None]) -> None:
        self.scheduler.after(max(0.0, at_s - self.scheduler.now_s), function)

    def _want(self, number: int) -> None:
        rng = self._rng
        account = rng.choice(list(self._numbers))
        symbol = rng.choice(SYMBOLS[:2] if rng.random() < 0.8 else SYMBOLS)
        side = Side.BUY if rng.random() < 0.6 else Side.SELL
        quantity = rng.randrange(1, 12) * 10
        terms = terms_of(rng, symbol, side, quantity, self._price(symbol))
        if self.weather.odd_orders and rng.random() < 0.6:
            terms = odd_terms_of(
                rng, symbol, side, quantity, self._broker.engine.prices.last(symbol)
            )
        wish = Wish(
            number=number,
            account=account,
            terms=terms,
            submits=rng.choice((1, 1, 2, 4)),
            cancels=rng.random() < 0.4,
            modifies=rng.choice((0, 0, 0, 1, 2)) if self.weather.modifies else 0,
        )
        self._gateway.want(wish)

    def _price(self, symbol: str) -> str | None:
        """Return a limit about the market, or none for a market order."""
        if self._rng.random() < 0.3:
            return None
        return near(self._rng, self._broker.engine.prices.last(symbol))

    def _prices_of(self, order_id: str) -> dict[str, str]:
        for line in self._checks.lines.values():
            order = line.state.orders.get(order_id)
            if order is not None:
                last = self._broker.engine.prices.last(order.spec.symbol)
                return new_prices(self._rng, order, last)
        return {}

    def _cancel_many(self, number: int) -> None:
        rng = self._rng
        self._gateway.cancel_many(
            rng.choice(list(self._numbers)),
            number,
            symbol=rng.choice((None, None, *SYMBOLS[:2])),
            side=rng.choice((None, None, *Side)),
        )

    def _halt(self) -> None:
        self._halt_now(self._rng.choice(list(self._numbers)), self._rng.choice(HALT_SCOPES))

    def _halt_now(self, account: str, symbol: str) -> None:
        halt = HaltAccount(symbol=symbol, detail="enough")
        self._checks.halts[self._person.control(account, halt)] = symbol
        self.scheduler.after(5 + self._rng.random() * 20, lambda: self._resume(account, symbol))

    def _resume(self, account: str, symbol: str) -> None:
        shown_n = self._checks.lines[account].state.blocked_n(symbol)
        self._person.control(account, ResumeAccount(symbol=symbol, shown_n=shown_n))

    def _aim(self, account: str, event: Opening) -> None:
        """Let something happen between an intention and its send."""
        if self._is_healed:
            return
        self._jump_perhaps()
        if self.weather.stalls and self._rng.random() < self.weather.stalls:
            self._stall(self._rng.choice((0.5, 2.5, 4.0, 7.0)))
        if self.weather.halts and self._rng.random() < AIMED:
            symbol = self._rng.choice(("", event.spec.symbol))
            self._at(self.scheduler.now_s, lambda: self._halt_now(account, symbol))

    def _stall(self, seconds: float) -> None:
        self.note(f"the worker stalls for {seconds:.1f} s")
        for process in self._machines[0].processes:
            process.freeze(seconds)

    def _jump_perhaps(self) -> None:
        is_due = self.weather.wall_jumps and not self._is_healed
        if is_due and self._rng.random() < AIMED:
            self._at(self.scheduler.now_s, self._jump)

    def _put_halt_file(self) -> None:
        account = self._rng.choice(list(self._numbers))
        self.note("person puts the halt file in place")
        self._halt_files[account].is_there = True

    def _release_hastily(self) -> None:
        for account, line in self._checks.lines.items():
            for order in line.state.orders.values():
                if order.phase in DOUBTFUL_PHASES:
                    self._checks.touch(account, order.spec.symbol)
                    shown_n = line.state.doubted_n[order.order_id]
                    release = ReleaseOrder(order_id=order.order_id, shown_n=shown_n)
                    self._person.control(account, release)

    def _phone(self) -> None:
        account, symbol, side, quantity = self._somebody_wants()
        self._elsewhere(account, symbol, quantity, side, mark="")

    def _foreign(self) -> None:
        """Have a copy of this service, with another ledger, send under our marks."""
        account, symbol, side, quantity = self._somebody_wants()
        mark = f"{LEDGER_ID}.ord-foreign-{self._rng.randrange(1 << 30)}"
        self._elsewhere(account, symbol, quantity, side, mark=mark)

    def _somebody_wants(self) -> tuple[str, str, str, int]:
        account = self._rng.choice(list(self._numbers))
        wishes = [wish for wish in self._gateway.wishes.values() if wish.account == account]
        if wishes and self._rng.random() < 0.5:
            # Just what was wanted here: only its mark tells one from the other.
            terms = self._rng.choice(wishes).terms
            return account, terms.symbol, terms.side.upper(), int(terms.quantity or 0)
        side = self._rng.choice(("BUY", "SELL"))
        return account, self._rng.choice(SYMBOLS), side, self._rng.randrange(1, 5) * 10

    def _elsewhere(
        self,
        account: str,
        symbol: str,
        quantity: int,
        side: str,
        *,
        mark: str,
        stop: Decimal | None = None,
    ) -> None:
        self._checks.touch(account, symbol)
        number = self._numbers[account]
        try:
            self._broker.place_elsewhere(number, symbol, quantity, side, mark=mark, stop=stop)
        except OrderRefusedError as error:
            self.note(f"elsewhere: refused, {error}")
            return
        self.note(f"elsewhere: {side} {quantity} {symbol} {mark}")
        if mark:
            self._checks.foreign_marks.add(account)

    def _transfer(self) -> None:
        self._move_in(self._rng.choice(list(self._numbers)), self._rng.choice(SYMBOLS))

    def _move_in(self, account: str, symbol: str) -> None:
        """Have shares and cash come that no fill explains."""
        state = self._checks.lines[account].state
        if state.position_figures is None or state.balances is None or state.is_stale:
            # The first figures that are read are what later ones are compared with.
            return
        moved = self._rng.choice((-30, 30))
        self._broker.move_in(self._numbers[account], symbol, moved)
        self.note(f"elsewhere: {moved} {symbol} and as many USD are moved in")
        for thing in (symbol, "USD"):
            self._checks.moved(account, thing, moved)

    def _second_worker(self) -> None:
        """Start another worker: on this machine, its lock file removed, or on another."""
        machine = self._rng.choice(self._machines)
        if machine is self._machines[0]:
            self.note("the lock file is removed, a second worker starts")
            self._lock.remove()
        else:
            self.note("a second worker starts on another machine")
        self._start(machine)

    def _outage_of_nats(self, at_s: float, down_s: float) -> None:
        def begin() -> None:
            self.note(f"NATS is down for {down_s:.0f} s")
            self._nats_down = True
            self.scheduler.after(down_s, end)

        def end() -> None:
            self._nats_down = False

        self._at(at_s, begin)

    def _outage_of_broker(self, at_s: float, down_s: float) -> None:
        kind = self._rng.choice(("refused", "blackhole", "reset", "fails"))

        def begin() -> None:
            self.note(f"the broker is away for {down_s:.0f} s: {kind}")
            self._outage = kind
            self.scheduler.after(down_s, end)

        def end() -> None:
            self._outage = ""

        self._at(at_s, begin)

    def _jump(self) -> None:
        jump_s = self._rng.choice((-1, 1)) * self._rng.choice((1.5, 5.0, 40.0, HOUR_S))
        self.note(f"the wall clock jumps by {jump_s:+.1f} s")
        self._machines[0].wall_offset_s += jump_s

    def _sleep(self, seconds: float) -> None:
        self.note(f"the machine sleeps for {seconds:.0f} s")
        self._machines[0].sleep(seconds)
