"""Questions about the market, `ask.<account>.<what>`, and the table that answers each of them.

A worker answers from the broker's replies of now, or of seconds ago. Figures travel as exact
decimal text, times as ISO 8601 text.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from core.account_events import PositionFigure
from core.terms import SecurityType

SYMBOLS_MAX: Final = 50
ROWS_MAX: Final = 300
FILTERS_MAX: Final = 20
FIELDS_MAX: Final = 40
CURSOR_LENGTH_MAX: Final = 1_000
# A stock, a future (CLmain is the main contract of a product), a fund, or an option in its OCC form
# ("AAPL  261218C00230000", with any number of the blanks).
INSTRUMENT_PATTERN: Final = r"[A-Z0-9][A-Z0-9.\-]{0,19}(main| {0,5}\d{6}[CP]\d{8})?"
PRODUCT_PATTERN: Final = r"[A-Za-z0-9 .&'\-]{1,40}"
FILTER_PATTERN: Final = r"[a-z0-9_]{2,40}(:[a-z0-9]{2,8})?(>=|<=|=)[A-Za-z0-9.|\-]{1,80}"
SORT_PATTERN: Final = r"-?[a-z0-9_]{2,40}(:[a-z0-9]{2,8})?"
FIELD_PATTERN: Final = r"[a-z0-9_]{2,60}"

Cell = str | int | bool | None
Quality = Literal["real_time", "delayed", "mixed"]
Security = Literal["stock", "option", "future", "warrant", "fund"]
Market = Literal["US", "HK", "CN", "SG"]
Session = Literal["regular", "extended", "pre", "post", "overnight"]
Period = Literal[
    "tick",
    "timeline",
    "1min",
    "3min",
    "5min",
    "10min",
    "15min",
    "30min",
    "45min",
    "60min",
    "2hour",
    "3hour",
    "4hour",
    "6hour",
    "day",
    "week",
    "month",
    "year",
]
DepthView = Literal["book", "brokers", "broker_holdings", "capital_flow", "capital_distribution"]
FlowPeriod = Literal["intraday", "day", "week", "month", "quarter", "6month", "year"]
StatusView = Literal["status", "calendar", "future_hours", "rights", "quota"]
Fundamental = Literal[
    "overview",
    "report",
    "daily",
    "earnings",
    "dividend",
    "split",
    "symbol_change",
    "delisting",
    "ipo",
    "short_interest",
    "industry",
    "industries",
    "industry_stocks",
    "currency",
    "exchange_rate",
    "option_analysis",
    "main_contracts",
]
ReportPeriod = Literal["annual", "quarterly", "ltm"]
ScanView = Literal["stocks", "hot", "fields", "tags"]


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every question may say: how many rows, and where an earlier answer ended."""

    limit: int = 100
    cursor: str = ""


class QuotesAsk(Question, frozen=True, kw_only=True):
    """`quotes`: prices now of up to 50 contracts of one class."""

    symbols: tuple[str, ...]
    security: Security = "stock"
    session: Session = "regular"


class BarsAsk(Question, frozen=True, kw_only=True):
    """`bars`: the past of one contract; `begin` and `end` are ISO dates or moments with a zone."""

    symbol: str
    security: Security = "stock"
    period: Period = "day"
    begin: str = ""
    end: str = ""
    session: Session = "regular"
    is_adjusted: bool = True


class DepthAsk(Question, frozen=True, kw_only=True):
    """`depth`: who wants to trade at which price, and where the money went."""

    symbol: str = ""
    security: Security = "stock"
    view: DepthView = "book"
    period: FlowPeriod = "day"
    begin: str = ""
    end: str = ""


class OptionChainAsk(Question, frozen=True, kw_only=True):
    """`option_chain`: the expiries of an underlying, or (with `expiry`) its options."""

    symbol: str
    expiry: str = ""
    right: Literal["call", "put", ""] = ""
    money: Literal["in", "out", ""] = ""
    filters: tuple[str, ...] = ()


class ContractsAsk(Question, frozen=True, kw_only=True):
    """`contracts`: contracts by symbol, or by what a person would call them."""

    symbols: tuple[str, ...] = ()
    query: str = ""
    security: Security = "stock"
    market: Market = "US"


class MarketStatusAsk(Question, frozen=True, kw_only=True):
    """`market_status`: sessions, trading days, and what this login may see."""

    view: StatusView = "status"
    market: Literal["ALL", "US", "HK", "CN", "SG"] = "ALL"
    symbol: str = ""
    begin: str = ""
    end: str = ""


class FundamentalsAsk(Question, frozen=True, kw_only=True):
    """`fundamentals`: companies' figures and what happened to their shares."""

    what: Fundamental
    symbols: tuple[str, ...] = ()
    market: Market = "US"
    begin: str = ""
    end: str = ""
    fields: tuple[str, ...] = ()
    period: ReportPeriod = "ltm"


class ScanAsk(Question, frozen=True, kw_only=True):
    """`scan`: stocks that pass every filter; or what can be filtered by."""

    view: ScanView = "stocks"
    market: Market = "US"
    filters: tuple[str, ...] = ()
    sort: str = ""


class AssetsAsk(Question, frozen=True, kw_only=True):
    """`assets`: an account's own figures as the broker has them now, or its worth day by day.

    `currency` is what sums are told in, the broker's choice if it is empty; `begin` and `end` are
    ISO dates of the history.
    """

    view: Literal["now", "history"] = "now"
    currency: str = ""
    begin: str = ""
    end: str = ""


class PositionsAsk(Question, frozen=True, kw_only=True):
    """`positions`: what an account holds now; an empty word, or None, fits every position."""

    symbol: str = ""
    market: str = ""
    security: SecurityType | None = None


class MarketTable(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What answers a question: rows of cells under columns, and what holds for all of them.

    `at` is the time of the oldest thing told, but of quotes, whose rows tell their own times, of
    the newest. `zone` is the exchange's (IANA name), empty where the rows are of several. `begin`
    and `end` are the span that was asked of the broker. `cursor` asks for the next page.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    at: datetime
    zone: str = ""
    currency: str = ""
    quality: Quality | None = None
    facts: tuple[tuple[str, Cell], ...] = ()
    begin: datetime | None = None
    end: datetime | None = None
    unknown: tuple[str, ...] = ()
    cursor: str = ""
    note: str = ""


class AssetsTold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What answers `AssetsAsk`: one row per segment or day, and the cash by currency as of now."""

    table: MarketTable
    cash: MarketTable | None = None


class PositionsTold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What answers `PositionsAsk`: `at` is the broker's time of the oldest list.

    So many rows of its lists as `unreadable` says could not be read.
    """

    positions: tuple[PositionFigure, ...]
    at: datetime
    cursor: str = ""
    unreadable: int = 0
