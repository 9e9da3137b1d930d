"""What a person and a program see of a run."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from infra.bench.figures import Ratio, Result, verdict
from infra.nats.server import find_binary
from infra.version import code_version

_PACKAGES: Final = ("mcp", "nats-py", "tigeropen", "msgspec", "eventsourcing")
_LIMIT_S: Final = 10.0
# Wide enough for every line, also where the output is a file.
WIDTH: Final = 130


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when the figures were taken."""

    at: datetime
    commit: str
    version: str
    system: str
    cores: int
    python: str
    nats_server: str
    packages: dict[str, str]
    is_loopback_only: bool
    # Processes that wanted a core, on average over the minute before; none: it is not told.
    load: float | None
    elapsed_s: float


class _Judged(msgspec.Struct, frozen=True, kw_only=True):
    ratio: Ratio
    verdict: str


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    machine: Machine
    rows: tuple[Result, ...]
    verdicts: dict[str, tuple[_Judged, ...]]


def load() -> float | None:
    """Return how many processes wanted a core in the last minute, where the system tells."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def this_machine(*, is_loopback_only: bool, load: float | None, elapsed_s: float) -> Machine:
    """Describe this run."""
    return Machine(
        at=datetime.now(UTC),
        commit=_told(["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]),
        version=code_version(),
        system=f"{platform.system()} {platform.machine()}",
        cores=os.cpu_count() or 0,
        python=platform.python_version(),
        nats_server=_told([str(find_binary()), "--version"]).removeprefix("nats-server: v"),
        packages={name: metadata.version(name) for name in _PACKAGES},
        is_loopback_only=is_loopback_only,
        load=load,
        elapsed_s=round(elapsed_s, 1),
    )


def show(console: Console, machine: Machine, results: Sequence[Result]) -> None:
    """Print the rows as a table."""
    table = Table(title=f"tiger-mcp {machine.version}, {machine.commit or 'no commit'}")
    for heading in ("row", "what", "unit"):
        table.add_column(heading)
    for heading in ("n", "warm-up", "median", "p90"):
        table.add_column(heading, justify="right")
    for result in results:
        table.add_section()
        table.add_row(f"[bold]{result.row}[/bold]", f"[bold]{result.title}[/bold]", result.status)
        for each in result.figures:
            cells = (str(each.n), str(each.warm_up), f"{each.median:.3g}", f"{each.p90:.3g}")
            table.add_row("", each.label, each.unit, *cells)
        for ratio in result.ratios:
            style = "green" if ratio.is_met else "red"
            told = f"[{style}]{ratio.value:.2f} x  {verdict(ratio)}[/{style}]"
            table.add_row("", f"ratio, {ratio.label}: {told}")
        for note in result.notes:
            table.add_row("", f"[dim]{note}[/dim]")
    console.print(table)
    versions = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    console.print(
        f"{machine.at:%Y-%m-%d %H:%M} UTC, {machine.system}, {machine.cores} cores, "
        f"Python {machine.python}, nats-server {machine.nats_server}, {versions}; "
        f"load before {machine.load}; {machine.elapsed_s:.0f} s; "
        f"{'loopback alone' if machine.is_loopback_only else 'not isolated'}",
        style="dim",
    )


def write_json(path: Path, machine: Machine, results: Sequence[Result]) -> None:
    """Write everything to a file."""
    verdicts = {
        result.row: tuple(_Judged(ratio=ratio, verdict=verdict(ratio)) for ratio in result.ratios)
        for result in results
        if result.ratios
    }
    document = _Document(machine=machine, rows=tuple(results), verdicts=verdicts)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")


def _told(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            list(command), capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
