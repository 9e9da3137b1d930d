"""Whose an order is that the broker made of another: its giver's, with the giver's reason.

A take profit and a stop loss come into the record as the broker's listings show them, so a stored
row alone would tell them as orders from elsewhere.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from core import views

# An order, what was made of it, and what was made of that; the broker goes no further.
_GENERATIONS_MAX: Final = 3
_WITHOUT_PARENT: Final = b'"parent_order_id":""'
_decoder: Final = msgspec.json.Decoder(views.OrderRow)
_encode: Final = msgspec.json.Encoder().encode

Find = Callable[[str], bytes | None]


def with_parent(stored: bytes, find: Find) -> bytes:
    """Return a stored row as it is told; `find` returns that of an id, if there is one."""
    if _WITHOUT_PARENT in stored:
        return stored
    row = _decoder.decode(stored)
    above = row
    for _ in range(_GENERATIONS_MAX):
        found = find(above.parent_order_id) if above.parent_order_id else None
        if found is None:
            return stored
        above = _decoder.decode(found)
        if not above.is_external:
            reason = row.reason or above.reason
            return _encode(msgspec.structs.replace(row, is_external=False, reason=reason))
    return stored
