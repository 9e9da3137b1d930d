"""Questions that a worker answers by asking the broker now: `ask.<account>.<what>`."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

SYMBOLS_MAX: Final = 50


class QuotesAsk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ask.<account>.quotes`: up to 50 symbols."""

    symbols: tuple[str, ...]


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """One quote by the broker; prices in the listing's currency, sizes in shares."""

    symbol: str
    market: str
    currency: str
    last: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    bid_size: Decimal | None
    ask_size: Decimal | None
    previous_close: Decimal | None
    volume: Decimal | None
    at: datetime


class QuotesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The quotes that the broker gave, and the symbols that it does not know."""

    quotes: tuple[Quote, ...]
    unknown: tuple[str, ...]


class AskFault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a question was not answered: `broker_unavailable`, `invalid_argument`, `busy`."""

    code: str
    message: str
    field: str = ""


class AskReply(msgspec.Struct, frozen=True, kw_only=True):
    """What travels back: `data`, the JSON null unless the question was answered, or `fault`."""

    data: msgspec.Raw = msgspec.Raw(b"null")
    fault: AskFault | None = None
