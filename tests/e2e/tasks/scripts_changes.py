"""How an assistant goes about tasks that change, cancel, sell or stop what is there."""

from tests.e2e.tasks.assistant import Assistant, CannotError, Told, amount, plain, stepped
from tests.support.gateway import rows_of


async def cancel_symbol(a: Assistant) -> str:
    """Cancel every order of one symbol, and look whether they are gone."""
    account = (await a.account("sandbox"))["account"]
    asked = await a.ask("cancel_orders", account=account, symbol="TSLA")
    told = await a.look_until(
        lambda found: not rows_of(found["orders"]),
        "get_orders",
        account=account,
        symbol="TSLA",
        status="open",
    )
    left = len(rows_of(told["orders"]))
    return f"Cancelled {len(rows_of(asked['cancels']))} TSLA orders; {left} left."


async def move_stop(a: Assistant) -> str:
    """Raise the trigger of a stop order."""
    account = (await a.account("sandbox"))["account"]
    found = await a.ask("get_orders", account=account, symbol="NVDA", status="open")
    (stop,) = [row for row in rows_of(found["orders"]) if row["order_type"] == "stop"]
    told = await a.ask(
        "modify_order",
        account=account,
        order_id=stop["order_id"],
        reason="asked to move the stop up",
        stop_price="155",
    )
    return f"{told['status']}: {told['summary']}"


async def bigger(a: Assistant) -> str:
    """Raise the quantity of an order that waits."""
    account = (await a.account("sandbox"))["account"]
    found = await a.ask("get_orders", account=account, symbol="AMZN", status="open")
    (order,) = rows_of(found["orders"])
    told = await a.ask(
        "modify_order",
        account=account,
        order_id=order["order_id"],
        reason="asked for 20 instead of 10",
        quantity="20",
    )
    return f"{told['status']}: {told['summary']}"


async def undo(a: Assistant) -> str:
    """Cancel the newest order, whatever it was."""
    account = (await a.account("sandbox-paper"))["account"]
    (last,) = rows_of((await a.ask("get_orders", account=account, limit=1))["orders"])
    if last["phase"] == "filled":
        return f"It is filled already: {last['terms']}"
    await a.ask("cancel_orders", account=account, order_ids=[last["order_id"]])
    row = await a.order_row(account, last["order_id"], "cancelled", "filled")
    return f"{row['phase']}: {row['terms']}"


async def sell_half_in_hong_kong(a: Assistant) -> str:
    """Sell half of each position of one market, in whole lots."""
    account = (await a.account("sandbox-two"))["account"]
    held = rows_of((await a.ask("get_positions", account=account, market="HK"))["positions"])
    symbols = [row["symbol"] for row in held]
    lots = {
        row["symbol"]: row["lot_size"]
        for row in rows_of(await a.ask("find_contracts", symbols=symbols))
    }
    sold: list[str] = []
    for row in held:
        half = stepped(amount(row["quantity"]) / 2, lots[row["symbol"]])
        if half == 0:
            sold.append(f"{row['symbol']}: less than two lots, kept")
            continue
        await a.order(
            account,
            "asked to sell half of everything in Hong Kong",
            symbol=row["symbol"],
            side="sell",
            order_type="market",
            quantity=plain(half),
        )
        sold.append(f"{row['symbol']}: {plain(half)} of {row['quantity']}")
    await a.look_until(
        lambda told: all(each["phase"] == "filled" for each in rows_of(told["orders"])),
        "get_orders",
        account=account,
        since="today",
        limit=len(held),
    )
    return "Sold half. " + "; ".join(sold)


async def everything_sold(a: Assistant) -> str:
    """Close every position of an account, long or short."""
    account = (await a.account("sandbox-paper"))["account"]
    held = rows_of((await a.ask("get_positions", account=account))["positions"])
    for row in held:
        quantity = amount(row["quantity"])
        await a.order(
            account,
            "asked to close everything",
            symbol=row["symbol"],
            side="sell" if quantity > 0 else "buy",
            order_type="market",
            quantity=plain(abs(quantity)),
        )
    told = await a.look_until(
        lambda found: not rows_of(found["positions"]), "get_positions", account=account
    )
    return f"Closed {len(held)} positions; {len(rows_of(told['positions']))} left."


async def trailing_protection(a: Assistant) -> str:
    """Protect what is held by a stop that follows the price."""
    account = (await a.account("sandbox"))["account"]
    found = await a.ask("get_positions", account=account, symbol="QQQ")
    (held,) = rows_of(found["positions"])
    sent = await a.order(
        account,
        "asked to protect QQQ by a 5 % trailing stop",
        symbol="QQQ",
        side="sell",
        order_type="trailing_stop",
        trailing_percent="5",
        quantity=held["quantity"],
        time_in_force="gtc",
    )
    row = await a.order_row(account, sent["order_id"], "working")
    return f"It stands: {row['terms']}"


async def either_or(a: Assistant) -> str:
    """Sell at a target or at a stop, whichever comes first."""
    account = (await a.account("sandbox"))["account"]
    sent = await a.order(
        account,
        "asked to sell at 700 or at 600",
        symbol="SPY",
        side="sell",
        order_type="limit",
        quantity="4",
        limit_price="700",
        or_stop_price="600",
        time_in_force="gtc",
    )
    row = await a.order_row(account, sent["order_id"], "working")
    return f"It stands: {row['terms']}"


async def read_only(a: Assistant) -> str:
    """Be refused where a person allowed reading alone."""
    row = await a.account("hongkong-view")
    if row["mode"] != "read_only":
        return "I could have."
    try:
        await a.order(
            row["account"],
            "asked to buy 1 AAPL",
            symbol="AAPL",
            side="buy",
            order_type="market",
            quantity="1",
        )
    except CannotError:
        told = await a.ask("get_account", account=row["account"])
        return str(told["next_step"])
    return "Sent."


async def halt_everything(a: Assistant) -> str:
    """Stop every account that can be stopped, and say what may still fill."""
    said: list[str] = []
    for row in rows_of((await a.ask("list_accounts"))["accounts"]):
        if row["mode"] == "read_only":
            said.append(f"{row['account']}: read-only")
            continue
        told = await a.ask(
            "halt_trading", account=row["account"], reason="asked to halt everything"
        )
        said.append(f"{row['account']}: {told['status']}")
    await a.look_until(_is_still, "list_accounts")
    return "; ".join(said)


def _is_still(told: Told) -> bool:
    return all(
        row["open_orders"] == 0 and (row["state"] == "halted" or row["mode"] == "read_only")
        for row in rows_of(told["accounts"])
    )
