"""What an account was worth on past days: its present, with what came later taken back.

Cash and holdings are exact, but for dividends and splits, which count as if they had always been;
prices are the market's closing ones, and of the running day the last ones.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Account, Position, position_after
from infra.sandbox.broker.exercise_desk import requested_change
from infra.sandbox.broker.fund_book import paying_segment
from infra.sandbox.broker.records import Segment
from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.funds import FUNDS, nav_of
from infra.sandbox.market.history import series_of
from infra.sandbox.market.instruments import USD_PER_UNIT, Instrument, find, instrument_of
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
    quantities = {
        key: item.quantity
        for key, item in account.positions.items()
        if item.quantity and _segment_of(key) == "SEC"
    }
    cash = dict(account.cash_of(segment))
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
        value = Decimal(0)
        if segment == "SEC":
            value = sum((_value(call, *item, day) for item in quantities.items()), value)
        elif segment == "FUT":
            value = _won_by_futures(call, account, day)
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
        if fill.contract_key in account.positions and _segment_of(fill.contract_key) == "SEC":
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
            shares = requested_change(option, request.kind, request.done_quantity)
            yield request.executing_on, option.underlying, shares

    for move in book.funds.position_moves:
        if move.account == account.account and _segment_of(move.key) == "SEC":
            yield _us_day(move.moved_at), move.key, move.quantity
    for end in book.funds.expirations:
        for change in end.changes:
            if change.account == account.account and _segment_of(change.key) == "SEC":
                yield _us_day(end.expired_at), change.key, change.quantity


def _won_by_futures(call: Call, account: Account, day: date) -> Decimal:
    """Return what the futures held at the end of a day had won or lost by then."""
    book, moves = call.engine.book, []
    for fill in book.fills_of(account.account):
        sign = 1 if fill.side == "BUY" else -1
        moves.append((fill.filled_at, fill.contract_key, sign * fill.quantity, fill.price))
    for move in book.funds.position_moves:
        if move.account == account.account:
            moves.append((move.moved_at, move.key, move.quantity, move.price))
    for end in book.funds.expirations:
        for change in end.changes:
            if change.account == account.account:
                moves.append((end.expired_at, change.key, change.quantity, end.price))
    held: dict[str, Position] = defaultdict(Position)
    for at, key, quantity, price in sorted(moves, key=lambda item: item[0]):
        if _segment_of(key) == "FUT" and _us_day(at) <= day:
            worth = price * instrument_of(key).multiplier
            held[key] = position_after(held[key], signed_quantity=quantity, price=worth)
    return sum(
        (
            _value(call, key, item.quantity, day)
            - item.cost * USD_PER_UNIT[instrument_of(key).currency]
            for key, item in held.items()
        ),
        Decimal(0),
    )


def _segment_of(key: str) -> Segment:
    found = find(key)
    # A currency pair is no contract, and is paid from the securities segment's cash.
    return "SEC" if found is None else paying_segment(found.sec_type)


def _value(call: Call, key: str, quantity: Decimal, day: date) -> Decimal:
    if not quantity:
        return Decimal(0)
    instrument = instrument_of(key)
    price = _price(call, instrument, day)
    return quantity * price * instrument.multiplier * USD_PER_UNIT[instrument.currency]


def _price(call: Call, instrument: Instrument, day: date) -> Decimal:
    prices = call.engine.prices
    if day < call.now.astimezone(zone_of("US")).date():
        if instrument.sec_type == "FUND":
            return nav_of(FUNDS[instrument.key], prices.seed, day)
        bar = series_of(instrument, prices.seed, call.now).day(day)
        if bar is not None:
            return Decimal(bar[CLOSE]) / MILLION
    return prices.last(instrument.key)


def _us_day(moment: datetime) -> date:
    return moment.astimezone(zone_of("US")).date()
