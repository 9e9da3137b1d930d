"""Frames of the push port: a varint length, then one protobuf message.

Source: tigeropen 3.8.0, `push/network/transport.py` (`encode_frame`) and `push/pb/*.proto`.
"""

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # it has no stubs
from tigeropen.push.pb.PushData_pb2 import PushData
from tigeropen.push.pb.Request_pb2 import Request
from tigeropen.push.pb.Response_pb2 import Response
from tigeropen.push.pb.SocketCommon_pb2 import SocketCommon

# A client's largest frame names some hundred symbols, or carries an access token.
REQUEST_BYTES_MAX = 65_536
# Such a length needs three bytes of seven bits.
LENGTH_BYTES_MAX = 3

# Codes of a MESSAGE that answers a request instead of carrying data.
CODE_SUBSCRIPTIONS = 111
CODE_SUBSCRIBED = 112
CODE_UNSUBSCRIBED = 113


class FrameError(Exception):
    """Bytes that are no frame; the connection can not be read any further."""


class FrameReader:
    """Cuts a stream into the requests it holds."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, content: bytes) -> list[Request]:
        """Take more bytes and return the requests that are whole now.

        Raises:
            FrameError: the length is too long or too large, or the message does not parse.
        """
        self._buffer += content
        requests = []
        while (end := _frame_end(self._buffer)) is not None:
            start, stop = end
            requests.append(_request(bytes(self._buffer[start:stop])))
            del self._buffer[:stop]
        return requests


def frame_of(response: Response) -> bytes:
    """Return the bytes that carry a response."""
    body: bytes = response.SerializeToString()
    length, prefix = len(body), bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + body


def connected(request_id: int, *, send_ms: int, receive_ms: int) -> bytes:
    """Return the answer to a CONNECT; the client's heart beats follow these two figures.

    Args:
        request_id: of the CONNECT.
        send_ms: how often the client is to send a heart beat.
        receive_ms: how long it is to wait for one.
    """
    beats = {"version": "3", "heart-beat": f"{send_ms},{receive_ms}"}
    return _reply(SocketCommon.CONNECTED, request_id, message=_text(beats))


def heartbeat(request_id: int) -> bytes:
    """Return the answer to a heart beat."""
    return _reply(SocketCommon.HEARTBEAT, request_id)


def token_refreshed(request_id: int, *, code: int, message: str) -> bytes:
    """Return the answer to a new access token; code 0 says that it holds from now on."""
    return _reply(SocketCommon.REFRESH_TOKEN, request_id, code=code, message=message)


def error(code: int, message: str, *, request_id: int | None = None) -> bytes:
    """Return an error that concerns the connection."""
    return _reply(SocketCommon.ERROR, request_id, code=code, message=message)


def subscription_reply(
    request_id: int, reply_code: int, *, data_type: int, code: int, message: str
) -> bytes:
    """Return how a SUBSCRIBE or UNSUBSCRIBE went; code 0 is success."""
    response = Response(
        command=SocketCommon.MESSAGE,
        id=request_id,
        code=reply_code,
        msg=_text({"code": code, "message": message}),
        body=PushData(dataType=data_type),
    )
    return frame_of(response)


def subscriptions_reply(request_id: int, listing: dict[str, object]) -> bytes:
    """Return the list of a connection's subscriptions."""
    return _reply(SocketCommon.MESSAGE, request_id, code=CODE_SUBSCRIPTIONS, message=_text(listing))


def data_frame(body: PushData) -> bytes:
    """Return a frame that carries data."""
    return frame_of(Response(command=SocketCommon.MESSAGE, body=body))


def _reply(
    command: int, request_id: int | None, *, code: int | None = None, message: str | None = None
) -> bytes:
    return frame_of(Response(command=command, id=request_id, code=code, msg=message))


def _text(fields: dict[str, object] | dict[str, str]) -> str:
    return msgspec.json.encode(fields).decode()


# Where the first message of the buffer begins and ends; none: it is not whole yet.
def _frame_end(buffer: bytearray) -> tuple[int, int] | None:
    length = 0
    for position, byte in enumerate(buffer[:LENGTH_BYTES_MAX]):
        length |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            if length > REQUEST_BYTES_MAX:
                raise FrameError(f"expected at most {REQUEST_BYTES_MAX} bytes, was {length}")
            start = position + 1
            return (start, start + length) if len(buffer) >= start + length else None
    if len(buffer) >= LENGTH_BYTES_MAX:
        raise FrameError(f"expected a length of at most {LENGTH_BYTES_MAX} bytes")
    return None


def _request(content: bytes) -> Request:
    try:
        return Request.FromString(content)
    except DecodeError:
        raise FrameError("expected a request, was something else") from None
