"""Holdings and what an account is worth, in Tiger's field names.

Source: the replies in `tests/test_trade_client.py` of tigerfintech/openapi-python-sdk (commit
47854414) and of Tiger's page "accounts-java" (docs.itigerup.com), both read 2026-11-23.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from infra.sandbox.broker.book import Account, Position
from infra.sandbox.broker.interest import OpenInterest
from infra.sandbox.broker.margin import MAINTENANCE_MARGIN, Funds
from infra.sandbox.broker.records import Segment
from infra.sandbox.market.instruments import USD_PER_UNIT, Instrument
from infra.sandbox.market.prices import Quote
from infra.sandbox.methods.answers import option_terms
from infra.sandbox.methods.figures import AVERAGE_STEP, Json, average, double, present, scaled

CENT = Decimal("0.01")
CAPABILITY = "RegTMargin"
BASE_CURRENCY = "USD"
# Tiger's letters for the parts of an account.
CATEGORIES: Mapping[Segment, str] = {"SEC": "S", "FUT": "C", "FUND": "F"}
# Securities and funds are one pool for margin; futures have their own.
POOLS: Mapping[Segment, list[str]] = {
    "SEC": ["SEC", "FUND"],
    "FUT": ["FUT"],
    "FUND": ["SEC", "FUND"],
}


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A position, what it is in, and what the market says of that."""

    account: str
    instrument: Instrument
    position: Position
    interest: OpenInterest
    quote: Quote

    @property
    def value(self) -> Decimal:
        """What it would bring now."""
        return self.position.quantity * self.quote.last * self.instrument.multiplier

    @property
    def salable(self) -> Decimal:
        """What no open order has taken yet; negative of a short position."""
        held = self.position.quantity
        if held < 0:
            return min(Decimal(0), held + self.interest.buy_quantity)
        return max(Decimal(0), held - self.interest.sell_quantity)


def position_json(holding: Holding, *, updated_at_ms: int) -> Json:
    """Return a holding as `positions` gives it."""
    instrument, position = holding.instrument, holding.position
    quantity, scale = scaled(position.quantity, 0)
    unrealized, profit = holding.value - position.cost, double(position.realized_pnl)
    # What a unit cost, so that quantity, price and multiplier give the value.
    cost = double(average(position.cost, position.quantity * instrument.multiplier))
    before = position.quantity * holding.quote.previous_close * instrument.multiplier
    share, today = _share(unrealized, position.cost), holding.value - before
    return present(
        {
            "symbol": instrument.symbol,
            "market": instrument.told_market,
            "contractId": instrument.contract_id,
            "secType": instrument.sec_type,
            "account": holding.account,
            "position": quantity,
            "positionScale": scale,
            "positionQty": double(position.quantity),
            "salableQty": double(holding.salable),
            "averageCost": cost,
            "averageCostByAverage": cost,
            "averageCostOfCarry": cost,
            "unrealizedPnl": double(unrealized),
            "unrealizedPnlByAverage": double(unrealized),
            "unrealizedPnlByCostOfCarry": double(unrealized),
            "unrealizedPnlPercent": share,
            "unrealizedPnlPercentByAverage": share,
            "unrealizedPnlPercentByCostOfCarry": share,
            "realizedPnl": profit,
            "realizedPnlByAverage": profit,
            "marketValue": double(holding.value),
            "currency": instrument.currency,
            "multiplier": double(instrument.multiplier),
            "status": 0,
            "identifier": instrument.key,
            "name": instrument.name,
            **option_terms(instrument),
            "latestPrice": double(holding.quote.last),
            "lastClosePrice": double(holding.quote.previous_close),
            "updateTimestamp": updated_at_ms,
            "comboTypes": [],
            "comboTypeMap": {},
            "mmPercent": double(MAINTENANCE_MARGIN),
            "mmValue": double(abs(holding.value) * MAINTENANCE_MARGIN),
            "todayPnl": double(today),
            "todayPnlPercent": _share(today, before),
            "categories": [],
        }
    )


