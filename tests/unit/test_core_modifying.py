"""The rules of changes that no table holds: sent once, the worse of two terms, evidence, words."""

from decimal import Decimal
from typing import Any, Final

import pytest
from msgspec.structs import replace

from core import events, items
from core.account_state import AccountState
from core.desk import waits, wants_reads
from core.items import Outcome
from core.modes import Mode
from core.orders import PENDING_MODIFIES, CancelPhase, ModifyPhase, Order
from core.readings import SeenPhase
from core.refusals import Refusal
from core.submitting import is_reducing
from core.terms import OrderSpec, OrderType, Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.modify_rows import NEW, ORDER, desk_at

FIRST: Final = core_items.execution("e1", "40")
WISH: Final = core_items.modify_command("cmd-late", limit_price="12.00")

# --- sent once -----------------------------------------------------------------------------


def test_one_wish_whose_rules_were_read_twice_starts_one_change() -> None:
    desk = desk_at("working/none")
    wish = core_items.modify_command(limit_price=NEW)
    assert isinstance(desk.when(core_items.modify_prepared(wish)), events.OrderModifyStarted)
    assert not waits(desk.state, core_items.modify_prepared(wish))
    assert desk.when(core_items.modify_prepared(wish)) is None
    assert not wants_reads(desk.state, wish)
    assert desk.when(wish) is None


@pytest.mark.parametrize("ending", ["replaced", "refused", "not_sent", "not_applied", "unknown"])
def test_wish_delivered_again_after_its_end_changes_nothing(ending: str) -> None:
    desk = desk_at(f"working/{ending}")
    again = core_items.modify_command("cmd-modify", limit_price=NEW)
    assert not wants_reads(desk.state, again)
    assert desk.when(again) is None
    assert desk.when(core_items.modify_prepared(again)) is None


def test_second_change_waits_for_the_first_and_never_brings_its_quantity_back() -> None:
    desk = desk_at("working/none")
    first = core_items.modify_prepared(core_items.modify_command("cmd-1", quantity="70"))
    second = core_items.modify_prepared(core_items.modify_command("cmd-2", limit_price=NEW))
    desk.when(first)
    assert waits(desk.state, second)
    desk.when(core_items.modify_answered(Outcome.DONE))
    assert waits(desk.state, second)
    desk.settle(core_items.seen(quantity="70"))
    assert not waits(desk.state, second)
    started = desk.when(second)
    assert isinstance(started, events.OrderModifyStarted)
    assert (started.spec.quantity, started.spec.limit_price) == (Decimal(70), Decimal(NEW))


def test_change_of_another_order_of_the_symbol_waits_while_one_is_being_sent() -> None:
    desk = desk_at("working/none")
    desk.store(facts.started("2", number="902"))
    assert waits(desk.state, core_items.modify_prepared(WISH))


def test_change_says_until_when_it_may_be_sent_and_arrive() -> None:
    desk = desk_at("working/none")
    started = desk.when(core_items.modify_prepared(WISH), facts.context(5, clock_skew_s=-7.0))
    assert isinstance(started, events.OrderModifyStarted)
    assert (started.send_by, started.arrives_by) == (facts.at(7), facts.at(36))
    assert (started.tiger_order_id, started.command_id) == ("t-1", "cmd-late")


# --- the worse of two terms ----------------------------------------------------------------


def sells(state: AccountState, quantity: str, *, instead_of: Order | None = None) -> bool:
    terms = facts.spec(side=Side.SELL, quantity=quantity)
    return is_reducing(state, terms, instead_of=instead_of)


def selling(*more: events.Event, held: str = "100") -> facts.TestDesk:
    """Return a desk that holds shares and has order 1 open, a sale of 40."""
    terms = facts.spec(side=Side.SELL, quantity="40")
    return facts.TestDesk(
        *facts.ready(facts.positions(facts.figure(quantity=held))),
        facts.previewed("1", terms),
        facts.started(terms=terms),
        facts.accepted(),
        facts.working(),
        *more,
    )


def to_quantity(quantity: str) -> events.OrderModifyStarted:
    terms = facts.spec(side=Side.SELL, quantity="40")
    return facts.modify_started(terms=terms, quantity=quantity)


REQUESTED: Final = events.OrderModifyRequested(order_id=ORDER)
UNKNOWN: Final = events.OrderModifyUnknown(order_id=ORDER, cause="timeout")


