"""Tools that look at accounts: who there is, how they are, what they hold."""

from datetime import timedelta
from typing import Final, Literal

from adapters.mcp import answers
from adapters.mcp.arguments import Account, Cursor, Limit, Market, Traded
from adapters.mcp.callers import current
from adapters.mcp.faults import Fault, fault
from adapters.mcp.gateway import Gateway
from adapters.mcp.market_arguments import Currency, Next, When, terse
from adapters.mcp.market_balances import BalancesView, LiveBalances, only_live
from adapters.mcp.names import in_record
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from adapters.mcp.worker_health import WorkerHealth
from core import views
from core.market_asks import PositionsAsk, PositionsTold
from core.modes import Environment
from core.terms import SecurityType, symbol_of

PositionsView = Literal["recorded", "now"]
_NOT_READ_YET = "The broker's figures were not read yet; this is not the same as having none."
# Older prices than this are said to be old.
_PRICES_FRESH: Final = timedelta(minutes=1)
_OLD_PRICES: Final = (
    "market_price and unrealized_profit were read {minutes} min ago, when a holding last changed, "
    "and do not move with the market: do not act on them. view=now asks for current ones."
)
_UNREADABLE: Final = "{count} more of the broker's rows cannot be read; see get_account."
_MORE_PAGES: Final = "Nothing on this page fits, but more pages follow; go on with cursor."


class AccountTools:
    """Figures of the broker, as the ledger last recorded them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._balances = LiveBalances(gateway)
        self._health = WorkerHealth(gateway)

    def all(self) -> list[GatewayTool]:
        """Return the tools of this group."""
        effect = Effect(is_read=True, is_destructive=False, is_idempotent=True, asks_broker=False)
        balances = tool(self.get_balances, effect._replace(asks_broker=True))
        balances.parameters = terse(balances.parameters)
        positions = tool(self.get_positions, effect._replace(asks_broker=True))
        positions.parameters = terse(positions.parameters)
        recorded = (self.list_accounts, self.get_account)
        return [*(tool(method, effect) for method in recorded), positions, balances]

    async def list_accounts(self) -> answers.AccountsAnswer:
        """Call this first: every account by its alias, with state and mode (what a person allows).

        `environment`: sandbox (simulated), paper (play money at Tiger) or live (REAL MONEY).
        """
        found = await self._gateway.view_accounts(views.AccountsAnswer)
        rows = await self._health.shown(found.accounts)
        return answers.AccountsAnswer(accounts=answers.accounts_table(rows))

    async def get_account(self, account: Account) -> answers.AccountAnswer:
        """One account's powers and health: mode, state, halts, freezes, breaks, doubtful orders,
        and when its login's token expires. `next_step` says what helps.
        """
        await self._gateway.environment(account)
        found = await self._gateway.view_accounts(views.AccountsAnswer)
        own = [row for row in found.accounts if row.alias == account]
        for row in await self._health.shown(own):
            return answers.account_answer(
                row, now=self._gateway.parts.clock.now(), is_local=current().is_local
            )
        raise fault(
            Fault.BEHIND,
            f"the views do not show {account} yet; nothing was changed. Try again in a few "
            "seconds.",
        )

    async def get_positions(
        self,
        account: Account,
        view: PositionsView = "recorded",
        symbol: Traded | None = None,
        market: Market | None = None,
        security: SecurityType | None = None,
        limit: Limit = views.ROWS_MAX,
        cursor: Cursor | None = None,
    ) -> answers.PositionsAnswer:
        """Positions by the broker's figures at `observed_at`, one row per contract, options too.

        Negative quantity: short. recorded: as last written, when a holding changed. now: asks.
        """
        environment = await self._gateway.environment(account)
        word = in_record(symbol)
        if view == "now":
            asked = PositionsAsk(
                symbol=symbol_of(word or ""),
                market=market or "",
                security=security,
                limit=limit,
                cursor=cursor or "",
            )
            return await self._positions_now(environment, account, asked, word or "")
        query = views.PositionsQuery(
            at_least_n=self._gateway.facts.highest(account),
            symbol=word,
            market=market,
            security=security,
            limit=limit,
            cursor=cursor,
        )
        found = await self._gateway.view(account, "positions", query, views.PositionsAnswer)
        return answers.PositionsAnswer(
            environment=environment,
            account=account,
            as_of=answers.as_of(found.as_of),
            observed_at=found.observed_at,
            positions=answers.positions_table(found.positions),
            cursor=found.cursor,
            note=self._positions_note(found),
        )

    async def _positions_now(
        self, environment: Environment, account: str, asked: PositionsAsk, word: str
    ) -> answers.PositionsAnswer:
        found = await self._gateway.ask(account, "positions", asked, PositionsTold)
        # The worker knows the underlying's symbol; of it a word may mean one option.
        shown = tuple(f for f in found.positions if asked.symbol == word or f.contract == word)
        return answers.PositionsAnswer(
            environment=environment,
            account=account,
            as_of=answers.AsOf(n=self._gateway.facts.highest(account), at=found.at),
            observed_at=found.at,
            positions=answers.positions_table(shown),
            cursor=found.cursor or None,
            note=_now_note(found, has_rows=bool(shown)),
        )

    # They are recorded when a holding changes; the prices beside it move on by themselves.
    def _positions_note(self, found: views.PositionsAnswer) -> str:
        if found.observed_at is None:
            return _NOT_READ_YET
        age = self._gateway.parts.clock.now() - found.observed_at
        if not found.positions or age <= _PRICES_FRESH:
            return ""
        minutes = int(age.total_seconds() // 60)
        return _OLD_PRICES.format(minutes=minutes)

    async def get_balances(
        self,
        account: Account,
        view: BalancesView = "recorded",
        base_currency: Currency = "",
        begin: When = "",
        end: When = "",
        cursor: Next = "",
    ) -> answers.BalancesAnswer:
        """Cash, buying power, margin by the broker, at `observed_at`; totals in `currency`.

        recorded: as last written, when cash changed. now: asks; profit, leverage, segments too.
        history: worth by day.
        """
        environment = await self._gateway.environment(account)
        if view != "recorded":
            return await self._balances.live(
                account, view, currency=base_currency, begin=begin, end=end, cursor=cursor
            )
        only_live(base_currency=base_currency, begin=begin, end=end, cursor=cursor)
        query = views.BalancesQuery(at_least_n=self._gateway.facts.highest(account))
        found = await self._gateway.view(account, "balances", query, views.BalancesAnswer)
        return answers.BalancesAnswer(
            environment=environment,
            account=account,
            as_of=answers.as_of(found.as_of),
            observed_at=found.observed_at,
            currency=answers.broker_text(found.currency),
            net_liquidation=found.net_liquidation,
            buying_power=found.buying_power,
            initial_margin=found.initial_margin,
            maintenance_margin=found.maintenance_margin,
            cash=answers.cash_table(found.cash),
            note=answers.balances_note(found) if found.observed_at else _NOT_READ_YET,
        )


# A page may hold nothing of the one contract that a word means, and the next page may.
def _now_note(found: PositionsTold, *, has_rows: bool) -> str:
    more = _MORE_PAGES if found.cursor and not has_rows else ""
    unreadable = _UNREADABLE.format(count=found.unreadable) if found.unreadable else ""
    return f"{more} {unreadable}".strip()
