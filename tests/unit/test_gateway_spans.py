"""Days and spans as people say them, in the person's own zone."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError

from adapters.mcp.spans import Span, span

# A Monday, 23:30 in New York, and Tuesday noon already in Tokyo.
NOW = datetime(2026, 3, 31, 3, 30, tzinfo=UTC)
NEW_YORK, TOKYO = "America/New_York", "Asia/Tokyo"


@pytest.mark.parametrize(
    ("begin", "end", "zone", "expected"),
    [
        ("", "", TOKYO, Span("", "")),
        ("today", "", TOKYO, Span("2026-03-31", "")),
        ("today", "", NEW_YORK, Span("2026-03-30", "")),
        ("yesterday", "", TOKYO, Span("2026-03-30", "2026-03-30")),
        ("5d", "", TOKYO, Span("2026-03-26", "")),
        ("2w", "today", TOKYO, Span("2026-03-17", "2026-03-31")),
        # February has no 31st.
        ("1mo", "", TOKYO, Span("2026-02-28", "")),
        ("13mo", "", TOKYO, Span("2025-02-28", "")),
        ("1y", "", NEW_YORK, Span("2025-03-30", "")),
        ("ytd", "", TOKYO, Span("2026-01-01", "")),
        ("last month", "", TOKYO, Span("2026-02-01", "2026-02-28")),
        ("this month", "", TOKYO, Span("2026-03-01", "")),
        ("last week", "", TOKYO, Span("2026-03-23", "2026-03-29")),
        ("this week", "", TOKYO, Span("2026-03-30", "")),
        ("last year", "", TOKYO, Span("2025-01-01", "2025-12-31")),
        ("last year", "today", TOKYO, Span("2025-01-01", "2026-03-31")),
        ("2026-01-31", "2026-02-01", TOKYO, Span("2026-01-31", "2026-02-01")),
        (
            "2026-01-31T09:30-05:00",
            "2026-01-31T21:00:00Z",
            TOKYO,
            Span("2026-01-31T09:30:00-05:00", "2026-01-31T21:00:00+00:00"),
        ),
    ],
)
def test_words_become_days_of_the_persons_calendar(
    begin: str, end: str, zone: str, expected: Span
) -> None:
    assert span(begin, end, now=NOW, zone=zone) == expected


@pytest.mark.parametrize(
    "text",
    [
        "tomorrow",
        "2026-02-30",
        "2026-01-31T09:30:00",
        "2026-01-31T25:00Z",
        "9999y",
        "last decade",
        "-5d",
        "5 d",
        "٥d",
        "0000-00-00",
        "'; drop table",
    ],
)
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(ToolError) as refused:
        span("today", text, now=NOW, zone=TOKYO)
    said = str(refused.value)
    assert said.startswith("invalid_argument: end: expected a day (2026-01-31)")
    assert len(said) < 350


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_a_span_or_a_refusal(begin: str, end: str) -> None:
    try:
        found = span(begin, end, now=NOW, zone=NEW_YORK)
    except ToolError as refused:
        found, said = Span("", ""), str(refused)
    else:
        said = "invalid_argument: "
    assert said.startswith("invalid_argument: ")
    assert all(not text or datetime.fromisoformat(text) for text in found)
