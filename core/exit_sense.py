"""How long what hangs on an order stands, and in which hours, beside the order itself.

An exit is sent with its order's own time in force, and for regular hours alone.
"""

from core.terms import OrderSpec, TimeInForce, TradingSession


def exit_warnings(spec: OrderSpec) -> dict[str, str]:
    """Return when a filled order would stand without its exits, by the name of each warning."""
    found: dict[str, str] = {}
    if spec.take_profit is None and spec.stop_loss is None:
        return found
    if spec.time_in_force is not TimeInForce.GOOD_TILL_CANCELLED:
        end = "with good_till" if spec.good_till is not None else "at the day's close"
        found["exits_end"] = (
            f"its exits end {end}: what has filled by then stands without them from then on. With "
            "time_in_force gtc they last until cancelled, where the account takes it: a paper "
            "account may not"
        )
    if spec.outside_regular_hours or spec.session not in (None, TradingSession.REGULAR):
        found["exits_hours"] = (
            "it may fill outside regular hours, and its exits work in regular hours only"
        )
    return found
