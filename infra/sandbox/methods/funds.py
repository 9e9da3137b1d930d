"""Tiger's methods about cash: between segments, into other currencies, in and out, and its list.

Source: Tiger's page "accounts-java" (docs.itigerup.com), its examples and tables (read 2026-11-23).
"""

from collections.abc import Callable
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

import msgspec

from infra.sandbox.broker import fund_desk
from infra.sandbox.broker.book import Account
from infra.sandbox.broker.fund_book import paying_segment
from infra.sandbox.broker.records import FundKind, Segment, SegmentTransfer, TransferStatus
from infra.sandbox.market.instruments import find, instrument_of
from infra.sandbox.methods.answers import BROKER_ZONE, order_json
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.methods.desks import refusals_of
from infra.sandbox.methods.figures import Json, double, present
from infra.sandbox.methods.listings import ALL, limit_of
from infra.sandbox.methods.parameter_values import date_of, finite, invalid, word
from infra.sandbox.wire.envelope import business_error, to_ms

HISTORY_LIMIT = 100
HISTORY_LIMIT_MAX = 500
DETAILS_LIMIT = 50
DETAILS_LIMIT_MAX = 100
# An account's first cash is told as paid in on this day: the book keeps no time of its opening.
OPENED_AT = datetime(2025, 1, 2, tzinfo=BROKER_ZONE)
DEPOSIT_ID_FIRST = 24_924_145_879_575_127
DEPOSIT, WITHDRAWAL = (1, "Deposit"), (3, "Withdrawal")
# The segments between which cash can be moved.
Movable = Literal["SEC", "FUT"]
STATUS_TEXTS: dict[TransferStatus, str] = {
    "NEW": "Submitted",
    "SUCC": "Received",
    "CANC": "Canceled",
}
FundFilter = Literal[
    "ALL",
    "DEPOSIT_WITHDRAW",
    "TRADE",
    "FEE",
    "FUNDS_TRANSFER",
    "FOREX",
    "CORPORATE_ACTION",
    "ACTIVITY_AWARD",
    "OTHER",
]


class SegmentParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the four methods about cash between segments."""

    account: str = ""
    id: int = 0
    from_segment: str | None = None
    to_segment: str | None = None
    currency: str | None = None
    amount: Decimal | None = None
    limit: int = HISTORY_LIMIT


class ForexParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `place_forex_order`."""

    account: str = ""
    seg_type: str | None = None
    source_currency: str | None = None
    target_currency: str | None = None
    source_amount: Decimal | None = None


class FundingParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `transfer_fund`."""

    account: str = ""
    seg_type: str | None = None


class DetailsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `fund_details` (dates: yyyy-MM-dd, both inclusive)."""

    account: str = ""
    seg_types: tuple[str, ...] = ()
    fund_type: str | None = None
    currency: str | None = None
    start: int = 0
    limit: int = DETAILS_LIMIT
    start_date: str | None = None
    end_date: str | None = None


def segment_fund_available(call: Call) -> object:
    """List what can be moved out of a segment, by currency."""
    asked = parameters(call, SegmentParameters)
    account = account_of(call, asked.account)
    only: Movable | None = word(asked.from_segment, Movable, "from_segment")
    segments: tuple[Movable, ...] = ("SEC", "FUT") if only is None else (only,)
    return [
        {
            "fromSegment": segment,
            "currency": currency,
            "amount": double(fund_desk.available(call.engine, account, segment, currency)),
        }
        for segment in segments
        for currency in sorted(account.cash_of(segment))
        if asked.currency in (*ALL, currency)
    ]


def segment_fund_history(call: Call) -> object:
    """List an account's transfers between segments, newest first."""
    asked = parameters(call, SegmentParameters)
    account = account_of(call, asked.account)
    transfers = [
        item
        for item in reversed(call.engine.book.funds.segment_transfers.values())
        if item.account == account.account
    ]
    return [_transfer_json(item) for item in transfers[: limit_of(asked.limit, HISTORY_LIMIT_MAX)]]


