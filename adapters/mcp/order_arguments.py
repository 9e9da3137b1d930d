"""The arguments that say which order, or which change, is meant, and the command they make."""

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from adapters.mcp.arguments import (
    LEGS_MAX,
    Amount,
    Day,
    Flag,
    Key,
    Moment,
    Reason,
    Spread,
    Underlying,
)
from adapters.mcp.times import day_of, moment_of
from core.commands import AlgoAsked, LegAsked, ModifyOrder, PreviewOrder, StopAsked
from core.errors import CommandError
from core.items import ContractFacts
from core.money import parse_positive
from core.previewing import spec_of
from core.terms import OptionRight, OrderType, SecurityType, Side, TimeInForce, TradingSession

RATIO_MAX: Final = 100
_NAMED_BY_SYMBOL: Final = frozenset(
    {SecurityType.STOCK, SecurityType.FUTURE, SecurityType.FUND, SecurityType.COMBINATION}
)
# Which argument a field of the core's terms came from.
_ARGUMENT_OF: Final = {
    "take_profit.limit_price": "take_profit_price",
    "stop_loss.stop_price": "stop_loss_price",
    "stop_loss.limit_price": "stop_loss_limit_price",
    "stop_loss.trailing_percent": "stop_loss_trailing_percent",
    "or_stop.stop_price": "or_stop_price",
    "or_stop.limit_price": "or_stop_limit_price",
    "or_stop.trailing_percent": "or_stop_price",
    "or_stop": "or_stop_price",
    "algo.participation_rate": "participation_rate",
    "algo": "participation_rate",
    "stop_loss": "stop_loss_price",
}
_FIELD: Final = re.compile(
    "|".join(rf"\b{re.escape(name)}\b" for name in _ARGUMENT_OF if "." in name)
)


class Leg(BaseModel):
    """One option of a combination."""

    model_config = ConfigDict(extra="forbid")

    side: Side
    right: OptionRight
    expiry: Day
    strike: Amount
    ratio: Annotated[int, Field(ge=1, le=RATIO_MAX)] = 1


class OrderArguments(Spread):
    """All terms of one order, flat; what a term fits is checked by the core's own rules."""

    symbol: Underlying
    side: Side
    order_type: OrderType
    reason: Reason
    quantity: Annotated[Amount | None, Field(description='Decimal text: "10", "0.5".')] = None
    cash_amount: Annotated[Amount | None, Field(description="Money, instead of quantity.")] = None
    limit_price: Annotated[Amount | None, Field(description="Listing's currency.")] = None
    stop_price: Annotated[Amount | None, Field(description="Trigger.")] = None
    trailing_percent: Annotated[Amount | None, Field(description="This or trailing_amount.")] = None
    trailing_amount: Amount | None = None
    security: SecurityType = SecurityType.STOCK
    expiry: Annotated[Day | None, Field(description="Options: with strike, right.")] = None
    strike: Amount | None = None
    right: OptionRight | None = None
    legs: Annotated[
        list[Leg] | None,
        Field(
            max_length=LEGS_MAX,
            description="combination: 2+ US options. side sell reverses every leg: for a credit, "
            "name them reversed, limit_price the least to receive.",
        ),
    ] = None
    time_in_force: TimeInForce = TimeInForce.DAY
    good_till: Annotated[Moment | None, Field(description="gtd: 2026-12-18T16:00:00-05:00.")] = None
    outside_regular_hours: Flag = False
    session: TradingSession | None = None
    take_profit_price: Annotated[
        Amount | None, Field(description="On limit orders, live once filled.")
    ] = None
    stop_loss_price: Annotated[Amount | None, Field(description="Likewise.")] = None
    stop_loss_limit_price: Amount | None = None
    stop_loss_trailing_percent: Amount | None = None
    or_stop_price: Annotated[
        Amount | None, Field(description="Beside the limit; one cancels the other.")
    ] = None
    or_stop_limit_price: Amount | None = None
    start_at: Annotated[Moment | None, Field(description="twap, vwap.")] = None
    end_at: Moment | None = None
    participation_rate: Annotated[Amount | None, Field(description="vwap: 0.01 to 0.5.")] = None
    display_quantity: Annotated[Amount | None, Field(description="iceberg.")] = None
    key: Key | None = None

    def command(self) -> PreviewOrder:
        """Return the command for these terms, held against every rule that needs no broker.

        Raises:
            CommandError: naming the argument that does not fit.
        """
        try:
            command = self._command()
            spec_of(command, _any_contract(command))
        except CommandError as error:
            field = _ARGUMENT_OF.get(error.field, error.field)
            text = _FIELD.sub(lambda found: _ARGUMENT_OF[found[0]], str(error))
            raise CommandError(text, field=field, code=error.code) from None
        return command

    def _command(self) -> PreviewOrder:
        return PreviewOrder(
            symbol=self.symbol,
            side=self.side,
            order_type=self.order_type,
            quantity=self.quantity,
            limit_price=self.limit_price,
            time_in_force=self.time_in_force,
            outside_regular_hours=self.outside_regular_hours,
            reason=self.reason,
            security=self.security,
            expiry=None if self.expiry is None else day_of(self.expiry, field="expiry"),
            strike=self.strike,
            right=self.right,
            stop_price=self.stop_price,
            trailing_amount=self.trailing_amount,
            trailing_percent=self.trailing_percent,
            cash_amount=self.cash_amount,
            good_till=None
            if self.good_till is None
            else moment_of(self.good_till, field="good_till"),
            session=self.session,
            legs=tuple(_leg(leg) for leg in self.legs or ()),
            take_profit_price=self.take_profit_price,
            stop_loss=_stop(
                "stop_loss",
                stop_price=self.stop_loss_price,
                limit_price=self.stop_loss_limit_price,
                trailing_percent=self.stop_loss_trailing_percent,
            ),
            or_stop=_stop(
                "or_stop",
                stop_price=self.or_stop_price,
                limit_price=self.or_stop_limit_price,
                trailing_percent=None,
            ),
            algo=self._algo(),
            display_quantity=self.display_quantity,
            key=self.key or "",
        )

    def _algo(self) -> AlgoAsked | None:
        if self.start_at is None and self.end_at is None and self.participation_rate is None:
            return None
        return AlgoAsked(
            start_at=None if self.start_at is None else moment_of(self.start_at, field="start_at"),
            end_at=None if self.end_at is None else moment_of(self.end_at, field="end_at"),
            participation_rate=self.participation_rate,
        )


