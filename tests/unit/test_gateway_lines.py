"""Lines of the gateway's wire, however the bytes come."""

from collections.abc import Iterator

import pytest

from adapters.mcp.wire import LINE_BYTES_MAX, Lines, TooLong

TEXT = '{"a":1}\r\n\n{"b":"ü €"}\nrest'.encode()
LINES = [b'{"a":1}\r', b"", '{"b":"ü €"}'.encode()]


def taken(lines: Lines) -> Iterator[bytes | TooLong]:
    """Yield the lines that are complete."""
    while (line := lines.next()) is not None:
        yield line


@pytest.mark.parametrize("cut", range(len(TEXT) + 1))
def test_lines_are_the_same_wherever_a_read_ends(cut: int) -> None:
    lines = Lines()
    lines.add(TEXT[:cut])
    lines.add(TEXT[cut:])
    assert len(lines) == len(LINES)
    assert list(taken(lines)) == LINES
    lines.end()
    assert list(taken(lines)) == [b"rest"]


def test_nothing_after_the_last_newline_is_no_line() -> None:
    lines = Lines()
    lines.add(b"a\n")
    lines.end()
    assert list(taken(lines)) == [b"a"]


def test_a_line_of_the_greatest_length_is_kept_and_a_longer_one_only_by_its_edges() -> None:
    lines = Lines()
    half = b"x" * (LINE_BYTES_MAX // 2)
    for chunk in (half, half, b"\nstart", half, half, b"more", b"end\nnext\n"):
        lines.add(chunk)
    kept, refused, after = taken(lines)
    assert kept == half + half
    assert isinstance(refused, TooLong)
    assert refused.length == LINE_BYTES_MAX + len(b"startmoreend")
    assert refused.start.startswith(b"startx")
    assert refused.end.endswith(b"xmoreend")
    assert len(refused.start) + len(refused.end) < 1_000
    assert after == b"next"
