"""Bars from before the broker's reach: the fault of `begin`, not of a quote right.

The real SDK against the sandbox, which refuses such a window in Tiger's words: "permission denied".
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest

from adapters.tiger_worker.asks import Asks
from core.asks import AskReply
from core.market_asks import MarketTable
from tests.support.market_asks import asks_of
from tests.support.sandbox import running_sandbox

# A Thursday morning in New York.
CLOCK: Final = "virtual:2026-11-19T15:00:00Z"


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asks]:
    with running_sandbox(tmp_path_factory.mktemp("reach"), "--clock", CLOCK) as sandbox:
        yield asks_of(sandbox)


def bars(asks: Asks, **question: Any) -> AskReply:
    body = asks.answer("bars", msgspec.json.encode({"symbol": "AAPL", **question}))
    return msgspec.json.decode(body, type=AskReply)


@pytest.mark.parametrize(("period", "begin"), [("1min", "2024-11-19"), ("60min", "2016-01-04")])
def test_bars_from_too_far_back_name_begin_and_no_right_to_buy(
    asks: Asks, period: str, begin: str
) -> None:
    fault = bars(asks, period=period, begin=begin).fault
    assert fault is not None
    assert (fault.code, fault.field) == ("invalid_argument", "begin")
    assert "begin later" in fault.message
    # The right is there all the same, and goes on being used.
    near = bars(asks, period=period, begin="2026-11-18")
    assert msgspec.json.decode(near.data, type=MarketTable).rows
