"""What a row of the bench says: medians, ninetieth percentiles, ratios, and how they meet a bar.

Only ratios of figures from one run are held against a bar; a time by itself says what machine it
was. Nothing here runs or waits.
"""

import math
from collections.abc import Sequence
from statistics import median
from typing import Final, Literal

import msgspec

Status = Literal["measured", "refused", "failed", "not yet"]
Sense = Literal["at most", "at least"]
Unit = Literal["ms", "s", "MiB", "per s", "events/s", "%"]

_TAIL_SHARE: Final = 0.9


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity, measured `n` times after `warm_up` tries that do not count."""

    label: str
    unit: Unit
    n: int
    warm_up: int
    median: float
    p90: float


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """Two medians of one run against each other; `bar` is None where none was set."""

    label: str
    value: float
    sense: Sense = "at most"
    bar: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the bar holds; a ratio without a bar cannot miss it."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.sense == "at most" else self.value >= self.bar

    @property
    def miss_percent(self) -> float:
        """How far beyond its bar the ratio lies, in percent of the bar; 0 where it is met."""
        if self.bar is None or self.is_met:
            return 0.0
        return abs(self.value / self.bar - 1) * 100


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what was measured, or why it was not."""

    row: str
    title: str
    status: Status
    figures: tuple[Figure, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    notes: tuple[str, ...] = ()


def figure(label: str, unit: Unit, values: Sequence[float], *, warm_up: int = 0) -> Figure:
    """Return the figure of a series whose first `warm_up` values do not count.

    Raises:
        ValueError: nothing is left to count.
    """
    counted = values[warm_up:]
    if not counted:
        raise ValueError(f"expected a value of {label!r} after {warm_up} of warm-up, was none")
    return Figure(
        label=label,
        unit=unit,
        n=len(counted),
        warm_up=warm_up,
        median=median(counted),
        p90=percentile(counted, _TAIL_SHARE),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def verdict(ratio: Ratio) -> str:
    """Say in words how a ratio stands to its bar."""
    if ratio.bar is None:
        return "no bar"
    bar = f"{ratio.sense} {ratio.bar:g}"
    return f"met ({bar})" if ratio.is_met else f"missed by {ratio.miss_percent:.0f} % ({bar})"