@pytest.mark.parametrize("answer", [(), (REQUESTED,), (UNKNOWN,)], ids=["open", "taken", "lost"])
@pytest.mark.parametrize(("wanted", "most"), [("70", "30"), ("10", "60")])
def test_larger_of_old_and_new_counts_until_a_listing_decides(
    answer: tuple[events.Event, ...], wanted: str, most: str
) -> None:
    state = selling(to_quantity(wanted), *answer).state
    more = str(Decimal(most) + 1)
    assert (sells(state, most), sells(state, more)) == (True, False)
    assert state.orders[ORDER].unsettled_quantity == 100 - Decimal(most)


def test_smaller_size_counts_once_it_is_listed_and_the_old_one_if_it_is_not() -> None:
    desk = selling(to_quantity("10"), UNKNOWN)
    desk.settle(core_items.seen(side=Side.SELL, quantity="10"))
    assert sells(desk.state, "90")
    desk = selling(to_quantity("70"), UNKNOWN)
    desk.when(core_items.not_shown(seconds=25))
    assert sells(desk.state, "60")


@pytest.mark.parametrize(("wanted", "left"), [("30", "0"), ("20", "0"), ("35", "5")])
def test_size_below_what_is_filled_counts_as_filled_alone(wanted: str, left: str) -> None:
    desk = selling()
    part = core_items.execution("e1", "30")
    desk.settle(core_items.seen(SeenPhase.LIVE, part, side=Side.SELL, quantity="40"))
    desk.settle(core_items.seen(SeenPhase.LIVE, side=Side.SELL, quantity=wanted, filled="30"))
    assert desk.state.orders[ORDER].unsettled_quantity == Decimal(left)


def test_change_of_a_sale_is_held_against_the_position_without_its_own_old_size() -> None:
    desk = selling(facts.frozen())
    order = desk.state.orders[ORDER]
    assert sells(desk.state, "100", instead_of=order)
    assert not sells(desk.state, "101", instead_of=order)
    prepared = core_items.modify_prepared(core_items.modify_command(quantity="100"))
    assert isinstance(desk.when(prepared), events.OrderModifyStarted)


def test_change_to_more_than_is_held_passes_no_freeze() -> None:
    desk = selling(facts.frozen())
    refused = desk.when(core_items.modify_prepared(core_items.modify_command(quantity="101")))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.ACCOUNT_FROZEN


@pytest.mark.parametrize(
    ("shut", "code"),
    [
        (facts.halted(), Refusal.ACCOUNT_HALTED),
        (facts.halted("AAPL"), Refusal.ACCOUNT_HALTED),
        (facts.stale(), Refusal.ACCOUNT_STALE),
        (facts.frozen(), Refusal.ACCOUNT_FROZEN),
        (facts.opened(mode=Mode.READ_ONLY), Refusal.ACCOUNT_READ_ONLY),
    ],
)
def test_change_passes_no_shut_gate(shut: events.Event, code: Refusal) -> None:
    desk = desk_at("working/none")
    desk.store(shut)
    refused = desk.when(core_items.modify_prepared(WISH))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is code


# --- terms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patch", "word"),
    [
        ({"limit_price": "10.505"}, "limit_price"),
        ({"limit_price": "-1"}, "limit_price"),
        ({"stop_price": "9.00"}, "stop_price"),
        ({"trailing_percent": "5"}, "trailing_percent"),
        ({"quantity": "100.5"}, "quantity"),
        ({"quantity": "40"}, "quantity"),
        ({"quantity": "39"}, "quantity"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "NaN"}, "quantity"),
        ({"limit_price": "10.50"}, "other than"),
        ({"quantity": "100", "limit_price": "10.5"}, "other than"),
        ({}, "other than"),
    ],
    ids=str,
)
def test_patch_that_does_not_fit_is_refused_by_the_name_of_its_field(
    patch: dict[str, Any], word: str
) -> None:
    desk = desk_at("working/none")
    desk.settle(core_items.seen(SeenPhase.LIVE, FIRST))
    refused = desk.when(core_items.modify_prepared(core_items.modify_command(**patch)))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.INVALID_TERMS
    assert word in refused.detail


def open_order(terms: OrderSpec) -> facts.TestDesk:
    return facts.TestDesk(
        *facts.ready(facts.previewed("1", terms)),
        facts.started(terms=terms),
        facts.accepted(),
        facts.working(),
    )


def stop_terms(order_type: OrderType, **prices: str) -> OrderSpec:
    plain: dict[str, Decimal | None] = {"limit_price": None}
    figures = {name: Decimal(price) for name, price in prices.items()}
    return replace(facts.spec(), order_type=order_type, **(plain | figures))


STOP: Final = stop_terms(OrderType.STOP, stop_price="9.00")
STOP_LIMIT: Final = stop_terms(OrderType.STOP_LIMIT, stop_price="9.00", limit_price="8.90")
TRAILING: Final = stop_terms(OrderType.TRAILING_STOP, trailing_percent="5")


