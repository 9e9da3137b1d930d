"""Stored records of every version ever released load for ever, and give the same bytes again."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from core.account_state import AccountState
from core.codec import EMPTY_TAIL, EVENT_CLASSES, Recorded, decode, encode, follow
from core.evolving import evolve
from core.orders import CancelPhase, Phase
from core.subjects import Kind, subject
from tests.golden.golden_facts import golden_records

_FOLDER: Final = Path(__file__).parent / "records"
_RECORDS: Final = golden_records()


def _file(recorded: Recorded) -> Path:
    return _FOLDER / f"{recorded.type}.schema1.json"


def _where(recorded: Recorded) -> str:
    return subject(Kind.LOG, recorded.account, recorded.type)


def test_every_type_of_event_has_a_golden_record() -> None:
    assert {recorded.type for recorded in _RECORDS} == set(EVENT_CLASSES)
    assert {path.name for path in _FOLDER.iterdir()} == {_file(one).name for one in _RECORDS}


@pytest.mark.parametrize("recorded", _RECORDS, ids=lambda one: one.type)
def test_golden_record_decodes_to_the_exact_fact(recorded: Recorded) -> None:
    body = _file(recorded).read_bytes()
    assert decode(_where(recorded), body, sequence=recorded.sequence) == recorded


@pytest.mark.parametrize("recorded", _RECORDS, ids=lambda one: one.type)
def test_golden_record_gives_the_same_bytes_again(recorded: Recorded) -> None:
    body = _file(recorded).read_bytes()
    stored = decode(_where(recorded), body, sequence=recorded.sequence)
    prev = json.loads(body)["prev"]
    assert encode(stored, prev=prev) == (_where(recorded), body)


@pytest.mark.parametrize("recorded", _RECORDS, ids=lambda one: one.type)
def test_golden_record_has_the_fields_of_a_stored_document(recorded: Recorded) -> None:
    assert list(json.loads(_file(recorded).read_bytes())) == [
        "type",
        "schema",
        "event_id",
        "account",
        "n",
        "prev",
        "recorded_at",
        "correlation_id",
        "causation_id",
        "actor",
        "code_version",
        "data",
    ]


def test_golden_records_are_one_unbroken_line_that_replays() -> None:
    tail, state = EMPTY_TAIL, AccountState()
    for recorded in _RECORDS:
        if recorded.account == "system":
            continue
        body = _file(recorded).read_bytes()
        stored, tail = follow(tail, _where(recorded), body, sequence=recorded.sequence)
        state = evolve(state, stored)
    order = state.orders["ord-00000000000000000000000000000001"]
    assert (order.phase, order.cancel) == (Phase.CANCELLED, CancelPhase.REQUESTED)
    # All that was recorded of it was taken back.
    assert order.filled_quantity == order.recorded_quantity == 0
    assert order.average_price is None
    assert (len(state.executions), len(state.fills)) == (0, 0)
    assert state.orders["ext-00000000000000000000000000000009"].spec.quantity == Decimal("7.25")
    assert (state.is_stale, state.gap) == (True, 1)
    assert (state.frozen_cause, state.frozen_symbols, len(state.frozen_for)) == ("", frozenset(), 1)
    assert state.halted_symbols == frozenset({"AAPL"})
    assert tail.n == sum(recorded.account != "system" for recorded in _RECORDS)
