"""No row of the broker ends a desk, and one that cannot be read shuts no more than it must."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tigeropen.common.exceptions import ApiException

from adapters.tiger_worker.broker import POSITION_CLASSES
from adapters.tiger_worker.parts import Work
from core import account_events, events, items, readings
from core.items import Outcome
from core.terms import Side
from tests.support import core_facts as facts
from tests.support.scripted_broker import ScriptedClient, ok, order_row, scripted_broker
from tests.support.worker_parts import DeskRig
from tests.unit.test_worker_reconcile import ASSETS, RoundRig, of, position_row

HALF: Final = "\ud83d"
YEAR_1_MS: Final = -62_135_596_800_000
ENOUGH: Final = 3 + facts.TIMING.absence_listings_min
EXECUTION: Final = {
    "id": "e1",
    "symbol": "AAPL",
    "action": "BUY",
    "secType": "STK",
    "filledQuantity": 5,
    "filledPrice": 10.5,
    "currency": "USD",
    "transactionTime": 1_772_463_600_000,
}
CASH: Final = {"currency": "USD", "cashBalance": 100.5, "cashAvailableForTrade": 1}
SEGMENT: Final = {"category": "S", "currency": "USD", "netLiquidation": 5.5, "buyingPower": 7}


def stranger(**fields: object) -> dict[str, Any]:
    """Return the row of an order of the phone app."""
    return order_row(**({"id": 7, "orderId": 0, "userMark": ""} | fields))


class PoisonRig(RoundRig):
    """Rounds whose items the desk takes at once."""

    def __init__(self, *given: events.Event, **options: Any) -> None:
        super().__init__(*given, figures_s=0.0, **options)

    def read(
        self,
        *rows: object,
        executions: tuple[object, ...] = (),
        positions: tuple[object, ...] = (),
        assets: object = ASSETS,
        at_s: float = 0.0,
    ) -> list[items.Item]:
        """Run a round on these listings, as they come off the wire, and return what it told."""
        client, at = self.client, facts.at(at_s)
        client.answers.clear()

        def reply(data: object) -> Any:
            return json.loads(json.dumps(ok(data, at=at)))

        client.answer("orders", *[reply({"items": list(rows)}) for _ in range(2)])
        client.answer("active_orders", reply({"items": []}))
        client.answer("order_transactions", *[reply({"items": list(executions)}) for _ in range(9)])
        held = [reply({"items": list(positions)})]
        client.answer("positions", *held, *[reply({"items": []}) for _ in POSITION_CLASSES[1:]])
        client.answer("prime_assets", reply(assets))
        told = self.run()
        for item in told:
            self.rig.desk.take(Work(item))
        return told

    def restart(self) -> None:
        """Have a successor go on: what was stored has to decode, and the account is stale."""
        self.rig.restart()
        self.desk.desk = self.rig.desk

    @property
    def state(self) -> Any:
        """What is true of the account."""
        return self.rig.desk.state

    def frozen(self) -> list[tuple[str, str, str]]:
        """Return cause, symbol and detail of each freeze, in order."""
        found = [record.data for record in self.rig.ledger.line()]
        return [
            (e.cause, e.symbol, e.detail)
            for e in found
            if isinstance(e, account_events.AccountFrozen)
        ]


def stale_rig(*given: events.Event, **options: Any) -> PoisonRig:
    rig = PoisonRig(*given, **options)
    rig.restart()
    return rig


# --- whatever a row holds ------------------------------------------------------------------

TEXTS: Final = (
    *("", " ", "0", "007", "-1", "1e9999999", "1e-9999999", "NaN", "Infinity", "\u0663\u0663"),
    *("USD", "usd", "USDT", "HKD", "A" * 500, "9" * 500, HALF, f"AAPL{HALF}", f"{HALF}AB", "\x00"),
    *("BUY", "SELL_SHORT", "LMT", "STP", "MKT", "FUT", "OPT", "MLEG", "CALL", "GTD", "20261218"),
    *("Filled", "Cancelled", "Invalid", "Inactive", "Enchanted", "RECEIVED", facts.mark_of()),
)
NUMBERS: Final = (
    *(0, 1, 2, 7, 12, 13, 40, -1, 10**17, 10**18, 10**40, YEAR_1_MS, 253_402_300_799_000),
    *(0.0, 1.5, -2.25, 1e17, 1e300, 5e-324, float("nan"), float("inf")),
)
LEAVES: Final = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.sampled_from((None, True, False)),
    st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=4),
)
JUNK: Final = st.one_of(
    LEAVES,
    st.lists(LEAVES, max_size=2),
    st.lists(st.dictionaries(st.sampled_from(("action", "right", "strike")), LEAVES), max_size=3),
)
MORE_OF_AN_ORDER: Final = (
    *(
        "commission",
        "gst",
        "parentId",
        "replaceStatus",
        "secType",
        "identifier",
        "expiry",
        "strike",
    ),
    *(
        "right",
        "multiplier",
        "auxPrice",
        "trailingPercent",
        "totalCashAmount",
        "legs",
        "expireTime",
    ),
    *("timeInForce", "outsideRth", "displaySize", "avgFillPrice"),
)
MORE_OF_A_POSITION: Final = ("position", "positionScale", "latestPrice", "unrealizedPnl", "expiry")


def spoilt(plain: Mapping[str, object], *more: str) -> st.SearchStrategy[Any]:
    """Return rows of which some fields hold anything, and now and then something else whole."""
    names = st.sampled_from((*plain, *more))
    texts = st.sampled_from([name for name, value in plain.items() if isinstance(value, str)])
    # With many fields spoilt the first hides the others.
    few = st.dictionaries(names, JUNK, min_size=1, max_size=2)
    many = st.dictionaries(names, JUNK, min_size=1, max_size=6)
    words = st.dictionaries(texts, st.sampled_from(TEXTS), min_size=1, max_size=2)
    rows = st.one_of(few, words, words, many).map(lambda changes: {**plain, **changes})
    return rows | JUNK


SPOILT_ORDERS: Final = st.lists(
    st.one_of(
        spoilt(order_row(filledQuantity=5, commission=1.0), *MORE_OF_AN_ORDER),
        spoilt(stranger(filledQuantity=5, commission=1.0), *MORE_OF_AN_ORDER),
    ),
    min_size=1,
    max_size=4,
)
SPOILT_CASH: Final = st.lists(spoilt(CASH), min_size=1, max_size=4)
_EXAMPLES: Final = settings(max_examples=150)
# Far below what a message of NATS may hold.
RECORD_BYTES_MAX: Final = 50_000


def survives(rig: PoisonRig, listings: Mapping[str, Any], orders: list[Any]) -> list[items.Item]:
    """Read the same listings some times, by two processes, and return what the last round told."""
    for _ in range(facts.TIMING.quiet_reads_min):
        rig.read(*orders, **listings)
    rig.restart()
    told = rig.read(*orders, **listings)
    assert max(len(record.body) for record in rig.rig.ledger.records) < RECORD_BYTES_MAX
    return told


@_EXAMPLES
@given(SPOILT_ORDERS, st.lists(spoilt(EXECUTION), max_size=3))
def test_no_row_of_the_broker_ends_a_desk(orders: list[Any], executions: list[Any]) -> None:
    rig = PoisonRig(facts.previewed(), facts.started())
    told = survives(rig, {"executions": tuple(executions)}, orders)
    assert of(told, readings.RoundCompleted)


@_EXAMPLES
@given(st.lists(spoilt(position_row(), *MORE_OF_A_POSITION), min_size=1, max_size=4))
def test_no_position_of_the_broker_ends_a_desk(positions: list[Any]) -> None:
    rig = PoisonRig(bare=True)
    told = survives(rig, {"positions": tuple(positions)}, [])
    assert of(told, readings.RoundCompleted)


@_EXAMPLES
@given(spoilt(SEGMENT, "currencyAssets"), SPOILT_CASH, st.one_of(st.just({}), JUNK))
def test_no_balance_of_the_broker_ends_a_desk(segment: Any, cash: list[Any], other: Any) -> None:
    rig = PoisonRig(bare=True)
    survives(rig, {"assets": {"segments": [segment]}}, [])
    survives(rig, {"assets": {"segments": [{**SEGMENT, "currencyAssets": cash}]}}, [])
    survives(rig, {"assets": other}, [])


@pytest.mark.parametrize(
    "spoilt_by",
    [
        {"remark": f"halted {HALF}", "status": "Invalid"},
        {"source": f"App {HALF}"},
        {"status": f"X{HALF}"},
        {"userMark": f"X{HALF}"},
        {"orderId": HALF},
        {"parentId": HALF},
        {"symbol": f"A{HALF}"},
        {"market": f"U{HALF}"},
        {"symbol": "A" * 100_000},
        {"currency": ""},
        {"currency": None},
        {"currency": "usd"},
        {"currency": "USDT"},
        {"openTime": YEAR_1_MS},
        {"openTime": 0},
        {"limitPrice": "1e9999999"},
        {"secType": "OPT", "expiry": "20261218", "right": "CALL", "strike": "1e-9999999"},
    ],
    ids=lambda spoilt_by: ascii(spoilt_by)[:60],
)
def test_row_that_once_ended_a_desk_is_told_or_freezes(spoilt_by: dict[str, object]) -> None:
    rig = stale_rig()
    told = survives(rig, {}, [stranger(commission=1.0, **spoilt_by)])
    assert of(told, readings.RoundCompleted)
    assert not rig.state.is_stale
    assert rig.state.by_tiger_id.get("7") or rig.frozen()


@pytest.mark.parametrize("opened", [YEAR_1_MS, 0, 1, 7_258_118_400_000, 10**18])
def test_order_dated_when_there_was_no_broker_makes_no_listing_begin_then(opened: int) -> None:
    rig = PoisonRig()
    for _ in range(ENOUGH):
        rig.read(stranger(openTime=opened))
    assert rig.state.frozen_symbols == {"AAPL"}
    last = rig.asked("orders")[-1]["start_date"] / 1000
    assert facts.NOW.timestamp() - last < 2 * 86_400


# --- the broker's answers to what was asked of it --------------------------------------------


def test_definite_no_that_was_cut_inside_an_emoji_is_recorded() -> None:
    client = ScriptedClient()
    client.answer("place_order", ApiException(1200, f"response(bad_request:no {HALF})"))
    broker = scripted_broker(client)
    ended = broker.place(broker.prepare(facts.spec(), order_number="901", mark="m"))
    rig = DeskRig(*facts.ready(facts.previewed(), facts.started()))
    rig.take(
        items.PlaceAnswered(
            order_id=facts.order_id_of(),
            outcome=ended.outcome,
            code=ended.code,
            detail=ended.detail,
        )
    )
    assert rig.stored() == ["order.rejected"]


@pytest.mark.parametrize("answer", ["x", f"7{HALF}", -7, 4.5e16, True, {"id": 7}])
def test_reply_to_a_place_whose_id_is_none_is_doubt(answer: object) -> None:
    client = ScriptedClient()
    client.answer("place_order", answer)
    broker = scripted_broker(client)
    ended = broker.place(broker.prepare(facts.spec(), order_number="901", mark="m"))
    assert (ended.outcome, ended.tiger_order_id) == (Outcome.UNKNOWN, "")


@pytest.mark.parametrize("stamp", [YEAR_1_MS, 0, 10**40, 253_402_300_799_000])
def test_clock_of_the_broker_that_is_none_dates_no_listing(stamp: int) -> None:
    rig = RoundRig()
    rig.round()
    before = rig.broker.clock_skew_s
    rig.client.answer("order_no", {"code": 0, "data": {"orderId": 7}, "timestamp": stamp})
    rig.broker.reserve_number()
    assert rig.broker.clock_skew_s == before
    assert of(rig.round(), readings.RoundCompleted)


# --- what is already on record -----------------------------------------------------------------


def recorded_stranger(**changes: Any) -> events.OrderExternalObserved:
    made = {
        "order_id": "ext-1",
        "tiger_order_id": "7",
        "symbol": "AAPL",
        "market": "US",
        "currency": "USD",
        "side": Side.BUY,
        "order_type": None,
        "quantity": Decimal(100),
        "limit_price": None,
        "source": "",
        "opened_at": facts.NOW,
    }
    return events.OrderExternalObserved(**(made | changes))


def test_order_recorded_without_a_currency_takes_the_one_that_its_charges_are_in() -> None:
    rig = PoisonRig(recorded_stranger(currency=""))
    rig.read(stranger(commission=1.0))
    assert rig.state.orders["ext-1"].charges == 1


def test_order_recorded_at_the_begin_of_the_calendar_ends_no_round() -> None:
    first = datetime.min.replace(tzinfo=UTC)
    rig = PoisonRig(recorded_stranger(opened_at=first))
    assert of(rig.read(stranger()), readings.RoundCompleted)


def test_cash_recorded_in_a_word_that_is_no_currency_breaks_nothing() -> None:
    rig = PoisonRig(facts.positions(), facts.balances(USD="0", USDT="100"), bare=True)
    for _ in range(ENOUGH):
        rig.read(assets={"segments": [{**SEGMENT, "currencyAssets": []}]})
    assert "account.cash_break" not in rig.rig.stored()
