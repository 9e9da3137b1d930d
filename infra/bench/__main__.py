"""`python -P -m infra.bench`: measure the budgets of DESIGN §14, side by side in one run.

A missed bar is printed, not a failure; the exit code says whether everything could be run.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import SubprocessError

import click
import nats.errors
from rich.console import Console

from core.errors import ServiceError
from infra.bench import isolation, official, report
from infra.bench.cluster import Cluster
from infra.bench.fault import BenchError, RefusedError
from infra.bench.figures import Result
from infra.bench.row import Bench, Row
from infra.bench.rows_broker import BROKER
from infra.bench.rows_gateway import MEMORY, READ, START
from infra.bench.rows_hang import HANG
from infra.bench.rows_http import HTTP
from infra.bench.rows_ledger import APPEND, REPLAY
from infra.bench.rows_push import PUSH
from infra.bench.rows_sandbox import SANDBOX
from infra.bench.rows_submit import SUBMIT
from infra.bench.rows_worker import LOGINS, RESTART
from infra.bench.shared import make_cluster

# In the order in which they run: what disturbs the shared cluster comes last.
ROWS: tuple[Row, ...] = (
    BROKER,
    SANDBOX,
    SUBMIT,
    READ,
    HTTP,
    HANG,
    PUSH,
    MEMORY,
    START,
    APPEND,
    REPLAY,
    RESTART,
    LOGINS,
)
NOT_YET: tuple[Result, ...] = (
    Result(
        row="alert",
        title="broker push to alert at a subscriber",
        status="not yet",
        notes=("alerts are not built",),
    ),
)


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([row.name for row in ROWS]),
    help="Measure this row alone; may be repeated.",
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write figures."
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where homes are made, on a real disk [default: the system's folder for such files].",
)
@click.option(
    "--official",
    "official_folder",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Environment of tigermcp {official.VERSION}, made where it is missing.",
)
@click.option(isolation.INSIDE, "is_inside", is_flag=True, hidden=True)
def main(
    only: tuple[str, ...],
    json_file: Path | None,
    folder: Path | None,
    official_folder: Path | None,
    is_inside: bool,
) -> None:
    """Measure the budgets on this machine; takes some minutes and wants the machine alone."""
    console = Console(stderr=True)
    wanted = [row for row in ROWS if row.name in only or not only]
    environment = official_folder or official.default_folder()
    if not is_inside:
        if SUBMIT in wanted and not official.versions(environment):
            console.print("installing the official server …")
            official.install(environment)
        code = isolation.enter(sys.argv[1:])
        if code is not None:
            sys.exit(code)
    is_alone = isolation.only_loopback()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    load = report.load()
    began_s = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="tiger-mcp-bench-", dir=folder))
    results = _Run(root, environment, console).run(wanted)
    elapsed_s = time.monotonic() - began_s
    machine = report.this_machine(is_loopback_only=is_alone, load=load, elapsed_s=elapsed_s)
    report.show(Console(width=report.WIDTH), machine, results)
    if json_file is not None:
        report.write_json(json_file, machine, results)
    if any(result.status == "failed" for result in results):
        console.print(f"logs are kept in {root}")
        sys.exit(1)
    shutil.rmtree(root, ignore_errors=True)


class _Run:
    """One run: brings the shared cluster up when a row first asks for it."""

    def __init__(self, folder: Path, environment: Path, console: Console) -> None:
        self._folder = folder
        self._environment = environment
        self._console = console
        self._cluster: Cluster | None = None

    def run(self, rows: Sequence[Row]) -> list[Result]:
        """Measure rows one after the other; one that fails does not stop the others."""
        try:
            measured = [self._one(row) for row in rows]
        finally:
            self._put_down()
        return [*measured, *NOT_YET]

    def _one(self, row: Row) -> Result:
        if row is LOGINS:
            # Its cores are its own.
            self._put_down()
        self._console.print(f"[bold]{row.name}[/bold] {row.title}")
        bench = Bench(
            folder=self._folder,
            official=self._environment,
            shared=self._shared,
            say=lambda text: self._console.print(f"  {text}", style="dim"),
        )
        try:
            return row.run(bench)
        except RefusedError as error:
            return Result(row=row.name, title=row.title, status="refused", notes=(str(error),))
        # A row that fails is a line of the report, and the others are still measured.
        except (BenchError, ServiceError, OSError, nats.errors.Error, SubprocessError) as error:
            cause = f"{type(error).__name__}: {error}"
            self._console.print(f"  failed: {cause}", style="red")
            return Result(row=row.name, title=row.title, status="failed", notes=(cause,))

    def _shared(self) -> Cluster:
        if self._cluster is None:
            cluster = make_cluster(self._folder / "home")
            # Known before it is up, so that a start that fails is taken down too.
            self._cluster = cluster
            cluster.up()
        return self._cluster

    def _put_down(self) -> None:
        if self._cluster is not None:
            self._cluster.down()
            self._cluster = None


if __name__ == "__main__":
    main(prog_name="tiger-mcp bench")
