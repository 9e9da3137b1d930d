"""How movements of cash beside trading are written down, numbered without a gap."""

from datetime import datetime
from decimal import Decimal

from infra.sandbox.broker.book import Book
from infra.sandbox.broker.records import CashEntry, FundKind, Segment, SegmentTransfer


def transfer_entries(
    book: Book,
    account: str,
    transfer: SegmentTransfer,
    segment: Segment,
    amount: Decimal,
    now: datetime,
) -> tuple[CashEntry, ...]:
    """Return what a transfer moves in one of its segments."""
    label = f"Internal Funds Transfer {'In' if amount > 0 else 'Out'}"
    return cash_entries(
        book, account, segment, now, "FUNDS_TRANSFER", (label, transfer.currency, amount)
    )


def cash_entries(
    book: Book,
    account: str,
    segment: Segment,
    now: datetime,
    kind: FundKind,
    *moves: tuple[str, str, Decimal],
) -> tuple[CashEntry, ...]:
    """Return movements of one kind; each is (label, currency, amount)."""
    first = book.funds.next_entry_id()
    return tuple(
        CashEntry(
            entry_id=first + at,
            account=account,
            segment=segment,
            currency=currency,
            amount=amount,
            kind=kind,
            label=label,
            booked_at=now,
        )
        for at, (label, currency, amount) in enumerate(moves)
    )
