"""A record's bytes: read back exactly, and any altered byte, gap, repetition or fork is noticed."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.codec import (
    EMPTY_TAIL,
    EVENT_CLASSES,
    FIRST_PREV,
    Recorded,
    Tail,
    decode,
    digest,
    encode,
    follow,
    type_name,
)
from core.errors import CorruptRecordError
from core.events import Event
from core.subjects import Kind, subject
from tests.golden.golden_facts import GOLDEN_FACTS
from tests.support import core_facts as facts

Message = tuple[str, bytes]


def _line(count: int) -> list[Message]:
    """Return a stored line of so many events."""
    chosen = [fact for fact in GOLDEN_FACTS if type_name(fact) != "account.added"][:count]
    messages: list[Message] = []
    prev = FIRST_PREV
    for n, fact in enumerate(chosen, start=1):
        message = encode(facts.recorded(fact, n, seconds=n), prev=prev)
        prev = digest(*message)
        messages.append(message)
    return messages


_LINE: Final = _line(6)


def _walk(messages: list[Message], *, begin: int = 1) -> Tail:
    tail = EMPTY_TAIL
    for sequence, (where, body) in enumerate(messages, start=begin):
        _, tail = follow(tail, where, body, sequence=sequence)
    return tail


def _end(messages: list[Message]) -> str:
    return digest(*messages[-1])


@pytest.mark.parametrize("fact", GOLDEN_FACTS, ids=type_name)
def test_every_fact_round_trips(fact: Event) -> None:
    before = facts.recorded(fact, 1)
    where, body = encode(before, prev=FIRST_PREV)
    assert decode(where, body, sequence=1) == before
    assert encode(decode(where, body, sequence=1), prev=FIRST_PREV) == (where, body)


def test_line_is_followed_to_its_end() -> None:
    assert _walk(_LINE) == Tail(6, _end(_LINE), 6, facts.at(6))


def test_sequences_may_have_holes_where_other_accounts_write() -> None:
    tail = EMPTY_TAIL
    for n, (where, body) in enumerate(_LINE, start=1):
        _, tail = follow(tail, where, body, sequence=n * 7)
    assert tail.sequence == 42


def test_republished_fact_hashes_as_the_stored_one() -> None:
    republished = [(where.replace("log.", "evt.", 1), body) for where, body in _LINE]
    assert _walk(republished) == _walk(_LINE)


@settings(max_examples=300)
@given(st.data())
def test_any_altered_byte_is_noticed(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(_LINE) - 1))
    where, body = _LINE[index]
    position = data.draw(st.integers(0, len(body) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda v: v != body[position]))
    altered = body[:position] + bytes([value]) + body[position + 1 :]
    messages = [*_LINE[:index], (where, altered), *_LINE[index + 1 :]]
    try:
        tail = _walk(messages)
    except CorruptRecordError:
        return
    # Nothing follows the last record; its own hash is what the next one will name.
    assert index == len(_LINE) - 1
    assert tail.prev != _end(_LINE)


@settings(max_examples=100)
@given(st.data())
def test_any_cut_or_addition_is_noticed(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(_LINE) - 2))
    where, body = _LINE[index]
    position = data.draw(st.integers(0, len(body)))
    cut = data.draw(st.booleans())
    added = body[:position] + b" " + body[position:]
    altered = body[:position] if cut and position < len(body) else added
    with pytest.raises(CorruptRecordError):
        _walk([*_LINE[:index], (where, altered), *_LINE[index + 1 :]])


@pytest.mark.parametrize("index", range(5))
def test_gap_repetition_and_swap_are_noticed(index: int) -> None:
    first, second = _LINE[index : index + 2]
    for messages in (
        [*_LINE[:index], *_LINE[index + 1 :]],
        [*_LINE[: index + 1], *_LINE[index:]],
        [*_LINE[:index], second, first, *_LINE[index + 2 :]],
    ):
        with pytest.raises(CorruptRecordError):
            _walk(messages)


def test_fork_is_noticed_at_its_first_record() -> None:
    tail = _walk(_LINE[:3])
    other_history = encode(facts.recorded(facts.reconciled(), 4), prev="f" * 64)
    with pytest.raises(CorruptRecordError):
        follow(tail, *other_history, sequence=4)
    beside = encode(facts.recorded(facts.reconciled(), 3, seconds=9), prev=tail.prev)
    with pytest.raises(CorruptRecordError):
        follow(tail, *beside, sequence=4)


@pytest.mark.parametrize("sequence", [0, 2, 3])
def test_sequence_that_does_not_grow_is_noticed(sequence: int) -> None:
    tail = _walk(_LINE[:3])
    with pytest.raises(CorruptRecordError):
        follow(tail, *_LINE[3], sequence=sequence)


def _stored(**changes: object) -> tuple[str, bytes]:
    fields: dict[str, object] = {
        "type": "account.stale",
        "schema": 1,
        "data": '{"gap":1,"cause":"slept"}',
        **changes,
    }
    body = (
        f'{{"type":"{fields["type"]}","schema":{fields["schema"]},"event_id":"e","account":'
        f'"sandbox","n":1,"prev":"{FIRST_PREV}","recorded_at":"2026-03-02T15:00:00Z",'
        f'"correlation_id":"c","causation_id":"c","actor":"a","code_version":"0",'
        f'"data":{fields["data"]}}}'
    )
    return "log.sandbox.account.stale", body.encode()


def test_stored_text_is_read() -> None:
    recorded = decode(*_stored(), sequence=5)
    assert isinstance(recorded, Recorded)
    assert (recorded.type, recorded.n, recorded.sequence) == ("account.stale", 1, 5)


@pytest.mark.parametrize(
    "where,body",
    [
        _stored(type="account.frozen"),
        _stored(schema=0),
        _stored(schema=2),
        _stored(schema='"1"'),
        _stored(data="{}"),
        _stored(data="[]"),
        _stored(data='{"gap":1,"cause":1}'),
        _stored(data='{"cause":"slept"}'),
        (_stored()[0], b""),
        (_stored()[0], b"\xff"),
        (_stored()[0], b"[]"),
        (_stored()[0], _stored()[1].replace(b"slept", b"\xff\xfe")),
        ("log.other.account.stale", _stored()[1]),
        ("log.sandbox.account.nothing", _stored(type="account.nothing")[1]),
        ("log.sandbox", _stored()[1]),
        ("log.sandbox.>", _stored()[1]),
    ],
)
def test_record_that_is_not_ours_is_corrupt(where: str, body: bytes) -> None:
    with pytest.raises(CorruptRecordError):
        decode(where, body, sequence=1)


def test_stored_fact_may_have_fields_of_a_later_version() -> None:
    where, body = _stored(data='{"gap":1,"cause":"slept","later":1}')
    assert decode(where, body, sequence=1).data == decode(*_stored(), sequence=1).data


def test_stored_names_are_one_to_one_with_classes_and_fit_a_subject() -> None:
    assert len(set(EVENT_CLASSES.values())) == len(EVENT_CLASSES)
    for name, event_class in EVENT_CLASSES.items():
        assert subject(Kind.LOG, "sandbox", name) == f"log.sandbox.{name}"
        family, fact = name.split(".")
        assert event_class.__name__ == "".join(w.title() for w in (family, *fact.split("_")))
