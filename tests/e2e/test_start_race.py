"""Two clients start the service at the same instant on an empty home: one cluster."""

import asyncio
from pathlib import Path

from infra.home import Home
from infra.supervisor.status import Phase, live_status
from tests.support.cluster import answer, cluster, served


async def test_two_serves_on_an_empty_home_share_one_cluster(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with cluster(home), served(home) as first, served(home) as second:
        told = await asyncio.gather(answer(first, "list_accounts"), answer(second, "list_accounts"))
        assert [row["account"] for row in told[0]["accounts"]] == [
            row["account"] for row in told[1]["accounts"]
        ]
        status = live_status(Home(home))
        assert status is not None
        assert status.phase is Phase.READY
        names = [process.name for process in status.processes]
        assert len(names) == len(set(names))
        assert all(process.restarts == 0 for process in status.processes)
