"""Rows of the ledger alone: one append beside a raw publish, a rebuild beside a raw reading."""

import asyncio
import time
from contextlib import aclosing
from itertools import islice
from pathlib import Path
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg

from core.subjects import log_wildcard
from infra.bench.fault import BenchError
from infra.bench.figures import Ratio, Result, figure
from infra.bench.history import history
from infra.bench.plain_server import CONSUMER, STREAM, connected, make_ledger, plain_server
from infra.bench.row import Bench, Row, interleave
from infra.ledger.append import AccountWriter
from infra.ledger.desk_ledger import DeskLedger
from infra.ledger.history import LedgerReader
from infra.ledger.request import EXPECTED_SEQUENCE, EXPECTED_SUBJECT
from infra.nats.link import LoopThread
from projections.projector import Projector
from projections.runner import CHUNK_MAX
from projections.store import ViewStore

APPEND_ROUNDS: Final = 400
APPEND_WARM_UP: Final = 40
APPEND_BAR: Final = 1.3
REPLAY_ROUNDS: Final = 5
REPLAY_EVENTS: Final = 20_000
REPLAY_BAR: Final = 0.8
_FILL_BATCH: Final = 500
_LIMIT_S: Final = 60.0
_MS: Final = 1000
_ACCOUNTS: Final = ("raw", "loop", "desk")


class _Line:
    """One account's line of events, appended to one by one."""

    def __init__(self, account: str, count: int) -> None:
        self.account = account
        self.sequence = 0
        self._records = history(account, count)

    def next(self) -> tuple[str, bytes, str]:
        """Return subject, body and event id of the next record."""
        subject, body = next(self._records)
        event_id = body[body.index(b"evt-") :][:36].decode()
        return subject, body, event_id


def _append(bench: Bench) -> Result:
    count = APPEND_ROUNDS + APPEND_WARM_UP
    with plain_server(bench.folder / "append", sync_interval="always") as url:
        loop = LoopThread("bench-append")
        try:
            values = _appends(bench, loop, url, count)
        finally:
            loop.stop()
    raw = figure("raw nats-py publish, same headers", "ms", values["raw"], warm_up=APPEND_WARM_UP)
    ours = figure("ledger append", "ms", values["loop"], warm_up=APPEND_WARM_UP)
    desk = figure("ledger append, from a desk's thread", "ms", values["desk"], warm_up=40)
    return Result(
        row="append",
        title=APPEND.title,
        status="measured",
        figures=(raw, ours, desk),
        ratios=(
            Ratio(label="append", value=ours.median / raw.median, bar=APPEND_BAR),
            Ratio(label="from a desk's thread", value=desk.median / raw.median),
        ),
        notes=("a server without accounts; each message is synced before its ack",),
    )


def _appends(bench: Bench, loop: LoopThread, url: str, count: int) -> dict[str, list[float]]:
    nc = loop.run(connected(url), _LIMIT_S)
    loop.run(make_ledger(nc, accounts=_ACCOUNTS), _LIMIT_S)
    lines = {name: _Line(name, count) for name in _ACCOUNTS}
    writers = {name: AccountWriter(nc, stream=STREAM, account=name) for name in _ACCOUNTS}
    ledger = DeskLedger(loop, writers["desk"])

    async def raw() -> float:
        line = lines["raw"]
        subject, body, _ = line.next()
        headers = {
            EXPECTED_SEQUENCE: str(line.sequence),
            EXPECTED_SUBJECT: log_wildcard(line.account),
        }
        began_s = time.perf_counter()
        ack = await nc.jetstream().publish(subject, body, headers=headers)
        took_s = time.perf_counter() - began_s
        line.sequence = ack.seq
        return took_s * _MS

    async def ours() -> float:
        line = lines["loop"]
        subject, body, event_id = line.next()
        began_s = time.perf_counter()
        appended = await writers["loop"].append(
            subject=subject,
            body=body,
            event_id=event_id,
            expected_sequence=line.sequence,
            deadline_s=_LIMIT_S,
        )
        took_s = time.perf_counter() - began_s
        line.sequence = appended.sequence
        return took_s * _MS

    def desk() -> float:
        line = lines["desk"]
        subject, body, event_id = line.next()
        began_s = time.perf_counter()
        appended = ledger.append(
            subject=subject, body=body, event_id=event_id, expected_sequence=line.sequence
        )
        took_s = time.perf_counter() - began_s
        line.sequence = appended.sequence
        return took_s * _MS

    values = interleave(
        bench,
        {
            "raw": lambda: loop.run(raw(), _LIMIT_S),
            "loop": lambda: loop.run(ours(), _LIMIT_S),
            "desk": desk,
        },
        rounds=APPEND_ROUNDS,
        warm_up=APPEND_WARM_UP,
    )
    loop.run(nc.close(), _LIMIT_S)
    return values


