"""Tiger's methods that show what an account is and holds: accounts, positions, assets."""

from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.fund_desk import open_transfers
from infra.sandbox.broker.interest import OpenInterest
from infra.sandbox.broker.margin import funds_of
from infra.sandbox.broker.records import Segment
from infra.sandbox.market.instruments import USD_PER_UNIT, find
from infra.sandbox.methods.account_answers import (
    BASE_CURRENCY,
    CAPABILITY,
    Holding,
    position_json,
    prime_assets_json,
)
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.methods.listings import ALL, DerivativeFilter, contract_filter
from infra.sandbox.methods.parameter_values import PLAIN_TYPE, invalid
from infra.sandbox.methods.trading import AccountParameters
from infra.sandbox.wire.envelope import to_ms


class PositionsParameters(DerivativeFilter, frozen=True, kw_only=True):
    """Parameters of `positions`."""

    account: str = ""
    currency: str | None = None
    market: str | None = None


class AssetsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `prime_assets`; here both pooled segments are always told pooled."""

    account: str = ""
    base_currency: str | None = None


def accounts(call: Call) -> object:
    """List the login's accounts, or the one that is named."""
    wanted = parameters(call, AccountParameters).account
    if wanted:
        account_of(call, wanted)
    return {
        "items": [
            {
                "account": item.account,
                "capability": CAPABILITY,
                "status": "Funded",
                "accountType": "STANDARD" if item.kind == "prime" else "PAPER",
            }
            for item in call.login.accounts
            if wanted in ("", item.account)
        ]
    }


def positions(call: Call) -> object:
    """List what an account holds of one kind of contract, stocks unless another is named."""
    asked = parameters(call, PositionsParameters)
    account = account_of(call, asked.account)
    is_wanted, sec_type = contract_filter(asked), asked.sec_type or PLAIN_TYPE
    updated_at_ms = to_ms(call.now)
    return {
        "items": [
            position_json(holding, updated_at_ms=updated_at_ms)
            for holding in holdings_of(call, account)
            if sec_type in ("ALL", holding.instrument.sec_type)
            and is_wanted(holding.instrument.symbol, holding.instrument)
            and asked.market in (*ALL, holding.instrument.told_market)
            and asked.currency in (*ALL, holding.instrument.currency)
        ]
    }


def prime_assets(call: Call) -> object:
    """Return an account's figures by segment."""
    asked = parameters(call, AssetsParameters)
    account = account_of(call, asked.account)
    return prime_assets_json(
        account,
        funds=funds_of(account, call.engine.prices),
        futures=funds_of(account, call.engine.prices, "FUT"),
        in_transit=_in_transit(call, account),
        base_currency=base_currency_of(asked.base_currency),
        updated_at_ms=to_ms(call.now),
    )


def base_currency_of(asked: str | None) -> str:
    """Return the currency that sums are told in.

    Raises:
        GatewayError: 1010, for one without a rate.
    """
    if asked in ALL:
        return BASE_CURRENCY
    if asked not in USD_PER_UNIT:
        raise invalid("base_currency")
    return asked


def holdings_of(call: Call, account: Account) -> list[Holding]:
    """Return what an account holds, by contract key."""
    return [
        Holding(
            account=account.account,
            instrument=instrument,
            position=position,
            interest=account.open_interest.get(key, OpenInterest()),
            quote=call.engine.prices.quote(key),
        )
        for key, position in sorted(account.positions.items())
        if position.quantity and (instrument := find(key)) is not None
    ]


def _in_transit(call: Call, account: Account) -> dict[Segment, Decimal]:
    on_the_way: dict[Segment, Decimal] = {}
    for item in open_transfers(call.engine, account):
        worth = item.amount * USD_PER_UNIT[item.currency]
        on_the_way[item.to_segment] = on_the_way.get(item.to_segment, Decimal(0)) + worth
    return on_the_way
