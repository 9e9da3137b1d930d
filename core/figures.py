"""What follows from the broker's figures: positions and cash, held against the recorded fills.

The figures that views show are the broker's. What the fills make of the last figures that were
agreed on is what they are compared with; nothing is ever made up to close a difference. Cash has a
module of its own, `core.balances`.
"""

from decimal import Decimal

from core import account_events, items, readings
from core.account_state import AccountState
from core.commands import AdoptPosition
from core.context import Context
from core.events import Event
from core.lost_fills import has_fills_to_come
from core.refusals import Refusal
from core.refusing import refused
from core.sightings import decide_unreadable
from core.terms import position_key, symbol_of


def decide_positions(
    state: AccountState, seen: readings.PositionsSeen, context: Context
) -> Event | None:
    """Return the new complete list, a break, or the end of one; decided again after each.

    A row that cannot be read freezes its symbol, and what is not listed may be in it.
    """
    finding = _finding(state, seen.unreadable)
    if finding is not None:
        return finding
    figures = tuple(sorted(seen.positions, key=lambda figure: figure.key))
    if _is_news(state, figures):
        return account_events.AccountPositionsObserved(
            positions=figures, observed_at=seen.observed_at
        )
    told = {f.key: f.quantity for f in figures}
    is_quiet = seen.quiet_reads >= context.timing.quiet_reads_min
    hidden = {row.symbol for row in seen.unreadable}
    # A break may end where nothing is held any more, by the figures or by the fills.
    known = {key for key, held in state.expected.items() if held} | {
        k for k, _ in state.breaks.items()
    }
    for key in sorted(told.keys() | known):
        observed, expected = told.get(key, Decimal(0)), state.expected.get(key) or Decimal(0)
        broken = state.breaks.get(key)
        symbol, _, market = key.rpartition("@")
        if key not in told and not hidden.isdisjoint({symbol_of(symbol), ""}):
            continue
        if observed == expected:
            if broken is not None:
                return account_events.AccountPositionAgreed(
                    symbol=symbol, market=market, quantity=observed
                )
            continue
        is_told = broken is not None and broken.observed == observed
        if not is_told and is_quiet and not _has_fills_to_come(state, symbol_of(symbol)):
            return account_events.AccountPositionBreak(
                symbol=symbol,
                market=market,
                expected=expected,
                observed=observed,
                reads=seen.quiet_reads,
                quiet_from=seen.quiet_from,
            )
    return None


def decide_adopt(state: AccountState, item: items.CommandItem, command: AdoptPosition) -> Event:
    """Return that a person adopts the broker's figure of exactly this break, or the refusal."""
    for broken in state.breaks.values():
        if broken.break_id == command.break_id:
            key = position_key(broken.symbol, broken.market)
            held = state.positions.get(key) or Decimal(0)
            if held != broken.observed:
                detail = f"the position of {broken.symbol} has changed since, to {held}"
                return refused(item, Refusal.BREAK_UNKNOWN, detail)
            if held != (state.observed.get(key) or Decimal(0)):
                # What was recorded last may have been in the figure that was shown.
                detail = f"{broken.symbol} has filled since its position was read; look again"
                return refused(item, Refusal.BREAK_UNKNOWN, detail)
            return account_events.AccountPositionAdopted(
                command_id=item.command_id,
                person=item.principal,
                break_id=broken.break_id,
                symbol=broken.symbol,
                market=broken.market,
                quantity=broken.observed,
            )
    detail = f"there is no open break {command.break_id[:40]}"
    return refused(item, Refusal.BREAK_UNKNOWN, detail)


def _finding(state: AccountState, unreadable: tuple[readings.RowUnreadable, ...]) -> Event | None:
    found = (decide_unreadable(state, row) for row in unreadable)
    return next((event for event in found if event is not None), None)


def _has_fills_to_come(state: AccountState, symbol: str) -> bool:
    return any(has_fills_to_come(state, order) for order in state.watched_of(symbol))


def _is_news(state: AccountState, figures: tuple[account_events.PositionFigure, ...]) -> bool:
    known = state.position_figures
    if known is None or _said(figures) != _said(known):
        return True
    told = {f.key: f.quantity for f in figures}
    # The fold of the fills since must come out at the same figures, or it is corrected.
    return told != {key: held for key, held in state.positions.items() if held or key in told}


def _said(
    figures: tuple[account_events.PositionFigure, ...],
) -> list[tuple[str, Decimal, Decimal | None]]:
    return [(f.key, f.quantity, f.average_cost) for f in figures]
