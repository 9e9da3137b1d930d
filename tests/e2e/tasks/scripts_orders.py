"""How an assistant goes about tasks that end in a new order."""

from tests.e2e.tasks.assistant import (
    Assistant,
    CannotError,
    Row,
    Told,
    ahead,
    amount,
    plain,
    stepped,
)
from tests.support.gateway import rows_of


async def buy_below(a: Assistant) -> str:
    """Buy only under the person's price, and never pay more than it."""
    account = (await a.account("sandbox"))["account"]
    (quote,) = rows_of(await a.ask("get_quotes", symbols=["AAPL"]))
    if amount(quote["ask"]) >= 200:
        return f"AAPL is at {quote['ask']}, not below 200: I did nothing."
    sent = await a.order(
        account,
        "asked to buy 10 AAPL below 200",
        symbol="AAPL",
        side="buy",
        order_type="limit",
        quantity="10",
        limit_price="200",
    )
    row = await a.order_row(account, sent["order_id"], "filled")
    return f"Bought {row['filled_quantity']} AAPL at {row['average_price']}."


async def by_amount(a: Assistant) -> str:
    """Spend money instead of naming a number of shares."""
    account = (await a.account("sandbox"))["account"]
    sent = await a.order(
        account,
        "asked to put 500 dollars into MSFT",
        symbol="MSFT",
        side="buy",
        order_type="market",
        cash_amount="500",
    )
    row = await a.order_row(account, sent["order_id"], "filled")
    return f"You own {row['filled_quantity']} MSFT more, at {row['average_price']}."


async def bracket(a: Assistant) -> str:
    """Buy with a take profit and a stop loss, and see both stand."""
    account = (await a.account("sandbox"))["account"]
    sent = await a.order(
        account,
        "asked for 5 GOOG with a target and a stop",
        symbol="GOOG",
        side="buy",
        order_type="limit",
        quantity="5",
        limit_price="305",
        take_profit_price="330",
        stop_loss_price="270",
        time_in_force="gtc",
    )
    row = await a.order_row(account, sent["order_id"], "filled")

    def has_both(told: Told) -> bool:
        return len(_attached(told, sent["order_id"])) == 2

    told = await a.look_until(has_both, "get_orders", account=account, symbol="GOOG", status="open")
    legs = ", ".join(leg["terms"] for leg in _attached(told, sent["order_id"]))
    return f"Bought at {row['average_price']}; standing now: {legs}"


def _attached(told: Told, order_id: str) -> list[Row]:
    return [row for row in rows_of(told["orders"]) if row.get("parent_order_id") == order_id]


async def hong_kong_lots(a: Assistant) -> str:
    """Find the contract by name, and tell of its lots before anything is sent."""
    account = (await a.account("sandbox"))["account"]
    found = rows_of(await a.ask("find_contracts", query="tencent", market="HK"))
    symbol = found[0]["symbol"]
    try:
        await a.order(
            account,
            "asked for 150 Tencent",
            symbol=symbol,
            side="buy",
            order_type="limit",
            quantity="150",
            limit_price="600",
        )
    except CannotError as no:
        return f"{symbol} trades in lots, so 150 is not possible ({no}). 100 or 200?"
    return "Sent."


async def future(a: Assistant) -> str:
    """Buy the nearest contract of a future."""
    account = (await a.account("sandbox"))["account"]
    contracts = rows_of(await a.ask("find_contracts", query="ES", security="future"))
    main = next(row for row in contracts if row["is_main"])
    sent = await a.order(
        account,
        "asked for one E-mini S&P",
        symbol=main["symbol"],
        security="future",
        side="buy",
        order_type="market",
        quantity="1",
    )
    row = await a.order_row(account, sent["order_id"], "filled")
    return f"Bought 1 {main['symbol']} at {row['average_price']}."


async def future_without_money(a: Assistant) -> str:
    """Ask for a future in an account whose futures segment is empty."""
    account = (await a.account("sandbox-two"))["account"]
    contracts = rows_of(await a.ask("find_contracts", query="ES", security="future"))
    main = next(row for row in contracts if row["is_main"])
    try:
        await a.order(
            account,
            "asked for one E-mini S&P",
            symbol=main["symbol"],
            security="future",
            side="buy",
            order_type="market",
            quantity="1",
        )
    except CannotError as no:
        return f"I could not: {no}"
    return "Sent."


