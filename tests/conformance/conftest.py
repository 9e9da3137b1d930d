"""One cluster for all that is judged, and the programs that judge."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.node_tools import NodeTools, installed
from tests.conformance.services import Build, Service, cluster_on, running


@pytest.fixture(scope="package")
def tools() -> NodeTools:
    """Return the suite and the Inspector."""
    return installed()


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run a sandbox cluster."""
    with cluster_on(tmp_path_factory.mktemp("conformance") / "home") as found:
        yield found


@pytest.fixture(scope="package")
def shipped(home: Path) -> Iterator[Service]:
    """Run the service as it is shipped."""
    with running(Build.SHIPPED, home) as service:
        yield service
