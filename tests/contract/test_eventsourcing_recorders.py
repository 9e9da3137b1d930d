"""The library's own suite for recorders, on our persistence module and a real server."""

from typing import cast

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    ProcessRecorder,
    TrackingRecorder,
)
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    InfrastructureFactoryTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
from eventsourcing.utils import Environment

from infra.ledger.jetstream import JetStreamFactory
from infra.ledger.recorder import (
    JetStreamAggregateRecorder,
    JetStreamApplicationRecorder,
    JetStreamProcessRecorder,
    JetStreamTrackingRecorder,
)
from tests.support.ledger import recorder_env, shared_server


def _factory() -> JetStreamFactory:
    env = Environment(env=recorder_env(shared_server()))
    return cast(JetStreamFactory, InfrastructureFactory.construct(env))


class TestAggregateRecorder(AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        factory = _factory()
        self.addCleanup(factory.close)
        return factory.aggregate_recorder()


class TestSnapshotRecorder(AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        factory = _factory()
        self.addCleanup(factory.close)
        return factory.aggregate_recorder(purpose="snapshots")


class TestApplicationRecorder(ApplicationRecorderTestCase):
    def create_recorder(self) -> ApplicationRecorder:
        factory = _factory()
        self.addCleanup(factory.close)
        return factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestTrackingRecorder(TrackingRecorderTestCase):
    def create_recorder(self) -> TrackingRecorder:
        factory = _factory()
        self.addCleanup(factory.close)
        return factory.tracking_recorder()


class TestProcessRecorder(ProcessRecorderTestCase):
    def create_recorder(self) -> ProcessRecorder:
        factory = _factory()
        self.addCleanup(factory.close)
        return factory.process_recorder()


class TestNotificationIdsDoNotInterleave(NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> ApplicationRecorder:
        factory = _factory()
        self.addCleanup(factory.close)
        return factory.application_recorder()


class TrackingRecorderSubclass(JetStreamTrackingRecorder):
    """A view's recorder, as an application would write one."""


class TestInfrastructureFactory(InfrastructureFactoryTestCase[JetStreamFactory]):
    def setUp(self) -> None:
        self.env = Environment(env=recorder_env(shared_server()))
        super().setUp()

    def expected_factory_class(self) -> type[JetStreamFactory]:
        return JetStreamFactory

    def expected_aggregate_recorder_class(self) -> type[AggregateRecorder]:
        return JetStreamAggregateRecorder

    def expected_application_recorder_class(self) -> type[ApplicationRecorder]:
        return JetStreamApplicationRecorder

    def expected_tracking_recorder_class(self) -> type[TrackingRecorder]:
        return JetStreamTrackingRecorder

    def tracking_recorder_subclass(self) -> type[TrackingRecorder]:
        return TrackingRecorderSubclass

    def expected_process_recorder_class(self) -> type[ProcessRecorder]:
        return JetStreamProcessRecorder


# Imported for subclassing; as names of this module pytest would collect the abstract suites too.
del (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    InfrastructureFactoryTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
