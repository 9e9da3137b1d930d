"""Versions against ranges, as far as package metadata of our own kind needs them (PEP 440)."""

import re
from typing import Final

_RELEASE: Final = re.compile(r"\s*v?(\d+(?:\.\d+)*)(.*)")
_CLAUSE: Final = re.compile(r"\s*(~=|==|!=|<=|>=|<|>)\s*([0-9A-Za-z.+-]+)\s*")
_PRE: Final = re.compile(r"[.-]?(a|b|rc|dev)\d*")
_REQUIREMENT: Final = re.compile(
    r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(;.*)?"
)

# The release, and whether it is final: a preview comes before its release.
Version = tuple[tuple[int, ...], bool]


def parse(text: str) -> Version:
    """Return a version that compares.

    Raises:
        ValueError: it begins with no number.
    """
    found = _RELEASE.match(text)
    if found is None:
        raise ValueError(f"expected a version, was {text!r}")
    release = tuple(int(part) for part in found[1].split("."))
    while len(release) > 1 and release[-1] == 0:
        release = release[:-1]
    return release, _PRE.match(found[2]) is None


def is_within(version: str, ranges: str) -> bool:
    """Say whether a version satisfies every clause, such as `>=2.3,<3`; no clause allows all.

    Raises:
        ValueError: a clause of another kind.
    """
    return all(_holds(parse(version), clause) for clause in ranges.split(",") if clause.strip())


def requirement(text: str) -> tuple[str, str, bool]:
    """Return name and ranges of a `Requires-Dist` line, and whether it always applies.

    Raises:
        ValueError: it names no package.
    """
    found = _REQUIREMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a requirement, was {text!r}")
    return found[1], found[2].strip(), found[3] is None


def _holds(version: Version, clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        raise ValueError(f"expected a range such as >=2.3, was {clause!r}")
    sign, wanted = found[1], parse(found[2])
    match sign:
        case ">=":
            return version >= wanted
        case "<=":
            return version <= wanted
        case ">":
            return version > wanted
        case "<":
            # A preview of the first release outside is outside too.
            return version[0] < wanted[0]
        case "==":
            return version == wanted
        case "!=":
            return version != wanted
        case _:
            parts = len(found[2].split(".")) - 1
            return version >= wanted and _cut(version, parts) == _cut(parse(found[2]), parts)


def _cut(version: Version, parts: int) -> tuple[int, ...]:
    return (*version[0], *(0,) * parts)[:parts]
