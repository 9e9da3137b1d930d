"""Modes on real workers: a live account writes nothing, and what a person lowered stays lowered."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from msgspec.structs import replace

from core import account_events, events
from core.commands import CancelOrders, Command, ModifyOrder, SetMode
from core.modes import Environment, Mode
from core.refusals import Refusal
from infra.accounts import with_mode
from tests.support.rig import Rig, running_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIVE: Final = "sandbox-two"
WRITES: Final = ("place_order", "modify_order", "cancel_order")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path_factory.mktemp("live")) as running:
        logins = tuple(
            replace(
                login,
                accounts=tuple(
                    replace(each, environment=Environment.LIVE, mode=Mode.READ_ONLY)
                    if each.alias == LIVE
                    else each
                    for each in login.accounts
                ),
            )
            for login in running.installation.logins
        )
        running.home.save(replace(running.installation, logins=logins))
        await running.ready_worker("beta", module="tests.support.live_worker")
        yield running


async def refused(rig: Rig, command: Command) -> events.OrderRefused:
    command_id = await rig.send(LIVE, command)
    return await rig.fact(events.OrderRefused, account=LIVE, command_id=command_id)


async def test_a_live_account_reads_and_writes_nothing_whoever_asks(rig: Rig) -> None:
    control = rig.sandbox.control
    await rig.fact(account_events.AccountReconciled, account=LIVE)
    opened = await rig.fact(account_events.AccountOpened, account=LIVE)
    assert (opened.environment, opened.mode) == (Environment.LIVE, Mode.READ_ONLY)
    before = {method: control.request_count(method) for method in WRITES}

    preview = await rig.preview(account=LIVE)
    for wish in (SetMode(mode=Mode.AUTO), SetMode(mode=Mode.AUTO)):
        no = await refused(rig, wish)
        assert no.code is Refusal.ACCOUNT_READ_ONLY
        assert "limits and approvals" in no.detail
    command_id = await rig.submit(preview, account=LIVE)
    no = await rig.fact(events.OrderRefused, account=LIVE, command_id=command_id)
    assert no.code is Refusal.ACCOUNT_READ_ONLY
    change = ModifyOrder(order_id="ord-1", quantity="1", limit_price=None, reason="a test")
    for command in (change, CancelOrders(symbol=None, side=None)):
        assert (await refused(rig, command)).code is Refusal.ACCOUNT_READ_ONLY

    assert {method: control.request_count(method) for method in WRITES} == before
    assert set(before.values()) == {0}
    assert rig.broker_orders(LIVE) == []
    assert rig.seen(account_events.AccountModeSet, account=LIVE) == []


async def test_a_mode_lowered_while_no_worker_ran_is_taken_at_its_start(rig: Rig) -> None:
    account = "sandbox"
    worker = await rig.ready_worker("alpha")
    await rig.started(account=account, limit_price="1.00")
    await worker.stop()
    rig.home.save(with_mode(rig.home.load(), account, Mode.READ_ONLY))
    before = len(rig.facts)
    await rig.ready_worker("alpha")
    lowered = await rig.fact(account_events.AccountModeSet, account=account)
    assert lowered.mode is Mode.READ_ONLY
    await rig.fact(account_events.AccountReconciled, account=account, since=before)
    preview = await rig.preview(account=account)
    command_id = await rig.submit(preview, account=account)
    no = await rig.fact(events.OrderRefused, account=account, command_id=command_id)
    assert no.code is Refusal.ACCOUNT_READ_ONLY
    # A list that says auto raises nothing by itself.
    await rig.workers[-1].stop()
    rig.home.save(with_mode(rig.home.load(), account, Mode.AUTO))
    await rig.ready_worker("alpha")
    command_id = await rig.submit(await rig.preview(account=account), account=account)
    no = await rig.fact(events.OrderRefused, account=account, command_id=command_id)
    assert no.code is Refusal.ACCOUNT_READ_ONLY
    assert len(rig.seen(account_events.AccountModeSet, account=account)) == 1
