"""What a question means by a symbol: all that trades under it, or the one option that it names.

Every answer names an option by one word ("AAPL261211C230"), which is taken back here.
"""

import sqlite3
from typing import Final

import msgspec

from core import account_events, views
from core.terms import symbol_of

_IN_ORDER: Final = "order_trades(row, ?)"
_IN_EXECUTION: Final = "execution_trades(row, ?)"
_order_decoder: Final = msgspec.json.Decoder(views.OrderRow)
_execution_decoder: Final = msgspec.json.Decoder(views.ExecutionRow)


def add_functions(connection: sqlite3.Connection) -> None:
    """Have statements of a connection compare stored rows with an option's word."""
    connection.create_function("order_trades", 2, _order_trades, deterministic=True)
    connection.create_function("execution_trades", 2, _execution_trades, deterministic=True)


def of_symbol(
    where: list[str], values: list[str | int], word: str | None, *, is_execution: bool = False
) -> None:
    """Add what a word asks for to a condition; nothing for no word."""
    if word is None:
        return
    symbol = symbol_of(word)
    where.append("symbol = ?")
    values.append(symbol)
    if symbol != word:
        # The rows of the underlying alone are decoded.
        where.append(_IN_EXECUTION if is_execution else _IN_ORDER)
        values.append(word)


def is_of(figure: account_events.PositionFigure, word: str | None) -> bool:
    """Say whether a position is what a word asks for; every one is without a word."""
    return word in (None, figure.symbol, figure.contract)


def _order_trades(row: bytes, word: str) -> bool:
    return word in _order_decoder.decode(row).spec.contracts


def _execution_trades(row: bytes, word: str) -> bool:
    return _execution_decoder.decode(row).contract == word
