"""The sandbox as a tool: started and controlled from the command line, used by the real SDK."""

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order

from infra.sandbox.__main__ import main
from tests.support.sandbox import ROOT, Sandbox, running_sandbox

LIMIT_S = 60
OURS = [sys.executable, "-P", "-m", "infra.cli"]
ALONE = [sys.executable, "-P", "-m", "infra.sandbox"]
AAPL = stock_contract("AAPL", "USD")


def run(*command: str, home: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if home is not None:
        environment |= {"HOME": str(home), "TIGER_MCP_HOME": str(home / "tiger")}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        cwd=ROOT,
        env=environment,
    )


def asked(sandbox: Sandbox, *words: str) -> Any:
    """Do what `python -m infra.sandbox` does with words, and return what it answers.

    A process for each would take a second; that both commands hand their words on has a test.
    """
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert main(["--home", str(sandbox.home), *words]) == 0
    return json.loads(told.getvalue())


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(folder, "--clock", "virtual:2026-03-02T15:00:00Z") as started:
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


@pytest.mark.parametrize("command", [[*OURS, "sandbox"], ALONE], ids=["tiger-mcp", "alone"])
def test_both_commands_hand_their_words_on(sandbox: Sandbox, command: list[str]) -> None:
    words = "fault add http_status status=502 --method no_such --account paper --count 3"
    home = ("--home", str(sandbox.home))
    done = run(*command, *words.split(), *home)
    assert done.returncode == 0, done.stderr
    (listed,) = asked(sandbox, "fault", "list")
    assert listed["fault_id"] == json.loads(done.stdout)["fault_id"]
    assert (listed["rule"]["account"], listed["rule"]["count"]) == (sandbox.account("paper"), 3)
    asked(sandbox, "fault", "clear")
    refused = run(*command, "fault", "clear", "4711", *home)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("sandbox: ")


def test_fault_is_added_listed_met_and_cleared(sandbox: Sandbox, client: Any) -> None:
    words = "fault add error_code code=1 message=out --method accounts --count 2"
    fault_id = asked(sandbox, *words.split())["fault_id"]
    with pytest.raises(ApiException, match="out"):
        client.get_managed_accounts()
    (listed,) = asked(sandbox, "fault", "list")
    assert (listed["fault_id"], listed["met_count"]) == (fault_id, 1)
    assert asked(sandbox, "fault", "clear", str(fault_id)) == []
    assert client.get_managed_accounts()


def test_fault_meets_an_account_by_its_alias_until_all_are_cleared(
    sandbox: Sandbox, client: Any
) -> None:
    words = "fault add reject_now remark=storm --account paper --count all --probability 1"
    asked(sandbox, *words.split())
    for _ in range(2):
        with pytest.raises(ApiException, match="storm"):
            client.place_order(limit_order(sandbox.account("paper"), AAPL, "BUY", 1, 100.0))
    asked(sandbox, "fault", "clear")
    assert client.place_order(limit_order(sandbox.account("paper"), AAPL, "BUY", 1, 100.0))


def test_every_fault_is_told_with_its_parameters(sandbox: Sandbox) -> None:
    told = asked(sandbox, "fault", "types")
    assert told["delay_before"]["parameters"] == ["delay_s"]
    assert told["http_status"]["parameters"] == ["status", "accepted = False"]
    assert all(each["what"] for each in told.values())


def test_price_book_journal_and_settings(sandbox: Sandbox, client: Any) -> None:
    order = limit_order(sandbox.account(), AAPL, "BUY", 3, 150.0)
    client.place_order(order)
    assert asked(sandbox, "price", "AAPL", "149.50")["last"] == "149.50"
    book = asked(sandbox, "book", "main")
    assert book["account"] == sandbox.account()
    filled = next(each for each in book["orders"] if each["global_id"] == order.id)
    assert (filled["status"], filled["filled_quantity"]) == ("Filled", "3")
    entries = asked(sandbox, "journal", "--method", "place_order")
    assert entries[-1]["method"] == "place_order"
    assert asked(sandbox, "journal", "--since", str(entries[-1]["number"])) == []
    changed = asked(sandbox, "settings", "defer_cancels=true", "fill_quantity_max=7")
    assert (changed["defer_cancels"], changed["fill_quantity_max"]) == (True, "7")
    changed = asked(sandbox, "settings", "defer_cancels=false", "fill_quantity_max=null")
    assert changed == asked(sandbox, "settings")


def test_external_acts(sandbox: Sandbox, client: Any) -> None:
    words = "external-order main BUY MSFT 4 --limit 300"
    order = asked(sandbox, *words.split())
    number = str(order["global_id"])
    asked(sandbox, "external-modify", "main", number, "--quantity", "6")
    asked(sandbox, "external-fill", "main", number, "--quantity", "2")
    asked(sandbox, "external-cancel", "main", number)
    shown = client.get_order(account=sandbox.account(), id=order["global_id"])
    assert (shown.quantity, shown.filled, shown.status.name) == (6, 2, "CANCELLED")
    before = asked(sandbox, "book", "main")["cash"]["HKD"]
    after = asked(sandbox, "external-cash", "main", "HKD", "100")["cash"]["HKD"]
    assert float(after) - float(before) == 100
    moved = asked(sandbox, "external-position", "main", "NVDA", "9", "170")
    assert moved["positions"]["NVDA"]["quantity"] == "9"


