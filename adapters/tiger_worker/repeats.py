"""How often in a row the same figures were read: what makes a reading quiet."""

from datetime import datetime
from decimal import Decimal


class Repeats:
    """Counts how often in a row the same figures were read, without a fill between."""

    def __init__(self) -> None:
        self._figures: dict[str, Decimal] | None = None
        self.count = 0
        # When they were read first, by the broker's clock.
        self.first_at: datetime | None = None

    def note(
        self,
        figures: dict[str, Decimal],
        *,
        told_at: datetime | None,
        has_news: bool,
        is_short: bool,
    ) -> int:
        """Return the count, this reading included.

        One beside a listing that was too short to show every fill counts for nothing.

        Args:
            told_at: when the broker answered, by its own clock.
        """
        is_same = not has_news and figures == self._figures
        self.first_at = self.first_at if is_same else told_at
        self.count = (self.count if is_same else 0) + (not is_short)
        self._figures = figures
        return self.count
