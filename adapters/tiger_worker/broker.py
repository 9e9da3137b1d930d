"""The broker as the worker sees it: two calls that change something, and complete readings.

A call that changes something is made once and its end is read strictly: done, a definite no from a
closed list, surely not sent, or unknown. A reading is complete, or it failed; never half.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from tigeropen.common.exceptions import ApiException, RequestException, ResponseException
from tigeropen.common.request import OpenApiRequest
from tigeropen.trade.domain.order import Order as SdkOrder

from adapters.tiger_worker import rows, words
from adapters.tiger_worker.ends import Ended as Ended
from adapters.tiger_worker.ends import end_of
from adapters.tiger_worker.login_refusals import unanswered
from adapters.tiger_worker.position_rows import PositionsRead, positions_in
from adapters.tiger_worker.quote_rights import is_right_missing
from adapters.tiger_worker.redaction import OwnSecrets
from adapters.tiger_worker.sdk_order import (
    expiry_text,
    sdk_change_of,
    sdk_order_of,
    sdk_preview_of,
    to_ms,
)
from adapters.tiger_worker.session import Session
from adapters.tiger_worker.words import Row
from core.errors import BrokerUnavailableError, CorruptRecordError
from core.items import ContractFacts, EstimateFacts, Outcome, QuoteFacts
from core.ports import Clock
from core.readings import BalancesSeen, ExecutionSeen
from core.terms import ContractRef, OrderSpec, SecurityType

PAGE_ROWS: Final = 100
POSITION_CLASSES: Final = ("STK", "OPT", "FUT", "WAR", "IOPT", "FUND")
# What is longer is read in parts, each by itself, or not at all.
PAGES_MAX: Final = 200

# Between these the broker's clock may stand: 2000 to 2200.
_CLOCK_FROM_MS: Final = 946_684_800_000
_CLOCK_TO_MS: Final = 7_258_118_400_000

# How a reading ends that brings no reply.
_NO_REPLY: Final = (
    RequestException,
    ResponseException,
    ValueError,
    AttributeError,
    # A body that is a number or null, in which the SDK looks for a signature.
    TypeError,
    RecursionError,
    OverflowError,
    OSError,
)


class Listing(NamedTuple):
    """A complete listing of orders, and a moment by the broker's clock before it was begun."""

    rows: tuple[Row, ...]
    begun_at: datetime | None


class ListingTooLongError(BrokerUnavailableError):
    """A listing has more pages than are read in one; that of a shorter time may have fewer."""


class QuoteRightMissingError(BrokerUnavailableError):
    """The broker answers, and keeps the price from this device for want of a quote right."""


# Told the method before each page of a listing but the first; what it raises fails the listing.
TurnPage = Callable[[str], None]


def _turn_at_once(_: str) -> None:
    """Count no page."""


class _Parameters:
    """A request's own fields, in the shape in which the SDK asks for them."""

    def __init__(self, fields: object, *, version: str | None = None) -> None:
        self._fields = fields
        self.version = version

    def to_openapi_dict(self) -> object:
        return self._fields


