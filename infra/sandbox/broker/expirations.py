"""What becomes of holdings when their contract ends: delivered, paid out in cash, or worth nothing.

Options in the money are exercised by themselves, and their writers assigned; shares change hands
at the strike. Warrants, bull/bear contracts and futures are paid out in cash at the last price.
Whoever has asked to let options lapse is heeded before.

Source: OCC, rule 805, exercise by exception from 0.01 in the money; Tiger's page "option-exercise".
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from infra.sandbox.broker.book import Account, Position, position_after
from infra.sandbox.broker.desk import Desk
from infra.sandbox.broker.interest import OpenInterest
from infra.sandbox.broker.records import CashEntry, ContractExpired, PositionChange, Segment
from infra.sandbox.market.expiry import is_over
from infra.sandbox.market.instruments import Instrument, instrument_of
from infra.sandbox.market.pricing import intrinsic

CENT = Decimal("0.01")
NOTHING = OpenInterest()
EXPIRED = "The contract has expired"


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What the end of a contract brings one account."""

    changes: tuple[PositionChange, ...]
    amount: Decimal = Decimal(0)
    segment: Segment = "SEC"
    label: str = ""


def settle_expired(desk: Desk, now: datetime) -> None:
    """End the open orders of every contract that is over, and settle who holds it."""
    for instrument in _over(desk, now):
        _end_orders(desk, instrument.key, now)
        _settle(desk, instrument, now)


def delivered(account: Account, key: str, shares: Decimal, strike: Decimal) -> PositionChange:
    """Return what shares that come (or go, if negative) at a strike change."""
    before = account.positions.get(key, Position())
    after = position_after(before, signed_quantity=shares, price=strike)
    return PositionChange(
        account=account.account,
        key=key,
        quantity=shares,
        cost=after.cost - before.cost,
        realized_pnl=after.realized_pnl - before.realized_pnl,
    )


def share_change(instrument: Instrument, quantity: Decimal) -> Decimal:
    """Return by how much the exercise of options changes the holding of their underlying."""
    shares = quantity * instrument.multiplier
    return shares if instrument.right == "CALL" else -shares


def _over(desk: Desk, now: datetime) -> Iterator[Instrument]:
    keys: dict[str, None] = {}
    for account in desk.book.accounts.values():
        keys |= {key: None for key, item in account.positions.items() if item.quantity}
        keys |= {key: None for key, item in account.open_interest.items() if item != NOTHING}
    for key in sorted(keys):
        instrument = instrument_of(key)
        if is_over(instrument, now):
            yield instrument


def _end_orders(desk: Desk, key: str, now: datetime) -> None:
    for order_id in desk.open_ids():
        order = desk.book.orders[order_id]
        if order.is_open and key in (order.contract_key, *(leg.key for leg in order.legs)):
            desk.close(order, "Inactive", now, remark=EXPIRED)


def _settle(desk: Desk, instrument: Instrument, now: datetime) -> None:
    price = desk.prices.last(instrument.underlying or instrument.key)
    changes: list[PositionChange] = []
    entries: list[CashEntry] = []
    first_id = desk.book.funds.next_entry_id()
    for account in desk.book.accounts.values():
        position = account.positions.get(instrument.key, Position())
        if not position.quantity:
            continue
        settled = _settled(account, instrument, position, price)
        changes += settled.changes
        if settled.amount:
            entries.append(
                CashEntry(
                    entry_id=first_id + len(entries),
                    account=account.account,
                    segment=settled.segment,
                    currency=instrument.currency,
                    amount=settled.amount,
                    kind="TRADE",
                    label=settled.label,
                    booked_at=now,
                    key=instrument.key,
                )
            )
    if changes:
        desk.record(
            ContractExpired(
                key=instrument.key,
                price=price,
                expired_at=now,
                changes=tuple(changes),
                entries=tuple(entries),
            )
        )


def _settled(
    account: Account, instrument: Instrument, position: Position, price: Decimal
) -> Settled:
    if instrument.sec_type == "FUT":
        worth = position.quantity * price * instrument.multiplier
        # What it stands for never was in the account, only what it has won or lost is paid.
        won = worth - position.cost
        gone = _gone(account, instrument, position, brings=worth)
        return Settled(changes=(gone,), amount=won, segment="FUT", label="Futures Settlement")
    yields = intrinsic(instrument, price)
    if instrument.sec_type != "OPT":
        unit = yields / instrument.conversion_ratio
        paid = (unit * position.quantity).quantize(CENT, ROUND_HALF_EVEN)
        gone = _gone(account, instrument, position, brings=paid)
        return Settled(changes=(gone,), amount=paid, label="Warrant Settlement")
    gone = _gone(account, instrument, position, brings=Decimal(0))
    if yields < CENT:
        return Settled(changes=(gone,))
    assert instrument.underlying is not None, "an option has an underlying"
    assert instrument.strike is not None, "an option has a strike"
    shares = share_change(instrument, position.quantity)
    return Settled(
        changes=(gone, delivered(account, instrument.underlying, shares, instrument.strike)),
        amount=-shares * instrument.strike,
        label="Option Exercise" if position.quantity > 0 else "Option Assignment",
    )


def _gone(
    account: Account, instrument: Instrument, position: Position, *, brings: Decimal
) -> PositionChange:
    return PositionChange(
        account=account.account,
        key=instrument.key,
        quantity=-position.quantity,
        cost=-position.cost,
        realized_pnl=brings - position.cost,
    )
