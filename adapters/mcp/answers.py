"""What every answer says first, how text from outside is told apart, and the accounts' answers.

One struct per tool, whose JSON is both the text and the structured content. Every answer names the
world, the account and how far its facts were folded. A field that says nothing is left out, and
lists are tables. Text that came from outside stands under `broker_text` alone, cut and cleaned.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from adapters.mcp.tables import Cell, Table, table
from adapters.mcp.words import option_of
from core import account_events, views
from core.balances import doubts_of
from core.items import TokenFact
from core.modes import Environment, Mode
from core.terms import SecurityType

_BROKER_TEXT_LENGTH_MAX: Final = 300
_NOTE_LENGTH_MAX: Final = 1_000
_HALTED: Final = (
    "No tool can lift a halt: a person types `tiger-mcp resume ACCOUNT`. Cancels go on."
)
_AWAY: Final = (
    "Its worker does not answer: no order is sent, changed or cancelled, and nothing here moves "
    "on. Ask again in a few seconds; if it stays so, a person should type `tiger-mcp status`."
)
_NEXT_STEP: Final = {
    "active": "It takes orders.",
    "halted": _HALTED,
    "frozen": "Openings stop until a person has looked and typed `tiger-mcp resume ACCOUNT`.",
    "stale": "It is being compared with the broker; ask again in a few seconds.",
    "starting": "Its worker is starting; ask again in a few seconds, else `tiger-mcp status`.",
    "unavailable": _AWAY,
}
_BUT_SYMBOLS: Final = "It takes orders, but for the symbols that are halted or frozen."
_BUT_DOUBTS: Final = (
    "It takes orders, but none of a symbol whose order is in doubt: get_orders(status=open) names "
    "them. The service asks the broker about `unknown` until it is sure; `not_found` waits for a "
    "person, who types `tiger-mcp release`."
)
_READ_ONLY: Final = "It is read-only: only a person can change that, typed on their machine."
_SIGNS_WITH_KEY: Final = (
    "none is recorded: the login signs each request with a key that does not expire"
)
_RENEWED: Final = "Nothing to do: it is renewed by itself ahead of its end."
_A_PERSON_MUST: Final = "a person must put a new token into the login's token file."
_TRIED_AGAIN: Final = (
    f"Renewing it is tried again; if that fails until it expires, {_A_PERSON_MUST}"
)
_DEAD_TOKEN: Final = f"The broker takes no call of this login: {_A_PERSON_MUST}"
_TOKEN_STEP: Final = {
    TokenFact.ISSUED: _RENEWED,
    TokenFact.REFRESHED: _RENEWED,
    TokenFact.REFRESH_FAILED: _TRIED_AGAIN,
    TokenFact.EXPIRING: _TRIED_AGAIN,
    TokenFact.EXPIRED: _DEAD_TOKEN,
    TokenFact.REVOKED: _DEAD_TOKEN,
}
_PAST_ITS_END: Final = (
    "Its end is past and no newer one is recorded: the broker takes no call until it is renewed. "
    f"A person should type `tiger-mcp status`; if it is not renewed, {_A_PERSON_MUST}"
)
_DEAD: Final = frozenset({TokenFact.EXPIRED, TokenFact.REVOKED})
_ACCOUNT_COLUMNS: Final = (
    "account",
    "environment",
    "mode",
    "state",
    "open_orders",
    "doubtful_orders",
    "token",
    "token_expires_at",
    "detail",
    "as_of",
)
_POSITION_COLUMNS: Final = (
    "contract",
    "symbol",
    "security",
    "expiry",
    "strike",
    "right",
    "market",
    "quantity",
    "average_cost",
    "market_price",
    "unrealized_profit",
    "multiplier",
    "currency",
)


class AsOf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The account's fact counter that the answer includes, and the time (UTC) it speaks of.

    `n` is absent where no fact was heard of yet.
    """

    n: int = 0
    at: datetime | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every answer about one account says first."""

    environment: Environment
    account: str
    as_of: AsOf


class AccountsAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every account, one row each."""

    accounts: Table


class TokenPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The login's token; `state` is the last that was recorded of it, at `recorded_at`."""

    state: str
    next_step: str = ""
    expires_at: datetime | None = None
    expires_in_hours: int | None = None
    issued_at: datetime | None = None
    recorded_at: datetime | None = None
    detail: str = ""


class AccountAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """One account whole; `unverified_halts`: scopes in which an order may still be open.

    `login` is told on this machine alone: over HTTP it may name what others have.
    """

    login: str = ""
    mode: Mode | None = None
    state: str
    next_step: str
    detail: str = ""
    token: TokenPart
    reconciled_at: datetime | None = None
    open_orders: int
    doubtful_orders: int
    halted_symbols: tuple[str, ...] = ()
    unverified_halts: tuple[str, ...] = ()
    frozen_symbols: tuple[str, ...] = ()
    position_breaks: Table | None = None
    cash_break: views.CashBreakRow | None = None


class PositionsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Positions as read at `observed_at`, which is absent until the first reading."""

    observed_at: datetime | None = None
    positions: Table
    cursor: str | None = None
    note: str = ""


class BalancesAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Figures in `currency`, as read at `observed_at`, which is absent until the first reading.

    `segments` are the parts of the account now, `history` its worth day by day.
    """

    observed_at: datetime | None = None
    currency: str
    net_liquidation: Decimal | None = None
    buying_power: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    segments: Table | None = None
    cash: Table
    history: Table | None = None
    facts: dict[str, Cell] = {}
    cursor: str = ""
    note: str = ""