@pytest.mark.parametrize(
    ("terms", "patch"),
    [
        (STOP, {"stop_price": "9.10"}),
        (STOP_LIMIT, {"limit_price": "8.80"}),
        (TRAILING, {"trailing_percent": "6"}),
        (stop_terms(OrderType.TRAILING_STOP, trailing_amount="1"), {"trailing_amount": "2"}),
    ],
)
def test_price_of_each_type_can_be_changed_and_is_replaced_when_it_is_listed(
    terms: OrderSpec, patch: dict[str, Any]
) -> None:
    desk = open_order(terms)
    started = desk.when(core_items.modify_prepared(core_items.modify_command(**patch)))
    assert isinstance(started, events.OrderModifyStarted)
    (name, value), *_ = patch.items()
    assert started.spec == replace(terms, **{name: Decimal(value)})
    assert desk.settle(core_items.listed(terms)) == []
    (replaced,) = desk.settle(core_items.listed(started.spec))
    assert isinstance(replaced, events.OrderReplaced)
    assert desk.state.orders[ORDER].spec == started.spec


def test_order_by_amount_has_no_quantity_to_change() -> None:
    amount = replace(facts.spec(limit_price=None), quantity=Decimal(0), cash_amount=Decimal("500"))
    refused = open_order(amount).when(
        core_items.modify_prepared(core_items.modify_command(quantity="5"))
    )
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.INVALID_TERMS


def test_contract_that_the_broker_does_not_know_is_refused_and_an_unanswered_reading_too() -> None:
    desk = desk_at("working/none")
    unknown = items.ModifyPrepared(item=core_items.modify_command("cmd-a"), contract=None)
    failed = items.ModifyPrepared(
        item=core_items.modify_command("cmd-b"), contract=None, failed="contracts"
    )
    for item, code in ((unknown, Refusal.INVALID_TERMS), (failed, Refusal.BROKER_UNAVAILABLE)):
        refused = desk.when(item)
        assert isinstance(refused, events.OrderRefused)
        assert refused.code is code


def test_parked_change_past_its_expiry_is_refused() -> None:
    desk = desk_at("working/none")
    refused = desk.when(core_items.modify_prepared(WISH), facts.context(61))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.COMMAND_EXPIRED


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (core_items.modify_command(order_id="ord-none"), Refusal.ORDER_UNKNOWN),
        (core_items.modify_command(order_id="ext"), Refusal.ORDER_NOT_OURS),
    ],
)
def test_order_that_is_not_ours_is_not_changed(item: items.CommandItem, code: Refusal) -> None:
    desk = desk_at("working/none")
    desk.settle(core_items.external())
    outside = next(o.order_id for o in desk.state.orders.values() if o.is_external)
    if code is Refusal.ORDER_NOT_OURS:
        item = core_items.modify_command(order_id=outside, limit_price=NEW)
    assert not wants_reads(desk.state, item)
    refused = desk.when(item)
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is code


# --- late and stale ------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("row", ["working/replaced", "working/not_applied", "filled/not_applied"])
def test_late_answer_takes_nothing_back(row: str, outcome: Outcome) -> None:
    assert desk_at(row).when(core_items.modify_answered(outcome)) is None


@pytest.mark.parametrize("ended", ["filled", "cancelled", "expired", "rejected"])
@pytest.mark.parametrize("outcome", list(Outcome))
def test_answer_to_a_change_is_recorded_though_its_order_ended_before_it(
    ended: str, outcome: Outcome
) -> None:
    desk = desk_at(f"{ended}/started")
    assert list(desk.state.begun_acts) == [ORDER]
    assert not desk.state.orders[ORDER].is_doubtful
    assert desk.when(core_items.modify_answered(outcome)) is not None
    order = desk.state.orders[ORDER]
    assert list(desk.state.begun_acts) == []
    assert (order.wanted, order.is_doubtful) == (None, False)
    assert order.modify not in PENDING_MODIFIES


def test_an_end_that_a_restart_finds_unanswered_is_told_as_unknown_and_closes_nothing() -> None:
    desk = desk_at("filled/started")
    (found,) = desk.settle(items.ActAbandoned(order_id=ORDER))
    assert found == events.OrderModifyUnknown(order_id=ORDER, cause="worker_restarted")
    assert desk.state.doubtful_of("AAPL") is None
    assert desk.state.begun_acts == ()


