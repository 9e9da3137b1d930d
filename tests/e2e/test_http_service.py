"""`tiger-mcp serve --http` as a desk runs it: a process, tokens of the command line, real NATS."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import msgspec
import pytest
import pytest_asyncio
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from adapters.mcp.access import AccessBatch, AccessRecord
from infra.access import link_settings
from infra.cli.__main__ import main
from infra.nats.link import connect
from infra.nats.topology import ACCESS_STREAM, PROVISIONER
from tests.support.cluster import (
    ACCOUNT,
    Era,
    answer,
    cluster,
    fault,
    sandbox_of,
    served,
    settings_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMIT_S = 30.0
# Half of the time that open requests have at a stop.
GRACE_S = 7.5
TERMS: dict[str, Any] = {
    "account": ACCOUNT,
    "symbol": "AAPL",
    "side": "buy",
    "order_type": "market",
    "quantity": "1",
    "reason": "a test",
}


class Service(NamedTuple):
    """A running `serve --http`, and all that it wrote to its log so far."""

    home: Path
    base: str
    settings: Mapping[str, str]
    log: list[str]
    process: asyncio.subprocess.Process

    def run(self, *arguments: str) -> str:
        """Run the command line as the person of this home."""
        told = ["--home", str(self.home), *arguments]
        result = CliRunner().invoke(main, told, env=dict(self.settings))
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    def token(self, principal: str, *grants: str) -> str:
        """Return a new token."""
        told = [word for grant in grants for word in ("--grant", grant)]
        return self.run("token", "issue", principal, *told)

    @contextlib.asynccontextmanager
    async def client(self, token: str, mode: Era = "auto") -> AsyncIterator[Client]:
        """Connect with a token."""
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=LIMIT_S) as http:
            transport = streamable_http_client(f"{self.base}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client


@contextlib.asynccontextmanager
async def service(home: Path, **changes: str) -> AsyncIterator[Service]:
    """Run `serve --http` on a home, on a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"TIGER_MCP_HTTP_PORT": str(port)} | changes
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "infra.cli", "--home", str(home), "serve", "--http"),
        env=os.environ | settings,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    log: list[str] = []
    is_up = asyncio.Event()
    reading = asyncio.create_task(_read(process, log, is_up))
    scheme = "https" if "TIGER_MCP_HTTP_TLS_KEY" in changes else "http"
    try:
        async with asyncio.timeout(2 * LIMIT_S):
            await is_up.wait()
        assert process.returncode is None, log
        yield Service(home, f"{scheme}://127.0.0.1:{port}", settings, log, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(LIMIT_S):
            await process.wait()
            await reading


async def _read(process: asyncio.subprocess.Process, log: list[str], is_up: asyncio.Event) -> None:
    assert process.stderr is not None
    async for line in process.stderr:
        log.append(line.decode())
        if "Uvicorn running" in log[-1]:
            is_up.set()
    is_up.set()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    folder = tmp_path_factory.mktemp("http") / "home"
    async with cluster(folder):
        async with served(folder) as client:
            await answer(client, "list_accounts")
        yield folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(home: Path) -> AsyncIterator[Service]:
    async with service(home) as found:
        yield found


async def stored(home: Path) -> list[tuple[str, AccessRecord]]:
    """Return all access records that the stream has."""
    settings = link_settings(settings_of(home), role=PROVISIONER, name="test")
    client = await connect(settings, on_error=lambda _: None, on_closed=lambda: None)
    try:
        stream = client.jetstream()
        info = await stream.stream_info(ACCESS_STREAM)
        messages = [
            await stream.get_msg(ACCESS_STREAM, seq=number)
            for number in range(info.state.first_seq, info.state.last_seq + 1)
        ]
    finally:
        await client.close()
    return [
        (message.subject or "", record)
        for message in messages
        for record in msgspec.json.decode(message.data or b"", type=AccessBatch).records
    ]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_trader_trades_and_a_viewer_looks(running: Service, mode: Era) -> None:
    control = sandbox_of(running.home)
    trader, viewer = running.token("ann", f"{ACCOUNT}=trader"), running.token("bob", "*=viewer")
    async with running.client(trader, mode) as ann, running.client(viewer, mode) as bob:
        placed = control.request_count("place_order")
        preview = await answer(ann, "preview_order", **TERMS)
        chosen = {"account": ACCOUNT, "preview_id": preview["preview_id"]}
        said = await fault(bob, "submit_order", **chosen)
        assert said.startswith("forbidden: ")
        assert (await fault(bob, "preview_order", **TERMS)).startswith("forbidden: ")
        assert control.request_count("place_order") == placed
        submitted = await answer(ann, "submit_order", **chosen)
        assert submitted["status"] == "accepted"
        assert control.request_count("place_order") == placed + 1
        seen = await answer(bob, "get_orders", account=ACCOUNT, order_ids=[submitted["order_id"]])
        assert submitted["order_id"] in str(seen)


async def test_only_who_asked_for_a_preview_can_submit_it_whatever_restarts(
    running: Service,
) -> None:
    control = sandbox_of(running.home)
    ann, bob = (running.token(who, f"{ACCOUNT}=trader") for who in ("ann", "bob"))
    placed = control.request_count("place_order")
    async with running.client(ann) as client:
        chosen = {
            "account": ACCOUNT,
            "preview_id": (await answer(client, "preview_order", **TERMS))["preview_id"],
        }
    nobodys = chosen | {"preview_id": f"prv-{7:032x}"}
    async with running.client(bob) as other, served(running.home) as local:
        for client in (other, local):
            said = await answer(client, "submit_order", **chosen)
            assert (said["status"], said["code"]) == ("refused", "preview_unknown")
            unknown = await answer(client, "submit_order", **nobodys)
            assert said["detail"] == unknown["detail"]
    assert control.request_count("place_order") == placed
    # Another gateway, and tokens that were issued anew: the ledger knows whose the preview is.
    about = {"account": ACCOUNT, "order_id": chosen["preview_id"]}
    async with service(running.home) as later:
        for who, expected in (("bob", "preview_unknown"), ("ann", ""), ("bob", "preview_unknown")):
            async with later.client(later.token(who, f"{ACCOUNT}=trader")) as client:
                said = await answer(client, "submit_order", **chosen)
                assert said.get("code", "") == expected
                told = await answer(client, "explain_order", **about)
        assert told["sending"]["outcome"] == "accepted"
    assert control.request_count("place_order") == placed + 1


async def test_a_revoked_token_is_refused_by_the_running_service(running: Service) -> None:
    token = running.token("carl", f"{ACCOUNT}=viewer")
    async with running.client(token) as client:
        await answer(client, "list_accounts")
    (line,) = [each for each in running.run("token", "list").splitlines() if "carl" in each]
    running.run("token", "revoke", line.split()[0])
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(trust_env=False) as http:
        reply = await http.post(f"{running.base}/mcp", json={}, headers=headers)
    assert reply.status_code == 401
    assert "resource_metadata=" in reply.headers["WWW-Authenticate"]


async def test_every_call_of_both_transports_has_its_record_and_no_token_is_anywhere(
    running: Service,
) -> None:
    token = running.token("dora", f"{ACCOUNT}=trader")
    async with running.client(token) as dora, served(running.home) as local:
        await answer(dora, "get_positions", account=ACCOUNT)
        await fault(dora, "get_positions", account="nobody")
        await answer(dora, "list_accounts")
        await answer(local, "get_balances", account=ACCOUNT)
    wanted = {
        (f"access.{ACCOUNT}.get_positions", "dora", "ok"),
        ("access.system.get_positions", "dora", "unknown_account"),
        ("access.system.list_accounts", "dora", "ok"),
        (f"access.{ACCOUNT}.get_balances", "local", "ok"),
    }
    async with asyncio.timeout(LIMIT_S):
        kept: set[tuple[str, str, str]] = set()
        while not wanted <= kept:
            records = await stored(running.home)
            kept = {(where, each.principal, each.outcome) for where, each in records}
    files = [file for file in running.home.rglob("*") if file.is_file()]
    secret = token.split(".")[2].encode()
    assert [file for file in files if secret in file.read_bytes()] == []
    assert secret.decode() not in "".join(running.log)


async def test_told_to_stop_right_after_an_answer_stdio_still_stores_the_record(
    home: Path,
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "infra.cli", "--home", str(home), "serve"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    async def ask(method: str, **params: Any) -> dict[str, Any]:
        told = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        process.stdin.write(json.dumps(told).encode() + b"\n")  # type: ignore[union-attr]  # a pipe
        found: dict[str, Any] = json.loads(await process.stdout.readline())  # type: ignore[union-attr]  # likewise
        return found["result"]["structuredContent"] if method == "tools/call" else found

    async with asyncio.timeout(2 * LIMIT_S):
        about = {"name": "hasty", "version": "1"}
        await ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=about)
        preview = await ask("tools/call", name="preview_order", arguments=TERMS)
        chosen = {"account": ACCOUNT, "preview_id": preview["preview_id"]}
        await ask("tools/call", name="submit_order", arguments=chosen)
        process.terminate()
        assert await process.wait() == 0
    records = [record for _, record in await stored(home) if record.client == "hasty 1"]
    kept = [(each.tool, each.outcome) for each in records]
    assert kept == [("preview_order", "ok"), ("submit_order", "ok")]


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]], ids=str)
async def test_told_to_stop_while_somebody_listens_http_ends_at_once_and_stores_all_records(
    home: Path, signals: list[signal.Signals]
) -> None:
    async with service(home) as found:
        token = found.token(f"greta-{len(signals)}", f"{ACCOUNT}=viewer")
        async with (
            found.client(token) as greta,
            greta.listen(resource_subscriptions=["tiger://accounts"]) as notices,
        ):
            await answer(greta, "list_accounts")
            for each in signals:
                found.process.send_signal(each)
            async with asyncio.timeout(GRACE_S):
                await found.process.wait()
                async for _ in notices:
                    continue
    assert not [line for line in found.log if "Traceback" in line or "exception" in line.lower()]
    kept = [record.tool for _, record in await stored(home) if record.principal.startswith("greta")]
    assert "list_accounts" in kept


