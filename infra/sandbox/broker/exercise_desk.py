"""The desk for options that are used early or left to lapse.

A request waits until its day in the option's own market; then what is still held of it is settled.
To exercise trades the underlying at the strike; to lapse costs what the option was bought for.
"""

from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from infra.sandbox.broker.book import COST_STEP, Account, Position, position_after
from infra.sandbox.broker.desk_refusals import DeskRefusedError
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.interest import OpenInterest
from infra.sandbox.broker.margin import instrument_of
from infra.sandbox.broker.records import (
    CashEntry,
    ExerciseKind,
    ExerciseStatus,
    ExerciseWritten,
    OptionExercise,
    PositionChange,
)
from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.instruments import Instrument, find

ENTRY_LABEL = "Option Exercise"


def held_options(account: Account) -> list[tuple[Instrument, Decimal]]:
    """Return the options that an account is long of, and how many."""
    return [
        (instrument, position.quantity)
        for key, position in sorted(account.positions.items())
        if position.quantity > 0
        and (instrument := find(key)) is not None
        and instrument.sec_type == "OPT"
    ]


def held_option(account: Account, contract_id: int) -> Instrument:
    """Return the held option with an id.

    Raises:
        DeskRefusedError: the account is not long of it.
    """
    for instrument, _ in held_options(account):
        if instrument.contract_id == contract_id:
            return instrument
    raise DeskRefusedError("not_found", "The option position does not exist")


def free_quantity(engine: Engine, account: Account, key: str) -> Decimal:
    """Return how many of an option neither an open order nor a request has taken."""
    held = account.positions.get(key, Position()).quantity
    selling = account.open_interest.get(key, OpenInterest()).sell_quantity
    waiting = sum(
        (item.quantity for item in waiting_requests(engine, account) if item.key == key),
        Decimal(0),
    )
    return max(Decimal(0), held - selling - waiting)


def waiting_requests(engine: Engine, account: Account) -> list[OptionExercise]:
    """Return the account's requests that are not settled, oldest first."""
    return [
        item
        for item in engine.book.funds.exercises.values()
        if item.account == account.account and item.status == "New"
    ]


def share_change(instrument: Instrument, kind: ExerciseKind, quantity: Decimal) -> Decimal:
    """Return by how much a request changes the holding of the underlying."""
    if kind == "Expire":
        return Decimal(0)
    shares = quantity * instrument.multiplier
    return shares if instrument.right == "CALL" else -shares


def submit(
    engine: Engine,
    account: Account,
    instrument: Instrument,
    *,
    kind: ExerciseKind,
    quantity: Decimal,
    executing_on: date,
    itm_rate: int,
    is_force: bool,
    now: datetime,
) -> OptionExercise:
    """Take a request, and settle it if its day is today.

    Raises:
        DeskRefusedError: nothing was taken.
    """
    if quantity > free_quantity(engine, account, instrument.key):
        raise DeskRefusedError("fail", "The quantity exceeds the available quantity")
    if not _today(instrument, now) <= executing_on <= (instrument.expiry or executing_on):
        raise DeskRefusedError("fail", "The executing date is invalid")
    request = OptionExercise(
        exercise_id=engine.book.funds.next_exercise_id(),
        account=account.account,
        key=instrument.key,
        kind=kind,
        quantity=quantity,
        executing_on=executing_on,
        itm_rate=itm_rate,
        is_force=is_force,
    )
    engine.keep(ExerciseWritten(exercise=request))
    settle_due(engine, account, now)
    return engine.book.funds.exercises[request.exercise_id]


def cancel(engine: Engine, account: Account, exercise_id: int) -> None:
    """Take a request back that is not settled.

    Raises:
        DeskRefusedError: there is none.
    """
    request = engine.book.funds.exercises.get(exercise_id)
    if request is None or request.account != account.account:
        raise DeskRefusedError("not_found", "The request does not exist")
    if request.status != "New":
        raise DeskRefusedError("fail", "The request cannot be cancelled now")
    engine.keep(ExerciseWritten(exercise=msgspec.structs.replace(request, status="Cancel")))


def settle_due(engine: Engine, account: Account, now: datetime) -> None:
    """Settle the account's requests whose day has come."""
    for request in waiting_requests(engine, account):
        instrument = instrument_of(request.key)
        if _today(instrument, now) >= request.executing_on:
            _settle(engine, account, request, instrument, now)


def _settle(
    engine: Engine,
    account: Account,
    request: OptionExercise,
    instrument: Instrument,
    now: datetime,
) -> None:
    held = account.positions.get(request.key, Position())
    quantity = min(request.quantity, max(Decimal(0), held.quantity))
    if quantity == 0:
        _write(engine, request, "Fail", reason="The option position does not exist")
        return
    # Rounded (half even, to COST_STEP) unless all of it goes, so that nothing is left over.
    cost = (
        held.cost
        if quantity == held.quantity
        else (held.cost * quantity / held.quantity).quantize(COST_STEP, ROUND_HALF_EVEN)
    )
    changes = [
        PositionChange(
            account=account.account,
            key=request.key,
            quantity=-quantity,
            cost=-cost,
            realized_pnl=-cost,
        )
    ]
    entries: tuple[CashEntry, ...] = ()
    if shares := share_change(instrument, request.kind, quantity):
        changes.append(_delivered(account, instrument, shares))
        entries = (_paid(engine, account, instrument, shares, now),)
    done = msgspec.structs.replace(request, status="Success", done_quantity=quantity)
    engine.keep(ExerciseWritten(exercise=done, changes=tuple(changes), entries=entries))


def _write(engine: Engine, request: OptionExercise, status: ExerciseStatus, *, reason: str) -> None:
    ended = msgspec.structs.replace(request, status=status, reason=reason)
    engine.keep(ExerciseWritten(exercise=ended))


def _delivered(account: Account, instrument: Instrument, shares: Decimal) -> PositionChange:
    underlying, strike = _delivery(instrument)
    before = account.positions.get(underlying, Position())
    after = position_after(before, signed_quantity=shares, price=strike)
    return PositionChange(
        account=account.account,
        key=underlying,
        quantity=shares,
        cost=after.cost - before.cost,
        realized_pnl=after.realized_pnl - before.realized_pnl,
    )


def _paid(
    engine: Engine, account: Account, instrument: Instrument, shares: Decimal, now: datetime
) -> CashEntry:
    _, strike = _delivery(instrument)
    return CashEntry(
        entry_id=engine.book.funds.next_entry_id(),
        account=account.account,
        segment="SEC",
        currency=instrument.currency,
        amount=-shares * strike,
        kind="TRADE",
        label=ENTRY_LABEL,
        booked_at=now,
    )


def _delivery(instrument: Instrument) -> tuple[str, Decimal]:
    assert instrument.underlying is not None, "an option has an underlying"
    assert instrument.strike is not None, "an option has a strike"
    return instrument.underlying, instrument.strike


def _today(instrument: Instrument, now: datetime) -> date:
    return now.astimezone(zone_of(instrument.market)).date()
