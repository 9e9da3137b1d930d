"""What anybody may cause in the log over HTTP is bounded, in length and in number."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.mcp.limits import Limits
from adapters.mcp.rare_lines import RareLines
from tests.support.http_gateway import http_gateway, request

LONG = "x" * 20_000
REFUSED_N = 5
ASKED_WRONGLY = """
import asyncio
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from infra.logs import configure

configure("http", "info")
guard = TransportSecurityMiddleware(TransportSecuritySettings(allowed_hosts=["here"]))
for headers in ([(b"host", b"evil")], [(b"host", b"here"), (b"origin", b"evil")]):
    asked = Request({"type": "http", "headers": headers})
    print(asyncio.run(guard.validate_request(asked)).status_code)
"""


def of(lines: list[Any], event: str) -> list[dict[str, Any]]:
    """Return the lines of one event."""
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("header", ["Host", "Origin"])
async def test_a_wrong_name_is_told_cut_and_once(tmp_path: Path, header: str) -> None:
    with capture_logs() as lines:
        async with http_gateway(tmp_path) as gateway:
            for _ in range(REFUSED_N):
                await gateway.http.get(f"{gateway.base}/health", headers={header: LONG})
    first, rest = of(lines, "http.name_refused")
    told = {"header": header.lower(), "name": LONG[:100], "peer": "127.0.0.1"}
    assert first.items() >= told.items()
    assert rest.items() >= (told | {"left_out": REFUSED_N - 1}).items()
    assert LONG not in str(lines)


def test_the_sdk_is_silent_of_wrong_names() -> None:
    # In a process of its own: it is about the logs of a whole process.
    ran = subprocess.run(
        [sys.executable, "-c", ASKED_WRONGLY],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.split() == ["421", "403"]
    assert ran.stderr == ""


async def test_refused_tokens_are_told_once_for_each_cause(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with http_gateway(tmp_path) as gateway:
            for _ in range(REFUSED_N):
                await gateway.http.post(gateway.url, json=request("tools/list"))
                await gateway.post("no.good.token")
    told = [(line["why"], line.get("left_out")) for line in of(lines, "auth.refused")]
    assert told == [
        ("no_token", None),
        ("malformed", None),
        ("no_token", REFUSED_N - 1),
        ("malformed", REFUSED_N - 1),
    ]


async def test_what_was_over_a_limit_is_told_to_the_last(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with http_gateway(tmp_path, limits=Limits(per_minute=1)) as gateway:
            token = gateway.issuer.token("ann", "sandbox:viewer")
            codes = [(await gateway.post(token)).status_code for _ in range(REFUSED_N + 1)]
    assert codes == [200] + [429] * REFUSED_N
    told = [line["refused"] for line in of(lines, "http.limit_reached")]
    assert told == [1, REFUSED_N - 1]


async def test_the_rest_is_told_when_the_period_is_over_and_then_nothing() -> None:
    period_s = 0.05
    lines = RareLines(period_s=period_s)
    over = asyncio.Event()
    with capture_logs() as said:
        for _ in range(3):
            lines.say("door.shut", ("here",), {"peer": "here"})
        # Timers come in the order of their times.
        asyncio.get_running_loop().call_later(4 * period_s, over.set)
        await over.wait()
        assert [line.get("left_out") for line in said] == [None, 2]
        lines.say("door.shut", ("here",), {"peer": "here"})
        assert "left_out" not in said[-1]
        lines.close()
    assert len(said) == 3


async def test_however_many_are_refused_few_are_remembered() -> None:
    lines = RareLines(rows_max=2)
    with capture_logs() as said:
        for index in range(10):
            lines.say("door.shut", (str(index),), {"peer": str(index)})
        lines.close()
    assert [(line["peer"], line.get("left_out")) for line in said] == [
        ("0", None),
        ("1", None),
        ("others", None),
        ("others", 7),
    ]
