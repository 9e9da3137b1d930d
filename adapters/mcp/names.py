"""What is meant by the name that a contract or an order was given, and what to try if by none.

An option has two words: the market's ("AAPL  261218C00230000", OCC), by which quotes are asked, and
the record's ("AAPL261218C230"), by which orders and positions tell it. Either is taken for both.
"""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from adapters.mcp.faults import refused_argument
from core.errors import CommandError
from core.market_asks import Security
from core.terms import symbol_of

_HONG_KONG: Final = ".HK"
_HONG_KONG_DIGITS: Final = 5
_ROOT_LENGTH: Final = 6
_MILLS: Final = 1_000
_MARKETS: Final = re.compile(r"([A-Z][A-Z0-9.]{0,9}?) {0,5}(\d{6}[CP])(\d{8})", re.ASCII)
_RECORDS: Final = re.compile(r"([A-Z][A-Z0-9.]{0,9}?)(\d{6}[CP])(\d{1,5}(?:\.\d{1,3})?)", re.ASCII)
NEVER_SEEN: Final = (
    "No order of this account ever had this symbol. Hong Kong stocks have five digits (00700); an "
    "option is asked for by its underlying's symbol, or by the word under `contract`."
)


def in_market(symbols: Sequence[str], security: Security) -> tuple[tuple[str, ...], Security]:
    """Return symbols as the market has them, and their class: an option's word says it is one."""
    are_options = bool(symbols) and all(map(_is_option, symbols))
    if security != "option" and not (security == "stock" and are_options):
        return tuple(symbols), security
    return tuple(map(_in_market, symbols)), "option"


def hong_kong_note(symbols: Iterable[str]) -> str:
    """Return how Hong Kong's stocks are written, "" where no symbol is one that is too short."""
    short = [each for each in symbols if each.isdecimal() and len(each) < _HONG_KONG_DIGITS]
    if not short:
        return ""
    return f"Hong Kong stocks have five digits: {short[0].zfill(_HONG_KONG_DIGITS)}."


def in_record(symbol: str | None) -> str | None:
    """Return a symbol as orders and positions have it."""
    found = _MARKETS.fullmatch(symbol or "")
    if found is None:
        return symbol
    root, day_and_right, strike = found.groups()
    return f"{root}{day_and_right}{(Decimal(strike) / _MILLS).normalize():f}"


def check_underlying(symbol: str | None) -> None:
    """Refuse an option's word where an underlying's symbol is meant, with all that trades on it.

    Raises:
        ToolError: naming `symbol`.
    """
    if symbol is None or not _is_option(symbol):
        return
    word = in_record(symbol) or symbol
    error = CommandError(
        f"expected the underlying's symbol, {symbol_of(word)}, whose options are all meant too, "
        "was one option",
        field="symbol",
    )
    raise refused_argument(error)


def is_brokers(order_id: str) -> bool:
    """Say whether an order was named by the broker's id: ours begin with a word."""
    return order_id.isascii() and order_id.isdecimal()


def brokers_note(order_ids: Iterable[str]) -> str:
    """Return what to do about ids that are the broker's, "" if none is."""
    found = ", ".join(each for each in order_ids if is_brokers(each))
    if not found:
        return ""
    return f"{found} is the broker's id (tiger_order_id): give `order_id`, told beside it."


def _is_option(symbol: str) -> bool:
    return any(each.fullmatch(symbol) for each in (_MARKETS, _RECORDS))


def _in_market(symbol: str) -> str:
    found = None if _MARKETS.fullmatch(symbol) else _RECORDS.fullmatch(symbol)
    if found is None:
        return symbol
    root, day_and_right, strike = found.groups()
    # As Tiger writes them: those of the US have their root on six places.
    width = 0 if root.endswith(_HONG_KONG) else _ROOT_LENGTH
    return f"{root:<{width}}{day_and_right}{int(Decimal(strike) * _MILLS):08d}"
