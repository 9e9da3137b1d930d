"""How often in a row the same figures were read: what makes a reading quiet."""

from decimal import Decimal


class Repeats:
    """Counts how often in a row the same figures were read, without a fill between."""

    def __init__(self) -> None:
        self._figures: dict[str, Decimal] | None = None
        self.count = 0

    def note(self, figures: dict[str, Decimal], *, has_news: bool) -> int:
        """Return the count, this reading included."""
        is_same = not has_news and figures == self._figures
        self.count = self.count + 1 if is_same else 1
        self._figures = figures
        return self.count
