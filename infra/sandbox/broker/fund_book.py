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
    ContractExpired,
    DividendPaid,
    ExerciseWritten,
    ForexTraded,
    FundRecord,
    OptionExercise,
    PositionMoved,
    PositionsTransferred,
    PositionTransfer,
    Segment,
    SegmentTransfer,
    SegmentTransferWritten,
)

if TYPE_CHECKING:
    from infra.sandbox.broker.book import Account

ENTRY_ID_FIRST = 3_865_693_144


def segment_of(sec_type: str) -> Segment:
    """Return the part of an account that a kind of contract belongs to."""
    match sec_type:
        case "FUT" | "FOP":
            return "FUT"
        case "FUND":
            return "FUND"
        case _:
            return "SEC"


def paying_segment(sec_type: str) -> Segment:
    """Return the segment whose cash a trade moves, and whose margin it binds: futures have their
    own, all else is one pool.

    Source: Tiger Brokers, "Risk management" (tigerbrokers.com.sg/help/detail/risk-management, read
    2026-11-23): margins are kept apart, and no cash goes to the other segment by itself.
    """
    return "FUT" if segment_of(sec_type) == "FUT" else "SEC"


class FundBook:
    """Cash outside of the securities segment, and every movement of cash that is no trade."""

    def __init__(self) -> None:
        self.segment_transfers: dict[int, SegmentTransfer] = {}
        self.waiting_transfers: dict[int, SegmentTransfer] = {}
        self.position_transfers: dict[int, PositionTransfer] = {}
        self.exercises: dict[int, OptionExercise] = {}
        self.waiting_exercises: dict[int, OptionExercise] = {}
        self.position_moves: list[PositionMoved] = []
        self.expirations: list[ContractExpired] = []
        self._entries: dict[str, list[CashEntry]] = defaultdict(list)
        self._entry_id_last = ENTRY_ID_FIRST

    def apply(self, record: FundRecord, accounts: Mapping[str, "Account"]) -> int:
        """Make a record true, and return the highest of Tiger's order ids that it uses up."""
        match record:
            case CashPaid():
                self._book(accounts, record.entry)
                return 0
            case SegmentTransferWritten():
                self._note_transfer(record.transfer)
                self._book(accounts, *record.entries)
                return record.transfer.transfer_id
            case ForexTraded():
                self._book(accounts, *record.entries)
                return record.fill.fill_id
            case PositionsTransferred():
                self.position_transfers[record.transfer.transfer_id] = record.transfer
                return record.transfer.transfer_id
            case ExerciseWritten():
                self._note_exercise(record.exercise)
                self._book(accounts, *record.entries)
                return 0
            case DividendPaid():
                self._book(accounts, *record.entries)
                return 0
            case ContractExpired():
                self.expirations.append(record)
                self._book(accounts, *record.entries)
                return 0
            case PositionMoved():
                self.position_moves.append(record)
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

    def _note_transfer(self, transfer: SegmentTransfer) -> None:
        self.segment_transfers[transfer.transfer_id] = transfer
        if transfer.status == "NEW":
            self.waiting_transfers[transfer.transfer_id] = transfer
        else:
            self.waiting_transfers.pop(transfer.transfer_id, None)

    def _note_exercise(self, exercise: OptionExercise) -> None:
        self.exercises[exercise.exercise_id] = exercise
        if exercise.status == "New":
            self.waiting_exercises[exercise.exercise_id] = exercise
        else:
            self.waiting_exercises.pop(exercise.exercise_id, None)

    def _book(self, accounts: Mapping[str, "Account"], *entries: CashEntry) -> None:
        for entry in entries:
            cash = accounts[entry.account].cash_of(entry.segment)
            cash[entry.currency] = cash.get(entry.currency, Decimal(0)) + entry.amount
            self._entries[entry.account].append(entry)
            self._entry_id_last = max(self._entry_id_last, entry.entry_id)
