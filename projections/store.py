"""The views in SQLite: rows and ledger position change in one transaction, or not at all.

Positions are kept by the `eventsourcing` library's own tracking recorder (one row per stream); its
runner commits once per event, which a rebuild cannot afford, so a whole batch is committed here.
The views are disposable: after a power cut the file may miss its last transactions, never parts
of one, and the projector goes on from the position that it finds.
"""

import hashlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteDatastore, SQLiteTrackingRecorder

from core import account_events, events
from core.codec import Recorded, Tail
from core.errors import ConfigError
from core.orders import DOUBTFUL_PHASES
from core.views import EventRow, ExecutionRow
from projections.entries import AccountEntry, OrderEntry

# Part of the file's name: views of another shape are built beside these and compared.
VIEW_VERSION: Final = 9
# A rebuild writes each page many times; it is cheaper to copy them into the file rarely.
_CHECKPOINT_PAGES: Final = 8_000
_CACHE_KIB: Final = 32_768
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# Every view table with the columns that order its rows, for the digest.
_TABLES: Final = {
    "tracking": "application_name",
    "tails": "account",
    "accounts": "account",
    "positions": "account",
    "balances": "account",
    "orders": "account, order_id",
    "executions": "account, execution_id",
    "command_events": "account, n",
}
_CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS tails (account TEXT PRIMARY KEY, n INTEGER, prev TEXT,"
    " sequence INTEGER, recorded_at TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS accounts (account TEXT PRIMARY KEY, entry BLOB)",
    "CREATE TABLE IF NOT EXISTS positions (account TEXT PRIMARY KEY, body BLOB)",
    "CREATE TABLE IF NOT EXISTS balances (account TEXT PRIMARY KEY, body BLOB)",
    "CREATE TABLE IF NOT EXISTS orders (account TEXT, order_id TEXT, started_us INTEGER,"
    " n INTEGER, symbol TEXT, is_open INTEGER, is_doubtful INTEGER, row BLOB, entry BLOB,"
    " PRIMARY KEY (account, order_id))",
    "CREATE INDEX IF NOT EXISTS orders_newest ON orders (account, started_us, n)",
    "CREATE INDEX IF NOT EXISTS orders_symbol ON orders (account, symbol, started_us, n)",
    "CREATE INDEX IF NOT EXISTS orders_open ON orders (account, started_us, n) WHERE is_open = 1",
    "CREATE TABLE IF NOT EXISTS executions (account TEXT, execution_id TEXT, executed_us INTEGER,"
    " n INTEGER, symbol TEXT, order_id TEXT, row BLOB, PRIMARY KEY (account, execution_id))",
    "CREATE INDEX IF NOT EXISTS executions_newest ON executions (account, executed_us, n)",
    "CREATE INDEX IF NOT EXISTS executions_symbol ON executions (account, symbol, executed_us, n)",
    "CREATE INDEX IF NOT EXISTS executions_order ON executions (account, order_id, executed_us, n)",
    "CREATE TABLE IF NOT EXISTS command_events (account TEXT, command_id TEXT, n INTEGER,"
    " about TEXT, row BLOB)",
    "CREATE INDEX IF NOT EXISTS command_events_command ON command_events (account, command_id, n)",
    "CREATE INDEX IF NOT EXISTS command_events_about ON command_events (account, about, n)",
    "CREATE INDEX IF NOT EXISTS command_events_newest ON command_events (account, n)",
)
_PUT_TAIL: Final = "INSERT OR REPLACE INTO tails VALUES (?, ?, ?, ?, ?)"
_PUT_ACCOUNT: Final = "INSERT OR REPLACE INTO accounts VALUES (?, ?)"
_PUT_POSITIONS: Final = "INSERT OR REPLACE INTO positions VALUES (?, ?)"
_PUT_BALANCES: Final = "INSERT OR REPLACE INTO balances VALUES (?, ?)"
# An update in place leaves the indexes of what never changes alone.
_PUT_ORDER: Final = (
    "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, order_id)"
    " DO UPDATE SET is_open = excluded.is_open, is_doubtful = excluded.is_doubtful,"
    " row = excluded.row, entry = excluded.entry"
)
_PUT_EXECUTION: Final = "INSERT OR REPLACE INTO executions VALUES (?, ?, ?, ?, ?, ?, ?)"
_PUT_COMMAND_EVENT: Final = "INSERT INTO command_events VALUES (?, ?, ?, ?, ?)"

