"""What the walk over every tool has found in the worker: see `tests/e2e/test_tool_walk.py`."""

import json

import pytest
from tigeropen.common.exceptions import RequestException, ResponseException

from adapters.tiger_worker.market_listings import Listings
from adapters.tiger_worker.market_reads import MarketReads, MarketRefusalError
from adapters.tiger_worker.rates import NO_BUDGETS, RateBudget
from core.items import Outcome
from core.market_asks import Security
from tests.support import core_facts as facts
from tests.support.scripted_broker import ScriptedClient, scripted_broker


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RequestException("x"), "the connection ended without a reply"),
        (
            ResponseException("x", status=502),
            "what came back was not the broker's signed reply",
        ),
        (json.JSONDecodeError("x", "", 0), "the broker's reply could not be read"),
        (KeyError("x"), "the call ended as nobody foresaw"),
    ],
)
def test_doubt_is_told_in_words_and_not_by_a_librarys_class(error: Exception, told: str) -> None:
    client = ScriptedClient()
    client.answer("place_order", error)
    broker = scripted_broker(client)
    order = broker.prepare(facts.spec(), order_number="901", mark="m")
    ended = broker.place(order)
    assert (ended.outcome, ended.detail) == (Outcome.UNKNOWN, told)


@pytest.mark.parametrize("security", ["stock", "option"])
def test_a_single_symbol_that_is_none_is_refused_by_its_own_arguments_name(
    security: Security,
) -> None:
    reads = MarketReads(scripted_broker(ScriptedClient()), budget=RateBudget(NO_BUDGETS))
    listings = Listings(reads)
    for symbol in ("A" * 31, "AA AA"):
        with pytest.raises(MarketRefusalError) as one:
            listings.one(security, symbol)
        assert one.value.field == "symbol"
        with pytest.raises(MarketRefusalError) as several:
            listings.find(security, (symbol,))
        assert several.value.field == "symbols"