def transfer_segment_fund(call: Call) -> object:
    """Send cash from one segment to another; it arrives after the reply."""
    asked = parameters(call, SegmentParameters)
    account = account_of(call, asked.account)
    source, target = _segment(asked, "from_segment"), _segment(asked, "to_segment")
    if source == target:
        raise invalid("to_segment")
    with refusals_of(account):
        transfer = fund_desk.submit_transfer(
            call.engine,
            account,
            from_segment=source,
            to_segment=target,
            currency=_named(asked.currency, "currency"),
            amount=amount_of(asked.amount, "amount"),
            now=call.now,
        )
    return _transfer_json(transfer)


def cancel_segment_fund(call: Call) -> object:
    """Take cash back that is on its way."""
    asked = parameters(call, SegmentParameters)
    account = account_of(call, asked.account)
    if not asked.id:
        raise business_error("field 'id' cannot be empty")
    with refusals_of(account):
        return _transfer_json(fund_desk.cancel_transfer(call.engine, account, asked.id, call.now))


def place_forex_order(call: Call) -> object:
    """Change one currency into another, at once."""
    asked = parameters(call, ForexParameters)
    account = account_of(call, asked.account)
    segment: Segment | None = word(asked.seg_type, Segment, "seg_type")
    if segment is None:
        raise business_error("field 'seg_type' cannot be empty")
    with refusals_of(account):
        order = fund_desk.exchange(
            call.engine,
            account,
            segment=segment,
            source=_named(asked.source_currency, "source_currency"),
            target=_named(asked.target_currency, "target_currency"),
            amount=amount_of(asked.source_amount, "source_amount"),
            now=call.now,
        )
    return order_json(order)


def transfer_fund(call: Call) -> object:
    """List what was paid in and out, oldest first."""
    asked = parameters(call, FundingParameters)
    account = account_of(call, asked.account)
    if asked.seg_type not in (*ALL, "SEC"):
        return []
    return [_funding_json(move) for move in moves_of(call, account) if move.funding_id]


