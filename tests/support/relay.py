"""Something between the SDK and the sandbox that bends single replies, as no fault of it does."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from tests.support.sandbox import Sandbox

WAIT_S: Final = 30.0


class Relay(ThreadingHTTPServer):
    """Between the SDK and the sandbox: bodies put in here come in place of a method's own.

    What is put in `respelled` stands in every other body in place of what the broker wrote.
    """

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Relayed)
        self.target = target
        self.bodies: dict[str, bytes] = {}
        self.respelled: dict[bytes, bytes] = {}

    @property
    def url(self) -> str:
        """Where the SDK is to call."""
        return f"http://127.0.0.1:{self.server_address[1]}/gateway"


class _Relayed(BaseHTTPRequestHandler):
    server: Relay

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        body = self.server.bodies.get(json.loads(asked)["method"])
        if body is None:
            headers = {
                name: self.headers[name]
                for name in ("Content-Type", "Authorization")
                if name in self.headers
            }
            request = urllib.request.Request(self.server.target, data=asked, headers=headers)
            with urllib.request.urlopen(request, timeout=WAIT_S) as reply:
                body = reply.read()
            for written, instead in self.server.respelled.items():
                body = body.replace(written, instead)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def relayed(sandbox: Sandbox) -> Iterator[Relay]:
    """Run a relay before the sandbox."""
    with Relay(sandbox.url) as relay:
        thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            thread.join(WAIT_S)
