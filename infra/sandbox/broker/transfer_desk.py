"""The desk that moves holdings from one account of a user to another, at what they cost."""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from infra.sandbox.broker.book import COST_STEP, Account, Position, position_after
from infra.sandbox.broker.desk_refusals import DeskRefusedError
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.interest import OpenInterest
from infra.sandbox.broker.records import (
    PositionChange,
    PositionsTransferred,
    PositionTransfer,
    TransferredItem,
)


def transfer(
    engine: Engine,
    source: Account,
    target: Account,
    items: Sequence[TransferredItem],
    *,
    market: str,
    now: datetime,
) -> PositionTransfer:
    """Move holdings.

    Raises:
        DeskRefusedError: nothing was moved.
    """
    if source is target:
        raise DeskRefusedError("bad_request", "The accounts must differ")
    if len({item.key for item in items}) < len(items):
        raise DeskRefusedError("bad_request", "A contract is named twice")
    for item in items:
        if item.quantity > _free(source, item.key):
            raise DeskRefusedError("fail", "The quantity exceeds the available position")
    done = PositionTransfer(
        transfer_id=engine.book.next_id(),
        from_account=source.account,
        to_account=target.account,
        market=market,
        items=tuple(items),
        finished_at=now,
    )
    changes = [change for item in items for change in _changes(source, target, item)]
    engine.keep(PositionsTransferred(transfer=done, changes=tuple(changes)))
    return done


def _free(account: Account, key: str) -> Decimal:
    held = account.positions.get(key, Position()).quantity
    return held - account.open_interest.get(key, OpenInterest()).sell_quantity


def _changes(
    source: Account, target: Account, item: TransferredItem
) -> tuple[PositionChange, PositionChange]:
    held = source.positions[item.key]
    # Rounded (half even, to COST_STEP) unless all of it goes, so that nothing is left over.
    cost = (
        held.cost
        if item.quantity == held.quantity
        else (held.cost * item.quantity / held.quantity).quantize(COST_STEP, ROUND_HALF_EVEN)
    )
    return (
        PositionChange(account=source.account, key=item.key, quantity=-item.quantity, cost=-cost),
        _brought(target, item, cost),
    )


def _brought(target: Account, item: TransferredItem, cost: Decimal) -> PositionChange:
    # What comes to a short holding closes it; what it cost and brings stays the same sum.
    before = target.positions.get(item.key, Position())
    after = position_after(before, signed_quantity=item.quantity, price=cost / item.quantity)
    moved = after.cost - before.cost if before.quantity < 0 else cost
    return PositionChange(
        account=target.account,
        key=item.key,
        quantity=item.quantity,
        cost=moved,
        realized_pnl=moved - cost,
    )
