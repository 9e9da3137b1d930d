"""Which of Tiger's methods are served. A new one is a function and a line here."""

from collections.abc import Callable, Mapping

import msgspec

from infra.sandbox.methods import (
    asset_figures,
    contracts,
    corporate,
    derivative_history,
    estimates,
    fund_quotes,
    fundamentals,
    funds,
    future_quotes,
    history,
    holdings,
    listings,
    market_extras,
    option_exercise,
    option_quotes,
    quotes,
    rights,
    scanner,
    timelines,
    trading,
    transfers,
    warrants,
)
from infra.sandbox.methods.calls import Call
from infra.sandbox.wire.envelope import METHOD_UNKNOWN, common_error

Method = Callable[[Call], object]

# Tiger's older methods send `data` as a text that holds JSON, its newer ones as JSON.
TEXT_METHODS: Mapping[str, Method] = {
    "accounts": holdings.accounts,
    "active_orders": listings.active_orders,
    "cancel_order": trading.cancel_order,
    "filled_orders": listings.filled_orders,
    "inactive_orders": listings.inactive_orders,
    "modify_order": trading.modify_order,
    "order_no": trading.order_no,
    "orders": listings.orders,
    "place_order": trading.place_order,
    "positions": holdings.positions,
    "preview_order": trading.preview_order,
}
# `user_license` is left out on purpose: with a licence, an SDK that looks domains up would leave
# the sandbox for production.
OBJECT_METHODS: Mapping[str, Method] = {
    "addon_entitlements": market_extras.addon_entitlements,
    "aggregate_assets": asset_figures.aggregate_assets,
    "all_hk_option_symbols": option_quotes.all_hk_option_symbols,
    "all_symbol_names": quotes.all_symbol_names,
    "all_symbols": quotes.all_symbols,
    "analytics_asset": asset_figures.analytics_asset,
    "assets": asset_figures.assets,
    "brief": quotes.brief,
    "broker_hold": market_extras.broker_hold,
    "cancel_segment_fund": funds.cancel_segment_fund,
    "capital_distribution": market_extras.capital_distribution,
    "capital_flow": market_extras.capital_flow,
    "contract": contracts.contract,
    "contracts": contracts.contracts,
    "corporate_action": corporate.corporate_action,
    "estimate_tradable_quantity": estimates.estimate_tradable_quantity,
    "financial_currency": fundamentals.financial_currency,
    "financial_daily": fundamentals.financial_daily,
    "financial_exchange_rate": fundamentals.financial_exchange_rate,
    "financial_report": fundamentals.financial_report,
    "fund_all_symbols": fund_quotes.fund_all_symbols,
    "fund_contracts": fund_quotes.fund_contracts,
    "fund_details": funds.fund_details,
    "fund_history_quote": fund_quotes.fund_history_quote,
    "fund_quote": fund_quotes.fund_quote,
    "future_continuous_contracts": future_quotes.future_continuous_contracts,
    "future_contract_by_contract_code": future_quotes.future_contract_by_contract_code,
    "future_contract_by_exchange_code": future_quotes.future_contract_by_exchange_code,
    "future_contracts": future_quotes.future_contracts,
    "future_current_contract": future_quotes.future_current_contract,
    "future_depth": future_quotes.future_depth,
    "future_exchange": future_quotes.future_exchange,
    "future_history_main_contract": future_quotes.future_history_main_contract,
    "future_kline": derivative_history.future_kline,
    "future_real_time_quote": future_quotes.future_real_time_quote,
    "future_tick": derivative_history.future_tick,
    "future_trading_date": future_quotes.future_trading_date,
    "get_quote_permission": rights.get_quote_permission,
    "grab_quote_permission": rights.grab_quote_permission,
    "history_timeline": timelines.history_timeline,
    "industry_list": fundamentals.industry_list,
    "industry_stocks": fundamentals.industry_stocks,
    "kline": history.kline,
    "kline_quota": history.kline_quota,
    "market_scanner": scanner.market_scanner,
    "market_scanner_tags": scanner.market_scanner_tags,
    "market_state": quotes.market_state,
    "option_analysis": option_quotes.option_analysis,
    "option_brief": option_quotes.option_brief,
    "option_chain": option_quotes.option_chain,
    "option_depth": option_quotes.option_depth,
    "option_exercise_cancel": option_exercise.option_exercise_cancel,
    "option_exercise_check": option_exercise.option_exercise_check,
    "option_exercise_position": option_exercise.option_exercise_position,
    "option_exercise_record": option_exercise.option_exercise_record,
    "option_exercise_submit": option_exercise.option_exercise_submit,
    "option_expiration": option_quotes.option_expiration,
    "option_kline": derivative_history.option_kline,
    "option_timeline": derivative_history.option_timeline,
    "option_trade_tick": derivative_history.option_trade_tick,
    "order_transactions": listings.order_transactions,
    "place_forex_order": funds.place_forex_order,
    "position_transfer": transfers.position_transfer,
    "position_transfer_detail": transfers.position_transfer_detail,
    "position_transfer_external_records": transfers.position_transfer_external_records,
    "position_transfer_records": transfers.position_transfer_records,
    "prime_assets": holdings.prime_assets,
    "quote_contract": contracts.quote_contract,
    "quote_delay": quotes.quote_delay,
    "quote_depth": quotes.quote_depth,
    "quote_overnight": quotes.quote_overnight,
    "quote_real_time": quotes.quote_real_time,
    "quote_shortable_stocks": quotes.quote_shortable_stocks,
    "quote_stock_trade": quotes.quote_stock_trade,
    "segment_fund_available": funds.segment_fund_available,
    "segment_fund_history": funds.segment_fund_history,
    "stock_broker": market_extras.stock_broker,
    "stock_detail": quotes.stock_detail,
    "stock_fundamental": fundamentals.stock_fundamental,
    "stock_industry": fundamentals.stock_industry,
    "timeline": timelines.timeline,
    "trade_rank": market_extras.trade_rank,
    "trade_tick": timelines.trade_tick,
    "trading_calendar": quotes.trading_calendar,
    "transfer_fund": funds.transfer_fund,
    "transfer_segment_fund": funds.transfer_segment_fund,
    "user_token_refresh": rights.user_token_refresh,
    "warrant_filter": warrants.warrant_filter,
    "warrant_real_time_quote": warrants.warrant_real_time_quote,
}


def run(name: str, call: Call) -> object:
    """Do one call and return what goes into `data`.

    Raises:
        GatewayError: the call was refused.
    """
    call.engine.prices.set_day(call.now.date())
    if (method := TEXT_METHODS.get(name)) is not None:
        return msgspec.json.encode(method(call)).decode()
    if (method := OBJECT_METHODS.get(name)) is not None:
        return method(call)
    raise common_error(METHOD_UNKNOWN)
