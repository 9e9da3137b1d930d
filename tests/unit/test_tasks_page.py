"""What docs/tasks.md says of the tasks, and what their scripts may know."""

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.tasks import scripts_changes, scripts_orders, scripts_reads
from tests.e2e.tasks.table import PAGE, TOTAL, Took, documented, is_near, page
from tests.e2e.tasks.tasks import TASKS

TASKS_MIN: Final = 20
# All that a script may know of: the assistant, and how a table of an answer is read.
KNOWN: Final = {"tests.e2e.tasks.assistant", "tests.support.gateway"}


def test_the_page_has_every_task_and_no_other() -> None:
    words = [task.words for task in TASKS]
    assert len(words) == len(set(words)) >= TASKS_MIN
    assert set(documented()) == {*words, TOTAL}


def test_the_page_is_made_of_its_own_figures() -> None:
    written = documented()
    assert page({task: written[task.words] for task in TASKS}) == PAGE.read_text(encoding="utf-8")


def test_no_task_takes_more_calls_than_a_person_would_expect() -> None:
    written = documented()
    assert [task.words for task in TASKS if written[task.words].calls > task.calls_max] == []


@pytest.mark.parametrize("script", [scripts_changes, scripts_orders, scripts_reads])
def test_a_script_knows_nothing_but_what_tools_answer(script: object) -> None:
    path = Path(str(getattr(script, "__file__", "")))
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    assert {node.module for node in nodes if isinstance(node, ast.ImportFrom)} == KNOWN
    assert [node for node in nodes if isinstance(node, ast.Import)] == []


def test_a_figure_outside_the_tolerance_is_told() -> None:
    written = Took(3, 400, 4_000)
    assert is_near(Took(3, 500, 4_500), written)
    assert not is_near(Took(4, 400, 4_000), written)
    assert not is_near(Took(3, 400, 5_000), written)
