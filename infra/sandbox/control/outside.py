"""What happens to an account without its API user: the phone app, deposits, transfers of shares."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from infra.sandbox.bounds import AMOUNT_MAX, is_plain
from infra.sandbox.broker.book import Account
from infra.sandbox.broker.desk import SHARE_STEP
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.records import (
    CashEntry,
    CashPaid,
    DividendPaid,
    Order,
    OrderChange,
    OrderRequest,
    PositionMoved,
    SharesSplit,
)
from infra.sandbox.control.views import (
    DividendCommand,
    ExternalOrder,
    OutsideCash,
    OutsideChange,
    OutsideFill,
    OutsideOrder,
    OutsidePosition,
    SplitCommand,
)
from infra.sandbox.market.instruments import PRICE_MAX, USD_PER_UNIT, find

APP_SOURCE: Final = "android"
PRICE_STEP: Final = Decimal("0.000001")
SPLIT_RATIO_MIN, SPLIT_RATIO_MAX = Decimal("0.0001"), Decimal(10_000)


def app_order(engine: Engine, command: ExternalOrder, now: datetime) -> Order:
    """Place an order as from the phone app: no order number, no mark.

    Raises:
        ValueError: no such account.
        OrderRefusedError: nothing was taken.
    """
    account = account_called(engine, command.account)
    wanted = OrderRequest(
        tiger_id=account.tiger_id,
        account=command.account,
        symbol=command.symbol,
        side=command.side,
        order_type="MKT" if command.limit_price is None else "LMT",
        quantity=command.quantity,
        limit_price=command.limit_price,
        source=APP_SOURCE,
        # App orders carry a text of the app's making, seen to be a time stamp.
        external_id=f"{now.timestamp():.6f}",
    )
    return engine.place(wanted, now)


def app_cancel(engine: Engine, command: OutsideOrder, now: datetime) -> Order:
    """Cancel an order as in the phone app.

    Raises:
        ValueError: no such account or order.
        OrderRefusedError: the order is over.
    """
    return engine.cancel(_order(engine, command.account, command.global_id), now)


def app_modify(engine: Engine, command: OutsideChange, now: datetime) -> Order:
    """Change an order as in the phone app.

    Raises:
        ValueError: no such account or order.
        OrderRefusedError: the order stays as it was.
    """
    order = _order(engine, command.account, command.global_id)
    change = OrderChange(
        quantity=order.quantity if command.quantity is None else command.quantity,
        limit_price=order.limit_price if command.limit_price is None else command.limit_price,
        aux_price=order.aux_price,
        trailing_percent=order.trailing_percent,
        time_in_force=order.time_in_force,
        expire_at=order.expire_at,
        outside_rth=order.outside_rth,
    )
    return engine.modify(order, now, change)


def fill(engine: Engine, command: OutsideFill, now: datetime) -> Order:
    """Fill an order, whatever the market says.

    Raises:
        ValueError: no such account, order or price.
        OrderRefusedError: the order is over, or wants less.
    """
    order = _order(engine, command.account, command.global_id)
    if command.quantity is not None and not is_plain(command.quantity):
        raise ValueError(f"expected a quantity above 0, was {command.quantity}")
    price = order.limit_price if command.price is None else command.price
    if price is None:
        price = engine.prices.last(order.key or order.symbol)
    return engine.fill(
        order,
        now,
        quantity=order.remaining_quantity if command.quantity is None else command.quantity,
        price=_checked_price(price),
    )


def pay(engine: Engine, command: OutsideCash, now: datetime) -> None:
    """Pay cash in, or out; an account may go into debt by it.

    Raises:
        ValueError: no such account, currency or amount.
    """
    account = account_called(engine, command.account)
    if command.currency not in USD_PER_UNIT:
        raise ValueError(f"expected one of {sorted(USD_PER_UNIT)}, was {command.currency}")
    if not is_plain(command.amount) or not command.amount:
        raise ValueError(f"expected an amount other than 0, was {command.amount}")
    engine.keep(
        CashPaid(
            entry=CashEntry(
                entry_id=engine.book.funds.next_entry_id(),
                account=account.account,
                segment="SEC",
                currency=command.currency,
                amount=command.amount,
                kind="DEPOSIT_WITHDRAW",
                label="Deposit" if command.amount > 0 else "Withdrawal",
                booked_at=now,
            )
        )
    )


def move_position(engine: Engine, command: OutsidePosition, now: datetime) -> None:
    """Bring a holding in, or take one away, without a trade and without cash.

    Raises:
        ValueError: no such account, contract, quantity or price.
    """
    account = account_called(engine, command.account)
    item = find(command.key)
    if item is None:
        raise ValueError(f"expected the key of a contract, was {command.key}")
    if not is_plain(command.quantity) or not command.quantity:
        raise ValueError(f"expected a quantity other than 0, was {command.quantity}")
    # Beyond these, what holdings cost would no longer be exact.
    price = _checked_price(command.price)
    if command.quantity % SHARE_STEP != 0 or price % PRICE_STEP != 0:
        raise ValueError(f"expected steps of {SHARE_STEP} shares and {PRICE_STEP} of a price")
    if abs(command.quantity) * price * item.multiplier > AMOUNT_MAX:
        raise ValueError(f"expected a worth of at most {AMOUNT_MAX}")
    engine.keep(
        PositionMoved(
            account=account.account,
            key=command.key,
            quantity=command.quantity,
            price=price,
            moved_at=now,
        )
    )


def pay_dividend(engine: Engine, command: DividendCommand, now: datetime) -> None:
    """Pay a dividend to every holder of a stock, in its currency.

    Raises:
        ValueError: no such stock, or no amount of money.
        OrderRefusedError: no such amount.
    """
    if not is_plain(command.amount):
        raise ValueError(f"expected an amount above 0, was {command.amount}")
    item = find(command.symbol)
    if item is None:
        raise ValueError(f"expected the symbol of a stock, was {command.symbol}")
    action = DividendPaid(
        key=command.symbol, currency=item.currency, amount=command.amount, paid_at=now
    )
    engine.apply_corporate_action(action, now)


def split(engine: Engine, command: SplitCommand, now: datetime) -> None:
    """Split a stock.

    Raises:
        ValueError: no ratio of whole shares is like that.
        OrderRefusedError: no such stock or ratio.
    """
    if not is_plain(command.ratio) or not SPLIT_RATIO_MIN <= command.ratio <= SPLIT_RATIO_MAX:
        raise ValueError(
            f"expected a ratio from {SPLIT_RATIO_MIN} to {SPLIT_RATIO_MAX}, was {command.ratio}"
        )
    action = SharesSplit(key=command.symbol, ratio=command.ratio, split_at=now)
    engine.apply_corporate_action(action, now)


def account_called(engine: Engine, number: str) -> Account:
    """Return an account.

    Raises:
        ValueError: there is none with that number.
    """
    account = engine.book.accounts.get(number)
    if account is None:
        raise ValueError("expected the number of an account")
    return account


def _order(engine: Engine, account: str, global_id: int) -> Order:
    account_called(engine, account)
    order = engine.book.find(account, global_id=global_id, order_number=None)
    if order is None:
        raise ValueError(f"expected the id of an order of {account}, was {global_id}")
    return order


def _checked_price(price: Decimal) -> Decimal:
    if not is_plain(price) or not 0 < price <= PRICE_MAX:
        raise ValueError(f"expected a price above 0, was {price}")
    return price
