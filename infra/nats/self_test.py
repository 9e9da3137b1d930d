"""Try every right of a role against the real server, without effect.

Each subject is asked in a way that must be refused by what stands behind it: an append that expects
another stream, a pull and a reset that do not decode, an acknowledgement of a message that does not
exist. Exactly that refusal proves the whole way there and back. Questions to other roles (`ask.`,
`view.`) are not tried: they would reach a process at work.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec
import nats.errors
from nats.aio.client import Client

from core.errors import ConfigError
from core.subjects import Kind
from infra.nats.link import LinkSettings, connect
from infra.nats.topology import PROVISIONER, Call, Topology, role_plan

# Only a right that is missing, or a machine that is busy, takes longer than a moment; the server
# tells of the first, and so the second is asked again.
_PROBE_LIMIT_S: Final = 2.0
_BUSY_LIMIT_S: Final = 20.0
_ASK_AGAIN_S: Final = 0.1
_OTHER_STREAM: Final = 10060
_BAD_JSON: Final = 10025
_NOT_DECODED_STATUS: Final = "400"
_NOT_FOUND_STATUS: Final = "404"
_QUESTIONS: Final = (f"{Kind.ASK}.", f"{Kind.VIEW}.")


class _Refusal(msgspec.Struct, frozen=True):
    err_code: int


class _Refused(msgspec.Struct, frozen=True):
    error: _Refusal | None = None


async def try_roles(
    topology: Topology, roles: tuple[str, ...], link: Callable[..., LinkSettings]
) -> None:
    """Try all rights of `roles`; `link(role, name=…)` says how to connect.

    Raises:
        ConfigError: naming the role and the subjects that did not work.
        LinkError: when a role cannot connect.
    """
    await asyncio.gather(
        *(
            _test_role(topology, role, link(role, name=f"self-test {role}"))
            for role in roles
            # The provisioner has proven its rights by provisioning.
            if role != PROVISIONER
        )
    )


async def _test_role(topology: Topology, role: str, settings: LinkSettings) -> None:
    plan = role_plan(topology, role)
    denied: list[str] = []
    client = await connect(
        settings, on_error=lambda error: denied.append(str(error)), on_closed=lambda: None
    )
    try:
        probes = [_Probe(client, call, denied) for call in plan.calls]
        failed = [
            f"{probe.subject}: {flaw}"
            for probe, flaw in zip(
                probes, await asyncio.gather(*(probe.flaw() for probe in probes)), strict=True
            )
            if flaw
        ]
        for subject in plan.subscribe:
            await client.subscribe(subject)
        # The server answers in order: a refused subscription is known when the flush returns.
        await client.flush(timeout=_PROBE_LIMIT_S)  # type: ignore[arg-type]  # seconds
    finally:
        await client.close()
    if failed or denied:
        raise ConfigError(f"expected {role} to do its work, was refused: {[*failed, *denied]}")


class _Probe:
    """One right, asked for until there is an answer or a refusal."""

    def __init__(self, client: Client, call: Call, denied: list[str]) -> None:
        self._client = client
        self._call = call
        self._denied = denied
        self.subject = call.subject if call.is_answered_by_many else _concrete(call.subject)

    async def flaw(self) -> str:
        """Return what is wrong with this right, or ""."""
        give_up_at = time.monotonic() + _BUSY_LIMIT_S
        while True:
            try:
                return await self._ask()
            except nats.errors.Error as error:
                flaw = repr(error)
            # nats-py tells of an error in lower case.
            if any(f'"{self.subject.lower()}"' in text for text in self._denied):
                return "refused"
            if time.monotonic() > give_up_at:
                return flaw
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _ask(self) -> str:
        subject = self.subject
        if subject.startswith(_QUESTIONS):
            return ""
        if self._call.is_answered_by_many:
            return _unless(_NOT_DECODED_STATUS, await self._status(b'{"batch":"x"}'))
        if subject.startswith("$JS.API.CONSUMER.RESET."):
            return _unless(_BAD_JSON, await self._refusal(b'"x"'))
        if subject.startswith("$JS.API.DIRECT.GET."):
            return _unless(_NOT_FOUND_STATUS, await self._status(b""))
        if subject.startswith("$JS.ACK."):
            await self._client.request(subject, b"+WPI", timeout=_PROBE_LIMIT_S)
            return ""
        headers = {"Nats-Expected-Stream": "none-of-ours"}
        return _unless(_OTHER_STREAM, await self._refusal(b"", headers))

    async def _status(self, body: bytes) -> str | None:
        answer = await self._client.request(self.subject, body, timeout=_PROBE_LIMIT_S)
        return (answer.headers or {}).get("Status")

    async def _refusal(self, body: bytes, headers: dict[str, str] | None = None) -> int | None:
        answer = await self._client.request(
            self.subject, body, timeout=_PROBE_LIMIT_S, headers=headers
        )
        refused = msgspec.json.decode(answer.data, type=_Refused)
        return None if refused.error is None else refused.error.err_code


def _unless(expected: str | int, found: str | int | None) -> str:
    return "" if found == expected else f"expected the answer {expected}, was {found}"


# A subject of the allowed ones that names nothing that exists.
def _concrete(pattern: str) -> str:
    numbers = "1.999999999.999999999.0.0"
    if pattern.startswith("$JS.ACK."):
        return pattern.replace("*.*.*.*.*", numbers).replace(">", numbers)
    return pattern.replace(">", "self.test")
