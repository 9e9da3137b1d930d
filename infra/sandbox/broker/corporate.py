"""Corporate actions: a dividend pays cash, a split multiplies shares; the price follows."""

from datetime import datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.desk import Desk
from infra.sandbox.broker.records import CashEntry, CorporateAction, DividendPaid
from infra.sandbox.broker.rules import AMOUNT_STEP, bad, is_within
from infra.sandbox.market.instruments import Instrument, find, rounded_to_tick, tick_at

SPLIT_REMARK = "The order was ended by a corporate action"
RATIO_MAX = Decimal(1000)
DIVIDEND_LABEL = "Cash Dividend"


def apply_action(desk: Desk, action: CorporateAction, now: datetime) -> None:
    """Change every holding of a stock, its price, and end its open orders on a split.

    Raises:
        OrderRefusedError: no such stock, or no such ratio or amount.
    """
    item = find(action.key)
    if item is None or item.sec_type != "STK":
        raise bad(f"no stock {action.key}")
    last = desk.prices.last(action.key)
    if isinstance(action, DividendPaid):
        is_exact = is_within(action.amount, last / 2) and action.amount % AMOUNT_STEP == 0
        if not is_exact or action.currency != item.currency:
            raise bad(f"no dividend of {action.amount} {action.currency}")
        desk.record(msgspec.structs.replace(action, entries=_dividends(desk, action)))
        _move(desk, item, last - action.amount)
        return
    if not is_within(action.ratio, RATIO_MAX):
        raise bad(f"no split of {action.ratio}")
    for order_id in desk.open_ids():
        order = desk.book.orders[order_id]
        if order.is_open and action.key in (order.contract_key, *(leg.key for leg in order.legs)):
            desk.close(order, "Inactive", now, remark=SPLIT_REMARK)
    desk.record(action)
    _move(desk, item, last / action.ratio)


def _dividends(desk: Desk, action: DividendPaid) -> tuple[CashEntry, ...]:
    # Who is short pays what the holder gets.
    first = desk.book.funds.next_entry_id()
    held = [
        (account.account, position.quantity)
        for account in desk.book.accounts.values()
        if (position := account.positions.get(action.key)) is not None and position.quantity
    ]
    return tuple(
        CashEntry(
            entry_id=first + at,
            account=account,
            segment="SEC",
            currency=action.currency,
            amount=quantity * action.amount,
            kind="CORPORATE_ACTION",
            label=DIVIDEND_LABEL,
            booked_at=action.paid_at,
            key=action.key,
        )
        for at, (account, quantity) in enumerate(held)
    )


def _move(desk: Desk, item: Instrument, price: Decimal) -> None:
    # Rounded to the tick (half to even), and never below two ticks, so that there is a bid.
    least = 2 * tick_at(item, Decimal(0))
    moved = max(least, rounded_to_tick(item, price))
    desk.prices.set_all({item.key: moved}, step_count=desk.prices.step_count)
    desk.liquidity.refresh()
