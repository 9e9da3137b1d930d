"""Tools that look at accounts: who there is, what they hold."""

from adapters.mcp import answers
from adapters.mcp.arguments import Account, Symbol
from adapters.mcp.gateway import Gateway
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from core import views

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
            for method in (self.list_accounts, self.get_positions, self.get_balances)
        ]

    async def list_accounts(self) -> answers.AccountsAnswer:
        """Call this first: the accounts there are, which world each trades in, and its state.

        `environment` is sandbox (play money on a simulated broker), paper (play money at Tiger) or
        live (REAL MONEY). `mode` is what a person allows: read_only or auto. `state` is
        active, halted, frozen, stale or starting. `doubtful_orders` counts orders whose fate is
        unknown. Every other tool needs one of these accounts by its alias.
        """
        found = await self._gateway.view_accounts(views.AccountsAnswer)
        return answers.AccountsAnswer(
            accounts=tuple(answers.account_line(row) for row in found.accounts)
        )

    async def get_positions(
        self, account: Account, symbol: Symbol | None = None
    ) -> answers.PositionsAnswer:
        """Stock positions of an account by the broker's own figures, as read at `observed_at`.

        Amounts are decimal text in each position's `currency`; a short position has a negative
        quantity. `market_price` and `unrealized_profit` are as old as `observed_at`: use
        get_quotes for current prices.
        """
        environment = await self._gateway.environment(account)
        query = views.PositionsQuery(at_least_n=self._gateway.facts.highest(account), symbol=symbol)
        found = await self._gateway.view(account, "positions", query, views.PositionsAnswer)
        return answers.PositionsAnswer(
            environment=environment,
            account=account,
            as_of=answers.as_of(found.as_of),
            observed_at=found.observed_at,
            positions=tuple(answers.position_line(figure) for figure in found.positions),
            note=_NOT_READ_YET if found.observed_at is None else "",
        )

    async def get_balances(self, account: Account) -> answers.BalancesAnswer:
        """Cash, buying power and margin of an account by the broker's figures at `observed_at`.

        Totals are in the account's `currency`, each line of `cash` in its own; all are decimal
        text. They are recorded when cash changes, so values that move with prices may be older
        than they look.
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
            cash=tuple(answers.cash_line(figure) for figure in found.cash),
            note=_NOT_READ_YET if found.observed_at is None else "",
        )
