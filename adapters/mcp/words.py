"""An order in words, so that a person reads what a model is about to do."""

import re
from decimal import Decimal
from typing import Final

from core.terms import (
    OptionLeg,
    OptionRight,
    OrderSpec,
    OrderType,
    SecurityType,
    Side,
    StopLoss,
    TimeInForce,
)

_OPTION_WORD: Final = re.compile(r".+(\d\d)(\d\d)(\d\d)([CP])(\d+(?:\.\d+)?)")
_TYPES: Final = {
    OrderType.MARKET: "at market",
    OrderType.AUCTION: "at the auction's price",
    OrderType.TWAP: "spread evenly over time (TWAP)",
    OrderType.VWAP: "spread by volume (VWAP)",
}
_UNTIL: Final = {
    TimeInForce.DAY: "good for the day",
    TimeInForce.GOOD_TILL_CANCELLED: "good until cancelled",
    TimeInForce.OPENING_AUCTION: "for the opening auction",
}


def order_in_words(spec: OrderSpec, *, is_sent: bool = False) -> str:
    """Return one sentence that says all terms of an order.

    What was sent with it may have ended since: its exits have rows of their own.
    """
    parts = [f"{spec.side} {_size(spec)} {contract_in_words(spec)}{_how(spec)}", _until(spec)]
    if spec.session is not None:
        parts.append(f"session {spec.session}")
    elif spec.outside_regular_hours:
        parts.append("also outside regular hours")
    if spec.algo is not None:
        parts += [
            f"{name} {value}"
            for name, value in (
                ("from", spec.algo.start_at),
                ("to", spec.algo.end_at),
                ("at most this share of the volume:", spec.algo.participation_rate),
            )
            if value is not None
        ]
    parts += _exits(spec, is_sent=is_sent)
    if spec.or_stop is not None:
        parts.append(f"or else {_other_stop(spec)}, and one cancels the other")
    sentence = ", ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def contract_in_words(spec: OrderSpec) -> str:
    """Return what is traded: symbol, class, and what tells one contract from another."""
    if spec.legs:
        trades = "; ".join(_leg(leg, spec) for leg in spec.legs)
        return f"{spec.symbol} combination (it will {trades})"
    if spec.security is SecurityType.OPTION:
        strike = "" if spec.strike is None else plain(spec.strike)
        return f"{spec.symbol} {spec.expiry} {strike} {spec.right} ({spec.market} option)"
    expiry = "" if spec.expiry is None else f" {spec.expiry}"
    return f"{spec.symbol}{expiry} ({spec.market} {spec.security})"


def plain(value: Decimal) -> str:
    """Return a figure without exponent, its digits as they are."""
    return f"{value:f}"


def _size(spec: OrderSpec) -> str:
    if spec.cash_amount is not None:
        return f"{plain(spec.cash_amount)} {spec.currency} of"
    return plain(spec.quantity)


# What is paid for a whole of several legs: who buys it pays, who sells it receives, and a price
# below 0, as an order from elsewhere may have it, is the other way round.
def _how(spec: OrderSpec) -> str:
    if not spec.legs:
        return f" {_price(spec)}"
    how = "" if spec.order_type is OrderType.LIMIT else f" {_price(spec)}"
    if spec.limit_price is None:
        return f"{how}, pays or receives what the market gives"
    pays = (spec.side is Side.BUY) == (spec.limit_price >= 0)
    net = abs(spec.limit_price)
    said = f"{how}, {'pays at most' if pays else 'receives at least'} {plain(net)} {spec.currency}"
    if spec.multiplier is None:
        return said
    return f"{said} ({plain((net * spec.quantity * spec.unit).normalize())} {spec.currency} in all)"


