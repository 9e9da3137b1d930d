"""The answers to `core.views`' questions, read from the view file.

Reads have a connection of their own and never wait for the writer. Rows were encoded when they
were written, so an answer is put together, not computed; each is one consistent moment.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from core import account_events, views
from core.errors import CommandError
from core.ids import derived_id
from projections.audit import audit_page
from projections.entries import AccountEntry
from projections.paging import (
    CURSOR_END,
    bounded,
    check_limit,
    cursor_text,
    key_text,
    parse_cursor,
    parse_key,
    question_of,
    within,
)
from projections.parents import with_parent
from projections.symbols import add_functions, is_of, of_symbol

_PREVIEW_PREFIX: Final = "prv-"
ORDER_IDS_MAX: Final = views.ROWS_MAX
_STARTED_DETAIL: Final = "the worker has started and not yet reconciled with the broker"
_ABSENT_DETAIL: Final = "no worker has opened the account yet"

_encode: Final = msgspec.json.Encoder().encode
_positions_decoder: Final = msgspec.json.Decoder(account_events.AccountPositionsObserved)
_balances_decoder: Final = msgspec.json.Decoder(account_events.AccountBalancesObserved)
_account_decoder: Final = msgspec.json.Decoder(AccountEntry)
_order_decoder: Final = msgspec.json.Decoder(views.OrderRow)


class _OrdersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`views.OrdersAnswer` with rows as they are stored."""

    as_of: views.AsOf
    orders: tuple[msgspec.Raw, ...]
    cursor: str | None


class _ExecutionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`views.ExecutionsAnswer` with rows as they are stored."""

    as_of: views.AsOf
    executions: tuple[msgspec.Raw, ...]
    cursor: str | None


class _CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`views.CommandAnswer` with rows as they are stored."""

    as_of: views.AsOf
    events: tuple[msgspec.Raw, ...]


