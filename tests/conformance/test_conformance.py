"""The protocol's own suite, on the service and on the service with the suite's fixtures in it."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.node_tools import HERE, NodeTools
from tests.conformance.results import REVISIONS, Run, documented, expected, judged, table
from tests.conformance.services import Build, Service, running

Runs = Mapping[tuple[Build, str], Run]
Required = Mapping[str, frozenset[str]]


@pytest.fixture(scope="module")
def required(tools: NodeTools) -> Required:
    """Return the scenarios that each revision requires."""
    return {revision: tools.required(revision) for revision in REVISIONS}


@pytest.fixture(scope="module")
def runs(
    tools: NodeTools, home: Path, shipped: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """Judge each server by each revision, once."""
    with ExitStack() as stack:
        services = {
            Build.SHIPPED: shipped,
            Build.FIXTURES: stack.enter_context(running(Build.FIXTURES, home)),
            Build.SESSIONS: stack.enter_context(running(Build.SESSIONS, home)),
        }
        yield {
            (build, revision): judged(
                tools,
                build,
                service,
                revision,
                folder=tmp_path_factory.mktemp(f"{build}-{revision}"),
            )
            for build, service in services.items()
            for revision in REVISIONS
        }


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("build", Build)
def test_what_fails_is_what_was_known_to_fail(runs: Runs, build: Build, revision: str) -> None:
    run = runs[build, revision]
    # So a check that begins to pass has to leave the list.
    assert run.failed() == expected().of(run)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_revision_is_required_whole(runs: Runs, required: Required, revision: str) -> None:
    for build in (Build.FIXTURES, Build.SESSIONS):
        assert required[revision] <= runs[build, revision].checks.keys()
    known = runs[Build.SHIPPED, revision].checks.keys() | expected().needs.keys()
    assert required[revision] <= known


@pytest.mark.parametrize("revision", REVISIONS)
def test_with_sessions_nothing_of_what_is_required_fails(
    runs: Runs, required: Required, revision: str
) -> None:
    failed = {each.partition(":")[0] for each in runs[Build.SESSIONS, revision].failed()}
    assert failed & required[revision] == set()


def test_a_scenario_that_passes_says_so_by_a_check_of_its_own(runs: Runs) -> None:
    silent = {
        scenario
        for run in runs.values()
        for scenario, checks in run.checks.items()
        if "SUCCESS" not in {status for _, status in checks}
    }
    assert silent <= {
        "server-session-lifecycle",
        "server-sse-multiple-streams",
        "server-sse-polling",
    }


def test_the_documented_results_are_these(runs: Runs, required: Required) -> None:
    assert table(runs, required) == documented()


def test_every_npm_package_is_pinned_by_its_digest_and_names_no_registry() -> None:
    text = (HERE / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    assert all("integrity" in each for name, each in packages.items() if name)
    assert not any("resolved" in each for each in packages.values())
    assert re.search(r"registry\.", text) is None
