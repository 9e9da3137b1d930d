"""The view file: folding into it, asking it, breaking off and going on, and owning it."""

import subprocess
import sys
import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from eventsourcing.persistence import IntegrityError, TrackingRecorder
from hypothesis import given, settings
from hypothesis import strategies as st

from core import account_events, events, views
from core.errors import CommandError, ConfigError, CorruptRecordError
from core.modes import Environment, Mode
from core.orders import Phase
from core.ports import StoredRecord
from core.subjects import SYSTEM_STREAM, ledger_stream
from projections.projector import Projector
from projections.queries import ORDER_IDS_MAX, Queries
from projections.store import Batch, ViewStore, digest
from tests.support import facts
from tests.support.facts import EPOCH, Ledger
from tests.support.view_asks import executions, orders

STREAM = ledger_stream(facts.LOGIN)


def ids(answer: views.OrdersAnswer) -> list[str]:
    return [row.order_id for row in answer.orders]


def account_rows(queries: Queries) -> tuple[views.AccountRow, ...]:
    return msgspec.json.decode(queries.accounts(), type=views.AccountsAnswer).accounts


def a_history() -> Ledger:
    ledger = Ledger()
    ledger.add_all(
        facts.opened(), account_events.AccountWorkerStarted(run_id="r1"), facts.reconciled()
    )
    ledger.add_all(facts.opened(), account="a2")
    facts.trading_day(ledger, orders=10)
    ledger.add_all(facts.positions(("TSLA", "-5"), ("AAPL", "10")), facts.balances())
    facts.trading_day(ledger, orders=3, account="a2")
    ledger.add(facts.external("ord-ext", second=2))
    ledger.add(facts.terms("ord-ext", "6", "299.5"))
    for symbol in ("TSLA", "AAPL"):
        ledger.add(account_events.AccountFrozen(cause="word", detail="odd", symbol=symbol))
    return ledger


def digest_after(folder: Path, records: list[StoredRecord], sizes: list[int]) -> str:
    store = ViewStore.open(folder)
    projector = Projector(store)
    rest = records
    for size in sizes:
        projector.apply(STREAM, rest[:size])
        rest = rest[size:]
    projector.apply(STREAM, rest)
    summed = digest(store)
    store.close()
    return summed


def test_orders_are_answered_newest_first_with_as_of(store: ViewStore, queries: Queries) -> None:
    ledger = a_history()
    Projector(store).apply(STREAM, ledger.records)
    answer = orders(queries)
    assert ids(answer)[0] == "ord-000009"
    assert [row.started_at for row in answer.orders] == sorted(
        (row.started_at for row in answer.orders), reverse=True
    )
    assert len(answer.orders) == 11
    tail = ledger.tails["a1"]
    assert answer.as_of == views.AsOf(
        n=tail.n, sequence=tail.sequence, recorded_at=tail.recorded_at
    )
    assert answer.cursor is None


def test_orders_are_filtered(store: ViewStore, queries: Queries) -> None:
    Projector(store).apply(STREAM, a_history().records)
    still_open = ids(orders(queries, status="open"))
    done = ids(orders(queries, status="done"))
    assert set(still_open) == {
        "ord-ext",
        *(f"ord-00000{number}" for number in (0, 3, 6, 7, 9)),
    }
    assert not set(still_open) & set(done)
    assert len(still_open) + len(done) == 11
    assert ids(orders(queries, symbol="TSLA")) == ["ord-ext"]
    assert ids(orders(queries, order_ids=("ord-000001", "ord-000008", "nope"))) == [
        "ord-000008",
        "ord-000001",
    ]


def test_cursor_shows_each_order_once_while_new_ones_arrive(
    store: ViewStore, queries: Queries
) -> None:
    ledger, projector = a_history(), Projector(store)
    projector.apply(STREAM, ledger.records)
    before = ids(orders(queries))
    known = len(ledger.records)
    page = orders(queries, limit=4)
    shown = ids(page)
    while page.cursor is not None:
        facts.trading_day(ledger, orders=1, first=known)
        projector.apply(STREAM, ledger.records[known:])
        known = len(ledger.records)
        page = orders(queries, limit=4, cursor=page.cursor)
        shown += ids(page)
    assert shown == before


