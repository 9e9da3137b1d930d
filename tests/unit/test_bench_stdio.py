"""The raw client that drives both servers."""

import os
import sys
from pathlib import Path

import pytest

from infra.bench.fault import BenchError
from infra.bench.stdio_client import StdioServer

# Greets on stdout, answers in the reverse order, and refuses one tool.
_SERVER = """
import json
import sys

def say(message):
    print(json.dumps(message), flush=True)

print("welcome", flush=True)
kept = []
for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    if request["method"] == "initialize":
        say({"jsonrpc": "2.0", "id": request["id"], "result": {}})
    elif request["params"]["name"] == "refused":
        say({"jsonrpc": "2.0", "id": request["id"], "result": {"isError": True, "content": []}})
    elif request["params"]["name"] == "last":
        break
    else:
        kept.append(request)
        if len(kept) == 2:
            for each in reversed(kept):
                say({"jsonrpc": "2.0", "method": "notifications/message"})
                say({"jsonrpc": "2.0", "id": each["id"], "result": each["params"]["arguments"]})
"""


def _server(folder: Path) -> StdioServer:
    return StdioServer(
        [sys.executable, "-c", _SERVER], environment=os.environ, log=folder / "fake.log"
    )


def test_answers_are_matched_by_their_number_whatever_stands_between(tmp_path: Path) -> None:
    with _server(tmp_path) as server:
        assert server.initialize() > 0
        first = server.start_call("echo", {"n": 1})
        second = server.start_call("echo", {"n": 2})
        assert server.answer(first) == {"n": 1}
        assert server.answer(second) == {"n": 2}


def test_refused_call_and_ended_server_are_failures(tmp_path: Path) -> None:
    with _server(tmp_path) as server:
        server.initialize()
        with pytest.raises(BenchError):
            server.call("refused", {})
        with pytest.raises(BenchError):
            server.call("last", {})
