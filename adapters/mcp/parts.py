"""What the gateway is made of: handed in by whoever starts it, so that nothing here knows NATS."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from adapters.mcp.times import in_utc
from core.modes import Environment, Mode
from core.ports import Bus, Clock, Ids, Signer


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's limits of time, in seconds."""

    # A tool called before the cluster is ready.
    ready_s: float = 20.0
    # Between two tries to reach the cluster, and until one that goes on is a start of it.
    reconnect_s: float = 1.0
    stopped_s: float = 1.0
    # Until a command may still be carried out.
    preview_life_s: float = 60.0
    order_life_s: float = 30.0
    # Until a tool stops waiting for a command's outcome.
    preview_s: float = 15.0
    submit_s: float = 15.0
    cancel_s: float = 10.0
    modify_s: float = 10.0
    halt_s: float = 10.0
    # Until a person has answered a question; some clients give a call up after 60.
    person_s: float = 50.0
    # Once the broker took a change, until a listing shows it.
    replaced_s: float = 4.0
    # One publish; the first fact before the view is asked; one question.
    publish_s: float = 5.0
    event_s: float = 1.0
    view_s: float = 5.0
    ask_s: float = 12.0
    # Until a worker that does not say that it is there counts as away; and how long that is kept.
    health_s: float = 1.0
    health_kept_s: float = 2.0


class Connected(NamedTuple):
    """A way to the cluster: `lost` is set when it is gone for good and must be made anew."""

    bus: Bus
    signer: Signer
    lost: asyncio.Event
    close: Callable[[], Awaitable[None]]


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the gateway needs from outside.

    `connect` may take its time (it may start the cluster first) and raises LinkError or ConfigError
    to be called again, StoppedError while a person keeps the cluster down. `accounts` says which
    aliases there are, and each one's world; `modes` what a person allows on each, as far as it is
    known here. `to_local` turns a time into the person's zone. `asks`: whether a submit, or a
    change that does not only take risk away, asks the person.
    """

    connect: Callable[[], Awaitable[Connected]]
    accounts: Callable[[], Mapping[str, Environment]]
    clock: Clock
    ids: Ids
    version: str
    # Where the person is (IANA name): by it days of records are resolved.
    zone: str = "UTC"
    waits: Waits = Waits()
    modes: Callable[[], Mapping[str, Mode]] = dict
    asks: bool = True
    to_local: Callable[[datetime], datetime] = in_utc
