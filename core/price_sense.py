"""Whether the prices of an order fit the market: what would trade at once, or never at all.

Nothing here is a limit of the account. An order whose trigger the market has passed already does
something else than it says, so it fails a check: who wants that very trade can say so plainly, with
a market or a limit order. A price that is merely far off may be meant, and is a warning.

A price of some minutes ago fails nothing: the market may be elsewhere by now, and a stop that
cannot be placed guards nothing. What it says is a warning, which tells how old it is.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple, Protocol

from core.combination_sense import combination_warnings
from core.exit_sense import exit_warnings
from core.hours_sense import hours_warnings
from core.preview_events import Check
from core.terms import OrderSpec, OrderType, SecurityType, Side


class Quoted(Protocol):
    """Prices of one contract; None or 0 is no price."""

    @property
    def bid(self) -> Decimal | None:
        """Best price that is bid."""

    @property
    def ask(self) -> Decimal | None:
        """Best price that is asked."""

    @property
    def last(self) -> Decimal | None:
        """Price of the last trade."""

    @property
    def at(self) -> datetime:
        """When the last trade was, by the broker."""

    @property
    def is_delayed(self) -> bool:
        """It was held back, for want of a quote right."""


class _Bounds(NamedTuple):
    """Shares of the market price: past it, and short of it."""

    past: Decimal
    short: Decimal


_BOUNDS: Final = _Bounds(Decimal("0.05"), Decimal("0.3"))
# Prices of these are small and jump: a few ticks are many per cent.
_BOUNDS_OF_RIGHTS: Final = _Bounds(Decimal("0.3"), Decimal("0.8"))
_RIGHTS: Final = frozenset(
    {SecurityType.OPTION, SecurityType.COMBINATION, SecurityType.WARRANT, SecurityType.CBBC}
)
# A last trade that is older, and stands alone, says nothing of what the market does now.
PRICE_AGE_MAX: Final = timedelta(minutes=5)
# A nearer trail turns with the next trades; "0.05" is often meant as 5 %.
TRAIL_PERCENT_MIN: Final = Decimal("0.25")
# From here on a far price is told as "N times": a slipped point reads so.
_TIMES_MIN: Final = Decimal(2)
# How far a change may move a limit towards the market, which nobody has read then; of a right more.
_WORSE_MAX: Final = Decimal("0.1")
_ANY_PRICE: Final = {
    OrderType.MARKET: "a market order takes whatever price there is",
    OrderType.AUCTION: "it takes whatever price the auction makes",
    OrderType.TWAP: "it takes whatever prices there are",
    OrderType.VWAP: "it takes whatever prices there are",
    OrderType.STOP: "once triggered it takes whatever price there is",
    OrderType.TRAILING_STOP: "once triggered it takes whatever price there is",
}


def price_checks(spec: OrderSpec, quote: Quoted | None, *, now: datetime) -> list[Check]:
    """Return whether each stop still waits for the market, and each exit for its order.

    A stop fails if all prices that are known have reached it. A price of some minutes ago fails
    nothing that passes without a price. Of a combination nothing is judged: the quote is its
    underlying's.

    Args:
        spec: the terms.
        quote: of its contract.
        now: when it was read.
    """
    return _stop_checks(spec, quote, now=now) + exit_checks(spec, quote, now=now)


def _stop_checks(spec: OrderSpec, quote: Quoted | None, *, now: datetime) -> list[Check]:
    """Return whether each stop still waits for the market; see `price_checks`."""
    if spec.legs:
        return []
    return [_stop_check(name, stop, spec, quote, now) for name, stop in _own_stops(spec)]


def exit_checks(spec: OrderSpec, quote: Quoted | None, *, now: datetime) -> list[Check]:
    """Return whether each exit still waits once its order has filled; see `price_checks`."""
    entry = None if spec.legs else _entry(spec, quote)
    if entry is None:
        return []
    is_late = quote is not None and _is_late(spec.side, quote, now)
    checks = []
    for name, price in _exits(spec):
        side = _exit_side(spec, name)
        own, is_right = entry, _lies(price, side, entry)
        if not is_right and is_late and spec.limit_price is not None:
            # The limit is the order's own, wherever the market is by now.
            own = spec.limit_price
            is_right = _lies(price, side, own)
        detail = f"{name} {price:f} is {side} the order's own {own:f}"
        if not is_right:
            detail = f"{name} {price:f} must be {side} the order's own {own:f}, {_at_once(spec)}"
        checks.append(Check(name="exit_side", passed=is_right, detail=detail))
    return checks


def is_triggered(spec: OrderSpec, quote: Quoted | None) -> bool:
    """Say whether a stop order's own trigger is reached by every price that is known."""
    if spec.stop_price is None or quote is None or spec.legs:
        return False
    near = _near_prices(spec.side, quote)
    return bool(near) and all(_is_reached(spec.side, spec.stop_price, each) for each in near)