def broker_text(text: str) -> str:
    """Return text from outside on one line, without control characters, cut."""
    return one_line(text[:_BROKER_TEXT_LENGTH_MAX])


def one_line(text: str) -> str:
    """Return text on one line without control characters, whole: an order's terms are never cut."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " for each in text)


def as_of(seen: views.AsOf) -> AsOf:
    """Return how far a view had folded."""
    return AsOf(n=seen.n, at=seen.recorded_at)


def accounts_table(rows: tuple[views.AccountRow, ...]) -> Table:
    """Return every account, one row each; `as_of` is the time of its last fact."""
    return table(
        _ACCOUNT_COLUMNS,
        (
            {
                "account": row.alias,
                "environment": row.environment,
                "mode": row.mode,
                "state": row.state,
                "open_orders": row.open_orders,
                "doubtful_orders": row.doubtful_orders,
                "token": "" if row.token is None else row.token.state,
                "token_expires_at": None if row.token is None else row.token.expires_at,
                "detail": broker_text(row.detail),
                "as_of": row.as_of.recorded_at,
            }
            for row in rows
        ),
    )


def account_answer(row: views.AccountRow, *, now: datetime, is_local: bool) -> AccountAnswer:
    """Return all that is known of one account's powers and health."""
    return AccountAnswer(
        environment=row.environment,
        account=row.alias,
        as_of=as_of(row.as_of),
        login=row.login if is_local else "",
        mode=row.mode,
        state=row.state,
        next_step=_account_step(row, now=now),
        detail=broker_text(row.detail),
        token=_token(row.token, now=now),
        reconciled_at=row.reconciled_at,
        open_orders=row.open_orders,
        doubtful_orders=row.doubtful_orders,
        halted_symbols=row.halted_symbols,
        unverified_halts=tuple(scope or "the account" for scope in row.unverified_halts),
        frozen_symbols=row.frozen_symbols,
        position_breaks=_breaks(row.breaks) if row.breaks else None,
        cash_break=row.cash_break,
    )


def positions_table(figures: tuple[account_events.PositionFigure, ...]) -> Table:
    """Return positions, one row per contract."""
    return table(_POSITION_COLUMNS, (_position(figure) for figure in figures))


def cash_table(figures: tuple[account_events.CashFigure, ...]) -> Table:
    """Return cash, one row per currency."""
    return table(
        ("currency", "balance", "available"),
        (
            {
                "currency": broker_text(figure.currency),
                "balance": figure.balance,
                "available": figure.available,
            }
            for figure in figures
        ),
    )


def balances_note(found: views.BalancesAnswer) -> str:
    """Return which figures are not what they seem, "" if all are."""
    return one_line("; ".join(doubts_of(found.cash, found.unread))[:_NOTE_LENGTH_MAX])


def _position(figure: account_events.PositionFigure) -> Mapping[str, Cell]:
    is_stock = figure.security is SecurityType.STOCK
    return {
        "contract": broker_text(figure.contract),
        "symbol": broker_text(figure.symbol),
        "security": "" if is_stock else figure.security,
        **_option_parts(figure),
        "market": broker_text(figure.market),
        "quantity": figure.quantity,
        "average_cost": figure.average_cost,
        "market_price": figure.market_price,
        "unrealized_profit": figure.unrealized_profit,
        "multiplier": figure.multiplier,
        "currency": broker_text(figure.currency),
    }


# What preview_order needs to name the option again.
def _option_parts(figure: account_events.PositionFigure) -> Mapping[str, Cell]:
    named = option_of(figure.contract) if figure.security is SecurityType.OPTION else None
    if named is None:
        return {}
    expiry, strike, right = named
    return {"expiry": expiry, "strike": strike, "right": right}


def _breaks(rows: tuple[views.PositionBreakRow, ...]) -> Table:
    return table(
        ("break_id", "symbol", "market", "expected", "observed", "found_at"),
        ({name: getattr(row, name) for name in type(row).__struct_fields__} for row in rows),
    )


def _account_step(row: views.AccountRow, *, now: datetime) -> str:
    if row.state == "unavailable":
        return _AWAY
    if row.token is not None and (row.token.state in _DEAD or row.token.is_past(now)):
        return _token_step(row.token, now=now)
    if row.mode is Mode.READ_ONLY:
        return _READ_ONLY
    if row.state == "active":
        is_barred = bool(row.halted_symbols or row.frozen_symbols)
        limits = (_BUT_SYMBOLS if is_barred else "", _BUT_DOUBTS if row.doubtful_orders else "")
        told = " ".join(each for each in limits if each)
        return told or _NEXT_STEP[row.state]
    return _NEXT_STEP.get(row.state, "")


def _token(row: views.TokenRow | None, *, now: datetime) -> TokenPart:
    if row is None:
        return TokenPart(state="none", detail=_SIGNS_WITH_KEY)
    left = None if row.expires_at is None else row.expires_at - now
    return TokenPart(
        state=row.state,
        next_step=_token_step(row, now=now),
        expires_at=row.expires_at,
        expires_in_hours=None if left is None else max(0, int(left.total_seconds() // 3600)),
        issued_at=row.issued_at,
        recorded_at=row.recorded_at,
        detail=broker_text(row.detail),
    )


# The clock goes before the record.
def _token_step(row: views.TokenRow, *, now: datetime) -> str:
    if row.is_past(now) and row.state not in _DEAD:
        return _PAST_ITS_END
    return _TOKEN_STEP[TokenFact(row.state)]