class AccountBroker:
    """One account at the broker. Calls block, and may come from several threads."""

    def __init__(
        self,
        session: Session,
        *,
        number: str,
        clock: Clock,
        secrets: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        """Make one; `secrets` are what else than its number no text of the broker may tell."""
        self._session = session
        self._number = number
        self._clock = clock
        self._own = OwnSecrets(lambda: (number, *secrets()))
        # The broker's clock as its last reply told it, and this machine's boot clock then.
        self._broker_time: datetime | None = None
        self._told_at_s = 0.0

    @property
    def last_told(self) -> datetime | None:
        """Return the broker's clock as its last reply told it; what is asked now is read later."""
        return self._broker_time

    @property
    def clock_skew_s(self) -> float:
        """Return how far this wall clock is ahead of the broker's now, jumps since included."""
        if self._broker_time is None:
            return 0.0
        passed = timedelta(seconds=self._clock.boot_s() - self._told_at_s)
        return (self._clock.now() - (self._broker_time + passed)).total_seconds()

    def prepare(self, spec: OrderSpec, *, order_number: str, mark: str) -> SdkOrder:
        """Return the SDK's own order of these terms; a fresh one, because a call changes it."""
        return sdk_order_of(spec, number=self._number, order_number=order_number, mark=mark)

    def prepare_change(self, spec: OrderSpec, *, order_number: str) -> SdkOrder:
        """Return what asks for a change of an open order to these terms."""
        return sdk_change_of(spec, number=self._number, order_number=order_number)

    def place(self, order: SdkOrder) -> Ended:
        """Send a prepared order, once; never raises."""
        try:
            tiger_order_id = self._session.client.place_order(order)
        except Exception as error:  # noqa: BLE001 - anything unforeseen means unknown
            return end_of(error, own=self._own)
        # An empty body or an empty id is no answer.
        if not tiger_order_id:
            return Ended(Outcome.UNKNOWN, detail="the broker's reply was empty")
        try:
            return Ended(Outcome.DONE, tiger_order_id=words.broker_id(tiger_order_id))
        except CorruptRecordError:
            return Ended(Outcome.UNKNOWN, detail="the broker's reply held no id of an order")

    def modify(self, tiger_order_id: str, order: SdkOrder) -> Ended:
        """Ask once for a change to the terms of a prepared order; never raises.

        The broker takes the whole of the terms, those that stay the same too.
        """
        order.id = int(tiger_order_id)
        try:
            answered = self._session.client.modify_order(order)
        except Exception as error:  # noqa: BLE001 - anything unforeseen means unknown
            return end_of(error, own=self._own)
        if not answered:
            return Ended(Outcome.UNKNOWN, detail="the broker's reply was empty")
        return Ended(Outcome.DONE)

    def cancel(self, tiger_order_id: str) -> Ended:
        """Ask for a cancel, once; never raises."""
        try:
            answered = self._session.client.cancel_order(
                account=self._number, id=int(tiger_order_id)
            )
        except Exception as error:  # noqa: BLE001 - anything unforeseen means unknown
            return end_of(error, own=self._own)
        if not answered:
            return Ended(Outcome.UNKNOWN, detail="the broker's reply was empty")
        return Ended(Outcome.DONE)

    def reserve_number(self) -> str:
        """Return an order number that the broker just made for this account."""
        data = self._read("order_no", {})
        return words.text(data, "orderId")

    def orders(
        self,
        *,
        since: datetime,
        until: datetime | None = None,
        turn_page: TurnPage = _turn_at_once,
    ) -> Listing:
        """Return every order opened since a moment, and by `until` where given, all pages."""
        begun_at = self._broker_time
        fields = {"seg_type": "ALL", "start_date": to_ms(since), "limit": PAGE_ROWS}
        if until is not None:
            fields["end_date"] = to_ms(until)
        return Listing(tuple(self._pages("orders", fields, turn_page)), begun_at)

    def open_orders(self, *, turn_page: TurnPage = _turn_at_once) -> tuple[Row, ...]:
        """Return every order that the broker calls active, however old."""
        fields = {"seg_type": "ALL", "limit": PAGE_ROWS}
        return tuple(self._pages("active_orders", fields, turn_page))

    def executions(
        self, tiger_order_id: str, *, page_token: str
    ) -> tuple[tuple[ExecutionSeen, ...], str]:
        """Return a page of one order's executions, and the next one's token: "" for first, last."""
        fields = {"order_id": int(tiger_order_id), "limit": PAGE_ROWS, "page_token": page_token}
        data = self._read("order_transactions", fields)
        found = tuple(rows.execution_of(self._own.row(row)) for row in _listed(data))
        return found, words.text(data, "nextPageToken")

    def positions(self) -> PositionsRead:
        """Return every position, of all classes of security."""
        listed: list[Row] = []
        for word in POSITION_CLASSES:
            # The broker lists one class at a time.
            fields = {"sec_type": word, "market": "ALL", "currency": "ALL"}
            listed += _listed(self._read("positions", fields))
        return positions_in(listed)

    def balances(self) -> BalancesSeen:
        """Return cash and margin."""
        data = self._read("prime_assets", {"consolidated": True})
        return rows.balances_of(data, self._clock.now())

    def contracts(self, symbols: Sequence[str]) -> tuple[ContractFacts, ...]:
        """Return the stocks among `symbols` that the broker knows."""
        fields = {"symbols": list(symbols), "sec_type": "STK"}
        data = self._read("contracts", fields)
        return tuple(rows.contract_of(row) for row in _items(data))

    def contract(self, ref: ContractRef) -> ContractFacts | None:
        """Return any one contract, or None if the broker knows none of these terms."""
        fields = {
            "symbol": ref.symbol,
            "sec_type": words.SECURITY_WORDS[ref.security],
            "expiry": None if ref.expiry is None else expiry_text(ref.expiry),
            "strike": ref.strike,
            "right": None if ref.right is None else words.RIGHT_WORDS[ref.right],
        }
        data = self._read("contract", {name: v for name, v in fields.items() if v is not None})
        found = [data] if "symbol" in data else _items(data)
        return rows.contract_of(found[0]) if len(found) == 1 else None

    def quote_facts(self, contract: ContractFacts) -> QuoteFacts | None:
        """Return a contract's quote, or None if the broker has none.

        Raises:
            QuoteRightMissingError: it is told to another device, or to nobody who has not paid.
        """
        match contract.security:
            case SecurityType.OPTION:
                found = _items(self._read("option_brief", _option_brief_fields(contract)))
            case SecurityType.FUTURE:
                fields = {"contract_codes": [contract.symbol]}
                found = _items(self._read("future_real_time_quote", fields))
            case SecurityType.FUND:
                # The value of a share is told once a day, and has no sides.
                told = _items(self._read("fund_quote", {"symbols": [contract.symbol]}))
                found = [row | {"latestPrice": row.get("close")} for row in told]
            case _:
                found = self._quote_rows([contract.symbol])
        return rows.quote_facts_of(found[0]) if found else None

    def delayed_quote_facts(self, contract: ContractFacts) -> QuoteFacts | None:
        """Return a stock's quote of some minutes ago, which needs no right, or None without one."""
        found = _items(self._read("quote_delay", {"symbols": [contract.symbol]}))
        return rows.delayed_quote_of(found[0]) if found else None

    def estimate(self, spec: OrderSpec) -> EstimateFacts:
        """Return the broker's own preview of an order; sends none."""
        order = sdk_preview_of(spec, number=self._number)
        try:
            found = words.clean(self._session.client.preview_order(order))
            return rows.estimate_of(self._own.row(found))
        except ApiException as error:
            if words.is_definite_no(error.code, str(error.msg)):
                return EstimateFacts(
                    passed=False,
                    message=words.broker_text(self._own.hidden(str(error.msg or ""))),
                    commission=None,
                    initial_margin=None,
                )
            raise BrokerUnavailableError(f"preview_order failed with {error.code}") from None
        except (RequestException, ResponseException, ValueError, AttributeError) as error:
            raise BrokerUnavailableError(f"preview_order failed: {type(error).__name__}") from None

    def ask(
        self, method: str, content: object, *, version: str | None = None, of_account: bool = False
    ) -> Row:
        """Return a whole reply of a reading, with its code and message, whatever it says.

        Args:
            method: a wire name that changes nothing.
            content: the request's own fields; None where the method has none.
            version: of the method, where it is not the common one.
            of_account: whether the method is asked in the account's name.

        Raises:
            BrokerUnavailableError: there was no reply.
        """
        if of_account and isinstance(content, dict):
            content = {"account": self._number, **content}
        parameters = None if content is None else _Parameters(content, version=version)
        try:
            return self._execute(method, parameters)
        except _NO_REPLY as error:
            # The text of these holds the signed request.
            raise BrokerUnavailableError(f"{method} failed: {type(error).__name__}") from None

    def _quote_rows(self, symbols: list[str]) -> list[Row]:
        data = self._read("quote_real_time", {"symbols": symbols})
        return _items(data)

    def _pages(self, method: str, fields: dict[str, Any], turn_page: TurnPage) -> Iterator[Row]:
        page_token = ""
        # A token may stand for a place that moves on: it is a circle if the rows are the same too.
        turned: dict[str, list[Row]] = {}
        for _ in range(PAGES_MAX):
            if page_token:
                turn_page(method)
            data = self._read(method, {**fields, "page_token": page_token})
            listed = _listed(data)
            yield from map(self._own.row, listed)
            page_token = words.text(data, "nextPageToken")
            if not page_token:
                return
            if turned.get(page_token) == listed:
                raise BrokerUnavailableError(f"the pages of {method} lead in a circle")
            turned[page_token] = listed
        raise ListingTooLongError(f"{method} has no last page after {PAGES_MAX}")

    def _read(self, method: str, fields: dict[str, Any]) -> Row:
        """Return the data of a successful reply.

        Raises:
            BrokerUnavailableError: any other end; it says nothing about what the broker has.
        """
        parameters = _Parameters({"account": self._number, "lang": "en_US", **fields})
        try:
            reply = self._execute(method, parameters)
            if is_right_missing(reply):
                raise QuoteRightMissingError(f"{method} needs a quote right that is not here")
            if reply.get("code") != 0:
                raise unanswered(method, reply)
            data = reply.get("data")
            parsed = words.clean(json.loads(data)) if isinstance(data, str) else data
        except _NO_REPLY as error:
            # The text of these holds the signed request.
            raise BrokerUnavailableError(f"{method} failed: {type(error).__name__}") from None
        if isinstance(parsed, list):
            return {"items": parsed}
        if not isinstance(parsed, dict):
            raise BrokerUnavailableError(f"{method} was answered without data")
        return parsed

    def _execute(self, method: str, parameters: _Parameters | None) -> Row:
        request = OpenApiRequest(method, biz_model=parameters)
        reply: Row = words.clean(
            self._session.client.execute(request, url=self._session.server_url)
        )
        self._note_time(reply)
        return reply

    def _note_time(self, reply: dict[str, Any]) -> None:
        stamp = reply.get("timestamp")
        # A clock that is years off is none; what it told before still holds.
        if isinstance(stamp, int) and _CLOCK_FROM_MS < stamp < _CLOCK_TO_MS:
            self._broker_time = datetime.fromtimestamp(stamp / 1000, UTC)
            self._told_at_s = self._clock.boot_s()


def _option_brief_fields(contract: ContractFacts) -> dict[str, Any]:
    assert contract.expiry is not None, "an option has an expiry"
    assert contract.right is not None, "an option is a call or a put"
    # Quotes name an expiry by its midnight at the exchange, unlike orders.
    zone = ZoneInfo("Asia/Hong_Kong" if contract.market == "HK" else "America/New_York")
    midnight = datetime.combine(contract.expiry, time.min, tzinfo=zone)
    option = {
        "symbol": contract.symbol,
        "expiry": to_ms(midnight),
        "right": words.RIGHT_WORDS[contract.right],
        "strike": str(contract.strike),
    }
    return {"market": contract.market, "option_basic": [option]}


def _listed(data: Row) -> list[Row]:
    """Return the rows of a listing; what is no row in it is one of which nothing can be read."""
    found = data.get("items", [])
    if not isinstance(found, list):
        raise CorruptRecordError("expected a list in the broker's reply")
    return [row if isinstance(row, dict) else {} for row in found]


def _items(data: Row) -> list[Row]:
    found = data.get("items", [])
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise CorruptRecordError("expected a list of objects in the broker's reply")
    return found
