"""Tasks that change, cancel, sell or stop what is there."""

from typing import Final

from tests.e2e.tasks import after, before
from tests.e2e.tasks import scripts_changes as change
from tests.e2e.tasks.task import Task, traded

CHANGES: Final = (
    Task(
        "Cancel everything in TSLA on sandbox.",
        change.cancel_symbol,
        3,
        (
            after.sent(cancelled=2),
            after.none_open("sandbox", "TSLA"),
            after.stands("sandbox", "MSFT", quantity="1"),
            after.recorded("sandbox", account_cancels_asked=1, order_cancelled=2),
            after.said(r"^Cancelled 2 TSLA orders; 0 left\.$"),
        ),
        (
            before.rests("sandbox", "TSLA", "buy", "1", order_type="limit", limit_price="1"),
            before.rests("sandbox", "TSLA", "buy", "2", order_type="limit", limit_price="2"),
            before.rests("sandbox", "MSFT", "buy", "1", order_type="limit", limit_price="1"),
        ),
    ),
    Task(
        "Move my NVDA stop on sandbox up to 155.",
        change.move_stop,
        3,
        (
            after.sent(changed=1),
            after.stands("sandbox", "NVDA", aux_price="155", quantity="10", order_type="STP"),
            after.recorded("sandbox", order_modify_started=1, order_replaced=1),
            after.said(r"^replaced: Sell 10 NVDA .*155"),
        ),
        (
            before.price("NVDA", "180"),
            before.holds("sandbox", "NVDA", "10"),
            before.rests("sandbox", "NVDA", "sell", "10", order_type="stop", stop_price="150"),
        ),
    ),
    Task(
        "Make my AMZN order on sandbox 20 instead of 10.",
        change.bigger,
        3,
        (
            after.sent(changed=1),
            after.stands("sandbox", "AMZN", quantity="20", limit_price="2"),
            after.recorded("sandbox", order_modify_started=1, order_replaced=1),
            after.said(r"^replaced: Buy 20 AMZN"),
        ),
        (before.rests("sandbox", "AMZN", "buy", "10", order_type="limit", limit_price="2"),),
    ),
    Task(
        "Undo my last order on sandbox-paper.",
        change.undo,
        4,
        (
            after.sent(cancelled=1),
            after.none_open("sandbox-paper"),
            after.recorded("sandbox-paper", order_cancel_started=1, order_cancelled=1),
            after.said(r"^cancelled: Buy 1 MSFT"),
        ),
        (before.rests("sandbox-paper", "MSFT", "buy", "1", order_type="limit", limit_price="1"),),
    ),
    Task(
        "Sell half of everything in Hong Kong on sandbox-two.",
        change.sell_half_in_hong_kong,
        8,
        (
            after.sent(placed=2),
            after.moved("sandbox-two", _00700="-100", _00939="-2000"),
            traded("sandbox-two", orders=2, fills=2),
            after.said(r"00005: less than two lots, kept"),
        ),
        (
            before.holds("sandbox-two", "00700", "300"),
            before.holds("sandbox-two", "00005", "400"),
            before.holds("sandbox-two", "00939", "4000"),
        ),
    ),
    Task(
        "Protect my QQQ on sandbox with a 5 % trailing stop.",
        change.trailing_protection,
        5,
        (
            after.sent(placed=1),
            after.stands("sandbox", "QQQ", order_type="TRAIL", side="SELL", trailing_percent="5"),
            traded("sandbox", fills=0),
            after.said(r"once the price falls by 5 % from its highest"),
        ),
        (before.holds("sandbox", "QQQ", "3"),),
    ),
    Task(
        "Sell my 4 SPY on sandbox at 700, or at 600 should it fall.",
        change.either_or,
        4,
        (
            after.sent(placed=1),
            after.book(
                "sandbox",
                {
                    "symbol": "SPY",
                    "side": "SELL",
                    "order_type": "LMT",
                    "limit_price": "700",
                    "quantity": "4",
                    "time_in_force": "GTC",
                    "is_open": True,
                },
                {
                    "symbol": "SPY",
                    "side": "SELL",
                    "order_type": "STP",
                    "aux_price": "600",
                    "quantity": "4",
                    "time_in_force": "GTC",
                    "is_open": True,
                },
            ),
            after.bound_together("sandbox"),
            traded("sandbox", fills=0),
            after.said(
                r"700.* or else at market once the price falls to 600, and one cancels the other"
            ),
        ),
        (before.price("SPY", "660"), before.holds("sandbox", "SPY", "4")),
    ),
    Task(
        "Buy 1 AAPL on hongkong-view.",
        change.read_only,
        3,
        (
            after.nothing_sent(),
            after.recorded("hongkong-view", order_submission_started=0),
            after.said(r"only a person can change that"),
        ),
    ),
)

# Nothing trades after the last of them.
ENDS: Final = (
    Task(
        "Close everything on sandbox-paper.",
        change.everything_sold,
        9,
        (
            after.sent(placed=3),
            after.moved("sandbox-paper", AAPL="-4", TSLA="2", _00700="-200"),
            traded("sandbox-paper", orders=3, fills=3),
            after.said(r"^Closed 3 positions; 0 left\.$"),
        ),
        (
            before.holds("sandbox-paper", "AAPL", "1"),
            before.holds("sandbox-paper", "TSLA", "-2"),
            before.holds("sandbox-paper", "00700", "100"),
        ),
    ),
    Task(
        "Halt everything.",
        change.halt_everything,
        6,
        (
            after.sent(cancelled=2),
            after.none_open("sandbox"),
            after.none_open("sandbox-two"),
            after.recorded("sandbox", account_halted=1, order_cancelled=1),
            after.recorded("sandbox-two", account_halted=1, order_cancelled=1),
            after.recorded("sandbox-paper", account_halted=1),
            after.recorded("hongkong", account_halted=1),
            after.said(r"^hongkong: halted; hongkong-view: read-only; sandbox: halted; "),
        ),
        (
            before.rests("sandbox", "MSFT", "buy", "1", order_type="limit", limit_price="1"),
            before.rests("sandbox-two", "MSFT", "buy", "1", order_type="limit", limit_price="1"),
        ),
    ),
)
