"""Futures: the families that are listed, and their contracts by month (by rule)."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

import msgspec

from infra.sandbox.market.calendars import (
    next_trading_day,
    previous_trading_day,
    trading_day_on_or_before,
)
from infra.sandbox.market.terms import Instrument, Venue

QUARTERS = (3, 6, 9, 12)
EVEN_MONTHS = (2, 4, 6, 8, 10, 12)
EVERY_MONTH = tuple(range(1, 13))
CONTRACTS_MAX = 6  # listed at a time, of each family
FRIDAY = 4
# How much dearer each further day makes a contract, as a share of the spot price.
CARRY_PER_DAY = Decimal("0.0001")
MAIN_SUFFIX = "main"
MAIN_DAYS_MIN = 7  # nearer to its end than this, the next contract is traded most


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What the contracts of one future have in common."""

    number: int  # of its contract ids
    type: str  # "ES"
    name: str
    exchange: str
    exchange_code: str
    product_type: str
    product_worth: str
    delivery_mode: str  # "Cash", "Physical"
    market: Venue  # whose calendar it keeps
    currency: str
    multiplier: Decimal
    tick: Decimal
    months: tuple[int, ...]
    base_price: Decimal
    margin: Decimal  # initial, for one contract, in its currency


FAMILIES: Mapping[str, Family] = {
    family.type: family
    for family in (
        Family(
            number=61,
            type="ES",
            name="E-mini S&P 500",
            exchange="CME",
            exchange_code="GLOBEX",
            product_type="Equity Index",
            product_worth="US$50 USD per index point",
            delivery_mode="Cash",
            market="US",
            currency="USD",
            multiplier=Decimal(50),
            tick=Decimal("0.25"),
            months=QUARTERS,
            base_price=Decimal("6600.00"),
            margin=Decimal(22_000),
        ),
        Family(
            number=62,
            type="CL",
            name="WTI Crude Oil",
            exchange="NYMEX",
            exchange_code="NYMEX",
            product_type="Energy",
            product_worth="US$1,000 x futures price",
            delivery_mode="Physical",
            market="US",
            currency="USD",
            multiplier=Decimal(1000),
            tick=Decimal("0.01"),
            months=EVERY_MONTH,
            base_price=Decimal("70.00"),
            margin=Decimal(6_000),
        ),
        Family(
            number=63,
            type="GC",
            name="Gold",
            exchange="COMEX",
            exchange_code="NYMEX",
            product_type="Metals",
            product_worth="US$100 x futures price",
            delivery_mode="Physical",
            market="US",
            currency="USD",
            multiplier=Decimal(100),
            tick=Decimal("0.1"),
            months=EVEN_MONTHS,
            base_price=Decimal("3400.0"),
            margin=Decimal(16_000),
        ),
        Family(
            number=64,
            type="HSI",
            name="Hang Seng Index",
            exchange="HKEX",
            exchange_code="HKFE",
            product_type="Equity Index",
            product_worth="HK$50 per index point",
            delivery_mode="Cash",
            market="HK",
            currency="HKD",
            multiplier=Decimal(50),
            tick=Decimal(1),
            months=EVERY_MONTH,
            base_price=Decimal(25_000),
            margin=Decimal(120_000),
        ),
    )
}
# The goods behind each family: nobody trades them here, but their price moves the contracts'.
SPOTS: Mapping[str, Instrument] = {
    name: Instrument(
        contract_id=family.number * 10_000,
        key=name,
        symbol=name,
        name=family.name,
        market=family.market,
        currency=family.currency,
        exchange=family.exchange,
        base_price=family.base_price,
        lot_size=1,
        sec_type="FUT",
        multiplier=family.multiplier,
        tick=family.tick,
    )
    for name, family in FAMILIES.items()
}
# Source: Tiger's list of futures exchanges (published example reply of `future_exchange`).
EXCHANGE_ZONES: Mapping[str, str] = {
    "CME": "America/Chicago",
    "NYMEX": "America/New_York",
    "COMEX": "America/New_York",
    "HKEX": "Asia/Hong_Kong",
}
_CODE = re.compile(r"(?P<type>[A-Z]{2,4})(?P<year>\d{2})(?P<month>\d{2})")


