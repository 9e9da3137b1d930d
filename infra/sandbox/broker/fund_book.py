"""What the book knows of cash beside trading: segments, transfers, currencies, exercises.

A part of `Book`: fed with its records, and as trusting.
"""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, assert_never

from infra.sandbox.broker.records import (
    CashEntry,
    CashPaid,
    ExerciseWritten,
    ForexTraded,
    FundRecord,
    OptionExercise,
    PositionsTransferred,
    PositionTransfer,
    Segment,
    SegmentTransfer,
    SegmentTransferWritten,
)

if TYPE_CHECKING:
    from infra.sandbox.broker.book import Account

ENTRY_ID_FIRST = 3_865_693_144


class FundBook:
    """Cash outside of the securities segment, and every movement of cash that is no trade."""

    def __init__(self) -> None:
        self.segment_transfers: dict[int, SegmentTransfer] = {}
        self.position_transfers: dict[int, PositionTransfer] = {}
        self.exercises: dict[int, OptionExercise] = {}
        self._entries: dict[str, list[CashEntry]] = defaultdict(list)
        self._cash: dict[tuple[str, Segment], dict[str, Decimal]] = defaultdict(dict)
        self._entry_id_last = ENTRY_ID_FIRST

    def apply(self, record: FundRecord, accounts: Mapping[str, "Account"]) -> int:
        """Make a record true, and return the highest of Tiger's order ids that it uses up."""
        match record:
            case CashPaid():
                self._book(accounts, record.entry)
                return 0
            case SegmentTransferWritten():
                self.segment_transfers[record.transfer.transfer_id] = record.transfer
                self._book(accounts, *record.entries)
                return record.transfer.transfer_id
            case ForexTraded():
                self._book(accounts, *record.entries)
                return record.fill.fill_id
            case PositionsTransferred():
                self.position_transfers[record.transfer.transfer_id] = record.transfer
                return record.transfer.transfer_id
            case ExerciseWritten():
                self.exercises[record.exercise.exercise_id] = record.exercise
                self._book(accounts, *record.entries)
                return 0
            case _:
                assert_never(record)

    def next_entry_id(self) -> int:
        """Return the number of the next movement."""
        return self._entry_id_last + 1

    def next_exercise_id(self) -> int:
        """Return the number of the next request about options."""
        return len(self.exercises) + 1

    def entries_of(self, account: str) -> tuple[CashEntry, ...]:
        """Return an account's movements, oldest first."""
        return tuple(self._entries.get(account, ()))

    def cash_of(self, account: "Account", segment: Segment) -> dict[str, Decimal]:
        """Return what a segment holds, by currency."""
        return account.cash if segment == "SEC" else self._cash[account.account, segment]

    def _book(self, accounts: Mapping[str, "Account"], *entries: CashEntry) -> None:
        for entry in entries:
            cash = self.cash_of(accounts[entry.account], entry.segment)
            cash[entry.currency] = cash.get(entry.currency, Decimal(0)) + entry.amount
            self._entries[entry.account].append(entry)
            self._entry_id_last = max(self._entry_id_last, entry.entry_id)
