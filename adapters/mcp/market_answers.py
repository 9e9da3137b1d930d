"""What the market tools answer: one table, and around it what must never be mistaken.

`environment` says whether the prices are real, `as_of` how old they are in three clocks (UTC, the
exchange's, the person's), `quality` whether they are late.
"""

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from core.market_asks import Cell, MarketTable, Quality
from core.modes import Environment

# All tools share a budget of bytes. Every market tool answers with this shape; its columns say what
# they are.
TABLE_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["environment", "account", "as_of", "columns", "rows"],
}


class Clocks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One moment, as three clocks show it."""

    at: str
    exchange: str = ""
    yours: str = ""


class Zones(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """IANA names: of the exchange, whose days those of the question are, and of the person."""

    exchange: str = ""
    yours: str


class Asked(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={"begin": "from", "end": "to"},
):
    """The span that the broker was asked for."""

    begin: Clocks | None = None
    end: Clocks | None = None


class MarketAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A table of what the broker told; `cursor` is absent on the last page."""

    environment: Environment
    account: str
    as_of: Clocks
    zones: Zones
    currency: str = ""
    quality: Quality | None = None
    span: Asked | None = None
    facts: dict[str, Cell] = {}
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    unknown_symbols: tuple[str, ...] = ()
    cursor: str = ""
    note: str = ""


def market_answer(
    table: MarketTable, *, account: str, environment: Environment, zone: str
) -> MarketAnswer:
    """Return a worker's table as the tools tell it.

    Args:
        table: of the worker.
        account: through whose login it was asked.
        environment: of that account.
        zone: the person's.
    """
    span = None
    if table.begin is not None or table.end is not None:
        span = Asked(
            begin=_clocks(table.begin, table.zone, zone), end=_clocks(table.end, table.zone, zone)
        )
    as_of = _clocks(table.at, table.zone, zone)
    assert as_of is not None, "every table has a time"
    return MarketAnswer(
        environment=environment,
        account=account,
        as_of=as_of,
        zones=Zones(exchange=table.zone, yours=zone),
        currency=table.currency,
        quality=table.quality,
        span=span,
        facts={name: value for name, value in table.facts if value is not None},
        columns=table.columns,
        # As in every table: a cell that says nothing is "".
        rows=tuple(tuple("" if cell is None else cell for cell in row) for row in table.rows),
        unknown_symbols=table.unknown,
        cursor=table.cursor,
        note=table.note or ("" if table.rows else "nothing was found"),
    )


def _clocks(moment: datetime | None, exchange: str, person: str) -> Clocks | None:
    if moment is None:
        return None
    utc = moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Clocks(
        at=utc,
        exchange=_local(moment, exchange) if exchange else "",
        yours=_local(moment, person) if person not in (exchange, "UTC") else "",
    )


def _local(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")
