"""Quote rights that another device takes: told by a quote call, labelled, regained, never grabbed.

The real SDK against the sandbox, whose rights go to the device that grabbed them last, as Tiger's.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tigeropen.quote.quote_client import QuoteClient

from adapters.tiger_worker import quote_rights
from adapters.tiger_worker.asks import Asks
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.guard import HaltLatch
from adapters.tiger_worker.lanes import Lanes
from adapters.tiger_worker.parts import Work
from adapters.tiger_worker.rates import NO_BUDGETS, RateBudget
from adapters.tiger_worker.session import LoginAccess, Session
from core.asks import AskFault, AskReply
from core.items import ModifyPrepared, PreviewAnswered, QuoteFacts
from core.market_asks import MarketTable
from core.modes import Environment
from core.terms import OptionRight, OrderSpec, SecurityType, StopLoss, TakeProfit
from infra.clock import SystemClock
from infra.sandbox.logins.files import (
    PROPERTIES_FILE,
    login_folder,
)
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.settings import Settings
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.worker_parts import WAIT_S, ManualClock, open_guard
from tests.unit.test_worker_lanes import AnsweredDesk

# A Thursday morning in New York.
CLOCK: Final = "virtual:2026-11-19T15:00:00Z"
GRAB: Final = "grab_quote_permission"
REAL_TIME: Final = "quote_real_time"


class Worker:
    """What of a worker asks for prices, on a device whose rights a test can give and take."""

    def __init__(self, sandbox: Sandbox, halt_file: Path) -> None:
        self.sandbox = sandbox
        access = LoginAccess(
            properties=login_folder(sandbox.home, "desk") / PROPERTIES_FILE,
            environment=Environment.SANDBOX,
            server_url=sandbox.url,
            gateway_key=sandbox.login().tiger_public_key,
        )
        session = Session(access, timeout_s=WAIT_S)
        broker = AccountBroker(session, number=sandbox.account(), clock=SystemClock())
        self._asks = Asks(broker, budget=RateBudget(NO_BUDGETS))
        self._desk = AnsweredDesk()
        clock = ManualClock()
        self._lanes = Lanes(
            broker,
            account=facts.ACCOUNT,
            guard=open_guard(clock, halt_file),
            latch=HaltLatch(),
            budget=RateBudget(NO_BUDGETS),
            contracts=ContractBook(clock),
            deadline_s=WAIT_S,
            is_number_used=lambda _: False,
            look_again=lambda: None,
            on_sending=lambda _: None,
            on_sent=lambda _: None,
            on_exhausted=lambda: None,
        )
        self._lanes.answer_to(self._desk)
        sandbox.control.set_settings(
            Settings(price_drift=False, logins=LoginSwitches(quote_holders="last_grabber"))
        )
        self.give_back()
        self.grabs = self.asked(GRAB)

    def asked(self, method: str) -> int:
        return self.sandbox.control.request_count(method)

    def give_back(self) -> None:
        """Have a person ask for the rights on the worker's device."""
        QuoteClient(self.sandbox.config(), is_grab_permission=True)

    def take_away(self) -> None:
        """Have another device of the login take them."""
        config = self.sandbox.config()
        config._device_id = "aa:02"
        QuoteClient(config, is_grab_permission=True)
        self.grabs += 1

    def ask(self, what: str, **question: Any) -> MarketTable | AskFault:
        reply = msgspec.json.decode(
            self._asks.answer(what, msgspec.json.encode(question)), type=AskReply
        )
        return reply.fault or msgspec.json.decode(reply.data, type=MarketTable)

    def quality(self, symbol: str = "AAPL") -> tuple[str | None, bool]:
        """Return how a quote is labelled, and whether it says how old it may be."""
        table = self.ask("quotes", symbols=[symbol])
        assert isinstance(table, MarketTable)
        assert len(table.rows) == 1
        return table.quality, "15 minutes" in table.note

    def previewed(self, **terms: Any) -> QuoteFacts | None:
        """Return the quote that a preview is made with."""
        item = core_items.preview_command(**terms)
        self._lanes.read_for_preview(item, Work(item))
        answer = self._desk.answer()
        assert isinstance(answer, PreviewAnswered)
        assert answer.failed == ""
        return answer.quote

    def prepared(self, spec: OrderSpec, **patch: Any) -> ModifyPrepared:
        """Return what is read for a change of an order with these terms."""
        item = core_items.modify_command(**patch)
        self._lanes.read_for_modify(item, spec, Work(item))
        answer = self._desk.answer()
        assert isinstance(answer, ModifyPrepared)
        assert answer.failed == ""
        return answer


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("rights"), "--clock", CLOCK) as running:
        yield running


