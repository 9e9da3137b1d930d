"""Tasks that end in a new order."""

from typing import Final

from tests.e2e.tasks import after, before
from tests.e2e.tasks import scripts_orders as order
from tests.e2e.tasks.task import Task, traded

ORDERS: Final = (
    Task(
        "Buy 10 AAPL on sandbox if it is below 200 dollars.",
        order.buy_below,
        5,
        (
            after.sent(placed=1),
            after.book(
                "sandbox",
                {"symbol": "AAPL", "side": "BUY", "quantity": "10", "status": "Filled"},
            ),
            after.moved("sandbox", AAPL="10"),
            traded("sandbox"),
            after.said(r"^Bought 10 AAPL at 195\.\d+\.$"),
        ),
        (before.price("AAPL", "195"),),
    ),
    Task(
        "Put 500 dollars into MSFT on sandbox.",
        order.by_amount,
        4,
        (
            after.sent(placed=1),
            after.book("sandbox", {"symbol": "MSFT", "cash_amount": "500", "status": "Filled"}),
            traded("sandbox"),
            after.said(r"^You own 1\.0\d+ MSFT more, at 480\."),
        ),
        (before.price("MSFT", "480"),),
    ),
    Task(
        "Buy 5 GOOG on sandbox at 305 or better; take profit at 330, stop loss at 270.",
        order.bracket,
        5,
        (
            after.sent(placed=1),
            after.book(
                "sandbox",
                {"side": "BUY", "quantity": "5", "status": "Filled", "attach_role": None},
                {"side": "SELL", "quantity": "5", "limit_price": "330", "attach_role": "PROFIT"},
                {"side": "SELL", "quantity": "5", "aux_price": "270", "attach_role": "LOSS"},
            ),
            after.moved("sandbox", GOOG="5"),
            traded("sandbox"),
            after.said(r"^Bought at 300\.\d+; standing now: .*(330.*270|270.*330)"),
        ),
        (before.price("GOOG", "300"),),
    ),
    Task(
        "Buy 150 Tencent on sandbox, at 600 at most.",
        order.hong_kong_lots,
        3,
        (
            after.nothing_sent(),
            after.recorded("sandbox", order_previewed=1, order_submission_started=0),
            after.said(r"^00700 trades in lots.*150 in lots of 100"),
        ),
    ),
    Task(
        "Buy one E-mini S&P on sandbox.",
        order.future,
        5,
        (
            after.sent(placed=1),
            after.book("sandbox", {"sec_type": "FUT", "quantity": "1", "status": "Filled"}),
            traded("sandbox"),
            after.said(r"^Bought 1 ES\d{4} at \d+"),
        ),
        (before.money_for_futures("alpha", 60_000),),
    ),
    Task(
        "Buy one E-mini S&P on sandbox-two.",
        order.future_without_money,
        3,
        (
            after.nothing_sent(),
            after.recorded("sandbox-two", order_submission_started=0),
            after.said(r"^I could not: .*Insufficient buying power"),
        ),
    ),
    Task(
        "Short 20 TSLA on sandbox.",
        order.short,
        5,
        (
            after.sent(placed=1),
            after.moved("sandbox", TSLA="-20"),
            traded("sandbox"),
            after.said(r"^You are short: -20 TSLA\.$"),
        ),
    ),
    Task(
        "Buy 5 NVDA on sandbox before the market opens, at 100 at most.",
        order.before_the_open,
        4,
        (
            after.sent(placed=1),
            after.stands(
                "sandbox", "NVDA", quantity="5", limit_price="100", session_type="PRE_RTH_POST"
            ),
            traded("sandbox", fills=0),
            after.said(r"session extended"),
        ),
    ),
    Task(
        "Buy one AAPL call about a month out on sandbox, just out of the money, at the mid.",
        order.option_at_mid,
        6,
        (
            after.sent(placed=1),
            after.book("sandbox", {"sec_type": "OPT", "side": "BUY", "quantity": "1"}),
            after.recorded("sandbox", order_submission_started=1, order_accepted=1),
            after.said(r"^(working|filled): Buy 1 AAPL \d{4}-\d\d-\d\d \d+(\.\d+)? call"),
        ),
    ),
    Task(
        "Roll my covered call on sandbox to next month.",
        order.roll_call,
        8,
        (
            after.sent(placed=1),
            after.book("sandbox", {"sec_type": "MLEG", "quantity": "1", "status": "Filled"}),
            after.recorded("sandbox", order_submission_started=1, order_fill_recorded=2),
            after.said(r"^Rolled to \d{4}-\d\d-\d\d for -?\d"),
        ),
        (before.holds("sandbox", "AAPL", "100"), before.written_call("sandbox", "AAPL")),
    ),
    Task(
        "Buy 30 BURU on sandbox at 0.20. (The broker's answer is lost: is it live?)",
        order.timed_out,
        4,
        (
            after.sent(placed=1),
            after.stands("sandbox", "BURU", quantity="30", limit_price="0.2"),
            after.recorded(
                "sandbox",
                order_submission_started=1,
                order_outcome_unknown=1,
                order_accepted=1,
            ),
            after.said(r"is working at the broker: do not repeat it"),
        ),
        (before.price("BURU", "0.25"), before.answer_lost()),
    ),
)
