"""Where what a question is about is traded: by it days are reckoned, and figures are found.

A caller who names no market means the US, unless the symbols say otherwise: those of Hong Kong are
of five digits and those of China of six, and none of the US is of digits alone.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from core.market_asks import (
    ContractsAsk,
    Fundamental,
    FundamentalsAsk,
    Market,
    MarketTable,
    Question,
    Security,
)

DEFAULT: Final[Market] = "US"
_BY_DIGITS: Final[dict[int, Market]] = {5: "HK", 6: "CN"}
_HONG_KONG: Final = ".HK"
# Goes on after "nothing was found".
_OTHERS: Final = "(in market=US, the default; there are HK, CN and SG too)"
# Of these no market is asked.
_EVERYWHERE: Final[frozenset[Fundamental]] = frozenset(
    {"exchange_rate", "industries", "main_contracts", "short_interest"}
)
# What is told of days to come as well.
_AHEAD: Final[frozenset[Fundamental]] = frozenset(
    {"delisting", "dividend", "earnings", "ipo", "split", "symbol_change"}
)


def market_of(symbols: Sequence[str], named: Market = DEFAULT) -> Market:
    """Return the market that is meant: the one all symbols are of, unless another was named."""
    found = {_market_of(symbol) for symbol in symbols}
    return found.pop() if named == DEFAULT and len(found) == 1 else named


def market_of_days(symbol: str, security: Security) -> Market | None:
    """Return by whose days a contract's past is asked for; None for a future, which may be any."""
    if security == "future":
        return None
    return market_of((symbol,)) if symbol else DEFAULT


def has_days_ahead(what: Fundamental) -> bool:
    """Say whether something is told of days to come as well."""
    return what in _AHEAD


def other_markets_note(asked: Question, table: MarketTable) -> str:
    """Return where else to look for what was not found, "" where that is not what is missing."""
    match asked:
        case FundamentalsAsk(what=what) if what in _EVERYWHERE:
            return ""
        case FundamentalsAsk(market="US", symbols=symbols) if others := _of_others(symbols):
            return f"(in market=US, the default; of another market: {', '.join(others)})"
        case FundamentalsAsk(market="US") | ContractsAsk(market="US", security="stock"):
            return "" if table.rows else _OTHERS
        case _:
            return ""


def _market_of(symbol: str) -> Market:
    if _HONG_KONG in symbol:
        return "HK"
    return _BY_DIGITS.get(len(symbol), DEFAULT) if symbol.isdecimal() else DEFAULT


def _of_others(symbols: Iterable[str]) -> list[str]:
    return [symbol for symbol in symbols if _market_of(symbol) != DEFAULT]
