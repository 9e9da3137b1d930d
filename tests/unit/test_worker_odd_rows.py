"""An odd row of the broker closes what it may be about, and decides nothing that it leaves out."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

import pytest
from msgspec.structs import replace

from adapters.tiger_worker import order_rows, unread_rows
from adapters.tiger_worker.broker import POSITION_CLASSES
from adapters.tiger_worker.order_rows import LISTED_APART_S
from adapters.tiger_worker.parts import Work
from adapters.tiger_worker.unread_rows import UNREAD_AFTER_S
from core import events, items, readings
from core.items import Outcome
from core.orders import Phase
from core.refusals import Refusal
from core.submitting import is_reducing
from core.terms import OptionRight, OrderSpec, SecurityType, Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import ok, order_row
from tests.unit.test_poison import EXECUTION, PoisonRig, stranger
from tests.unit.test_worker_reconcile import ASSETS, of, position_row

ORDER: Final = facts.order_id_of()
TIGER: Final = "40130857465156608"
CALL_ROW: Final = {"secType": "OPT", "expiry": "20261218", "strike": "200", "right": "CALL"}
# Listings after which a row is taken at its word.
ENOUGH: Final = facts.TIMING.absence_listings_min


def sale_of_a_call() -> OrderSpec:
    return replace(
        facts.spec(side=Side.SELL, quantity="1"),
        security=SecurityType.OPTION,
        expiry=date(2026, 12, 18),
        strike=Decimal(200),
        right=OptionRight.CALL,
        multiplier=Decimal(100),
    )


@pytest.fixture
def in_doubt(monkeypatch: pytest.MonkeyPatch) -> PoisonRig:
    """Return the rounds of an account whose order's reply was lost, counted by its clock."""
    rig = PoisonRig(facts.previewed(), facts.started(), facts.unknown())
    monkeypatch.setattr(order_rows, "time", SimpleNamespace(monotonic=rig.rig.clock.boot_s))
    return rig


def read_apart(rig: PoisonRig, *rows: dict[str, Any]) -> None:
    """Have each of these rows listed alone, far enough apart to count."""
    for row in rows:
        rig.read(row)
        rig.rig.clock.pass_s(LISTED_APART_S)


def working(**options: Any) -> PoisonRig:
    return PoisonRig(facts.previewed(), facts.started(), facts.accepted(tiger=TIGER), **options)


def phase_of(rig: PoisonRig) -> Phase:
    order: Phase = rig.state.orders[ORDER].phase
    return order


def strangers_of(rig: PoisonRig) -> list[str]:
    return [order.order_id for order in rig.state.orders.values() if order.is_external]


# --- which contract ------------------------------------------------------------------------


def leg(**fields: object) -> dict[str, object]:
    plain = {"right": "CALL", "expiry": "20261218", "strike": "200", "action": "SELL", "ratio": 1}
    return plain | fields


@pytest.mark.parametrize(
    "fields",
    [
        CALL_ROW,
        CALL_ROW | {"strike": None},
        CALL_ROW | {"expiry": "2026/12/18"},
        CALL_ROW | {"right": "C"},
        {"secType": "MLEG", "legs": [leg()]},
        {"secType": "MLEG", "legs": [leg(action="SELL_SHORT"), leg(right="PUT")]},
        {"secType": "MLEG", "legs": [leg(right="C"), leg(right="PUT")]},
        {"secType": "FOP"},
        {"secType": None},
    ],
    ids=str,
)
def test_order_of_an_unreadable_contract_lets_nothing_pass_a_freeze(fields: dict[str, Any]) -> None:
    sale = sale_of_a_call()
    held = position_row(**CALL_ROW)
    rig = PoisonRig(facts.previewed("1", sale), bare=True)
    rig.read(positions=(held,))
    assert is_reducing(rig.state, sale)
    rig.read(stranger(action="SELL", totalQuantity=1, **fields), positions=(held,))
    rig.rig.take(items.PushKicked(connection="c-1"))
    rig.rig.take(core_items.submit("1"))
    refusal = rig.rig.ledger.last().data
    assert isinstance(refusal, events.OrderRefused)
    assert refusal.code is Refusal.ACCOUNT_FROZEN


