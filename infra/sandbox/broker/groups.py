"""One-cancels-other groups: what may be in one. The desk cancels the others when one fills."""

from collections.abc import Sequence

from infra.sandbox.broker.records import OrderRequest
from infra.sandbox.broker.rules import OCA_TYPES, OrderRefusedError, bad

MEMBERS_MIN, MEMBERS_MAX = 2, 4


def refuse_group(requests: Sequence[OrderRequest]) -> None:
    """Raise unless the orders can stand for one another.

    Raises:
        OrderRefusedError: wrong number of orders, of different contracts, sides or accounts, or of
            a type that a group does not take.
    """
    if not MEMBERS_MIN <= len(requests) <= MEMBERS_MAX:
        raise bad("An OCA order takes two to four orders")
    if len({(item.account, item.contract_key, item.side) for item in requests}) != 1:
        raise bad("The orders of an OCA order must be of one contract and one side")
    numbers = [item.order_number for item in requests if item.order_number]
    if len(set(numbers)) != len(numbers):
        raise OrderRefusedError("duplicate", "TRADE DUPLICATE ORDER ID")
    for request in requests:
        if request.order_type not in OCA_TYPES or request.legs or request.attached:
            raise bad(f"OCA orders do not support {request.order_type}")
