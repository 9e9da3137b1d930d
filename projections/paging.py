"""Pages of rows: how long one is, where the next begins, and the stretch of time asked for."""

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from core import views
from core.errors import CommandError
from projections.store import microseconds

_LIMIT_MIN: Final = 1
_QUESTION_LENGTH: Final = 10
# Behind every moment and counter that a row may have.
CURSOR_END: Final = (1 << 62, 1 << 62)

_encode: Final = msgspec.json.Encoder().encode
_cursor_decoder: Final = msgspec.json.Decoder(tuple[str, int, int])
_key_decoder: Final = msgspec.json.Decoder(tuple[str, str])
_Place = TypeVar("_Place")
Paged = views.OrdersQuery | views.ExecutionsQuery | views.PositionsQuery


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


def question_of(account: str, query: Paged) -> str:
    """Return what binds a cursor to the account and the question whose rows it goes on with."""
    # How long a page is, and how far the view must be, may change from page to page.
    fixed = msgspec.structs.replace(query, at_least_n=0, limit=_LIMIT_MIN, cursor=None)
    named = f"{account}\0{type(query).__name__}\0".encode()
    return hashlib.sha256(named + _encode(fixed)).hexdigest()[:_QUESTION_LENGTH]


def key_text(question: str, key: str) -> str:
    """Return the cursor that stands for the key of the last row shown."""
    return _text_of((question, key))


def parse_key(question: str, text: str) -> str:
    """Return the key that a cursor stands for.

    Raises:
        CommandError: naming `cursor`: it is none, or of another question.
    """
    asked, key = _parsed(text, _key_decoder)
    return key if asked == question else _refuse_other()


# A cursor is the place of the last row shown: rows that arrive later stand before it or, when the
# broker tells of an older order late, at their own place; none that was shown comes again.
def cursor_text(question: str, moment_us: int, n: int) -> str:
    """Return the cursor that stands for the moment and counter of the last row shown."""
    return _text_of((question, moment_us, n))


def parse_cursor(question: str, text: str) -> tuple[int, int]:
    """Return the moment and counter that a cursor stands for.

    Raises:
        CommandError: naming `cursor`: it is none, or of another question.
    """
    asked, moment_us, n = _parsed(text, _cursor_decoder)
    if not all(abs(part) <= CURSOR_END[0] for part in (moment_us, n)):
        raise CommandError("expected cursor as an earlier answer gave it", field="cursor")
    return (moment_us, n) if asked == question else _refuse_other()


def _text_of(place: tuple[str | int, ...]) -> str:
    return base64.urlsafe_b64encode(_encode(place)).decode()


def _parsed(text: str, decoder: msgspec.json.Decoder[_Place]) -> _Place:
    try:
        return decoder.decode(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise CommandError("expected cursor as an earlier answer gave it", field="cursor") from None


def _refuse_other() -> NoReturn:
    raise CommandError(
        "expected the cursor of an answer to this very question: the same account and filters",
        field="cursor",
    )
