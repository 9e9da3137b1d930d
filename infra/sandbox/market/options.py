"""Listed options: which exist (by rule), and how they are called.

An option is never stored: its identifier says everything. Expirations are Fridays (of the
exchange's calendar), strikes a grid around the base price of the underlying.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from infra.sandbox.market.calendars import previous_trading_day, trading_day_on_or_before
from infra.sandbox.market.stocks import CATALOGUE
from infra.sandbox.market.terms import Instrument, Right, Venue

CACHED_OPTIONS_MAX = 20_000
WEEKLIES_MAX = 8
MONTHLIES_MAX = 12
STRIKE_UNITS = 1000  # an identifier writes the strike in thousandths
FRIDAY = 4
FIRST_DAY = date(2020, 1, 1)  # no option of the sandbox expired before it
# Hong Kong's option classes have their own names. Source: HKEX, stock options, HKATS codes.
HK_CLASSES: Mapping[str, str] = {
    "00700": "TCH.HK",
    "09988": "ALB.HK",
    "03690": "MET.HK",
    "00005": "HKB.HK",
    "02318": "PAI.HK",
    "00939": "CCB.HK",
}
US_CLASSES = ("AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "GOOG", "SPY", "QQQ")
# Option class to the key of its underlying.
UNDERLYINGS: Mapping[str, str] = {
    **{symbol: symbol for symbol in US_CLASSES},
    **{option_class: key for key, option_class in HK_CLASSES.items()},
}
# From this base price on (inclusive) strikes stand this far apart.
_STRIKE_STEPS = (
    (Decimal(1000), Decimal(20)),
    (Decimal(200), Decimal(5)),
    (Decimal(50), Decimal("2.5")),
    (Decimal(10), Decimal(1)),
    (Decimal(0), Decimal("0.5")),
)
# The grid reaches this share of the base price to both sides.
_STRIKE_REACH = Decimal("0.5")
_IDENTIFIER = re.compile(r"(?P<class>[A-Z.]{1,6}) *(?P<day>\d{6})(?P<right>[CP])(?P<strike>\d{8})")


def class_of(symbol: str) -> str | None:
    """Return the option class of an underlying or of a class itself ("00700", "TCH.HK")."""
    if symbol in UNDERLYINGS:
        return symbol
    return HK_CLASSES.get(symbol)


def underlying_of(option_class: str) -> Instrument:
    """Return the stock behind an option class."""
    return CATALOGUE[UNDERLYINGS[option_class]]


def identifier_of(option_class: str, *, expiry: date, right: Right, strike: Decimal) -> str:
    """Return an option's identifier: the OCC text, the class padded to six characters.

    Source: tigeropen 3.8.0, `common/util/contract_utils.py`, `get_option_identifier`.
    """
    units = int(strike * STRIKE_UNITS)
    return f"{option_class:<6}{expiry:%y%m%d}{right[0]}{units:08d}"


@lru_cache(maxsize=CACHED_OPTIONS_MAX)
def find_option(identifier: str) -> Instrument | None:
    """Return the option with an identifier, expired or not; none if the rule knows none.

    One space or none between class and date is read as well, as Tiger reads it.
    """
    found = _IDENTIFIER.fullmatch(identifier)
    if found is None or found["class"] not in UNDERLYINGS:
        return None
    expiry = _date_of(found["day"])
    strike = Decimal(found["strike"]) / STRIKE_UNITS
    underlying = CATALOGUE[UNDERLYINGS[found["class"]]]
    if expiry is None or expiry < FIRST_DAY or not _is_expiration(underlying.market, expiry):
        return None
    if strike not in strikes(underlying.key):
        return None
    right: Right = "CALL" if found["right"] == "C" else "PUT"
    return _option(underlying, found["class"], expiry=expiry, strike=strike, right=right)


def option_of(symbol: str, *, expiry: date, strike: Decimal, right: Right) -> Instrument | None:
    """Return the option with these terms; the symbol may be the underlying's or the class."""
    option_class = class_of(symbol)
    if option_class is None or strike not in strikes(UNDERLYINGS[option_class]):
        return None
    return find_option(identifier_of(option_class, expiry=expiry, right=right, strike=strike))


