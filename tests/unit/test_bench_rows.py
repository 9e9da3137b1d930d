"""The parts of the bench that need no cluster."""

from pathlib import Path
from typing import NoReturn

from core import codec
from core.codec import EMPTY_TAIL
from infra.bench.history import history
from infra.bench.row import Bench, interleave


def _no_cluster() -> NoReturn:
    raise AssertionError("no cluster is wanted here")


def _bench(said: list[str]) -> Bench:
    return Bench(folder=Path(), official=Path(), shared=_no_cluster, say=said.append)


def test_sides_are_measured_in_turns_and_go_first_equally_often() -> None:
    turns: list[str] = []

    def side(name: str) -> float:
        turns.append(name)
        return float(len(turns))

    values = interleave(
        _bench([]), {"a": lambda: side("a"), "b": lambda: side("b")}, rounds=3, warm_up=1
    )
    assert turns == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert values == {"a": [1.0, 4.0, 5.0, 8.0], "b": [2.0, 3.0, 6.0, 7.0]}


def test_progress_ends_with_the_last_round() -> None:
    said: list[str] = []
    interleave(_bench(said), {"a": lambda: 0.0}, rounds=10, warm_up=0)
    assert said[-1] == "10 of 10 rounds"


def test_made_up_history_is_an_unbroken_chain_of_the_length_asked_for() -> None:
    tail = EMPTY_TAIL
    for sequence, (subject, body) in enumerate(history("bench", 50), start=1):
        _, tail = codec.follow(tail, subject, body, sequence=sequence)
    assert tail.n == 50
