"""The frames of the push port: whatever the bytes, requests or a clean refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tigeropen.push.network.transport import encode_frame
from tigeropen.push.pb.Request_pb2 import Request
from tigeropen.push.pb.Response_pb2 import Response
from tigeropen.push.pb.SocketCommon_pb2 import SocketCommon

from infra.sandbox.market.instruments import Instrument
from infra.sandbox.push import frames
from infra.sandbox.push.frames import REQUEST_BYTES_MAX, FrameError, FrameReader, frame_of
from infra.sandbox.push.topics import instrument_of

REQUESTS = st.builds(
    lambda number, symbols: Request(
        command=SocketCommon.SUBSCRIBE, id=number, subscribe=Request.Subscribe(symbols=symbols)
    ),
    st.integers(0, 2**32 - 1),
    st.text(max_size=300),
)


@given(st.lists(REQUESTS, max_size=6), st.lists(st.integers(1, 400), max_size=40))
def test_requests_are_the_same_however_the_stream_is_cut(
    requests: list[Request], sizes: list[int]
) -> None:
    stream = b"".join(encode_frame(request.SerializeToString()) for request in requests)
    reader, found = FrameReader(), []
    for size in sizes:
        found += reader.feed(stream[:size])
        stream = stream[size:]
    found += reader.feed(stream)
    assert found == requests


@given(st.binary(max_size=300))
def test_any_bytes_are_requests_or_a_frame_error(content: bytes) -> None:
    reader = FrameReader()
    try:
        assert all(isinstance(request, Request) for request in reader.feed(content))
    except FrameError:
        return


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 10,
        b"\x80\x80\x80",
        encode_frame(b"x" * (REQUEST_BYTES_MAX + 1))[:3],
        b"\x03\xff\xff\xff",
    ],
    ids=["endless length", "length without an end", "too large", "no request"],
)
def test_bytes_that_are_no_frame_are_refused_before_more_are_read(content: bytes) -> None:
    with pytest.raises(FrameError):
        FrameReader().feed(content)


@pytest.mark.parametrize("size", [1, 127, 128, 16_383, 16_384, 100_000])
def test_length_is_written_as_the_sdk_writes_it(size: int) -> None:
    response = Response(command=SocketCommon.MESSAGE, msg="x" * size)
    assert frame_of(response) == encode_frame(response.SerializeToString())


def test_connected_carries_the_heart_beats_as_the_sdk_reads_them() -> None:
    frame = frames.connected(7, send_ms=10_000, receive_ms=12_000)
    response = Response.FromString(frame[1:])
    assert (response.command, response.id) == (SocketCommon.CONNECTED, 7)
    assert '"heart-beat":"10000,12000"' in response.msg


@given(st.text() | st.from_regex(r"[A-Z.]{1,6} [0-9W-]{6,10} \S{1,9} (CALL|put|X)", fullmatch=True))
def test_any_text_is_a_contract_or_none(symbol: str) -> None:
    assert isinstance(instrument_of(symbol), Instrument | None)


@pytest.mark.parametrize(
    "symbol, key",
    [
        ("AAPL", "AAPL"),
        ("00700", "00700"),
        ("CL2612", "CL2612"),
        ("AAPL  261218C00230000", "AAPL  261218C00230000"),
        ("AAPL 20261218 230.0 CALL", "AAPL  261218C00230000"),
        ("AAPL 2026-12-18 230 PUT", "AAPL  261218P00230000"),
    ],
)
def test_contract_is_found_by_every_name_the_sdk_sends(symbol: str, key: str) -> None:
    instrument = instrument_of(symbol)
    assert instrument is not None
    assert instrument.key == key
