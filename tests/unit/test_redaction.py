"""The broker's words: amounts stay, and no number of an account, id or key ever passes."""

from decimal import Decimal
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tigeropen.common.exceptions import ApiException

from adapters.tiger_worker import words
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.redaction import DIGITS_MIN, KEY, NUMBER, redacted, without_own
from adapters.tiger_worker.rows import order_of
from core.items import Outcome
from tests.support import core_facts as facts
from tests.support.scripted_broker import NUMBER as ACCOUNT
from tests.support.scripted_broker import ScriptedClient, ok, order_row, scripted_broker

TOKEN: Final = "MTcwMDAwMDAwMDAwMCwxNzAwMDg2NDAwMDAwaGFzaA=="
# As Tiger gives them: a prime account, a global one, a paper account, an id of a login.
NUMBERS: Final = (
    st.from_regex(r"[1-9][0-9]{7,8}", fullmatch=True)
    | st.from_regex(r"U[1-9][0-9]{6,7}", fullmatch=True)
    | st.from_regex(r"20[0-9]{15}", fullmatch=True)
)


def digits_of(text: str) -> str:
    return "".join(str(int(each)) for each in text if each.isdecimal())


@pytest.mark.parametrize(
    "text",
    [
        "insufficient funds: need 12345.67",
        "need 1234567.89, available 1000.00",
        "need 1,234,567.80 USD (have 20.5)",
        "The order value USD 1500000 exceeds HK$ 2500000",
        "buying power -185000000.5 is less than 1234567.89USD",
        "可用资金123456.78元不足,还需1,234,567.80元",
        "only 100 shares at 10.50",
        "code=1200(bad_request:insufficient buying power)",
    ],
)
def test_amounts_stay_readable(text: str) -> None:
    assert redacted(text) == text
    assert without_own(text, [ACCOUNT, TOKEN]) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("account 51,230,321 is closed", f"account {NUMBER} is closed"),
        ("account 51230321.55 is closed", f"account {NUMBER}.55 is closed"),
        ("acct:51230321.00", f"acct:{NUMBER}.00"),
        ("账户51230321.55不足", f"账户{NUMBER}.55不足"),
        ("51230321.0 and 51230321 USD", f"{NUMBER}.0 and {NUMBER} USD"),
        ("20191106192858300.00", f"{NUMBER}.00"),
        ("US5123032, v1.51230321, x51230321.55", f"U{NUMBER}, v1.{NUMBER}, x{NUMBER}.55"),
        ("51230321.55.1 51230321,00 5,51230321", f"{NUMBER}.55.1 {NUMBER},00 5,{NUMBER}"),
        ("\uff15\uff11\uff12\uff13\uff10\uff13\uff12\uff11.55", f"{NUMBER}.55"),
        (f"token {TOKEN} expired", f"token {KEY} expired"),
    ],
)
def test_what_is_not_plainly_an_amount_is_hidden(text: str, kept: str) -> None:
    assert redacted(text) == kept


AMOUNTS: Final = st.decimals(min_value=0, max_value=999_999_999, places=2)


@given(AMOUNTS, st.sampled_from(["{:.2f}", "{:,.2f}"]), st.sampled_from(["USD ", "", "-", "$"]))
def test_every_amount_with_cents_passes_whole(amount: Decimal, form: str, before: str) -> None:
    text = f"need {before}{form.format(amount)} more"
    assert redacted(text) == text


PLAIN: Final = st.text(
    st.characters(blacklist_categories=("Nd", "Cs"), blacklist_characters=".,"), max_size=30
)


@given(NUMBERS, PLAIN, PLAIN)
def test_no_number_that_stands_by_itself_passes_whosever_it_is(
    number: str, before: str, after: str
) -> None:
    # Money is the one word that makes an amount of a whole number.
    money = ("$", "€", "£", "¥", "USD", "HKD", "CNH", "CNY", "SGD", "AUD", "NZD", "EUR", "GBP")
    if before.strip().rstrip("+-").rstrip().endswith((*money, "JPY", "CAD")):
        before += "for "
    told = redacted(f"{before}{number}{after}")
    assert digits_of(number) not in digits_of(told)


# As programs and people write a number: grouped, as a float, in scientific form's mantissa, cut.
def _written(number: str, between: str, tail: str, step: int) -> str:
    digits = digits_of(number)
    groups = [digits[max(0, end - step) : end] for end in range(len(digits), 0, -step)]
    return between.join(reversed(groups)) + tail


