"""When a contract that ends is over, to the minute."""

from datetime import datetime
from functools import lru_cache

from infra.sandbox.market.calendars import trading_day_on_or_before
from infra.sandbox.market.sessions import spans_of
from infra.sandbox.market.terms import Instrument

CACHED_ENDS_MAX = 20_000


@lru_cache(maxsize=CACHED_ENDS_MAX)
def expires_at(instrument: Instrument) -> datetime | None:
    """Return the end of regular trading on a contract's last day (UTC); none if it has no end."""
    if instrument.expiry is None:
        return None
    day = trading_day_on_or_before(instrument.market, instrument.expiry)
    spans = spans_of(instrument.market, day, sec_type=instrument.sec_type)
    return max(span.ends_at for span in spans if span.kind == "regular")


def is_over(instrument: Instrument, now: datetime) -> bool:
    """Say whether a contract has come to its end."""
    # Most contracts have none, and this is asked of every holding every second.
    if instrument.expiry is None:
        return False
    end = expires_at(instrument)
    return end is not None and now >= end