def test_position_that_does_not_say_which_contract_is_no_holding_of_the_stock() -> None:
    rig = PoisonRig(bare=True)
    for _ in range(ENOUGH):
        rig.read(positions=(position_row(positionQty=100, **CALL_ROW | {"strike": None}),))
    assert rig.state.position_figures == ()
    assert rig.state.frozen_symbols == {"AAPL"}
    assert not is_reducing(rig.state, facts.spec(side=Side.SELL))


@pytest.mark.parametrize("unsaid", [{"strike": None}, {"right": "C"}, {"expiry": "soon"}], ids=str)
def test_execution_that_does_not_say_which_leg_is_recorded_for_none(
    unsaid: dict[str, object],
) -> None:
    rig = PoisonRig()
    row = stranger(secType="MLEG", legs=[leg(), leg(strike="210", action="BUY")], totalQuantity=1)
    fill = EXECUTION | CALL_ROW | {"filledQuantity": 1}
    rig.read(row | {"filledQuantity": 1, "status": "Filled"}, executions=(fill | unsaid,))
    assert "order.fill_recorded" not in rig.rig.stored()
    assert rig.state.by_tiger_id["7"] in rig.state.watched_orders
    assert rig.frozen() == [
        ("order_unreadable", "AAPL", "7: expected a leg of the order in an execution's row")
    ]


def test_execution_of_an_option_needs_no_terms_of_its_own() -> None:
    fill = EXECUTION | {"secType": "OPT", "filledQuantity": 1}
    rig = PoisonRig()
    rig.read(stranger(**CALL_ROW, totalQuantity=1, filledQuantity=1), executions=(fill,))
    assert rig.state.expected.get("AAPL261218C200@US") == 1


# --- whose order ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "half",
    [
        {"market": None},
        {"secType": None},
        {"userMark": ""},
        {"orderId": 0},
        {"orderId": None},
        {"action": "SELL"},
        {"symbol": "AAP"},
    ],
    ids=str,
)
def test_half_written_row_assigns_no_order(in_doubt: PoisonRig, half: dict[str, object]) -> None:
    rig = in_doubt
    read_apart(rig, *[order_row(**half)] * (ENOUGH - 1))
    assert not rig.state.frozen_cause
    assert rig.state.frozen_symbols == rig.state.hidden_symbols == {half.get("symbol", "AAPL")}
    rig.read(order_row())
    assert (phase_of(rig), rig.state.orders[ORDER].tiger_order_id) == (Phase.WORKING, TIGER)
    assert strangers_of(rig) == []


def test_half_written_row_takes_no_id_from_a_reply_that_comes_after_it() -> None:
    rig = PoisonRig(facts.previewed(), facts.started())
    rig.read(order_row(userMark=""))
    rig.rig.take(core_items.placed(Outcome.DONE, tiger=TIGER))
    rig.read(order_row())
    assert phase_of(rig) is Phase.WORKING
    assert strangers_of(rig) == []


def test_option_of_ours_whose_first_row_lacks_its_strike_is_ours() -> None:
    sale = sale_of_a_call()
    rig = PoisonRig(facts.previewed("1", sale), facts.started("1", sale), facts.unknown())
    whole = {"action": "SELL", "totalQuantity": 1, "multiplier": 100, **CALL_ROW}
    rig.read(order_row(**whole | {"strike": None}))
    rig.read(order_row(**whole))
    assert phase_of(rig) is Phase.WORKING


def test_order_resized_by_phone_before_its_first_listing_is_ours(in_doubt: PoisonRig) -> None:
    rig = in_doubt
    rig.read(order_row(totalQuantity=90))
    order = rig.state.orders[ORDER]
    assert (order.phase, order.spec.quantity) == (Phase.WORKING, Decimal(90))
    assert rig.frozen() == []


def test_row_that_goes_on_naming_half_of_our_order_is_a_strangers_and_freezes_the_account(
    in_doubt: PoisonRig,
) -> None:
    rig = in_doubt
    read_apart(rig, *[order_row(userMark="", filledQuantity=n) for n in range(ENOUGH)])
    assert rig.state.frozen_cause == "number_without_mark"
    assert len(strangers_of(rig)) == 1
    assert phase_of(rig) is Phase.UNKNOWN


def test_count_of_what_a_row_names_begins_anew_with_another_word(in_doubt: PoisonRig) -> None:
    halves = ({"userMark": ""}, {"orderId": 0}) * ENOUGH
    read_apart(in_doubt, *[order_row(**half) for half in halves])
    assert strangers_of(in_doubt) == []


