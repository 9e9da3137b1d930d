"""Try every right of a role against the real server, without effect.

Each subject is asked in a way that must be refused by what stands behind it: an append that expects
another stream, a pull and a reset that do not decode, an acknowledgement of a message that does not
exist. Exactly that refusal proves the whole way there and back. Questions to other roles (`ask.`,
`view.`) are not tried: they would reach a process at work.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import nats.errors
from nats.aio.client import Client

from core.errors import ConfigError
from core.subjects import Kind
from infra.nats.link import LinkSettings, connect
from infra.nats.topology import PROVISIONER, Call, Topology, role_plan

# Only a right that is missing, or a machine that is busy, takes longer than a moment.
_PROBE_LIMIT_S: Final = 5.0
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
        works = await asyncio.gather(*(_works(client, call) for call in plan.calls))
        failed = [
            call.subject for call, is_fine in zip(plan.calls, works, strict=True) if not is_fine
        ]
        for subject in plan.subscribe:
            await client.subscribe(subject)
        # The server answers in order: a refused subscription is known when the flush returns.
        await client.flush(timeout=_PROBE_LIMIT_S)  # type: ignore[arg-type]  # seconds
    finally:
        await client.close()
    if failed or denied:
        raise ConfigError(f"expected {role} to do its work, was refused: {[*failed, *denied]}")


async def _works(client: Client, call: Call) -> bool:
    subject = call.subject
    if subject.startswith(_QUESTIONS):
        return True
    try:
        if call.is_answered_by_many:
            return await _status(client, subject, b'{"batch":"x"}') == _NOT_DECODED_STATUS
        if subject.startswith("$JS.API.CONSUMER.RESET."):
            return await _refusal(client, subject, b'"x"') == _BAD_JSON
        if subject.startswith("$JS.API.DIRECT.GET."):
            return await _status(client, _concrete(subject), b"") == _NOT_FOUND_STATUS
        if subject.startswith("$JS.ACK."):
            await client.request(_concrete(subject), b"+WPI", timeout=_PROBE_LIMIT_S)
            return True
        headers = {"Nats-Expected-Stream": "none-of-ours"}
        return await _refusal(client, _concrete(subject), b"", headers) == _OTHER_STREAM
    except nats.errors.Error:
        return False


# A subject of the allowed ones that names nothing that exists.
def _concrete(pattern: str) -> str:
    numbers = "1.999999999.999999999.0.0"
    if pattern.startswith("$JS.ACK."):
        return pattern.replace("*.*.*.*.*", numbers).replace(">", numbers)
    return pattern.replace(">", "self.test")


async def _status(client: Client, subject: str, body: bytes) -> str | None:
    answer = await client.request(subject, body, timeout=_PROBE_LIMIT_S)
    return (answer.headers or {}).get("Status")


async def _refusal(
    client: Client, subject: str, body: bytes, headers: dict[str, str] | None = None
) -> int | None:
    answer = await client.request(subject, body, timeout=_PROBE_LIMIT_S, headers=headers)
    refused = msgspec.json.decode(answer.data, type=_Refused)
    return None if refused.error is None else refused.error.err_code