@lru_cache(maxsize=1024)
def find_future(code: str) -> Instrument | None:
    """Return the contract with a code ("ES2612"), expired or not; none if there is none."""
    found = _CODE.fullmatch(code)
    if found is None or (family := FAMILIES.get(found["type"])) is None:
        return None
    year, month = 2000 + int(found["year"]), int(found["month"])
    return _contract(family, year, month) if month in family.months else None


def family_of(future: Instrument) -> Family:
    """Return the family of a future."""
    return FAMILIES[future.symbol]


def listed_futures(family_type: str, day: date) -> tuple[Instrument, ...]:
    """Return the contracts of a family that trade on a day, nearest first."""
    family = FAMILIES[family_type]
    months = (divmod(day.year * 12 + day.month - 1 + number, 12) for number in range(24))
    found = (
        _contract(family, year, month + 1) for year, month in months if month + 1 in family.months
    )
    return tuple(item for item in found if is_listed_future(item, day))[:CONTRACTS_MAX]


def is_listed_future(future: Instrument, day: date) -> bool:
    """Say whether a future's last day of trading is not over."""
    assert future.expiry is not None, "a future has an end"
    return future.expiry >= day


def main_future(family_type: str, day: date) -> Instrument:
    """Return the contract traded most on a day: the nearest, until a week before its end."""
    nearest, following, *_ = listed_futures(family_type, day)
    assert nearest.expiry is not None, "a future has an end"
    return following if (nearest.expiry - day).days < MAIN_DAYS_MIN else nearest


def quoted_future(code: str, day: date) -> Instrument | None:
    """Return the contract that a code is quoted as on a day; "ESmain" is its main contract's."""
    family_type = code.removesuffix(MAIN_SUFFIX)
    if code.endswith(MAIN_SUFFIX) and family_type in FAMILIES:
        return main_future(family_type, day)
    return find_future(code)


def carried(future: Instrument, spot_price: Decimal, day: date) -> Decimal:
    """Return what a contract is worth at a price of its spot, not rounded to its tick."""
    assert future.expiry is not None, "a future has an end"
    days = max(0, (future.expiry - day).days)
    return spot_price * (1 + CARRY_PER_DAY * days)


def contract_month(future: Instrument) -> str:
    """Return the contract's month ("202612")."""
    return f"20{future.key[-4:]}"


def first_notice_day(future: Instrument) -> date | None:
    """Return from when on a holder may be handed the goods; none if settled in cash."""
    assert future.expiry is not None, "a future has an end"
    if future.symbol == "CL":
        return next_trading_day("US", future.expiry)
    if future.symbol == "GC":
        year, month = 2000 + int(future.key[-4:-2]), int(future.key[-2:])
        return previous_trading_day("US", date(year, month, 1))
    return None


def _contract(family: Family, year: int, month: int) -> Instrument:
    first = date(year, month, 1)
    code = f"{family.type}{first:%y%m}"
    return Instrument(
        contract_id=family.number * 10_000 + int(code[-4:]),
        key=code,
        symbol=family.type,
        name=f"{family.name} - {first:%b %Y}",
        market=family.market,
        currency=family.currency,
        exchange=family.exchange,
        base_price=family.base_price,
        lot_size=1,
        sec_type="FUT",
        multiplier=family.multiplier,
        expiry=_last_day(family, year, month),
        tick=family.tick,
    )


def _last_day(family: Family, year: int, month: int) -> date:
    # Rules of the exchanges' contract specifications, by family.
    first = date(year, month, 1)
    after = date(year + month // 12, month % 12 + 1, 1)
    if family.type == "ES":  # the third Friday
        third_friday = first + timedelta(days=(FRIDAY - first.weekday()) % 7 + 14)
        return trading_day_on_or_before(family.market, third_friday)
    if family.type == "CL":  # three business days before the 25th of the month before
        day = trading_day_on_or_before(family.market, (first - timedelta(days=1)).replace(day=25))
        steps = 3
    else:  # GC: the third last business day of the month; HSI: the last but one
        day, steps = after, 3 if family.type == "GC" else 2
    for _ in range(steps):
        day = previous_trading_day(family.market, day)
    return day
