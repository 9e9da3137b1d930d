"""A position that the broker moved by itself: the break, what it stops, adopting it, agreement."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio

from core import account_events, events
from core.commands import AdoptPosition
from core.refusals import Refusal
from core.terms import Side
from tests.support import worker_main
from tests.support.rig import ACCOUNT, Rig, running_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")
TIMING: Final = msgspec.json.encode(worker_main.SHORT).decode()
LOW: Final = "1.00"
PRICE: Final = Decimal("100")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path_factory.mktemp("breaks")) as rig:
        await rig.ready_worker("alpha", module="tests.support.worker_main", TEST_TIMING=TIMING)
        yield rig


@pytest.fixture
def rig(running: Rig) -> Rig:
    return running


async def held(rig: Rig, symbol: str, *, quantity: str = "20") -> int:
    """Buy shares and return how many facts there were before."""
    started = await rig.started(symbol=symbol, quantity=quantity)
    await rig.fact(events.OrderFilled, order_id=started.order_id)
    return len(rig.facts)


def move(rig: Rig, symbol: str, quantity: int) -> None:
    """Have the broker move a position by itself, as a corporate action would."""
    rig.sandbox.control.external_position(
        rig.number(), symbol, quantity=Decimal(quantity), price=PRICE
    )


async def found_break(
    rig: Rig, symbol: str, *, since: int
) -> tuple[str, account_events.AccountPositionBreak]:
    """Wait for a break and return its id with it."""
    told = await rig.fact(account_events.AccountPositionBreak, since=since, symbol=symbol)
    record = next(r for r in rig.facts[since:] if r.data == told)
    return record.event_id, told


async def refusal(rig: Rig, **terms: Any) -> Refusal | None:
    """Submit an order and return why it was refused, or None if it was sent."""
    command_id = await rig.submit(await rig.preview(**terms))

    def ended() -> list[Any]:
        refused = rig.seen(events.OrderRefused, command_id=command_id)
        return refused or rig.seen(events.OrderSubmissionStarted, command_id=command_id)

    (first, *_) = await rig.until(ended)
    return first.code if isinstance(first, events.OrderRefused) else None


async def test_adopted_break_opens_the_symbol_again_and_later_fills_agree(rig: Rig) -> None:
    since = await held(rig, "AAPL")
    move(rig, "AAPL", -8)
    break_id, told = await found_break(rig, "AAPL", since=since)
    assert (int(told.expected), int(told.observed)) == (20, 12)
    assert await refusal(rig, symbol="AAPL", limit_price=LOW) is Refusal.POSITION_BROKEN
    assert await refusal(rig, symbol="MSFT", limit_price=LOW) is None
    command_id = await rig.send(ACCOUNT, AdoptPosition(break_id=break_id))
    adopted = await rig.fact(account_events.AccountPositionAdopted, command_id=command_id)
    assert (adopted.break_id, int(adopted.quantity)) == (break_id, 12)
    assert await refusal(rig, symbol="AAPL", limit_price=LOW) is None
    after = await held(rig, "AAPL", quantity="5")
    await rig.fact(account_events.AccountPositionsObserved, since=since)
    move(rig, "AAPL", 1)
    _, again = await found_break(rig, "AAPL", since=after)
    assert (int(again.expected), int(again.observed)) == (17, 18)


async def test_break_that_agrees_again_is_over_without_a_person(rig: Rig) -> None:
    since = await held(rig, "NVDA")
    move(rig, "NVDA", 3)
    break_id, _ = await found_break(rig, "NVDA", since=since)
    move(rig, "NVDA", -3)
    agreed = await rig.fact(account_events.AccountPositionAgreed, since=since, symbol="NVDA")
    assert agreed.quantity == 20
    late = await rig.send(ACCOUNT, AdoptPosition(break_id=break_id))
    refused = await rig.fact(events.OrderRefused, command_id=late)
    assert refused.code is Refusal.BREAK_UNKNOWN
    assert await refusal(rig, symbol="NVDA", limit_price=LOW) is None


async def test_reducing_by_what_the_broker_holds_passes_a_break(rig: Rig) -> None:
    since = await held(rig, "GOOG")
    move(rig, "GOOG", -8)
    await found_break(rig, "GOOG", since=since)
    assert await refusal(rig, symbol="GOOG", side=Side.SELL, quantity="13") is (
        Refusal.POSITION_BROKEN
    )
    assert await refusal(rig, symbol="GOOG", side=Side.SELL, quantity="12") is None


async def test_order_in_the_phone_app_is_no_break(rig: Rig) -> None:
    since = await held(rig, "AMZN")
    rig.sandbox.control.external_order(rig.number(), "AMZN", side="SELL", quantity=Decimal(5))
    await rig.fact(events.OrderFillRecorded, since=since, symbol="AMZN", side=Side.SELL)
    move(rig, "AMZN", 1)
    _, told = await found_break(rig, "AMZN", since=since)
    assert (int(told.expected), int(told.observed)) == (15, 16)


async def test_cash_from_elsewhere_is_told_once_and_stops_nothing(rig: Rig) -> None:
    since = len(rig.facts)
    rig.sandbox.control.external_cash(rig.number(), "USD", Decimal("12.34"))

    def told() -> list[account_events.AccountCashBreak]:
        return [
            found
            for found in rig.seen(account_events.AccountCashBreak, since=since)
            if found.observed.amount - found.expected.amount == Decimal("12.34")
        ]

    await rig.until(told)
    assert await refusal(rig, symbol="TSLA", limit_price=LOW) is None
    await held(rig, "TSLA", quantity="1")
    assert len(told()) == 1
