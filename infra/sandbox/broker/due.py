"""What falls due by the clock: transfers that arrive, options that are used, contracts that end."""

from datetime import datetime

import msgspec

from infra.sandbox.broker.cash_entries import transfer_entries
from infra.sandbox.broker.desk import Desk
from infra.sandbox.broker.exercises import settle_exercises
from infra.sandbox.broker.expirations import settle_expired
from infra.sandbox.broker.records import SegmentTransferWritten


def settle_due(desk: Desk, now: datetime) -> None:
    """Do what was due until now."""
    _settle_transfers(desk, now)
    settle_exercises(desk, now)
    settle_expired(desk, now)


def _settle_transfers(desk: Desk, now: datetime) -> None:
    if desk.settings.defer_transfers:
        return
    for transfer in tuple(desk.book.funds.waiting_transfers.values()):
        done = msgspec.structs.replace(transfer, status="SUCC", updated_at=now, settled_at=now)
        arrived = transfer_entries(
            desk.book, transfer.account, transfer, transfer.to_segment, transfer.amount, now
        )
        desk.record(SegmentTransferWritten(transfer=done, entries=arrived))
