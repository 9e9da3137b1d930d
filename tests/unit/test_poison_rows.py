"""A row of the broker that cannot be read freezes its symbol until a person resumes, no more."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest

from adapters.tiger_worker import execution_calls
from core import events, items, readings
from core.refusals import Refusal
from core.submitting import is_reducing
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import ScriptedClient, ok, order_row
from tests.unit.test_poison import (
    CASH,
    ENOUGH,
    EXECUTION,
    HALF,
    SEGMENT,
    PoisonRig,
    stale_rig,
    stranger,
    survives,
)
from tests.unit.test_worker_reconcile import RoundRig, of, position_row


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"action": "SELL_SHORT"}, "expected BUY or SELL, was 'SELL_SHORT'"),
        ({"openTime": None}, "expected a number in openTime"),
        ({"currency": "USDT"}, "expected a currency, was 'USDT'"),
        ({"totalQuantity": -1}, "expected no quantity below 0 in an order's row"),
    ],
    ids=str,
)
def test_row_that_cannot_be_read_freezes_its_symbol_and_not_the_account(
    changes: dict[str, object], why: str
) -> None:
    rig = stale_rig(facts.previewed(), facts.previewed("2", msft()))
    told = rig.read(stranger(**changes))
    assert of(told, readings.RoundCompleted)
    assert not rig.state.is_stale
    assert not rig.state.frozen_cause
    assert rig.frozen() == [("order_unreadable", "AAPL", f"7: {why}")]
    rig.rig.take(core_items.submit("1"))
    rig.rig.take(core_items.submit("2"))
    refused = [r.data for r in rig.rig.ledger.line() if isinstance(r.data, events.OrderRefused)]
    assert [refusal.code for refusal in refused] == [Refusal.ACCOUNT_FROZEN]
    assert rig.rig.trace.of("stored")[-1] == "order.submission_started"


def msft() -> Any:
    return facts.spec(symbol="MSFT")


def test_resume_of_the_symbol_is_the_way_out_and_the_same_row_freezes_no_more() -> None:
    rig = PoisonRig()
    row = stranger(action="SELL_SHORT")
    for _ in range(ENOUGH):
        rig.read(row)
    assert len(rig.frozen()) == 1
    rig.rig.take(core_items.resume("AAPL"))
    rig.read(row)
    rig.restart()
    rig.read(row)
    assert rig.state.frozen_symbols == rig.state.hidden_symbols == frozenset()
    assert len(rig.frozen()) == 1
    # Another finding about it is news.
    rig.read(stranger(action="BORROW"))
    assert rig.state.frozen_symbols == {"AAPL"}


@pytest.mark.parametrize("nameless", [{"symbol": None}, {"symbol": f"A{HALF}"}, {"symbol": []}])
def test_row_without_a_symbol_freezes_the_account(nameless: dict[str, object]) -> None:
    rig = stale_rig()
    rig.read(stranger(**nameless))
    assert (rig.state.frozen_cause, rig.state.is_stale) == ("order_unreadable", False)
    rig.rig.take(core_items.resume())
    rig.read(stranger(**nameless))
    assert not rig.state.frozen_cause


def test_entry_of_a_listing_that_is_no_object_freezes_the_account() -> None:
    rig = PoisonRig()
    rig.read(None, stranger(id=8))
    ((cause, symbol, detail),) = rig.frozen()
    assert (cause, symbol) == ("order_unreadable", "")
    assert re.fullmatch(r"order of no name \([0-9a-f]{8}\): expected an id of .+", detail)
    assert rig.state.by_tiger_id.get("8")


def test_two_rows_without_an_id_freeze_the_symbols_of_both() -> None:
    rig = PoisonRig()
    rig.read(stranger(id=None), stranger(id=None, symbol="MSFT"))
    assert rig.state.frozen_symbols == {"AAPL", "MSFT"}


def test_row_of_an_order_on_the_books_freezes_the_symbol_that_they_have() -> None:
    rig = PoisonRig(facts.previewed(), facts.started(), facts.accepted(tiger="1"))
    rig.read(order_row(id=1, symbol=None))
    assert (rig.state.frozen_symbols, rig.state.frozen_cause) == ({"AAPL"}, "")


@pytest.mark.parametrize(
    ("spoilt_by", "absences"),
    [({}, 0), ({"symbol": None}, 0), ({"symbol": "MSFT"}, 1)],
    ids=["its symbol", "no symbol", "another symbol"],
)
def test_no_order_is_absent_that_may_stand_in_a_row_that_cannot_be_read(
    spoilt_by: dict[str, object], absences: int
) -> None:
    rig = PoisonRig(facts.previewed(), facts.started(), facts.unknown())
    row = stranger(action="HOLD", **spoilt_by)
    told = [rig.read(row, at_s=60.0 + i) for i in range(facts.TIMING.absence_listings_min + 1)]
    assert sum(len(of(each, readings.AbsenceConfirmed)) for each in told) == absences


def test_sale_reduces_nothing_while_an_order_of_its_symbol_cannot_be_read() -> None:
    held = facts.positions(facts.figure(quantity="100"))
    rig = PoisonRig(facts.balances(), held, bare=True)
    sale = facts.spec(side=Side.SELL)
    assert is_reducing(rig.state, sale)
    hidden = readings.RowUnreadable(kind=readings.RowKind.ORDER, symbol="AAPL", detail="7: x")
    rig.rig.take(hidden)
    assert not is_reducing(rig.state, sale)
    rig.rig.take(core_items.resume("AAPL"))
    assert is_reducing(rig.state, sale)


def test_change_of_an_order_whose_row_cannot_be_read_ends_no_round() -> None:
    given_line = (facts.previewed(), facts.started(), facts.accepted(tiger="1"))
    rig = PoisonRig(*given_line, facts.modify_started(tiger="1", limit_price="11.00"))
    for i in range(ENOUGH):
        told = rig.read(order_row(id=1, currency="usd"), at_s=60.0 + i)
        assert of(told, readings.RoundCompleted)
        assert not of(told, readings.ModifyNotShown)


@pytest.mark.parametrize(
    ("spoilt_by", "why"),
    [
        ({"currency": "usd"}, "expected a currency, was 'usd'"),
        ({"filledPrice": None}, "expected price and currency in an execution's row"),
        ({"filledQuantity": -5}, "expected an id and a quantity in an execution's row"),
        # Two of them would be taken for one.
        ({"id": None}, "expected an id and a quantity in an execution's row"),
    ],
    ids=str,
)
def test_order_whose_executions_cannot_be_read_is_on_the_books_and_freezes_its_symbol(
    monkeypatch: pytest.MonkeyPatch, spoilt_by: dict[str, object], why: str
) -> None:
    monkeypatch.setattr(execution_calls, "AGAIN_S", 0.0)
    rig = PoisonRig()
    spoilt_fill = EXECUTION | spoilt_by
    for _ in range(ENOUGH):
        told = rig.read(stranger(filledQuantity=5), executions=(spoilt_fill,))
    assert rig.frozen() == [("order_unreadable", "AAPL", f"7: {why}")]
    assert rig.state.orders[rig.state.by_tiger_id["7"]].filled_quantity == 5
    # The figures of other symbols come to rest all the same.
    (seen,) = of(told, readings.PositionsSeen)
    assert seen.quiet_reads == ENOUGH
    rig.read(stranger(filledQuantity=5), executions=(EXECUTION,))
    assert rig.state.orders[rig.state.by_tiger_id["7"]].recorded_quantity == 5


def test_first_figures_are_taken_beside_a_row_that_cannot_be_read() -> None:
    rig = PoisonRig(bare=True)
    told = rig.read(stranger(id=None, filledQuantity=5, updateTime=1))
    assert of(told, readings.PositionsSeen)


# --- positions and cash ------------------------------------------------------------------------


@pytest.mark.parametrize("cost", [None, float("nan"), "much", 1e300])
def test_position_without_a_cost_is_a_position(cost: object) -> None:
    rig = stale_rig(bare=True)
    rig.read(positions=(position_row(averageCost=cost),))
    (figure,) = rig.state.position_figures
    assert (figure.average_cost, figure.quantity) == (None, 1)
    assert not rig.state.is_stale
    rig.restart()
    assert rig.state.position_figures == (figure,)


def test_position_that_cannot_be_read_freezes_its_symbol_and_breaks_nothing() -> None:
    held = facts.positions(facts.figure(quantity="100"), facts.figure(symbol="MSFT", quantity="5"))
    rig = PoisonRig(facts.balances(), held, bare=True)
    row = position_row(positionQty=None, position="some")
    for _ in range(ENOUGH):
        told = rig.read(positions=(row,))
    assert of(told, readings.RoundCompleted)
    ((cause, symbol, detail),) = rig.frozen()
    assert (cause, symbol) == ("position_unreadable", "AAPL")
    assert re.fullmatch(r"AAPL \([0-9a-f]{8}\): expected a number in position", detail)
    # Nobody knows of AAPL; that MSFT is gone is known.
    assert [broken.symbol for broken in rig.state.breaks.values()] == ["MSFT"]
    rig.rig.take(core_items.resume("AAPL"))
    rig.read(positions=(row,))
    assert rig.state.frozen_symbols == frozenset()
    for _ in range(ENOUGH):
        rig.read(positions=(position_row(positionQty=90),))
    assert sorted(broken.symbol for broken in rig.state.breaks.values()) == ["AAPL", "MSFT"]


def test_option_whose_strike_has_no_end_is_in_no_record() -> None:
    rig = PoisonRig()
    option = {"secType": "OPT", "expiry": "20261218", "right": "CALL", "strike": "1e-9999999"}
    survives(rig, {"positions": (position_row(**option),)}, [])
    assert rig.state.frozen_symbols == {"AAPL"}


@pytest.mark.parametrize("word", ["", "usd", "USDT", HALF])
def test_cash_in_a_word_that_is_no_currency_is_shown_as_such_and_shuts_nothing(word: str) -> None:
    rig = stale_rig()
    for balance in range(ENOUGH):
        odd = {"currency": word, "cashBalance": 100 * balance}
        told = rig.read(assets={"segments": [{**SEGMENT, "currencyAssets": [CASH, odd]}]})
        assert of(told, readings.RoundCompleted)
    assert rig.frozen() == []
    shown = {figure.currency: figure.balance for figure in rig.state.balances.cash}
    assert shown == {"USD": Decimal("100.5"), "" if word == HALF else word: 100 * (ENOUGH - 1)}
    assert "account.cash_break" not in rig.rig.stored()
    assert not rig.state.is_stale


NO_NUMBERS: Final = ["", "NaN", "much", [1], {"a": 1}, float("inf"), "1e9999999"]


@pytest.mark.parametrize("spoilt", NO_NUMBERS, ids=repr)
def test_figure_of_the_account_that_is_no_number_is_named_and_the_account_stays_open(
    spoilt: object,
) -> None:
    rig = stale_rig()
    good = {**SEGMENT, "buyingPower": 5000, "currencyAssets": [CASH]}
    rig.read(assets={"segments": [good]})
    known_at = rig.state.balances.observed_at
    odd = {"currency": "USD", "cashBalance": spoilt}
    told = rig.read(assets={"segments": [{**good, "buyingPower": spoilt, "currencyAssets": [odd]}]})
    assert of(told, readings.RoundCompleted)
    assert (rig.frozen(), rig.state.is_stale) == ([], False)
    found = rig.state.balances
    assert found.buying_power == 5000
    assert [(f.currency, f.balance) for f in found.cash] == [("USD", Decimal("100.5"))]
    assert [(kept.field, kept.currency, kept.known_at) for kept in found.unread] == [
        ("buying_power", "", known_at),
        ("cash", "USD", known_at),
    ]
    assert all(
        "buyingPower" in kept.detail or "cashBalance" in kept.detail for kept in found.unread
    )


# --- why readings fail -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (
            lambda client: client.answer("orders", {"code": 4}),
            "the broker gave no reply to be used: orders was answered with 4",
        ),
        (
            lambda client: client.answer("orders", ok({"items": "none"})),
            "a reply of the broker cannot be read: expected a list in the broker's reply",
        ),
    ],
    ids=["no reply", "no list"],
)
def test_account_is_stale_for_the_cause_that_there_is(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[ScriptedClient], None], cause: str
) -> None:
    rig = RoundRig()
    told: list[items.Item] = []
    for _ in range(2):
        rig.client.answers.clear()
        rig.client.answer("active_orders", *[ok({"items": []}) for _ in range(3)])
        spoil(rig.client)
        monkeypatch.setattr("adapters.tiger_worker.reconcile.GAP_AFTER_S", -1.0)
        told += rig.run()
    assert of(told, items.GapNoticed) == [items.GapNoticed(gap=1, cause=cause)]
