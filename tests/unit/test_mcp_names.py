"""The two words of an option, each taken for the other, and orders named by the broker's id."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError

from adapters.mcp.names import brokers_note, check_underlying, in_market, in_record
from adapters.tiger_worker.market_rows import option_named
from core.terms import OptionRight, contract_word

OPTIONS = [
    ("AAPL261211C230", "AAPL  261211C00230000"),
    ("AAPL261211P227.5", "AAPL  261211P00227500"),
    ("BRK.B261218C400", "BRK.B 261218C00400000"),
    ("TCH.HK261230C620", "TCH.HK261230C00620000"),
]


@pytest.mark.parametrize(("record", "market"), OPTIONS)
def test_an_options_words_are_taken_for_each_other(record: str, market: str) -> None:
    for word in (record, market, market.replace(" ", "")):
        assert in_record(word) == record
        assert in_market((word,), "option")[0][0].replace(" ", "") == market.replace(" ", "")
        assert in_market((word,), "stock")[1] == "option"
    assert in_market((record,), "option") == ((market,), "option")


@given(
    root=st.from_regex(r"[A-Z]{1,5}(\.[AB])?", fullmatch=True).filter(lambda r: len(r) <= 6),
    day=st.dates(date(2024, 1, 1), date(2068, 12, 31)),
    right=st.sampled_from(OptionRight),
    strike=st.decimals("0.001", "99999.999", places=3),
)
def test_every_option_of_the_record_is_one_of_the_market(
    root: str, day: date, right: OptionRight, strike: Decimal
) -> None:
    word = contract_word(root, day, right, strike)
    ((market,), security) = in_market((word,), "stock")
    named = option_named(market)
    assert security == "option"
    assert named is not None
    assert (named.underlying, named.expiry, Decimal(named.strike)) == (root, day, strike)
    assert named.right == ("CALL" if right is OptionRight.CALL else "PUT")
    assert in_record(market) == word


@pytest.mark.parametrize("symbol", ["AAPL", "00700", "CL2701", "CLmain", "13719", "BRK.B", ""])
def test_what_is_no_option_stays_as_it_is(symbol: str) -> None:
    assert in_market((symbol,), "stock") == ((symbol,), "stock")
    assert in_market((symbol,), "option") == ((symbol,), "option")
    assert in_record(symbol) == symbol
    check_underlying(symbol)


def test_a_stock_beside_an_option_leaves_the_class_as_asked() -> None:
    assert in_market(("AAPL", "AAPL261211C230"), "stock")[1] == "stock"


@pytest.mark.parametrize("word", [word for words in OPTIONS for word in words])
def test_what_is_meant_of_a_whole_underlying_is_not_asked_by_one_option(word: str) -> None:
    with pytest.raises(ToolError, match=f"symbol: .*{word[:3]}.*was one option"):
        check_underlying(word)


def test_only_the_brokers_ids_are_told_apart() -> None:
    assert brokers_note(("ord-1", "ext-2")) == ""
    assert brokers_note(("ord-1", "4013")) == (
        "4013 is the broker's id (tiger_order_id): give `order_id`, told beside it."
    )
