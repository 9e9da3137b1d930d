"""`PERSISTENCE_MODULE=infra.ledger.jetstream`: the library's infrastructure on JetStream.

Settings, from the environment that the library hands over (each may carry the application's name in
front, as the library allows):

- `NATS_URL`: where the server is.
- `NATS_SEED_FILE`: file with the nkey seed of the role that connects.
- `NATS_ROLE`, `NATS_INBOX_PREFIX`: the role's name, and the inbox that it may listen on.
- `NATS_STREAM`: the stream that holds the application's events.
- `NATS_MODE`: `created` (default) makes streams and consumers and needs the provisioner's rights;
  `bound` uses a ledger as the provisioner made it, and can neither track nor snapshot.
- `NATS_CONSUMER`: bound mode: the pull consumer to read with.
- `NATS_CONSUMER_FILTERED`: bound mode: `y` where the consumer shows one account of several.
"""

from pathlib import Path
from typing import Final

import structlog
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    NotSupportedError,
    ProcessRecorder,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic, strtobool
from nats.aio.client import Client

from core.errors import ConfigError
from core.subjects import Kind
from infra.ledger.calls import close_client, run
from infra.ledger.layout import EventLayout
from infra.ledger.reading import BoundReading, CreatedReading
from infra.ledger.recorder import (
    JetStreamAggregateRecorder,
    JetStreamApplicationRecorder,
    JetStreamProcessRecorder,
    JetStreamTrackingRecorder,
)
from infra.ledger.store import EventStream
from infra.ledger.tracking import TrackingLine
from infra.nats.link import LinkSettings, LoopThread, connect

_MODES: Final = ("created", "bound")
_log = structlog.get_logger()


class JetStreamFactory(InfrastructureFactory[JetStreamTrackingRecorder]):
    """Makes recorders that share one connection and one loop thread."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self._thread: LoopThread | None = None
        self._nc: Client | None = None
        mode = self.env.get("NATS_MODE", "created")
        if mode not in _MODES:
            raise ConfigError(f"NATS_MODE: expected one of {', '.join(_MODES)}, was {mode!r}")
        self._is_bound = mode == "bound"

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Make a recorder of aggregates; any purpose but events has a stream of its own."""
        if purpose == "events":
            events = self._events()
        else:
            self._must_be_created(purpose)
            events = self._created_events(f"{self._stream}_{purpose}")
        return JetStreamAggregateRecorder(thread=self._loop(), events=events)

    def application_recorder(self) -> ApplicationRecorder:
        """Make a recorder of the application's events."""
        return JetStreamApplicationRecorder(thread=self._loop(), events=self._events())

    def tracking_recorder(
        self, tracking_recorder_class: type[JetStreamTrackingRecorder] | None = None
    ) -> JetStreamTrackingRecorder:
        """Make a recorder of positions, of a given subclass if any."""
        self._must_be_created("tracking")
        topic = self.env.get(self.TRACKING_RECORDER_TOPIC)
        if tracking_recorder_class is None:
            recorder_class = resolve_topic(topic) if topic else JetStreamTrackingRecorder
        else:
            recorder_class = tracking_recorder_class
        assert issubclass(recorder_class, JetStreamTrackingRecorder)
        stream = f"{self._stream}_tracking"
        line = TrackingLine(self._connection(), stream=stream, prefix=f"{stream}.track")
        created = CreatedReading(self._connection(), stream)
        run(self._loop(), created.create([f"{stream}.track.>"], keeps_only_last=True))
        return recorder_class(thread=self._loop(), line=line)

    def process_recorder(self) -> ProcessRecorder:
        """Make a recorder of events with the positions they came from."""
        self._must_be_created("tracking")
        line = TrackingLine(self._connection(), stream=self._stream, prefix=f"{self._stream}.track")
        return JetStreamProcessRecorder(thread=self._loop(), events=self._events(), line=line)

    def close(self) -> None:
        """Close the connection and end the thread."""
        thread, nc = self._thread, self._nc
        self._thread, self._nc = None, None
        if thread is not None:
            if nc is not None:
                run(thread, close_client(nc))
            thread.stop()

    @property
    def _stream(self) -> str:
        return self._setting("NATS_STREAM")

    def _events(self) -> EventStream:
        if not self._is_bound:
            return self._created_events(self._stream)
        nc = self._connection()
        reading = BoundReading(
            nc,
            stream=self._stream,
            consumer=self._setting("NATS_CONSUMER"),
            is_filtered=strtobool(self.env.get("NATS_CONSUMER_FILTERED", "n")),
        )
        layout = EventLayout(str(Kind.LOG))
        return EventStream(nc, stream=self._stream, layout=layout, reading=reading)

    def _created_events(self, stream: str) -> EventStream:
        # Streams on one server may not share subjects, so each created one has its own prefix.
        nc = self._connection()
        reading = CreatedReading(nc, stream)
        run(self._loop(), reading.create([f"{stream}.log.>", f"{stream}.track.>"]))
        layout = EventLayout(f"{stream}.log")
        return EventStream(nc, stream=stream, layout=layout, reading=reading)

    def _loop(self) -> LoopThread:
        if self._thread is None:
            self._thread = LoopThread("ledger-recorder")
        return self._thread

    def _connection(self) -> Client:
        if self._nc is None:
            settings = LinkSettings(
                url=self._setting("NATS_URL"),
                role=self.env.get("NATS_ROLE", "recorder"),
                seed_path=Path(self._setting("NATS_SEED_FILE")),
                inbox_prefix=self.env.get("NATS_INBOX_PREFIX", "_INBOX"),
                name=f"recorder {self.env.name}".strip(),
            )
            self._nc = run(
                self._loop(), connect(settings, on_error=_report, on_closed=_report_closed)
            )
        return self._nc

    def _must_be_created(self, what: str) -> None:
        if self._is_bound:
            raise NotSupportedError(f"expected NATS_MODE=created for {what}, was bound")

    def _setting(self, name: str) -> str:
        value = self.env.get(name, "")
        if not value:
            raise ConfigError(f"{name}: expected a value for the JetStream recorder, was none")
        return value


def _report(error: Exception) -> None:
    # The client mends the link by itself; what it could not do fails its caller.
    _log.warning("ledger.link_troubled", error=type(error).__name__)


def _report_closed() -> None:
    _log.info("ledger.link_closed")
