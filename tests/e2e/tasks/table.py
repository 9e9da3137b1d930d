"""The table of what each task took, and the page it stands on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.e2e.tasks.assistant import Assistant
from tests.e2e.tasks.task import Task
from tests.e2e.tasks.tasks import TASKS

PAGE: Final = Path(__file__).parents[3] / "docs" / "tasks.md"
# Ids, times and what other tasks left behind differ from run to run; a tool that says more, or
# asks for one call more, shows.
SHARE_MAX: Final = 0.15
SLACK_BYTES: Final = 250
TOTAL: Final = "**all**"
_HEAD: Final = "| task | calls | bytes in | bytes out |\n| --- | ---: | ---: | ---: |\n"
_INTRODUCTION: Final = """\
# Tasks

What people ask for, done by a scripted client (`tests/e2e/tasks/`) that knows the person's words
and what the tools answered, and nothing else. Each task runs through a real MCP client against
the whole service on the sandbox; the broker's book, its journal and the ledger are looked at
afterwards.

*Calls* begin with `list_accounts` where an account is named. A read that is repeated until
something shows counts once. *Bytes in* is what the client sent (a tool's name and its arguments),
*bytes out* what a model had to read (the text of the answers); four bytes are about one token.

Made by `just tasks`; a test holds it against a fresh run, give or take 15 % and 250 bytes.

"""


class Took(NamedTuple):
    """What a task took."""

    calls: int
    bytes_in: int
    bytes_out: int


def took(assistant: Assistant) -> Took:
    """Return what a conversation took."""
    return Took(assistant.calls, assistant.bytes_in, assistant.bytes_out)


def page(measured: Mapping[Task, Took]) -> str:
    """Return the page for what was measured."""
    total = Took(*(sum(column) for column in zip(*measured.values(), strict=True)))
    rows = [_row(task.words, measured[task]) for task in TASKS]
    rows.append(_row(TOTAL, total))
    return f"{_INTRODUCTION}{_HEAD}{''.join(rows)}"


def documented() -> dict[str, Took]:
    """Return what the page says, by the person's words."""
    found: dict[str, Took] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[1].replace(",", "").isdigit():
            found[cells[0]] = Took(*(int(cell.replace(",", "")) for cell in cells[1:]))
    return found


def is_near(now: Took, written: Took) -> bool:
    """Say whether a fresh figure is what the page says, within the tolerance."""
    return now.calls == written.calls and all(
        abs(fresh - old) <= old * SHARE_MAX + SLACK_BYTES
        for fresh, old in zip(now[1:], written[1:], strict=True)
    )


def _row(words: str, told: Took) -> str:
    return f"| {words} | {told.calls} | {told.bytes_in:,} | {told.bytes_out:,} |\n"
