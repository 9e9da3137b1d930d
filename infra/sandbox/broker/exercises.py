"""How requests about options are settled when their day has come.

A request to exercise is settled when its day begins in the option's own market; one to let lapse
when the option ends. To exercise trades the underlying at the strike.
"""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from infra.sandbox.broker.book import COST_STEP, Account, Position
from infra.sandbox.broker.desk import Desk
from infra.sandbox.broker.expirations import delivered, share_change
from infra.sandbox.broker.records import (
    CashEntry,
    ExerciseStatus,
    ExerciseWritten,
    OptionExercise,
    PositionChange,
)
from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.expiry import is_over
from infra.sandbox.market.instruments import Instrument, instrument_of

ENTRY_LABEL = "Option Exercise"


def settle_exercises(desk: Desk, now: datetime) -> None:
    """Settle the requests that are due, oldest first."""
    for request in tuple(desk.book.funds.waiting_exercises.values()):
        instrument = instrument_of(request.key)
        if _is_due(request, instrument, now):
            _settle(desk, desk.book.accounts[request.account], request, instrument, now)


def _is_due(request: OptionExercise, instrument: Instrument, now: datetime) -> bool:
    if is_over(instrument, now):
        return True
    today = now.astimezone(zone_of(instrument.market)).date()
    return request.kind == "Exercise" and today >= request.executing_on


def _settle(
    desk: Desk,
    account: Account,
    request: OptionExercise,
    instrument: Instrument,
    now: datetime,
) -> None:
    held = account.positions.get(request.key, Position())
    quantity = min(request.quantity, max(Decimal(0), held.quantity))
    if quantity == 0:
        _write(desk, request, "Fail", reason="The option position does not exist")
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
    if request.kind == "Exercise":
        assert instrument.underlying is not None, "an option has an underlying"
        assert instrument.strike is not None, "an option has a strike"
        shares = share_change(instrument, quantity)
        changes.append(delivered(account, instrument.underlying, shares, instrument.strike))
        paid = -shares * instrument.strike
        entries = (_entry(desk, account, instrument, paid, now),)
    done = msgspec.structs.replace(request, status="Success", done_quantity=quantity)
    desk.record(ExerciseWritten(exercise=done, changes=tuple(changes), entries=entries))


def _write(desk: Desk, request: OptionExercise, status: ExerciseStatus, *, reason: str) -> None:
    ended = msgspec.structs.replace(request, status=status, reason=reason)
    desk.record(ExerciseWritten(exercise=ended))


def _entry(
    desk: Desk, account: Account, instrument: Instrument, amount: Decimal, now: datetime
) -> CashEntry:
    return CashEntry(
        entry_id=desk.book.funds.next_entry_id(),
        account=account.account,
        segment="SEC",
        currency=instrument.currency,
        amount=amount,
        kind="TRADE",
        label=ENTRY_LABEL,
        booked_at=now,
        key=instrument.key,
    )