def test_rounds_that_follow_each_other_fast_count_as_one(in_doubt: PoisonRig) -> None:
    for _ in range(3 * ENOUGH):
        in_doubt.read(order_row(userMark=""))
        in_doubt.rig.clock.pass_s(LISTED_APART_S / (4 * ENOUGH))
    assert strangers_of(in_doubt) == []


def test_mark_of_ours_freezes_though_the_first_row_of_its_order_lacked_it() -> None:
    rig = PoisonRig()
    lost = {"id": 7, "orderId": 0, "userMark": f"{facts.LEDGER_ID}.ord-lost"}
    rig.read(order_row(**lost | {"userMark": None}))
    assert len(strangers_of(rig)) == 1
    for _ in range(ENOUGH):
        rig.read(order_row(**lost))
    assert [cause for cause, _, _ in rig.frozen()] == ["mark_not_in_ledger"]


@pytest.mark.parametrize("half", [{"userMark": ""}, {"orderId": None}, {"market": ""}], ids=str)
def test_half_written_row_of_an_order_on_the_books_freezes_no_other_symbol(
    half: dict[str, object],
) -> None:
    rig = working()
    rig.read(order_row(**half))
    assert not rig.state.frozen_cause
    assert rig.state.frozen_symbols == {"AAPL"}


# --- which row ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"symbol": ""}, {"symbol": "", "totalQuantity": 5000}),
        ({"symbol": ""}, {"symbol": "", "openTime": 1_772_463_601_000}),
        ({}, {"action": "SELL"}),
    ],
    ids=str,
)
def test_second_row_of_no_name_freezes_again(
    first: dict[str, object], second: dict[str, object]
) -> None:
    rig = PoisonRig()
    nameless = stranger(id=None, **first)
    rig.read(nameless)
    symbol = "" if first else "AAPL"
    rig.rig.take(core_items.resume(symbol))
    # The row that a person has looked at freezes no more, whatever its price and its fills do.
    rig.read({**nameless, "avgFillPrice": 3.5, "filledQuantity": 7, "status": "Filled"})
    assert len(rig.frozen()) == 1
    rig.read(nameless, stranger(id=None, **second))
    assert len(rig.frozen()) == 2
    assert bool(rig.state.frozen_cause) is not bool(symbol)


def test_second_position_that_cannot_be_read_freezes_again() -> None:
    rig = PoisonRig()
    odd = position_row(positionQty=None)
    rig.read(positions=(odd,))
    rig.rig.take(core_items.resume("AAPL"))
    rig.read(positions=({**odd, "latestPrice": 3.5},))
    assert len(rig.frozen()) == 1
    rig.read(positions=(odd, {**odd, **CALL_ROW}))
    assert len(rig.frozen()) == 2


# --- what became of it ----------------------------------------------------------------------


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> PoisonRig:
    """Return the rounds of an account with a live order, whose rows are counted by its clock."""
    rig = working()
    monkeypatch.setattr(unread_rows, "time", SimpleNamespace(monotonic=rig.rig.clock.boot_s))
    rig.read(order_row())
    assert phase_of(rig) is Phase.WORKING
    return rig


def shows(rig: PoisonRig, seconds: float, row: dict[str, Any]) -> None:
    """Have enough listings over so many seconds show the row."""
    for _ in range(ENOUGH):
        rig.read(row)
        rig.rig.clock.pass_s(seconds / ENOUGH)
    rig.read(row)


ODD_ENDS: Final = (
    {"openTime": None},
    {"currency": ""},
    {"market": None},
    {"id": None},
    {"status": "Enchanted"},
)


@pytest.mark.parametrize("odd", ODD_ENDS, ids=str)
def test_order_whose_row_cannot_be_read_can_be_released(
    timed: PoisonRig, odd: dict[str, object]
) -> None:
    row = order_row(**{"status": "Cancelled", **odd})
    shows(timed, UNREAD_AFTER_S - 1.0, row)
    assert phase_of(timed) is Phase.WORKING
    timed.rig.clock.pass_s(2.0)
    timed.read(row)
    assert phase_of(timed) is Phase.UNKNOWN
    timed.rig.take(replace(core_items.release(), expires_at=facts.at(1e6)))
    assert phase_of(timed) is Phase.RELEASED
    # What the person has looked at brings it back no more; a row that can be read does.
    shows(timed, 2 * UNREAD_AFTER_S, row)
    assert phase_of(timed) is Phase.RELEASED
    timed.read(order_row(status="Cancelled"))
    assert phase_of(timed) is Phase.CANCELLED


