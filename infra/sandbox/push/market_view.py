"""A contract's quote with the words for how its market stands."""

from datetime import datetime

from infra.sandbox.broker.engine import Engine
from infra.sandbox.market.calendars import SessionKind
from infra.sandbox.market.instruments import Instrument, find
from infra.sandbox.market.sessions import session_at
from infra.sandbox.push.quotes import QuoteView

# Source: Tiger's documentation, page market-state, `status` in plain words (read 2026-11-22).
STATUS_WORDS: dict[SessionKind, str] = {
    "pre": "Pre-Market",
    "regular": "Trading",
    "lunch": "Mid-Day Break",
    "post": "Post-Market",
    "overnight": "Overnight",
    "auction": "Auction",
    "break": "Mid-Day Break",
    "closed": "Closed",
}
HOUR_TAGS: dict[SessionKind, str] = {
    "pre": "Pre-Mkt",
    "post": "Post-Mkt",
    "overnight": "Overnight",
}


def instrument_at(key: str) -> Instrument:
    """Return the contract with a key that was found before."""
    instrument = find(key)
    assert instrument is not None, "only keys of contracts are subscribed to"
    return instrument


def view_of(engine: Engine, key: str, *, now: datetime) -> QuoteView:
    """Return a contract's quote as it stands now."""
    instrument = instrument_at(key)
    session = session_at(
        instrument.market,
        now,
        sec_type=instrument.sec_type,
        always_open=engine.settings.always_open,
    )
    return QuoteView(
        instrument=instrument,
        quote=engine.prices.quote(key),
        now=now,
        status=STATUS_WORDS[session.kind],
        hour_tag=HOUR_TAGS.get(session.kind),
    )
