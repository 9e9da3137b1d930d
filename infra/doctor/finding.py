"""What one check of the doctor found: how it is, what was seen, and the step that mends it."""

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"  # works today, and will or may fail
    FAILED = "failed"
    NOT_CHECKED = "not checked"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding; `mend` is a command to type or a step to take, empty when nothing is amiss.

    Neither text may hold a key, a token, a Tiger id or an account's number.
    """

    check: str
    verdict: Verdict
    seen: str
    mend: str = ""


def ok(check: str, seen: str) -> Finding:
    """Return that all is well."""
    return Finding(check=check, verdict=Verdict.OK, seen=seen)


def warning(check: str, seen: str, *, mend: str) -> Finding:
    """Return what works today, and will or may fail."""
    return Finding(check=check, verdict=Verdict.WARNING, seen=seen, mend=mend)


def failed(check: str, seen: str, *, mend: str) -> Finding:
    """Return what does not work."""
    return Finding(check=check, verdict=Verdict.FAILED, seen=seen, mend=mend)


def not_checked(check: str, seen: str, *, mend: str = "") -> Finding:
    """Return what could not be looked at, and what makes it possible."""
    return Finding(check=check, verdict=Verdict.NOT_CHECKED, seen=seen, mend=mend)