def test_a_cursor_fits_no_other_question(store: ViewStore, queries: Queries) -> None:
    Projector(store).apply(STREAM, a_history().records)
    cursor = orders(queries, limit=2).cursor
    assert cursor is not None
    # How many rows a page has, and how far the view must be, are no part of the question.
    assert orders(queries, limit=1, at_least_n=3, cursor=cursor).orders
    others: tuple[dict[str, object], ...] = (
        {"symbol": "AAPL"},
        {"status": "done"},
        {"order_ids": ("ord-000001",)},
        {"since": EPOCH},
    )
    for other in others:
        with pytest.raises(CommandError, match="very question") as refused:
            orders(queries, limit=2, cursor=cursor, **other)
        assert refused.value.field == "cursor"
    with pytest.raises(CommandError, match="very question"):
        executions(queries, limit=2, cursor=cursor)
    with pytest.raises(CommandError, match="very question"):
        queries.orders("a2", views.OrdersQuery(limit=2, cursor=cursor))


@pytest.mark.parametrize(
    "wanted, field",
    [
        ({"limit": 0}, "limit"),
        ({"limit": views.ROWS_MAX + 1}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "ä"}, "cursor"),
        ({"cursor": "W10="}, "cursor"),
        ({"cursor": "WzFlNDAsIDFd"}, "cursor"),
        ({"order_ids": ("x",) * (ORDER_IDS_MAX + 1)}, "order_ids"),
    ],
)
def test_wrong_argument_is_named(
    store: ViewStore, queries: Queries, wanted: dict[str, object], field: str
) -> None:
    Projector(store).apply(STREAM, a_history().records)
    with pytest.raises(CommandError) as refused:
        orders(queries, **wanted)
    assert (refused.value.field, refused.value.code) == (field, "invalid_argument")


def test_account_that_nobody_added_is_unknown(queries: Queries) -> None:
    with pytest.raises(CommandError) as refused:
        orders(queries)
    assert (refused.value.field, refused.value.code) == ("account", "unknown_account")


def test_executions_page_and_filter(store: ViewStore, queries: Queries) -> None:
    Projector(store).apply(STREAM, a_history().records)
    whole = executions(queries)
    found = [row.execution_id for row in whole.executions]
    assert found == [f"exe-00000{number}" for number in (8, 5, 4, 2, 1)]
    first = executions(queries, limit=3)
    second = executions(queries, limit=3, cursor=first.cursor)
    assert (*first.executions, *second.executions) == whole.executions
    assert second.cursor is None
    assert [row.execution_id for row in executions(queries, order_id="ord-000004").executions] == [
        "exe-000004"
    ]
    assert executions(queries, symbol="TSLA").executions == ()
    assert executions(queries, symbol="AAPL").executions == whole.executions


def test_positions_and_balances_are_the_brokers_last(store: ViewStore, queries: Queries) -> None:
    ledger = Ledger()
    ledger.add(facts.opened())
    projector = Projector(store)
    projector.apply(STREAM, ledger.records)

    def positions(symbol: str | None = None) -> views.PositionsAnswer:
        body = queries.positions("a1", views.PositionsQuery(symbol=symbol))
        return msgspec.json.decode(body, type=views.PositionsAnswer)

    def balances() -> views.BalancesAnswer:
        body = queries.balances("a1", views.BalancesQuery())
        return msgspec.json.decode(body, type=views.BalancesAnswer)

    assert (positions().observed_at, positions().positions) == (None, ())
    assert (balances().observed_at, balances().cash) == (None, ())
    ledger.add_all(facts.positions(("TSLA", "-5"), ("AAPL", "10")), facts.balances("7.25"))
    projector.apply(STREAM, ledger.records[1:])
    assert [f.symbol for f in positions().positions] == ["AAPL", "TSLA"]
    assert [f.quantity for f in positions("TSLA").positions] == [Decimal(-5)]
    assert positions().observed_at == EPOCH
    assert balances().cash == facts.balances("7.25").cash
    assert balances().buying_power == Decimal(4000)


