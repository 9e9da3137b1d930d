"""Row `broker`: what the sandbox itself takes for a place, and what the SDK adds to it."""

import base64
import http.client
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.session import LoginAccess, Session
from core.items import Outcome
from core.modes import Environment
from core.terms import OrderSpec, OrderType, Side, TimeInForce
from infra.bench.cluster import Cluster
from infra.bench.fault import BenchError
from infra.bench.figures import Ratio, Result, figure
from infra.bench.row import Bench, Row, interleave
from infra.bench.shared import DIRECT_LOGIN
from infra.clock import SystemClock
from infra.sandbox.logins.files import (
    LOGIN_FILE,
    PROPERTIES_FILE,
    LoginFile,
    login_folder,
)
from infra.sandbox.wire.envelope import TIMESTAMP_FORMAT, signed_content

ROUNDS: Final = 200
WARM_UP: Final = 20
_LIMIT_S: Final = 10.0
_MS: Final = 1000
_KEY_NAME: Final = "private_key_pk8="


class Wire:
    """Posts signed requests over one connection; signing is not timed.

    Raises:
        BenchError: a request was refused.
    """

    def __init__(self, cluster: Cluster) -> None:
        folder = login_folder(cluster.home.sandbox, DIRECT_LOGIN)
        self._login = msgspec.json.decode((folder / LOGIN_FILE).read_bytes(), type=LoginFile)
        self._key = _private_key(folder / PROPERTIES_FILE)
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", cluster.http_port, timeout=_LIMIT_S
        )
        self._is_buy = False

    def place(self) -> float:
        """Place a market order, and return how long that took (unit: ms)."""
        return self.send(self.signed_place())

    def number(self) -> float:
        """Reserve an order number, and return how long that took (unit: ms)."""
        return self.send(self._signed("order_no", {}))

    def signed_place(self) -> bytes:
        """Return the body of a request that buys a share or, in turns, sells one."""
        self._is_buy = not self._is_buy
        return self._signed(
            "place_order",
            {
                "action": "BUY" if self._is_buy else "SELL",
                "order_type": "MKT",
                "sec_type": "STK",
                "symbol": "AAPL",
                "currency": "USD",
                "total_quantity": 1,
                "time_in_force": "DAY",
            },
        )

    def send(self, body: bytes) -> float:
        """Send a request, and return how long its reply took (unit: ms)."""
        headers = {"Content-Type": "application/json;charset=UTF-8"}
        began_s = time.perf_counter()
        self._connection.request("POST", "/gateway", body, headers)
        reply = self._connection.getresponse().read()
        took_s = time.perf_counter() - began_s
        if msgspec.json.decode(reply, type=dict[str, Any])["code"] != 0:
            raise BenchError(f"a request was refused: {reply[:200]!r}")
        return took_s * _MS

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _signed(self, method: str, fields: dict[str, Any]) -> bytes:
        account = self._login.accounts[0].account
        request: dict[str, Any] = {
            "method": method,
            "version": "2.0",
            "charset": "UTF-8",
            "sign_type": "RSA",
            "tiger_id": self._login.tiger_id,
            "timestamp": datetime.now().astimezone().strftime(TIMESTAMP_FORMAT),
            "biz_content": msgspec.json.encode({"account": account, **fields}).decode(),
        }
        signature = self._key.sign(
            signed_content(request),
            padding.PKCS1v15(),
            hashes.SHA1(),  # noqa: S303  # Tiger's protocol
        )
        return msgspec.json.encode(request | {"sign": base64.b64encode(signature).decode()})


class _Sdk:
    """Places through the SDK as a worker does."""

    def __init__(self, cluster: Cluster) -> None:
        folder = login_folder(cluster.home.sandbox, DIRECT_LOGIN)
        login = msgspec.json.decode((folder / LOGIN_FILE).read_bytes(), type=LoginFile)
        session = Session(
            LoginAccess(
                properties=folder / PROPERTIES_FILE,
                environment=Environment.SANDBOX,
                server_url=f"http://127.0.0.1:{cluster.http_port}/gateway",
                gateway_key=login.tiger_public_key,
            ),
            timeout_s=_LIMIT_S,
        )
        number = login.accounts[0].account
        self._broker = AccountBroker(session, number=number, clock=SystemClock())
        self._count = 0

    def place(self) -> float:
        self._count += 1
        spec = OrderSpec(
            symbol="AAPL",
            market="US",
            currency="USD",
            side=Side.BUY if self._count % 2 else Side.SELL,
            order_type=OrderType.MARKET,
            quantity=Decimal(1),
            limit_price=None,
            time_in_force=TimeInForce.DAY,
            outside_regular_hours=False,
        )
        order_number = self._broker.reserve_number()
        began_s = time.perf_counter()
        order = self._broker.prepare(spec, order_number=order_number, mark=f"b{self._count}")
        ended = self._broker.place(order)
        took_s = time.perf_counter() - began_s
        if ended.outcome is not Outcome.DONE:
            raise BenchError(f"the place through the SDK ended {ended.outcome}: {ended.detail}")
        return took_s * _MS


def _broker(bench: Bench) -> Result:
    cluster = bench.shared()
    wire = Wire(cluster)
    sdk = _Sdk(cluster)
    values = interleave(
        bench,
        {"place": wire.place, "number": wire.number, "sdk": sdk.place},
        rounds=ROUNDS,
        warm_up=WARM_UP,
    )
    place = figure("place_order on the wire (sandbox alone)", "ms", values["place"], warm_up=20)
    number = figure("order_no on the wire", "ms", values["number"], warm_up=WARM_UP)
    whole = figure("place_order through the SDK", "ms", values["sdk"], warm_up=WARM_UP)
    return Result(
        row="broker",
        title=BROKER.title,
        status="measured",
        figures=(place, number, whole),
        ratios=(Ratio(label="SDK to wire", value=whole.median / place.median),),
        notes=("requests are signed beforehand; the wire figures include one loopback round trip",),
    )


def _private_key(properties: Path) -> rsa.RSAPrivateKey:
    lines = properties.read_text().splitlines()
    text = next(line for line in lines if line.startswith(_KEY_NAME)).removeprefix(_KEY_NAME)
    key = serialization.load_der_private_key(base64.b64decode(text), password=None)
    assert isinstance(key, rsa.RSAPrivateKey), "the sandbox makes RSA keys"
    return key


BROKER: Final = Row("broker", "the sandbox's own time for a place", _broker)
