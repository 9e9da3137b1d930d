"""The `eventsourcing` library's recorders on JetStream: its blocking contract over one loop thread.

The library's own test suite judges them (`tests/contract/test_eventsourcing_*.py`). The service's
worker appends by `infra.ledger.append` and reads by `infra.ledger.history` instead.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    DataError,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
    TrackingRecorder,
)

from infra.ledger.batch import BATCH_MESSAGES_MAX
from infra.ledger.calls import run
from infra.ledger.layout import event_of
from infra.ledger.store import EventStream
from infra.ledger.subscription import JetStreamSubscription
from infra.ledger.tracking import TrackingLine
from infra.nats.link import LoopThread


class JetStreamAggregateRecorder(AggregateRecorder):
    """Stores and selects the events of aggregates."""

    def __init__(self, *, thread: LoopThread, events: EventStream) -> None:
        self._thread = thread
        self._events = events

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Store all events or none.

        Raises:
            IntegrityError: when a version of an originator is taken.
        """
        self._insert(stored_events, **kwargs)
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return an originator's events by version."""
        if desc and limit == 1 and gt is None and lte is None:
            last = run(self._thread, self._events.last_event(originator_id))
            return [] if last is None else [event_of(last)]
        found = [
            event_of(item)
            for item in run(self._thread, self._events.line(originator_id))
            if (gt is None or item.originator_version > gt)
            and (lte is None or item.originator_version <= lte)
        ]
        found.sort(key=lambda event: event.originator_version, reverse=desc)
        return found[:limit]

    def _insert(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> list[int]:
        del kwargs  # the library passes on what an application was given
        if len(stored_events) > BATCH_MESSAGES_MAX:
            raise DataError(f"expected at most {BATCH_MESSAGES_MAX} events at once")
        return run(self._thread, self._events.insert(stored_events))


class JetStreamApplicationRecorder(JetStreamAggregateRecorder, ApplicationRecorder):
    """Stores events and hands them out in the order of the stream."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Store all events or none; return their sequences in the stream.

        Raises:
            IntegrityError: when a version of an originator is taken.
        """
        return self._insert(stored_events, **kwargs)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return up to `limit` events in the order of the stream."""
        first = 1 if start is None else start + (0 if inclusive_of_start else 1)
        if limit < 1:
            return []
        return run(
            self._thread,
            self._events.notifications(start=max(first, 1), limit=limit, stop=stop, topics=topics),
        )

    def max_notification_id(self) -> int | None:
        """Return the sequence of the last event, None in an empty stream."""
        return run(self._thread, self._events.max_id())

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Return an iterator over the events after `gt` that waits for new ones."""
        return JetStreamSubscription(
            recorder=self,
            thread=self._thread,
            groups=self._events.follow(gt or 0, topics),
            gt=gt,
            topics=topics,
        )


class JetStreamTrackingRecorder(TrackingRecorder):
    """Stores how far an application has followed others."""

    def __init__(self, *, thread: LoopThread, line: TrackingLine) -> None:
        self._thread = thread
        self._line = line

    def insert_tracking(self, tracking: Tracking) -> None:
        """Store a position.

        Raises:
            IntegrityError: when it is not ahead of the recorded one.
        """
        run(self._thread, self._line.insert(tracking))

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return the recorded position; None where there is none."""
        return run(self._thread, self._line.max_id(application_name))


class JetStreamProcessRecorder(
    JetStreamTrackingRecorder, JetStreamApplicationRecorder, ProcessRecorder
):
    """Stores events together with the position that they came from."""

    def __init__(self, *, thread: LoopThread, events: EventStream, line: TrackingLine) -> None:
        JetStreamApplicationRecorder.__init__(self, thread=thread, events=events)
        JetStreamTrackingRecorder.__init__(self, thread=thread, line=line)

    def _insert(
        self, stored_events: Sequence[StoredEvent], *, tracking: Tracking | None = None, **_: Any
    ) -> list[int]:
        if len(stored_events) + (tracking is not None) > BATCH_MESSAGES_MAX:
            raise DataError(f"expected at most {BATCH_MESSAGES_MAX} events and positions at once")
        return run(
            self._thread, self._events.insert(stored_events, line=self._line, tracking=tracking)
        )
