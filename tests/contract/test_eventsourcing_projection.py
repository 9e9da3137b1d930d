"""The library's own suite for projections: events on JetStream, a view in SQLite.

Not here: `TaggedDecisionCountersProjectionTestCase` (two tests). It runs on the library's other
kind of store (dynamic consistency boundaries: events by tag, without originator or version), which
this persistence module does not offer.
"""

from typing import Any, ClassVar

from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder
from eventsourcing.tests.projection import (
    AggregateEventCountersProjectionTestCase,
    EventCountersView,
    EventCountersViewTestCase,
    EventSourcedProjectionTestCase,
)

from tests.support.ledger import fresh_stream, recorder_env, shared_server

_CREATED = "created"
_SUBSEQUENT = "subsequent"


class SqliteCounters(SQLiteTrackingRecorder, EventCountersView):
    """Counters whose rows are written in one transaction with the position."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.create_table_statements.append(
            "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"
        )

    def get_created_event_counter(self) -> int:
        return self._value(_CREATED)

    def get_subsequent_event_counter(self) -> int:
        return self._value(_SUBSEQUENT)

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self._increment(_CREATED, tracking)

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self._increment(_SUBSEQUENT, tracking)

    def _value(self, name: str) -> int:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute("SELECT value FROM counters WHERE name = ?", (name,))
            row = cursor.fetchone()
        return 0 if row is None else int(row[0])

    def _increment(self, name: str, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO counters VALUES (?, 1) "
                "ON CONFLICT (name) DO UPDATE SET value = value + 1",
                (name,),
            )


class TestView(EventCountersViewTestCase):
    def construct_event_counters_view(self) -> EventCountersView:

        datastore = SQLiteDatastore(":memory:")
        self.addCleanup(datastore.close)
        view = SqliteCounters(datastore)
        view.create_table()
        return view


class TestProjection(AggregateEventCountersProjectionTestCase):
    view_class = SqliteCounters
    env: ClassVar[dict[str, str]] = {}

    def setUp(self) -> None:
        type(self).env = recorder_env(shared_server()) | {
            "EVENTCOUNTERS_PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "EVENTCOUNTERS_SQLITE_DBNAME": ":memory:",
        }


class TestEventSourcedProjection(EventSourcedProjectionTestCase):
    def setUp(self) -> None:
        type(self).env = recorder_env(shared_server()) | {"COUNTERS_NATS_STREAM": fresh_stream()}


# Imported for subclassing; as names of this module pytest would collect the abstract suites too.
del (
    AggregateEventCountersProjectionTestCase,
    EventCountersViewTestCase,
    EventSourcedProjectionTestCase,
)
