"""`python -P -m tests.simulation --seeds N [--from S] | --seed X`: run the simulation."""

import argparse
import os
import sys
from typing import Final

from tests.simulation.runs import run_many, run_mutants, run_one, run_scenarios

SEEDS: Final = 300
# Some mistakes show in one of several hundred runs.
MUTANT_SEEDS: Final = 1500


def main() -> int:
    """Run seeds and say what was found; exit code 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, help="how many seeds to run, at most")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one and print its trace")
    parser.add_argument("--mutant", action="append", help="take this rule out; `all`: one by one")
    parser.add_argument("--scenario", action="append", help="a bug that is mended; `all`: each")
    arguments = parser.parse_args()
    seeds = arguments.seeds or (SEEDS if arguments.mutant is None else MUTANT_SEEDS)
    if arguments.scenario is not None:
        names = [] if arguments.scenario == ["all"] else arguments.scenario
        return run_scenarios(names, seeds_max=seeds)
    if arguments.mutant is not None:
        names = [] if arguments.mutant == ["all"] else arguments.mutant
        return run_mutants(names, seeds_max=seeds)
    if arguments.seed is not None:
        return run_one(arguments.seed)
    return run_many(arguments.first, seeds)


if __name__ == "__main__":
    # Sets of texts are walked through in another order with another hash seed.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-P", "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main())
