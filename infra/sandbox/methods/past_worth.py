"""What an account was worth on past days: its present, with what came later taken back.

Cash and holdings are exact, but for dividends and splits, which count as if they had always been;
prices are the market's closing ones, and of the running day the last ones.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.exercise_desk import share_change
from infra.sandbox.broker.margin import instrument_of
from infra.sandbox.broker.records import Segment
from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.history import series_of
from infra.sandbox.market.instruments import USD_PER_UNIT, Instrument
from infra.sandbox.market.noise import MILLION
from infra.sandbox.methods.calls import Call
from infra.sandbox.methods.funds import moves_of

CLOSE = 4  # where a bar has its last price


class PastDay(msgspec.Struct, frozen=True, kw_only=True):
    """An account at the end of a day (unit: US dollars)."""

    day: date
    asset: Decimal
    cash: Decimal
    deposit: Decimal
    withdrawal: Decimal


def days_of(call: Call, account: Account, segment: Segment, days: Sequence[date]) -> list[PastDay]:
    """Return a segment of an account at the end of these days, in their order."""
    quantities = {key: item.quantity for key, item in account.positions.items() if item.quantity}
    cash = dict(call.engine.book.funds.cash_of(account, segment))
    moves = [move for move in moves_of(call, account) if move.segment == segment]
    trades = sorted(_trades(call, account), reverse=True) if segment == "SEC" else []
    found = []
    for day in reversed(days):
        while trades and trades[0][0] > day:
            _, key, quantity = trades.pop(0)
            quantities[key] = quantities.get(key, Decimal(0)) - quantity
        while moves and _us_day(moves[-1].moved_at) > day:
            move = moves.pop()
            cash[move.currency] -= move.amount
        paid: dict[bool, Decimal] = defaultdict(Decimal)
        for move in moves:
            if move.funding_id and _us_day(move.moved_at) == day:
                paid[move.amount > 0] += abs(move.amount) * USD_PER_UNIT[move.currency]
        worth = sum((amount * USD_PER_UNIT[name] for name, amount in cash.items()), Decimal(0))
        held = quantities if segment == "SEC" else {}
        value = sum((_value(call, key, item, day) for key, item in held.items()), Decimal(0))
        found.append(
            PastDay(
                day=day,
                asset=worth + value,
                cash=worth,
                deposit=paid[True],
                withdrawal=paid[False],
            )
        )
    return found[::-1]


def _trades(call: Call, account: Account) -> Iterator[tuple[date, str, Decimal]]:
    """Give (day, contract, how much more of it) for whatever changed a holding."""
    book = call.engine.book
    for fill in book.fills_of(account.account):
        sign = 1 if fill.side == "BUY" else -1
        if fill.contract_key in account.positions:
            yield _us_day(fill.filled_at), fill.contract_key, sign * fill.quantity
    for done in book.funds.position_transfers.values():
        if account.account in (done.from_account, done.to_account):
            sign = -1 if account.account == done.from_account else 1
            for item in done.items:
                yield _us_day(done.finished_at), item.key, sign * item.quantity
    for request in book.funds.exercises.values():
        if request.account == account.account and request.status == "Success":
            option = instrument_of(request.key)
            assert option.underlying is not None, "an option has an underlying"
            yield request.executing_on, request.key, -request.done_quantity
            shares = share_change(option, request.kind, request.done_quantity)
            yield request.executing_on, option.underlying, shares


def _value(call: Call, key: str, quantity: Decimal, day: date) -> Decimal:
    if not quantity:
        return Decimal(0)
    instrument = instrument_of(key)
    price = _price(call, instrument, day)
    return quantity * price * instrument.multiplier * USD_PER_UNIT[instrument.currency]


def _price(call: Call, instrument: Instrument, day: date) -> Decimal:
    prices = call.engine.prices
    if day < call.now.astimezone(zone_of("US")).date():
        bar = series_of(instrument, prices.seed, call.now).day(day)
        if bar is not None:
            return Decimal(bar[CLOSE]) / MILLION
    return prices.last(instrument.key)


def _us_day(moment: datetime) -> date:
    return moment.astimezone(zone_of("US")).date()
