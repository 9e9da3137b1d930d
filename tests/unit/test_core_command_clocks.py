"""A command ends by the clock of who asked: what the desk does where that is not its own."""

import pytest
from msgspec.structs import replace

from core import events, items
from core.commands import (
    CancelOrder,
    CancelOrders,
    Command,
    HaltAccount,
    HaltTrading,
    ModifyOrder,
    ReleaseOrder,
    ResumeAccount,
    SetMode,
    SubmitOrder,
)
from core.context import CLOCK_SKEW_MAX_S
from core.modes import Mode
from core.refusals import Refusal
from tests.support import core_facts as facts
from tests.support import core_items

ORDER = facts.order_id_of("2")
LINE = (facts.previewed("1"), facts.started("2"), facts.accepted("2"))


def _when(body: Command, *, ahead_s: float, life_s: float = 30.0) -> events.Event | None:
    """Decide at `NOW` about a command whose caller's clock is so far ahead."""
    desk = facts.TestDesk(*facts.ready(*LINE))
    item = core_items.command(body, "cmd-1", number="902", expires_s=ahead_s + life_s)
    return desk.when(replace(item, issued_at=facts.at(ahead_s)))


RISKY: dict[str, Command] = {
    "submit": SubmitOrder(preview_id="prv-1"),
    "modify": ModifyOrder(order_id="ord-none", quantity="1", limit_price=None, reason="r"),
    "release": ReleaseOrder(order_id=ORDER),
    "resume": ResumeAccount(symbol="", shown_n=facts.ALL_SHOWN),
    "mode": SetMode(mode=Mode.AUTO),
}
SAFE: dict[str, Command] = {
    "cancel": CancelOrder(order_id=ORDER),
    "cancels": CancelOrders(symbol=None, side=None),
    "halt": HaltTrading(symbol="", reason="r"),
    "person's halt": HaltAccount(symbol="", detail="d"),
}


@pytest.mark.parametrize("name", RISKY)
def test_a_wish_from_far_ahead_could_outlive_its_end_and_is_refused(name: str) -> None:
    event = _when(RISKY[name], ahead_s=CLOCK_SKEW_MAX_S + 1)
    assert isinstance(event, events.OrderRefused)
    assert event.code is Refusal.CLOCK_SKEWED
    assert "31 s ahead" in event.detail


@pytest.mark.parametrize("name", RISKY)
@pytest.mark.parametrize("ahead_s", [CLOCK_SKEW_MAX_S, 0.0, -29.0])
def test_clocks_that_nearly_agree_refuse_nothing(name: str, ahead_s: float) -> None:
    event = _when(RISKY[name], ahead_s=ahead_s)
    code = event.code if isinstance(event, events.OrderRefused) else None
    assert code not in (Refusal.CLOCK_SKEWED, Refusal.COMMAND_EXPIRED)


@pytest.mark.parametrize("name", SAFE)
def test_what_takes_risk_away_passes_from_however_far_ahead(name: str) -> None:
    event = _when(SAFE[name], ahead_s=86_400.0)
    assert event is not None
    assert not isinstance(event, events.OrderRefused)


def test_a_command_that_outlived_its_end_by_a_clock_set_back_sends_nothing() -> None:
    # Asked at 15:00:00 for 30 s; then the worker's clock was set back by an hour.
    desk = facts.TestDesk(*facts.ready(*LINE))
    item = replace(core_items.submit(expires_s=30), issued_at=facts.NOW)
    event = desk.when(item, facts.context(-3600.0))
    assert isinstance(event, events.OrderRefused)
    assert event.code is Refusal.CLOCK_SKEWED


def test_the_workers_own_wish_has_no_other_clock() -> None:
    own: items.CommandItem = core_items.command(SubmitOrder(preview_id="prv-1"), "c", number="902")
    assert own.issued_at is None
    desk = facts.TestDesk(*facts.ready(*LINE))
    assert isinstance(desk.when(own, facts.context(-3600.0)), events.OrderSubmissionStarted)