def test_command_shows_what_it_caused(store: ViewStore, queries: Queries) -> None:
    Projector(store).apply(STREAM, a_history().records)

    def caused(command_id: str) -> list[tuple[str, object]]:
        body = queries.command("a1", views.CommandQuery(command_id=command_id))
        answer = msgspec.json.decode(body, type=views.CommandAnswer)
        return [(row.type, msgspec.json.decode(row.data)["order_id"]) for row in answer.events]

    assert caused("cmd-ord-000001") == [
        ("order.submission_started", "ord-000001"),
        ("order.accepted", "ord-000001"),
    ]
    assert caused("cmd-unknown") == []


def test_accounts_are_listed_from_both_ledgers(store: ViewStore, queries: Queries) -> None:
    projector, ledger = Projector(store), a_history()
    projector.apply(SYSTEM_STREAM, facts.system_ledger("a1", "a2", "a3").records)
    projector.apply(STREAM, ledger.records)
    first, second, third = account_rows(queries)
    assert (first.alias, first.state, first.mode) == ("a1", "active", Mode.AUTO)
    assert (first.open_orders, first.doubtful_orders) == (6, 2)
    assert first.frozen_symbols == ("AAPL", "TSLA")
    assert first.detail == "AAPL frozen: word: odd; TSLA frozen: word: odd"
    assert (second.frozen_symbols, third.frozen_symbols) == ((), ())
    assert first.as_of.n == ledger.tails["a1"].n
    assert (second.alias, second.state) == ("a2", "starting")
    assert (third.alias, third.state, third.mode) == ("a3", "starting", None)
    assert (third.login, third.environment) == (facts.LOGIN, Environment.SANDBOX)
    assert third.as_of == views.AsOf(n=0, sequence=0, recorded_at=None)


def test_account_state_is_the_first_gate_that_an_order_meets(
    store: ViewStore, queries: Queries
) -> None:
    ledger, projector = Ledger(), Projector(store)

    def state_after(event: events.Event) -> tuple[str, str]:
        projector.apply(STREAM, [ledger.add(event)])
        (row,) = account_rows(queries)
        return row.state, row.detail

    assert state_after(facts.opened())[0] == "starting"
    assert state_after(facts.reconciled()) == ("active", "")
    frozen = account_events.AccountFrozen(cause="foreign_mark", detail="order 7")
    assert state_after(frozen) == ("frozen", "foreign_mark: order 7")
    assert state_after(account_events.AccountStale(gap=1, cause="sleep")) == ("stale", "sleep")
    halted = account_events.AccountHalted(command_id="c", person="ann", symbol="", detail="lunch")
    assert state_after(halted) == ("halted", "by ann: lunch")
    assert state_after(facts.reconciled())[0] == "halted"
    resumed = account_events.AccountResumed(command_id="c", person="ann", symbol="")
    assert state_after(resumed) == ("active", "")


@settings(max_examples=15)
@given(sizes=st.lists(st.integers(1, 20), max_size=12))
def test_batch_boundaries_do_not_change_the_views(sizes: list[int]) -> None:
    records = a_history().records
    with tempfile.TemporaryDirectory() as folder:
        one = digest_after(Path(folder, "one"), records, [])
        assert digest_after(Path(folder, "many"), records, sizes) == one


def test_reopened_views_go_on_where_they_ended(tmp_path: Path) -> None:
    records = a_history().records
    whole = digest_after(tmp_path / "whole", records, [])
    for end in range(1, len(records)):
        store = ViewStore.open(tmp_path / "parts")
        projector = Projector(store)
        assert projector.position(STREAM) == end - 1
        projector.apply(STREAM, records[end - 1 : end])
        store.close()
    assert digest_after(tmp_path / "parts", records[-1:], []) == whole


_CRASH = """
import os, sys
from pathlib import Path
from projections.projector import Projector
from projections.store import ViewStore
from tests.component.test_projections_views import STREAM, a_history
projector = Projector(ViewStore.open(Path(sys.argv[1])))
projector.apply(STREAM, a_history().records[:20])
os._exit(9)
"""


def test_process_that_dies_between_batches_is_continued(tmp_path: Path) -> None:
    records = a_history().records
    died = subprocess.run([sys.executable, "-c", _CRASH, str(tmp_path / "v")], timeout=30)
    assert died.returncode == 9
    assert digest_after(tmp_path / "v", records[20:], []) == digest_after(
        tmp_path / "whole", records, []
    )


