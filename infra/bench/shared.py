"""The cluster that most rows share: one served login, and others for those who go past it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.bench.cluster import Cluster, login_spec
from infra.bench.processes import bare_command
from infra.bench.stdio_client import StdioServer
from infra.config import child_environment

ACCOUNT: Final = "sandbox"
LOGIN: Final = "alpha"
# Known to the sandbox alone: their orders are nobody's business in the ledger.
OFFICIAL_LOGIN: Final = "official"
DIRECT_LOGIN: Final = "direct"


def make_cluster(folder: Path) -> Cluster:
    """Return the shared cluster; it is not up yet."""
    return Cluster(
        folder,
        (login_spec(LOGIN, ACCOUNT),),
        strangers=(login_spec(OFFICIAL_LOGIN, "official"), login_spec(DIRECT_LOGIN, "direct")),
    )


@contextmanager
def initialized_gateway(cluster: Cluster) -> Iterator[StdioServer]:
    """Run a gateway that has answered its first question."""
    with cluster.gateway() as gateway:
        gateway.initialize()
        gateway.call("list_accounts", {})
        yield gateway


@contextmanager
def bare_server(cluster: Cluster) -> Iterator[StdioServer]:
    """Run the server of the same SDK that does nothing."""
    with StdioServer(
        bare_command(),
        environment=child_environment(cluster.settings),
        log=cluster.home.logs / "bare.log",
    ) as server:
        server.initialize()
        yield server
