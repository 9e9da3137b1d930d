"""`up`, `down` and `status`: the local cluster as a person sees it."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

import click
import msgspec

from core.errors import ServiceError
from infra.cli.attention import needs
from infra.cli.context import say_step, warn_of_open_home, with_settings
from infra.cli.halt_files import stray_halt_files
from infra.cli.terminal import shown
from infra.config import Settings
from infra.home import Home
from infra.supervisor import detached
from infra.supervisor.status import (
    Phase,
    ProcessState,
    ProcessStatus,
    Status,
    live_status,
    read_status,
)

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


@click.command()
@with_settings
def up(settings: Settings) -> None:
    """Start the local cluster, or join it when it runs; wait until it is ready."""
    began_s = time.monotonic()
    warn_of_open_home(Home(settings.home))
    try:
        status = detached.ensure_up(settings, on_step=say_step)
    except KeyboardInterrupt:
        raise click.ClickException(
            "interrupted, but the cluster goes on starting; `tiger-mcp down` stops it"
        ) from None
    click.echo(_table(status))
    if status.phase is not Phase.READY:
        raise click.ClickException(f"{status.message}; see `tiger-mcp logs`")
    click.echo(f"ready in {time.monotonic() - began_s:.1f} s, home {settings.home}")


@click.command()
@with_settings
def down(settings: Settings) -> None:
    """Stop the local cluster; open orders stay at the broker."""
    try:
        was_up = detached.stop(settings, on_step=say_step)
    except KeyboardInterrupt:
        raise click.ClickException(
            "interrupted, but the cluster goes on stopping; `tiger-mcp status` shows its end, and "
            "`tiger-mcp up` starts it again"
        ) from None
    click.echo("stopped" if was_up else f"nothing ran in {settings.home}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the status file's content.")
@with_settings
def status(settings: Settings, as_json: bool) -> None:
    """Show each process of the cluster, and what of the accounts needs a person.

    Exit code 1 unless all processes are ready.
    """
    home = Home(settings.home)
    live = live_status(home)
    if as_json:
        click.echo(msgspec.json.encode(live))
    elif live is not None:
        click.echo(_table(live))
        click.echo(" ".join(part for part in (live.phase, live.step, live.message) if part))
    else:
        click.echo(_last_words(settings, read_status(home)))
    if not as_json:
        _tell_needs(settings, live)
    if live is None or live.phase is not Phase.READY:
        click.get_current_context().exit(1)


def _tell_needs(settings: Settings, live: Status | None) -> None:
    # Whatever runs: a mistyped halt must not wait for the views to be found.
    found = stray_halt_files(Home(settings.home))
    unknown = ""
    is_asked = live is not None and live.phase in (Phase.READY, Phase.DEGRADED)
    if live is not None and is_asked:
        try:
            found += asyncio.run(needs(settings, live, now=datetime.now(UTC)))
        except ServiceError as error:
            unknown = shown(str(error))
    if found:
        click.echo("\n".join(("a person is needed:", *(f"  {line}" for line in found))))
    if unknown:
        click.echo(f"whether an account needs a person is not known: {unknown}")
    elif is_asked and not found:
        click.echo("no account needs a person")


def _last_words(settings: Settings, last: Status | None) -> str:
    failed = last is not None and last.phase is Phase.FAILED
    why = f" ({last.message})" if last is not None and failed else ""
    return f"no cluster runs in {settings.home}{why}; start it with `tiger-mcp up`"


def _table(status: Status) -> str:
    now = datetime.now(UTC)
    rows = [("process", "pid", "state", "since", "restarts", "")]
    rows += [
        (
            process.name,
            str(process.pid or "-"),
            str(process.state),
            _age((now - process.since).total_seconds()),
            str(process.restarts),
            shown(_detail(process)),
        )
        for process in status.processes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _detail(process: ProcessStatus) -> str:
    if process.state is not ProcessState.NOT_ANSWERING:
        return process.detail
    return f"not answering since {process.since:%H:%M:%S} UTC: {process.detail}"


def _age(age_s: float) -> str:
    if age_s < _MINUTE_S:
        return f"{max(age_s, 0):.0f} s"
    if age_s < _HOUR_S:
        return f"{age_s / _MINUTE_S:.0f} min"
    return f"{age_s / _HOUR_S:.1f} h"
