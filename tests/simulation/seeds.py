"""Seeds that found a bug of the service, which is mended; each is run again in every check.

What a seed draws changes whenever the simulation draws something more, so each bug has a named test
(`test_mended.py`, `tests/unit/test_worker_reconcile.py`) and a mutant that takes its mend out again.
"""

from typing import Final

MENDED: Final[dict[int, str]] = {
    10: "after a jump of the wall clock and back, each preview forgot the one before",
    18: "a worker that had lost its login's lock stayed, and refused everything",
    37: "a hanging reading of order numbers kept an account from sending for ever",
    51: "a hanging reading of a preview was waited for for ever",
    238: "a jump of the wall clock made an order not_found while its place was on the way",
    2312: "an order was lost from view, because the ledger's last round was dated ahead",
    2330: "a working order was not listed, because its record was dated ahead",
}
