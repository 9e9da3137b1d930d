"""The fact that tells of an order from elsewhere, later than its first row, what it was made of.

What holds for every fact stands in `core.events`, which names them all in one union.
"""

import msgspec


class OrderParentObserved(msgspec.Struct, frozen=True, kw_only=True):
    """A listing shows which order the broker made this one of; until now none was known.

    The parent's own row was on no book when this order's was first read: it was half written, say.
    """

    order_id: str
    parent_order_id: str
