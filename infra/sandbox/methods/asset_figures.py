"""Tiger's other views of an account's worth: the global shape, the aggregate, and its history.

Source: Tiger's page "accounts-java" (docs.itigerup.com), tables and examples (read 2026-11-23), and
tigeropen 3.8.0, `trade/domain/prime_account.py`, `AggregateAsset`.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.margin import Funds, funds_of
from infra.sandbox.broker.records import Segment
from infra.sandbox.market.calendars import trading_days, zone_of
from infra.sandbox.market.instruments import USD_PER_UNIT
from infra.sandbox.methods.account_answers import BASE_CURRENCY, CAPABILITY, money, worth_in_usd
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.methods.figures import Json, average, double
from infra.sandbox.methods.funds import OPENED_AT
from infra.sandbox.methods.holdings import base_currency_of, holdings_of
from infra.sandbox.methods.parameter_values import date_of, invalid, word
from infra.sandbox.methods.past_worth import PastDay, days_of
from infra.sandbox.wire.envelope import to_ms

HISTORY_SPAN = timedelta(days=30)
HISTORY_SPAN_MAX = timedelta(days=366)
DAY_TRADES_UNLIMITED = -1


class GlobalAssetsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `assets`; values by market are told for global accounts only."""

    account: str = ""
    segment: bool = False


class AggregateParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `aggregate_assets`."""

    account: str = ""
    seg_type: str | None = None
    base_currency: str | None = None


class AnalyticsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `analytics_asset` (dates: yyyy-MM-dd, both inclusive)."""

    account: str = ""
    seg_type: str | None = None
    currency: str | None = None
    start_date: str | None = None
    end_date: str | None = None


def assets(call: Call) -> object:
    """Return an account in the shape of a global one, in US dollars."""
    asked = parameters(call, GlobalAssetsParameters)
    account = account_of(call, asked.account)
    funds, updated_at_ms = funds_of(account, call.engine.prices), to_ms(call.now)
    item = {
        "account": account.account,
        "capability": CAPABILITY,
        "currency": BASE_CURRENCY,
        "buyingPower": double(funds.buying_power),
        "cushion": double(average(_excess(funds), funds.net_liquidation)),
        "dayTradesRemaining": DAY_TRADES_UNLIMITED,
        "realizedPnL": double(funds.realized_pnl),
        "unrealizedPnL": double(funds.unrealized_pnl),
        "updateTime": updated_at_ms,
    } | _global_figures(funds)
    if asked.segment:
        futures = _funds(call, account, "FUT")
        item["segments"] = [
            {
                "account": account.account,
                "category": "S",
                "title": "Securities",
                "leverage": double(average(funds.gross_position_value, funds.net_liquidation)),
                "updateTime": updated_at_ms,
            }
            | _global_figures(funds),
            {
                "account": account.account,
                "category": "C",
                "title": "Commodities",
                "updateTime": updated_at_ms,
            }
            | _global_figures(futures),
        ]
    return {"items": [item]}


def aggregate_assets(call: Call) -> object:
    """Return an account's sums in one currency."""
    asked = parameters(call, AggregateParameters)
    account = account_of(call, asked.account)
    segment: Segment = word(asked.seg_type, Segment, "seg_type") or "SEC"
    currency = base_currency_of(asked.base_currency)
    funds = _funds(call, account, segment)
    cash = max(Decimal(0), funds.cash)
    figures = {
        "cashBalance": funds.cash,
        "cashBalanceWithInTransit": funds.cash,
        "equityWithLoan": funds.net_liquidation,
        "netLiquidation": funds.net_liquidation,
        "initMargin": funds.initial_margin,
        "maintainMargin": funds.maintenance_margin,
        "tradeCurrencyMargin": Decimal(0),
        "grossPositionValue": funds.position_value,
        "stockMarketValue": _market_value(call, account, segment, is_option=False),
        "optionMarketValue": _market_value(call, account, segment, is_option=True),
        "cashAvailableForTrade": max(Decimal(0), funds.available),
        "availableCash": min(cash, max(Decimal(0), funds.available)),
        "lockedFunds": funds.reserved,
        "lockedCash": min(cash, funds.reserved),
        "creditLimit": Decimal(0),
        "excessEquity": funds.net_liquidation - funds.initial_margin,
        "excessLiquidity": _excess(funds),
    }
    rate = USD_PER_UNIT[currency]
    return {
        "currency": currency,
        **{name: money(value, rate) for name, value in figures.items()},
        "intradayRiskRatio": double(average(funds.maintenance_margin, funds.net_liquidation)),
    }


