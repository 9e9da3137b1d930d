"""What every row is given, and how measurements of two sides are interleaved."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from infra.bench.cluster import Cluster
from infra.bench.figures import Result

Measure = Callable[[], float]


class Bench(NamedTuple):
    """One run: where its files lie, the cluster that most rows share, and who hears of progress."""

    folder: Path
    official: Path
    shared: Callable[[], Cluster]
    say: Callable[[str], None]


class Row(NamedTuple):
    """One row of the bench."""

    name: str
    title: str
    run: Callable[[Bench], Result]


def interleave(
    bench: Bench, sides: Mapping[str, Measure], *, rounds: int, warm_up: int
) -> dict[str, list[float]]:
    """Measure every side once per round, in turns; the warm-up is among the values."""
    values: dict[str, list[float]] = {name: [] for name in sides}
    total = warm_up + rounds
    for index in range(total):
        # Each side follows each other as often as it goes before it.
        names = list(sides) if index % 2 == 0 else list(sides)[::-1]
        for name in names:
            values[name].append(sides[name]())
        if index + 1 == total or (index + 1) % max(total // 4, 1) == 0:
            bench.say(f"{index + 1} of {total} rounds")
    return values
