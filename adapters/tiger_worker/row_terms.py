"""The terms of a listed order: what a person could have typed, as far as we have words for it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from adapters.tiger_worker import words
from adapters.tiger_worker.words import Row
from core.errors import CorruptRecordError
from core.previewing import COMBINATION_UNIT
from core.terms import (
    WITH_LIMIT,
    WITH_STOP,
    OptionLeg,
    OrderSpec,
    OrderType,
    SecurityType,
    TermsError,
    TimeInForce,
)

_COMBINATION_WORD: Final = words.SECURITY_WORDS[SecurityType.COMBINATION]


def spec_of(row: Row, *, symbol: str) -> OrderSpec | None:
    """Return the terms of a listed order, or None for a class of security without a word.

    An order whose type has no word, or whose prices do not fit its type, stands as a market order
    of its contract: that is what its fills and a worst case need.

    Raises:
        CorruptRecordError: it is of a class that we trade, and its contract, size or price cannot
            be read. Taken for something else, it would be counted where it does not count.
    """
    security = words.security_of(row.get("secType"))
    if security is None:
        return None
    try:
        contract = _contract_terms(row, symbol, security)
    except TermsError as error:
        raise CorruptRecordError(str(error)) from None
    order_type = words.type_of(row.get("orderType"))
    if order_type is None:
        return contract
    try:
        return replace(contract, order_type=order_type, **_prices(row, order_type))
    except TermsError:
        return contract


def _contract_terms(row: Row, symbol: str, security: SecurityType) -> OrderSpec:
    """Return a market order of a row's contract, side, size and time."""
    force, good_till = _time_of(row)
    is_combination = security is SecurityType.COMBINATION
    is_option = security is SecurityType.OPTION
    cash_amount = words.optional_number(row, "totalCashAmount") or None
    return OrderSpec(
        symbol=symbol,
        market=words.name(row, "market"),
        currency=words.currency(row, "currency"),
        side=words.side_of(row.get("action")),
        order_type=OrderType.MARKET,
        # Of an order by amount the size is not known before it has filled.
        quantity=words.scaled(row, "totalQuantity") if cash_amount is None else Decimal(0),
        limit_price=None,
        time_in_force=force,
        outside_regular_hours=bool(row.get("outsideRth")),
        security=security,
        expiry=_expiry_of(row, security),
        strike=words.optional_number(row, "strike") if is_option else None,
        right=words.right_in(row, "right") if is_option else None,
        multiplier=multiplier_of(row) or (COMBINATION_UNIT if is_combination else None),
        cash_amount=cash_amount,
        good_till=good_till,
        legs=tuple(_leg_of(leg) for leg in objects_in(row, "legs")) if is_combination else (),
    )


def _time_of(row: Row) -> tuple[TimeInForce, datetime | None]:
    """Return how long an order stands; the longest of all, for what we have no words for."""
    force = words.force_of(row.get("timeInForce"))
    if force is not TimeInForce.GOOD_TILL_DATE:
        return force or TimeInForce.GOOD_TILL_CANCELLED, None
    try:
        good_till = words.optional_moment(row, "expireTime")
    except CorruptRecordError:
        good_till = None
    if good_till is None:
        return TimeInForce.GOOD_TILL_CANCELLED, None
    return force, good_till


def _expiry_of(row: Row, security: SecurityType) -> date | None:
    if security is SecurityType.COMBINATION:
        return None
    try:
        return words.expiry_of(row.get("expiry"))
    except CorruptRecordError:
        if security is SecurityType.OPTION:
            raise
        # What names any other contract is its symbol.
        return None


def _prices(row: Row, order_type: OrderType) -> dict[str, Decimal | None]:
    """Return the prices that an order of this type has; others are figures of the broker's own."""
    is_trailing = order_type is OrderType.TRAILING_STOP
    limit_price = trigger = percent = display = None
    if order_type in WITH_LIMIT:
        limit_price = words.optional_number(row, "limitPrice")
        if not limit_price and words.text(row, "secType") != _COMBINATION_WORD:
            # Several legs may trade at nothing on balance; one contract never does.
            limit_price = None
    if order_type in WITH_STOP or is_trailing:
        trigger = words.optional_number(row, "auxPrice") or None
    if is_trailing:
        percent = words.optional_number(row, "trailingPercent") or None
    if order_type is OrderType.ICEBERG:
        size = row.get("display_size", row.get("displaySize"))
        display = words.optional_number({"it": size}, "it")
    return {
        "limit_price": limit_price,
        "stop_price": None if is_trailing else trigger,
        "trailing_amount": trigger if is_trailing and percent is None else None,
        "trailing_percent": percent,
        "display_quantity": display,
    }


def _leg_of(row: Row) -> OptionLeg:
    # A leg of the underlying itself has none of the three.
    right = words.right_in(row, "right")
    return OptionLeg(
        right=right,
        expiry=words.expiry_of(row.get("expiry")),
        strike=words.optional_number(row, "strike") or None,
        side=words.side_of(row.get("action")),
        ratio=int(words.optional_number(row, "ratio") or 1),
    )


def multiplier_of(row: Row) -> Decimal | None:
    """Return how many units of the underlying one unit stands for; None where it is one."""
    found = words.optional_number(row, "multiplier")
    return None if found in (None, Decimal(0), Decimal(1)) else found


def objects_in(row: Row, name: str) -> list[Row]:
    """Return a list of objects in a row; an empty one where Tiger left it out.

    Raises:
        CorruptRecordError: it is something else.
    """
    found = row.get(name) or []
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise CorruptRecordError(f"expected a list of objects in {name}")
    return found
