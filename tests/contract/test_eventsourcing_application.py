"""The library's own suite for applications, with our persistence module under them."""

import os
from typing import ClassVar
from unittest import TestCase
from unittest.mock import patch

import pytest
from eventsourcing.tests.application import ApplicationTestCase, ExampleApplicationTestCase
from eventsourcing.utils import Environment, EnvType, get_topic

from infra.ledger.jetstream import JetStreamFactory
from tests.support.ledger import recorder_env, shared_server


class RememberedFactory(JetStreamFactory):
    """Remembers its instances: the suites construct applications and do not close them."""

    made: ClassVar[list[JetStreamFactory]] = []

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self.made.append(self)


def _use_jetstream(case: TestCase) -> None:
    env = recorder_env(shared_server()) | {"PERSISTENCE_MODULE": get_topic(RememberedFactory)}
    case.enterContext(patch.dict(os.environ, env))
    case.addCleanup(_close_all)


def _close_all() -> None:
    while RememberedFactory.made:
        RememberedFactory.made.pop().close()


class TestExampleApplication(ExampleApplicationTestCase):
    expected_factory_topic = get_topic(RememberedFactory)

    def setUp(self) -> None:
        _use_jetstream(self)


class TestApplication(ApplicationTestCase):
    def setUp(self) -> None:
        _use_jetstream(self)

    # The test provokes the warning in order to look at it.
    @pytest.mark.filterwarnings("default:'log' is deprecated:DeprecationWarning")
    def test_application_log(self) -> None:
        super().test_application_log()


# Imported for subclassing; as names of this module pytest would run them on the library's memory.
del ApplicationTestCase, ExampleApplicationTestCase
