"""Every cell of the desk's hand-written table, in `tests/unit/desk_cases.py`, is what happens."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

import pytest

from core import events, items, readings
from core.codec import EVENT_CLASSES, type_name
from core.desk import waits
from core.items import Outcome
from core.orders import FINAL_PHASES, CancelPhase, Order, Phase
from core.readings import SeenPhase
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.desk_cases import (
    CANCEL_AFTER,
    PHASE_AFTER,
    REFUSAL_CODES,
    STORED_NAMES,
    TABLES,
    Case,
    cases,
)

ORDER: Final = facts.order_id_of()
FIRST: Final = core_items.execution("e1", "40")
SECOND: Final = core_items.execution("e2", "60")
ROWS_WITHOUT_ORDER: Final = ("no_preview", "preview_valid", "preview_expired")
# Phases that an order can reach only with a broker id, and so with a cancel under way.
PHASES_AT_BROKER: Final = {
    "accepted",
    "working",
    "filled",
    "cancelled",
    "expired",
    "rejected",
    "unknown_id",
    "not_found_id",
    "released_id",
}

ITEMS: Final[dict[str, items.Item]] = {
    "same": core_items.submit("1"),
    "again": core_items.submit("1", command_id="cmd-again", number="903"),
    "other": core_items.submit("2", number="902"),
    "cancel": core_items.cancel(ORDER, "cmd-late-cancel"),
    "release": core_items.release(ORDER),
    "p-done": core_items.placed(Outcome.DONE),
    "p-no": core_items.placed(Outcome.REFUSED, code=1200),
    "p-unsent": core_items.placed(Outcome.NOT_SENT),
    "p-doubt": core_items.placed(Outcome.UNKNOWN),
    "c-done": core_items.cancel_answered(Outcome.DONE),
    "c-no": core_items.cancel_answered(Outcome.REFUSED),
    "c-unsent": core_items.cancel_answered(Outcome.NOT_SENT),
    "c-doubt": core_items.cancel_answered(Outcome.UNKNOWN),
    "abandoned": items.ActAbandoned(order_id=ORDER),
    "live": core_items.seen(SeenPhase.LIVE),
    "part": core_items.seen(SeenPhase.LIVE, FIRST),
    "filled": core_items.seen(SeenPhase.FILLED, FIRST, SECOND),
    "cancelled": core_items.seen(SeenPhase.CANCELLED, FIRST),
    "expired": core_items.seen(SeenPhase.EXPIRED),
    "rejected": core_items.seen(SeenPhase.REJECTED),
    "word": core_items.seen(SeenPhase.UNREADABLE, word="Enchanted"),
    "mark": core_items.seen(SeenPhase.LIVE, tiger="t-8", mark=f"{facts.LEDGER_ID}.ord-not-here"),
    "mismatch": core_items.seen(SeenPhase.LIVE, tiger="t-8", side=Side.SELL, listings=3),
    "early": core_items.absent(seconds=24),
    "late": core_items.absent(seconds=24.001),
    "halt": core_items.halt(),
    "resume": core_items.resume(),
    "round": core_items.round_completed(),
    "gap": core_items.gap_noticed(),
    "undone": core_items.taken_back(),
    "unread": core_items.unread(),
}


def _given(row: str) -> Iterator[events.Event]:
    """Yield the line of events that leads to a row."""
    yield from facts.ready(facts.previewed("2"))
    if row == "no_preview":
        return
    yield facts.previewed("1", expires_s=-1.0 if row == "preview_expired" else 600.0)
    if row in ROWS_WITHOUT_ORDER:
        return
    phase, _, cancel = row.partition("/")
    yield facts.started()
    if cancel == "wanted":
        yield events.OrderCancelWanted(order_id=ORDER, command_id="cmd-cancel")
    if phase in PHASES_AT_BROKER:
        yield facts.accepted()
        if cancel in ("started", "requested"):
            yield events.OrderCancelStarted(
                order_id=ORDER, command_id="cmd-cancel", tiger_order_id="t-1"
            )
        if cancel == "requested":
            yield events.OrderCancelRequested(order_id=ORDER)
    yield from _ending(phase.removesuffix("_id"))


def _ending(phase: str) -> Iterator[events.Event]:
    first, second = facts.fill("e1", "40"), facts.fill("e2", "60")
    match phase:
        case "submitting" | "accepted":
            pass
        case "working":
            yield facts.working()
        case "filled":
            yield from (first, second)
            yield events.OrderFilled(
                order_id=ORDER, filled_quantity=Decimal(100), average_price=None
            )
        case "cancelled":
            yield first
            yield events.OrderCancelled(
                order_id=ORDER, filled_quantity=Decimal(40), average_price=None
            )
        case "expired":
            yield events.OrderExpired(
                order_id=ORDER, filled_quantity=Decimal(0), average_price=None
            )
        case "rejected":
            yield events.OrderRejected(order_id=ORDER, code=None, detail="no")
        case "rejected_reply":
            yield events.OrderRejected(order_id=ORDER, code=1200, detail="no")
        case "not_sent":
            yield events.OrderNotSent(order_id=ORDER, cause="too late")
        case "unknown" | "not_found" | "released":
            yield facts.unknown()
            if phase != "unknown":
                yield facts.not_found()
            if phase == "released":
                yield facts.released()
        case _:
            raise AssertionError(f"no way to {phase}")


def _desk(row: str) -> facts.TestDesk:
    return facts.TestDesk(*_given(row))


def _word_of(event: events.Event) -> str:
    if isinstance(event, events.OrderRefused):
        return next(w for w, code in REFUSAL_CODES.items() if code == event.code)
    name = type_name(event)
    if name == "order.submission_started":
        assert isinstance(event, events.OrderSubmissionStarted)
        return "start" if event.preview_id == "prv-1" else "other"
    word = next(word for word, stored in STORED_NAMES.items() if stored == name)
    is_strangers = getattr(event, "order_id", ORDER) != ORDER and word != "ext"
    return f"x-{word}" if is_strangers else word


def _check_order(before: Order | None, after: Order | None, words: list[str]) -> None:
    """Compare phase and cancel with what the facts of a cell say by hand."""
    phase = before.phase if before else None
    cancel = before.cancel if before else CancelPhase.NONE
    for word in words:
        phase = PHASE_AFTER.get(word, phase)
        cancel = CANCEL_AFTER.get(word, cancel)
    assert (after.phase if after else None) == phase
    assert (after.cancel if after else CancelPhase.NONE) == cancel


@pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c.row}-{c.column}")
def test_cell(case: Case) -> None:
    desk = _desk(case.row)
    before = desk.state.orders.get(ORDER)
    item, context = ITEMS[case.column], facts.context()
    assert waits(desk.state, item) == (case.cell == "wait")
    if case.cell == "wait":
        return
    found = [_word_of(event) for event in desk.settle(item, context)]
    assert found == ([] if case.cell == "-" else case.cell.split())
    _check_order(before, desk.state.orders.get(ORDER), found)


@pytest.mark.parametrize("row", sorted({case.row for case in cases()}))
def test_row_stands_where_it_says(row: str) -> None:
    order = _desk(row).state.orders.get(ORDER)
    if row in ROWS_WITHOUT_ORDER:
        assert order is None
        return
    assert order is not None
    phase, _, cancel = row.partition("/")
    plain = phase.removesuffix("_reply").removesuffix("_id")
    assert (order.phase, order.cancel) == (plain, cancel)
    assert bool(order.tiger_order_id) == (phase in PHASES_AT_BROKER)
    assert order.phase not in FINAL_PHASES or not order.is_open


def test_no_cell_is_missing_or_twice() -> None:
    all_cases = cases()
    cells = {(case.row, case.column) for case in all_cases}
    assert len(cells) == len(all_cases)
    assert cells == {(row, column) for row in _rows_wanted() for column in ITEMS}
    assert all(case.cell for case in all_cases)


def test_columns_of_the_tables_are_straight() -> None:
    for table in TABLES:
        header, *lines = table.strip("\n").splitlines()
        starts = [i for i, c in enumerate(header) if c != " " and header[i - 1] == " "]
        assert all(line[start - 1] == " " for line in lines for start in starts)


def _rows_wanted() -> set[str]:
    """Return every place an order can stand: each phase, with each wish it can have there."""
    rows = set(ROWS_WITHOUT_ORDER)
    for phase in {*Phase, *PHASES_AT_BROKER, "rejected_reply"}:
        rows |= {f"{phase}/none", f"{phase}/wanted"}
        if phase in PHASES_AT_BROKER:
            rows |= {f"{phase}/started", f"{phase}/requested"}
    return rows


def test_items_of_the_table_cover_every_outcome_and_every_word_of_a_listing() -> None:
    taken = list(ITEMS.values())
    assert {i.outcome for i in taken if isinstance(i, items.PlaceAnswered)} == set(Outcome)
    assert {i.outcome for i in taken if isinstance(i, items.CancelAnswered)} == set(Outcome)
    assert {i.phase for i in taken if isinstance(i, readings.OrderSeen)} == set(SeenPhase)


def test_words_of_the_table_are_facts_of_the_ledger() -> None:
    assert set(STORED_NAMES.values()) <= set(EVENT_CLASSES)
    assert set(PHASE_AFTER.values()) == set(Phase)
    assert set(PHASE_AFTER) | set(CANCEL_AFTER) <= set(STORED_NAMES)


_NEVER_TWICE: Final[tuple[Callable[[], items.Item], ...]] = (
    lambda: ITEMS["same"],
    lambda: ITEMS["cancel"],
    lambda: ITEMS["release"],
    lambda: ITEMS["halt"],
    lambda: ITEMS["resume"],
)


@pytest.mark.parametrize("make", _NEVER_TWICE)
@pytest.mark.parametrize("row", ["preview_valid", "working/none", "unknown/none", "filled/none"])
def test_second_delivery_of_a_command_decides_to_nothing(
    row: str, make: Callable[[], items.Item]
) -> None:
    desk = _desk(row)
    desk.when(make())
    assert desk.when(make()) is None