def _replay(bench: Bench) -> Result:
    # Nothing is written while it is read, so the syncing of each message only delays the filling.
    with plain_server(bench.folder / "replay", sync_interval="2m") as url:
        values = asyncio.run(_replays(bench, url))
    raw = figure("raw ordered consumer", "events/s", values["raw"], warm_up=1)
    views = figure("rebuild of the views", "events/s", values["views"], warm_up=1)
    return Result(
        row="replay",
        title=REPLAY.title,
        status="measured",
        figures=(raw, views),
        ratios=(
            Ratio(
                label="replay", value=views.median / raw.median, sense="at least", bar=REPLAY_BAR
            ),
        ),
        notes=(f"{REPLAY_EVENTS} events of one account, in one process",),
    )


async def _replays(bench: Bench, url: str) -> dict[str, list[float]]:
    nc = await connected(url)
    await make_ledger(nc, accounts=("bench",))
    stream = nc.jetstream(publish_async_max_pending=_FILL_BATCH)
    records = history("bench", REPLAY_EVENTS)
    while batch := list(islice(records, _FILL_BATCH)):
        await asyncio.gather(*(stream.publish(subject, body) for subject, body in batch))
    bench.say(f"{REPLAY_EVENTS} events stored")
    values: dict[str, list[float]] = {"raw": [], "views": []}
    for index in range(REPLAY_ROUNDS + 1):
        values["raw"].append(REPLAY_EVENTS / await _read_raw(nc))
        folder = bench.folder / f"views-{index}"
        values["views"].append(REPLAY_EVENTS / await _rebuild(nc, folder))
        bench.say(f"{index + 1} of {REPLAY_ROUNDS + 1} rounds")
    await nc.close()
    return values


async def _read_raw(nc: Client) -> float:
    left = REPLAY_EVENTS
    done = asyncio.Event()

    async def count(_: Msg) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    began_s = time.perf_counter()
    subscription = await nc.jetstream().subscribe(
        log_wildcard("bench"),
        stream=STREAM,
        ordered_consumer=True,
        cb=count,
        pending_msgs_limit=REPLAY_EVENTS,
        pending_bytes_limit=-1,
    )
    await asyncio.wait_for(done.wait(), _LIMIT_S)
    took_s = time.perf_counter() - began_s
    await subscription.unsubscribe()
    return took_s


async def _rebuild(nc: Client, folder: Path) -> float:
    began_s = time.perf_counter()
    store = ViewStore.open(folder)
    try:
        projector = Projector(store)
        reader = LedgerReader(nc, stream=STREAM, consumer=CONSUMER)
        async with aclosing(reader.batches(0, until_caught_up=True)) as batches:
            async for batch in batches:
                for start in range(0, len(batch), CHUNK_MAX):
                    projector.apply(STREAM, batch[start : start + CHUNK_MAX])
        if projector.position(STREAM) != REPLAY_EVENTS:
            raise BenchError("expected every event in the views")
    finally:
        store.close()
    return time.perf_counter() - began_s


APPEND: Final = Row("append", "ledger append of one event, synced", _append)
REPLAY: Final = Row("replay", "replay into views, cold", _replay)
