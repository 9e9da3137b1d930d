"""The stock of order numbers: filled ahead on a thread of its own, and none given out twice."""

from collections import deque
from collections.abc import Container

import pytest

from adapters.tiger_worker.lanes import NUMBERS_HIGH, NumberStock
from core.errors import BrokerError, CorruptRecordError
from tests.support.worker_parts import WAIT_S


def stock(*numbers: object, used: Container[str] = ()) -> NumberStock:
    given = deque(numbers)

    def reserve() -> str:
        if not given:
            raise BrokerError("none left")
        number = given.popleft()
        if isinstance(number, BaseException):
            raise number
        return str(number)

    return NumberStock(reserve, is_used=lambda number: number in used, account="test")


def settle(numbers: NumberStock) -> None:
    """Wait until its thread has done everything handed in."""
    numbers._thread.submit(lambda: None).result(WAIT_S)


def drawn(numbers: NumberStock) -> list[str]:
    """Fill the stock once, then draw it empty."""
    numbers.fill()
    settle(numbers)
    assert numbers._is_filling.acquire(blocking=False), "a fill never ends"
    found = []
    while (number := numbers.take()) is not None:
        found.append(number)
    return found


def test_stock_is_filled_ahead_and_drawn_in_order() -> None:
    numbers = stock(*range(1, 100))
    assert drawn(numbers) == [str(n) for n in range(1, NUMBERS_HIGH + 1)]


@pytest.mark.parametrize("bad", ["0", "-1", "", "12a", "None", "00"])
def test_number_that_the_sdk_would_leave_out_is_dropped(bad: str) -> None:
    numbers = stock("5", bad, "6")
    assert drawn(numbers) == ["5"]


def test_number_that_the_logins_ledger_has_seen_is_dropped() -> None:
    numbers = stock("5", "6", "7", used=("6",))
    assert drawn(numbers) == ["5"]


def test_number_used_after_it_was_stocked_is_not_given_out() -> None:
    used: list[str] = []
    numbers = stock("5", "5", "6", "0", used=used)
    numbers.fill()
    settle(numbers)
    assert numbers.take() == "5"
    used.append("5")
    assert numbers.take() == "6"


def test_stock_that_could_not_be_filled_is_filled_at_the_next_look() -> None:
    numbers = stock(BrokerError("away"), "5", "0")
    assert numbers.take() is None
    settle(numbers)
    numbers.fill()
    settle(numbers)
    assert numbers.take() == "5"


def test_number_given_back_is_the_next_given_out() -> None:
    numbers = stock(*range(1, 100))
    numbers.fill()
    settle(numbers)
    first = numbers.take()
    assert first is not None
    numbers.give_back(first)
    assert numbers.take() == first
    settle(numbers)


def test_reply_without_a_readable_number_stops_no_later_fill() -> None:
    numbers = stock(CorruptRecordError("odd"), "5", "0")
    assert numbers.take() is None
    settle(numbers)
    assert drawn(numbers) == ["5"]
