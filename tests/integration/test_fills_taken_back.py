"""A trade that the broker takes back, and trades again: the ledger follows it to an honest end.

No broker of ours busts trades, so a relay makes its replies say that it did.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from adapters.tiger_worker.taken_back import LISTS_WAIT_S
from core import account_events, events
from core.lost_fills import FILLS_TAKEN_BACK
from infra.sandbox.home import (
    write_ports,
)
from infra.sandbox.logins.files import (
    read_ports,
)
from tests.support.relay import relayed
from tests.support.rig import ACCOUNT, Rig, running_rig

QUANTITY: Final = "13"
# Its row falls short as if nothing had traded, and the list of its executions is empty.
BUSTED: Final = {
    b'filledQuantity":13': b'filledQuantity":0',
    b'filledQuantity\\":13': b'filledQuantity\\":0',
    b'"Filled"': b'"Cancelled"',
    b'\\"Filled\\"': b'\\"Cancelled\\"',
}
NO_EXECUTIONS: Final = json.dumps(
    {"code": 0, "message": "success", "data": json.dumps({"items": [], "nextPageToken": ""})}
).encode()


def _expected(rig: Rig, since: int) -> Decimal:
    """Return by how much the recorded fills moved the position since."""
    moved = Decimal(0)
    for recorded in rig.facts[since:]:
        match recorded.data:
            case events.OrderFillRecorded(quantity=quantity):
                moved += quantity
            case events.OrderFillTakenBack(quantity=quantity):
                moved -= quantity
            case _:
                pass
    return moved


@pytest.mark.asyncio
async def test_trade_that_is_taken_back_and_done_again_comes_to_its_end(tmp_path: Path) -> None:
    async with running_rig(tmp_path) as rig:
        with relayed(rig.sandbox) as relay:
            ports = read_ports(rig.home.sandbox)
            assert ports is not None
            write_ports(rig.home.sandbox, replace(ports, http=relay.server_address[1]))
            worker = await rig.ready_worker()
            order_id = (await rig.started(quantity=QUANTITY)).order_id
            first = await rig.filled(order_id)
            since = len(rig.facts)

            relay.bodies["order_transactions"] = NO_EXECUTIONS
            relay.respelled.update(BUSTED)
            end = await rig.fact(
                events.OrderCancelled, order_id=order_id, since=since, wait_s=2 * LISTS_WAIT_S
            )
            assert end.filled_quantity == 0
            back = rig.seen(events.OrderFillTakenBack, order_id=order_id, since=since)
            assert {one.execution_id for one in back} == {one.execution_id for one in first}
            assert _expected(rig, since) == -Decimal(QUANTITY)
            (frozen,) = rig.seen(account_events.AccountFrozen, since=since)
            assert (frozen.cause, frozen.symbol) == (FILLS_TAKEN_BACK, "AAPL")
            assert rig.seen(events.OrderOutcomeUnknown, since=since) == []

            # The broker trades it again, under other ids.
            again = len(rig.facts)
            relay.respelled.clear()
            relay.respelled.update(
                {one.execution_id.encode(): f"9{one.execution_id}".encode() for one in first}
            )
            relay.bodies.clear()
            await rig.fact(events.OrderFilled, order_id=order_id, since=again)
            recorded = rig.seen(events.OrderFillRecorded, order_id=order_id, since=again)
            assert {one.execution_id for one in recorded} == {
                f"9{one.execution_id}" for one in first
            }
            assert _expected(rig, since) == 0
            # Whoever reads the ledger later sees all of it, and nothing is owed.
            await worker.stop()
            later = len(rig.facts)
            await rig.ready_worker()
            await rig.fact(account_events.AccountReconciled, account=ACCOUNT, since=later)
            assert rig.seen(events.OrderFillRecorded, since=later) == []
            assert rig.seen(events.OrderFillTakenBack, since=later) == []
            for one in rig.workers:
                await one.stop()
