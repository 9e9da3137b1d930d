"""Access records on a real nats-server, of an account that the gateway may not write about."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.mcp.access import AccessBatch, AccessLog
from infra.clock import RandomIds, SystemClock
from infra.nats.bus import NatsBus
from infra.nats.topology import ACCESS_STREAM, GATEWAY, PROVISIONER
from tests.component.test_mcp_access import Request
from tests.support.nats_server import RunningHome, running_home

LIMIT_S = 30.0


async def test_a_closed_subject_keeps_no_other_record_back_and_its_own_go_to_system(
    tmp_path: Path,
) -> None:
    # The gateway was never granted `a2`: for the server it is an account that was removed.
    accounts = {"a1", "a2"}
    log = AccessLog(
        SystemClock(),
        RandomIds(),
        tools=lambda: frozenset({"get_orders"}),
        accounts=lambda: frozenset(accounts),
    )
    async with running_home(tmp_path) as home, asyncio.TaskGroup() as group:
        bus = NatsBus(await home.client(GATEWAY))
        sending = group.create_task(log.keep_sending(lambda: bus))
        for account in ("a2", "a1", "a2"):
            await keep(log, account)
        assert await stored(home, 1) == [("access.a1.get_orders", "a1")]
        accounts.remove("a2")
        await keep(log, "a2")
        assert sorted(await stored(home, 4)) == [
            ("access.a1.get_orders", "a1"),
            *[("access.system.get_orders", "a2")] * 3,
        ]
        await keep(log, "a1")
        assert ("access.a1.get_orders", "a1") in (await stored(home, 5))[1:]
        sending.cancel()
    assert log.lost == 0


async def keep(log: AccessLog, account: str) -> None:
    context: Any = Request("get_orders", account)

    async def answer(_: Any) -> dict[str, Any]:
        return {}

    await log.middleware(context, answer)


async def stored(home: RunningHome, count: int) -> list[tuple[str, str]]:
    """Wait for a number of records and return each one's subject and account, as stored."""
    stream = (await home.client(PROVISIONER)).jetstream()
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(LIMIT_S):
        while len(found) < count:
            info = await stream.stream_info(ACCESS_STREAM)
            messages = [
                await stream.get_msg(ACCESS_STREAM, seq=number)
                for number in range(info.state.first_seq or 1, info.state.last_seq + 1)
            ]
            found = [
                (message.subject or "", record.account)
                for message in messages
                for record in msgspec.json.decode(message.data or b"", type=AccessBatch).records
            ]
    if len(found) > count:
        pytest.fail(f"expected {count} records, were {found}")
    return found
