"""Tiger's methods about mutual funds: which there are, and what they are worth.

Source: the shapes of Tiger's Java client (`https/domain/fund/item`, read 2026-11); tigeropen
3.8.0, `quote/response/fund_contracts_response.py`, `quote_dataframe_response.py`.
"""

from datetime import date, timedelta

import msgspec

from infra.sandbox.market.funds import FUNDS, Fund, is_valued, nav_of, valued_day
from infra.sandbox.market.stretches import day_at, midnight_ms
from infra.sandbox.market.terms import FUND_MARKET
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.figures import Json, double
from infra.sandbox.methods.history_parameters import Time, limit_of, symbols_of, time_ms_of

FUND_SYMBOLS_MAX = 500
FUND_DAYS_MAX = 1_200


class FundParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the fund methods."""

    symbols: tuple[str, ...] = ()
    begin_time: Time | None = None
    end_time: Time | None = None
    limit: int | None = None


def fund_all_symbols(_: Call) -> object:
    """Return the symbols of all funds."""
    return sorted(FUNDS)


def fund_contracts(call: Call) -> object:
    """Return what funds are; unknown ones are left out."""
    return [_fund_json(fund) for fund in _funds(parameters(call, FundParameters))]


def fund_quote(call: Call) -> object:
    """Return the newest value of funds' shares."""
    seed, day = call.engine.prices.seed, valued_day(call.now.date())
    return [
        {
            "symbol": fund.symbol,
            "close": double(nav_of(fund, seed, day)),
            "timestamp": midnight_ms("US", day),
        }
        for fund in _funds(parameters(call, FundParameters))
    ]


def fund_history_quote(call: Call) -> object:
    """Return the daily values of funds' shares, oldest first; of a long window the newest."""
    asked = parameters(call, FundParameters)
    newest = valued_day(call.now.date())
    begin_ms = time_ms_of(asked.begin_time, "US", "begin_time")
    end_ms = time_ms_of(asked.end_time, "US", "end_time")
    begin = newest - timedelta(days=365) if begin_ms is None else day_at("US", begin_ms)
    end = newest if end_ms is None else min(newest, day_at("US", end_ms))
    limit = limit_of(asked.limit, default=FUND_DAYS_MAX, most=FUND_DAYS_MAX)
    days = _valued_days(begin, end, limit)
    return [
        {
            "symbol": fund.symbol,
            "items": [
                {
                    "nav": double(nav_of(fund, call.engine.prices.seed, day)),
                    "time": midnight_ms("US", day),
                }
                for day in days
            ],
        }
        for fund in _funds(asked)
    ]


def _funds(asked: FundParameters) -> list[Fund]:
    symbols = symbols_of(asked.symbols, FUND_SYMBOLS_MAX)
    return [FUNDS[symbol] for symbol in symbols if symbol in FUNDS]


def _valued_days(begin: date, end: date, limit: int) -> list[date]:
    found: list[date] = []
    day = end
    while day >= begin and len(found) < limit:
        if is_valued(day):
            found.append(day)
        day -= timedelta(days=1)
    return found[::-1]


def _fund_json(fund: Fund) -> Json:
    return {
        "symbol": fund.symbol,
        "name": fund.name,
        "companyName": fund.company,
        "market": FUND_MARKET,
        "secType": "FUND",
        "currency": fund.currency,
        "tradeable": True,
        "subType": fund.sub_type,
        "dividendType": fund.dividend_type,
        "tigerVault": fund.is_vault,
    }
