"""Make the streams and consumers, or check field by field that those there are the ones we need.

A setting that differs is never changed here: it may be a promise that history relies on. Only an
account added to a login widens its ledger's subjects.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
import nats.errors
from nats.aio.client import Client

from core.errors import ConfigError, LinkError
from infra.nats.monitor import read_status
from infra.nats.server import VERSION_MIN, parse_version, version_text
from infra.nats.streams import (
    ConsumerPlan,
    Settings,
    StoreLimits,
    StreamPlan,
    consumer_plans,
    stream_plans,
)
from infra.nats.topology import Topology

_API_LIMIT_S: Final = 5.0
_STREAM_NOT_FOUND: Final = 10059
_CONSUMER_NOT_FOUND: Final = 10014
# The server's own notes about who made a thing and with which version.
_PACE_FIELDS: Final = ("ack_wait", "max_ack_pending", "max_waiting")
_IGNORED_FIELDS: Final = frozenset({"metadata"})


class _ApiError(msgspec.Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class _ApiAnswer(msgspec.Struct, frozen=True):
    config: Settings = {}
    error: _ApiError | None = None


class Provisioned(msgspec.Struct, frozen=True):
    """What was made; everything else stood there as it must be."""

    created: tuple[str, ...]
    widened: tuple[str, ...]


async def provision(
    client: Client, topology: Topology, limits: StoreLimits, *, monitor_url: str
) -> Provisioned:
    """Make what is missing and check the rest. `client` is the provisioner's.

    Raises:
        ConfigError: naming the stream or consumer and the field that differs, or the server's
            version or setting that we refuse.
        LinkError: when the server does not answer.
    """
    await asyncio.to_thread(check_server, monitor_url, limits)
    created: list[str] = []
    widened: list[str] = []
    for stream in stream_plans(topology, limits):
        outcome = await _settle_stream(client, stream)
        if outcome == "created":
            created.append(stream.name)
        elif outcome == "widened":
            widened.append(stream.name)
    for consumer in consumer_plans(topology):
        if await _settle_consumer(client, consumer):
            created.append(f"{consumer.stream}/{consumer.name}")
    return Provisioned(tuple(created), tuple(widened))


def check_server(monitor_url: str, limits: StoreLimits) -> None:
    """Refuse a server on which an acknowledged message may be lost.

    Raises:
        ConfigError: for an old version, or a store that does not write before it acknowledges.
        LinkError: when the monitor does not answer.
    """
    status = read_status(monitor_url)
    version = parse_version(status.version)
    if version is None or version < VERSION_MIN:
        raise ConfigError(
            f"expected nats-server {version_text(VERSION_MIN)} or later, was {status.version}"
        )
    if not status.jetstream.config.sync_always:
        raise ConfigError("expected jetstream sync_interval: always, was an interval")
    if status.max_payload < limits.payload_bytes_max:
        raise ConfigError(
            f"expected max_payload of {limits.payload_bytes_max} bytes, was {status.max_payload}"
        )


async def _settle_stream(client: Client, plan: StreamPlan) -> str:
    answer = await _look_up(client, f"STREAM.INFO.{plan.name}", absent=_STREAM_NOT_FOUND)
    if answer is None:
        answer = await _ask(client, f"STREAM.CREATE.{plan.name}", plan.settings)
        _check_fields(f"stream {plan.name}", plan.settings, answer.config)
        return "created"
    missing = _missing_subjects(plan, answer.config)
    _check_fields(
        f"stream {plan.name}",
        plan.settings,
        # Subjects may only grow; that they did not shrink is checked above.
        {**answer.config, "subjects": plan.settings["subjects"]},
    )
    if not missing:
        return "checked"
    answer = await _ask(client, f"STREAM.UPDATE.{plan.name}", plan.settings)
    _check_fields(f"stream {plan.name}", plan.settings, answer.config)
    return "widened"


def _missing_subjects(plan: StreamPlan, existing: Settings) -> bool:
    wanted = set(_texts(plan.settings["subjects"]))
    standing = set(_texts(existing.get("subjects")))
    if not standing <= wanted:
        raise ConfigError(
            f"expected stream {plan.name} with subjects {sorted(wanted)}, was {sorted(standing)}"
        )
    return standing < wanted


async def _settle_consumer(client: Client, plan: ConsumerPlan) -> bool:
    info = f"CONSUMER.INFO.{plan.stream}.{plan.name}"
    answer = await _look_up(client, info, absent=_CONSUMER_NOT_FOUND)
    is_new = answer is None
    if answer is None:
        answer = await _put_consumer(client, plan, action="create")
    elif any(answer.config.get(field) != plan.settings.get(field) for field in _PACE_FIELDS):
        # How fast a consumer hands out is no matter of the record: an older home is brought along.
        answer = await _put_consumer(client, plan, action="update")
    _check_fields(f"consumer {plan.name} on {plan.stream}", plan.settings, answer.config)
    return is_new


async def _put_consumer(client: Client, plan: ConsumerPlan, *, action: str) -> _ApiAnswer:
    filter_subject = plan.settings.get("filter_subject")
    tail = "" if filter_subject is None else f".{filter_subject}"
    request: Settings = {"stream_name": plan.stream, "config": plan.settings, "action": action}
    return await _ask(client, f"CONSUMER.CREATE.{plan.stream}.{plan.name}{tail}", request)


def _check_fields(what: str, wanted: Mapping[str, object], standing: Mapping[str, object]) -> None:
    # A field that the server leaves out has its zero value; one that only the server knows must.
    for field in sorted((wanted.keys() | standing.keys()) - _IGNORED_FIELDS):
        expected, found = wanted.get(field), standing.get(field)
        if (expected or None) != (found or None):
            raise ConfigError(f"expected {what} with {field} {expected!r}, was {found!r}")


async def _ask(client: Client, name: str, body: Settings | None) -> _ApiAnswer:
    answer = await _request(client, name, body)
    if answer.error is not None:
        raise ConfigError(
            f"expected {name} to be granted, was {answer.error.err_code} {answer.error.description}"
        )
    return answer


# The same, but nothing instead of an error that says the thing is not there.
async def _look_up(client: Client, name: str, *, absent: int) -> _ApiAnswer | None:
    answer = await _request(client, name, None)
    if answer.error is None:
        return answer
    if answer.error.err_code != absent:
        raise ConfigError(
            f"expected {name} to answer, was {answer.error.err_code} {answer.error.description}"
        )
    return None


async def _request(client: Client, name: str, body: Settings | None) -> _ApiAnswer:
    payload = b"" if body is None else msgspec.json.encode(body)
    try:
        message = await client.request(f"$JS.API.{name}", payload, timeout=_API_LIMIT_S)
    except nats.errors.Error as error:
        raise LinkError(f"expected an answer to {name}, was {error!r}") from None
    return msgspec.json.decode(message.data, type=_ApiAnswer)


def _texts(value: object) -> tuple[str, ...]:
    return msgspec.convert(value or [], type=tuple[str, ...])