def prime_assets_json(
    account: Account,
    *,
    funds: Funds,
    futures: Funds,
    in_transit: Mapping[Segment, Decimal],
    base_currency: str,
    updated_at_ms: int,
) -> Json:
    """Return an account's segments as `prime_assets` gives them.

    Args:
        funds: of the securities segment.
        futures: of the segment of futures.
        in_transit: what is on its way into a segment (unit: US dollars).
        base_currency: what the sums are told in.
    """
    rate = USD_PER_UNIT[base_currency]
    segments = {
        "SEC": _traded(funds) | _pool(funds),
        # What is left for futures is told as cash to trade with; stock could not be bought for it.
        "FUT": _traded(futures) | _pool(futures) | {"buyingPower": Decimal(0)},
        "FUND": _cash_alone(worth_in_usd(account.cash_of("FUND"))) | _pool(funds),
    }
    worths: Mapping[Segment, Funds] = {"SEC": funds, "FUT": futures, "FUND": funds}
    return {
        "accountId": account.account,
        "segments": [
            _segment(segment, segments[segment], _with_base(account.cash_of(segment)), rate)
            | _leverage(worth)
            | {"uncollected": money(in_transit.get(segment, Decimal(0)), rate)}
            | {"currency": base_currency}
            for segment, worth in worths.items()
        ],
        "updateTimestamp": updated_at_ms,
    }


def _traded(funds: Funds) -> dict[str, Decimal]:
    return {
        "cashBalance": funds.cash,
        "grossPositionValue": funds.position_value,
        "netLiquidation": funds.net_liquidation,
        "unrealizedPL": funds.unrealized_pnl,
        "unrealizedPLByCostOfCarry": funds.unrealized_pnl,
        "realizedPL": funds.realized_pnl,
        "totalTodayPL": funds.unrealized_pnl,
    }


def _cash_alone(total: Decimal) -> dict[str, Decimal]:
    nothing = (
        "grossPositionValue",
        "unrealizedPL",
        "unrealizedPLByCostOfCarry",
        "realizedPL",
        "totalTodayPL",
    )
    return {"cashBalance": total, "netLiquidation": total} | dict.fromkeys(nothing, Decimal(0))


def _pool(funds: Funds) -> dict[str, Decimal]:
    # Securities and funds answer for it together, and Tiger tells it in both segments.
    excess = funds.net_liquidation - funds.maintenance_margin
    return {
        "cashAvailableForTrade": max(Decimal(0), funds.available),
        "equityWithLoan": funds.net_liquidation,
        "initMargin": funds.initial_margin,
        "maintainMargin": funds.maintenance_margin,
        "overnightMargin": funds.maintenance_margin,
        "excessLiquidation": excess,
        "overnightLiquidation": excess,
        "buyingPower": funds.buying_power,
        "lockedFunds": funds.reserved,
    }


def _leverage(funds: Funds) -> Json:
    return {"leverage": double(average(funds.gross_position_value, funds.net_liquidation))}


def _with_base(cash: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
    # A segment without cash is told in the account's own currency.
    return cash or {BASE_CURRENCY: Decimal(0)}


def _segment(
    segment: Segment,
    figures: Mapping[str, Decimal],
    cash: Mapping[str, Decimal],
    rate: Decimal,
) -> Json:
    return {
        "capability": CAPABILITY,
        "category": CATEGORIES[segment],
        **{name: money(value, rate) for name, value in figures.items()},
        "consolidatedSegTypes": POOLS[segment],
        "currencyAssets": [
            {
                "currency": currency,
                "cashBalance": double(amount),
                "cashAvailableForTrade": double(max(Decimal(0), amount)),
                "forexRate": double(
                    (USD_PER_UNIT[currency] / rate).quantize(AVERAGE_STEP, ROUND_HALF_EVEN)
                ),
            }
            for currency, amount in sorted(cash.items())
        ],
    }


def money(usd: Decimal, rate: Decimal) -> float:
    """Return US dollars in a currency of which one is worth `rate` dollars, to the cent."""
    return double((usd / rate).quantize(CENT, ROUND_HALF_EVEN))


def worth_in_usd(cash: Mapping[str, Decimal]) -> Decimal:
    """Add up cash of several currencies."""
    return sum((USD_PER_UNIT[currency] * amount for currency, amount in cash.items()), Decimal(0))


def _share(part: Decimal, whole: Decimal) -> float:
    if whole == 0:
        return 0.0
    return double((part / abs(whole)).quantize(AVERAGE_STEP, ROUND_HALF_EVEN))
