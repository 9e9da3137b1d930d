"""Prices beside the market: what would trade at once, and what is a slip of the pen."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from core import events, items, preview_events
from core.commands import StopAsked
from core.preview_events import Check
from core.price_sense import change_warnings, price_checks, price_warnings
from core.refusals import Refusal
from core.terms import (
    OptionLeg,
    OptionRight,
    OrderSpec,
    OrderType,
    SecurityType,
    Side,
    StopLoss,
    TakeProfit,
    TimeInForce,
)
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.gateway import order_spec

QUOTE = core_items.quote("229.71", "229.73", "229.72")
STOP: dict[str, Any] = {"order_type": OrderType.STOP, "limit_price": None}
SELL: dict[str, Any] = {"side": Side.SELL}


def _limit(price: str, **more: Any) -> OrderSpec:
    return order_spec(limit_price=Decimal(price), **more)


def _stop(price: str, **more: Any) -> OrderSpec:
    return order_spec(**STOP, stop_price=Decimal(price), **more)


def _trailing(**more: Any) -> OrderSpec:
    return order_spec(order_type=OrderType.TRAILING_STOP, limit_price=None, **more)


def _exits(profit: str | None, loss: str | None, **more: Any) -> OrderSpec:
    return order_spec(
        take_profit=None if profit is None else TakeProfit(limit_price=Decimal(profit)),
        stop_loss=None if loss is None else StopLoss(stop_price=Decimal(loss)),
        **more,
    )


def _or_stop(limit: str, stop: str, **more: Any) -> OrderSpec:
    return _limit(limit, or_stop=StopLoss(stop_price=Decimal(stop)), **more)


def _failed(spec: OrderSpec, quote: items.QuoteFacts | None = QUOTE) -> list[str]:
    return [check.detail for check in price_checks(spec, quote, now=facts.NOW) if not check.passed]


def _warned(spec: OrderSpec, quote: items.QuoteFacts | None) -> dict[str, str]:
    return price_warnings(spec, quote, now=facts.NOW)


# --- what would trade at once -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "is_reached"),
    [
        (_stop("500", **SELL), True),
        (_stop("229.72", **SELL), True),
        (_stop("229.70", **SELL), False),
        (_stop("220", **SELL), False),
        (_stop("1"), True),
        (_stop("229.72"), True),
        (_stop("229.74"), False),
        (_stop("240"), False),
        (
            order_spec(
                order_type=OrderType.STOP_LIMIT,
                limit_price=Decimal(490),
                stop_price=Decimal(500),
                **SELL,
            ),
            True,
        ),
        (_or_stop("240", "500", **SELL), True),
        (_or_stop("240", "220", **SELL), False),
        (_or_stop("220", "1"), True),
        (_or_stop("220", "240"), False),
    ],
)
def test_a_stop_that_the_market_has_reached_fails_its_check(
    spec: OrderSpec, is_reached: bool
) -> None:
    failed = _failed(spec)
    assert bool(failed) is is_reached
    assert all("AT ONCE" in detail and "use limit" in detail for detail in failed)


def test_a_stop_on_the_wrong_side_says_what_it_would_do_and_what_to_use() -> None:
    assert price_checks(_stop("500", **SELL), QUOTE, now=facts.NOW) == [
        Check(
            name="stop_side",
            passed=False,
            detail=(
                "stop_price 500 is reached already: the price is 229.72, so it would sell AT ONCE. "
                "A stop that sells later is below the market. To sell now, use market; to sell "
                "once it rises to 500, use limit"
            ),
        )
    ]


def test_a_stop_inside_the_spread_is_a_warning_and_no_failed_check() -> None:
    wide = core_items.quote("1.00", "5.00", "3.00")
    spec = _stop("2", **SELL)
    assert _failed(spec, wide) == []
    assert _warned(spec, wide)["stop_near"] == (
        "stop_price 2 is inside the spread, at 1.00: it may go at once"
    )
    assert "stop_near" not in _warned(_stop("220", **SELL), QUOTE)


@pytest.mark.parametrize(
    "quote", [None, core_items.quote(None, None, None), core_items.quote("0", "0", "0")]
)
def test_without_a_price_no_stop_is_called_reached(quote: items.QuoteFacts | None) -> None:
    assert _failed(_stop("500", **SELL), quote) == []


def test_one_price_that_is_known_is_enough_to_call_a_stop_reached() -> None:
    assert _failed(_stop("500", **SELL), core_items.quote(None, None, "229.72"))
    assert _failed(_stop("500", **SELL), core_items.quote("229.71", None, None))
    # What others ask says nothing of what a sale gets.
    assert not _failed(_stop("500", **SELL), core_items.quote(None, "229.73", None))


# What a login without a quote right is told, and a last trade of long ago that stands alone.
LATE = [
    replace(core_items.quote(None, None, "229.72"), is_delayed=True, at=facts.at(-900)),
    replace(core_items.quote(None, None, "229.72"), at=facts.at(-900)),
]


@pytest.mark.parametrize("quote", LATE, ids=["delayed", "old"])
@pytest.mark.parametrize(
    ("spec", "warned"),
    [
        (_stop("229.9", **SELL), "stop_near"),
        (_stop("229.5"), "stop_near"),
        (_or_stop("240", "229.9", **SELL), "stop_near"),
        (_exits("240", "229.8", limit_price=Decimal(250)), "stop_loss_price_near"),
        (_exits("260", "235", limit_price=Decimal(250)), "stop_loss_price_near"),
    ],
)
def test_a_price_of_some_minutes_ago_refuses_nothing_and_says_how_old_it_is(
    spec: OrderSpec, warned: str, quote: items.QuoteFacts
) -> None:
    assert _failed(spec, quote) == []
    assert "229.72, a price of 15 min ago: it may go at once" in _warned(spec, quote)[warned]
    # The same of now.
    assert _failed(spec, core_items.quote(None, None, "229.72"))


def test_an_old_trade_beside_a_side_of_now_still_decides() -> None:
    quoted = replace(core_items.quote("229.71", "229.73", "229.72"), at=facts.at(-900))
    assert _failed(_stop("500", **SELL), quoted)
    assert "stop_near" not in _warned(_stop("500", **SELL), quoted)


@pytest.mark.parametrize("quote", LATE, ids=["delayed", "old"])
def test_a_late_price_excuses_no_exit_that_its_own_order_stands_against(
    quote: items.QuoteFacts,
) -> None:
    assert len(_failed(_exits("100", "300", limit_price=Decimal(200)), quote)) == 2


@pytest.mark.parametrize(
    ("spec", "failing"),
    [
        (_exits("100", "300", limit_price=Decimal(200)), ["take_profit_price", "stop_loss_price"]),
        (_exits("210", "190", limit_price=Decimal(200)), []),
        (_exits("200", None, limit_price=Decimal(200)), ["take_profit_price"]),
        (_exits(None, "200", limit_price=Decimal(200)), ["stop_loss_price"]),
        # It would be bought at the market, far below its limit.
        (_exits("240", "220", limit_price=Decimal(250)), []),
        (_exits("240", "235", limit_price=Decimal(250)), ["stop_loss_price"]),
        (
            _exits("300", "200", limit_price=Decimal(250), **SELL),
            ["take_profit_price", "stop_loss_price"],
        ),
        (_exits("240", "260", limit_price=Decimal(250), **SELL), []),
    ],
)
def test_exits_on_the_wrong_side_of_their_order_fail_a_check(
    spec: OrderSpec, failing: list[str]
) -> None:
    assert [detail.split(maxsplit=1)[0] for detail in _failed(spec)] == failing


def test_exits_are_judged_by_the_limit_where_there_is_no_quote() -> None:
    assert len(_failed(_exits("100", "300", limit_price=Decimal(200)), None)) == 2
    assert _failed(_exits("210", "190", limit_price=Decimal(200)), None) == []


def _previewed(item: items.CommandItem, quote: items.QuoteFacts) -> preview_events.OrderPreviewed:
    answer = items.PreviewAnswered(
        item=item, contract=core_items.contract(), quote=quote, estimate=core_items.estimate()
    )
    event = facts.TestDesk(*facts.ready()).when(answer)
    assert isinstance(event, preview_events.OrderPreviewed)
    return event


def test_a_preview_of_a_stop_that_is_reached_cannot_be_submitted_and_is_worth_the_market() -> None:
    desk = facts.TestDesk(*facts.ready())
    item = core_items.preview_command(
        side=Side.SELL, order_type=OrderType.STOP, limit_price=None, stop_price="500"
    )
    answer = items.PreviewAnswered(
        item=item, contract=core_items.contract(), quote=QUOTE, estimate=core_items.estimate()
    )
    shown = desk.when(answer)
    assert isinstance(shown, preview_events.OrderPreviewed)
    assert [check.name for check in shown.checks if not check.passed] == ["stop_side"]
    assert shown.estimate is not None
    assert shown.estimate.notional.amount == Decimal("22971.00")
    refused = desk.when(core_items.submit(shown.preview_id.removeprefix("prv-")))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.CHECK_FAILED


def test_a_preview_with_inverted_exits_cannot_be_submitted() -> None:
    item = core_items.preview_command(
        limit_price="200", take_profit_price="100", stop_loss=StopAsked(stop_price="300")
    )
    failed = [check.name for check in _previewed(item, QUOTE).checks if not check.passed]
    assert failed == ["exit_side", "exit_side"]


# --- changes ------------------------------------------------------------------------------------


def _with_stop() -> facts.TestDesk:
    return _working(_stop("220", **SELL))


def _working(spec: OrderSpec) -> facts.TestDesk:
    return facts.TestDesk(
        *facts.ready(
            facts.previewed(terms=spec),
            facts.started(terms=spec),
            facts.accepted(),
            facts.working(),
        )
    )


def _changed(price: str) -> items.ModifyPrepared:
    item = core_items.modify_command(limit_price=None, stop_price=price)
    return items.ModifyPrepared(item=item, contract=core_items.contract(), quote=QUOTE)


def test_a_change_of_a_stop_to_where_the_market_is_already_is_refused() -> None:
    refused = _with_stop().when(_changed("500"))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.INVALID_TERMS
    assert "it would sell AT ONCE" in refused.detail
    assert isinstance(_with_stop().when(_changed("225")), events.OrderModifyStarted)


@pytest.mark.parametrize("stop", ["229.9", "229.72"])
def test_a_stop_is_moved_whatever_a_late_price_says(stop: str) -> None:
    wish = replace(_changed(stop), quote=LATE[0])
    assert isinstance(_with_stop().when(wish), events.OrderModifyStarted)


def test_a_change_of_a_limit_is_judged_as_its_preview_is() -> None:
    def moved_to(limit: str, quote: items.QuoteFacts) -> events.Event | None:
        item = core_items.modify_command(limit_price=limit)
        desk = _working(_exits("250", "200", limit_price=Decimal(220)))
        return desk.when(
            items.ModifyPrepared(item=item, contract=core_items.contract(), quote=quote)
        )

    # It would be bought at the market of 240, below its own profit.
    assert isinstance(
        moved_to("260", core_items.quote("239", "240", "240")), events.OrderModifyStarted
    )
    refused = moved_to("260", core_items.quote("254", "255", "255"))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.INVALID_TERMS


def test_a_triggered_stop_keeps_no_limit_from_being_changed() -> None:
    spec = order_spec(
        order_type=OrderType.STOP_LIMIT,
        stop_price=Decimal(500),
        limit_price=Decimal(490),
        **SELL,
    )
    item = core_items.modify_command(limit_price="480")
    change = items.ModifyPrepared(item=item, contract=core_items.contract(), quote=QUOTE)
    assert isinstance(_working(spec).when(change), events.OrderModifyStarted)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (_limit("200"), _limit("20000"), "limit_price goes from 200 to 20000, 100 times what it"),
        (_limit("200"), _limit("2"), "limit_price goes from 200 to 2, 1/100 of what it was"),
        # Towards the market less is warned of than away from it.
        (_limit("200"), _limit("219"), None),
        (_limit("200"), _limit("221"), "limit_price goes from 200 to 221, 1.11 times what it was"),
        (_limit("200"), _limit("150"), None),
        (
            _limit("200"),
            replace(_limit("200"), quantity=Decimal(1000)),
            "quantity goes from 10 to 1000, 100 times what it was",
        ),
        (_limit("200"), replace(_limit("200"), quantity=Decimal(1)), None),
        (
            _stop("220"),
            replace(_stop("220"), quantity=Decimal(1)),
            "quantity goes from 10 to 1: it guards no more than that",
        ),
        (_stop("220"), _stop("22"), "stop_price goes from 220 to 22, 1/10 of what it was"),
        (
            _trailing(trailing_percent=Decimal(5)),
            _trailing(trailing_percent=Decimal("0.05")),
            "trailing_percent goes from 5 to 0.05, 1/100 of what it was",
        ),
    ],
)
def test_a_change_that_moves_a_price_far_is_warned_of(
    old: OrderSpec, new: OrderSpec, said: str | None
) -> None:
    found = list(change_warnings(old, new).values())
    assert found == [] if said is None else found[0].startswith(said)


# --- far prices ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "warned"),
    [
        (
            _limit("23000"),
            {
                "price_far": "limit_price 23000 is 100.12 times 229.73, more than 5 % past the "
                "market: it takes any price up to 23000"
            },
        ),
        (
            _limit("0.01", **SELL),
            {
                "price_far": "limit_price 0.01 is 100 % below 229.71, more than 5 % past the "
                "market: it takes any price down to 0.01"
            },
        ),
        (
            _limit("2.3"),
            {
                "price_far": "limit_price 2.3 is 99 % below 229.73, more than 30 % short of it: "
                "it may never fill"
            },
        ),
        (
            _limit("2300", **SELL),
            {
                "price_far": "limit_price 2300 is 10.01 times 229.71, more than 30 % short of it: "
                "it may never fill"
            },
        ),
        (_limit("241"), {}),
        (_limit("219", **SELL), {}),
        (_limit("170"), {}),
        (_limit("290", **SELL), {}),
        (_limit("400", security=SecurityType.WARRANT), {"price_far": None}),
        (_limit("290", security=SecurityType.WARRANT), {}),
        (_stop("22", **SELL), {"price_bound": None, "stop_far": None}),
        (_stop("200", **SELL), {"price_bound": "once triggered it takes whatever price there is"}),
        (_trailing(trailing_percent=Decimal(5)), {"price_bound": None}),
        (_trailing(trailing_percent=Decimal("0.05")), {"price_bound": None, "trail_near": None}),
        (_trailing(trailing_amount=Decimal("0.05")), {"price_bound": None, "trail_near": None}),
        (_trailing(trailing_amount=Decimal(500)), {"price_bound": None, "trail_far": None}),
        (
            order_spec(order_type=OrderType.MARKET, limit_price=None),
            {"price_bound": "a market order takes whatever price there is"},
        ),
        (
            _exits("2500", "22", limit_price=Decimal(225)),
            dict.fromkeys(("take_profit_price_far", "stop_loss_price_far", "exits_end")),
        ),
        (_exits("250", "210", limit_price=Decimal(225)), {"exits_end": None}),
        (
            _exits(
                "250",
                "210",
                limit_price=Decimal(225),
                time_in_force=TimeInForce.GOOD_TILL_CANCELLED,
            ),
            {},
        ),
        # Its limit is held against its own trigger, not against the market of today.
        (
            order_spec(
                order_type=OrderType.STOP_LIMIT,
                limit_price=Decimal(2500),
                stop_price=Decimal(250),
            ),
            {"price_far": None},
        ),
        (
            order_spec(
                order_type=OrderType.STOP_LIMIT, limit_price=Decimal(245), stop_price=Decimal(250)
            ),
            {"stop_limit_short": None},
        ),
        (
            order_spec(
                order_type=OrderType.STOP_LIMIT, limit_price=Decimal(251), stop_price=Decimal(250)
            ),
            {},
        ),
    ],
)
def test_a_price_far_from_the_market_is_warned_of(
    spec: OrderSpec, warned: dict[str, str | None]
) -> None:
    found = _warned(spec, QUOTE)
    assert found.keys() == warned.keys()
    assert all(found[name] == text for name, text in warned.items() if text is not None)
    # A far price may be meant: no check of it fails.
    assert _failed(spec) == []


def test_without_a_quote_nothing_is_called_far() -> None:
    assert _warned(_limit("23000"), None) == {}
    assert _warned(_limit("23000"), core_items.quote(None, None, None)) == {}


def test_a_combination_is_not_held_to_its_underlyings_quote() -> None:
    leg = OptionLeg(
        right=OptionRight.CALL,
        expiry=date(2026, 12, 18),
        strike=Decimal(230),
        side=Side.BUY,
        ratio=1,
    )
    spec = _limit("2", security=SecurityType.COMBINATION, legs=(leg, leg))
    assert price_checks(spec, QUOTE, now=facts.NOW) == []
    assert list(_warned(spec, QUOTE)) == ["quote_fits"]
    far = change_warnings(spec, _limit("200", security=spec.security, legs=spec.legs))
    assert far == {"limit_price": "limit_price goes from 2 to 200, 100 times what it was"}
