"""Does every task on a home of its own and writes what they took into docs/tasks.md."""

import asyncio
import tempfile
from pathlib import Path

from tests.e2e.tasks.running import run
from tests.e2e.tasks.stage import staged
from tests.e2e.tasks.table import PAGE, page
from tests.e2e.tasks.tasks import TASKS


async def _main() -> None:
    with tempfile.TemporaryDirectory(prefix="tasks-") as folder:
        async with staged(Path(folder) / "home") as stage:
            measured = {task: await run(stage, task) for task in TASKS}
    PAGE.write_text(page(measured), encoding="utf-8")


asyncio.run(_main())
