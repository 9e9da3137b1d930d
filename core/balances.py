"""What follows from the broker's figures of the whole account: cash, margin, buying power.

None of them is a ground to refuse an order: what can be bought is the broker's own word, at each
preview. So a figure that cannot be read freezes nothing. The last one known stays in its place,
with its age and with what the reply held instead.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final

from core import account_events, readings
from core.account_events import FigureKept
from core.account_state import AccountState, is_rounding
from core.context import Context
from core.events import Event
from core.lost_fills import has_fills_to_come
from core.money import Money, is_currency

TOTALS: Final = ("net_liquidation", "buying_power", "initial_margin", "maintenance_margin")
CASH: Final = "cash"
_LEFT_OUT: Final = "it was left out"


def decide_balances(
    state: AccountState, seen: readings.BalancesSeen, context: Context
) -> Event | None:
    """Return a break of cash, or the new figures if there is news of them.

    News is cash of another amount, and that a figure cannot be read any more, or again. Values move
    with every quote, so they alone are none. Cash is no break while fills are told of whose
    executions may yet be listed: they move it. Decided again after each event.
    """
    watched = (state.orders[order_id] for order_id in state.watched_orders)
    is_waiting = any(has_fills_to_come(state, order) for order in watched)
    if seen.quiet_reads >= context.timing.quiet_reads_min and not is_waiting:
        broken = next(_breaks(state, seen), None)
        if broken is not None:
            return broken
    found = _observed(state.balances, seen)
    is_known = state.balances is not None and _news(state.balances) == _news(found)
    return None if is_known else found


def is_first_told(before: account_events.AccountBalancesObserved | None, currency: str) -> bool:
    """Say whether no reading had told the cash of a currency yet, as far as it was there."""
    if before is None:
        return True
    never = {k.currency for k in before.unread if k.field == CASH and k.known_at is None}
    return currency in never or ("" in never and all(f.currency != currency for f in before.cash))


def doubts_of(
    cash: Iterable[account_events.CashFigure], unread: Iterable[FigureKept]
) -> tuple[str, ...]:
    """Return in words what of an account's figures is not what it seems; may hold broker's text."""
    strange = [figure for figure in cash if not is_currency(figure.currency)]
    return (
        *(
            f"cash in {f.currency or 'a word that is missing'}: {f.balance:f}, in no currency that "
            "is known here, so it counts for nothing"
            for f in strange
        ),
        *(_told_of(kept) for kept in unread),
    )


def _told_of(kept: FigureKept) -> str:
    name = f"{kept.field} in {kept.currency}" if kept.currency else kept.field
    if kept.known_at is None:
        return f"{name}: {kept.detail}, and it was never known"
    return f"{name}: {kept.detail}, so the figure is that of {kept.known_at:%Y-%m-%d %H:%M:%S} UTC"


def _breaks(
    state: AccountState, seen: readings.BalancesSeen
) -> Iterator[account_events.AccountCashBreak]:
    """Yield the currencies whose cash is not what the fills make of it."""
    if state.balances is None:
        return
    told = {figure.currency: figure.balance for figure in seen.cash}
    unread = {each.currency for each in seen.unread if each.field == CASH}
    for currency in sorted(told.keys() | {one for one, _ in state.cash_expected.items()}):
        is_hidden = currency in unread or ("" in unread and currency not in told)
        # The first figure that is read is what later ones are compared with.
        is_first = is_first_told(state.balances, currency)
        if is_hidden or is_first or not is_currency(currency):
            continue
        expected = state.cash_expected.get(currency) or Decimal(0)
        # Cash that is not listed is none.
        balance = told.get(currency, Decimal(0))
        if not is_rounding(balance, expected):
            yield account_events.AccountCashBreak(
                expected=Money(amount=expected, currency=currency),
                observed=Money(amount=balance, currency=currency),
                reads=seen.quiet_reads,
                quiet_from=seen.quiet_from,
            )


def _observed(
    before: account_events.AccountBalancesObserved | None, seen: readings.BalancesSeen
) -> account_events.AccountBalancesObserved:
    """Return what a reading told, with the last figures known in the place of what it did not."""
    unread = {(each.field, each.currency): each.detail for each in seen.unread}
    kept: list[FigureKept] = []
    totals: dict[str, Decimal | None] = {}
    for name in TOTALS:
        value: Decimal | None = getattr(seen, name)
        was: Decimal | None = None if before is None else getattr(before, name)
        if value is None and ((name, "") in unread or was is not None):
            detail = unread.get((name, ""), _LEFT_OUT)
            known_at = None if was is None else _known_at(before, name, "")
            kept.append(FigureKept(field=name, detail=detail, known_at=known_at))
            value = was
        totals[name] = value
    currency = seen.currency
    if ("currency", "") in unread:
        currency = "" if before is None else before.currency
        known_at = _known_at(before, "currency", "") if currency else None
        detail = unread["currency", ""]
        kept.append(FigureKept(field="currency", detail=detail, known_at=known_at))
    cash = [*seen.cash, *_cash_kept(before, seen)]
    stands = {figure.currency for figure in cash}
    for (field, code), detail in unread.items():
        if field == CASH:
            is_known = before is not None and (code in stands or not code)
            known_at = _known_at(before, CASH, code) if is_known else None
            kept.append(FigureKept(field=CASH, detail=detail, known_at=known_at, currency=code))
    return account_events.AccountBalancesObserved(
        currency=currency,
        net_liquidation=totals["net_liquidation"],
        buying_power=totals["buying_power"],
        initial_margin=totals["initial_margin"],
        maintenance_margin=totals["maintenance_margin"],
        cash=tuple(sorted(cash, key=lambda figure: (figure.currency, figure.balance))),
        observed_at=seen.observed_at,
        unread=tuple(sorted(kept, key=lambda each: (each.field, each.currency))),
    )


def _cash_kept(
    before: account_events.AccountBalancesObserved | None, seen: readings.BalancesSeen
) -> Iterator[account_events.CashFigure]:
    told = {figure.currency for figure in seen.cash}
    unread = {each.currency for each in seen.unread if each.field == CASH}
    for figure in () if before is None else before.cash:
        if figure.currency not in told and (figure.currency in unread or "" in unread):
            yield figure


def _known_at(
    before: account_events.AccountBalancesObserved | None, field: str, currency: str
) -> datetime | None:
    if before is None:
        return None
    for kept in before.unread:
        if (kept.field, kept.currency) == (field, currency):
            return kept.known_at
    return before.observed_at


def _news(
    balances: account_events.AccountBalancesObserved,
) -> tuple[list[tuple[str, Decimal]], list[tuple[str, str]]]:
    return (
        [(figure.currency, figure.balance) for figure in balances.cash],
        [(kept.field, kept.currency) for kept in balances.unread],
    )
