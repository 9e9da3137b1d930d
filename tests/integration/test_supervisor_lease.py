"""A whole cluster whose login another machine's worker has: it says so, and waits."""

import asyncio
from typing import Final

from msgspec.structs import replace

from core.lease import encode_lease
from core.subjects import lease_subject
from infra.access import link_settings
from infra.config import Settings
from infra.home import Home
from infra.nats.link import connect
from infra.nats.topology import PROVISIONER
from infra.supervisor.detached import ensure_up
from infra.supervisor.status import Phase, ProcessState, ProcessStatus, live_status
from tests.support.cluster import wait_for
from tests.support.leases import THEIRS

LOGIN: Final = "alpha"


def worker_of(settings: Settings) -> ProcessStatus:
    status = live_status(Home(settings.home))
    assert status is not None
    return next(each for each in status.processes if each.name == f"worker-{LOGIN}")


def phase_of(settings: Settings) -> Phase:
    status = live_status(Home(settings.home))
    assert status is not None
    return status.phase


def put_lease(settings: Settings, *, is_released: bool) -> None:
    """Have another machine's worker hold the login's lease, or give it up."""
    record = replace(THEIRS, is_released=is_released)

    async def put() -> None:
        client = await connect(
            link_settings(settings, role=PROVISIONER, name="test"),
            on_error=lambda _: None,
            on_closed=lambda: None,
        )
        try:
            await client.jetstream().publish(lease_subject(LOGIN), encode_lease(record))
        finally:
            await client.close()

    asyncio.run(put())


def test_cluster_whose_login_another_machine_has_says_so_and_waits(settings: Settings) -> None:
    assert ensure_up(settings).phase is Phase.READY
    put_lease(settings, is_released=False)
    wait_for(lambda: worker_of(settings).state is ProcessState.LOGIN_IN_USE)
    waiting = worker_of(settings)
    assert waiting.pid is not None
    assert "elsewhere" in waiting.detail
    assert phase_of(settings) is Phase.DEGRADED
    put_lease(settings, is_released=True)
    wait_for(lambda: worker_of(settings).state is ProcessState.READY)
    # The same process, which was waiting all the time.
    assert worker_of(settings).pid == waiting.pid
    wait_for(lambda: phase_of(settings) is Phase.READY)