class ChangeArguments(Spread):
    """What of an order is to change; what is absent stays."""

    quantity: Annotated[Amount | None, Field(description="New total, fills included.")] = None
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    trailing_percent: Amount | None = None
    trailing_amount: Amount | None = None

    def command(self, *, order_id: str, reason: str, key: str) -> ModifyOrder:
        """Return the command for these changes.

        Raises:
            CommandError: nothing would change, or naming the figure that is none.
        """
        asked = {
            name: getattr(self, name)
            for name in type(self).model_fields
            if getattr(self, name) is not None
        }
        if not asked:
            raise CommandError(
                f"expected at least one of {', '.join(type(self).model_fields)}", field="quantity"
            )
        for name, text in asked.items():
            parse_positive(text, field=name)
        return ModifyOrder(
            order_id=order_id,
            reason=reason,
            key=key,
            quantity=self.quantity,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            trailing_percent=self.trailing_percent,
            trailing_amount=self.trailing_amount,
        )


# The broker's rules are not known here; with a contract that allows everything, the core's own are
# held against the terms before anything is sent.
def _any_contract(command: PreviewOrder) -> ContractFacts:
    is_option = command.security is SecurityType.OPTION
    named = {"expiry": command.expiry, "strike": command.strike, "right": command.right}
    for name, value in named.items():
        if value is not None and command.security in _NAMED_BY_SYMBOL:
            raise CommandError(f"expected no {name} for a {command.security}", field=name)
        if value is None and is_option:
            raise CommandError("expected for an option", field=name)
    strike = command.strike and parse_positive(command.strike, field="strike")
    return ContractFacts(
        symbol=command.symbol,
        market="US",
        currency="USD",
        lot_size=Decimal(1),
        is_tradeable=True,
        tick_sizes=(),
        security=command.security,
        expiry=command.expiry if is_option else None,
        strike=(strike or None) if is_option else None,
        right=command.right if is_option else None,
    )


def _stop(
    name: str, *, stop_price: str | None, limit_price: str | None, trailing_percent: str | None
) -> StopAsked | None:
    if stop_price is None and limit_price is None and trailing_percent is None:
        return None
    if limit_price is not None and stop_price is None:
        raise CommandError(f"expected {name}_price beside its limit", field=f"{name}_price")
    if stop_price is not None and trailing_percent is not None:
        raise CommandError("expected a price or a trailing percent", field=f"{name}_price")
    return StopAsked(
        stop_price=stop_price, limit_price=limit_price, trailing_percent=trailing_percent
    )


def _leg(leg: Leg) -> LegAsked:
    return LegAsked(
        right=leg.right,
        expiry=day_of(leg.expiry, field="legs"),
        strike=leg.strike,
        side=leg.side,
        ratio=leg.ratio,
    )
