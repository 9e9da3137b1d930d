"""What modules share whose tests start and end their own processes; others define their own."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from infra.config import Settings
from infra.supervisor.detached import stop
from tests.support.gate import make_gate
from tests.support.rig import Rig, running_rig
from tests.support.sandbox import ROOT

_SYMBOLS = itertools.cycle(("AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "GOOG", "SPY"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """The back end of a module."""
    async with running_rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest_asyncio.fixture(loop_scope="module")
async def rig(running: Rig) -> AsyncIterator[Rig]:
    """The module's back end without a worker, and with a lease that nobody holds."""
    running.sandbox.control.clear_faults()
    # The next test may have another place of locks, and would wait for the dead one's lease.
    await running.give_up_lease()
    yield running
    running.sandbox.control.release()
    for worker in running.workers:
        if worker.process.returncode is None:
            worker.process.kill()
            await worker.process.wait()
    running.workers.clear()


@pytest.fixture
def symbols() -> Iterator[str]:
    """Symbols in turn; none comes again within a test."""
    return _SYMBOLS


@pytest.fixture
def symbol(symbols: Iterator[str]) -> str:
    """A symbol that the test before did not trade, so that no doubt is inherited."""
    return next(symbols)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A gate at which a send waits."""
    return make_gate(tmp_path)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of a cluster that is taken down at the end, whatever became of it."""
    # The processes of this tree, whether it is installed or not.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = Settings(home=tmp_path / "home")
    try:
        yield made
    finally:
        stop(made)