def test_clock_is_told_and_moved(sandbox: Sandbox) -> None:
    before = asked(sandbox, "clock")
    assert before["is_virtual"]
    after = asked(sandbox, "clock", "--advance-ms", "1500")
    assert after["now"] > before["now"]
    asked(sandbox, "advance", "2")
    assert asked(sandbox, "release") == {"count": 0}


@pytest.mark.parametrize(
    "words",
    [
        "fault add no_such",
        "fault add drip",
        "fault add drip interval_s",
        "fault clear 4711",
        "price NOSUCH 1",
        "book 1",
        "settings no_such=1",
        "settings fill_quantity_max=-1",
        "clock --set 2001-01-01T00:00:00+00:00",
    ],
)
def test_refusal_is_one_line_on_stderr(
    sandbox: Sandbox, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--home", str(sandbox.home)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("sandbox: ")
    assert told.err.count("\n") == 1


def test_command_without_a_sandbox_says_so(tmp_path: Path) -> None:
    done = run(*ALONE, "fault", "list", "--home", str(tmp_path))
    assert done.returncode == 1
    assert "no sandbox runs on" in done.stderr


def test_command_after_the_sandbox_ended_says_so(tmp_path: Path) -> None:
    with running_sandbox(tmp_path):
        pass
    done = run(*ALONE, "--home", str(tmp_path), "settings")
    assert done.returncode == 1
    assert "no sandbox runs on" in done.stderr


def test_taken_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(*ALONE, "--home", str(tmp_path), "--http", str(port))
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert "--http" in done.stderr
    assert "Traceback" not in done.stderr


def test_home_in_use_is_named(sandbox: Sandbox) -> None:
    done = run(*ALONE, "--home", str(sandbox.home))
    assert done.returncode == 1
    assert str(sandbox.home) in done.stderr
    assert "--home" in done.stderr


@pytest.mark.parametrize("clock", ["virtual:tomorrow", "virtual:2026-03-02T15:00:00", "slow"])
def test_clock_that_makes_no_sense_is_refused(tmp_path: Path, clock: str) -> None:
    done = run(*ALONE, "--home", str(tmp_path), "--clock", clock)
    assert done.returncode == 2
    assert "--clock" in done.stderr


@pytest.mark.parametrize("option", [(), ("--unsigned",)], ids=["signed", "unsigned"])
def test_started_without_a_home_it_makes_one_and_its_snippet_works(
    tmp_path: Path, option: tuple[str, ...]
) -> None:
    process = subprocess.Popen(
        [*OURS, "sandbox", *option],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "TIGER_MCP_HOME": str(tmp_path / "tiger"),
        },
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["ready"]
        home = tmp_path / "tiger" / "sandbox"
        assert (home / "logins/desk/tiger_openapi_config.properties").is_file()
    finally:
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=LIMIT_S)[1]
    assert process.returncode == 0
    assert str(home / "logins/desk") in told
    snippet = "\n".join(re.findall(r"^  ( *(?:from|config|client|enable|props).*)$", told, re.M))
    with running_sandbox(home, *option, "--http", str(ready["http"])):
        use = "assert len(client.get_managed_accounts()) == 2"
        done = run(sys.executable, "-c", f"{snippet}\n{use}", home=tmp_path)
        assert done.returncode == 0, done.stderr


def test_push_side_is_looked_at_and_disturbed(sandbox: Sandbox) -> None:
    words = "push fault add duplicate copies=2 --kind OrderStatus --account main --count all"
    fault_id = asked(sandbox, *words.split())["fault_id"]
    (listed,) = asked(sandbox, "push", "fault", "list")
    assert listed["fault_id"] == fault_id
    assert listed["rule"]["effect"] == {"type": "duplicate", "copies": 2}
    assert (listed["rule"]["account"], listed["rule"]["count"]) == (sandbox.account(), None)
    assert asked(sandbox, "push", "fault", "clear") == []
    assert asked(sandbox, "push", "connections") == []
    for word in ("kick", "cut", "pause", "resume", "release"):
        assert asked(sandbox, "push", word) == {"count": 0}
    asked(sandbox, "push", "journal")


def test_next_start_listens_where_the_last_one_did(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        first = sandbox.ports
        sandbox.stop()
        sandbox.start()
        assert sandbox.ports.all == first.all
        sandbox.stop()
        with socket.create_server(("127.0.0.1", first.http)):
            sandbox.start()
        assert sandbox.ports.http != first.http
        assert sandbox.ports.all[1:] == first.all[1:]


def test_port_of_the_last_start_that_is_taken_is_named(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        first = sandbox.ports
    with socket.create_server(("127.0.0.1", first.push)):
        process = subprocess.Popen(
            [*ALONE, "--home", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=LIMIT_S)[1]
    assert (ready["http"], ready["push"] == first.push) == (first.http, False)
    assert f"port {first.push} of the last start" in told


@pytest.mark.parametrize("body", ["{", '{"ready":true,"http":70000,"control":-1,"pid":1}'])
def test_damaged_file_of_ports_keeps_no_sandbox_from_its_start(tmp_path: Path, body: str) -> None:
    (tmp_path / "sandbox.json").write_text(body)
    with running_sandbox(tmp_path) as sandbox:
        assert sandbox.ports.ready