@pytest.mark.parametrize("odd", ODD_ENDS, ids=str)
def test_doubt_about_a_row_ends_with_the_first_that_can_be_read(
    timed: PoisonRig, odd: dict[str, object]
) -> None:
    shows(timed, 2 * UNREAD_AFTER_S, order_row(**odd))
    assert phase_of(timed) is Phase.UNKNOWN
    timed.read(order_row())
    assert phase_of(timed) is Phase.WORKING


def test_row_that_can_be_read_in_between_begins_the_count_anew(timed: PoisonRig) -> None:
    for _ in range(2 * ENOUGH):
        shows(timed, UNREAD_AFTER_S - 1.0, order_row(currency=""))
        timed.read(order_row())
    assert phase_of(timed) is Phase.WORKING


def test_two_odd_rows_long_apart_are_no_evidence(timed: PoisonRig) -> None:
    for _ in range(ENOUGH - 1):
        timed.read(order_row(currency=""))
        timed.rig.clock.pass_s(UNREAD_AFTER_S)
    assert phase_of(timed) is Phase.WORKING


@pytest.mark.parametrize(
    "odd", [{"commission": "--"}, {"avgFillPrice": "n/a"}, {"gst": []}], ids=str
)
def test_end_is_read_whatever_a_figure_beside_it_says(odd: dict[str, object]) -> None:
    rig = working()
    rig.read(order_row(status="Cancelled", **odd))
    assert phase_of(rig) is Phase.CANCELLED
    assert rig.frozen() == []


# --- what stood between two pages -------------------------------------------------------------


def open_list(rig: PoisonRig, *pages: list[dict[str, Any]]) -> None:
    """Run a round in which the list of open orders comes in these pages."""
    rig.client.answers.clear()
    tokens = [*(str(n) for n in range(1, len(pages))), ""]
    replies = [
        ok({"items": page, "nextPageToken": token})
        for page, token in zip(pages, tokens, strict=True)
    ]
    rig.client.answer("active_orders", *replies)
    rig.client.answer("orders", ok({"items": []}), ok({"items": []}))
    rig.client.answer("positions", *[ok({"items": []}) for _ in POSITION_CLASSES])
    rig.client.answer("prime_assets", ok(ASSETS))
    for item in rig.run():
        rig.rig.desk.take(Work(item))


def test_order_that_slipped_between_two_pages_verifies_no_halt() -> None:
    ended, other, last = (stranger(id=n, symbol="MSFT") for n in (7, 8, 10))
    slipped = stranger(id=9, symbol="AAPL")
    rig = PoisonRig(facts.halted("AAPL"))
    # By the time the second page is read the first order has ended, and all have moved up by one.
    open_list(rig, [ended, other], [last])
    assert "AAPL" in rig.state.unverified_halts
    for _ in range(ENOUGH - 1):
        open_list(rig, [other, slipped], [last])
    assert "AAPL" in rig.state.unverified_halts
    assert rig.state.by_tiger_id.get("9")
    rig.read({**slipped, "status": "Cancelled"})
    for _ in range(ENOUGH):
        open_list(rig, [other, last])
    assert "AAPL" not in rig.state.unverified_halts


# --- what the first figures hold --------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((), (stranger(secType=None, filledQuantity=5),)),
        ((stranger(secType=None),), (stranger(secType=None, filledQuantity=5),)),
        ((stranger(secType=None, filledQuantity=5),), (stranger(filledQuantity=5),)),
    ],
    ids=["new", "filled", "readable"],
)
def test_first_figures_are_not_taken_while_a_row_that_cannot_be_read_may_tell_of_a_fill(
    before: tuple[dict[str, Any], ...], after: tuple[dict[str, Any], ...]
) -> None:
    rig = PoisonRig(bare=True)
    rig.client.answer("active_orders", ok({"items": []}))
    rig.client.answer("orders", ok({"items": list(before)}), ok({"items": list(after)}))
    rig.client.answer("positions", *[ok({"items": []}) for _ in POSITION_CLASSES])
    rig.client.answer("prime_assets", ok(ASSETS))
    told = rig.run()
    assert not of(told, readings.PositionsSeen)
    assert not of(told, readings.RoundCompleted)
