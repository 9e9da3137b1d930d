"""The server's life: start, one per home, reload with a new login, restart, provisioning."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
import nats.errors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from nats.aio.client import Client

from core.errors import ConfigError, LinkError
from infra.nats.admin import bring_up, change, install, load_topology
from infra.nats.config_text import Listener, ServerTls
from infra.nats.home_lock import HomeLock
from infra.nats.link import LinkTls, LoopThread, connect
from infra.nats.monitor import is_healthy, wait_until
from infra.nats.provision import check_server, provision
from infra.nats.self_test import try_roles
from infra.nats.server import read_pid, reload_server, start_server
from infra.nats.streams import StoreLimits
from infra.nats.topology import PROVISIONER, LoginPlan, SubscriberPlan, Topology, role_names
from tests.support.nats_server import (
    TWO_LOGINS,
    RunningHome,
    new_deployment,
    plain_server,
    running_home,
    this_process,
)

LIMIT_S = 30.0
PROCESS_LIMIT_S = 30.0
THREE_LOGINS = Topology(
    logins=(
        LoginPlan(name="x", accounts=("a1", "a2", "a3")),
        LoginPlan(name="y", accounts=("b1",)),
        LoginPlan(name="z", accounts=("c1",)),
    ),
    gateway_accounts=("a1", "b1", "c1"),
    subscribers=(SubscriberPlan(name="s2", accounts=("a1",)),),
)

SUPERVISOR = """
import asyncio, os, sys
from pathlib import Path
from infra.nats.admin import bring_up
from infra.nats.home_lock import HomeLock, LockOwner
from tests.support.nats_server import TWO_LOGINS, new_deployment
deployment = new_deployment(Path(sys.argv[1]))
owner = LockOwner(pid=os.getpid(), purpose="supervisor")
lock = HomeLock.try_acquire(deployment.home.lock_path, owner=owner)
server = asyncio.run(bring_up(deployment, TWO_LOGINS, lock))
print(server.pid, flush=True)
sys.stdin.readline()
"""


async def provisioned(home: RunningHome, topology: Topology, **limits: int) -> object:
    return await provision(
        await home.client(PROVISIONER),
        topology,
        msgspec.structs.replace(StoreLimits(), **limits),
        monitor_url=home.deployment.listener.ports.monitor_url,
    )


async def api(client: Client, name: str, body: object) -> dict[str, Any]:
    answer = await client.request(f"$JS.API.{name}", msgspec.json.encode(body), timeout=LIMIT_S)
    decoded = msgspec.json.decode(answer.data, type=dict[str, Any])
    assert "error" not in decoded, decoded
    return decoded


async def test_provisioning_again_changes_nothing(tmp_path: Path) -> None:
    async with running_home(tmp_path) as home:
        again = await provisioned(home, TWO_LOGINS)
        assert msgspec.structs.asdict(again) == {"created": (), "widened": ()}  # type: ignore[arg-type]  # a Struct


@pytest.mark.parametrize(
    "stream,change_of,field",
    [
        ("LEDGER_x", {"max_age": 3600 * 10**9}, "max_age"),
        ("LEDGER_x", {"discard": "old"}, "discard"),
        ("LEDGER_x", {"max_msgs": 10}, "max_msgs"),
        ("LEDGER_x", {"allow_atomic": True}, "allow_atomic"),
        ("LEDGER_y", {"republish": {"src": "log.>", "dest": "elsewhere.>"}}, "republish"),
        ("LEDGER_y", {"subjects": ["log.b1.>", "log.forged.>"]}, "subjects"),
        ("LEDGER_system", {"allow_direct": False}, "allow_direct"),
        ("LEASE_x", {"max_age": 3600 * 10**9}, "max_age"),
        ("LEASE_y", {"discard": "old"}, "discard"),
        ("COMMANDS", {"max_msg_size": 10}, "max_msg_size"),
        ("HEADS", {"subject_transform": {"src": "raise.head", "dest": "x"}}, "subject_transform"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
async def test_an_altered_stream_is_refused_by_name_and_field(
    tmp_path: Path, stream: str, change_of: dict[str, object], field: str
) -> None:
    async with running_home(tmp_path) as home:
        client = await home.client(PROVISIONER)
        config = (await api(client, f"STREAM.INFO.{stream}", {}))["config"]
        await api(client, f"STREAM.UPDATE.{stream}", config | change_of)
        with pytest.raises(ConfigError, match=rf"{stream} with {field}"):
            await provisioned(home, TWO_LOGINS)


async def test_an_altered_consumer_is_refused(tmp_path: Path) -> None:
    async with running_home(tmp_path) as home:
        client = await home.client(PROVISIONER)
        config = (await api(client, "CONSUMER.INFO.COMMANDS.w-a1", {}))["config"]
        await api(
            client,
            "CONSUMER.CREATE.COMMANDS.w-a1.cmd.a1.>",
            {"stream_name": "COMMANDS", "config": config | {"max_deliver": 5}},
        )
        with pytest.raises(ConfigError, match="w-a1 on COMMANDS with max_deliver"):
            await provisioned(home, TWO_LOGINS)


async def test_a_consumer_of_an_older_pace_is_brought_along(tmp_path: Path) -> None:
    async with running_home(tmp_path) as home:
        client = await home.client(PROVISIONER)
        config = (await api(client, "CONSUMER.INFO.CONTROL.w-a1", {}))["config"]
        older = config | {"ack_wait": 30 * 10**9}
        create = {"stream_name": "CONTROL", "config": older}
        await api(client, "CONSUMER.CREATE.CONTROL.w-a1.ctl.a1.>", create)
        await provisioned(home, TWO_LOGINS)
        mended = (await api(client, "CONSUMER.INFO.CONTROL.w-a1", {}))["config"]
        assert mended == config


def test_a_server_that_acknowledges_before_it_writes_is_refused(tmp_path: Path) -> None:
    with plain_server(tmp_path, sync_interval="2m") as server, pytest.raises(ConfigError):
        check_server(server.monitor_url, StoreLimits())


def test_a_server_that_takes_smaller_messages_is_refused(tmp_path: Path) -> None:
    with plain_server(tmp_path) as server:
        check_server(server.monitor_url, StoreLimits())
        with pytest.raises(ConfigError):
            check_server(server.monitor_url, StoreLimits(payload_bytes_max=8 << 20))


async def test_a_login_and_an_account_join_without_a_reconnect(tmp_path: Path) -> None:
    async with running_home(tmp_path) as home:
        gateway = await home.client("gateway")
        worker = await home.client("worker-x")
        projector = await home.client("projector")
        leaving = await home.client("subscriber-s1")
        waiting = await worker.jetstream().pull_subscribe_bind(consumer="w-a1", stream="COMMANDS")
        open_pull = asyncio.create_task(waiting.fetch(1, timeout=PROCESS_LIMIT_S))
        done = await change(home.deployment, THREE_LOGINS, owner=this_process())
        assert done.widened == ("LEDGER_x",)
        assert "LEDGER_z" in done.created
        assert "LEDGER_x/h-a3" in done.created
        assert load_topology(home.deployment.home) == THREE_LOGINS
        await try_roles(THREE_LOGINS, role_names(THREE_LOGINS), home.deployment.link)
        # Connections from before have the new rights, and a pull from before still waits.
        await gateway.jetstream().publish("cmd.c1.order.place", b"new")
        await worker.jetstream().publish("log.a3.order.accepted", b"new")
        await projector.jetstream().reset_consumer("LEDGER_z", "projector", seq=1)
        await gateway.jetstream().publish("cmd.a1.order.place", b"waited for")
        [message] = await open_pull
        assert message.data == b"waited for"
        newcomer = (await home.client("worker-z")).jetstream()
        await newcomer.publish("log.c1.order.accepted", b"first")
        assert await asyncio.to_thread(wait_until, lambda: leaving.is_closed, limit_s=LIMIT_S)
        assert [home.reconnects[role] for role in ("gateway", "worker-x", "projector")] == [0] * 3


async def test_an_account_that_disappears_from_a_login_is_refused(tmp_path: Path) -> None:
    fewer = Topology(
        logins=(LoginPlan(name="x", accounts=("a1",)), LoginPlan(name="y", accounts=("b1",)))
    )
    async with running_home(tmp_path) as home:
        with pytest.raises(ConfigError, match="LEDGER_x"):
            await provisioned(home, fewer)


async def test_one_change_of_accounts_at_a_time(tmp_path: Path) -> None:
    async with running_home(tmp_path) as home:
        path = home.deployment.home.change_lock_path
        lock = HomeLock.try_acquire(path, owner=this_process())
        assert lock is not None
        with lock, pytest.raises(ConfigError):
            await change(home.deployment, THREE_LOGINS, owner=this_process())
        assert load_topology(home.deployment.home) == TWO_LOGINS


async def test_a_self_test_names_a_role_without_its_rights(tmp_path: Path) -> None:
    async with running_home(tmp_path) as home:
        # The keys know the new login, the server does not yet.
        install(home.deployment, THREE_LOGINS)
        with pytest.raises(LinkError):
            await try_roles(THREE_LOGINS, ("worker-z",), home.deployment.link)
        with pytest.raises(ConfigError, match="worker-x"):
            await try_roles(THREE_LOGINS, ("worker-x",), home.deployment.link)


async def test_a_broken_configuration_is_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    async with running_home(tmp_path) as home:
        home.deployment.home.config_path.write_text("accounts { broken")
        with pytest.raises(ConfigError):
            reload_server(home.deployment.home, home.deployment.listener.ports, limit_s=0.2)
        assert home.server.is_alive
        gateway = await home.client("gateway")
        await gateway.jetstream().publish("cmd.a1.order.place", b"")


async def test_a_home_takes_one_server(tmp_path: Path) -> None:
    async with running_home(tmp_path) as home:
        held = home.deployment.home.lock_path
        assert HomeLock.try_acquire(held, owner=this_process()) is None
        # Even one that ignores the lock finds the ports of the home taken.
        stray = HomeLock.try_acquire(tmp_path / "stray.lock", owner=this_process())
        assert stray is not None
        with stray, pytest.raises(ConfigError):
            start_server(
                home.deployment.home,
                binary=home.deployment.binary,
                ports=home.deployment.listener.ports,
                lock=stray,
            )
        assert home.server.is_alive


async def test_a_taken_port_stops_the_start(tmp_path: Path) -> None:
    deployment = new_deployment(tmp_path)
    taken = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", deployment.listener.ports.client
    )
    lock = HomeLock.try_acquire(deployment.home.lock_path, owner=this_process())
    assert lock is not None
    async with taken:
        with lock, pytest.raises(ConfigError, match="in use"):
            await bring_up(deployment, TWO_LOGINS, lock)


@pytest.mark.skipif(sys.platform == "win32", reason="there the server dies with its supervisor")
def test_a_server_outlives_its_supervisor_and_keeps_the_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as supervisor:
        assert supervisor.stdout is not None
        assert int(supervisor.stdout.readline()) > 0
        supervisor.send_signal(signal.SIGKILL)
    deployment = new_deployment(tmp_path)
    monitor_url = deployment.listener.ports.monitor_url
    assert is_healthy(monitor_url)
    assert HomeLock.try_acquire(deployment.home.lock_path, owner=this_process()) is None
    os.kill(read_pid(deployment.home), signal.SIGTERM)
    taken: list[HomeLock] = []

    def is_free() -> bool:
        lock = HomeLock.try_acquire(deployment.home.lock_path, owner=this_process())
        taken.extend([lock] if lock is not None else [])
        return lock is not None

    assert wait_until(is_free, limit_s=10.0)
    taken[0].release()


async def test_connections_survive_a_restart_of_the_server(tmp_path: Path) -> None:
    deployment = new_deployment(tmp_path)
    lock = HomeLock.try_acquire(deployment.home.lock_path, owner=this_process())
    assert lock is not None
    with lock:
        server = await bring_up(deployment, TWO_LOGINS, lock)
        is_back = asyncio.Event()
        worker = await connect(
            deployment.link("worker-x", name="test"),
            on_error=lambda _: None,
            on_closed=lambda: None,
            on_reconnected=is_back.set,
        )
        stored = await worker.jetstream().publish("log.a1.order.accepted", b"kept")
        await asyncio.to_thread(server.stop)
        server = await bring_up(deployment, TWO_LOGINS, lock)
        try:
            await asyncio.wait_for(is_back.wait(), LIMIT_S)
            kept = await worker.jetstream().get_last_msg(
                "LEDGER_x", "log.a1.order.accepted", direct=True
            )
            assert (kept.seq, kept.data) == (stored.seq, b"kept")
        finally:
            await worker.close()
            await asyncio.to_thread(server.stop)


async def test_a_full_buffer_refuses_at_once_while_the_server_is_away(tmp_path: Path) -> None:
    async with running_home(tmp_path) as home:
        gone = asyncio.Event()
        worker = await connect(
            home.deployment.link("worker-x", name="test"),
            on_error=lambda _: None,
            on_closed=lambda: None,
            on_disconnected=gone.set,
        )
        await asyncio.to_thread(home.server.stop)
        await asyncio.wait_for(gone.wait(), LIMIT_S)
        with pytest.raises(nats.errors.OutboundBufferLimitError):
            await worker.publish("log.a1.order.accepted", bytes(200 * 1024))
        await worker.close()


async def test_a_refused_key_and_an_absent_server_end_the_attempt(tmp_path: Path) -> None:
    async with running_home(tmp_path) as home:
        link = home.deployment.link("gateway", name="test")
        stranger = new_deployment(tmp_path / "other")
        install(stranger, TWO_LOGINS)
        refused = msgspec.structs.replace(link, seed_path=stranger.home.seed_path("gateway"))
        absent = msgspec.structs.replace(link, url=stranger.url, connect_limit_s=0.5)
        for settings in (refused, absent):
            with pytest.raises(LinkError):
                await connect(settings, on_error=lambda _: None, on_closed=lambda: None)


def test_a_loop_thread_serves_synchronous_parts(tmp_path: Path) -> None:
    thread = LoopThread("link")
    try:
        with plain_server(tmp_path) as server:
            client = Client()
            thread.run(client.connect(server.url), LIMIT_S)
            answer = thread.submit(client.request("$JS.API.INFO", b""))
            assert b"account_info_response" in answer.result(LIMIT_S).data
            with pytest.raises(TimeoutError):
                thread.run(asyncio.Event().wait(), 0.01)
            thread.run(client.close(), LIMIT_S)
    finally:
        thread.stop()
    with pytest.raises(LinkError):
        thread.run(asyncio.Event().wait(), LIMIT_S)


async def test_with_certificates_only_who_has_one_comes_in(tmp_path: Path) -> None:
    files = _certificates(tmp_path)
    plain = new_deployment(tmp_path)
    deployment = msgspec.structs.replace(
        plain,
        listener=Listener(ports=plain.listener.ports, tls=ServerTls(**files)),
        client_tls=LinkTls(**files),
    )
    lock = HomeLock.try_acquire(deployment.home.lock_path, owner=this_process())
    assert lock is not None
    with lock:
        server = await bring_up(deployment, TWO_LOGINS, lock)
        bare = msgspec.structs.replace(
            deployment.link("gateway", name="test"), tls=None, connect_limit_s=0.5
        )
        try:
            with pytest.raises(LinkError):
                await connect(bare, on_error=lambda _: None, on_closed=lambda: None)
        finally:
            await asyncio.to_thread(server.stop)


# One self-signed certificate is authority, server and client at once.
def _certificates(folder: Path) -> dict[str, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tiger-mcp test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return {"cert_file": pem, "key_file": key_pem, "ca_file": pem}
