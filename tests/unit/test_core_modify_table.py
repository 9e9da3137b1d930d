"""Every cell of the table of changes, in `tests/unit/modify_cases.py`, is what happens."""

from typing import Final

import pytest

from core import events, items
from core.codec import EVENT_CLASSES, type_name
from core.commands import CancelOrders
from core.desk import is_taken_again, waits, wants_reads
from core.items import Outcome
from core.orders import PENDING_MODIFIES, CancelPhase, ModifyPhase, Order
from core.readings import SeenPhase
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit import desk_cases, modify_cases
from tests.unit.desk_cases import Case
from tests.unit.modify_rows import NEW, ORDER, desk_at

FIRST: Final = core_items.execution("e1", "40")
SECOND: Final = core_items.execution("e2", "60")
FINAL: Final = {"filled", "cancelled", "expired", "rejected"}
PHASES: Final = {"accepted", "working", "unknown_id", "not_found_id", "released_id", *FINAL}
WAITED_FOR: Final = PENDING_MODIFIES - {ModifyPhase.STARTED}
WISH: Final = core_items.modify_command("cmd-late", limit_price="12.00")

ITEMS: Final[dict[str, items.Item]] = {
    "wish": WISH,
    "price": core_items.modify_prepared(WISH),
    "cancel": core_items.cancel(ORDER, "cmd-late-cancel"),
    "many": core_items.command(CancelOrders(symbol="AAPL", side=None), "cmd-many"),
    "other": core_items.submit("2", number="902"),
    "release": core_items.release(ORDER),
    "m-done": core_items.modify_answered(Outcome.DONE),
    "m-no": core_items.modify_answered(Outcome.REFUSED, code=1200),
    "m-unsent": core_items.modify_answered(Outcome.NOT_SENT),
    "m-doubt": core_items.modify_answered(Outcome.UNKNOWN),
    "c-done": core_items.cancel_answered(Outcome.DONE),
    "c-no": core_items.cancel_answered(Outcome.REFUSED),
    "c-unsent": core_items.cancel_answered(Outcome.NOT_SENT),
    "c-doubt": core_items.cancel_answered(Outcome.UNKNOWN),
    "abandoned": items.ActAbandoned(order_id=ORDER),
    "old": core_items.seen(),
    "new": core_items.seen(limit_price=NEW),
    "odd": core_items.seen(limit_price="13.00"),
    "part": core_items.seen(SeenPhase.LIVE, FIRST),
    "filled": core_items.seen(SeenPhase.FILLED, FIRST, SECOND, limit_price=NEW),
    "cancelled": core_items.seen(SeenPhase.CANCELLED, FIRST),
    "lost": core_items.absent(seconds=24.001),
    "early": core_items.not_shown(seconds=24),
    "late": core_items.not_shown(seconds=24.001),
}


def settle(desk: facts.TestDesk, item: items.Item) -> list[events.Event]:
    """Take one item as a worker does: again and again where it may lead to several events."""
    found: list[events.Event] = []
    while (event := desk.when(item)) is not None:
        found.append(event)
        assert len(found) < facts.EVENTS_PER_ITEM_MAX, f"{item} never comes to rest"
        if not is_taken_again(item):
            break
    return found


def _word_of(event: events.Event) -> str:
    if isinstance(event, events.OrderRefused):
        return next(w for w, code in modify_cases.REFUSAL_CODES.items() if code == event.code)
    name = type_name(event)
    if isinstance(event, events.OrderSubmissionStarted):
        return "other"
    stored = desk_cases.STORED_NAMES | modify_cases.STORED_NAMES
    return next(word for word, found in stored.items() if found == name)


def _check_order(before: Order, after: Order, words: list[str]) -> None:
    """Compare the order with what the facts of a cell say by hand."""
    phase, cancel, modify = before.phase, before.cancel, before.modify
    for word in words:
        phase = desk_cases.PHASE_AFTER.get(word, phase)
        cancel = desk_cases.CANCEL_AFTER.get(word, cancel)
        modify = modify_cases.MODIFY_AFTER.get(word, modify)
    if phase in FINAL and modify in WAITED_FOR:
        modify = ModifyPhase.NOT_APPLIED
    assert (after.phase, after.cancel, after.modify) == (phase, cancel, modify)
    assert (after.wanted is not None) == (modify in PENDING_MODIFIES)


@pytest.mark.parametrize("case", modify_cases.cases(), ids=lambda c: f"{c.row}-{c.column}")
def test_cell(case: Case) -> None:
    desk, item = desk_at(case.row), ITEMS[case.column]
    before = desk.state.orders[ORDER]
    assert waits(desk.state, item) == (case.cell == "wait")
    is_read = not waits(desk.state, item) and wants_reads(desk.state, item)
    assert is_read == (case.cell == "reads")
    if case.cell in ("wait", "reads"):
        return
    found = [_word_of(event) for event in settle(desk, item)]
    assert found == ([] if case.cell == "-" else case.cell.split())
    _check_order(before, desk.state.orders[ORDER], found)


@pytest.mark.parametrize("row", sorted({case.row for case in modify_cases.cases()}))
def test_row_stands_where_it_says(row: str) -> None:
    order = desk_at(row).state.orders[ORDER]
    phase, modify, cancel = (*row.split("/"), "none")[:3]
    assert (order.phase, order.modify, order.cancel) == (
        phase.removesuffix("_id"),
        modify,
        cancel,
    )
    assert (order.wanted is not None) == (order.modify in PENDING_MODIFIES)


def test_no_cell_is_missing_or_twice() -> None:
    all_cases = modify_cases.cases()
    cells = {(case.row, case.column) for case in all_cases}
    assert len(cells) == len(all_cases)
    assert cells == {(row, column) for row in _rows_wanted() for column in ITEMS}
    assert all(case.cell for case in all_cases)


def _rows_wanted() -> set[str]:
    """Return each phase at the broker with each change it can have, and each cancel beside one."""
    open_rows = {f"{phase}/{m}" for phase in PHASES - FINAL for m in ModifyPhase}
    # An order that is done can no more be changed; only an answer may still come.
    done = {f"{phase}/{m}" for phase in FINAL for m in set(ModifyPhase) - WAITED_FOR}
    changes = ("none", "started", "requested", "unknown", "replaced")
    cancels = set(CancelPhase) - {CancelPhase.NONE}
    return open_rows | done | {f"working/{m}/{c}" for m in changes for c in cancels}


def test_words_of_the_table_are_facts_of_the_ledger() -> None:
    assert set(modify_cases.STORED_NAMES.values()) <= set(EVENT_CLASSES)
    assert set(modify_cases.MODIFY_AFTER.values()) == set(ModifyPhase) - {ModifyPhase.NONE}
    assert set(modify_cases.MODIFY_AFTER) <= set(modify_cases.STORED_NAMES)


def test_columns_of_the_tables_are_straight() -> None:
    for table in modify_cases.TABLES:
        header, *lines = table.strip("\n").splitlines()
        starts = [i for i, c in enumerate(header) if c != " " and header[i - 1] == " "]
        assert all(line.ljust(start)[start - 1] == " " for line in lines for start in starts)
