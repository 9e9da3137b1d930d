"""How an assistant goes about questions: nothing is sent."""

from tests.e2e.tasks.assistant import Assistant, amount, plain
from tests.support.gateway import rows_of


async def trades_of_last_week(a: Assistant) -> str:
    """Say what was traded, and why, in the words of that time."""
    account = (await a.account("sandbox-paper"))["account"]
    told = await a.ask("get_executions", account=account, since="last week", until="last week")
    fills = rows_of(told["executions"])
    ids = sorted({row["order_id"] for row in fills})
    orders = await a.ask("get_orders", account=account, order_ids=ids)
    why = {row["order_id"]: row["reason"] for row in rows_of(orders["orders"])}
    return "; ".join(
        f"{row['side']} {row['quantity']} {row['contract']} at {row['price']} {row['currency']}"
        f" because {why[row['order_id']]!r}"
        for row in reversed(fills)
    )


async def token(a: Assistant) -> str:
    """Say when a login's token ends, and what to do."""
    account = (await a.account("hongkong"))["account"]
    told = (await a.ask("get_account", account=account))["token"]
    return f"{told['state']}: {told['expires_in_hours']} hours left. {told['next_step']}"


async def why_refused(a: Assistant) -> str:
    """Find the broker's own words behind a refusal."""
    account = (await a.account("sandbox"))["account"]
    found = await a.ask("get_orders", account=account, symbol="AMZN", limit=1)
    (order,) = rows_of(found["orders"])
    told = await a.ask("explain_order", account=account, order_id=order["order_id"])
    return f"{told['sending']['outcome']}: {told['sending']['broker_text']}"


async def how_much(a: Assistant) -> str:
    """Turn buying power into shares, and have the broker's preview confirm it."""
    account = (await a.account("sandbox-two"))["account"]
    balances = await a.ask("get_balances", account=account)
    (quote,) = rows_of(await a.ask("get_quotes", symbols=["AAPL"]))
    power = amount(balances["buying_power"])
    # Something is left for fees and for a price that moves.
    count = power * 98 // 100 // amount(quote["ask"])
    shown = await a.preview(
        account,
        "asked how many could be bought",
        symbol="AAPL",
        side="buy",
        order_type="limit",
        quantity=plain(count),
        limit_price=quote["ask"],
    )
    return f"{balances['buying_power']} {balances['currency']}: {plain(count)}. {shown['costs']}"


async def compare(a: Assistant) -> str:
    """Hold two accounts side by side."""
    rows = {row["account"] for row in rows_of((await a.ask("list_accounts"))["accounts"])}
    said: list[str] = []
    for account in ("sandbox", "sandbox-two"):
        assert account in rows
        told = await a.ask("get_balances", account=account)
        held = rows_of((await a.ask("get_positions", account=account))["positions"])
        said.append(
            f"{account}: {told['net_liquidation']} {told['currency']}, {len(held)} positions"
        )
    return "; ".join(said)


async def while_asleep(a: Assistant) -> str:
    """Say what became of an order while nobody looked."""
    account = (await a.account("sandbox-two"))["account"]
    told = await a.look_until(
        lambda found: rows_of(found["orders"])[0]["phase"] != "working",
        "get_orders",
        account=account,
        symbol="AMZN",
        since="today",
        limit=1,
    )
    (row,) = rows_of(told["orders"])
    return f"{row['phase']}: {row['filled_quantity']} of {row['quantity']}"


async def earnings(a: Assistant) -> str:
    """Look up the reports of what is held: of today, and of the last hundred days."""
    account = (await a.account("sandbox"))["account"]
    held = await a.ask("get_positions", account=account, market="US", security="stock")
    symbols = sorted({row["symbol"] for row in rows_of(held["positions"])})
    told = await a.ask(
        "get_fundamentals", what="earnings", symbols=symbols, begin="100d", end="today"
    )
    today = told["facts"]["to_day"]
    rows = rows_of(told)
    now = [row["symbol"] for row in rows if row["report_day"] == today]
    past = [f"{row['symbol']} on {row['report_day']}" for row in rows]
    return f"Today: {', '.join(now) or 'none'}. Lately: {', '.join(past)}."


async def is_it_open(a: Assistant) -> str:
    """Say whether a market is open."""
    (row,) = rows_of(await a.ask("get_market_status", market="HK"))
    return f"{row['status']}; opens next {row['next_open_local']} {row['zone']}."


async def how_is(a: Assistant) -> str:
    """Say what a position has won or lost at the price of now."""
    account = (await a.account("sandbox-two"))["account"]
    found = await a.ask("get_positions", account=account, symbol="GOOG", security="stock")
    (held,) = rows_of(found["positions"])
    (quote,) = rows_of(await a.ask("get_quotes", symbols=["GOOG"]))
    each = amount(quote["last"]) - amount(held["average_cost"])
    won = (each * amount(held["quantity"])).quantize(amount("0.01"))
    return f"{held['quantity']} GOOG from {held['average_cost']}, now {quote['last']}: {won}."


async def how_far(a: Assistant) -> str:
    """Say how much of an order is filled."""
    account = (await a.account("sandbox-two"))["account"]
    found = await a.ask("get_orders", account=account, symbol="MSFT", status="open")
    (row,) = rows_of(found["orders"])
    fills = rows_of(
        (await a.ask("get_executions", account=account, order_id=row["order_id"]))["executions"]
    )
    prices = ", ".join(f"{fill['quantity']} at {fill['price']}" for fill in fills)
    return f"{row['filled_quantity']} of {row['quantity']}: {prices}."


async def from_the_phone(a: Assistant) -> str:
    """Tell the orders of the phone app from our own."""
    account = (await a.account("sandbox"))["account"]
    found = await a.look_until(
        lambda told: any(row.get("is_external") for row in rows_of(told["orders"])),
        "get_orders",
        account=account,
        symbol="QQQ",
        since="today",
    )
    theirs = [row["terms"] for row in rows_of(found["orders"]) if row.get("is_external")]
    return f"{len(theirs)} from the phone: {'; '.join(theirs)}"
