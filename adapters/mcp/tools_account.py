"""Tools that look at accounts: who there is, how they are, what they hold."""

from adapters.mcp import answers
from adapters.mcp.arguments import Account, Cursor, Limit, Market, Symbol
from adapters.mcp.faults import Fault, fault
from adapters.mcp.gateway import Gateway
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from core import views
from core.terms import SecurityType

_NOT_READ_YET = "The broker's figures were not read yet; this is not the same as having none."


class AccountTools:
    """Figures of the broker, as the ledger last recorded them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def all(self) -> list[GatewayTool]:
        """Return the tools of this group."""
        effect = Effect(is_read=True, is_destructive=False, is_idempotent=True, asks_broker=False)
        return [
            tool(method, effect)
            for method in (
                self.list_accounts,
                self.get_account,
                self.get_positions,
                self.get_balances,
            )
        ]

    async def list_accounts(self) -> answers.AccountsAnswer:
        """Call this first: every account by its alias, with state and mode (what a person allows).

        `environment`: sandbox (simulated), paper (play money at Tiger) or live (REAL MONEY).
        """
        found = await self._gateway.view_accounts(views.AccountsAnswer)
        return answers.AccountsAnswer(accounts=answers.accounts_table(found.accounts))

    async def get_account(self, account: Account) -> answers.AccountAnswer:
        """One account's powers and health: mode, state, halts, freezes, breaks, doubtful orders,
        and when its login's token expires. `next_step` says what helps.
        """
        await self._gateway.environment(account)
        found = await self._gateway.view_accounts(views.AccountsAnswer)
        for row in found.accounts:
            if row.alias == account:
                return answers.account_answer(row, now=self._gateway.parts.clock.now())
        raise fault(
            Fault.BEHIND,
            f"the views do not show {account} yet; nothing was changed. Try again in a few "
            "seconds.",
        )

    async def get_positions(
        self,
        account: Account,
        symbol: Symbol | None = None,
        market: Market | None = None,
        security: SecurityType | None = None,
        limit: Limit = views.ROWS_MAX,
        cursor: Cursor | None = None,
    ) -> answers.PositionsAnswer:
        """Positions by the broker's figures at `observed_at`, one row per contract, options too.

        Negative quantity: short. get_quotes has current prices.
        """
        environment = await self._gateway.environment(account)
        query = views.PositionsQuery(
            at_least_n=self._gateway.facts.highest(account),
            symbol=symbol,
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
            note=_NOT_READ_YET if found.observed_at is None else "",
        )

    async def get_balances(self, account: Account) -> answers.BalancesAnswer:
        """Cash, buying power and margin by the broker's figures at `observed_at`.

        Totals in `currency`, each row of `cash` in its own. Recorded when cash changes, so totals
        that move with prices may be older than they look.
        """
        environment = await self._gateway.environment(account)
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
            note=_NOT_READ_YET if found.observed_at is None else "",
        )