def analytics_asset(call: Call) -> object:
    """Return what an account was worth at the end of each US trading day, and what it won."""
    asked = parameters(call, AnalyticsParameters)
    account = account_of(call, asked.account)
    segment: Segment = word(asked.seg_type, Segment, "seg_type") or "SEC"
    rate = USD_PER_UNIT[base_currency_of(asked.currency)]
    today = call.now.astimezone(zone_of("US")).date()
    end = min(date_of(asked.end_date, "end_date") or today, today)
    begin = date_of(asked.start_date, "start_date") or end - HISTORY_SPAN
    if not timedelta(0) <= end - begin <= HISTORY_SPAN_MAX:
        raise invalid("start_date")
    first = max(begin, OPENED_AT.date())
    days = days_of(call, account, segment, trading_days("US", first, end + timedelta(days=1)))
    history, paid_in = [], Decimal(0)
    for at, item in enumerate(days):
        paid_in += item.deposit - item.withdrawal if at else Decimal(0)
        history.append(_history_json(item, days[0], item.asset - days[0].asset - paid_in, rate))
    pnl = history[-1]["pnl"] if history else 0.0
    return {
        "summary": {
            "pnl": pnl,
            "pnlPercentage": history[-1]["pnlPercentage"] if history else 0.0,
            # Neither is worked out here.
            "annualizedReturn": 0.0,
            "overUserPercentage": 0.0,
        },
        "history": history,
    }


def _history_json(item: PastDay, first: PastDay, won: Decimal, rate: Decimal) -> Json:
    return {
        "date": _midnight_ms(item.day),
        "asset": money(item.asset, rate),
        "pnl": money(won, rate),
        "pnlPercentage": double(average(won, first.asset)),
        "cashBalance": money(item.cash, rate),
        "grossPositionValue": money(item.asset - item.cash, rate),
        "deposit": money(item.deposit, rate),
        "withdrawal": money(item.withdrawal, rate),
    }


def _midnight_ms(day: date) -> int:
    return to_ms(datetime.combine(day, time(), zone_of("US")))


def _funds(call: Call, account: Account, segment: Segment) -> Funds:
    if segment != "FUND":
        return funds_of(account, call.engine.prices, segment)
    return _only_cash(worth_in_usd(account.cash_of(segment)))


def _only_cash(cash: Decimal) -> Funds:
    nothing = Decimal(0)
    return Funds(
        cash=cash,
        position_value=nothing,
        gross_position_value=nothing,
        unrealized_pnl=nothing,
        realized_pnl=nothing,
        reserved=nothing,
        initial_margin=nothing,
        maintenance_margin=nothing,
    )


def _market_value(call: Call, account: Account, segment: Segment, *, is_option: bool) -> Decimal:
    if segment != "SEC":
        return Decimal(0)
    return sum(
        (
            item.value * USD_PER_UNIT[item.instrument.currency]
            for item in holdings_of(call, account)
            if (item.instrument.sec_type == "OPT") is is_option
            and item.instrument.sec_type != "FUT"
        ),
        Decimal(0),
    )


def _global_figures(funds: Funds) -> dict[str, object]:
    figures: Mapping[str, Decimal] = {
        "netLiquidation": funds.net_liquidation,
        "equityWithLoan": funds.net_liquidation,
        "initMarginReq": funds.initial_margin,
        "maintMarginReq": funds.maintenance_margin,
        "availableFunds": funds.available,
        "excessLiquidity": _excess(funds),
        "cashValue": funds.cash,
        "grossPositionValue": funds.gross_position_value,
        "accruedCash": Decimal(0),
        "accruedDividend": Decimal(0),
    }
    return {name: double(value) for name, value in figures.items()}


def _excess(funds: Funds) -> Decimal:
    return funds.net_liquidation - funds.maintenance_margin
