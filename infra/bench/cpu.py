"""How busy the machine's cores are, all processes together."""

from pathlib import Path
from typing import Final

_STAT: Final = Path("/proc/stat")
# Source: proc(5): user nice system idle iowait irq softirq steal.
_IDLE_FIELDS: Final = (3, 4)
_FIELD_COUNT: Final = 8


class BusyShare:
    """Measures from its making on; where the system does not tell, it says 0."""

    def __init__(self) -> None:
        self._began = _read()

    def percent(self) -> float:
        """Return the share of all cores' time that was used, 0 to 100."""
        now = _read()
        spent = [after - before for before, after in zip(self._began, now, strict=True)]
        total = sum(spent)
        if total <= 0:
            return 0.0
        return 100.0 * (1 - sum(spent[field] for field in _IDLE_FIELDS) / total)


def _read() -> list[int]:
    if not _STAT.exists():
        return [0] * _FIELD_COUNT
    return [int(word) for word in _STAT.read_text().split("\n", 1)[0].split()[1 : _FIELD_COUNT + 1]]
