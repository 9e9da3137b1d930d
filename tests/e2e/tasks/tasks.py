"""All tasks, in the order in which they are done."""

from typing import Final

from tests.e2e.tasks.tasks_changes import CHANGES, ENDS
from tests.e2e.tasks.tasks_orders import ORDERS
from tests.e2e.tasks.tasks_questions import QUESTIONS

TASKS: Final = (*QUESTIONS, *ORDERS, *CHANGES, *ENDS)
