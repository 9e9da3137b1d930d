"""When an order may trade, and when its time in force ends.

The calendar is the market's; this module adds what an order makes of it. The switch
`always_open` puts every market into its regular session at all hours.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from infra.sandbox.broker.records import OrderTerms
from infra.sandbox.market.calendars import SessionKind
from infra.sandbox.market.expiry import expires_at
from infra.sandbox.market.instruments import Instrument
from infra.sandbox.market.sessions import Session, session_at, session_end

GTC_DAYS_MAX = 180
# Source: Tiger's order and trading rules (docs-en.itigerup.com/docs/trade-rules, read 2026-11):
# input 9:00, no cancelling from 9:15, matching from 9:20; input 16:01, no cancelling from 16:06,
# matching from 16:08.
OPENING_CANCEL_END = timedelta(minutes=15)
OPENING_INPUT_END = timedelta(minutes=20)
CLOSING_INPUT_BEGIN = timedelta(minutes=1)
CLOSING_CANCEL_END = timedelta(minutes=6)
CLOSING_INPUT_END = timedelta(minutes=8)

AUCTION_TYPES = frozenset({"AM", "AL"})
ALGO_TYPES = frozenset({"TWAP", "VWAP"})
REGULAR_ONLY_TYPES = frozenset({"MKT", "STP", "TRAIL", *ALGO_TYPES})
EXTENDED: frozenset[SessionKind] = frozenset({"pre", "regular", "post"})
REGULAR: frozenset[SessionKind] = frozenset({"regular"})
AUCTION: frozenset[SessionKind] = frozenset({"auction"})

AuctionPhase = Literal["input", "no_cancel", "matching", "none"]


class Hours:
    """Sessions of every market, kept while they last."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], Session] = {}
        self._ends: dict[tuple[str, str, bool], tuple[Session, datetime]] = {}

    def session(self, instrument: Instrument, now: datetime) -> Session:
        """Return the real session of a contract's market; no switch counts."""
        place = (instrument.market, instrument.sec_type)
        session = self._sessions.get(place)
        if session is None or not session.begins_at <= now < session.ends_at:
            session = session_at(instrument.market, now, sec_type=instrument.sec_type)
            self._sessions[place] = session
        return session

    def day_end(self, instrument: Instrument, now: datetime, *, outside_rth: bool) -> datetime:
        """Return when a DAY order of now ends."""
        session, place = (
            self.session(instrument, now),
            (instrument.market, instrument.sec_type, outside_rth),
        )
        kept = self._ends.get(place)
        if kept is None or kept[0] is not session:
            end = session_end(
                instrument.market, now, sec_type=instrument.sec_type, outside_rth=outside_rth
            )
            kept = self._ends[place] = (session, end)
        return kept[1]

    def lapses_at(self, terms: OrderTerms, instrument: Instrument, now: datetime) -> datetime:
        """Return when the time in force of an order of now ends."""
        match terms.time_in_force:
            case "GTC":
                end = now + timedelta(days=GTC_DAYS_MAX)
            case "GTD" if terms.expire_at is not None:
                end = terms.expire_at
            case _ if terms.time_in_force == "OPG" or terms.order_type == "AM":
                session = self.session(instrument, now)
                is_auction = session.kind == "auction"
                end = session.ends_at if is_auction else self._next_open(instrument, now)
            case _:
                is_extended = windows(terms, instrument) != REGULAR
                end = self.day_end(instrument, now, outside_rth=is_extended)
        last = expires_at(instrument)
        return end if last is None else min(end, last)

    def _next_open(self, instrument: Instrument, now: datetime) -> datetime:
        return session_at(instrument.market, now, sec_type=instrument.sec_type).next_open

    def auction_phase(self, instrument: Instrument, now: datetime) -> AuctionPhase:
        """Return what an auction is at; none outside of one."""
        session = self.session(instrument, now)
        if session.kind != "auction":
            return "none"
        since = now - session.begins_at
        after = session_at(instrument.market, session.ends_at, sec_type=instrument.sec_type)
        if after.kind == "regular":
            begin, cancel_end, input_end = timedelta(0), OPENING_CANCEL_END, OPENING_INPUT_END
        else:
            begin, cancel_end, input_end = (
                CLOSING_INPUT_BEGIN,
                CLOSING_CANCEL_END,
                CLOSING_INPUT_END,
            )
        if since < begin:
            return "none"
        if since < cancel_end:
            return "input"
        return "no_cancel" if since < input_end else "matching"


def windows(terms: OrderTerms, instrument: Instrument) -> frozenset[SessionKind]:
    """Return the sessions in which an order may trade."""
    if terms.order_type in AUCTION_TYPES:
        # What is left of an auction limit order goes on as a limit order.
        return AUCTION if terms.order_type == "AM" else AUCTION | REGULAR
    if instrument.sec_type == "FUT":
        return REGULAR | {"post"}
    if instrument.market != "US" or instrument.sec_type != "STK":
        return _asian_windows(terms) if instrument.market == "HK" else REGULAR
    if terms.order_type in REGULAR_ONLY_TYPES or is_fractional(terms):
        return REGULAR
    match terms.session_type:
        case "RTH":
            return REGULAR
        case "PRE_RTH_POST":
            return EXTENDED
        case "OVERNIGHT":
            return frozenset({"overnight"})
        case "FULL":
            return EXTENDED | {"overnight"}
        case _:
            return EXTENDED if terms.outside_rth else REGULAR


def is_fractional(terms: OrderTerms) -> bool:
    """Say whether an order is for less than whole shares, or by amount."""
    return terms.cash_amount is not None or terms.quantity % 1 != 0


def _asian_windows(terms: OrderTerms) -> frozenset[SessionKind]:
    match terms.session_type:
        case "HK_AUC":
            return AUCTION
        case "HK_AUC_CTS":
            return AUCTION | REGULAR
        case _:
            return REGULAR


class TradingTime(msgspec.Struct, frozen=True, kw_only=True):
    """What an order meets at a moment."""

    is_open: bool  # it may trade
    is_auction: bool  # at the one price of an auction


def trading_time(
    hours: Hours, terms: OrderTerms, instrument: Instrument, now: datetime, *, always_open: bool
) -> TradingTime:
    """Say whether an order may trade at a moment, and how."""
    if always_open:
        is_auction = terms.order_type in AUCTION_TYPES
        return TradingTime(is_open=True, is_auction=is_auction)
    kind = hours.session(instrument, now).kind
    if kind not in windows(terms, instrument):
        return TradingTime(is_open=False, is_auction=False)
    if kind != "auction":
        return TradingTime(is_open=True, is_auction=False)
    return TradingTime(is_open=hours.auction_phase(instrument, now) == "matching", is_auction=True)
