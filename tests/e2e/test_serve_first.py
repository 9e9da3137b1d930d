"""`serve` answers its client before there is any cluster, and brings one up beside that."""

import asyncio
import os
from pathlib import Path

from infra.home import Home
from infra.nats.home_lock import HomeLock, LockOwner
from infra.supervisor.status import (
    SUPERVISOR,
    Phase,
    live_status,
    read_status,
    supervisor_lock_path,
)
from tests.support.cluster import cluster
from tests.support.raw_client import hello, raw

VERSION = "2025-11-25"


async def test_initialize_is_answered_on_a_cold_home_before_a_cluster_can_start(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    home.path.mkdir()
    # While another seems to start the cluster, none can come up, however long it is waited for.
    owner = LockOwner(pid=os.getpid(), purpose=SUPERVISOR)
    lock = await asyncio.to_thread(HomeLock.try_acquire, supervisor_lock_path(home), owner=owner)
    assert lock is not None
    async with cluster(home.path), raw(home.path) as client:
        try:
            said = await client.ask("initialize", hello(VERSION), is_modern=False)
            client.tell("notifications/initialized")
            listed = await client.ask("tools/list", {}, is_modern=False)
            assert read_status(home) is None
        finally:
            lock.release()
        assert said["result"]["protocolVersion"] == VERSION
        assert listed["result"]["tools"]
        told = await client.call("list_accounts")
        while told.get("isError"):
            # Each refusal is bounded and says that it starts.
            assert told["content"][0]["text"].startswith("starting: "), told
            told = await client.call("list_accounts")
        status = live_status(home)
        assert status is not None
        assert status.phase is Phase.READY