@pytest.fixture
def worker(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    # Nothing is kept, so that each question is one of the broker.
    monkeypatch.setattr("adapters.tiger_worker.market_reads._PRICE_S", 0.0)
    return Worker(sandbox, tmp_path / "halt")


def test_rights_that_another_device_took_are_noticed_by_the_next_quote_and_never_taken_back(
    worker: Worker,
) -> None:
    assert worker.quality() == ("real_time", False)
    worker.take_away()
    assert worker.quality() == ("delayed", True)
    # From then on no price is asked for that the other device has.
    asked = worker.asked(REAL_TIME)
    assert worker.quality("MSFT") == ("delayed", True)
    bars = worker.ask("bars", symbol="AAPL", period="day")
    assert isinstance(bars, AskFault)
    assert (bars.code, worker.asked("kline")) == ("no_quote_right", 0)
    rights = worker.ask("market_status", view="rights")
    assert isinstance(rights, MarketTable)
    assert rights.rows == ()
    assert worker.asked(REAL_TIME) == asked
    assert worker.asked(GRAB) == worker.grabs


def test_rights_that_come_back_are_noticed_without_a_grab(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.take_away()
    assert worker.quality() == ("delayed", True)
    monkeypatch.setattr(quote_rights, "LOOK_EVERY_S", 0.0)
    assert worker.quality() == ("delayed", True)
    asked = worker.asked(REAL_TIME)
    worker.give_back()
    worker.grabs += 1
    assert worker.quality() == ("real_time", False)
    assert (worker.asked(REAL_TIME), worker.asked(GRAB)) == (asked + 1, worker.grabs)


def test_preview_without_the_rights_is_made_with_a_delayed_quote_that_says_so(
    worker: Worker,
) -> None:
    now = worker.previewed()
    assert now is not None
    assert not now.is_delayed
    worker.take_away()
    late = worker.previewed()
    assert late is not None
    assert late.is_delayed
    assert (late.bid, late.ask) == (None, None)
    assert late.last is not None
    assert worker.asked(GRAB) == worker.grabs


@pytest.mark.parametrize(
    ("patch", "exits", "reads"),
    [
        ({"limit_price": "260"}, {"take_profit": TakeProfit(limit_price=Decimal(300))}, True),
        ({"limit_price": "260"}, {"stop_loss": StopLoss(stop_price=Decimal(90))}, True),
        ({"quantity": "5"}, {"stop_loss": StopLoss(stop_price=Decimal(90))}, False),
        ({"limit_price": "260"}, {}, False),
    ],
)
def test_change_of_a_limit_is_held_to_the_market_where_the_order_has_exits(
    worker: Worker, patch: dict[str, Any], exits: dict[str, Any], reads: bool
) -> None:
    prepared = worker.prepared(msgspec.structs.replace(facts.spec(), **exits), **patch)
    assert prepared.contract is not None
    assert (prepared.quote is not None) is reads


def test_preview_of_what_has_no_delayed_prices_goes_on_without_one(worker: Worker) -> None:
    worker.take_away()
    quote = worker.previewed(
        security=SecurityType.OPTION,
        expiry=date(2026, 12, 18),
        strike="230",
        right=OptionRight.CALL,
        quantity="1",
        limit_price="1.00",
    )
    assert quote is None
