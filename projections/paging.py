"""Pages of rows: how long one is, where the next begins, and the stretch of time asked for."""

import base64
import binascii
from datetime import datetime
from typing import Any, Final

import msgspec

from core import views
from core.errors import CommandError
from projections.store import microseconds

_LIMIT_MIN: Final = 1
# Behind every moment and counter that a row may have.
CURSOR_END: Final = (1 << 62, 1 << 62)

_encode: Final = msgspec.json.Encoder().encode
_cursor_decoder: Final = msgspec.json.Decoder(tuple[int, int])


def check_limit(limit: int) -> None:
    """Refuse a page of no rows, or of too many.

    Raises:
        CommandError: naming `limit`.
    """
    if not _LIMIT_MIN <= limit <= views.ROWS_MAX:
        raise CommandError(
            f"expected limit from {_LIMIT_MIN} to {views.ROWS_MAX}, was {limit}", field="limit"
        )


def within(
    where: list[str],
    values: list[str | int],
    column: str,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Add the bounds of a stretch of time to a condition, the end not included.

    Raises:
        CommandError: a moment without a zone.
    """
    for moment, test in ((since, ">="), (until, "<")):
        if moment is None:
            continue
        if moment.tzinfo is None:
            raise CommandError("expected a moment with its zone", field="since")
        where.append(f"{column} {test} ?")
        values.append(microseconds(moment))


def bounded(rows: list[Any], *, at: int) -> list[Any]:
    """Return as many rows as a page may have bytes, and always one; column `at` has the bytes."""
    size = 0
    for index, row in enumerate(rows):
        size += len(row[at])
        if index and size > views.PAGE_BYTES_MAX:
            return rows[:index]
    return rows


def key_text(key: str) -> str:
    """Return the cursor that stands for the key of the last row shown."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def parse_key(text: str) -> str:
    """Return the key that a cursor stands for.

    Raises:
        CommandError: naming `cursor`.
    """
    try:
        return base64.b64decode(text.encode(), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise CommandError("expected cursor as an earlier answer gave it", field="cursor") from None


# A cursor is the place of the last row shown: rows that arrive later stand before it or, when the
# broker tells of an older order late, at their own place; none that was shown comes again.
def cursor_text(moment_us: int, n: int) -> str:
    """Return the cursor that stands for the moment and counter of the last row shown."""
    return base64.urlsafe_b64encode(_encode((moment_us, n))).decode()


def parse_cursor(text: str) -> tuple[int, int]:
    """Return the moment and counter that a cursor stands for.

    Raises:
        CommandError: naming `cursor`.
    """
    try:
        moment_us, n = _cursor_decoder.decode(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error, msgspec.DecodeError):
        moment_us = n = -CURSOR_END[0] * 2
    if not all(abs(part) <= CURSOR_END[0] for part in (moment_us, n)):
        raise CommandError("expected cursor as an earlier answer gave it", field="cursor")
    return moment_us, n
