"""Clients start one cluster together, and bring it back when its supervisor was killed."""

import asyncio
import os
import signal
from pathlib import Path

from infra.home import Home
from infra.supervisor.status import Phase, live_status
from tests.support.cluster import answer, cluster, served
from tests.support.gateway import rows_of


async def test_two_serves_on_an_empty_home_share_one_cluster(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with cluster(home), served(home) as first, served(home) as second:
        told = await asyncio.gather(answer(first, "list_accounts"), answer(second, "list_accounts"))
        names_of = [[row["account"] for row in rows_of(one["accounts"])] for one in told]
        assert names_of[0] == names_of[1]
        status = live_status(Home(home))
        assert status is not None
        assert status.phase is Phase.READY
        names = [process.name for process in status.processes]
        assert len(names) == len(set(names))
        assert all(process.restarts == 0 for process in status.processes)


async def test_a_client_brings_a_killed_cluster_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with cluster(home), served(home) as client:
        await answer(client, "list_accounts")
        before = live_status(Home(home))
        assert before is not None
        os.kill(before.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while (after := live_status(Home(home))) is None or after.pid == before.pid:
                # Each answer is bounded and says why; none of them hangs.
                await client.call_tool("list_accounts", {})
            await answer(client, "list_accounts")
