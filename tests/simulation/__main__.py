"""`python -P -m tests.simulation --seeds N [--from S] | --seed X`: run the simulation."""

import argparse
import os
import sys

from tests.simulation.runs import run_many, run_mutants, run_one, run_scenarios


def main() -> int:
    """Run seeds and say what was found; exit code 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many seeds to run")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one and print its trace")
    parser.add_argument("--mutant", action="append", help="take this rule out; `all`: one by one")
    parser.add_argument("--scenario", action="append", help="a bug that is mended; `all`: each")
    arguments = parser.parse_args()
    if arguments.scenario is not None:
        names = [] if arguments.scenario == ["all"] else arguments.scenario
        return run_scenarios(names, seeds_max=arguments.seeds)
    if arguments.mutant is not None:
        names = [] if arguments.mutant == ["all"] else arguments.mutant
        return run_mutants(names, seeds_max=arguments.seeds)
    if arguments.seed is not None:
        return run_one(arguments.seed)
    return run_many(arguments.first, arguments.seeds)


if __name__ == "__main__":
    # Sets of texts are walked through in another order with another hash seed.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-P", "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main())
