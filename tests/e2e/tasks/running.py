"""One task from beginning to end."""

from tests.e2e.tasks.assistant import Assistant
from tests.e2e.tasks.stage import Stage
from tests.e2e.tasks.table import Took, took
from tests.e2e.tasks.task import Task


async def run(stage: Stage, task: Task) -> Took:
    """Set the stage, let the assistant work, hold what is true against what must be.

    Raises:
        AssertionError: something is not as it must be.
    """
    await stage.clear()
    for act in task.before:
        await act(stage)
    await stage.begin()
    assistant = Assistant(stage.client)
    said = await task.script(assistant)
    for check in task.after:
        await check(stage, said)
    assert assistant.calls <= task.calls_max, assistant.tools
    return took(assistant)
