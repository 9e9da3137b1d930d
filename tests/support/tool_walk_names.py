"""What the walk over every tool has met and may ask about: ids, cursors, and what is listed now."""

from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mcp import Client

from tests.support.cluster import answer
from tests.support.gateway import rows_of
from tests.support.tool_walk_values import TRADED
from tests.support.tool_walk_words import Arguments

_POOL_MAX: Final = 50
# Orders that rest, each by what of it can be changed.
RESTING: Final[Mapping[str, Mapping[str, str]]] = {
    "limit": {"order_type": "limit", "limit_price": "1.00"},
    "keyed": {"order_type": "limit", "limit_price": "1.00"},
    "dear": {"order_type": "limit", "limit_price": "1.00"},
    "stop": {"order_type": "stop", "stop_price": "5000.00"},
    "percent": {"order_type": "trailing_stop", "trailing_percent": "20"},
    "amount": {"order_type": "trailing_stop", "trailing_amount": "20.00"},
}
_OF_AN_ACCOUNT: Final = frozenset({"order", "preview", *RESTING})
_NOTHING: Final = {
    "order": "ord-00000000000000000000000000000000",
    "others": "ord-00000000000000000000000000000000",
    "preview": "prv-00000000000000000000000000000000",
    "cursor": "0",
}


class Names:
    """What the walk has met and may ask about: ids by account, cursors, and what is listed."""

    def __init__(self) -> None:
        self.submitted: set[str] = set()
        self._pools: dict[tuple[str, str], deque[str]] = defaultdict(
            lambda: deque(maxlen=_POOL_MAX)
        )

    async def learn(self, client: Client) -> None:
        """Ask for an expiry, and for one of each kind of thing that there is now."""
        chain = await answer(client, "get_option_chain", symbol="AAPL")
        expiries = [str(row[0]) for row in chain["rows"]]
        self._pools["", "expiry"].extend(expiries[2:4])
        options = await answer(client, "get_option_chain", symbol="AAPL", expiry=expiries[2])
        self._pools["", "option"].append(options["rows"][len(options["rows"]) // 2][0])
        for what, asked in (
            ("future", {"security": "future", "query": "CL"}),
            ("fund", {"security": "fund"}),
        ):
            listed = await answer(client, "find_contracts", **asked)
            self._pools["", what].append(rows_of(listed)[0]["symbol"])
        listed = await answer(client, "find_contracts", security="warrant", query="00700")
        for row in rows_of(listed):
            what = "warrant" if row["kind"] in ("call", "put") else "cbbc"
            self._pools["", what].extend((row["symbol"], row["expiry"]))
        listed = await answer(client, "get_fundamentals", what="industries")
        self._pools["", "industry"].append(rows_of(listed)[0]["id"])
        now = datetime.now(UTC).replace(microsecond=0)
        for ahead in (timedelta(hours=1), timedelta(hours=2), timedelta(days=20)):
            self._pools["", "moment"].append((now + ahead).isoformat())

    def found(self, arguments: Arguments, what: str, n: int) -> str:
        """Return one name of a kind, of the account that is asked about or of another one."""
        account = str(arguments.get("account", ""))
        if what == "others":
            account, what = next(each for each in TRADED if each != account), "order"
        pool = self._pools[account if what in _OF_AN_ACCOUNT else "", what]
        return pool[n % len(pool)] if pool else _NOTHING.get(what, _NOTHING["order"])

    def name(self, account: str, what: str, order_id: str) -> None:
        """Keep the one order of an account that is called so."""
        self._pools[account, what].append(order_id)

    def keep(self, sent: Arguments, told: Mapping[str, Any]) -> None:
        """Take the ids and the cursor of an answer."""
        account = str(sent.get("account", ""))
        for name, what in (("order_id", "order"), ("preview_id", "preview")):
            if told.get(name) and told[name] not in self._pools[account, what]:
                self._pools[account, what].append(told[name])
        if told.get("cursor"):
            self._pools["", "cursor"].append(told["cursor"])
