"""Pages of an answer: as many rows as were asked for and as a model can read, and the way on."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from adapters.tiger_worker.market_reads import wrong
from adapters.tiger_worker.market_rows import Cells, Sheet
from core.errors import BrokerUnavailableError
from core.market_asks import CURSOR_LENGTH_MAX, ROWS_MAX, MarketTable, Question

# Well under 20,000 tokens of dense figures, at about two bytes each.
PAGE_BYTES_MAX: Final = 36_000
_DIGEST_LENGTH: Final = 10
_R = TypeVar("_R")


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a page begins: `token` names the broker's own page, `offset` a row of it.

    `size` is the limit by which the broker's page was read, if a row of it is where this begins:
    with another one it would be another page. Of rows that are read anew for each page `after` is
    the key of the last one shown. `question` binds the place to the question it belongs to.
    """

    question: str
    token: str = ""
    offset: int = 0
    size: int = 0
    after: str = ""


class Part(NamedTuple, Generic[_R]):
    """The rows of one page, whether it is shorter than asked for, and the way on."""

    rows: tuple[_R, ...]
    is_cut: bool
    cursor: str


def place_of(question: Question) -> Place:
    """Return where the page begins that a question asks for.

    Raises:
        MarketRefusalError: the cursor is none of this question, or the limit is out of bounds.
    """
    if not 0 < question.limit <= ROWS_MAX:
        raise wrong("limit", f"expected 1 to {ROWS_MAX}, was {question.limit}")
    digest = _digest(question)
    if not question.cursor:
        return Place(question=digest)
    try:
        body = base64.urlsafe_b64decode(question.cursor.encode("ascii", "strict"))
        place = msgspec.json.decode(body, type=Place)
    except (ValueError, msgspec.MsgspecError):
        raise wrong("cursor", "expected the cursor of an answer, as it was given") from None
    if place.question != digest or place.offset < 0 or not 0 <= place.size <= ROWS_MAX:
        raise wrong("cursor", "expected the cursor of an answer to this very question")
    return place


def page(
    question: Question, place: Place, whole: Sheet, *, at: datetime, next_token: str = ""
) -> MarketTable:
    """Return a page of the rows that were read at a place.

    Args:
        question: with the limit.
        place: of this page.
        whole: the rows of the broker's page that the place's token names.
        at: the time of the oldest thing told.
        next_token: of the broker's next page; empty on the last.
    """
    return _table(whole, part(question, place, whole.rows, next_token=next_token), at=at)


def page_back(
    question: Question, place: Place, whole: Sheet, *, at: datetime, tokens: Sequence[str]
) -> MarketTable:
    """Return the last rows of a sheet in order of time; the next page goes on before them.

    Args:
        question: with the limit.
        place: of this page; its token bounded what was read.
        whole: the rows before that token, at least one more than asked for if there are more.
        at: the time of the oldest thing told.
        tokens: one for each row; the next page is what lies before the oldest row shown.
    """
    wanted = whole.rows[-question.limit :]
    shown = _fitting(wanted[::-1])
    first = len(whole.rows) - shown
    cursor = _encoded(Place(question=place.question, token=tokens[first])) if first else ""
    rows = tuple(whole.rows[first:])
    return _table(whole, Part(rows, shown < len(wanted), cursor), at=at)


def _table(whole: Sheet, found: Part[Cells], *, at: datetime) -> MarketTable:
    note = ""
    if found.is_cut:
        note = f"cut after {len(found.rows)} rows because the answer is long; `cursor` has the rest"
    return MarketTable(
        columns=whole.columns, rows=found.rows, at=at, cursor=found.cursor, note=note
    )


def part(
    question: Question, place: Place, whole: Sequence[_R], *, next_token: str = ""
) -> Part[_R]:
    """Return the rows of a page, of any kind that has a JSON form; see `page`."""
    rows = whole[place.offset : place.offset + question.limit]
    shown = _fitting(rows)
    end = place.offset + shown
    following = None
    if end < len(whole):
        size = place.size or question.limit
        following = msgspec.structs.replace(place, offset=end, size=size)
    elif next_token:
        following = Place(question=place.question, token=next_token)
    cursor = "" if following is None else _encoded(following)
    return Part(tuple(rows[:shown]), shown < len(rows), cursor)


def part_by_key(
    question: Question, place: Place, whole: Iterable[_R], *, key: Callable[[_R], str]
) -> Part[_R]:
    """Return the rows of a page, in the order of their keys, of which no two are equal.

    A row that comes or goes between two pages moves no other out of them.
    """
    left = sorted((row for row in whole if key(row) > place.after), key=key)
    rows = left[: question.limit]
    shown = _fitting(rows)
    cursor = ""
    if shown < len(left):
        cursor = _encoded(Place(question=place.question, after=key(rows[shown - 1])))
    return Part(tuple(rows[:shown]), shown < len(rows), cursor)


def _fitting(rows: Sequence[object]) -> int:
    shown, size = 0, 0
    for row in rows:
        size += len(msgspec.json.encode(row))
        if shown and size > PAGE_BYTES_MAX:
            break
        shown += 1
    return shown


def _encoded(place: Place) -> str:
    text = base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()
    if len(text) > CURSOR_LENGTH_MAX:
        raise BrokerUnavailableError("the broker's page token is longer than one can be handed on")
    return text


# The limit may change from page to page.
def _digest(question: Question) -> str:
    fixed = msgspec.structs.replace(question, cursor="", limit=1)
    return hashlib.sha256(msgspec.json.encode(fixed)).hexdigest()[:_DIGEST_LENGTH]
