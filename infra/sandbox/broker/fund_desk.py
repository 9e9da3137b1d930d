"""The desk for cash beside trading: transfers between segments, currencies.

Every function checks first and then keeps records; time is handed in.
"""

from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import msgspec

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.cash_entries import cash_entries, transfer_entries
from infra.sandbox.broker.desk_refusals import DeskRefusedError
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.margin import funds_of
from infra.sandbox.broker.records import (
    Fill,
    ForexTraded,
    Order,
    Segment,
    SegmentTransfer,
    SegmentTransferWritten,
    Side,
)
from infra.sandbox.market.instruments import USD_PER_UNIT

CENT = Decimal("0.01")
RATE_STEP = Decimal("0.00001")
# What Tiger calls a currency pair in orders, and in executions.
FOREX_ORDER = "CASH"
FOREX_FILL = "FOREX"


def available(engine: Engine, account: Account, segment: Segment, currency: str) -> Decimal:
    """Return how much cash of a currency may leave a segment: none that margin needs."""
    cash = account.cash_of(segment).get(currency, Decimal(0))
    # Securities and funds answer for one another.
    funds = funds_of(account, engine.prices, "FUT" if segment == "FUT" else "SEC")
    cash = min(cash, funds.available / USD_PER_UNIT[currency])
    return max(Decimal(0), cash).quantize(CENT, ROUND_DOWN)


def submit_transfer(
    engine: Engine,
    account: Account,
    *,
    from_segment: Segment,
    to_segment: Segment,
    currency: str,
    amount: Decimal,
    now: datetime,
) -> SegmentTransfer:
    """Take cash out of a segment and send it on its way to another.

    Raises:
        DeskRefusedError: nothing was moved.
    """
    _check_currency(currency)
    if amount > available(engine, account, from_segment, currency):
        raise _failed("Insufficient available cash")
    transfer = SegmentTransfer(
        transfer_id=engine.book.next_id(),
        account=account.account,
        from_segment=from_segment,
        to_segment=to_segment,
        currency=currency,
        amount=amount,
        status="NEW",
        created_at=now,
        updated_at=now,
    )
    out = transfer_entries(engine.book, account.account, transfer, from_segment, -amount, now)
    engine.keep(SegmentTransferWritten(transfer=transfer, entries=out))
    engine.settle(now)
    return transfer


def open_transfers(engine: Engine, account: Account) -> list[SegmentTransfer]:
    """Return the account's transfers that have not arrived, oldest first."""
    return [
        item
        for item in engine.book.funds.waiting_transfers.values()
        if item.account == account.account
    ]


def cancel_transfer(
    engine: Engine, account: Account, transfer_id: int, now: datetime
) -> SegmentTransfer:
    """Take cash back that is on its way.

    Raises:
        DeskRefusedError: there is no such transfer, or it has arrived.
    """
    transfer = engine.book.funds.segment_transfers.get(transfer_id)
    if transfer is None or transfer.account != account.account:
        raise DeskRefusedError("not_found", "The transfer does not exist")
    if transfer.status != "NEW":
        # Source: Tiger's example of a refused cancel (page "accounts-java").
        raise _failed("The transfer cannot be cancelled now")
    back = msgspec.structs.replace(transfer, status="CANC", updated_at=now)
    entries = transfer_entries(
        engine.book, account.account, transfer, transfer.from_segment, transfer.amount, now
    )
    engine.keep(SegmentTransferWritten(transfer=back, entries=entries))
    return back


def exchange(
    engine: Engine,
    account: Account,
    *,
    segment: Segment,
    source: str,
    target: str,
    amount: Decimal,
    now: datetime,
) -> Order:
    """Change an amount of one currency into another at the fixed rate.

    The pair is named with the dearer currency first, as Tiger names USD.HKD; its price is how much
    of the second one of the first costs.

    Raises:
        DeskRefusedError: nothing was changed.
    """
    for currency in (source, target):
        _check_currency(currency)
    if source == target:
        raise _failed("The currencies must differ")
    if amount > available(engine, account, segment, source):
        raise _failed("Insufficient available cash")
    base, quoted = sorted((source, target), key=lambda name: USD_PER_UNIT[name], reverse=True)
    price = (USD_PER_UNIT[base] / USD_PER_UNIT[quoted]).quantize(RATE_STEP, ROUND_HALF_UP)
    side: Side = "SELL" if source == base else "BUY"
    quantity = amount if side == "SELL" else (amount / price).quantize(CENT, ROUND_DOWN)
    received = (amount * price).quantize(CENT, ROUND_DOWN) if side == "SELL" else quantity
    if received <= 0:
        raise _failed("The amount is too small")
    entries = cash_entries(
        engine.book,
        account.account,
        segment,
        now,
        "FOREX",
        (_forex_label(source, base), source, -amount),
        (_forex_label(target, base), target, received),
    )
    order = _forex_order(engine, account, f"{base}.{quoted}", side, quantity, price, now)
    fill = _forex_fill(order, price=price, currency=quoted, now=now)
    engine.keep(ForexTraded(order=order, fill=fill, entries=entries))
    return order


def _forex_order(
    engine: Engine,
    account: Account,
    pair: str,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    now: datetime,
) -> Order:
    number = engine.reserve_number(account.tiger_id)
    return Order(
        tiger_id=account.tiger_id,
        account=account.account,
        symbol=pair,
        key=pair,
        sec_type=FOREX_ORDER,
        side=side,
        order_type="MKT",
        quantity=quantity,
        outside_rth=False,
        global_id=engine.book.next_id(),
        order_number=number,
        external_id=str(number),
        status="Filled",
        opened_at=now,
        updated_at=now,
        status_changed_at=now,
        filled_quantity=quantity,
        filled_amount=quantity * price,
    )


def _forex_fill(order: Order, *, price: Decimal, currency: str, now: datetime) -> Fill:
    return Fill(
        # Neither id is used up yet, so the execution takes one of the gap behind the order's.
        fill_id=order.global_id + 1,
        global_id=order.global_id,
        account=order.account,
        symbol=order.symbol,
        key=order.key,
        sec_type=FOREX_FILL,
        side=order.side,
        quantity=order.quantity,
        price=price,
        fee=Decimal(0),
        currency=currency,
        filled_at=now,
    )


def _forex_label(currency: str, base: str) -> str:
    # Source: Tiger's example of cash movements (page "accounts-java").
    side = "Base Currency" if currency == base else "Quotation Currency"
    return f"Currency Exchange - {side}"


def _check_currency(currency: str) -> None:
    if currency not in USD_PER_UNIT:
        raise _failed(f"The currency {currency} is not supported")


def _failed(text: str) -> DeskRefusedError:
    return DeskRefusedError("fail", text)