def fund_details(call: Call) -> object:
    """List every movement of cash, newest first, by page."""
    asked = parameters(call, DetailsParameters)
    account = account_of(call, asked.account)
    if not asked.seg_types:
        raise business_error("field 'seg_types' cannot be empty")
    if asked.start < 0:
        raise invalid("start")
    limit = limit_of(asked.limit, DETAILS_LIMIT_MAX)
    is_wanted = _details_filter(asked)
    moves = [move for move in reversed(moves_of(call, account)) if is_wanted(move)]
    return {
        "page": asked.start // limit + 1,
        "limit": limit,
        "itemCount": len(moves),
        "pageCount": -(-len(moves) // limit),
        "timestamp": to_ms(call.now),
        "items": [_move_json(move) for move in moves[asked.start : asked.start + limit]],
    }


class CashMove(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of cash, whatever made it."""

    move_id: int
    segment: Segment
    currency: str
    amount: Decimal
    kind: FundKind
    label: str
    contract: str | None = None
    moved_at: datetime
    funding_id: int = 0  # of money paid in or out


def moves_of(call: Call, account: Account) -> list[CashMove]:
    """Return every movement of an account's cash, oldest first."""
    moves = [*_opening(call, account), *_booked(call, account), *_traded(call, account)]
    return sorted(moves, key=lambda move: (move.moved_at, move.move_id))


def amount_of(value: Decimal | None, field: str) -> Decimal:
    """Return an amount of money above 0, in whole cents.

    Raises:
        GatewayError: 1010.
    """
    amount = finite(value, field)
    if amount is None:
        raise business_error(f"field '{field}' cannot be empty")
    if amount <= 0 or amount != amount.quantize(fund_desk.CENT):
        raise invalid(field)
    return amount


def _opening(call: Call, account: Account) -> list[CashMove]:
    # Numbered over all accounts, in the order in which the book got to know them.
    number, moves = DEPOSIT_ID_FIRST, []
    for item in call.engine.book.accounts.values():
        for currency, amount in sorted(item.opening_cash.items()):
            number += 1
            if item is account:
                moves.append(_first_cash(number, currency, amount))
    return moves


def _booked(call: Call, account: Account) -> list[CashMove]:
    return [
        CashMove(
            move_id=entry.entry_id,
            segment=entry.segment,
            currency=entry.currency,
            amount=entry.amount,
            kind=entry.kind,
            label=entry.label,
            contract=instrument_of(entry.key).name if entry.key else None,
            moved_at=entry.booked_at,
            funding_id=entry.entry_id if entry.kind == "DEPOSIT_WITHDRAW" else 0,
        )
        for entry in call.engine.book.funds.entries_of(account.account)
    ]


def _traded(call: Call, account: Account) -> list[CashMove]:
    moves = []
    for fill in call.engine.book.fills_of(account.account):
        instrument = find(fill.contract_key)
        if instrument is None:
            # A currency pair; both its sides are booked.
            continue
        sign = -1 if fill.side == "BUY" else 1
        parts: list[tuple[FundKind, str, Decimal]] = [("FEE", "Commission", -fill.fee)]
        paid = fill.realized_pnl if fill.sec_type == "FUT" else sign * fill.amount
        parts.insert(0, ("TRADE", f"Trade {fill.side.capitalize()}", paid))
        moves += [
            CashMove(
                # The ids behind an execution's own are nobody's.
                move_id=fill.fill_id + at,
                segment=paying_segment(fill.sec_type),
                currency=fill.currency,
                amount=amount,
                kind=kind,
                label=label,
                contract=instrument.name,
                moved_at=fill.filled_at,
            )
            for at, (kind, label, amount) in enumerate(parts)
            if amount
        ]
    return moves


def _first_cash(number: int, currency: str, amount: Decimal) -> CashMove:
    return CashMove(
        move_id=number,
        segment="SEC",
        currency=currency,
        amount=amount,
        kind="DEPOSIT_WITHDRAW",
        label=DEPOSIT[1],
        moved_at=OPENED_AT,
        funding_id=number,
    )


def _details_filter(asked: DetailsParameters) -> Callable[[CashMove], bool]:
    kind: str | None = word(asked.fund_type, FundFilter, "fund_type")
    since, until = date_of(asked.start_date, "start_date"), date_of(asked.end_date, "end_date")

    def is_wanted(move: CashMove) -> bool:
        day = _business_day(move)
        return (
            ("ALL" in asked.seg_types or move.segment in asked.seg_types)
            and kind in (*ALL, move.kind)
            and asked.currency in (*ALL, move.currency)
            and (since is None or day >= since)
            and (until is None or day <= until)
        )

    return is_wanted


def _move_json(move: CashMove) -> Json:
    return present(
        {
            "id": str(move.move_id),
            "currency": move.currency,
            "type": move.label,
            "segType": move.segment,
            "amount": double(move.amount.quantize(fund_desk.CENT, ROUND_HALF_UP)),
            "businessDate": f"{_business_day(move):%Y-%m-%d}",
            "updatedAt": to_ms(move.moved_at),
            "contractName": move.contract,
        }
    )


def _funding_json(move: CashMove) -> Json:
    kind, text = DEPOSIT if move.amount > 0 else WITHDRAWAL
    return {
        "id": move.funding_id,
        "refId": f"SANDBOX-{move.funding_id}",
        "type": kind,
        "typeDesc": text,
        "currency": move.currency,
        "amount": double(abs(move.amount)),
        "businessDate": f"{_business_day(move):%Y/%m/%d}",
        "completedStatus": True,
        "createdAt": to_ms(move.moved_at),
        "updatedAt": to_ms(move.moved_at),
    }


def _transfer_json(transfer: SegmentTransfer) -> Json:
    return present(
        {
            "id": transfer.transfer_id,
            "fromSegment": transfer.from_segment,
            "toSegment": transfer.to_segment,
            "currency": transfer.currency,
            "amount": double(transfer.amount),
            "status": transfer.status,
            "statusDesc": STATUS_TEXTS[transfer.status],
            "settledAt": None if transfer.settled_at is None else to_ms(transfer.settled_at),
            "updatedAt": to_ms(transfer.updated_at),
            "createdAt": to_ms(transfer.created_at),
        }
    )


def _business_day(move: CashMove) -> date:
    return move.moved_at.astimezone(BROKER_ZONE).date()


def _segment(asked: SegmentParameters, field: Literal["from_segment", "to_segment"]) -> Movable:
    text = asked.from_segment if field == "from_segment" else asked.to_segment
    segment: Movable | None = word(text, Movable, field)
    if segment is None:
        raise business_error(f"field '{field}' cannot be empty")
    return segment


def _named(text: str | None, field: str) -> str:
    if not text:
        raise business_error(f"field '{field}' cannot be empty")
    return text
