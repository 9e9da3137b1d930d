"""Money, ids, subjects and command bodies: what text is taken, and what is refused."""

import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.commands import COMMAND_CLASSES, CONTROL_CLASSES, SubmitOrder, parse_body
from core.context import Timing
from core.errors import CommandError, CorruptRecordError
from core.ids import ACCOUNT_PATTERN, RESERVED_ALIASES, derived_id, is_alias
from core.money import DECIMALS_MAX, DIGITS_MAX, Money, is_multiple, parse_positive
from core.subjects import SYSTEM, Kind, Subject, parse_subject, subject

_PLAIN_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


def _taken(text: str) -> bool:
    """Say by another road whether text is plain, positive and short enough."""
    if _PLAIN_DECIMAL.fullmatch(text) is None:
        return False
    whole, _, decimals = text.partition(".")
    digits = (whole + decimals).lstrip("0")
    return (
        bool(digits)
        and len(whole) <= 20
        and len(digits) <= DIGITS_MAX
        and len(decimals) <= DECIMALS_MAX
    )


@given(
    st.one_of(
        st.text(max_size=24),
        st.text(alphabet="0123456789.", max_size=24),
        st.text(alphabet="0123456789.-+eE_ ٣\n", max_size=12),
        st.decimals(allow_nan=True, allow_infinity=True).map(str),
    )
)
def test_money_takes_exactly_plain_decimal_text(text: str) -> None:
    if _taken(text):
        assert parse_positive(text, field="price") == Decimal(text)
        return
    with pytest.raises(CommandError) as caught:
        parse_positive(text, field="price")
    assert caught.value.field == "price"


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1\n", "+1", "-1", "1_000", "1,000", ".5", "5.", "1e2", "NaN", "inf"]
)
def test_text_that_decimal_takes_and_nobody_means_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        parse_positive(text, field="price")


@pytest.mark.parametrize("value", [1, 1.5, Decimal(1), None, True, ["1"]])
def test_price_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(CommandError):
        parse_positive(value, field="price")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_money_is_finite(text: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        Money(amount=Decimal(text), currency="USD")
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(f'{{"amount":"{text}","currency":"USD"}}', type=Money)


@pytest.mark.parametrize("currency", ["", "usd", "US", "USDT", "Usd"])
def test_money_has_a_currency(currency: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(amount=Decimal(1), currency=currency)


@given(st.integers(1, 10**6), st.integers(1, 10**4), st.integers(0, 6))
def test_multiple_of_a_step_is_exact(times: int, step: int, decimals: int) -> None:
    unit = Decimal(step).scaleb(-decimals)
    assert is_multiple(unit * times, unit)
    assert not is_multiple(unit * times + unit / 2, unit)


def test_sdk_gives_up_before_the_process_ends() -> None:
    with pytest.raises(ValueError, match="deadline_s"):
        Timing(sdk_timeout_s=20.0, deadline_s=20.0)


# --- aliases and ids ------------------------------------------------------------------------


@given(st.from_regex(ACCOUNT_PATTERN, fullmatch=True))
def test_alias_of_the_pattern_is_taken(alias: str) -> None:
    if alias in RESERVED_ALIASES:
        return
    assert is_alias(alias)
    assert 1 <= len(alias) <= 32


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", "A", "a b", "a.b", "a*", ">", "system", "a" * 33, "a\n", "ä"]
)
def test_other_text_is_no_alias(text: str) -> None:
    assert not is_alias(text)


@given(st.text("abc-", max_size=6), st.text("abc-", max_size=6), st.text("abc-", max_size=6))
def test_derived_ids_tell_their_parts_apart(one: str, two: str, three: str) -> None:
    assert derived_id("x", one, two) == derived_id("x", one, two)
    if (one, two) != (three, one):
        assert derived_id("x", one, two) != derived_id("x", three, one)
    assert derived_id("x", one + two) != derived_id("x", one, two)


def test_derived_id_never_changes() -> None:
    assert derived_id("ord", "sandbox", "prv-1") == "ord-78f9ca9cca8084889a71dbf49380ece5"


# --- subjects -------------------------------------------------------------------------------

_ALIASES = st.from_regex(ACCOUNT_PATTERN, fullmatch=True).filter(is_alias)
_NAMES = st.lists(
    st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True), min_size=1, max_size=4
).map(".".join)


@given(st.sampled_from(Kind), _ALIASES, _NAMES)
def test_subject_round_trips(kind: Kind, account: str, name: str) -> None:
    text = subject(kind, account, name)
    assert parse_subject(text) == Subject(kind, account, name)
    assert str(parse_subject(text)) == text


@given(st.text(alphabet="logevtcmda-.*> \n", max_size=24))
def test_text_is_a_subject_or_corrupt_and_nothing_else(text: str) -> None:
    try:
        found = parse_subject(text)
    except CorruptRecordError:
        return
    assert str(found) == text
    assert not set(text) & set("*> \n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log",
        "log.a",
        "log.a.",
        "log..order",
        "log.a.order.",
        "log.a..order",
        "log.a.*",
        "log.a.>",
        "log.*.order.filled",
        "LOG.a.order.filled",
        "nope.a.order.filled",
        "cmd.system.order.submit",
        "log.a.Order.filled",
        "log.a.order.filled\n",
    ],
)
def test_other_text_is_no_subject(text: str) -> None:
    with pytest.raises(CorruptRecordError):
        parse_subject(text)


def test_only_facts_may_be_the_systems() -> None:
    assert subject(Kind.LOG, SYSTEM, "account.added") == "log.system.account.added"
    for kind in (Kind.COMMAND, Kind.CONTROL, Kind.ASK):
        with pytest.raises(ValueError, match="alias"):
            subject(kind, SYSTEM, "order.submit")


# --- command bodies -------------------------------------------------------------------------


def test_body_is_read_into_its_command() -> None:
    body = b'{"preview_id":"prv-1"}'
    assert parse_body(dict(COMMAND_CLASSES), "order.submit", body) == SubmitOrder(
        preview_id="prv-1"
    )


@pytest.mark.parametrize(
    "name,body",
    [
        ("order.submit", b'{"preview_id":"prv-1","quantity":"5"}'),
        ("order.submit", b"{}"),
        ("order.submit", b'{"preview_id":1}'),
        ("order.submit", b"{"),
        ("order.submit", b""),
        ("order.release", b'{"order_id":"ord-1"}'),
        ("account.resume", b'{"symbol":""}'),
        ("order.preview", b'{"symbol":"AAPL"}'),
        ("trading.halt", b'{"symbol":"","reason":"x\\u001b[2J"}'),
        ("trading.halt", '{"symbol":"","reason":"x\u202ey"}'.encode()),
    ],
)
def test_body_that_does_not_fit_is_the_callers_fault(name: str, body: bytes) -> None:
    with pytest.raises(CommandError):
        parse_body(dict(COMMAND_CLASSES), name, body)


def test_what_only_a_person_may_ask_is_no_models_command() -> None:
    assert not set(COMMAND_CLASSES) & set(CONTROL_CLASSES)
