"""The lanes to the broker of one account: places, cancels and reads, each with threads of its own.

A place that hangs delays neither a cancel nor a quote. An order is only sent from a thread that was
held for it before its intent was stored, so that a slow broker cannot let intents age in a queue.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from adapters.tiger_worker.broker import AccountBroker, Ended, QuoteRightMissingError
from adapters.tiger_worker.cancel_lane import CancelJob, CancelLane
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.guard import HaltLatch, SendGuard
from adapters.tiger_worker.parts import Intent, ModifyIntent, Work
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.reading_watch import ReadingWatch
from core.commands import ModifyOrder, PreviewOrder
from core.errors import BrokerError, CommandError, CorruptRecordError
from core.items import (
    CancelAnswered,
    CommandItem,
    ContractFacts,
    ModifyAnswered,
    ModifyPrepared,
    Outcome,
    PlaceAnswered,
    PreviewAnswered,
    QuoteFacts,
)
from core.previewing import spec_of
from core.terms import OrderSpec, SecurityType

log = structlog.get_logger()
PLACE_THREADS: Final = 4
PREVIEW_THREADS: Final = 3
# Order numbers reserved ahead, so that a submit does not wait for one more round trip.
NUMBERS_HIGH: Final = 8
NUMBERS_LOW: Final = 4
CANCEL_TOKEN_WAIT_S: Final = 5.0
READ_TOKEN_WAIT_S: Final = 2.0
NO_END: Final = "no end within the deadline"


def ask_cancel(broker: AccountBroker, budget: RateBudget, job: CancelJob) -> Ended:
    """Ask the broker once for a cancel, when the rate budget allows it; never raises."""
    try:
        # What is urgent is a halt's, or was wished away while nobody knew where it was.
        if budget.take("cancel_order", wait_s=CANCEL_TOKEN_WAIT_S, for_halt=job.is_urgent):
            return broker.cancel(job.tiger_order_id)
        return Ended(Outcome.NOT_SENT, detail="the rate budget for cancels is used up")
    except Exception as error:
        log.error("cancel.failed", order_id=job.order_id, exc_info=error)
        return Ended(Outcome.UNKNOWN, detail=type(error).__name__)


class NumberStock:
    """Order numbers that the broker made for this account and nobody has used.

    A number that is not above zero, or that the login's ledger has already seen, is dropped: the
    SDK leaves a zero out of the request, and then nothing guards against a second order.
    """

    def __init__(
        self, reserve: Callable[[], str], *, is_used: Callable[[str], bool], account: str
    ) -> None:
        self._reserve = reserve
        self._is_used = is_used
        # A thread of its own: no hanging read may keep an account from sending.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"numbers-{account}")
        self._stock: deque[str] = deque()
        self._is_filling = threading.Lock()

    def take(self) -> str | None:
        """Take a number if one is in stock; an empty stock is filled at once."""
        while self._stock:
            number = self._stock.popleft()
            if not self._is_used(number):
                return number
        self._start_filling()
        return None

    def give_back(self, number: str) -> None:
        """Return a number that was not used."""
        self._stock.appendleft(number)

    def fill(self) -> None:
        """Have a low stock filled; meant for when no order is on its way."""
        if len(self._stock) <= NUMBERS_LOW:
            self._start_filling()

    def _start_filling(self) -> None:
        if self._is_filling.acquire(blocking=False):
            self._thread.submit(self._fill)

    def _fill(self) -> None:
        try:
            while len(self._stock) < NUMBERS_HIGH:
                number = self._reserve()
                if not number.isdecimal() or int(number) <= 0 or self._is_used(number):
                    log.warning("order_number.dropped", number=number[:20])
                    return
                self._stock.append(number)
        except (BrokerError, CorruptRecordError) as error:
            log.warning("order_number.unavailable", reason=str(error))
        finally:
            self._is_filling.release()


class Lanes:
    """Implements what a desk sets going; see `adapters.tiger_worker.parts.Acts`."""

    def __init__(
        self,
        broker: AccountBroker,
        *,
        account: str,
        guard: SendGuard,
        latch: HaltLatch,
        budget: RateBudget,
        contracts: ContractBook,
        deadline_s: float,
        is_number_used: Callable[[str], bool],
        look_again: Callable[[], None],
        on_sending: Callable[[str], None],
        on_sent: Callable[[str], None],
        on_exhausted: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._guard = guard
        self._latch = latch
        self._budget = budget
        self._contracts = contracts
        self._look_again = look_again
        self._on_sending = on_sending
        self.readings = ReadingWatch()
        self._on_sent = on_sent
        self._places = ThreadPoolExecutor(PLACE_THREADS, thread_name_prefix=f"place-{account}")
        self._previews = ThreadPoolExecutor(
            PREVIEW_THREADS, thread_name_prefix=f"preview-{account}"
        )
        self.cancels = CancelLane(
            self._cancel,
            name=f"cancel-{account}",
            deadline_s=deadline_s,
            on_ended=self._cancel_ended,
            on_given_up=self._give_up,
            on_exhausted=on_exhausted,
        )
        self._free_places = threading.Semaphore(PLACE_THREADS)
        self.numbers = NumberStock(self._reserve, is_used=is_number_used, account=account)
        self._desk: DeskThread | None = None

    def answer_to(self, desk: DeskThread) -> None:
        """Say to which desk the answers go."""
        self._desk = desk

    def hold(self) -> str | None:
        """See `Acts.hold`."""
        if not self._free_places.acquire(blocking=False):
            return None
        number = self.numbers.take()
        if number is not None and self._budget.try_take("place_order"):
            return number
        if number is not None:
            self.numbers.give_back(number)
        self._free_places.release()
        return None

    def give_back(self, order_number: str) -> None:
        """See `Acts.give_back`; the rate token is spent, which only errs to the safe side."""
        self.numbers.give_back(order_number)
        self._free_places.release()

    def place(self, intent: Intent) -> None:
        """See `Acts.place`."""
        self._on_sending(intent.order_id)
        self._places.submit(self._place, intent)

    def hold_modify(self) -> bool:
        """See `Acts.hold_modify`."""
        if not self._free_places.acquire(blocking=False):
            return False
        if self._budget.try_take("modify_order"):
            return True
        self._free_places.release()
        return False

    def give_back_modify(self) -> None:
        """See `Acts.give_back_modify`; the rate token is spent."""
        self._free_places.release()

    def modify(self, intent: ModifyIntent) -> None:
        """See `Acts.modify`."""
        self._on_sending(intent.order_id)
        self._places.submit(self._modify, intent)

    def cancel(self, order_id: str, tiger_order_id: str, *, is_urgent: bool) -> None:
        """See `Acts.cancel`."""
        self.cancels.submit(CancelJob(order_id, tiger_order_id, is_urgent))

    def read_for_preview(self, item: CommandItem, work: Work) -> None:
        """See `Acts.read_for_preview`."""
        self._previews.submit(self._read_for_preview, item, work)

    def read_for_modify(self, item: CommandItem, spec: OrderSpec, work: Work) -> None:
        """See `Acts.read_for_modify`."""
        self._previews.submit(self._read_for_modify, item, spec, work)

    def look_again(self) -> None:
        """See `Acts.look_again`."""
        self._look_again()

    def halt_taken(self, symbol: str) -> None:
        """See `Acts.halt_taken`."""
        self._latch.taken(symbol)

    def _place(self, intent: Intent) -> None:
        try:
            order = self._broker.prepare(
                intent.spec, order_number=intent.order_number, mark=intent.mark
            )
            # Nothing may stand between this check and the call.
            objection = self._guard.objection(intent)
            ended = (
                Ended(Outcome.NOT_SENT, detail=objection)
                if objection is not None
                else self._broker.place(order)
            )
        except Exception as error:
            log.error("place.failed", order_id=intent.order_id, exc_info=error)
            ended = Ended(Outcome.UNKNOWN, detail=type(error).__name__)
        self._free_places.release()
        answer = PlaceAnswered(
            order_id=intent.order_id,
            outcome=ended.outcome,
            tiger_order_id=ended.tiger_order_id,
            code=ended.code,
            detail=ended.detail,
        )
        self._on_sent(intent.order_id)
        self._post(Work(answer), Turn.ANSWER)
        self.numbers.fill()

    def _modify(self, intent: ModifyIntent) -> None:
        try:
            order = self._broker.prepare_change(intent.spec, order_number=intent.order_number)
            # Nothing may stand between this check and the call.
            objection = self._guard.objection(intent)
            ended = (
                Ended(Outcome.NOT_SENT, detail=objection)
                if objection is not None
                else self._broker.modify(intent.tiger_order_id, order)
            )
        except Exception as error:
            log.error("modify.failed", order_id=intent.order_id, exc_info=error)
            ended = Ended(Outcome.UNKNOWN, detail=type(error).__name__)
        self._free_places.release()
        answer = ModifyAnswered(
            order_id=intent.order_id, outcome=ended.outcome, code=ended.code, detail=ended.detail
        )
        self._on_sent(intent.order_id)
        self._post(Work(answer), Turn.ANSWER)

    def _cancel(self, job: CancelJob) -> Ended:
        return ask_cancel(self._broker, self._budget, job)

    def _cancel_ended(self, job: CancelJob, ended: Ended) -> None:
        answer = CancelAnswered(
            order_id=job.order_id, outcome=ended.outcome, code=ended.code, detail=ended.detail
        )
        self._post(Work(answer), Turn.ANSWER)

    def _give_up(self, job: CancelJob) -> None:
        log.error("cancel.deadline_passed", order_id=job.order_id)
        self._cancel_ended(job, Ended(Outcome.UNKNOWN, detail=NO_END))

    def _read_for_preview(self, item: CommandItem, work: Work) -> None:
        with self.readings.reading():
            facts = self._preview_facts(item)
        self._post(work._replace(item=facts), Turn.ANSWER)

    def _preview_facts(self, item: CommandItem) -> PreviewAnswered:
        command = item.command
        assert isinstance(command, PreviewOrder)
        reading = "contracts"
        try:
            self._spend("contracts")
            contract = self._contracts.find(self._broker, command.contract)
            if contract is None:
                return PreviewAnswered(item=item, contract=None, quote=None, estimate=None)
            spec = spec_of(command, contract)
            reading = "quote_real_time"
            quote = self._quote_for(contract)
            reading = "preview_order"
            self._spend(reading)
            estimate = self._broker.estimate(spec)
            return PreviewAnswered(item=item, contract=contract, quote=quote, estimate=estimate)
        except CommandError:
            # The terms do not fit together; the decision says so, with the field's name.
            return PreviewAnswered(item=item, contract=contract, quote=None, estimate=None)
        except Exception as error:  # noqa: BLE001 - on a broker lane, unforeseen means failed
            log.warning("preview.read_failed", reading=reading, reason=repr(error))
            return PreviewAnswered(
                item=item, contract=None, quote=None, estimate=None, failed=reading
            )

    def _read_for_modify(self, item: CommandItem, spec: OrderSpec, work: Work) -> None:
        with self.readings.reading():
            prepared = self._modify_facts(item, spec)
        self._post(work._replace(item=prepared), Turn.ANSWER)

    def _modify_facts(self, item: CommandItem, spec: OrderSpec) -> ModifyPrepared:
        command = item.command
        assert isinstance(command, ModifyOrder)
        reading, quote = "contracts", None
        try:
            self._spend(reading)
            contract = self._contracts.find(self._broker, spec.ref)
            if contract is not None and _needs_quote(command, spec):
                reading = "quote_real_time"
                quote = self._quote_for(contract)
            return ModifyPrepared(item=item, contract=contract, quote=quote)
        except Exception as error:  # noqa: BLE001 - on a broker lane, unforeseen means failed
            log.warning("modify.read_failed", reading=reading, reason=repr(error))
            return ModifyPrepared(item=item, contract=None, failed=reading)

    def _quote_for(self, contract: ContractFacts) -> QuoteFacts | None:
        """Return a contract's quote; without a right to it a delayed one, if there are any."""
        self._spend("quote_real_time")
        try:
            return self._broker.quote_facts(contract)
        except QuoteRightMissingError as error:
            log.warning("quote.right_missing", symbol=contract.symbol, reason=str(error))
        if contract.security is not SecurityType.STOCK:
            return None
        self._spend("quote_delay")
        return self._broker.delayed_quote_facts(contract)

    def _reserve(self) -> str:
        self._spend("order_no")
        with self.readings.reading():
            return self._broker.reserve_number()

    def _spend(self, method: str) -> None:
        if not self._budget.take(method, wait_s=READ_TOKEN_WAIT_S):
            raise BrokerError(f"the rate budget of {method} is used up")

    def _post(self, work: Work, turn: Turn) -> None:
        assert self._desk is not None, "a desk is joined before its lanes are used"
        self._desk.post(work, turn)


# What is placed, and what hangs on it, is held to the market; see `core.price_sense`.
def _needs_quote(command: ModifyOrder, spec: OrderSpec) -> bool:
    has_exits = spec.take_profit is not None or spec.stop_loss is not None
    return command.stop_price is not None or (has_exits and command.limit_price is not None)