def _price(spec: OrderSpec) -> str:
    limit = "" if spec.limit_price is None else f"{plain(spec.limit_price)} {spec.currency}"
    stop = "" if spec.stop_price is None else f"{plain(spec.stop_price)} {spec.currency}"
    match spec.order_type:
        case OrderType.STOP:
            return f"at market once the price {_turn(spec.side)} to {stop}"
        case OrderType.STOP_LIMIT:
            return f"at limit {limit} once the price {_turn(spec.side)} to {stop}"
        case OrderType.TRAILING_STOP:
            return f"at market once the price {_turn(spec.side)} by {_trail(spec)}"
        case OrderType.ICEBERG:
            shown = "" if spec.display_quantity is None else plain(spec.display_quantity)
            return f"at limit {limit}, showing {shown} at a time"
        case OrderType.AUCTION_LIMIT:
            return f"in the auction at limit {limit}"
        case OrderType.LIMIT:
            return f"at limit {limit}"
        case _:
            return _TYPES[spec.order_type] + (f" at limit {limit}" if limit else "")


# Which way the price goes until a stop triggers.
def _turn(side: Side) -> str:
    return "falls" if side is Side.SELL else "rises"


def _trail(spec: OrderSpec) -> str:
    end = "highest" if spec.side is Side.SELL else "lowest"
    if spec.trailing_percent is not None:
        return f"{plain(spec.trailing_percent)} % from its {end}"
    trail = "" if spec.trailing_amount is None else plain(spec.trailing_amount)
    return f"{trail} {spec.currency} from its {end}"


def _other_stop(spec: OrderSpec) -> str:
    stop = spec.or_stop
    assert stop is not None
    assert stop.stop_price is not None, "it is checked with the terms"
    how = "at market" if stop.limit_price is None else f"at limit {plain(stop.limit_price)}"
    # Whatever hours its limit order has.
    hours = " in regular hours" if spec.outside_regular_hours or spec.session else ""
    return f"{how} once the price {_turn(spec.side)} to {plain(stop.stop_price)}{hours}"


def _until(spec: OrderSpec) -> str:
    if spec.good_till is not None:
        return f"good until {spec.good_till.isoformat()}"
    return _UNTIL.get(spec.time_in_force, f"time in force {spec.time_in_force}")


def _stop(stop: StopLoss) -> str:
    if stop.trailing_percent is not None:
        return f"trailing {plain(stop.trailing_percent)} %"
    price = "" if stop.stop_price is None else plain(stop.stop_price)
    return f"at {price}" + (f" limit {plain(stop.limit_price)}" if stop.limit_price else "")


# As it will trade: who sells the whole turns every leg.
def _leg(leg: OptionLeg, spec: OrderSpec) -> str:
    is_bought = (leg.side is Side.BUY) == (spec.side is Side.BUY)
    does = f"{Side.BUY if is_bought else Side.SELL} {plain(spec.quantity * leg.ratio)}"
    if leg.strike is None:
        return f"{does} of the underlying"
    return f"{does} {leg.expiry} {plain(leg.strike)} {leg.right}"


# They take the order's own time in force, and none trades outside regular hours.
def _exits(spec: OrderSpec, *, is_sent: bool) -> list[str]:
    exits = []
    if spec.take_profit is not None:
        exits.append(f"take profit at {plain(spec.take_profit.limit_price)} once filled")
    if spec.stop_loss is not None:
        exits.append(f"stop loss {_stop(spec.stop_loss)} once filled")
    if not exits:
        return []
    return [f"sent with {exits[0]}", *exits[1:]] if is_sent else [*exits, _exits_hold(spec)]


def _exits_hold(spec: OrderSpec) -> str:
    both = spec.take_profit is not None and spec.stop_loss is not None
    last, work = ("both", "work") if both else ("it", "works")
    if spec.good_till is not None:
        until = f"{'end' if both else 'ends'} at that moment too"
    elif spec.time_in_force is TimeInForce.GOOD_TILL_CANCELLED:
        until = f"{'last' if both else 'lasts'} until cancelled"
    else:
        until = f"{'end' if both else 'ends'} at the day's close"
    return f"{last} {until} and {work} in regular hours only"


def option_of(word: str) -> tuple[str, str, OptionRight] | None:
    """Return expiry (YYYY-MM-DD), strike and right of an option's word, None for another word.

    Source: `core.terms.contract_word`, which makes the words.
    """
    found = _OPTION_WORD.fullmatch(word)
    if found is None:
        return None
    year, month, day, right, strike = found.groups()
    return (
        f"20{year}-{month}-{day}",
        strike,
        OptionRight.CALL if right == "C" else OptionRight.PUT,
    )
