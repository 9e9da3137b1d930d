"""An account's own figures asked of the broker now, as `get_balances` tells them.

What the ledger recorded serves the checks of orders and moves when cash does; these move with
prices. Nothing of them is recorded.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal

from adapters.mcp import answers, spans
from adapters.mcp.faults import Fault, fault
from adapters.mcp.gateway import Gateway
from adapters.mcp.tables import Table
from core.market_asks import ROWS_MAX, AssetsAsk, AssetsTold, MarketTable

BalancesView = Literal["recorded", "now", "history"]
LiveView = Literal["now", "history"]
# The segment whose totals stand at the top, as they do of what was recorded.
_MAIN: Final = "securities"
_TOTALS: Final = ("net_liquidation", "buying_power", "initial_margin", "maintenance_margin")
# Whose days those of an account are at the broker.
_DAYS_ZONE: Final = "America/New_York"
_POOLED: Final = "Segments may share one pool of money: do not add them up."
_NO_DAYS: Final = "The broker tells of no day on which there was money in the account."


def only_live(**given: str) -> None:
    """Refuse arguments that would say nothing of what is recorded.

    Raises:
        ToolError: one of them was given.
    """
    for name, value in given.items():
        if value:
            raise _unfit(name, "view=now or history" if name == "base_currency" else "view=history")


class LiveBalances:
    """Asks for balances through the account's own worker."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def live(
        self, account: str, view: LiveView, *, currency: str, begin: str, end: str, cursor: str
    ) -> answers.BalancesAnswer:
        """Return what the broker says now.

        Raises:
            ToolError: an argument does not fit the view, or there was no answer.
        """
        if view == "now":
            only_history = {"begin": begin, "end": end, "cursor": cursor}
            only_live(**only_history)
        environment = await self._gateway.environment(account)
        parts = self._gateway.parts
        zones = (_DAYS_ZONE, parts.zone)
        days = spans.span(begin, end, now=parts.clock.now(), zones=zones)
        asked = AssetsAsk(
            view=view,
            currency=currency,
            begin=days.begin,
            end=days.end,
            limit=ROWS_MAX,
            cursor=cursor,
        )
        told = await self._gateway.ask(account, "assets", asked, AssetsTold)
        main = _main_of(told.table) if view == "now" else {}
        is_history = view == "history"
        return answers.BalancesAnswer(
            environment=environment,
            account=account,
            as_of=answers.AsOf(n=self._gateway.facts.highest(account), at=told.table.at),
            observed_at=told.table.at,
            currency=told.table.currency or str(main.get("currency") or ""),
            **{name: Decimal(main[name]) for name in _TOTALS if main.get(name)},
            segments=None if is_history else _table(told.table),
            cash=_table(told.cash),
            history=_table(told.table) if is_history else None,
            facts=dict(told.table.facts),
            cursor=told.table.cursor,
            note=_note(told.table, is_history=is_history),
        )


def _note(table: MarketTable, *, is_history: bool) -> str:
    if table.note:
        return table.note
    if not is_history:
        return _POOLED if len(table.rows) > 1 else ""
    return "" if table.rows else _NO_DAYS


def _main_of(table: MarketTable) -> Mapping[str, Any]:
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return next((row for row in rows if row.get("segment") == _MAIN), {})


def _table(found: MarketTable | None) -> Table:
    if found is None:
        return Table(columns=(), rows=())
    rows = (tuple("" if cell is None else cell for cell in row) for row in found.rows)
    return Table(columns=found.columns, rows=tuple(rows))


def _unfit(name: str, view: str) -> Exception:
    return fault(Fault.INVALID_ARGUMENT, f"{name}: only {view} takes it.")
