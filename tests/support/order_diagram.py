"""Draws an order's life from the desk's table, so that the picture cannot say anything else.

`python -P -m tests.support.order_diagram` writes docs/order-states.md; a test fails on drift.
"""

from collections import defaultdict
from pathlib import Path
from typing import Final

from core.orders import FINAL_PHASES, Phase
from tests.unit.desk_cases import PHASE_AFTER, cases

PAGE: Final = Path(__file__).parents[2] / "docs" / "order-states.md"
# Column of the table -> how the picture says it.
WORDS: Final = {
    "same": "submit",
    "again": "submit",
    "release": "a person releases it",
    "p-done": "the reply says taken",
    "p-no": "a definite no",
    "p-unsent": "surely never sent",
    "p-doubt": "no clear answer",
    "abandoned": "the worker died",
    "late": "complete listings lack it",
    "unread": "its row cannot be read",
}
_LISTED: Final = "a listing shows it so"
_HEAD: Final = """# The life of an order

Generated from the table that the tests hold the desk against (`tests/unit/desk_cases.py`), cell by
cell: `just order-states`. From `accepted` on, only the broker's listings change the state;
`unknown` and `not_found` are never an end, and what a listing shows later counts in every state.

"""
_TAIL: Final = """
A preview, a hold, a refusal and a lapse come before an order exists and are not drawn. Nor is what
follows a fill that is taken back (ADR 14) or a stranger that is recognised as an order of ours
(ADR 11). Beside its state an order has the wish to cancel it and the wish to change it:

```mermaid
stateDiagram-v2
    direction LR
    state "no change wanted" as none
    none --> started: intent stored
    started --> requested: the broker took the request
    started --> unknown: no clear answer, or the worker died
    started --> refused: a definite no
    started --> not_sent: surely never sent
    requested --> replaced: a listing shows the new terms
    unknown --> replaced: a listing shows the new terms
    requested --> not_applied: complete listings show the old terms
    unknown --> not_applied: complete listings show the old terms
```

Until `replaced` or `not_applied`, the larger of the old and the new terms counts; while `unknown`,
only a cancel passes.
"""


def page() -> str:
    """Return the whole page."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Phase.SUBMITTING}: submit"]
    for (start, end), causes in sorted(_moves().items()):
        lines.append(f"    {start} --> {end}: {', '.join(sorted(causes))}")
    lines += [f"    {phase} --> [*]" for phase in sorted(FINAL_PHASES)]
    return _HEAD + "\n".join([*lines, "```"]) + "\n" + _TAIL


def _moves() -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for case in cases():
        start = case.row.partition("/")[0]
        if start.startswith(("no_preview", "preview")):
            continue
        start = start.removesuffix("_id").removesuffix("_reply")
        for fact in case.cell.split():
            end = str(PHASE_AFTER.get(fact, start))
            if end != start:
                found[start, end].add(WORDS.get(case.column, _LISTED))
            start = end
    return found


if __name__ == "__main__":
    PAGE.write_text(page())