class _ExplainAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`views.ExplainAnswer` with rows as they are stored."""

    as_of: views.AsOf
    order: views.OrderRow | None
    events: tuple[msgspec.Raw, ...]
    more_after: int | None


class _Page(NamedTuple):
    rows: tuple[msgspec.Raw, ...]
    cursor: str | None


class Queries:
    """Answers questions from one view file; each method returns the JSON of its answer."""

    def __init__(self, path: Path) -> None:
        """Open the file of a `ViewStore`, for reading only."""
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
        )
        add_functions(self._connection)

    def close(self) -> None:
        """Close the reading connection."""
        self._connection.close()

    def orders(self, account: str, query: views.OrdersQuery) -> bytes:
        """Return a page of orders, newest first, as `views.OrdersAnswer`.

        Raises:
            CommandError: an argument is wrong, or nobody knows the account.
        """
        if len(query.order_ids) > ORDER_IDS_MAX:
            raise CommandError(f"expected at most {ORDER_IDS_MAX} order_ids", field="order_ids")
        where: list[str] = ["account = ?"]
        values: list[str | int] = [account]
        match query.status:
            case views.OrderStatus.OPEN:
                where.append("is_open = 1")
            case views.OrderStatus.DONE:
                where.append("is_open = 0")
            case views.OrderStatus.ALL:
                pass
        of_symbol(where, values, query.symbol)
        if query.order_ids:
            where.append(f"order_id IN ({', '.join('?' * len(query.order_ids))})")
            values.extend(query.order_ids)
        within(where, values, "started_us", query.since, query.until)
        with self._moment():
            as_of = self._as_of(account)
            page = self._page(account, query, "orders", "started_us", where, values)
            rows = tuple(msgspec.Raw(self._told(account, bytes(row))) for row in page.rows)
        return _encode(_OrdersAnswer(as_of=as_of, orders=rows, cursor=page.cursor))

    def executions(self, account: str, query: views.ExecutionsQuery) -> bytes:
        """Return a page of fills, newest first, as `views.ExecutionsAnswer`.

        Raises:
            CommandError: an argument is wrong, or nobody knows the account.
        """
        where: list[str] = ["account = ?"]
        values: list[str | int] = [account]
        of_symbol(where, values, query.symbol, is_execution=True)
        if query.order_id is not None:
            where.append("order_id = ?")
            values.append(query.order_id)
        within(where, values, "executed_us", query.since, query.until)
        with self._moment():
            as_of = self._as_of(account)
            page = self._page(account, query, "executions", "executed_us", where, values)
        return _encode(_ExecutionsAnswer(as_of=as_of, executions=page.rows, cursor=page.cursor))

    def positions(self, account: str, query: views.PositionsQuery) -> bytes:
        """Return a page of the broker's positions by contract, as `views.PositionsAnswer`.

        Raises:
            CommandError: an argument is wrong, or nobody knows the account.
        """
        check_limit(query.limit)
        question = question_of(account, query)
        after = "" if query.cursor is None else parse_key(question, query.cursor)
        with self._moment():
            as_of = self._as_of(account)
            body = self._body("positions", account)
        seen = None if body is None else _positions_decoder.decode(body)
        figures = () if seen is None else seen.positions
        wanted = sorted(
            (f for f in figures if f.key > after and _fits(f, query)), key=lambda f: f.key
        )
        page = wanted[: query.limit]
        return _encode(
            views.PositionsAnswer(
                as_of=as_of,
                observed_at=None if seen is None else seen.observed_at,
                positions=tuple(page),
                cursor=key_text(question, page[-1].key) if len(wanted) > len(page) else None,
            )
        )

    def balances(self, account: str, _: views.BalancesQuery) -> bytes:
        """Return the broker's cash and margin, as `views.BalancesAnswer`.

        Raises:
            CommandError: nobody knows the account.
        """
        with self._moment():
            as_of = self._as_of(account)
            body = self._body("balances", account)
        seen = None if body is None else _balances_decoder.decode(body)
        return _encode(
            views.BalancesAnswer(
                as_of=as_of,
                observed_at=None if seen is None else seen.observed_at,
                currency="" if seen is None else seen.currency,
                net_liquidation=None if seen is None else seen.net_liquidation,
                buying_power=None if seen is None else seen.buying_power,
                initial_margin=None if seen is None else seen.initial_margin,
                maintenance_margin=None if seen is None else seen.maintenance_margin,
                cash=() if seen is None else seen.cash,
                unread=() if seen is None else seen.unread,
            )
        )

    def command(self, account: str, query: views.CommandQuery) -> bytes:
        """Return what a command led to, oldest first, as `views.CommandAnswer`.

        Raises:
            CommandError: nobody knows the account.
        """
        with self._moment():
            as_of = self._as_of(account)
            rows = self._connection.execute(
                "SELECT row FROM command_events WHERE account = ? AND command_id = ?"
                " ORDER BY n LIMIT ?",
                (account, query.command_id, views.ROWS_MAX),
            ).fetchall()
        caused = tuple(msgspec.Raw(row) for (row,) in rows)
        return _encode(_CommandAnswer(as_of=as_of, events=caused))

    def explain(self, account: str, query: views.ExplainQuery) -> bytes:
        """Return the facts about an order and its preview, as `views.ExplainAnswer`.

        Raises:
            CommandError: nobody knows the account.
        """
        order_id, preview_id = query.about, ""
        if query.about.startswith(_PREVIEW_PREFIX):
            # Which order a preview becomes is known before it is sent.
            order_id, preview_id = derived_id("ord", account, query.about), query.about
        with self._moment():
            as_of = self._as_of(account)
            found = self._order(account, order_id)
            order = None if found is None else _order_decoder.decode(self._told(account, found))
            if order is not None and not preview_id:
                preview_id = order.preview_id
            rows = self._connection.execute(
                "SELECT n, row FROM command_events WHERE account = ? AND about IN (?, ?)"
                " AND n > ? ORDER BY n LIMIT ?",
                (account, order_id, preview_id or order_id, query.after_n, views.ROWS_MAX + 1),
            ).fetchall()
        page = bounded(rows[: views.ROWS_MAX], at=1)
        return _encode(
            _ExplainAnswer(
                as_of=as_of,
                order=order,
                events=tuple(msgspec.Raw(row) for _, row in page),
                more_after=page[-1][0] if len(page) < len(rows) else None,
            )
        )

    def audit(self, account: str, query: views.AuditQuery) -> bytes:
        """Return the facts of an account, newest first, as `views.AuditAnswer`.

        Raises:
            CommandError: an argument is wrong, or nobody knows the account.
        """
        with self._moment():
            return audit_page(self._connection, account, query, as_of=self._as_of(account))

    def accounts(self) -> bytes:
        """Return every account that is not removed, by alias, as `views.AccountsAnswer`."""
        with self._moment():
            rows = self._connection.execute(
                "SELECT a.entry, t.n, t.sequence, t.recorded_at FROM accounts a"
                " LEFT JOIN tails t ON t.account = a.account ORDER BY a.account"
            ).fetchall()
            counts = self._connection.execute(
                "SELECT account, count(*), sum(is_doubtful) FROM orders WHERE is_open = 1"
                " GROUP BY account"
            ).fetchall()
        open_counts = {account: (total, doubtful) for account, total, doubtful in counts}
        found: list[views.AccountRow] = []
        for body, *tail in rows:
            entry = _account_decoder.decode(body)
            row = _account_row(entry, _moment_of(*tail), open_counts.get(entry.alias, (0, 0)))
            if row is not None:
                found.append(row)
        return _encode(views.AccountsAnswer(accounts=tuple(found)))

    @contextmanager
    def _moment(self) -> Iterator[None]:
        # Without a transaction, a commit between two statements would show in the second alone.
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    def _as_of(self, account: str) -> views.AsOf:
        row = self._connection.execute(
            "SELECT t.n, t.sequence, t.recorded_at FROM accounts a"
            " LEFT JOIN tails t ON t.account = a.account WHERE a.account = ?",
            (account,),
        ).fetchone()
        if row is None:
            raise CommandError(
                "expected an account that has been added", field="account", code="unknown_account"
            )
        return _moment_of(*row)

    def _order(self, account: str, order_id: str) -> bytes | None:
        found = self._connection.execute(
            "SELECT row FROM orders WHERE account = ? AND order_id = ?", (account, order_id)
        ).fetchone()
        return None if found is None else found[0]

    def _told(self, account: str, row: bytes) -> bytes:
        return with_parent(row, lambda order_id: self._order(account, order_id))

    def _body(self, table: str, account: str) -> bytes | None:
        row = self._connection.execute(
            f"SELECT body FROM {table} WHERE account = ?",  # noqa: S608  # our own name
            (account,),
        ).fetchone()
        return None if row is None else row[0]

    def _page(
        self,
        account: str,
        query: views.OrdersQuery | views.ExecutionsQuery,
        table: str,
        moment: str,
        where: list[str],
        values: list[str | int],
    ) -> _Page:
        check_limit(query.limit)
        question, limit = question_of(account, query), query.limit
        before = CURSOR_END if query.cursor is None else parse_cursor(question, query.cursor)
        statement = (
            f"SELECT {moment}, n, row FROM {table} WHERE {' AND '.join(where)}"  # noqa: S608
            f" AND ({moment}, n) < (?, ?) ORDER BY {moment} DESC, n DESC LIMIT ?"
        )
        rows = self._connection.execute(statement, (*values, *before, limit + 1)).fetchall()
        page = bounded(rows[:limit], at=2)
        return _Page(
            rows=tuple(msgspec.Raw(row) for _, _, row in page),
            cursor=cursor_text(question, *page[-1][:2]) if len(rows) > len(page) else None,
        )


def _fits(figure: account_events.PositionFigure, query: views.PositionsQuery) -> bool:
    return (
        is_of(figure, query.symbol)
        and query.market in (None, figure.market)
        and query.security in (None, figure.security)
    )


def _moment_of(n: int | None, sequence: int | None, recorded_at: str | None) -> views.AsOf:
    return views.AsOf(
        n=n or 0,
        sequence=sequence or 0,
        recorded_at=None if recorded_at is None else datetime.fromisoformat(recorded_at),
    )


def _account_row(
    entry: AccountEntry, as_of: views.AsOf, counts: tuple[int, int]
) -> views.AccountRow | None:
    # The system ledger has the last word: no login may write there.
    bound = entry.added or entry.opened
    if bound is None or entry.is_removed:
        return None
    state, detail = _state(entry)
    return views.AccountRow(
        alias=entry.alias,
        login=bound.login,
        environment=bound.environment,
        mode=None if entry.opened is None else entry.opened.mode,
        state=state,
        detail=detail,
        halted_symbols=entry.halted_symbols,
        frozen_symbols=tuple(frozen.symbol for frozen in entry.frozen_symbols),
        breaks=entry.breaks,
        cash_break=entry.cash_break,
        token=entry.token,
        unverified_halts=entry.unverified_halts,
        reconciled_at=entry.reconciled_at,
        halt_file=entry.halt_file,
        halt_file_n=entry.halt_file_n,
        open_orders=counts[0],
        doubtful_orders=counts[1],
        as_of=as_of,
    )


# In the order of `core.submitting.shut_gate`: the first of them is what an order would meet.
def _state(entry: AccountEntry) -> tuple[str, str]:
    if entry.is_halted:
        return "halted", entry.halt_detail
    if entry.is_stale and entry.stale_cause:
        return "stale", entry.stale_cause
    if entry.is_stale:
        return "starting", _STARTED_DETAIL if entry.run_id else _ABSENT_DETAIL
    if entry.frozen_cause:
        return "frozen", ": ".join(t for t in (entry.frozen_cause, entry.frozen_detail) if t)
    causes = [f"{one.symbol} frozen: {one.why}" for one in entry.frozen_symbols]
    causes += [
        f"{one.symbol} frozen: the broker shows {one.observed}, the fills make {one.expected} "
        f"(break {one.break_id})"
        for one in entry.breaks
    ]
    return "active", "; ".join(causes)
