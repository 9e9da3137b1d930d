"""Tools that say what became of orders, from the ledger's views."""

import hashlib
from typing import Annotated, Final

from msgspec.structs import replace
from pydantic import Field

from adapters.mcp import answers
from adapters.mcp import order_answers as told
from adapters.mcp.arguments import Account, Cursor, Limit, OrderId, Since, SinceToo, Traded, Until
from adapters.mcp.explaining import ExplainAnswer, explained
from adapters.mcp.faults import refused_argument
from adapters.mcp.gateway import Gateway
from adapters.mcp.market_arguments import terse
from adapters.mcp.names import NEVER_SEEN, brokers_note, in_record
from adapters.mcp.spans import span
from adapters.mcp.times import edge_of, is_moment
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from core import views
from core.errors import CommandError

_BOUND_LENGTH: Final = 10
_N_DIGITS_MAX: Final = 16
_NOT_LISTED = "An order that is not listed may still exist: a view may be behind."
_NOTHING_KNOWN = (
    "Nothing is recorded under this id. That does not prove that there is no such order: look "
    "with get_orders."
)


class RecordTools:
    """Orders and fills as recorded, and the way of one order."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def all(self) -> list[GatewayTool]:
        """Return the tools of this group."""
        effect = Effect(is_read=True, is_destructive=False, is_idempotent=True, asks_broker=False)
        made = [
            tool(method, effect)
            for method in (self.get_orders, self.get_executions, self.explain_order)
        ]
        for each in made:
            each.parameters = terse(each.parameters)
        return made

    async def get_orders(
        self,
        account: Account,
        status: views.OrderStatus = views.OrderStatus.ALL,
        symbol: Traded | None = None,
        since: Since | None = None,
        until: Until | None = None,
        order_ids: Annotated[list[OrderId], Field(min_length=1, max_length=views.ROWS_MAX)]
        | None = None,
        limit: Limit = views.ROWS_DEFAULT,
        cursor: Cursor | None = None,
    ) -> told.OrdersAnswer:
        """Orders with their reasons, newest first, those from the phone app too (`is_external`).

        open: may still trade. Only `phase` is true: `unknown` and `not_found` MAY BE LIVE.
        `change`: where a modify is. A missing row never proves that there is no order.
        """
        environment = await self._gateway.environment(account)
        period = self._period(since, until)
        asked = tuple(dict.fromkeys(order_ids or ()))
        query = views.OrdersQuery(
            at_least_n=self._gateway.facts.highest(account),
            status=status,
            symbol=in_record(symbol),
            order_ids=asked,
            since=period.since,
            until=period.until,
            limit=limit,
            cursor=cursor,
        )
        found = await self._gateway.view(account, "orders", query, views.OrdersAnswer)
        return told.OrdersAnswer(
            environment=environment,
            account=account,
            as_of=answers.as_of(found.as_of),
            orders=told.orders_table(found.orders),
            cursor=found.cursor,
            period=period if since or until else None,
            note=await self._orders_note(account, query, found),
        )

    async def get_executions(
        self,
        account: Account,
        symbol: Traded | None = None,
        order_id: OrderId | None = None,
        since: SinceToo | None = None,
        until: Until | None = None,
        limit: Limit = views.ROWS_DEFAULT,
        cursor: Cursor | None = None,
    ) -> told.ExecutionsAnswer:
        """Fills, newest first, by the broker's own lists; get_orders has the reasons."""
        environment = await self._gateway.environment(account)
        period = self._period(since, until)
        query = views.ExecutionsQuery(
            at_least_n=self._gateway.facts.highest(account),
            symbol=in_record(symbol),
            order_id=order_id,
            since=period.since,
            until=period.until,
            limit=limit,
            cursor=cursor,
        )
        found = await self._gateway.view(account, "executions", query, views.ExecutionsAnswer)
        return told.ExecutionsAnswer(
            environment=environment,
            account=account,
            as_of=answers.as_of(found.as_of),
            executions=told.executions_table(found.executions),
            cursor=found.cursor,
            period=period if since or until else None,
            note="" if found.executions else await self._nothing_note(account, query),
        )

    async def explain_order(
        self, account: Account, order_id: OrderId, cursor: Cursor | None = None
    ) -> ExplainAnswer:
        """Why an order is as it is, from the audit record: reason, preview and checks, who asked,
        the broker's words, changes, cancels, fills. Takes a preview_id too.
        """
        environment = await self._gateway.environment(account)
        query = views.ExplainQuery(
            at_least_n=self._gateway.facts.highest(account),
            about=order_id,
            after_n=_after(account, order_id, cursor),
        )
        found = await self._gateway.view(account, "explain", query, views.ExplainAnswer)
        base = ExplainAnswer(
            environment=environment,
            account=account,
            as_of=answers.as_of(found.as_of),
            facts=told.orders_table(()),
            note="" if found.events or found.order else _nothing_known(order_id),
        )
        told_now = explained(found, base)
        if found.more_after is None:
            return told_now
        return replace(told_now, cursor=_cursor(account, order_id, found.more_after))

    async def _orders_note(
        self, account: str, query: views.OrdersQuery, found: views.OrdersAnswer
    ) -> str:
        missing = set(query.order_ids) - {row.order_id for row in found.orders}
        notes = [_NOT_LISTED] if missing else []
        notes.append(brokers_note(each for each in query.order_ids if each in missing))
        if not found.orders:
            notes.append(await self._symbol_note(account, query.symbol))
        return " ".join(note for note in notes if note)

    async def _nothing_note(self, account: str, query: views.ExecutionsQuery) -> str:
        of_id = brokers_note((query.order_id,) if query.order_id else ())
        return of_id or await self._symbol_note(account, query.symbol)

    # Of a symbol that is written otherwise there is nothing, which sounds like an answer.
    async def _symbol_note(self, account: str, symbol: str | None) -> str:
        if symbol is None:
            return ""
        query = views.OrdersQuery(symbol=symbol, limit=1)
        known = await self._gateway.view(account, "orders", query, views.OrdersAnswer)
        return "" if known.orders else NEVER_SEEN

    def _period(self, since: str | None, until: str | None) -> told.Period:
        to_local = self._gateway.parts.to_local
        begins, ends = self._edges(since or "", until or "")
        try:
            begin = begins and edge_of(begins, field="since", to_local=to_local)
            end = ends and edge_of(ends, field="until", to_local=to_local, is_end=True)
            if begin and end and begin >= end:
                raise CommandError("expected it after since", field="until")
        except CommandError as error:
            raise refused_argument(error) from None
        return told.Period(since=begin or None, until=end or None)

    # Words such as `last week` are those of the market tools, by the days of the person alone; a
    # moment is its own.
    def _edges(self, since: str, until: str) -> tuple[str, str]:
        parts = self._gateway.parts
        days = span(
            "" if is_moment(since) else since,
            "" if is_moment(until) else until,
            now=parts.clock.now(),
            zones=(parts.zone,),
            names=("since", "until"),
        )
        return days.begin or since, until if is_moment(until) else days.end


def _nothing_known(order_id: str) -> str:
    return " ".join(note for note in (_NOTHING_KNOWN, brokers_note((order_id,))) if note)


# A cursor names the order whose facts it goes on with, so that it fits no other.
def _cursor(account: str, about: str, after_n: int) -> str:
    bound = hashlib.sha256(f"{account}\0{about}".encode()).hexdigest()[:_BOUND_LENGTH]
    return f"{bound}-{after_n}"


def _after(account: str, about: str, cursor: str | None) -> int:
    if cursor is None:
        return 0
    number = cursor.rpartition("-")[2]
    is_number = number.isascii() and number.isdecimal() and len(number) < _N_DIGITS_MAX
    if not is_number or cursor != _cursor(account, about, int(number)):
        error = CommandError(
            "expected the cursor of an answer about this very order_id, as it was given",
            field="cursor",
        )
        raise refused_argument(error)
    return int(number)
