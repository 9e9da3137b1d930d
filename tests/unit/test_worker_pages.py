"""Each page of a listing is a call: counted, waited for, and never at the others' cost."""

from typing import Any

import pytest

from adapters.tiger_worker import rates, reconcile
from adapters.tiger_worker.broker import POSITION_CLASSES
from adapters.tiger_worker.reconcile import PAGES_LEAVE
from core import items, readings
from tests.support.scripted_broker import ok, order_row
from tests.support.worker_parts import WAIT_S
from tests.unit.test_worker_reconcile import ASSETS, RoundRig, of


def pages(count: int) -> list[dict[str, Any]]:
    """Return the replies of a listing of so many pages, an order on each."""
    each = [order_row(id=str(n + 1), userMark="", orderId=0) for n in range(count)]
    tokens = [*(str(n) for n in range(1, count)), ""]
    found = zip(each, tokens, strict=True)
    return [ok({"items": [row], "nextPageToken": token}) for row, token in found]


def paged(rig: RoundRig, count: int) -> list[items.Item]:
    """Run a round whose listing of orders has so many pages."""
    rig.client.answers.clear()
    rig.client.answer("orders", *pages(count))
    rig.client.answer("active_orders", *pages(2))
    rig.client.answer("positions", *[ok({"items": []}) for _ in POSITION_CLASSES])
    rig.client.answer("prime_assets", ok(ASSETS))
    return rig.run()


def test_every_page_of_a_listing_is_counted() -> None:
    rig = RoundRig(budgets={"orders": 30, "active_orders": 30})
    assert len(of(paged(rig, 4), readings.RoundCompleted)) == 1
    assert rig.budget.try_take("orders", count=26)
    assert not rig.budget.try_take("orders")
    assert rig.budget.try_take("active_orders", count=28, for_halt=True)
    assert not rig.budget.try_take("active_orders", for_halt=True)


def test_every_page_of_an_orders_executions_is_counted() -> None:
    rig = RoundRig(budgets={"order_transactions": 30})
    row = {
        "id": "7",
        "filledQuantity": 20,
        "filledPrice": 10.5,
        "currency": "USD",
        "transactionTime": 1,
    }
    rig.client.answer("orders", ok({"items": [order_row(id="1", filledQuantity=40)]}))
    rig.client.answer("active_orders", ok({"items": []}))
    rig.client.answer(
        "order_transactions",
        ok({"items": [row], "nextPageToken": "a"}),
        ok({"items": [row | {"id": "8"}]}),
    )
    rig.client.answer("positions", *[ok({"items": []}) for _ in POSITION_CLASSES])
    rig.client.answer("prime_assets", ok(ASSETS))
    (seen,) = of(rig.run(), readings.OrderSeen)
    assert len(seen.executions) == 2
    assert rig.budget.try_take("order_transactions", count=28)
    assert not rig.budget.try_take("order_transactions")


def test_long_listing_leaves_tokens_to_the_first_pages_of_others_and_says_nothing_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconcile, "PAGE_WAIT_S", 0.0)
    monkeypatch.setattr(reconcile, "PAGE_LOOK_S", 0.0)
    rig = RoundRig(budgets={"orders": PAGES_LEAVE + 2})
    assert paged(rig, 5) == []
    assert [asked["page_token"] for asked in rig.asked("orders")] == ["", "1"]
    assert rig.budget.try_take("orders", count=PAGES_LEAVE)


def test_listing_longer_than_its_ration_is_gone_on_with_when_tokens_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "WINDOW_S", 0.05)
    rig = RoundRig(budgets={"orders": PAGES_LEAVE + 2})
    rig.reconciler._moved_at = -1e9
    told = paged(rig, 9)
    assert [asked["page_token"] for asked in rig.asked("orders")] == [
        "",
        *(str(n) for n in range(1, 9)),
    ]
    assert len(of(told, readings.OrderSeen)) == 9
    assert len(of(told, readings.RoundCompleted)) == 1
    # Whoever waits for a token does not hang.
    assert rig.reconciler.silent_s < WAIT_S
