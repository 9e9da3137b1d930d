"""What is told of a symbol that the broker knows none of."""

import pytest

from core import events, items
from core.refusals import NEXT_STEP, Refusal
from core.symbol_hints import hint_of
from core.terms import OptionRight, SecurityType
from tests.support import core_facts as facts
from tests.support import core_items


@pytest.mark.parametrize(
    ("symbol", "security", "says"),
    [
        ("00700", SecurityType.OPTION, "its option_symbol, which get_option_chain tells (TCH.HK"),
        ("700", SecurityType.OPTION, "its option_symbol, which get_option_chain tells (TCH.HK"),
        ("TCH.HK", SecurityType.OPTION, "its expiry and strike must be listed"),
        ("AAPL", SecurityType.OPTION, "its expiry and strike must be listed"),
        ("AAPL261218C230", SecurityType.OPTION, "named by its underlying's symbol"),
        ("AAPL261218C00230000", SecurityType.STOCK, "named by its underlying's symbol"),
        ("58123", SecurityType.WARRANT, "a bull or bear contract is security cbbc"),
        ("13719", SecurityType.CBBC, "is security warrant"),
        ("58123", SecurityType.STOCK, "a security warrant or cbbc"),
        ("700", SecurityType.STOCK, "Hong Kong's symbols have five digits: 00700"),
        ("700", SecurityType.CBBC, "Hong Kong's symbols have five digits: 00700"),
        ("ES2612", SecurityType.STOCK, "a future needs security future"),
        ("CLmain", SecurityType.STOCK, "a future needs security future"),
        ("ES", SecurityType.FUTURE, "by product, year and month, as ES2612"),
        ("APPL", SecurityType.STOCK, "a US stock is written as AAPL"),
        ("AAPL", SecurityType.FUND, "a fund is written as IE00B464Q616.USD"),
        ("ZZZZ", SecurityType.COMBINATION, "its underlying's"),
    ],
)
def test_a_hint_fits_the_class_and_the_look_of_the_symbol(
    symbol: str, security: SecurityType, says: str
) -> None:
    assert says in hint_of(symbol, security)


def test_a_refused_preview_carries_the_hint() -> None:
    command = core_items.preview_command(
        symbol="00700",
        security=SecurityType.OPTION,
        strike="620",
        right=OptionRight.CALL,
    )
    answer = items.PreviewAnswered(item=command, contract=None, quote=None, estimate=None)
    refused = facts.TestDesk(*facts.ready()).when(answer)
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.UNKNOWN_SYMBOL
    hint = hint_of("00700", SecurityType.OPTION)
    said = f"Tiger knows no option 00700 of these terms: {hint}"
    assert refused.detail == f"{said}. {NEXT_STEP[Refusal.UNKNOWN_SYMBOL]}"


def test_every_class_has_a_hint() -> None:
    assert all(hint_of("X", security) for security in SecurityType)