async def test_fifty_clients_at_once_are_all_answered(running: Service) -> None:
    token = running.token("erin", f"{ACCOUNT}=viewer")
    headers = {"Authorization": f"Bearer {token}"}
    async with contextlib.AsyncExitStack() as stack:
        limits = httpx2.Limits(max_connections=50)
        http = await stack.enter_async_context(
            httpx2.AsyncClient(headers=headers, trust_env=False, timeout=LIMIT_S, limits=limits)
        )

        # A principal has 32 places: what is over is told to come again, and nothing is lost.
        async def read() -> int:
            while True:
                reply = await http.post(f"{running.base}/mcp", json=_CALL, headers=_HEADERS)
                if reply.status_code != 429:
                    return reply.status_code

        assert await asyncio.gather(*(read() for _ in range(50))) == [200] * 50


_HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
_CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "get_positions", "arguments": {"account": ACCOUNT}},
}


async def test_only_the_newest_tls_is_spoken(home: Path, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    settings = {
        "TIGER_MCP_HTTP_TLS_CERTIFICATE": str(certificate),
        "TIGER_MCP_HTTP_TLS_KEY": str(key),
    }
    async with service(home, **settings) as found:
        new = ssl.create_default_context(cafile=certificate)
        async with httpx2.AsyncClient(verify=new, trust_env=False) as http:
            assert (await http.get(f"{found.base}/health")).status_code == 200
        old = ssl.create_default_context(cafile=certificate)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        async with httpx2.AsyncClient(verify=old, trust_env=False) as http:
            with pytest.raises(httpx2.ConnectError):
                await http.get(f"{found.base}/health")


async def test_a_start_that_would_show_tokens_to_others_says_why(home: Path) -> None:
    result = CliRunner().invoke(
        main, ["--home", str(home), "serve", "--http"], env={"TIGER_MCP_HTTP_HOST": "0.0.0.0"}
    )
    assert result.exit_code == 1
    assert "TLS certificate" in result.output


def self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tiger-mcp test")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    paths[1].chmod(0o600)
    return paths
