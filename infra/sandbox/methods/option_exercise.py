"""Tiger's methods about options that are used early or left to lapse.

Source: Tiger's page "option-exercise" (docs.itigerup.com) and the replies in
`tests/test_trade_client.py` of tigerfintech/openapi-python-sdk (commit 47854414), read 2026-11-23.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from infra.sandbox.broker import exercise_desk
from infra.sandbox.broker.book import Account, Position
from infra.sandbox.broker.records import ExerciseKind, OptionExercise
from infra.sandbox.market.instruments import Instrument, instrument_of
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.methods.desks import refusals_of
from infra.sandbox.methods.figures import Json, double, strike_text
from infra.sandbox.methods.listings import ALL
from infra.sandbox.methods.parameter_values import date_of, finite, invalid, word
from infra.sandbox.wire.envelope import business_error

PAGE_SIZE = 20
PAGE_SIZE_MAX = 100
ITM_RATE_MAX = 10
OrderBy = Literal["symbol", "expire_date", "strike", "is_call"]


class ExerciseParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `option_exercise_submit` and `option_exercise_check`."""

    account: str = ""
    contract_id: int = 0
    type: str | None = None
    quantity: Decimal | None = None
    executing_date: str | None = None
    is_force: bool | None = None
    itm_rate: int | None = None


class ExercisePageParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `option_exercise_record`, `_position` and `_cancel`."""

    account: str = ""
    id: int = 0
    page: int = 1
    size: int = PAGE_SIZE
    status: str | None = None
    type: str | None = None
    symbol: str | None = None
    order_by: str | None = None


def option_exercise_submit(call: Call) -> object:
    """Take a request; the reply has no data."""
    asked = parameters(call, ExerciseParameters)
    account = account_of(call, asked.account)
    kind = _kind(asked.type)
    with refusals_of(account):
        instrument = _instrument(account, asked)
        quantity = _quantity(asked)
        if kind == "Exercise":
            executing_on = date_of(asked.executing_date, "executing_date")
            if executing_on is None:
                raise business_error("field 'executing_date' cannot be empty")
            if asked.is_force is None:
                raise business_error("field 'is_force' cannot be empty")
        else:
            executing_on = instrument.expiry
        assert executing_on is not None, "an option expires"
        exercise_desk.submit(
            call.engine,
            account,
            instrument,
            kind=kind,
            quantity=quantity,
            executing_on=executing_on,
            itm_rate=_itm_rate(asked),
            is_force=bool(asked.is_force),
            now=call.now,
        )
    return None


def option_exercise_check(call: Call) -> object:
    """Say what a request would do to the holding of the underlying."""
    asked = parameters(call, ExerciseParameters)
    account = account_of(call, asked.account)
    kind = _kind(asked.type)
    with refusals_of(account):
        instrument = _instrument(account, asked)
    assert instrument.underlying is not None, "an option has an underlying"
    free = exercise_desk.free_quantity(call.engine, account, instrument.key)
    wanted = free if asked.quantity is None else _quantity(asked)
    before = account.positions.get(instrument.underlying, Position()).quantity
    change = exercise_desk.requested_change(instrument, kind, wanted)
    return {
        "availableQuantity": double(free),
        "position": double(account.positions[instrument.key].quantity),
        "stkPosition": double(before),
        "stkPositionChange": double(change),
        "stkPositionBefore": double(before),
        "stkPositionAfter": double(before + change),
        "symbol": instrument.underlying,
    }


def option_exercise_record(call: Call) -> object:
    """List requests, newest first unless another order is asked for, by page."""
    asked = parameters(call, ExercisePageParameters)
    account = account_of(call, asked.account)
    kind: str | None = word(asked.type, ExerciseKind, "type")
    order_by: OrderBy | None = word(asked.order_by, OrderBy, "order_by")
    if asked.page < 1 or not 1 <= asked.size <= PAGE_SIZE_MAX:
        raise invalid("size" if asked.page >= 1 else "page")
    found = [
        (item, instrument_of(item.key))
        for item in reversed(call.engine.book.funds.exercises.values())
        if item.account == account.account
        and asked.status in (*ALL, item.status)
        and kind in (None, item.kind)
    ]
    found = [pair for pair in found if asked.symbol in (*ALL, pair[1].symbol, pair[1].underlying)]
    if order_by is not None:
        found.sort(key=lambda pair: _order_key(order_by, pair[1]))
    begin = (asked.page - 1) * asked.size
    return {
        "pageNum": asked.page,
        "pageSize": asked.size,
        "itemCount": len(found),
        "pageCount": -(-len(found) // asked.size),
        "items": [
            _record_json(item, instrument) for item, instrument in found[begin : begin + asked.size]
        ],
    }


def option_exercise_position(call: Call) -> object:
    """List the options that a request can be made for, on one page."""
    asked = parameters(call, ExercisePageParameters)
    account = account_of(call, asked.account)
    _kind(asked.type)
    held = exercise_desk.held_options(account)
    return {
        "pageNum": 1,
        "pageSize": len(held),
        "itemCount": len(held),
        "pageCount": 1 if held else 0,
        "items": [
            {
                "market": instrument.market,
                **_option_json(instrument, account.account),
                "position": double(quantity),
                "availableQuantity": double(
                    exercise_desk.free_quantity(call.engine, account, instrument.key)
                ),
            }
            for instrument, quantity in held
        ],
    }


def option_exercise_cancel(call: Call) -> object:
    """Take a request back; the reply has no data."""
    asked = parameters(call, ExercisePageParameters)
    account = account_of(call, asked.account)
    if not asked.id:
        raise business_error("field 'id' cannot be empty")
    with refusals_of(account):
        exercise_desk.cancel(call.engine, account, asked.id)
    return None


def _record_json(item: OptionExercise, instrument: Instrument) -> Json:
    answer: Json = {
        "id": item.exercise_id,
        "type": item.kind,
        "status": item.status,
        **_option_json(instrument, item.account),
        "requestQuantity": double(item.quantity),
        "quantity": double(item.done_quantity),
        "executingDate": f"{item.executing_on:%Y%m%d}",
        "itmRate": item.itm_rate,
        "isForce": item.is_force,
    }
    return answer | ({"reason": item.reason} if item.reason else {})


def _option_json(instrument: Instrument, account: str) -> Json:
    return {
        "contractId": instrument.contract_id,
        "symbol": instrument.symbol,
        "stkSymbol": instrument.underlying,
        "expireDate": f"{instrument.expiry:%Y%m%d}",
        "strike": strike_text(instrument.strike),
        "callPut": instrument.right,
        "accountId": int(account),
    }


def _order_key(order_by: OrderBy, instrument: Instrument) -> tuple[object, ...]:
    match order_by:
        case "symbol":
            return (instrument.symbol, instrument.key)
        case "expire_date":
            return (instrument.expiry, instrument.key)
        case "strike":
            return (instrument.strike, instrument.key)
        case "is_call":
            return (instrument.right, instrument.key)


def _instrument(account: Account, asked: ExerciseParameters) -> Instrument:
    if not asked.contract_id:
        raise business_error("field 'contract_id' cannot be empty")
    return exercise_desk.held_option(account, asked.contract_id)


def _kind(text: str | None) -> ExerciseKind:
    kind: ExerciseKind | None = word(text, ExerciseKind, "type")
    if kind is None:
        raise business_error("field 'type' cannot be empty")
    return kind


def _quantity(asked: ExerciseParameters) -> Decimal:
    quantity = finite(asked.quantity, "quantity")
    if quantity is None:
        raise business_error("field 'quantity' cannot be empty")
    if quantity <= 0 or quantity != quantity.to_integral_value():
        raise invalid("quantity")
    return quantity


def _itm_rate(asked: ExerciseParameters) -> int:
    rate = asked.itm_rate or 0
    if not 0 <= rate <= ITM_RATE_MAX:
        raise invalid("itm_rate")
    return rate
