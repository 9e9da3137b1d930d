"""The simulation in the test suite: some hundred seeds, the kept ones, and that it can find."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.seeds import MENDED

ROOT: Final = Path(__file__).parents[2]
SEEDS: Final = 200
# Of the mistakes in `tests.simulation.mutants`, some that a few seeds find.
QUICK_MUTANTS: Final = (
    "resend_on_timeout",
    "acknowledge_before_storing",
    "drop_the_expected_sequence",
    "take_silence_for_stored",
)


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: it puts other clocks and threads under the code."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_some_hundred_seeds_find_nothing() -> None:
    ran = simulate("--seeds", str(SEEDS))
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("seed", MENDED)
def test_seed_that_found_a_bug_finds_nothing_any_more(seed: int) -> None:
    ran = simulate("--seed", str(seed))
    assert ran.returncode == 0, f"{MENDED[seed]}\n{ran.stdout}{ran.stderr}"


def test_seed_gives_the_same_run_again() -> None:
    assert simulate("--seed", "7").stdout == simulate("--seed", "7").stdout


@pytest.mark.parametrize("mutant", QUICK_MUTANTS)
def test_deliberate_mistake_is_found(mutant: str) -> None:
    ran = simulate("--mutant", mutant, "--seeds", "100")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 of 1 mutants found" in ran.stdout
