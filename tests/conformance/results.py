"""What the suite said, what of it was expected to fail and why, and both as a table."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.conformance.node_tools import NodeTools
from tests.conformance.services import Build, Service

REVISIONS: Final = ("2025-11-25", "2026-07-28")
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "conformance.md"
_EXPECTED_FILE: Final = Path(__file__).with_name("expected.toml")
_MARKS: Final = ("<!-- results: begin -->\n", "<!-- results: end -->\n")
_EXTENSION: Final = "tasks-"
_BAD: Final = frozenset({"FAILURE", "WARNING"})


class Run(NamedTuple):
    """One revision's scenarios on one server: scenario -> its checks as (id, status)."""

    build: Build
    revision: str
    checks: Mapping[str, tuple[tuple[str, str], ...]]

    def failed(self) -> frozenset[str]:
        """Return what did not pass, as `scenario:check`."""
        return frozenset(
            f"{scenario}:{check}"
            for scenario, checks in self.checks.items()
            for check, status in checks
            if status in _BAD
        )


class Expected(NamedTuple):
    """What is known beforehand."""

    # On the shipped server: scenario -> the fixture without which it says nothing.
    needs: Mapping[str, str]
    # (server, revision) -> `scenario:check` -> why it fails.
    failures: Mapping[tuple[Build, str], Mapping[str, str]]

    def of(self, run: Run) -> frozenset[str]:
        """Return what is expected to fail in a run."""
        return frozenset(self.failures.get((run.build, run.revision), {}))


def expected() -> Expected:
    """Read what is known beforehand."""
    told = tomllib.loads(_EXPECTED_FILE.read_text(encoding="utf-8"))
    failures: dict[tuple[Build, str], dict[str, str]] = {}
    for each in told["failure"]:
        for revision in each["revisions"]:
            of_run = failures.setdefault((Build(each["server"]), revision), {})
            of_run |= dict.fromkeys(each["checks"], each["why"])
    needs = {name: what for what, names in told["needs"].items() for name in names}
    return Expected(needs, failures)


def judged(tools: NodeTools, build: Build, service: Service, revision: str, *, folder: Path) -> Run:
    """Run a revision's scenarios; the tasks extension, which nobody offers, is left out."""
    files = tools.judge(url=service.url, token=service.token, revision=revision, folder=folder)
    left_out = set(expected().needs) if build is Build.SHIPPED else set()
    checks = {
        scenario: tuple((each["id"], each["status"]) for each in json.loads(file.read_text()))
        for scenario, file in files.items()
        if scenario not in left_out and not scenario.startswith(_EXTENSION)
    }
    return Run(build, revision, checks)


def table(runs: Mapping[tuple[Build, str], Run], required: Mapping[str, frozenset[str]]) -> str:
    """Return all runs as lines of Markdown: a row per scenario, a column per run."""
    known = expected()
    columns = [(build, revision) for build in Build for revision in REVISIONS]
    scenarios = sorted({name for run in runs.values() for name in run.checks} | set(known.needs))
    titles = [f"{build.value.replace('_', ' ')} {revision}" for build, revision in columns]
    lines = [
        "| scenario | " + " | ".join(titles) + " |",
        "| --- |" + " --- |" * len(titles),
    ]
    for name in scenarios:
        cells = [_cell(runs[column], name, known, required) for column in columns]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n" + _reasons(known)


def _cell(run: Run, scenario: str, known: Expected, required: Mapping[str, frozenset[str]]) -> str:
    checks = run.checks.get(scenario)
    if checks is None:
        is_asked = scenario in known.needs and scenario in required[run.revision]
        return "needs a fixture" if is_asked and run.build is Build.SHIPPED else ""
    statuses = {status for _, status in checks}
    word = "pass" if "SUCCESS" in statuses else "does not apply"
    if statuses & _BAD:
        word = "fails, see below" if "FAILURE" in statuses else "warns, see below"
    return word if scenario in required[run.revision] else f"({word})"


def _reasons(known: Expected) -> str:
    lines = ["", "| server | revision | check | why it fails |", "| --- | --- | --- | --- |"]
    for (build, revision), failures in sorted(known.failures.items()):
        name = build.value.replace("_", " ")
        lines += [f"| {name} | {revision} | `{check}` | {why} |" for check, why in failures.items()]
    return "\n".join(lines) + "\n"


def documented() -> str:
    """Return the table that the document has."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return text.partition(_MARKS[0])[2].partition(_MARKS[1])[0]


def write(found: str) -> None:
    """Put a table into the document."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(_MARKS[0])
    _, _, after = rest.partition(_MARKS[1])
    DOCUMENT.write_text(f"{before}{_MARKS[0]}{found}{_MARKS[1]}{after}", encoding="utf-8")
