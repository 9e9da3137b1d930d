"""What a fact about a whole account leaves in its entry: breaks, freezes, halts, the token."""

from typing import assert_never

from msgspec.structs import replace

from core import account_events, events
from core.codec import Recorded
from core.tokens import state_after
from core.views import CashBreakRow, PositionBreakRow, TokenRow
from projections.entries import AccountEntry, FrozenSymbol

BreakEvent = (
    account_events.AccountPositionBreak
    | account_events.AccountPositionAgreed
    | account_events.AccountPositionAdopted
)


def with_breaks(entry: AccountEntry, event: BreakEvent, recorded: Recorded) -> AccountEntry:
    """Return the entry with a position's break told, told anew, or gone."""
    others = [b for b in entry.breaks if (b.symbol, b.market) != (event.symbol, event.market)]
    if isinstance(event, account_events.AccountPositionBreak):
        others.append(
            PositionBreakRow(
                break_id=recorded.event_id,
                symbol=event.symbol,
                market=event.market,
                expected=event.expected,
                observed=event.observed,
                found_at=recorded.recorded_at,
            )
        )
    return replace(entry, breaks=tuple(sorted(others, key=lambda b: (b.symbol, b.market))))


def with_cash_break(
    entry: AccountEntry, event: account_events.AccountCashBreak, recorded: Recorded
) -> AccountEntry:
    """Return the entry with the newest difference of cash."""
    row = CashBreakRow(
        expected=event.expected, observed=event.observed, found_at=recorded.recorded_at
    )
    return replace(entry, cash_break=row)


def with_token(
    entry: AccountEntry, event: account_events.TokenEvent, recorded: Recorded
) -> AccountEntry:
    """Return the entry with what is known of the login's token."""
    before = None if entry.token is None else entry.token.state
    row = TokenRow(
        state=state_after(before, event),
        issued_at=event.issued_at
        if isinstance(event, account_events.TokenIssued | account_events.TokenRefreshed)
        else None,
        expires_at=None if isinstance(event, account_events.TokenRevoked) else event.expires_at,
        detail=_detail(event),
        recorded_at=recorded.recorded_at,
    )
    return replace(entry, token=row)


def with_verified(entry: AccountEntry, scope: str) -> AccountEntry:
    """Return the entry without a halt that waits for its verification."""
    rest = tuple(one for one in entry.unverified_halts if one != scope)
    return replace(entry, unverified_halts=rest)


def with_halt(entry: AccountEntry, event: account_events.AccountHalted, n: int) -> AccountEntry:
    """Return the entry with a halt, its event `n`, that waits for its verification if it is new."""
    if event.file:
        entry = replace(entry, halt_file=event.file, halt_file_n=n)
    if event.is_repeated or event.symbol in event.spares:
        return entry
    unverified = tuple(sorted({*entry.unverified_halts, event.symbol}))
    return replace(entry, unverified_halts=unverified)


def frozen_symbols(
    entry: AccountEntry, event: events.Event, symbols: frozenset[str]
) -> tuple[FrozenSymbol, ...]:
    """Return the symbols that are frozen after an event, each with why."""
    why = {frozen.symbol: frozen.why for frozen in entry.frozen_symbols}
    if isinstance(event, account_events.AccountFrozen) and event.symbol:
        why[event.symbol] = f"{event.cause}: {event.detail}"
    return tuple(FrozenSymbol(symbol=symbol, why=why[symbol]) for symbol in sorted(symbols))


def _detail(event: account_events.TokenEvent) -> str:
    match event:
        case account_events.TokenRefreshFailed() | account_events.TokenRevoked():
            return event.cause
        case account_events.TokenExpiring():
            return event.detail
        case (
            account_events.TokenIssued()
            | account_events.TokenRefreshed()
            | account_events.TokenExpired()
        ):
            return ""
        case _:
            assert_never(event)
