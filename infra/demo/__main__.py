"""`python -m infra.demo`: everything started in a temporary home, driven, compared, taken down."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

import msgspec
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from rich.console import Console
from rich.table import Table

from core.errors import ServiceError
from core.subjects import Kind
from infra.config import Settings, load_settings
from infra.demo.compare import Comparison, compare
from infra.demo.facts import FactTail
from infra.demo.ledgers import linked, states_of
from infra.demo.story import Story, StoryError
from infra.home import Home, Installation
from infra.nats.bus import NatsBus
from infra.nats.topology import OPERATOR
from infra.sandbox.control.client import SandboxControl
from infra.sandbox.control.views import BookView
from infra.sandbox.logins.files import (
    read_ports,
)
from infra.supervisor import detached
from infra.supervisor.status import Status, read_status, supervisor_pid

SETTLE_WAIT_S: Final = 10.0
_LOOK_S: Final = 0.1
_TAILED: Final = "[dim]facts from the ledger, as any subscriber hears them, stand beside it[/]"


def main() -> None:
    """Play the demonstration; exit code 0 only if broker and ledger agree and nothing runs on."""
    parser = argparse.ArgumentParser(prog="tiger-mcp demo", description=__doc__)
    parser.add_argument(
        "--plant-difference",
        action="store_true",
        help="falsify one figure of the broker's book, to see the comparison notice",
    )
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    begun = time.monotonic()
    is_good = False
    with tempfile.TemporaryDirectory(prefix="tiger-mcp-demo-") as folder:
        settings = load_settings(home=Path(folder) / "home")
        try:
            is_good = asyncio.run(_whole(settings, console, plant=arguments.plant_difference))
        except (asyncio.CancelledError, KeyboardInterrupt):
            console.print("\n[bold red]interrupted[/]")
    console.print(f"\n[dim]{time.monotonic() - begun:.1f} s in all[/]")
    sys.exit(0 if is_good else 1)


async def _whole(settings: Settings, console: Console, *, plant: bool) -> bool:
    _cancel_when_interrupted()
    console.print("[bold]tiger-mcp: the way of an order[/]\n")
    agrees, left = False, list[int]()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="starting") as pool:
        # An interrupt ends the waiting for it, and never comes amid its start of a process.
        starting = pool.submit(detached.ensure_up, settings, on_step=_step_of(console))
        try:
            await asyncio.wrap_future(starting)
            agrees = await _play(settings, console, plant=plant)
        except (StoryError, ServiceError, TimeoutError) as error:
            console.print(f"[bold red]the demonstration failed:[/] {error!r}")
        finally:
            left = _take_down(settings, console, starting)
    return agrees and not left


# Once: whoever is impatient leaves nothing half taken down.
def _cancel_when_interrupted() -> None:
    task = asyncio.current_task()
    assert task is not None, "it runs as a task"
    if sys.platform == "win32":
        return  # There the loop takes no signals; Ctrl-C cancels the task all the same.
    heard: list[int] = []

    def cancel(number: int) -> None:
        if not heard:
            task.cancel()
        heard.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, cancel, number)


async def _play(settings: Settings, console: Console, *, plant: bool) -> bool:
    home = Home(settings.home)
    installation = home.load()
    console.print(f"  the cluster runs on a sandbox broker of its own\n{_TAILED}")
    async with linked(settings, OPERATOR) as operator:
        tail = FactTail(console)
        bus = NatsBus(operator)
        for alias in _aliases(installation):
            await bus.listen(f"{Kind.EVENT}.{alias}.>", tail.hear)
        server = StdioServerParameters(
            command=sys.executable,
            args=["-P", "-m", "infra.cli", "--home", str(settings.home), "serve"],
        )
        with contextlib.ExitStack() as files:
            log = files.enter_context(
                await asyncio.to_thread((home.logs / "gateway.log").open, "w")
            )
            async with Client(stdio_client(server, errlog=log)) as client:
                await Story(client, tail, console).tell()
    return await _agree(settings, installation, console, plant=plant)


async def _agree(
    settings: Settings, installation: Installation, console: Console, *, plant: bool
) -> bool:
    console.print("\n[bold cyan]6. The broker's book against the ledger, field by field[/]")
    ports = read_ports(Home(settings.home).sandbox)
    assert ports is not None, "the sandbox said where it listens"
    control = SandboxControl(ports.control)
    found = await _settled(settings, installation, control, plant=plant)
    table = Table("account", "orders", "fills", "positions", "fields", "differences", box=None)
    for alias, result in found.items():
        figures = (result.orders, result.fills, result.positions, result.fields)
        colour = "red" if result.differences else "green"
        table.add_row(
            alias, *(str(figure) for figure in figures), f"[{colour}]{len(result.differences)}[/]"
        )
    console.print(table)
    for alias, result in found.items():
        for what, field, broker, ledger in result.differences:
            console.print(
                f"  [red]{alias} {what}: {field} is {broker} at the broker, {ledger} here[/]"
            )
    return not any(result.differences for result in found.values())


async def _settled(
    settings: Settings, installation: Installation, control: SandboxControl, *, plant: bool
) -> dict[str, Comparison]:
    # Cash and positions reach the ledger with the next reading; what differs after is a difference.
    give_up_at = time.monotonic() + (0.0 if plant else SETTLE_WAIT_S)
    while True:
        states = await states_of(settings, installation)
        found = {
            account.alias: compare(
                _falsified(control.book(account.number), plant=plant), states[account.alias]
            )
            for login in installation.logins
            for account in login.accounts
        }
        if time.monotonic() > give_up_at or not any(c.differences for c in found.values()):
            return found
        await asyncio.sleep(_LOOK_S)


def _falsified(book: BookView, *, plant: bool) -> BookView:
    if not plant or not book.orders:
        return book
    first = msgspec.structs.replace(book.orders[0], quantity=book.orders[0].quantity + 1)
    return msgspec.structs.replace(book, orders=(first, *book.orders[1:]))


def _aliases(installation: Installation) -> list[str]:
    return [account.alias for login in installation.logins for account in login.accounts]


def _step_of(console: Console) -> Callable[[str], None]:
    return lambda step: console.print(f"  [dim]{step} …[/]")


def _take_down(settings: Settings, console: Console, starting: Future[Status]) -> list[int]:
    console.print("\n[bold cyan]7. Everything is taken down[/]")
    pids = _pids(settings)
    # A supervisor that was just started can be told to stop once it holds the home.
    while not starting.done():
        if supervisor_pid(Home(settings.home)) is not None:
            pids |= _pids(settings)
            # The steps are heard by who waits for the start.
            detached.stop(settings)
        wait((starting,), timeout=_LOOK_S)
    pids |= _pids(settings)
    detached.stop(settings, on_step=_step_of(console))
    left = sorted(pid for pid in pids if _is_alive(pid))
    for pid in left:
        console.print(f"  [red]process {pid} still runs[/]")
    if not left:
        console.print(f"  [green]{len(pids)} processes ended, none is left[/]")
    return left


def _pids(settings: Settings) -> set[int]:
    status = read_status(Home(settings.home))
    if status is None:
        return set()
    return {status.pid, *(each.pid for each in status.processes if each.pid)}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
