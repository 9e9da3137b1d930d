"""The desk for options that are used early or left to lapse.

A request waits until it is due (`exercises` says when); then what is still held of it is settled.
"""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Account, Position
from infra.sandbox.broker.desk_refusals import DeskRefusedError
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.expirations import share_change
from infra.sandbox.broker.interest import OpenInterest
from infra.sandbox.broker.records import ExerciseKind, ExerciseWritten, OptionExercise
from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.expiry import is_over
from infra.sandbox.market.instruments import Instrument, find


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
        for item in engine.book.funds.waiting_exercises.values()
        if item.account == account.account
    ]


def requested_change(instrument: Instrument, kind: ExerciseKind, quantity: Decimal) -> Decimal:
    """Return by how much a request changes the holding of the underlying."""
    return Decimal(0) if kind == "Expire" else share_change(instrument, quantity)


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
    if is_over(instrument, now):
        raise DeskRefusedError("fail", "The option has expired")
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
    engine.settle(now)
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


def _today(instrument: Instrument, now: datetime) -> date:
    return now.astimezone(zone_of(instrument.market)).date()
