"""The simulation in the test suite: some hundred seeds, what it once found, and that it can."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.scenarios import SCENARIOS

ROOT: Final = Path(__file__).parents[2]
SEEDS: Final = 200
# Of each scenario; the mutant of each is found well before.
SCENES: Final = 15
# Of the mistakes in `tests.simulation.mutants`, some that a few seeds find.
QUICK_MUTANTS: Final = (
    "resend_on_timeout",
    "acknowledge_before_storing",
    "drop_the_expected_sequence",
    "take_silence_for_stored",
    "send_another_price",
    "halts_cancel_nothing",
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


def test_scenes_of_mended_bugs_find_nothing_but_without_the_mend() -> None:
    ran = simulate("--scenario", "all", "--seeds", str(SCENES))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("nothing found") == len(SCENARIOS)


def test_seed_gives_the_same_run_again() -> None:
    assert simulate("--seed", "7").stdout == simulate("--seed", "7").stdout


@pytest.mark.parametrize("mutant", QUICK_MUTANTS)
def test_deliberate_mistake_is_found(mutant: str) -> None:
    ran = simulate("--mutant", mutant, "--seeds", "100")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 of 1 mutants found" in ran.stdout
