"""What libraries may not write into the log of a process, though its level would let them."""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
LIMIT_S: Final = 30.0
# Keys at an address that holds a secret, as some issuers have it.
FETCH: Final = """
import asyncio, http.server, threading
from adapters.mcp.tokens import RefusedTokenError, UrlKeys
from infra.clock import SystemClock
from infra.logs import configure

class Keys(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"keys": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        print("asked", flush=True)

async def fetch(port):
    try:
        await UrlKeys(f"http://127.0.0.1:{port}/keys?key=a-secret", SystemClock()).find("k")
    except RefusedTokenError as error:
        print(error.why)

configure("http", "debug")
server = http.server.HTTPServer(("127.0.0.1", 0), Keys)
threading.Thread(target=server.handle_request).start()
asyncio.run(fetch(server.server_address[1]))
"""


def test_the_address_of_the_keys_is_in_no_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FETCH],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=LIMIT_S,
        check=True,
    )
    assert done.stdout.split() == ["asked", "unknown_key"]
    assert "a-secret" not in done.stderr