def price_warnings(spec: OrderSpec, quote: Quoted | None, *, now: datetime) -> dict[str, str]:
    """Return what a person should know of an order's prices, by the name of each warning.

    `now` is when the quote was read.
    """
    found: dict[str, str] = {}
    if spec.limit_price is None and spec.order_type in _ANY_PRICE:
        found["price_bound"] = _ANY_PRICE[spec.order_type]
    if spec.legs:
        if quote is not None:
            found["quote_fits"] = (
                "the quote is the underlying's: it says nothing of the combination's own price"
            )
        return found | combination_warnings(spec) | hours_warnings(spec)
    if quote is not None:
        found |= _near_warnings(spec, quote, now)
    found |= dict(_far_warnings(spec, quote)) | dict(_short_limits(spec))
    return found | exit_warnings(spec) | hours_warnings(spec)


def change_warnings(old: OrderSpec, new: OrderSpec) -> dict[str, str]:
    """Return what a person should know of a change, by the name of each warning.

    A figure that moves by more than is warned of has its own name; the others are those of a new
    order without a quote, as far as the order as it stands has them not.
    """
    known = set(_own_warnings(old))
    own = dict(each for each in _own_warnings(new) if each not in known)
    return dict(_moves(old, new)) | own


def _moves(old: OrderSpec, new: OrderSpec) -> Iterator[tuple[str, str]]:
    bounds = _bounds_of(old)
    for name in ("limit_price", "stop_price", "trailing_amount", "trailing_percent"):
        before, after = getattr(old, name), getattr(new, name)
        if before is None or after is None:
            continue
        is_worse = name == "limit_price" and (after > before) == (old.side is Side.BUY)
        bound = min(bounds.short, max(bounds.past, _WORSE_MAX)) if is_worse else bounds.short
        if abs(after - before) > abs(before) * bound:
            yield name, f"{name} goes from {before:f} to {after:f}{_times(after, before)}"
    before, after = old.quantity, new.quantity
    guards = old.stop_price is not None or old.order_type is OrderType.TRAILING_STOP
    if after > before * _TIMES_MIN:
        yield "quantity", f"quantity goes from {before:f} to {after:f}{_times(after, before)}"
    elif guards and before - after > before * bounds.short:
        text = f"quantity goes from {before:f} to {after:f}: it guards no more than that"
        yield "quantity", text


# What the terms alone say, wherever the market is.
def _own_warnings(spec: OrderSpec) -> Iterator[tuple[str, str]]:
    if spec.legs:
        yield from combination_warnings(spec).items()
        return
    yield from _far_warnings(spec, None)
    yield from _short_limits(spec)


def _own_stops(spec: OrderSpec) -> Iterator[tuple[str, Decimal]]:
    if spec.stop_price is not None:
        yield "stop_price", spec.stop_price
    if spec.or_stop is not None and spec.or_stop.stop_price is not None:
        yield "or_stop_price", spec.or_stop.stop_price


# What the stop waits for: a sale's until the price has fallen to it, a buy's until it has risen.
def _is_reached(side: Side, stop: Decimal, price: Decimal) -> bool:
    return price <= stop if side is Side.SELL else price >= stop


# The prices that brokers trigger by: the last trade, or the side that the stop would trade with.
def _near_prices(side: Side, quote: Quoted) -> list[Decimal]:
    return [price for price in (quote.last, _market_side(side, quote)) if price]


def _market_side(side: Side, quote: Quoted) -> Decimal | None:
    return quote.ask if side is Side.BUY else quote.bid


