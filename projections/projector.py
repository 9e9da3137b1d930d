"""From stored records to committed views: chain check, fold and transaction of one batch.

Nothing is ever skipped: a record that does not fit its chain, or that this version does not know,
ends the projector with the account and the sequence in the message.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from msgspec.structs import replace

from core.codec import EMPTY_TAIL, Tail, follow
from core.errors import CorruptRecordError
from projections.audit import is_audited
from projections.entries import AccountEntry, OrderEntry
from projections.fold import changed_alias, changed_order_id, claimed_tiger_id, fold, moved_from
from projections.store import Batch, ViewStore

# Open orders are kept in memory; one that is done comes back from its row if it is named again.
_ORDERS_KEPT_MAX: Final = 10_000


class Record(Protocol):
    """One message of a ledger stream, verbatim."""

    @property
    def subject(self) -> str:
        """The subject as stored."""

    @property
    def sequence(self) -> int:
        """The stream's number of it."""

    @property
    def body(self) -> bytes:
        """The exact stored bytes."""


class Projector:
    """Folds the records of any number of streams into one store."""

    def __init__(self, store: ViewStore) -> None:
        self._store = store
        self._tails: dict[str, Tail] = store.tails()
        self._accounts: dict[str, AccountEntry] = store.accounts()
        self._open_orders: dict[tuple[str, str], OrderEntry] = {}

    def position(self, stream: str) -> int:
        """Return the sequence of the last record of a stream that is in the views."""
        return self._store.max_tracking_id(stream) or 0

    def tail(self, account: str) -> Tail:
        """Return the end of an account's line as far as the views have it."""
        return self._tails.get(account, EMPTY_TAIL)

    def apply(self, stream: str, records: Sequence[Record]) -> frozenset[str]:
        """Fold records that follow the stream's position, in one transaction.

        Returns:
            The accounts whose lines grew.

        Raises:
            CorruptRecordError: naming stream, sequence and subject; nothing of the batch is kept,
                and this object must not be used again.
        """
        if not records:
            return frozenset()
        batch = Batch()
        for record in records:
            try:
                self._fold(record, batch)
            except CorruptRecordError as error:
                raise CorruptRecordError(
                    f"{stream} sequence {record.sequence} ({record.subject[:120]}): {error}"
                ) from error
        self._store.commit(batch, stream=stream, sequence=records[-1].sequence)
        self._tails.update(batch.tails)
        self._accounts.update(batch.accounts)
        self._keep(batch)
        return frozenset(batch.tails)

    def _fold(self, record: Record, batch: Batch) -> None:
        account = record.subject.partition(".")[2].partition(".")[0]
        tail = batch.tails.get(account) or self.tail(account)
        recorded, batch.tails[account] = follow(
            tail, record.subject, record.body, sequence=record.sequence
        )
        alias = changed_alias(recorded)
        entry = batch.accounts.get(alias) or self._accounts.get(alias) or AccountEntry(alias=alias)
        order_id = changed_order_id(recorded.data)
        order = None if order_id is None else self._order(batch, account, order_id)
        tiger_order_id = claimed_tiger_id(recorded.data)
        is_known = bool(tiger_order_id) and self._has_tiger_id(batch, account, tiger_order_id)
        stranger_id = moved_from(recorded.data)
        stranger = self._order(batch, account, stranger_id) if stranger_id else None
        change = fold(entry, order, recorded, stranger=stranger, is_tiger_id_known=is_known)
        if is_audited(recorded.data):
            batch.caused.append(recorded)
        if change.order is not None:
            batch.orders[account, change.order.order.order_id] = change.order
            if stranger_id:
                self._move(batch, account, stranger_id, change.order.order.order_id)
        if change.execution is not None:
            key = (account, change.execution.execution_id)
            batch.executions[key] = (recorded.n, change.execution)
        if change.account is not None:
            batch.accounts[alias] = change.account
        if change.positions is not None:
            batch.positions[account] = change.positions
        if change.balances is not None:
            batch.balances[account] = change.balances

    def _order(self, batch: Batch, account: str, order_id: str) -> OrderEntry | None:
        key = (account, order_id)
        entry = batch.orders.get(key) or self._open_orders.get(key)
        return entry or self._store.order(account, order_id)

    def _move(self, batch: Batch, account: str, stranger_id: str, order_id: str) -> None:
        """Make a stranger's executions those of the order that it is."""
        stored = self._store.executions_of(account, stranger_id)
        rows = {(account, row.execution_id): (n, row) for n, row in stored}
        # What the batch has of an execution is newer.
        rows |= batch.executions
        for key, (n, row) in rows.items():
            if key[0] == account and row.order_id == stranger_id:
                batch.executions[key] = (n, replace(row, order_id=order_id))

    def _has_tiger_id(self, batch: Batch, account: str, tiger_order_id: str) -> bool:
        in_batch = any(
            entry.order.tiger_order_id == tiger_order_id
            for (owner, _), entry in batch.orders.items()
            if owner == account
        )
        return in_batch or self._store.has_tiger_id(account, tiger_order_id)

    def _keep(self, batch: Batch) -> None:
        for key, entry in batch.orders.items():
            if entry.order.is_watched and len(self._open_orders) < _ORDERS_KEPT_MAX:
                self._open_orders[key] = entry
            else:
                self._open_orders.pop(key, None)
