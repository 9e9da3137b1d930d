"""The Inspector's command line, a client on another SDK than ours: every tool, in both eras."""

import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.conformance.node_tools import NodeTools, Ran
from tests.conformance.services import Service
from tests.support.cluster import ACCOUNT

ERAS: Final = ("legacy", "modern")
# As many as there are processors on a small machine: each call is a process of its own.
AT_ONCE: Final = 2
OF_ACCOUNT: Final = {"account": ACCOUNT}
READS: Final[Mapping[str, Mapping[str, Any]]] = {
    "list_accounts": {},
    "get_account": OF_ACCOUNT,
    "get_positions": OF_ACCOUNT,
    "get_balances": OF_ACCOUNT,
    "get_quotes": {"symbols": ["AAPL", "00700"]},
    "get_bars": {"symbol": "AAPL", "limit": 3},
    "get_market_depth": {"symbol": "AAPL"},
    "get_option_chain": {"symbol": "AAPL"},
    "find_contracts": {"query": "apple"},
    "get_market_status": {"market": "US"},
    "get_fundamentals": {"what": "overview", "symbols": ["AAPL"]},
    "scan_market": {"view": "fields"},
    "get_executions": OF_ACCOUNT,
}
# Far from every price, so that it stays open to be changed.
TERMS: Final = {
    "symbol": "AAPL",
    "side": "buy",
    "order_type": "limit",
    "limit_price": "1.00",
    "quantity": "2",
    "time_in_force": "gtc",
    "reason": "shown to the Inspector",
}


class Inspector(NamedTuple):
    """The program, on one config file of a client."""

    tools: NodeTools
    config: Path

    def list_tools(self, server: str, era: str) -> Ran:
        """List the tools, and look at each schema as strictly as it can."""
        return self.tools.inspect(
            self.config, server, era, "--method", "tools/list", "--strict", "-q"
        )

    def call(self, era: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a tool, which must succeed; returns its structured answer."""
        told = json.dumps(dict(arguments))
        chosen = ("--method", "tools/call", "--tool-name", tool, "--tool-args-json", told)
        ran = self.tools.inspect(self.config, "http", era, *chosen, "-q")
        assert ran.code == 0, (tool, ran)
        result: dict[str, Any] = json.loads(ran.out)["result"]
        answer: dict[str, Any] = result["structuredContent"]
        assert json.loads(result["content"][0]["text"]) == answer, tool
        return answer


@pytest.fixture(scope="module")
def inspector(
    tools: NodeTools, home: Path, shipped: Service, tmp_path_factory: pytest.TempPathFactory
) -> Inspector:
    """Write the file by which a client knows both ways to the server."""
    config = tmp_path_factory.mktemp("inspector") / "mcp.json"
    stdio = ["-P", "-m", "infra.cli", "--home", str(home), "serve"]
    servers = {
        "stdio": {"command": sys.executable, "args": stdio},
        "http": {
            "type": "streamable-http",
            "url": shipped.url,
            "headers": {"Authorization": f"Bearer {shipped.token}"},
        },
    }
    config.write_text(json.dumps({"mcpServers": servers}))
    return Inspector(tools, config)


def names(ran: Ran) -> list[str]:
    """Return the names in a list of tools."""
    return [tool["name"] for tool in json.loads(ran.out)["result"]["tools"]]


def test_no_schema_is_one_that_another_client_cannot_read(inspector: Inspector) -> None:
    lists = [inspector.list_tools(server, era) for server in ("stdio", "http") for era in ERAS]
    for ran in lists:
        # With --strict and -q only what is wrong with a schema is told on stderr.
        assert (ran.code, ran.err) == (0, "")
        assert names(ran) == names(lists[0])


@pytest.mark.parametrize("era", ERAS)
def test_every_tool_is_called_and_answers(inspector: Inspector, era: str) -> None:
    called = set(READS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in [
            pool.submit(inspector.call, era, tool, arguments) for tool, arguments in READS.items()
        ]:
            future.result()

    def act(tool: str, **arguments: Any) -> dict[str, Any]:
        called.add(tool)
        return inspector.call(era, tool, OF_ACCOUNT | arguments)

    preview = act("preview_order", **TERMS)
    submitted = act("submit_order", preview_id=preview["preview_id"])
    assert submitted["status"] == "accepted", submitted
    order = submitted["order_id"]
    act("get_orders", order_ids=[order])
    act("modify_order", order_id=order, quantity="1", reason="less of it")
    act("cancel_orders", order_ids=[order])
    act("explain_order", order_id=order)
    act("halt_trading", symbol="MSFT", reason="shown to the Inspector")
    assert called == set(names(inspector.list_tools("http", era)))


def test_a_refusal_is_an_answer_that_its_client_shows(inspector: Inspector) -> None:
    told = ("--method", "tools/call", "--tool-name", "get_account")
    options = (*told, "--tool-args-json", json.dumps({"account": "nobody1"}))
    ran = inspector.tools.inspect(inspector.config, "http", "modern", *options, "-q")
    assert ran.code != 0
    assert "unknown_account: " in ran.out