_encode: Final = msgspec.json.Encoder().encode
_order_decoder: Final = msgspec.json.Decoder(OrderEntry)
_account_decoder: Final = msgspec.json.Decoder(AccountEntry)
_execution_decoder: Final = msgspec.json.Decoder(ExecutionRow)


class Batch:
    """The rows of one transaction, each in its newest form."""

    def __init__(self) -> None:
        self.tails: dict[str, Tail] = {}
        self.accounts: dict[str, AccountEntry] = {}
        self.orders: dict[tuple[str, str], OrderEntry] = {}
        self.executions: dict[tuple[str, str], tuple[int, ExecutionRow]] = {}
        self.positions: dict[str, account_events.AccountPositionsObserved] = {}
        self.balances: dict[str, account_events.AccountBalancesObserved] = {}
        self.caused: list[Recorded] = []


class ViewStore(SQLiteTrackingRecorder):
    """The one writer of a view file; `open` is the way to one."""

    def __init__(self, datastore: SQLiteDatastore, *, path: Path, owner: sqlite3.Connection):
        super().__init__(datastore)
        self.path = path
        self._owner = owner

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open or make the views in a folder, as their only writer.

        Raises:
            ConfigError: another process has them open.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"views-v{VIEW_VERSION}.sqlite"
        owner = _own(path.with_suffix(".owner"))
        path.touch(mode=0o600)
        # One connection for ever, so that its settings hold.
        datastore = SQLiteDatastore(
            str(path), pool_size=1, max_overflow=0, originator_id_type="text"
        )
        with datastore.get_connection(commit=True) as connection:
            cursor = connection.cursor()
            cursor.execute("PRAGMA synchronous = NORMAL")
            cursor.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            cursor.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        store = cls(datastore, path=path, owner=owner)
        store.create_table()
        return store

    def construct_create_table_statements(self) -> list[str]:
        """Return the library's tracking table and ours."""
        return [*super().construct_create_table_statements(), *_CREATE]

    def commit(self, batch: Batch, *, stream: str, sequence: int) -> None:
        """Store rows and the position that they bring a stream to, all or nothing.

        Raises:
            eventsourcing.persistence.IntegrityError: the position is not behind `sequence`.
        """
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, Tracking(stream, sequence))
            _write(cursor, batch)

    def tails(self) -> dict[str, Tail]:
        """Return the end of every account's line as far as it is folded."""
        rows = self._rows("SELECT account, n, prev, sequence, recorded_at FROM tails")
        return {
            account: Tail(n, prev, sequence, datetime.fromisoformat(recorded_at))
            for account, n, prev, sequence, recorded_at in rows
        }

    def accounts(self) -> dict[str, AccountEntry]:
        """Return every account's entry."""
        rows = self._rows("SELECT account, entry FROM accounts")
        return {account: _account_decoder.decode(entry) for account, entry in rows}

    def order(self, account: str, order_id: str) -> OrderEntry | None:
        """Return one order's entry."""
        rows = self._rows(
            "SELECT entry FROM orders WHERE account = ? AND order_id = ?", account, order_id
        )
        return next((_order_decoder.decode(entry) for (entry,) in rows), None)

    def executions_of(self, account: str, order_id: str) -> list[tuple[int, ExecutionRow]]:
        """Return an order's executions, each with `n` of the event that told it last."""
        rows = self._rows(
            "SELECT n, row FROM executions WHERE account = ? AND order_id = ?", account, order_id
        )
        return [(n, _execution_decoder.decode(row)) for n, row in rows]

    def has_tiger_id(self, account: str, tiger_order_id: str) -> bool:
        """Say whether an order of the account has an id of the broker's; reads every order."""
        rows = self._rows(
            "SELECT 1 FROM orders WHERE account = ?"
            " AND json_extract(CAST(row AS TEXT), '$.tiger_order_id') = ? LIMIT 1",
            account,
            tiger_order_id,
        )
        return bool(rows)

    def close(self) -> None:
        """Close the file and let others open it."""
        self.datastore.close()
        self._owner.close()

    def _rows(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(statement, values)
            return [tuple(row) for row in cursor.fetchall()]


def digest(store: ViewStore) -> str:
    """Return the hex SHA-256 over every row of every view, which a rebuild must reproduce."""
    summed = hashlib.sha256()
    with store.datastore.transaction(commit=False) as cursor:
        for table, order in _TABLES.items():
            cursor.execute(f"SELECT * FROM {table} ORDER BY {order}")  # noqa: S608  # own names
            for row in cursor.fetchall():
                summed.update(_encode((table, tuple(row))))
    return summed.hexdigest()


def about_of(event: events.Event) -> str:
    """Return the id of the order that an event is about, else of the preview, else ""."""
    return getattr(event, "order_id", "") or getattr(event, "preview_id", "")


def microseconds(at: datetime) -> int:
    """Return a time as whole microseconds since 1970, which SQLite can order."""
    return (at - _EPOCH) // _MICROSECOND


def _own(path: Path) -> sqlite3.Connection:
    # A lock that every platform has and that ends with the process: an exclusive transaction,
    # never ended, on an empty database beside the views.
    path.touch(mode=0o600)
    owner = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        owner.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        owner.close()
        raise ConfigError(
            f"expected to be the only projector of {path.parent}, another has it open"
        ) from None
    return owner


def _write(cursor: SQLiteCursor, batch: Batch) -> None:
    cursor.executemany(
        _PUT_TAIL,
        [
            (account, tail.n, tail.prev, tail.sequence, _text(tail.recorded_at))
            for account, tail in batch.tails.items()
        ],
    )
    cursor.executemany(
        _PUT_ACCOUNT, [(account, _encode(entry)) for account, entry in batch.accounts.items()]
    )
    cursor.executemany(
        _PUT_POSITIONS, [(account, _encode(seen)) for account, seen in batch.positions.items()]
    )
    cursor.executemany(
        _PUT_BALANCES, [(account, _encode(seen)) for account, seen in batch.balances.items()]
    )
    cursor.executemany(
        _PUT_ORDER, [_order_values(account, entry) for (account, _), entry in batch.orders.items()]
    )
    cursor.executemany(
        _PUT_EXECUTION,
        [
            (
                account,
                execution_id,
                microseconds(row.executed_at),
                n,
                row.symbol,
                row.order_id,
                _encode(row),
            )
            for (account, execution_id), (n, row) in batch.executions.items()
        ],
    )
    cursor.executemany(_PUT_COMMAND_EVENT, [_caused_values(recorded) for recorded in batch.caused])


def _order_values(account: str, entry: OrderEntry) -> tuple[object, ...]:
    order = entry.order
    return (
        account,
        order.order_id,
        microseconds(order.started_at),
        entry.n,
        order.spec.symbol,
        order.is_open,
        order.phase in DOUBTFUL_PHASES,
        _encode(entry.row()),
        _encode(entry),
    )


def _caused_values(recorded: Recorded) -> tuple[object, ...]:
    row = EventRow(
        type=recorded.type,
        n=recorded.n,
        recorded_at=recorded.recorded_at,
        data=msgspec.Raw(_encode(recorded.data)),
        actor=recorded.actor,
    )
    about = about_of(recorded.data)
    return recorded.account, recorded.causation_id, recorded.n, about, _encode(row)


def _text(at: datetime | None) -> str:
    assert at is not None, "a folded line has a last event"
    return at.isoformat()
