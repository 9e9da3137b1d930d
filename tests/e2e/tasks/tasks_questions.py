"""Tasks that are questions: nothing is sent."""

from typing import Final

from tests.e2e.tasks import after, before
from tests.e2e.tasks import scripts_orders as order
from tests.e2e.tasks import scripts_reads as read
from tests.e2e.tasks.task import Task

QUESTIONS: Final = (
    Task(
        "Buy 10 AAPL on sandbox if it is below 200 dollars. (It is not.)",
        order.buy_below,
        2,
        (
            after.nothing_sent(),
            after.recorded("sandbox", order_previewed=0),
            after.said(r"^AAPL is at 230\.\d+, not below 200: I did nothing\.$"),
        ),
        (before.price("AAPL", "230"),),
    ),
    Task(
        "What did I trade last week on sandbox-paper, and why?",
        read.trades_of_last_week,
        3,
        (
            after.nothing_sent(),
            after.said(r"buy 3 AAPL at 230\.\d+ USD because 'earnings next week'"),
            after.said(r"buy 100 00700 at \d+(\.\d+)? HKD because 'cheap against its peers'"),
        ),
        (
            before.price("AAPL", "230"),
            before.holds("sandbox-paper", "AAPL", "3", "earnings next week"),
            before.holds("sandbox-paper", "00700", "100", "cheap against its peers"),
        ),
        is_week_later=True,
    ),
    Task(
        "Is the token of hongkong about to expire?",
        read.token,
        2,
        (after.nothing_sent(), after.said(r"^issued: 719 hours left\. .*renewed by itself")),
    ),
    Task(
        "Is the token of hongkong about to expire now? (It is.)",
        read.token,
        2,
        (after.nothing_sent(), after.said(r"^expiring: 1 hours left\. .*tried again")),
        (before.token_ends_soon("hongkong", "gamma"),),
    ),
    Task(
        "Why was my AMZN order on sandbox refused?",
        read.why_refused,
        3,
        (after.nothing_sent(), after.said(r"^rejected: .*not shortable today")),
        (before.refused_by_broker("sandbox", "AMZN", "(bad_request:not shortable today)"),),
    ),
    Task(
        "How many AAPL can I still buy on sandbox-two?",
        read.how_much,
        4,
        (
            after.nothing_sent(),
            after.recorded("sandbox-two", order_previewed=1, order_submission_started=0),
            after.said(r"^\d+(\.\d+)? USD: \d+\. worth about \d+"),
        ),
        (before.price("AAPL", "230"),),
    ),
    Task(
        "Compare sandbox and sandbox-two.",
        read.compare,
        5,
        (
            after.nothing_sent(),
            after.said(r"^sandbox: \d+\S* USD, \d+ positions; sandbox-two: \d+\S* USD, \d+ posit"),
        ),
    ),
    Task(
        "Did my AMZN order on sandbox-two fill while my laptop slept?",
        read.while_asleep,
        2,
        (
            after.nothing_sent(),
            after.moved("sandbox-two"),
            after.recorded("sandbox-two", order_submission_started=0, order_fill_recorded=0),
            after.said(r"^filled: 7 of 7$"),
        ),
        (
            before.rests("sandbox-two", "AMZN", "buy", "7", order_type="limit", limit_price="2"),
            before.asleep_while("beta", before.filled_outside("sandbox-two", "AMZN")),
        ),
    ),
    Task(
        "Which of my stocks on sandbox report today, and what did they report lately?",
        read.earnings,
        3,
        (after.nothing_sent(), after.said(r"^Today: .*\. Lately: .*AAPL on \d{4}-\d\d-\d\d")),
        (before.holds("sandbox", "AAPL", "1"),),
    ),
    Task(
        "Is Hong Kong open?",
        read.is_it_open,
        1,
        (after.nothing_sent(), after.said(r"^TRADING; opens next .* Asia/Hong_Kong\.$")),
    ),
    Task(
        "How is my GOOG on sandbox-two doing?",
        read.how_is,
        3,
        (after.nothing_sent(), after.said(r"^2 GOOG from 300\.\d+, now 310(\.\d+)?: 1\d\.\d\d\.$")),
        (
            before.price("GOOG", "300"),
            before.holds("sandbox-two", "GOOG", "2"),
            before.price("GOOG", "310"),
        ),
    ),
    Task(
        "How much of my MSFT order on sandbox-two is filled?",
        read.how_far,
        3,
        (after.nothing_sent(), after.said(r"^4 of 10: 4 at 3\.$")),
        (
            before.rests("sandbox-two", "MSFT", "buy", "10", order_type="limit", limit_price="3"),
            before.filled_outside("sandbox-two", "MSFT", "4"),
        ),
    ),
    Task(
        "Which QQQ orders on sandbox did I place with my phone today?",
        read.from_the_phone,
        2,
        (after.nothing_sent(), after.said(r"^1 from the phone: Buy 6 QQQ .*at limit 5")),
        (before.phone_order("sandbox", "QQQ", "BUY", "6", "5"),),
    ),
)
