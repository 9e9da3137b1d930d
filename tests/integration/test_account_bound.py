"""A number at the broker that was edited by hand: nothing of that account is read or cancelled."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from core import events
from tests.support.rig import ACCOUNT, Rig, running_rig

pytestmark = pytest.mark.asyncio(loop_scope="function")
ASKED = ("active_orders", "cancel_order", "orders", "place_order", "positions")


def edit_number(rig: Rig, number: str) -> str:
    """Write another number of the same account's line, as a person would; return the old one."""
    installation = rig.home.load()
    before = next(
        each.number
        for login in installation.logins
        for each in login.accounts
        if each.alias == ACCOUNT
    )
    logins = tuple(
        replace(
            login,
            accounts=tuple(
                replace(each, number=number) if each.alias == ACCOUNT else each
                for each in login.accounts
            ),
        )
        for login in installation.logins
    )
    rig.home.save(replace(installation, logins=logins))
    return before


async def test_halt_file_cancels_nothing_of_an_account_that_the_record_is_not_of(
    tmp_path: Path,
) -> None:
    async with running_rig(tmp_path) as rig:
        worker = await rig.ready_worker("alpha")
        started = await rig.started(symbol="AAPL", limit_price="1.00")
        await rig.fact(events.OrderWorking, order_id=started.order_id)
        await worker.stop()
        other = next(
            each.number
            for login in rig.installation.logins
            for each in login.accounts
            if each.alias != ACCOUNT
        )
        number = edit_number(rig, other)
        file = rig.home.halt_file(ACCOUNT)
        file.touch()
        before = {method: rig.sandbox.control.request_count(method) for method in ASKED}
        refused = await rig.start_worker("alpha")
        assert await refused.ended() != 0
        after = {method: rig.sandbox.control.request_count(method) for method in ASKED}
        assert after == before
        # With its own number again the halt is done.
        edit_number(rig, number)
        await rig.ready_worker("alpha")
        await rig.fact(events.OrderCancelled, order_id=started.order_id, wait_s=30.0)
