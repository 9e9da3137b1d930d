"""A halt is verified by several of the broker's own lists, and cancels what cannot be read."""

from typing import Any, Final

import pytest

from adapters.tiger_worker.open_looks import UNREAD_EVERY_S
from core import account_events, codec, items
from core.items import Outcome
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import order_row
from tests.unit.test_worker_sweeps import ROUNDS, SweepRig

UNREAD: Final = {"userMark": "", "orderId": 0, "action": "SELL_SHORT"}
ASKED: Final = "account.cancels_asked"


def asked(rig: SweepRig) -> list[tuple[str, str, str]]:
    """Return which orders that cannot be read were asked for, and how that ended."""
    stored = [
        codec.decode(r.subject, r.body, sequence=r.sequence).data for r in rig.rig.ledger.records
    ]
    found = [each for each in stored if isinstance(each, account_events.AccountCancelsAsked)]
    return [(each.unread, each.outcome, each.detail) for each in found]


def test_order_that_both_lists_show_late_keeps_a_halt_from_being_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch)
    phone = order_row(id=5, userMark="", orderId=0, symbol="MSFT")
    rig.broker_side.book = [phone]
    rig.broker_side.is_late = True
    rig.rig.take(core_items.halt())
    rig.after(1.0, rounds=ROUNDS - 1)
    rig.broker_side.is_late = False
    rig.after(1.0, rounds=ROUNDS + 1)
    assert "account.halt_verified" not in rig.rig.stored()
    assert len(rig.rig.trace.of("cancel")) == 1
    rig.broker_side.book = [phone | {"status": "Cancelled"}]
    rig.after(1.0, rounds=ROUNDS)
    assert rig.rig.stored()[-1] == "account.halt_verified"


def test_halt_is_verified_by_readings_begun_when_what_a_person_released_has_surely_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(
        monkeypatch, facts.previewed(), facts.started(), facts.unknown(), facts.released()
    )
    rig.rig.take(core_items.halt())
    arrives_s = (rig.order().arrives_by - facts.NOW).total_seconds()
    rig.after(1.0, rounds=int(arrives_s))
    assert "account.halt_verified" not in rig.rig.stored()
    # Of the first of these it is not known when it began, but by the reply before it.
    rig.after(facts.TIMING.skew_s + 1.0, rounds=ROUNDS + 1)
    assert rig.rig.stored()[-1] == "account.halt_verified"


def test_open_order_whose_row_cannot_be_read_is_cancelled_under_a_halt_by_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch)
    rig.broker_side.book = [order_row(id=77, **UNREAD)]
    rig.after(1.0)
    assert ASKED not in rig.rig.stored()
    rig.rig.take(core_items.halt())
    rig.after(1.0, rounds=3)
    assert rig.rig.trace.of("cancel") == ["unread:77"]
    # The intention is in the record before the call, the answer after it.
    assert rig.rig.stored()[-1] == ASKED
    rig.rig.take(items.CancelAnswered(order_id="unread:77", outcome=Outcome.UNKNOWN, detail="d"))
    assert asked(rig) == [("77", "", ""), ("77", "unknown", "d")]
    rig.after(UNREAD_EVERY_S)
    assert rig.rig.trace.of("cancel") == ["unread:77", "unread:77"]
    assert "account.halt_verified" not in rig.rig.stored()
    rig.broker_side.book = [order_row(id=77, **UNREAD, status="Cancelled")]
    rig.after(UNREAD_EVERY_S, rounds=ROUNDS)
    assert len(rig.rig.trace.of("cancel")) == 2
    assert rig.rig.stored()[-1] == "account.halt_verified"
    # What a person does then, under the halt, is their own deed.
    rig.broker_side.book = [order_row(id=78, **UNREAD)]
    rig.after(UNREAD_EVERY_S, rounds=2)
    assert len(rig.rig.trace.of("cancel")) == 2


@pytest.mark.parametrize(
    ("scope", "row", "is_asked"),
    [
        ("AAPL", {}, True),
        ("MSFT", {}, False),
        # Nobody can say of what it is: only a halt of all means it.
        ("AAPL", {"symbol": ["x"]}, False),
        ("", {"symbol": ["x"]}, True),
        ("", {"id": "none"}, False),
    ],
    ids=["its symbol", "another", "no symbol", "no symbol, all", "no number"],
)
def test_halt_of_a_scope_cancels_what_of_it_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, scope: str, row: dict[str, Any], is_asked: bool
) -> None:
    rig = SweepRig(monkeypatch)
    rig.rig.take(core_items.halt(scope))
    rig.broker_side.book = [order_row(**({"id": 77} | UNREAD | row))]
    rig.after(1.0, rounds=2)
    assert rig.rig.trace.of("cancel") == (["unread:77"] if is_asked else [])
