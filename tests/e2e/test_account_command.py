"""`tiger-mcp account` on a running cluster: real sandbox, real SDK, a real MCP client beside it.

The sandbox is a stranger's: another process with a folder of its own, reached by its address.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result
from mcp import Client

from core.modes import Environment, Mode
from infra.cli.__main__ import main
from infra.home import AccountSettings, Home, Installation, LoginSettings
from infra.sandbox.logins.files import (
    PROPERTIES_FILE,
    login_folder,
)
from infra.supervisor.status import live_status
from tests.support.cluster import answer, cluster, fault, served
from tests.support.gateway import rows_of
from tests.support.sandbox import ROOT, Sandbox, running_sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAIT_S: Final = 20.0


class Stage(NamedTuple):
    """A running home with one paper account, and the sandbox that all accounts live on."""

    home: Path
    sandbox: Sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(
        tmp_path_factory.mktemp("stranger") / "sandbox",
        *("--login", "desk=main:prime,paper:paper", "--login", "second=second:paper"),
        *("--login", "third=third:paper"),
    ) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    home = tmp_path_factory.mktemp("accounts") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        added = await add(home, sandbox, "paper", "desk", "--yes", number=sandbox.account("paper"))
        assert added.exit_code == 0, added.output
        assert "paper: added, sandbox, paper account" in added.output
        assert "no cluster runs" in added.output
        async with cluster(home):
            async with served(home) as client:
                await active(client, "paper")
            yield Stage(home, sandbox)


async def run(home: Path, *words: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["--home", str(home), *words])


async def add(
    home: Path, sandbox: Sandbox, alias: str, login: str, *more: str, number: str = ""
) -> Result:
    file = login_folder(sandbox.home, login) / PROPERTIES_FILE
    chosen = ("--account", number) if number else ()
    words = ("--props", str(file), "--server-url", sandbox.url, *chosen, *more)
    return await run(home, "account", "add", alias, *words)


async def active(client: Client, account: str) -> None:
    async with asyncio.timeout(WAIT_S):
        told: dict[str, Any] = {}
        while told.get("state") != "active":
            told = await answer(client, "get_account", account=account)


async def placed(client: Client, account: str, **more: Any) -> dict[str, Any]:
    terms = {
        "account": account,
        "symbol": "AAPL",
        "side": "buy",
        "order_type": "market",
        "quantity": "1",
        "reason": "a test",
    }
    preview = await answer(client, "preview_order", **(terms | more))
    chosen = {"account": account, "preview_id": preview["preview_id"]}
    return await answer(client, "submit_order", **chosen)


async def all_filled(client: Client, account: str) -> None:
    async with asyncio.timeout(WAIT_S):
        phases = {"accepted"}
        while phases != {"filled"}:
            told = await answer(client, "get_orders", account=account)
            phases = {row["phase"] for row in rows_of(told["orders"])}


def aliases(told: dict[str, Any]) -> list[str]:
    return sorted(row["account"] for row in rows_of(told["accounts"]))


def pid_of(home: Path, process: str) -> int | None:
    status = live_status(Home(home))
    assert status is not None
    return next((each.pid for each in status.processes if each.name == process), None)


def orders_of(stage: Stage, alias: str, login: str) -> int:
    return len(stage.sandbox.control.book(stage.sandbox.account(alias, login=login)).orders)


async def test_a_paper_account_that_was_added_is_traded_on(stage: Stage) -> None:
    async with served(stage.home) as client:
        assert aliases(await answer(client, "list_accounts")) == ["paper"]
        assert (await placed(client, "paper"))["status"] == "accepted"
        assert orders_of(stage, "paper", "desk") == 1


async def test_a_second_login_comes_and_goes_beside_the_first(stage: Stage) -> None:
    async with served(stage.home) as client:
        first = pid_of(stage.home, "worker-paper")
        added = await add(stage.home, stage.sandbox, "second", "second", "--mode", "auto")
        assert added.exit_code == 0, added.output
        assert "worker-second is ready" in added.output
        # The client that was there before sees it, and both are traded on.
        await active(client, "second")
        assert (await placed(client, "second"))["status"] == "accepted"
        before = orders_of(stage, "paper", "desk")
        assert (await placed(client, "paper"))["status"] == "accepted"
        assert orders_of(stage, "second", "second") == 1
        assert orders_of(stage, "paper", "desk") == before + 1
        assert pid_of(stage.home, "worker-paper") == first

        await all_filled(client, "second")
        await placed(client, "second", order_type="limit", limit_price="1.00")
        file = Home(stage.home).installation_file
        saved = file.read_bytes()
        refused = await run(stage.home, "account", "remove", "second")
        assert refused.exit_code == 1
        assert "1 orders are open or in doubt" in refused.output
        assert "buy 1 AAPL" in refused.output
        assert file.read_bytes() == saved

        forced = await run(stage.home, "account", "remove", "second", "--force")
        assert forced.exit_code == 0, forced.output
        assert "left at the broker" in forced.output
        assert aliases(await answer(client, "list_accounts")) == ["paper"]
        assert "unknown_account" in await fault(client, "get_orders", account="second")
        assert pid_of(stage.home, "worker-second") is None
        assert pid_of(stage.home, "worker-paper") == first
        assert (await placed(client, "paper"))["status"] == "accepted"

        # Its line of events goes on where it ended, with the order that was left.
        back = await add(stage.home, stage.sandbox, "second", "second", "--yes")
        assert back.exit_code == 0, back.output
        assert "comes back in read_only" in back.output
        await active(client, "second")
        left = rows_of((await answer(client, "get_orders", account="second"))["orders"])
        assert sorted(row["phase"] for row in left) == ["filled", "working"]
        gone = await run(stage.home, "account", "remove", "second", "--force")
        assert gone.exit_code == 0, gone.output


async def test_a_second_account_of_a_login_shares_its_worker(stage: Stage) -> None:
    async with served(stage.home) as client:
        number = stage.sandbox.account("main")
        # One name per login: the lease is kept by it.
        second = ("prime", "desk", "--login", "other")
        refused = await add(stage.home, stage.sandbox, *second, number=number)
        assert refused.exit_code == 1
        assert "this tiger_id is in use by login paper" in refused.output
        added = await add(stage.home, stage.sandbox, "prime", "desk", number=number)
        assert added.exit_code == 0, added.output
        assert "prime account" in added.output
        assert "login paper, mode read_only" in added.output
        assert number not in added.output
        await active(client, "prime")
        assert pid_of(stage.home, "worker-prime") is None
        said = await fault(client, "cancel_orders", account="prime", all_open=True)
        assert said.startswith("account_read_only")

        # Both ways, and the worker has the last word each time.
        raised = await run(stage.home, "account", "mode", "prime", "auto")
        assert raised.exit_code == 0, raised.output
        assert (await placed(client, "prime"))["status"] == "accepted"
        lowered = await run(stage.home, "account", "mode", "prime", "read_only")
        assert lowered.exit_code == 0, lowered.output
        rows = rows_of((await answer(client, "list_accounts"))["accounts"])
        assert {row["account"]: row["mode"] for row in rows} == {
            "paper": "auto",
            "prime": "read_only",
        }
        assert (await placed(client, "paper"))["status"] == "accepted"


REFUSALS: Final = {
    "alias in use": (("paper", "third"), "ALIAS: paper is in use"),
    "number in use": (("again", "desk"), "is here already, as"),
    "another login's name": (("again", "third", "--login", "paper"), "login paper exists"),
    "a number of another login": (("again", "third", "--account", "99991234"), "--account: …1234"),
    "a record's name": (("again", "second"), "add it as second"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_what_does_not_fit_changes_nothing(stage: Stage, case: str) -> None:
    (alias, login, *more), expected = REFUSALS[case]
    saved = Home(stage.home).installation_file.read_bytes()
    told = await add(stage.home, stage.sandbox, alias, login, *more)
    assert told.exit_code == 1
    assert expected in told.output
    assert Home(stage.home).installation_file.read_bytes() == saved


async def test_without_a_terminal_a_paper_account_starts_in_read_only(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    told = await add(tmp_path / "home", sandbox, "third", "third")
    assert told.exit_code == 0, told.output
    assert "nobody can be asked here" in told.output
    assert "mode read_only" in told.output
    listed = await run(tmp_path / "home", "account", "list")
    assert listed.output == "third  login third  sandbox  read_only\n"
    # Without a cluster no worker can say yes, but a no needs none.
    raised = await run(tmp_path / "home", "account", "mode", "third", "auto")
    assert raised.exit_code == 1
    assert (
        "third  login third  sandbox  read_only"
        in (await run(tmp_path / "home", "account", "list")).output
    )
    kept = await run(tmp_path / "home", "account", "remove", "third")
    assert kept.exit_code == 1
    assert "is not known" in kept.output
    gone = await run(tmp_path / "home", "account", "remove", "third", "--force")
    assert gone.exit_code == 0, gone.output
    assert (await run(tmp_path / "home", "account", "list")).output == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
@pytest.mark.parametrize("answered, mode", [("y", "auto"), ("n", "read_only"), ("", "read_only")])
async def test_a_person_is_asked_once_whether_a_paper_account_may_trade(
    sandbox: Sandbox, tmp_path: Path, answered: str, mode: str
) -> None:
    file = login_folder(sandbox.home, "third") / PROPERTIES_FILE
    terminal, end = os.openpty()
    os.write(terminal, f"{answered}\n".encode())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "infra.cli", "--home", str(tmp_path / "home")),
        *("account", "add", "third", "--props", str(file), "--server-url", sandbox.url),
        stdin=end,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    os.close(end)
    said = (await asyncio.wait_for(process.communicate(), WAIT_S))[0].decode()
    os.close(terminal)
    assert process.returncode == 0, said
    assert said.count("May a model trade") == 1
    assert f"mode {mode}" in said
    assert sandbox.account("third", login="third") not in said


async def test_refusals_before_the_broker_is_asked(sandbox: Sandbox, tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = sandbox.control.request_count("accounts")
    file = login_folder(sandbox.home, "third") / PROPERTIES_FILE
    copy = tmp_path / "copy.properties"
    copy.write_bytes(file.read_bytes())
    copy.chmod(0o644)
    words = ("account", "add", "one", "--props")
    for more, expected in (
        ((str(copy), "--server-url", sandbox.url), f"chmod 600 {copy}"),
        ((str(tmp_path / "none"), "--server-url", sandbox.url), "was none"),
        ((str(file),), "--server-url: "),
        ((str(file), "--server-url", "http://192.0.2.1:1/gateway"), "on this machine"),
        ((str(file), "--push-port", "1"), "give --server-url"),
    ):
        told = await run(home, *words, *more)
        assert told.exit_code == 1, told.output
        assert expected in told.output
    assert sandbox.control.request_count("accounts") == before
    assert not Home(home).installation_file.exists()


async def test_a_live_account_in_the_list_cannot_be_set_to_auto(tmp_path: Path) -> None:
    live = AccountSettings(
        alias="live", number="51230000", environment=Environment.LIVE, mode=Mode.READ_ONLY
    )
    login = LoginSettings(name="live", properties="/nowhere.properties", accounts=(live,))
    home = Home(tmp_path)
    home.save(Installation(ledger_id="tm1", logins=(login,)))
    told = await run(tmp_path, "account", "mode", "live", "auto")
    assert told.exit_code == 1
    assert "once limits and approvals exist" in told.output
    assert home.load().logins == (login,)
