"""What the views answer about one order, a stretch of time, a page's bytes, and an account."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core import account_events, events, preview_events, views
from core.errors import CommandError
from core.ids import derived_id
from core.money import Money
from core.refusals import Refusal
from core.subjects import ledger_stream
from core.terms import SecurityType
from projections.projector import Projector
from projections.queries import Queries
from projections.store import ViewStore
from tests.support import facts
from tests.support.facts import EPOCH, Ledger
from tests.support.view_asks import executions, orders, positions

STREAM = ledger_stream(facts.LOGIN)
PREVIEW = "prv-00000000000000000000000000000001"
ORDER = derived_id("ord", "a1", PREVIEW)


def explained(queries: Queries, about: str, after_n: int = 0) -> views.ExplainAnswer:
    query = views.ExplainQuery(about=about, after_n=after_n)
    return msgspec.json.decode(queries.explain("a1", query), type=views.ExplainAnswer)


def audited(queries: Queries, **wanted: Any) -> views.AuditAnswer:
    return msgspec.json.decode(
        queries.audit("a1", views.AuditQuery(**wanted)), type=views.AuditAnswer
    )


def account(queries: Queries) -> views.AccountRow:
    (row,) = msgspec.json.decode(queries.accounts(), type=views.AccountsAnswer).accounts
    return row


def previewed() -> preview_events.OrderPreviewed:
    return preview_events.OrderPreviewed(
        preview_id=PREVIEW,
        command_id="cmd-p",
        spec=facts.spec(),
        reason="because",
        checks=(),
        quote=None,
        estimate=None,
        digest="d",
        expires_at=EPOCH,
    )


def a_life() -> Ledger:
    ledger = Ledger()
    ledger.add_all(facts.opened())
    facts.trading_day(ledger, orders=3)
    ledger.add(previewed(), causation_id="cmd-p")
    started = msgspec.structs.replace(facts.started(ORDER), preview_id=PREVIEW)
    ledger.add_all(started, facts.accepted(ORDER), facts.fill(ORDER, "exe-x"), facts.filled(ORDER))
    ledger.add(
        events.OrderRefused(
            command_id="cmd-c", code=Refusal.ORDER_NOT_OPEN, detail="late", order_id=ORDER
        )
    )
    return ledger


@pytest.mark.parametrize("about", [ORDER, PREVIEW])
def test_an_order_is_explained_by_its_own_id_and_its_previews(
    store: ViewStore, queries: Queries, about: str
) -> None:
    Projector(store).apply(STREAM, a_life().records)
    answer = explained(queries, about)
    assert [row.type for row in answer.events] == [
        "order.previewed",
        "order.submission_started",
        "order.accepted",
        "order.fill_recorded",
        "order.filled",
        "order.refused",
    ]
    assert {row.actor for row in answer.events} == {"test"}
    assert answer.order is not None
    assert (answer.order.order_id, answer.order.preview_id) == (ORDER, PREVIEW)
    assert answer.order.spec == facts.spec()
    assert answer.more_after is None
    later = explained(queries, about, after_n=answer.events[3].n)
    assert later.events == answer.events[4:]


def test_a_preview_that_was_never_sent_is_explained_without_an_order(
    store: ViewStore, queries: Queries
) -> None:
    ledger = Ledger()
    ledger.add_all(facts.opened(), previewed())
    Projector(store).apply(STREAM, ledger.records)
    answer = explained(queries, PREVIEW)
    assert [row.type for row in answer.events] == ["order.previewed"]
    assert answer.order is None
    assert explained(queries, "ord-unheard-of").events == ()
    with pytest.raises(CommandError, match="expected an account"):
        queries.explain("nobody", views.ExplainQuery(about=PREVIEW))


def test_a_long_life_is_explained_page_by_page_with_no_fact_twice(
    store: ViewStore, queries: Queries
) -> None:
    ledger = Ledger()
    ledger.add_all(facts.opened(), facts.started(ORDER), facts.accepted(ORDER))
    ledger.add_all(
        *(facts.fill(ORDER, f"exe-{n}", quantity="0.01") for n in range(2 * views.ROWS_MAX))
    )
    Projector(store).apply(STREAM, ledger.records)
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = explained(queries, ORDER, after_n=after)
        assert sum(len(row.data) for row in page.events) <= views.PAGE_BYTES_MAX
        found += [row.n for row in page.events]
        after = page.more_after
    assert found == list(range(2, 2 * views.ROWS_MAX + 4))


def test_the_audit_shows_every_fact_but_readings_newest_first_page_by_page(
    store: ViewStore, queries: Queries
) -> None:
    ledger = facts.Ledger()
    readings = account_events.AccountPositionsObserved(observed_at=EPOCH, positions=())
    ledger.add_all(
        account_events.AccountWorkerStarted(run_id="r1"),
        readings,
        account_events.AccountStale(gap=1, cause="asleep"),
        previewed(),
        readings,
        account="a1",
    )
    ledger.add_all(account_events.AccountWorkerStarted(run_id="r2"), account="b1")
    Projector(store).apply(STREAM, ledger.records)
    newest = audited(queries, limit=2)
    assert [(row.n, row.type) for row in newest.events] == [
        (4, "order.previewed"),
        (3, "account.stale"),
    ]
    assert newest.as_of.n == 5
    assert newest.more_before == 3
    before = audited(queries, before_n=newest.more_before, limit=2)
    assert [(row.n, row.type, row.actor) for row in before.events] == [
        (1, "account.worker_started", "test")
    ]
    assert before.more_before is None
    with pytest.raises(CommandError, match="limit"):
        audited(queries, limit=0)


def test_a_page_of_orders_ends_by_its_bytes_before_its_rows(
    store: ViewStore, queries: Queries
) -> None:
    ledger = Ledger()
    ledger.add(facts.opened())
    ids = [f"ord-{n:06d}" for n in range(150)]
    for order_id in ids:
        started = msgspec.structs.replace(facts.started(order_id), reason="長い理由" * 120)
        ledger.add(started)
    Projector(store).apply(STREAM, ledger.records)
    shown: list[str] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor is not None:
        query = views.OrdersQuery(limit=views.ROWS_MAX, cursor=cursor)
        body = queries.orders("a1", query)
        page = msgspec.json.decode(body, type=views.OrdersAnswer)
        assert len(body) < views.PAGE_BYTES_MAX + 1_000
        shown += [row.order_id for row in page.orders]
        cursor, pages = page.cursor, pages + 1
    assert pages > 1
    assert shown == ids[::-1]


def seconds(number: int) -> datetime:
    return EPOCH + timedelta(seconds=number)


def test_orders_and_fills_of_a_stretch_of_time_end_before_its_end(
    store: ViewStore, queries: Queries
) -> None:
    ledger = Ledger()
    ledger.add(facts.opened())
    for number in range(5):
        ledger.add(facts.external(f"ord-{number}", second=number))
        ledger.add(facts.fill(f"ord-{number}", f"exe-{number}", second=number, quantity="1"))
    Projector(store).apply(STREAM, ledger.records)
    span = {"since": seconds(1), "until": seconds(3)}
    assert [row.order_id for row in orders(queries, **span).orders] == ["ord-2", "ord-1"]
    found = executions(queries, **span).executions
    assert [row.execution_id for row in found] == ["exe-2", "exe-1"]
    assert [row.order_id for row in orders(queries, since=seconds(4)).orders] == ["ord-4"]
    assert orders(queries, until=seconds(0)).orders == ()
    with pytest.raises(CommandError) as refused:
        orders(queries, since=datetime(2026, 1, 1))  # noqa: DTZ001  # what is refused
    assert refused.value.field == "since"


def test_a_fill_says_which_contract_was_traded(store: ViewStore, queries: Queries) -> None:
    ledger = Ledger()
    ledger.add_all(facts.opened(), facts.started("o1"), facts.accepted("o1"))
    leg = msgspec.structs.replace(facts.fill("o1", "e2"), contract="AAPL261218C230")
    ledger.add_all(facts.fill("o1", "e1", quantity="1"), leg)
    Projector(store).apply(STREAM, ledger.records)
    found = {row.execution_id: row.contract for row in executions(queries).executions}
    assert found == {"e1": "AAPL", "e2": "AAPL261218C230"}


def test_positions_are_filtered_and_paged_by_contract(store: ViewStore, queries: Queries) -> None:
    seen = facts.positions(("TSLA", "1"), ("AAPL", "2"), ("AAPL", "3"), ("00700", "100"))
    first, stock, option, hk = seen.positions
    option = msgspec.structs.replace(
        option, contract="AAPL261218C230", security=SecurityType.OPTION
    )
    hk = msgspec.structs.replace(hk, market="HK", currency="HKD")
    ledger = Ledger()
    ledger.add_all(
        facts.opened(),
        msgspec.structs.replace(seen, positions=(first, stock, option, hk)),
    )
    Projector(store).apply(STREAM, ledger.records)
    assert positions(queries, symbol="AAPL").positions == (option, stock)
    assert positions(queries, security="option").positions == (option,)
    assert positions(queries, market="HK").positions == (hk,)
    pages = [positions(queries, limit=3)]
    pages.append(positions(queries, limit=3, cursor=pages[0].cursor))
    assert [f for page in pages for f in page.positions] == [hk, option, stock, first]
    assert pages[1].cursor is None
    with pytest.raises(CommandError) as refused:
        positions(queries, cursor="ä")
    assert refused.value.field == "cursor"


def test_an_account_tells_its_token_its_cash_break_and_its_unverified_halts(
    store: ViewStore, queries: Queries
) -> None:
    ledger, projector = Ledger(), Projector(store)
    broken = account_events.AccountCashBreak(
        expected=Money(amount=Decimal(1), currency="USD"),
        observed=Money(amount=Decimal(2), currency="USD"),
        reads=3,
    )
    ledger.add_all(
        facts.opened(),
        facts.reconciled(),
        account_events.TokenIssued(issued_at=EPOCH, expires_at=seconds(9)),
        account_events.TokenRefreshFailed(expires_at=seconds(9), cause="no answer"),
        broken,
        *(
            account_events.AccountHalted(command_id="c", person="m", symbol=symbol, detail="")
            for symbol in ("", "AAPL", "MSFT")
        ),
        account_events.AccountHaltVerified(symbol="", orders_read=1),
    )
    projector.apply(STREAM, ledger.records)
    row = account(queries)
    assert row.token == views.TokenRow(
        state="refresh_failed",
        issued_at=None,
        expires_at=seconds(9),
        detail="no answer",
        recorded_at=EPOCH + timedelta(seconds=4),
    )
    assert row.cash_break is not None
    assert (row.cash_break.expected, row.cash_break.observed) == (broken.expected, broken.observed)
    assert row.unverified_halts == ("AAPL", "MSFT")
    assert row.reconciled_at == EPOCH + timedelta(seconds=2)
    known = len(ledger.records)
    ledger.add(account_events.AccountResumed(command_id="c", person="ann", symbol="AAPL"))
    ledger.add(account_events.TokenRevoked(cause="gone"))
    projector.apply(STREAM, ledger.records[known:])
    row = account(queries)
    assert row.unverified_halts == ("MSFT",)
    assert row.token is not None
    assert (row.token.state, row.token.expires_at) == ("revoked", None)