@lru_cache(maxsize=256)
def expirations(option_class: str, day: date) -> tuple[date, ...]:
    """Return the expirations that are listed on a day, nearest first."""
    market = CATALOGUE[UNDERLYINGS[option_class]].market
    months = _monthlies(market, day)
    if market != "US":
        return months
    first_friday = day + timedelta(days=(FRIDAY - day.weekday()) % 7)
    weeks = (
        trading_day_on_or_before(market, first_friday + timedelta(days=7 * number))
        for number in range(WEEKLIES_MAX)
    )
    return tuple(sorted({*months, *(week for week in weeks if week >= day)}))


def is_monthly(market: Venue, expiry: date) -> bool:
    """Say whether an expiration is the month's standard one."""
    return expiry == _monthly(market, expiry.year, expiry.month)


@lru_cache(maxsize=256)
def strikes(underlying: str) -> tuple[Decimal, ...]:
    """Return the strikes on an underlying, lowest first; they are the same for every expiration."""
    base = CATALOGUE[underlying].base_price
    step = next(step for begin, step in _STRIKE_STEPS if base >= begin)
    lowest = int(base * (1 - _STRIKE_REACH) / step) or 1
    highest = int(base * (1 + _STRIKE_REACH) / step)
    return tuple(step * number for number in range(lowest, highest + 1))


def _option(
    underlying: Instrument, option_class: str, *, expiry: date, strike: Decimal, right: Right
) -> Instrument:
    key = identifier_of(option_class, expiry=expiry, right=right, strike=strike)
    return Instrument(
        contract_id=_contract_id(underlying, expiry=expiry, strike=strike, right=right),
        key=key,
        symbol=option_class,
        name=underlying.name,
        market=underlying.market,
        currency=underlying.currency,
        exchange="SMART" if underlying.market == "US" else "SEHK",
        base_price=Decimal(0),
        lot_size=1,
        sec_type="OPT",
        multiplier=Decimal(100 if underlying.market == "US" else underlying.lot_size),
        expiry=expiry,
        strike=strike,
        right=right,
        underlying=underlying.key,
    )


def _contract_id(underlying: Instrument, *, expiry: date, strike: Decimal, right: Right) -> int:
    # Unique by construction: underlying (4 digits), days (4), right (1), strike in cents (7).
    # It stays below 2**53, so that a reader who takes it for a double still has it exact.
    days = (expiry - FIRST_DAY).days
    head = (underlying.contract_id * 10_000 + days) * 10 + (right == "PUT")
    return head * 10**7 + int(strike * 100)


def _is_expiration(market: Venue, expiry: date) -> bool:
    if market != "US":
        return is_monthly(market, expiry)
    friday = expiry + timedelta(days=(FRIDAY - expiry.weekday()) % 7)
    return trading_day_on_or_before(market, friday) == expiry


def _monthlies(market: Venue, day: date) -> tuple[date, ...]:
    months = (divmod(day.year * 12 + day.month - 1 + number, 12) for number in range(MONTHLIES_MAX))
    found = (_monthly(market, year, month + 1) for year, month in months)
    return tuple(expiry for expiry in found if expiry >= day)


def _monthly(market: Venue, year: int, month: int) -> date:
    if market == "US":
        first = date(year, month, 1)
        third_friday = first + timedelta(days=(FRIDAY - first.weekday()) % 7 + 14)
        return trading_day_on_or_before(market, third_friday)
    # Hong Kong: the trading day before the month's last one.
    next_month = date(year + month // 12, month % 12 + 1, 1)
    return previous_trading_day(market, previous_trading_day(market, next_month))


def _date_of(text: str) -> date | None:
    try:
        return date.fromisoformat(f"20{text[:2]}-{text[2:4]}-{text[4:]}")
    except ValueError:
        return None
