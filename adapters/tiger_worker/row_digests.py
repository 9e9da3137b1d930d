"""What tells a row without an id from others, so that each is a finding of its own.

It holds only what stays of a row while it stands: prices, fills and states move.
"""

import hashlib
from typing import Final

from adapters.tiger_worker.words import Row
from core.readings import RowKind

DIGEST_LENGTH: Final = 8
_CONTRACT_FIELDS: Final = (
    *("symbol", "identifier", "secType", "market", "currency", "expiry", "strike", "right"),
)
_LASTING: Final = {
    RowKind.ORDER: (
        *_CONTRACT_FIELDS,
        *("userMark", "orderId", "action", "orderType", "totalQuantity", "openTime"),
    ),
    RowKind.POSITION: (*_CONTRACT_FIELDS, "contractId"),
}


def digest_of(kind: RowKind, row: Row) -> str:
    """Return a short digest of what of a row lasts, whatever it holds."""
    lasting = ascii([row.get(field) for field in _LASTING[kind]])
    return hashlib.sha256(lasting.encode()).hexdigest()[:DIGEST_LENGTH]
