"""One task from beginning to end."""

from typing import Final

from tests.e2e.tasks.assistant import Assistant
from tests.e2e.tasks.stage import Stage
from tests.e2e.tasks.table import Took, took
from tests.e2e.tasks.task import Task
from tests.e2e.tasks.tasks import TASKS
from tests.support.cluster import Era

# One task in so many speaks the old era of the protocol.
LEGACY_EACH: Final = 3


def era_of(task: Task) -> Era:
    """Return the era of the protocol that a task is done in: every third in the old one."""
    return "legacy" if TASKS.index(task) % LEGACY_EACH == 0 else "auto"


async def run(stage: Stage, task: Task) -> Took:
    """Set the stage, let the assistant work, hold what is true against what must be.

    Raises:
        AssertionError: something is not as it must be.
    """
    await stage.clear()
    for act in task.before:
        await act(stage)
    await stage.begin()
    client = stage.week_later if task.is_week_later else stage.clients[era_of(task)]
    assistant = Assistant(client)
    said = await task.script(assistant)
    for check in task.after:
        await check(stage, said)
    assert assistant.calls <= task.calls_max, assistant.tools
    return took(assistant)