def _market(side: Side, quote: Quoted | None) -> Decimal | None:
    if quote is None:
        return None
    return _market_side(side, quote) or quote.last or None


# The sides of a quote that is not held back are those of now, however long nothing was traded.
def _is_late(side: Side, quote: Quoted, now: datetime) -> bool:
    is_old = not _market_side(side, quote) and now - quote.at > PRICE_AGE_MAX
    return quote.is_delayed or is_old


def _aged(price: Decimal, quote: Quoted, now: datetime) -> str:
    minutes = max(0, (now - quote.at) // timedelta(minutes=1))
    return f"{price:f}, a price of {minutes} min ago"


def _stop_check(
    name: str, stop: Decimal, spec: OrderSpec, quote: Quoted | None, now: datetime
) -> Check:
    near = [] if quote is None else _near_prices(spec.side, quote)
    if quote is None or not near:
        return _passed("stop_side", f"there is no price to hold {name} to")
    is_sale = spec.side is Side.SELL
    reached = [price for price in near if _is_reached(spec.side, stop, price)]
    if len(reached) < len(near):
        return _passed("stop_side", f"{name} {stop:f} is {'below' if is_sale else 'above'} market")
    if _is_late(spec.side, quote, now):
        aged = _aged(reached[0], quote, now)
        return _passed("stop_side", f"{name} {stop:f} is held to {aged}, which decides nothing")
    verb, away = ("sell", "rises") if is_sale else ("buy", "falls")
    detail = (
        f"{name} {stop:f} is reached already: the price is {reached[0]:f}, so it would {verb} AT "
        f"ONCE. A stop that {verb}s later is {'below' if is_sale else 'above'} the market. To "
        f"{verb} now, use market; to {verb} once it {away} to {stop:f}, use limit"
    )
    return Check(name="stop_side", passed=False, detail=detail)


# A profit lies where the market is to go, a loss where it is not.
def _exit_side(spec: OrderSpec, name: str) -> str:
    return "above" if (spec.side is Side.BUY) == (name == "take_profit_price") else "below"


def _lies(price: Decimal, side: str, entry: Decimal) -> bool:
    return price > entry if side == "above" else price < entry


def _at_once(spec: OrderSpec) -> str:
    does, done = ("sell", "bought") if spec.side is Side.BUY else ("buy", "sold")
    return f"or it would {does} AT ONCE what has just been {done}"


# What hangs on an order alone needs one; a limit order is filled at its limit or better.
def _entry(spec: OrderSpec, quote: Quoted | None) -> Decimal | None:
    limit, market = spec.limit_price, _market(spec.side, quote)
    if limit is None or market is None:
        return limit
    return min(limit, market) if spec.side is Side.BUY else max(limit, market)


def _exits(spec: OrderSpec) -> Iterator[tuple[str, Decimal]]:
    if spec.take_profit is not None:
        yield "take_profit_price", spec.take_profit.limit_price
    if spec.stop_loss is not None and spec.stop_loss.stop_price is not None:
        yield "stop_loss_price", spec.stop_loss.stop_price


def _near_warnings(spec: OrderSpec, quote: Quoted, now: datetime) -> dict[str, str]:
    near, is_late = _near_prices(spec.side, quote), _is_late(spec.side, quote, now)
    found: dict[str, str] = {}
    for name, stop in _own_stops(spec):
        reached = [price for price in near if _is_reached(spec.side, stop, price)]
        if reached and len(reached) < len(near):
            detail = f"{name} {stop:f} is inside the spread, at {reached[0]:f}: it may go at once"
            found.setdefault("stop_near", detail)
        elif reached and is_late:
            aged = _aged(reached[0], quote, now)
            detail = f"{name} {stop:f} is reached by {aged}: it may go at once"
            found.setdefault("stop_near", detail)
    entry, limit = _entry(spec, quote), spec.limit_price
    for name, price in _exits(spec):
        side = _exit_side(spec, name)
        is_only_now = entry is not None and limit is not None and _lies(price, side, limit)
        if is_late and entry is not None and is_only_now and not _lies(price, side, entry):
            aged = _aged(entry, quote, now)
            found[f"{name}_near"] = f"{name} {price:f} is not {side} {aged}: it may go at once"
    return found


def _far_warnings(spec: OrderSpec, quote: Quoted | None) -> Iterator[tuple[str, str]]:
    market, bounds = _market(spec.side, quote), _bounds_of(spec)
    # Until it is triggered, the limit of a stop meets no market.
    base = spec.stop_price if spec.order_type is OrderType.STOP_LIMIT else market
    if spec.limit_price is not None and base is not None:
        met = "its trigger" if base is spec.stop_price else "the market"
        text = _far_limit(spec.side, spec.limit_price, base, bounds, met=met)
        if text:
            yield "price_far", text
    for name, stop in _own_stops(spec):
        if market is not None and abs(stop - market) > market * bounds.short:
            yield "stop_far", f"{name} {stop:f} is {_from(stop, market)}: it may never trigger"
    entry = _entry(spec, quote)
    for name, price in _exits(spec):
        if entry is not None and abs(price - entry) > entry * bounds.short:
            yield f"{name}_far", f"{name} {price:f} is {_from(price, entry)}: it may never trade"
    for percent in _trails(spec, market):
        shown = _rounded(percent)
        if percent < TRAIL_PERCENT_MIN:
            yield "trail_near", f"it trails by {shown} % alone: it may trigger at once"
        elif percent > bounds.short * 100:
            yield "trail_far", f"it trails by {shown} %: it may never trigger"


def _far_limit(side: Side, limit: Decimal, base: Decimal, bounds: _Bounds, *, met: str) -> str:
    is_buy = side is Side.BUY
    past = limit - base if is_buy else base - limit
    said = f"limit_price {limit:f} is {_from(limit, base)}"
    if past > base * bounds.past:
        kept = f"more than {_rounded(bounds.past * 100)} % past {met}"
        return f"{said}, {kept}: it takes any price {'up' if is_buy else 'down'} to {limit:f}"
    if -past > base * bounds.short:
        return f"{said}, more than {_rounded(bounds.short * 100)} % short of it: it may never fill"
    return ""


def _trails(spec: OrderSpec, market: Decimal | None) -> Iterator[Decimal]:
    if spec.trailing_percent is not None:
        yield spec.trailing_percent
    if spec.trailing_amount is not None and market is not None:
        yield spec.trailing_amount / market * 100
    if spec.stop_loss is not None and spec.stop_loss.trailing_percent is not None:
        yield spec.stop_loss.trailing_percent


# A limit behind its own trigger waits for the price to come back.
def _short_limits(spec: OrderSpec) -> Iterator[tuple[str, str]]:
    other = Side.SELL if spec.side is Side.BUY else Side.BUY
    stops: list[tuple[Side, Decimal | None, Decimal | None]] = [
        (spec.side, spec.stop_price, spec.limit_price)
    ]
    for side, stop in ((spec.side, spec.or_stop), (other, spec.stop_loss)):
        if stop is not None:
            stops.append((side, stop.stop_price, stop.limit_price))
    for side, trigger, limit in stops:
        if trigger is None or limit is None:
            continue
        if limit > trigger if side is Side.SELL else limit < trigger:
            yield (
                "stop_limit_short",
                f"once triggered at {trigger:f} it waits at {limit:f}, where the price has come "
                "from: it may never fill",
            )


def _bounds_of(spec: OrderSpec) -> _Bounds:
    return _BOUNDS_OF_RIGHTS if spec.security in _RIGHTS else _BOUNDS


def _from(price: Decimal, base: Decimal) -> str:
    if price >= base * _TIMES_MIN:
        return f"{_ratio(price, base)} {base:f}"
    share = _rounded(abs(price - base) / base * 100)
    return f"{share} % {'above' if price > base else 'below'} {base:f}"


# Of a net price that turns, or begins at nothing, no ratio says anything.
def _times(after: Decimal, before: Decimal) -> str:
    if before <= 0 or after <= 0:
        return ""
    return f", {_ratio(after, before)} what it was"


def _ratio(price: Decimal, base: Decimal) -> str:
    if price >= base:
        return f"{_rounded(price / base)} times"
    return f"1/{_rounded(base / price)} of"


def _rounded(value: Decimal) -> str:
    return f"{value.quantize(Decimal('0.01'), rounding=ROUND_HALF_UP).normalize():f}"


def _passed(name: str, detail: str) -> Check:
    return Check(name=name, passed=True, detail=detail)
