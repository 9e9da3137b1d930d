"""A connected login: its socket, what it follows, and what it was told last."""

import msgspec

from infra.sandbox.home import Login
from infra.sandbox.market.prices import Quote
from infra.sandbox.push.connection import Connection
from infra.sandbox.push.holdings import Holdings
from infra.sandbox.push.klines import MinuteBar
from infra.sandbox.push.quotes import Tick
from infra.sandbox.push.topics import Subscriptions


class Tape(msgspec.Struct, frozen=True, kw_only=True):
    """Up to where the trades of a contract are known."""

    quote: Quote
    number: int  # of the last trade


class Session(msgspec.Struct, kw_only=True, eq=False):
    """One login's connection; a newer one of the same login takes its place."""

    connection: Connection
    login: Login
    subscriptions: Subscriptions
    use_full_tick: bool
    holdings: dict[str, Holdings] = {}  # by account, as last told
    quotes: dict[str, Quote] = {}  # by symbol as the client wrote it, as last told
    tapes: dict[str, Tape] = {}  # by symbol: up to where trades were gathered
    ticks: dict[str, list[Tick]] = {}  # by symbol: trades to be told
    bars: dict[str, MinuteBar] = {}  # by symbol: of the running minute