def test_change_that_arrives_after_it_was_called_not_applied_is_observed() -> None:
    desk = desk_at("working/not_applied")
    (observed,) = desk.settle(core_items.seen(limit_price=NEW))
    assert isinstance(observed, events.OrderTermsObserved)
    order = desk.state.orders[ORDER]
    assert (order.spec.limit_price, order.wanted) == (Decimal(NEW), None)


def test_evidence_of_an_earlier_change_says_nothing_of_a_later_one() -> None:
    desk = desk_at("working/refused")
    desk.store(facts.modify_started(seconds=60, command_id="cmd-2", limit_price="12.00"))
    assert desk.when(core_items.not_shown(seconds=30)) is None
    assert desk.when(core_items.not_shown(seconds=90, listings=2)) is None
    assert isinstance(desk.when(core_items.not_shown(seconds=90)), events.OrderModifyNotApplied)


def test_released_order_with_an_unknown_change_comes_back_on_the_terms_that_are_listed() -> None:
    desk = desk_at("released_id/unknown")
    assert desk.state.doubtful_of("AAPL") is None
    found = [type(event) for event in desk.settle(core_items.seen(limit_price=NEW))]
    assert found == [events.OrderAccepted, events.OrderReplaced, events.OrderWorking]


def test_change_seen_while_its_cancel_is_under_way_leaves_the_cancel() -> None:
    desk = desk_at("unknown_id/unknown")
    desk.when(core_items.cancel())
    desk.settle(core_items.seen(limit_price=NEW))
    order = desk.state.orders[ORDER]
    assert (order.modify, order.cancel) == (ModifyPhase.REPLACED, CancelPhase.STARTED)


# --- listings with other words -------------------------------------------------------------


@pytest.mark.parametrize("terms", [STOP, STOP_LIMIT, TRAILING], ids=lambda t: t.order_type)
def test_triggered_stop_that_is_listed_as_what_it_became_says_nothing(terms: OrderSpec) -> None:
    desk = open_order(terms)
    became = OrderType.MARKET if terms.limit_price is None else OrderType.LIMIT
    plain = replace(
        terms, order_type=became, stop_price=None, trailing_percent=None, trailing_amount=None
    )
    assert desk.settle(core_items.listed(plain)) == []
    assert desk.state.orders[ORDER].spec == terms


def test_triggered_stop_limit_may_get_another_limit() -> None:
    desk = open_order(STOP_LIMIT)
    listed = facts.spec(limit_price="8.70")
    assert len(desk.settle(core_items.listed(listed))) == 1
    assert desk.state.orders[ORDER].spec == replace(STOP_LIMIT, limit_price=Decimal("8.70"))


def test_change_of_a_trigger_that_is_past_is_not_taken_for_done() -> None:
    desk = open_order(STOP)
    desk.when(core_items.modify_prepared(core_items.modify_command(stop_price="9.10")))
    assert desk.settle(core_items.listed(facts.spec(limit_price=None))) == []
    assert isinstance(desk.when(core_items.not_shown(seconds=30)), events.OrderModifyNotApplied)


@pytest.mark.parametrize("order_type", [None, *OrderType])
@pytest.mark.parametrize("terms", [STOP, STOP_LIMIT, TRAILING, facts.spec()], ids=str)
def test_every_listing_comes_to_rest_whatever_its_words(
    terms: OrderSpec, order_type: OrderType | None
) -> None:
    for price in (None, "9.00"):
        desk = open_order(terms)
        row = core_items.seen(order_type=order_type, limit_price=price, quantity="90")
        desk.settle(row)
        assert desk.state.orders[ORDER].spec.quantity == 90
        assert desk.settle(row) == []


@pytest.mark.parametrize("quantity", ["0", "0.5", "7"])
def test_order_by_amount_stands_whatever_size_the_broker_makes_of_it(quantity: str) -> None:
    amount = replace(facts.spec(limit_price=None), quantity=Decimal(0), cash_amount=Decimal(500))
    desk = facts.TestDesk(
        *facts.ready(facts.previewed("1", amount)), facts.started(terms=amount), facts.unknown()
    )
    row = core_items.seen(quantity=quantity, limit_price=None, order_type=OrderType.MARKET)
    accepted, working = desk.settle(row)
    assert (type(accepted), type(working)) == (events.OrderAccepted, events.OrderWorking)
    assert desk.settle(row) == []
    end = core_items.seen(
        SeenPhase.FILLED,
        core_items.execution("e1", "0.4"),
        quantity=quantity,
        limit_price=None,
        order_type=OrderType.MARKET,
    )
    fill, done = desk.settle(end)
    assert (type(fill), type(done)) == (events.OrderFillRecorded, events.OrderFilled)