WAYS: Final = st.builds(
    lambda between, tail, step: (between, tail, step),
    st.sampled_from(["", ",", ".", " ", "-", "_", "/", "\u200b", ", ", "\n", "'"]),
    st.sampled_from(["", ".0", ".00", ".5", ".55", " USD", "E7", "元"]),
    st.integers(1, 6),
)
AROUND: Final = st.text(max_size=20)


@given(NUMBERS, st.lists(NUMBERS, max_size=2), AROUND, AROUND, WAYS)
@example("51230321", [], "need $", " more", ("", ".00", 3))
@example("51230321", [], "USD ", "", ("", "", 6))
@example("20191106192858300", [], "9", "9", (",", ".55", 3))
def test_no_number_of_the_login_ever_passes_however_it_is_written(
    number: str, others: list[str], before: str, after: str, way: tuple[str, str, int]
) -> None:
    between, tail, step = way
    text = f"{before}{_written(number, between, tail, step)}{after}"
    told = words.broker_text(without_own(text, [*others, number, TOKEN]))
    shown = digits_of(told)
    digits = digits_of(number)
    parts = {digits[at : at + DIGITS_MIN] for at in range(len(digits) - DIGITS_MIN + 1)}
    surrounding = digits_of(before) + "/" + digits_of(after)
    # Digits of the text around it may make a part of it by chance, apart.
    assert not [part for part in parts if part in shown and part not in surrounding]


@given(AROUND, AROUND, st.integers(0, len(TOKEN) - 32))
def test_no_token_of_the_login_passes_and_no_long_part_of_one(
    before: str, after: str, at: int
) -> None:
    assert TOKEN not in words.broker_text(without_own(f"{before}{TOKEN}{after}", [TOKEN]))
    part = TOKEN[at:]
    assert part not in words.broker_text(f"{before} {part} {after}")


@given(st.text(max_size=300) | st.text("0123456789,. $U", max_size=300))
@example("000000$000000")
def test_redaction_ends_and_hiding_twice_hides_no_more(text: str) -> None:
    once = redacted(text)
    assert redacted(once) == once
    assert len(words.broker_text(text)) <= 200


@pytest.mark.parametrize("size", [3_990, 3_999, 4_000, 4_001, 40_000])
def test_what_is_cut_of_a_long_text_shows_no_part_of_a_key(size: int) -> None:
    text = f"{'A1' * (size // 2)} {TOKEN} {ACCOUNT} need 1.00"
    told = words.broker_text(text)
    assert TOKEN[:8] not in told
    assert ACCOUNT not in told


# The worker's own ways: every text of the broker that becomes a fact.


def broker_of(client: ScriptedClient) -> AccountBroker:
    made = scripted_broker(client)
    return AccountBroker(
        made._session, number=ACCOUNT, clock=made._clock, secrets=lambda: (TOKEN, "20151234")
    )


OWN: Final = (
    f"need 1234567.89 of {ACCOUNT[:-3]},{ACCOUNT[-3:]}.00 by {TOKEN} and $20151234.00, not 20.50"
)


def _is_told(text: str) -> bool:
    hides = not any(part in digits_of(text) for part in (ACCOUNT, "20151234"))
    return "need 1234567.89 of" in text and TOKEN not in text and hides and "20.50" in text


def test_a_refusal_of_an_order_tells_the_amounts_and_nothing_of_the_login() -> None:
    client = ScriptedClient()
    broker = broker_of(client)
    order = broker.prepare(facts.spec(), order_number="901", mark="led1.ord-1")
    client.answer("place_order", ApiException(1200, f"x(bad_request:{OWN})"))
    ended = broker.place(order)
    assert ended.outcome is Outcome.REFUSED
    assert _is_told(ended.detail), ended.detail
    client.answer("preview_order", ApiException(1200, f"x(bad_request:{OWN})"))
    told = broker.estimate(facts.spec()).message
    assert _is_told(told), told


@pytest.mark.parametrize("odd", [51230321, 51230321.55, [51230321.55], {"a": "5123,0321"}])
def test_a_remark_that_is_no_text_tells_nothing_of_the_login(odd: object) -> None:
    client = ScriptedClient()
    client.answer("active_orders", ok({"items": [order_row(remark=odd)]}))
    (row,) = broker_of(client).open_orders()
    assert order_of(row, ()).remark.strip("[]{}'a: ") == NUMBER.strip("[]")


def test_a_remark_in_a_listing_tells_the_amounts_and_nothing_of_the_login() -> None:
    client = ScriptedClient()
    client.answer("active_orders", ok({"items": [order_row(remark=OWN)]}))
    (row,) = broker_of(client).open_orders()
    remark = order_of(row, ()).remark
    assert _is_told(remark), remark