async def short(a: Assistant) -> str:
    """Sell what is not held, knowingly: the preview itself must say so."""
    account = (await a.account("sandbox"))["account"]
    shown = await a.preview(
        account,
        "asked to short 20 TSLA",
        symbol="TSLA",
        side="sell",
        order_type="market",
        quantity="20",
    )
    warned = [row["name"] for row in rows_of(shown["checks"]) if row["result"] == "warned"]
    if "opens_short" not in warned:
        return "I stopped: nothing says that this is a short sale."
    sent = await a.ask("submit_order", account=account, preview_id=shown["preview_id"])
    await a.order_row(account, sent["order_id"], "filled")
    held = await a.look_until(
        lambda told: bool(rows_of(told["positions"])),
        "get_positions",
        account=account,
        symbol="TSLA",
    )
    (row,) = rows_of(held["positions"])
    return f"You are short: {row['quantity']} TSLA."


async def before_the_open(a: Assistant) -> str:
    """Let an order trade before the exchange opens."""
    account = (await a.account("sandbox"))["account"]
    sent = await a.order(
        account,
        "asked to buy in the pre-market",
        symbol="NVDA",
        side="buy",
        order_type="limit",
        quantity="5",
        limit_price="100",
        session="extended",
    )
    row = await a.order_row(account, sent["order_id"], "working")
    return f"It waits: {row['terms']}"


async def option_at_mid(a: Assistant) -> str:
    """Choose an option by expiry and strike, and offer the middle of the spread."""
    account = (await a.account("sandbox"))["account"]
    chain = await a.ask("get_option_chain", symbol="AAPL")
    today = str(chain["as_of"]["exchange"])[:10]
    expiry = next(row["expiry"] for row in rows_of(chain) if row["expiry"] >= ahead(today, 25))
    calls = await a.ask(
        "get_option_chain", symbol="AAPL", expiry=expiry, right="call", money="out", limit=1
    )
    (first,) = rows_of(calls)
    middle = (amount(first["bid"]) + amount(first["ask"])) / 2
    sent = await a.order(
        account,
        "asked for a call about a month out, just out of the money",
        symbol="AAPL",
        security="option",
        expiry=expiry,
        strike=first["strike"],
        right="call",
        side="buy",
        order_type="limit",
        quantity="1",
        limit_price=plain(stepped(middle, "0.05")),
    )
    row = await a.order_row(account, sent["order_id"], "working", "filled")
    return f"{row['phase']}: {row['terms']}"


async def roll_call(a: Assistant) -> str:
    """Close a short call and open next month's as one order, at the price of the spread."""
    account = (await a.account("sandbox"))["account"]
    held = rows_of((await a.ask("get_positions", account=account, security="option"))["positions"])
    old = next(row for row in held if row["right"] == "call" and amount(row["quantity"]) < 0)
    chain = rows_of(await a.ask("get_option_chain", symbol=old["symbol"]))
    later = next(
        row["expiry"]
        for row in chain
        if row["kind"] == "monthly" and row["expiry"] >= ahead(old["expiry"], 25)
    )
    strike = [f"strike>={old['strike']}"]
    (near,), (far,) = [
        rows_of(
            await a.ask(
                "get_option_chain",
                symbol=old["symbol"],
                expiry=expiry,
                right="call",
                filters=strike,
                limit=1,
            )
        )
        for expiry in (old["expiry"], later)
    ]
    credit = amount(far["bid"]) - amount(near["ask"])
    sent = await a.order(
        account,
        f"asked to roll the {old['expiry']} call to next month",
        symbol=old["symbol"],
        security="combination",
        side="sell",
        order_type="limit",
        quantity=plain(-amount(old["quantity"])),
        limit_price=plain(stepped(credit, "0.05")),
        legs=[
            {"side": "buy", "right": "call", "expiry": later, "strike": far["strike"]},
            {"side": "sell", "right": "call", "expiry": old["expiry"], "strike": near["strike"]},
        ],
    )
    row = await a.order_row(account, sent["order_id"], "filled")
    return f"Rolled to {later} for {row['average_price']} a share."


async def timed_out(a: Assistant) -> str:
    """Send an order whose answer is lost, and find out what became of it without sending again."""
    account = (await a.account("sandbox"))["account"]
    sent = await a.order(
        account,
        "asked for 30 BURU",
        symbol="BURU",
        side="buy",
        order_type="limit",
        quantity="30",
        limit_price="0.20",
    )
    if sent["status"] != "unknown":
        return f"It was {sent['status']} at once."
    row = await a.order_row(account, sent["order_id"], "working", "not_found")
    return f"The answer was lost, but the order is {row['phase']} at the broker: do not repeat it."
