"""How a run ends: what is waited for, what a person does then, and the last judgement."""

from typing import Final

from core.account_state import kick_key
from core.commands import AdoptPosition, ReleaseOrder, ResumeAccount
from core.orders import DOUBTFUL_PHASES, Phase
from core.terms import Side
from tests.simulation.final_checks import FinalChecks, is_settled
from tests.simulation.halt_scenes import HaltScenes
from tests.simulation.line import Line
from tests.simulation.order_kinds import terms_of
from tests.simulation.people import Wish
from tests.simulation.troubles import SYMBOLS
from tests.simulation.worker_process import WorkerProcess

# The watches of a process look about every two seconds here.
LOOKED_ABOUT_S: Final = 4.0


class Endings(HaltScenes):
    """Ends a run; the world that ends is the class that inherits it."""

    _processes: list[WorkerProcess]

    def _is_settled(self) -> bool:
        now_s = self.scheduler.now_s
        if self._checks.unexplained:
            return False
        if not all(each.is_settled for each in self._checks.busts.values()):
            return False
        is_quiet = not self._queue.open_commands() and not any(
            process.is_frozen or process.hanging
            for machine in self._machines
            for process in machine.processes
        )
        # One that waits for another machine's lease does nothing yet, and its watches look seldom.
        is_served = any(
            one.serves_since_s < now_s - LOOKED_ABOUT_S
            for one in self._processes
            if not one.process.is_dead
        )
        return (
            is_quiet
            and is_served
            and all(is_settled(line.state, now_s) for line in self._checks.lines.values())
        )

    def _release_and_resume(self) -> None:
        for account, line in self._checks.lines.items():
            for order in line.state.orders.values():
                if order.phase in DOUBTFUL_PHASES:
                    shown_n = line.state.doubted_n[order.order_id]
                    release = ReleaseOrder(order_id=order.order_id, shown_n=shown_n)
                    self._person.control(account, release)
            for symbol in ("", *sorted(line.state.halted_symbols)):
                shown_n = line.state.blocked_n(symbol)
                self._person.control(account, ResumeAccount(symbol=symbol, shown_n=shown_n))
            for broken in sorted(line.state.breaks.values(), key=lambda each: each.break_id):
                self._person.control(account, AdoptPosition(break_id=broken.break_id))

    def _is_something_left(self) -> bool:
        states = [line.state for line in self._checks.lines.values()]
        return any(state.frozen_cause or len(state.breaks) for state in states)

    def _probe(self) -> list[Wish]:
        probes = []
        for number, account in enumerate(self._numbers):
            for symbol in SYMBOLS:
                terms = terms_of(self._rng, symbol, Side.BUY, 10, None)
                wish = Wish(
                    number=100 + 10 * number + SYMBOLS.index(symbol),
                    account=account,
                    terms=terms,
                    submits=1,
                    cancels=False,
                )
                self._gateway.want(wish)
                probes.append(wish)
        return probes

    def _judge(self, probes: list[Wish]) -> None:
        for account, thing in sorted(self._checks.unexplained):
            self.violate(f"no break tells of {thing} on {account}, which no fill explains")
        live = [one for one in self._processes if not one.process.is_dead and one.accounts]
        for alias, line in self._checks.lines.items():
            state = next((a.state for one in live for a in one.accounts if a.alias == alias), None)
            published = {c for account, c in self._gateway.published if account == alias}
            FinalChecks(self._broker, line, self.violate).run(state, published)
            if alias in self._checks.foreign_marks and not _is_told_of_a_stranger(line):
                self.violate(f"an order of a stranger under our marks froze nothing on {alias}")
            is_kicked = any(not process.is_dead for process in self._push.kicked)
            keys = (key for key, _ in line.state.frozen_for.items())
            if is_kicked and not any(key.startswith(kick_key("")) for key in keys):
                self.violate(f"a kick of the push connection froze nothing on {alias}")
            for wish in probes:
                if wish.account == alias and not self._is_filled(wish):
                    self.violate(f"the probe of {wish.terms.symbol} on {alias} was not filled")

    def _is_filled(self, wish: Wish) -> bool:
        orders = self._checks.lines[wish.account].state.orders
        return any(orders[order_id].phase is Phase.FILLED for order_id in wish.order_ids)


def _is_told_of_a_stranger(line: Line) -> bool:
    return any(key.startswith("mark_not_in_ledger") for key, _ in line.state.frozen_for.items())
