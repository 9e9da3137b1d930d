"""Days and spans as people say them, by the calendar of one zone or two."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError

from adapters.mcp.spans import Span, span, wider

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
def test_words_become_days_of_the_zones_calendar(
    begin: str, end: str, zone: str, expected: Span
) -> None:
    assert span(begin, end, now=NOW, zones=[zone]) == expected


@pytest.mark.parametrize("zones", [(TOKYO, NEW_YORK), (NEW_YORK, TOKYO)])
def test_of_two_days_the_earlier_is_today(zones: tuple[str, str]) -> None:
    assert span("today", "", now=NOW, zones=zones) == Span("2026-03-30", "")
    assert span("yesterday", "", now=NOW, zones=zones) == Span("2026-03-29", "2026-03-29")


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("", "", Span("", "")),
        ("today", "", Span("2026-03-31", "2026-03-31")),
        ("tomorrow", "", Span("2026-04-01", "2026-04-01")),
        ("yesterday", "", Span("2026-03-30", "2026-03-30")),
        ("this week", "", Span("2026-03-30", "2026-04-05")),
        ("next week", "", Span("2026-04-06", "2026-04-12")),
        ("last week", "", Span("2026-03-23", "2026-03-29")),
        ("this month", "", Span("2026-03-01", "2026-03-31")),
        ("next month", "", Span("2026-04-01", "2026-04-30")),
        ("this year", "", Span("2026-01-01", "2026-12-31")),
        ("next year", "", Span("2027-01-01", "2027-12-31")),
        ("ytd", "", Span("2026-01-01", "2026-03-31")),
        # What names no end has none.
        ("5d", "", Span("2026-03-26", "")),
        ("2026-04-01", "", Span("2026-04-01", "")),
        ("today", "next week", Span("2026-03-31", "2026-04-12")),
        ("this week", "tomorrow", Span("2026-03-30", "2026-04-01")),
    ],
)
def test_where_days_to_come_are_told_a_name_is_whole(begin: str, end: str, expected: Span) -> None:
    assert span(begin, end, now=NOW, zones=[TOKYO], is_ahead=True) == expected


def test_a_refusal_says_what_is_taken_ahead() -> None:
    with pytest.raises(ToolError) as refused:
        span("soon", "", now=NOW, zones=[TOKYO], is_ahead=True)
    said = str(refused.value)
    assert said.endswith('"tomorrow", "next week" or "next month", was \'soon\'.')
    assert len(said) < 350


@pytest.mark.parametrize("begin", ["today", "yesterday", "5d", "last month", "2026-03-01", ""])
def test_a_wider_span_holds_both(begin: str) -> None:
    here, there = (span(begin, "", now=NOW, zones=[zone]) for zone in (TOKYO, NEW_YORK))
    found = wider(here, there)
    assert found == wider(there, here)
    assert found.begin == min(here.begin, there.begin)
    assert found.end == max(here.end, there.end)


@pytest.mark.parametrize(
    "text",
    [
        "tomorrow",
        "next week",
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
        span("today", text, now=NOW, zones=[TOKYO])
    said = str(refused.value)
    assert said.startswith("invalid_argument: end: expected a day (2026-01-31)")
    assert len(said) < 350


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_a_span_or_a_refusal(begin: str, end: str) -> None:
    try:
        found = span(begin, end, now=NOW, zones=[NEW_YORK])
    except ToolError as refused:
        found, said = Span("", ""), str(refused)
    else:
        said = "invalid_argument: "
    assert said.startswith("invalid_argument: ")
    assert all(not text or datetime.fromisoformat(text) for text in found)
