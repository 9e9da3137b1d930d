"""Rate limits by hand and by a clock that stands still: every tier, the window, the shared ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.settings import Settings
from infra.sandbox.wire.envelope import GatewayError
from infra.sandbox.wire.rates import LIMITS, RateLimiter
from tests.support.sandbox import raw_call, running_sandbox

NOW = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


class Bench:
    """A limiter, its switches and its time."""

    def __init__(self, **switches: Any) -> None:
        self.switches = LoginSwitches(**{"rate_answers": "code_4", **switches})
        self.now = NOW
        self.limiter = RateLimiter(lambda: self.switches)

    def call(
        self, method: str, *, tiger_id: str = "1", account: str = "a", is_paper: bool = False
    ) -> GatewayError | None:
        try:
            self.limiter.check(
                tiger_id=tiger_id, method=method, account=account, is_paper=is_paper, now=self.now
            )
        except GatewayError as error:
            return error
        return None

    def pass_count(self, method: str, attempts: int, **more: Any) -> int:
        return sum(self.call(method, **more) is None for _ in range(attempts))


@pytest.mark.parametrize(
    "method, limit",
    [("orders", 120), ("positions", 60), ("market_state", 10), ("user_token_refresh", 10)],
)
def test_each_tier_has_its_limit_a_minute(method: str, limit: int) -> None:
    bench = Bench()
    assert bench.pass_count(method, limit + 5) == limit
    error = bench.call(method)
    assert error is not None
    assert (error.code, error.status) == (4, 200)
    assert error.message.endswith(f"interface:{method}, up to {limit} times per minute)")


def test_window_rolls() -> None:
    bench = Bench()
    for second in range(10):
        bench.now = NOW + timedelta(seconds=second)
        assert bench.call("market_state") is None
    bench.now = NOW + timedelta(seconds=59, milliseconds=999)
    assert bench.call("market_state") is not None
    bench.now = NOW + timedelta(seconds=60)
    assert bench.pass_count("market_state", 2) == 1
    bench.now = NOW + timedelta(seconds=61)
    assert bench.pass_count("market_state", 2) == 1


def test_refused_calls_do_not_count() -> None:
    bench = Bench()
    assert bench.pass_count("market_state", 500) == 10
    bench.now = NOW + timedelta(seconds=60)
    assert bench.pass_count("market_state", 500) == 10


def test_methods_and_tiger_ids_are_counted_apart() -> None:
    bench = Bench()
    assert bench.pass_count("market_state", 20) == 10
    assert bench.pass_count("get_quote_permission", 20) == 10
    assert bench.pass_count("market_state", 20, tiger_id="2") == 10


def test_method_outside_the_table_has_no_limit() -> None:
    assert "option_exercise_check" not in LIMITS
    assert Bench().pass_count("option_exercise_check", 1000) == 1000


def test_orders_of_a_paper_account_share_one_limit() -> None:
    bench = Bench()
    methods = ("place_order", "modify_order", "cancel_order")
    passed = sum(bench.call(methods[number % 3], is_paper=True) is None for number in range(150))
    assert passed == 120
    # A prime account of the same login has each method's own limit left: 120 less the 40.
    assert bench.pass_count("place_order", 200, account="b") == 80


def test_orders_per_second_are_shared_by_place_and_modify_of_an_account() -> None:
    bench = Bench(orders_per_s_max=5)
    assert bench.pass_count("place_order", 3) + bench.pass_count("modify_order", 5) == 5
    error = bench.call("place_order")
    assert error is not None
    assert error.message.endswith("up to 5 times per second)")
    assert bench.call("cancel_order") is None
    assert bench.call("place_order", account="b") is None
    bench.now += timedelta(seconds=1)
    assert bench.pass_count("place_order", 10) == 5


def test_answer_can_be_http_429_with_code_5() -> None:
    bench = Bench(rate_answers="http_429")
    bench.pass_count("market_state", 10)
    error = bench.call("market_state")
    assert error is not None
    assert (error.code, error.status) == (5, 429)


def test_black_list_begins_with_persistent_excess_and_ends_with_the_switch() -> None:
    bench = Bench(refusals_per_minute_max=3)
    assert bench.pass_count("market_state", 13) == 10
    assert bench.call("orders") is None
    bench.call("market_state")
    error = bench.call("orders")
    assert error is not None
    assert error.code == 4
    bench.now += timedelta(hours=1)
    assert bench.call("orders") is not None
    assert bench.call("orders", tiger_id="2") is None
    bench.switches = LoginSwitches(rate_answers="code_4")
    assert bench.call("orders") is None


def test_occasional_excess_leads_to_no_black_list() -> None:
    bench = Bench(refusals_per_minute_max=3)
    for minute in range(5):
        bench.now = NOW + timedelta(minutes=minute)
        assert bench.pass_count("market_state", 13) == 10


def test_nothing_is_counted_while_limits_are_off() -> None:
    bench = Bench(rate_answers="off")
    assert bench.pass_count("market_state", 100) == 100
    bench.switches = LoginSwitches(rate_answers="code_4")
    assert bench.pass_count("market_state", 100) == 10


def test_window_is_that_of_the_sandboxs_clock(tmp_path: Any) -> None:
    with running_sandbox(tmp_path, "--clock", "virtual") as sandbox:
        sandbox.control.set_settings(
            Settings(price_drift=False, logins=LoginSwitches(rate_answers="code_4"))
        )
        client = sandbox.trade_client()

        def codes(count: int) -> list[int]:
            business: dict[str, object] = {"market": "US"}
            return [raw_call(client, "market_state", business)["code"] for _ in range(count)]

        assert codes(12) == [0] * 10 + [4] * 2
        sandbox.control.advance_clock(59_999)
        assert codes(1) == [4]
        sandbox.control.advance_clock(1)
        assert codes(11) == [0] * 10 + [4]
