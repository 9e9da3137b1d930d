"""Whether an account's worker is there: the ledger alone cannot tell that nobody writes it."""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec
import structlog

from adapters.mcp.gateway import Gateway
from core import views
from core.asks import HEALTH, Health
from core.errors import LinkError
from core.subjects import Kind, subject

_log = structlog.get_logger()
_QUESTION: Final = msgspec.json.encode(Health())
# An account's state while nobody can act on it.
_UNAVAILABLE: Final = "unavailable"
# Its worker answers once it has compared itself with the broker; the ledger says so by itself.
_NOT_THERE_YET: Final = "starting"


class WorkerHealth:
    """Asks workers whether they are there, and keeps the answer for a moment."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        # By account: when it was asked (seconds since boot), and whether nobody answered.
        self._seen: dict[str, tuple[float, bool]] = {}

    async def shown(self, rows: Iterable[views.AccountRow]) -> tuple[views.AccountRow, ...]:
        """Return rows whose `state` is `unavailable` where the worker does not answer now.

        All are asked at once, within one short limit.

        Raises:
            ToolError: there is no link to ask over.
        """
        rows = tuple(rows)
        asked = [row.alias for row in rows if row.state != _NOT_THERE_YET]
        are_away = await asyncio.gather(*(self.is_away(account) for account in asked))
        away = {account for account, is_away in zip(asked, are_away, strict=True) if is_away}
        return tuple(_unavailable(row) if row.alias in away else row for row in rows)

    async def is_away(self, account: str) -> bool:
        """Say whether an account's worker does not answer now, or did not a moment ago.

        Raises:
            ToolError: there is no link to ask over.
        """
        parts = self._gateway.parts
        seen = self._seen.get(account)
        if seen is not None and parts.clock.boot_s() - seen[0] < parts.waits.health_kept_s:
            return seen[1]
        is_away = await self._asked(account)
        self._seen[account] = parts.clock.boot_s(), is_away
        return is_away

    async def _asked(self, account: str) -> bool:
        connected = await self._gateway.link()
        try:
            # Whatever is answered, somebody is there.
            await connected.bus.request(
                subject(Kind.ASK, account, HEALTH),
                _QUESTION,
                timeout_s=self._gateway.parts.waits.health_s,
            )
        except LinkError as error:
            _log.warning("worker.away", account=account, cause=str(error))
            return True
        return False


def _unavailable(row: views.AccountRow) -> views.AccountRow:
    last = f"last recorded: {row.state}" + (f", {row.detail}" if row.detail else "")
    return msgspec.structs.replace(row, state=_UNAVAILABLE, detail=last)
