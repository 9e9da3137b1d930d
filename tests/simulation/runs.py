"""Runs seeds, shows progress, and prints what a failing one needs to be understood."""

import hashlib
import os
import re
import sys
import time
from pathlib import Path
from typing import Final

from tests.simulation.mutants import MUTANTS
from tests.simulation.scenarios import SCENARIOS, Scenario
from tests.simulation.stand_ins import stand_ins
from tests.simulation.world import Result, run_seed

PROGRESS_EVERY_S: Final = 5.0
# Of each scenario that is a scene, so many seeds do.
PLAYED: Final = 4
OURS: Final = frozenset({"core", "adapters", "infra", "tests"})


def sources() -> str:
    """Return a digest of every module of ours that is loaded, so that a run can be told apart."""
    files = sorted(
        (name, module.__file__)
        for name, module in sys.modules.items()
        if name.split(".")[0] in OURS and getattr(module, "__file__", None)
    )
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(name.encode() + b"\0" + Path(str(path)).read_bytes())
    return digest.hexdigest()[:12]


def replay_command(seed: int) -> str:
    """Return the command that runs a seed again."""
    return f"python -P -m tests.simulation --seed {seed}"


def run_one(seed: int) -> int:
    """Run one seed and print its whole trace."""
    with stand_ins():
        result = run_seed(seed)
    _tell("\n".join((f"seed {seed}: {', '.join(result.faults)}", *result.trace)))
    _tell(_summary(result))
    return 1 if result.violations else 0


def run_mutants(names: list[str], *, seeds_max: int) -> int:
    """Run each mutant until a seed finds it; the exit code is 1 if one survives."""
    _stay_on_one_core()
    survivors = []
    rare = {each.mutant: each for each in SCENARIOS.values() if each.is_rare}
    for name in names or list(MUTANTS):
        begun = time.perf_counter()
        with stand_ins(), MUTANTS[name]():
            found = _first_that_finds(seeds_max, rare.get(name))
        took_s = time.perf_counter() - begun
        if found is None:
            survivors.append(name)
            _tell(f"| {name} | SURVIVED {seeds_max} seeds | {took_s:.1f} s |")
            continue
        _tell(f"| {name} | {found.seed} | {_shortened(found.violations[0])} |")
    _tell(f"{len(names or MUTANTS) - len(survivors)} of {len(names or MUTANTS)} mutants found")
    return 1 if survivors else 0


def run_scenarios(names: list[str], *, seeds_max: int) -> int:
    """Run each scenario as the code is, and with its mend taken out; 1 if either is not right."""
    _stay_on_one_core()
    is_right = True
    for name in names or list(SCENARIOS):
        scenario = SCENARIOS[name]
        # What is played comes about in every run.
        seeds = seeds_max if scenario.scene is None else min(seeds_max, PLAYED)
        with stand_ins():
            found = _first_that_finds(seeds, scenario)
            with MUTANTS[scenario.mutant]():
                wanted = _first_that_finds(seeds, scenario)
        is_right = is_right and found is None and wanted is not None
        as_it_is = "nothing found" if found is None else _summary(found)
        without = "SURVIVED" if wanted is None else f"{wanted.seed}, {wanted.violations[0][:70]}"
        _tell(f"{name}: {as_it_is}; without its mend: {without}")
    return 0 if is_right else 1


def _first_that_finds(seeds_max: int, scenario: Scenario | None = None) -> Result | None:
    for seed in range(1, seeds_max + 1):
        result = run_seed(seed, scenario)
        if result.violations:
            return result
    return None


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _shortened(text: str) -> str:
    return re.sub(r"-[0-9a-f]{32}", "", text)[:90]


def run_many(first: int, count: int) -> int:
    """Run seeds one after another; the exit code is 1 if any found something."""
    _stay_on_one_core()
    failed: list[Result] = []
    begun = told_at = time.perf_counter()
    cpu_begun, code = time.process_time(), sources()
    events = orders = 0
    with stand_ins():
        for done, seed in enumerate(range(first, first + count), start=1):
            result = run_seed(seed)
            events += result.events
            orders += result.orders
            if result.violations:
                failed.append(result)
                _tell(_summary(result))
            if time.perf_counter() - told_at > PROGRESS_EVERY_S:
                told_at = time.perf_counter()
                rate = done / (told_at - begun)
                progress = f"{done}/{count} seeds, {len(failed)} failed, {rate:.1f} per second"
                sys.stderr.write(f"{progress}\n")
    took_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu_begun
    _tell(
        f"{count} seeds from {first}: {len(failed)} failed; {orders} orders, {events} events; "
        f"{took_s:.1f} s, {count / took_s:.1f} per second, {count / cpu_s:.1f} per second of "
        f"processor; sources {code}"
    )
    return 1 if failed else 0


def _stay_on_one_core() -> None:
    # Only one thread ever runs; handing the baton to another core costs more than all else.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _summary(result: Result) -> str:
    found = "\n".join(f"  {text}" for text in result.violations) or "  nothing found"
    return (
        f"seed {result.seed}: {result.orders} orders, {result.events} events, "
        f"{result.processes} processes, {result.virtual_s:.0f} s\n{found}"
        + (f"\n  replay: {replay_command(result.seed)}" if result.violations else "")
    )
