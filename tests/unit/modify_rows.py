"""The lines of events that lead an order to the rows of `modify_cases.py`."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from core import events
from tests.support import core_facts as facts

ORDER: Final = facts.order_id_of()
# The price that order 1 is to be changed to.
NEW: Final = "11.00"


def _modified(modify: str) -> Iterator[events.Event]:
    """Yield what leads an open order to a phase of its change."""
    if modify == "none":
        return
    yield facts.modify_started(limit_price=NEW)
    match modify:
        case "started":
            return
        case "requested":
            yield events.OrderModifyRequested(order_id=ORDER)
        case "unknown":
            yield events.OrderModifyUnknown(order_id=ORDER, cause="timeout")
        case "refused":
            yield events.OrderModifyRefused(order_id=ORDER, code=1200, detail="no")
        case "not_sent":
            yield events.OrderModifyNotSent(order_id=ORDER, cause="too late")
        case "not_applied":
            yield events.OrderModifyNotApplied(
                order_id=ORDER, listings=3, first_listing_at=facts.at(25)
            )
        case "replaced":
            yield events.OrderReplaced(order_id=ORDER, spec=facts.spec(limit_price=NEW))
        case _:
            raise AssertionError(f"no way to {modify}")


def _cancelled(cancel: str) -> Iterator[events.Event]:
    if cancel in ("", "none"):
        return
    if cancel == "wanted":
        yield events.OrderCancelWanted(order_id=ORDER, command_id="cmd-cancel")
        return
    yield events.OrderCancelStarted(order_id=ORDER, command_id="cmd-cancel", tiger_order_id="t-1")
    match cancel:
        case "started":
            return
        case "requested":
            yield events.OrderCancelRequested(order_id=ORDER)
        case "refused":
            yield events.OrderCancelRefused(order_id=ORDER, code=None, detail="no")
        case "unknown":
            yield events.OrderCancelUnknown(order_id=ORDER, cause="timeout")
        case _:
            raise AssertionError(f"no way to {cancel}")


def _phased(phase: str) -> Iterator[events.Event]:
    first, second = facts.fill("e1", "40"), facts.fill("e2", "60")
    match phase.removesuffix("_id"):
        case "accepted" | "working":
            pass
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
        case "unknown" | "not_found" | "released" as doubt:
            yield facts.unknown()
            if doubt != "unknown":
                yield facts.not_found()
            if doubt == "released":
                yield facts.released()
        case _:
            raise AssertionError(f"no way to {phase}")


def desk_at(row: str) -> facts.TestDesk:
    """Return a desk whose order 1 stands where a row says."""
    phase, modify, cancel = (*row.split("/"), "")[:3]
    at_work = (facts.working(),) if phase != "accepted" else ()
    return facts.TestDesk(
        *facts.ready(facts.previewed("2"), facts.previewed("1"), facts.started()),
        facts.accepted(),
        *at_work,
        *_modified(modify),
        *_cancelled(cancel),
        *_phased(phase),
    )