def test_failed_transaction_leaves_neither_rows_nor_position(store: ViewStore) -> None:
    records = a_history().records
    projector = Projector(store)
    projector.apply(STREAM, records[:10])
    before = digest(store)
    with pytest.raises(IntegrityError):
        store.commit(Batch(), stream=STREAM, sequence=10)
    forged = records[11]._replace(body=records[11].body.replace(b'"n":', b'"n":9'))
    with pytest.raises(CorruptRecordError):
        projector.apply(STREAM, [records[10], forged])
    assert digest(store) == before
    assert projector.position(STREAM) == 10


def test_unknown_type_and_schema_stop_with_account_and_sequence(store: ViewStore) -> None:
    good = facts.Ledger().add(facts.opened())
    for subject, body in (
        ("log.a1.account.invented", good.body.replace(b"account.opened", b"account.invented")),
        (good.subject, good.body.replace(b'"schema":1', b'"schema":2')),
    ):
        with pytest.raises(CorruptRecordError) as stopped:
            Projector(store).apply(STREAM, [StoredRecord(subject, 1, body)])
        assert "log.a1." in str(stopped.value)
        assert f"{STREAM} sequence 1 " in str(stopped.value)


def test_gap_in_the_chain_stops_with_account_and_sequence(store: ViewStore) -> None:
    records = a_history().records
    with pytest.raises(CorruptRecordError) as stopped:
        Projector(store).apply(STREAM, [*records[:2], *records[3:]])
    assert f"{STREAM} sequence 5 (log.a1." in str(stopped.value)


def test_views_have_one_owner(tmp_path: Path) -> None:
    first = ViewStore.open(tmp_path)
    with pytest.raises(ConfigError):
        ViewStore.open(tmp_path)
    first.close()
    ViewStore.open(tmp_path).close()


def test_position_follows_the_librarys_tracking_contract(store: ViewStore) -> None:
    recorder: TrackingRecorder = store
    assert recorder.max_tracking_id(STREAM) is None
    Projector(store).apply(STREAM, a_history().records[:5])
    assert recorder.has_tracking_id(STREAM, 5)
    assert not recorder.has_tracking_id(STREAM, 6)
    recorder.wait(STREAM, 5, timeout=1.0)


@pytest.mark.parametrize("batches", [1, 3])
def test_late_answer_with_the_id_of_another_order_moves_no_row(
    store: ViewStore, queries: Queries, batches: int
) -> None:
    ledger, projector = Ledger(), Projector(store)
    ledger.add_all(facts.opened(), facts.started("o1"), facts.accepted("o1"), facts.started("o2"))
    for tiger_order_id in ("t-o1", "t-o2"):
        late = events.OrderAnswerObserved(
            order_id="o2", outcome="done", tiger_order_id=tiger_order_id, code=None, detail=""
        )
        ledger.add(late)
        # An id of another account's order is no id of this one's.
        ledger.add_all(facts.opened(), account=f"b-{tiger_order_id}")
    size = len(ledger.records) // batches
    found = []
    for begin in range(0, len(ledger.records), size):
        projector.apply(STREAM, ledger.records[begin : begin + size])
        found.append({row.order_id: row.phase for row in orders(queries).orders}.get("o2"))
    assert found[-1] is Phase.ACCEPTED
    rows = {row.order_id: row.tiger_order_id for row in orders(queries).orders}
    assert rows == {"o1": "t-o1", "o2": "t-o2"}


def test_order_that_was_done_is_found_again_when_it_is_named(
    store: ViewStore, queries: Queries
) -> None:
    ledger, projector = Ledger(), Projector(store)
    ledger.add_all(
        facts.opened(),
        facts.started("o1"),
        events.OrderReleased(order_id="o1", command_id="c", person="ann"),
    )
    projector.apply(STREAM, ledger.records)
    projector.apply(STREAM, [ledger.add(facts.working("o1"))])
    (row,) = orders(queries, status="open").orders
    assert row.updated_at == EPOCH + timedelta(seconds=4)
