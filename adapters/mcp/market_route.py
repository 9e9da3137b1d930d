"""Which account's login is asked for market data that belongs to nobody's account.

A named account is asked and no other. Without a name, a real login is preferred to the sandbox,
whose prices are made up, and the two are never mixed: where a real account exists, a refusal stands
rather than a simulated price. Among equals the first is kept, because its fresh answers cost no
call, until it has no right or no calls left; then it comes last for a while. The next page is asked
where the page before came from. Orders are never routed.
"""

from typing import Final, NamedTuple

import msgspec

from adapters.mcp.faults import Fault, GatewayError, fault
from adapters.mcp.gateway import Gateway
from adapters.mcp.worker_health import WorkerHealth
from core.market_asks import MarketTable, Question
from core.modes import Environment

_TRIES_MAX: Final = 3
_AVOIDED_S: Final = 60.0
_MARK: Final = "~"
_NEXT_MAY: Final = frozenset(
    {Fault.BUSY, Fault.NO_QUOTE_RIGHT, Fault.BROKER_UNAVAILABLE, Fault.UNAVAILABLE}
)


class Told(NamedTuple):
    """A worker's table, and whose login it came through."""

    table: MarketTable
    account: str
    environment: Environment


class MarketRoute:
    """Asks market questions through one of the accounts."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._health = WorkerHealth(gateway)
        # When an account last refused a kind of question, by the boot clock.
        self._refused: dict[tuple[str, str], float] = {}

    async def ask(self, account: str | None, what: str, question: Question) -> Told:
        """Ask through the named account, or through one that may know.

        Raises:
            ToolError: there is no account, or the last one that was asked refused.
        """
        origin, question = _origin(question)
        if origin and account not in (None, origin):
            raise fault(
                Fault.INVALID_ARGUMENT, "cursor: expected the account that the cursor came from."
            )
        if (named := account or origin) is not None:
            return await self._through(named, what, question)
        names = await self._candidates(what)
        for name in names[:-1]:
            # One that hangs is not waited for as long as for an answer.
            if await self._health.is_away(name):
                self._avoid(name, what)
                continue
            try:
                return await self._through(name, what, question)
            except GatewayError as error:
                if error.code not in _NEXT_MAY:
                    raise
                self._avoid(name, what)
        return await self._through(names[-1], what, question)

    async def _through(self, account: str, what: str, question: Question) -> Told:
        environment = await self._gateway.environment(account)
        table = await self._gateway.ask(account, what, question, MarketTable)
        if table.cursor:
            table = msgspec.structs.replace(table, cursor=f"{account}{_MARK}{table.cursor}")
        return Told(table, account, environment)

    async def _candidates(self, what: str) -> list[str]:
        await self._gateway.link()
        known = self._gateway.environments()
        real = sorted(name for name, each in known.items() if each is not Environment.SANDBOX)
        names = real or sorted(known)
        if not names:
            raise fault(
                Fault.UNKNOWN_ACCOUNT,
                "account: there is none yet. A person should type `tiger-mcp account add`.",
            )
        return sorted(names, key=lambda name: self._is_avoided(name, what))[:_TRIES_MAX]

    def _avoid(self, name: str, what: str) -> None:
        self._refused[name, what] = self._gateway.parts.clock.boot_s()

    def _is_avoided(self, name: str, what: str) -> bool:
        refused_at = self._refused.get((name, what))
        return refused_at is not None and (
            self._gateway.parts.clock.boot_s() - refused_at < _AVOIDED_S
        )


# A cursor as the tools give it names the account before the worker's own.
def _origin(question: Question) -> tuple[str | None, Question]:
    account, found, cursor = question.cursor.partition(_MARK)
    if not found:
        return None, question
    return account, msgspec.structs.replace(question, cursor=cursor)
