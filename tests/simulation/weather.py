"""What may go wrong in one run: each seed turns some faults on, and most of them off.

A run with every fault at once never gets anywhere; a run with a few of them goes far and is hit
where it hurts.
"""

from dataclasses import dataclass, fields
from random import Random
from typing import Final

# Share of the faults that a run has.
ON: Final = 0.3
# What may be away for long while all else is answered.
AWAY: Final = ("positions", "prime_assets", "active_orders", "order_transactions")
# Whether a run has these is drawn apart, so that the other runs stay as they are.
DRAWN_APART: Final = frozenset({"busts"})
# The same where a trap is set, which much else would spring too early.
ON_BESIDE_A_TRAP: Final = 0.06


@dataclass(kw_only=True)
class Weather:
    """Chances per message (or per run, where it says so) of each fault."""

    # To and from the broker.
    post_lost: float = 0.0
    post_reply_lost: float = 0.0
    post_late: float = 0.0  # done after the client gave up, up to just before its deadline
    post_hangs: float = 0.0  # the SDK's own time limit does not hold
    post_refused: float = 0.0  # no connection is made
    post_reset: float = 0.0  # the connection breaks, before or after it was done
    post_code: float = 0.0  # an odd code, done or not
    post_empty: float = 0.0  # a reply without a body, done or not
    post_rejected: float = 0.0  # a definite no
    post_doubled: float = 0.0  # a proxy sends it twice
    read_fails: float = 0.0
    read_slow: float = 0.0
    read_stale: float = 0.0
    read_empty: float = 0.0
    read_hangs: float = 0.0
    rows_half: float = 0.0  # per order: the first row of it lacks something
    lists_behind: float = 0.0  # per run: lists of orders stand still for a minute or two
    late_reject: float = 0.0
    broker_down: float = 0.0  # per run
    broker_down_for_hours: float = 0.0  # per run
    # To and from NATS.
    append_lost: float = 0.0
    ack_lost: float = 0.0
    append_slow: float = 0.0
    append_late: float = 0.0
    duplicate_ack: float = 0.0  # "duplicate" for what was never stored
    conflict_10164: float = 0.0
    append_refused: float = 0.0
    read_back_lost: float = 0.0
    nats_down: float = 0.0  # per run
    delivery_doubled: float = 0.0
    delivery_late: float = 0.0
    delivery_ack_lost: float = 0.0
    publish_doubled: float = 0.0
    publish_ack_lost: float = 0.0
    fact_lost: float = 0.0  # a republished fact
    garbage: float = 0.0  # per command
    # The broker's push.
    push_away: float = 0.0  # per run: the accounts live by their own rounds
    push_lost: float = 0.0
    push_late: float = 0.0
    push_doubled: float = 0.0
    push_drops: float = 0.0  # per run
    push_mute: float = 0.0  # per run
    push_kicked: float = 0.0  # per run
    # Processes and machines.
    crash: float = 0.0  # per start of a process
    freeze: float = 0.0  # per start of a process
    busy: float = 0.0  # per wait of a thread
    stalls: float = 0.0  # per intention: its process stands still for a moment after it
    second_worker: float = 0.0  # per run
    machine_sleeps: float = 0.0  # per run
    wall_jumps: float = 0.0  # per run
    # People.
    modifies: float = 0.0  # per run
    cancel_many: float = 0.0  # per run
    odd_orders: float = 0.0  # per run: stops, brackets, pairs of which one cancels the other
    halts: float = 0.0  # per run
    halt_file: float = 0.0  # per run
    phone_orders: float = 0.0  # per run
    foreign_marks: float = 0.0  # per run
    hasty_release: float = 0.0  # per run
    # The market.
    partial_fills: float = 0.0  # per run
    slow_cancels: float = 0.0  # per run
    broker_skew: float = 0.0  # per run
    transfers: float = 0.0  # per run: shares and cash come and go without a fill
    busts: float = 0.0  # per run: executions are taken back


_CHANCES: Final[dict[str, tuple[float, float]]] = {
    "post_lost": (0.05, 0.4),
    "post_reply_lost": (0.05, 0.6),
    "post_late": (0.05, 0.6),
    "post_hangs": (0.02, 0.2),
    "post_refused": (0.05, 0.3),
    "post_reset": (0.05, 0.4),
    "post_code": (0.05, 0.3),
    "post_empty": (0.05, 0.3),
    "post_rejected": (0.05, 0.3),
    "post_doubled": (0.02, 0.2),
    "read_fails": (0.05, 0.4),
    "read_slow": (0.05, 0.5),
    "read_stale": (0.05, 0.4),
    "read_empty": (0.05, 0.4),
    "read_hangs": (0.002, 0.01),
    "rows_half": (0.1, 0.6),
    "late_reject": (0.05, 0.3),
    "append_lost": (0.02, 0.2),
    "ack_lost": (0.02, 0.2),
    "append_slow": (0.05, 0.6),
    "append_late": (0.02, 0.2),
    "duplicate_ack": (0.02, 0.2),
    "conflict_10164": (0.2, 1.0),
    "append_refused": (0.005, 0.02),
    "read_back_lost": (0.05, 0.3),
    "delivery_doubled": (0.05, 0.5),
    "delivery_late": (0.05, 0.5),
    "delivery_ack_lost": (0.05, 0.5),
    "publish_doubled": (0.1, 0.6),
    "publish_ack_lost": (0.05, 0.5),
    "fact_lost": (0.05, 0.5),
    "garbage": (0.05, 0.2),
    "push_lost": (0.1, 1.0),
    "push_late": (0.1, 1.0),
    "push_doubled": (0.1, 1.0),
    "crash": (0.5, 0.9),
    "freeze": (0.3, 0.8),
    "busy": (0.01, 0.1),
    "stalls": (0.1, 0.4),
    "broker_down_for_hours": (0.05, 0.05),
}


def weather_of(rng: Random, *, share: float = ON) -> Weather:
    """Draw the faults of a run; each is on with this share."""
    made = Weather()
    for field in fields(Weather):
        if field.name in DRAWN_APART:
            continue
        low, high = _CHANCES.get(field.name, (1.0, 1.0))
        is_on = rng.random() < share
        chance = low + (high - low) * rng.random()
        if is_on:
            setattr(made, field.name, chance)
    if made.broker_down_for_hours:
        made.broker_down_for_hours = float(rng.random() < made.broker_down_for_hours)
    return made
