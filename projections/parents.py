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
    parent = above = _above(row, find)
    for _ in range(_GENERATIONS_MAX - 1):
        if above is not None and above.is_external:
            above = _above(above, find)
    if parent is None or above is None or above.is_external:
        return stored
    told = msgspec.structs.replace(
        row,
        is_external=False,
        parent_order_id=parent.order_id,
        reason=row.reason or above.reason,
    )
    return _encode(told)


def _above(row: views.OrderRow, find: Find) -> views.OrderRow | None:
    above = _found(row.parent_order_id, find)
    # A leg may have been seen while an order of ours stood on the books as a stranger's.
    return _found(above.owner_order_id, find) if above and above.owner_order_id else above


def _found(order_id: str, find: Find) -> views.OrderRow | None:
    found = find(order_id) if order_id else None
    return None if found is None else _decoder.decode(found)
