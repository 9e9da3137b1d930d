"""Where a day's money went, and who holds and deals in Hong Kong's stocks.

What flowed in and out of a stock follows from what its bars turned over and a hash of the day.
"""

from datetime import date
from decimal import Decimal

import msgspec

from infra.sandbox.market.bars import Bar
from infra.sandbox.market.companies import COMPANIES
from infra.sandbox.market.history import Series
from infra.sandbox.market.instruments import CATALOGUE
from infra.sandbox.market.noise import MILLION, between, number_at, stream
from infra.sandbox.market.stretches import day_at

NET_PPM_MAX = 80_000  # of the day's turnover
CENT = Decimal("0.01")


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """What came in and went out by the size of orders (in the stock's currency)."""

    in_big: Decimal
    in_mid: Decimal
    in_small: Decimal
    out_big: Decimal
    out_mid: Decimal
    out_small: Decimal

    @property
    def in_all(self) -> Decimal:
        """All that came in."""
        return self.in_big + self.in_mid + self.in_small

    @property
    def out_all(self) -> Decimal:
        """All that went out."""
        return self.out_big + self.out_mid + self.out_small


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """A participant of Hong Kong's clearing, with one of its dealing desks."""

    org_id: str
    name: str
    broker_id: str
    weight: int  # of its holdings


def net_inflow(series: Series, bar: Bar) -> Decimal:
    """Return what came into a stock less what went out, over a day's bar."""
    day = day_at(series.instrument.market, bar.time_ms)
    base = stream(series.seed, f"{series.instrument.key}/flow")
    ppm = between(base, -NET_PPM_MAX, NET_PPM_MAX, day.toordinal())
    return (bar.amount * ppm / MILLION).quantize(CENT)


def distribution_of(series: Series, bar: Bar) -> Distribution:
    """Return how a day's money divides; what came in less what went out is the net inflow."""
    day = day_at(series.instrument.market, bar.time_ms)
    base = stream(series.seed, f"{series.instrument.key}/sizes")
    net = net_inflow(series, bar)
    came = ((bar.amount + net) / 2).quantize(CENT)
    went = came - net
    parts: list[Decimal] = []
    for number, whole in enumerate((came, went)):
        big = (whole * between(base, 80, 180, day.toordinal(), number, 0) / 1000).quantize(CENT)
        mid = (whole * between(base, 80, 150, day.toordinal(), number, 1) / 1000).quantize(CENT)
        parts += [big, mid, whole - big - mid]
    return Distribution(
        in_big=parts[0],
        in_mid=parts[1],
        in_small=parts[2],
        out_big=parts[3],
        out_mid=parts[4],
        out_small=parts[5],
    )


def shares_held(participant: Participant, seed: int, day: date) -> int:
    """Return how many Hong Kong shares a participant holds at the end of a day."""
    base = stream(seed, f"{participant.org_id}/holding")
    listed = sum(
        company.shares for company in COMPANIES.values() if CATALOGUE[company.symbol].market == "HK"
    )
    whole = sum(item.weight for item in PARTICIPANTS)
    drift = between(base, -20_000, 20_000, day.toordinal() // 5)
    return listed * participant.weight // whole * (MILLION + drift) // MILLION


def desks_at(seed: int, key: str, side: str, level: int, step: int) -> tuple[Participant, ...]:
    """Return whose orders stand at a level of a book, in the order of arrival."""
    base = stream(seed, f"{key}/{side}/desks")
    count = between(base, 1, 8, level, step)
    return tuple(
        PARTICIPANTS[number_at(base, level, step, number) % len(PARTICIPANTS)]
        for number in range(count)
    )


# Names, and most ids, are of Tiger's examples (read 2026-11); weights are the sandbox's own.
PARTICIPANTS: tuple[Participant, ...] = (
    Participant(org_id="C00019", name="HONGKONG SHANGHAI BANKING", broker_id="8577", weight=300),
    Participant(org_id="A00003", name="(SH)-HK Stock Connect", broker_id="6997", weight=140),
    Participant(org_id="C00010", name="CITIBANK N.A.", broker_id="8134", weight=90),
    Participant(org_id="A00004", name="(SZ)-HK Stock Connect", broker_id="6999", weight=88),
    Participant(org_id="B01161", name="UBS", broker_id="9056", weight=66),
    Participant(org_id="C00100", name="J.P. Morgan", broker_id="5342", weight=60),
    Participant(org_id="B01130", name="BOCI", broker_id="8136", weight=42),
    Participant(org_id="B01955", name="FUTU Securities", broker_id="8461", weight=38),
    Participant(org_id="B01110", name="Macquarie", broker_id="2845", weight=20),
    Participant(org_id="B01668", name="KGI Asia", broker_id="8594", weight=14),
    Participant(org_id="B01490", name="Jefferies", broker_id="0757", weight=12),
    Participant(org_id="B02017", name="TIGER BROKERS (HK)", broker_id="2204", weight=10),
)
