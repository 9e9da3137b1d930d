"""When a lease may be taken over: what the record and the own clock since boot say, and no more."""

from typing import Any

import pytest
from msgspec.structs import replace

from core.context import Timing
from core.errors import CorruptRecordError
from core.lease import (
    FoundLease,
    LeaseRecord,
    Sight,
    decode_lease,
    encode_lease,
    late_s,
    renew_every_s,
    sighted,
    wait_left_s,
)
from tests.support.leases import THEIRS

TIMING = Timing()
SILENCE_S = 10.0 + 2.0 + 20.0 + 2.0


def left_s(record: LeaseRecord, **changes: Any) -> float:
    facts: dict[str, Any] = {
        "holder": "holder-own",
        "domain": "domain-own",
        "timing": TIMING,
        "now_s": 1000.0,
    }
    return wait_left_s(FoundLease(record, 41), Sight(41, 1000.0), **(facts | changes))


def test_silence_before_a_takeover_is_lease_window_deadline_and_skew() -> None:
    assert late_s(TIMING) == 24.0
    assert left_s(THEIRS) == SILENCE_S
    assert left_s(THEIRS, now_s=1000.0 + SILENCE_S - 0.25) == 0.25
    assert left_s(THEIRS, now_s=1000.0 + SILENCE_S) == 0


def test_lease_of_the_own_lock_domain_is_free_at_once() -> None:
    assert left_s(THEIRS, domain="domain-theirs") == 0


def test_released_lease_is_free_at_once() -> None:
    assert left_s(replace(THEIRS, is_released=True)) == 0


def test_own_lease_whose_ack_was_lost_is_free_at_once() -> None:
    assert left_s(THEIRS, holder="holder-theirs") == 0


@pytest.mark.parametrize("changes", [{"lease_s": 60.0}, {"late_s": 74.0}])
def test_holder_with_longer_limits_is_waited_for_as_long_as_it_says(
    changes: dict[str, Any],
) -> None:
    assert left_s(replace(THEIRS, **changes)) == SILENCE_S + 50.0


def test_holder_with_shorter_limits_is_waited_for_as_long_as_ours_say() -> None:
    assert left_s(replace(THEIRS, lease_s=1.0, late_s=1.0)) == SILENCE_S


def test_wait_begins_anew_with_each_renewal_and_with_no_other_look() -> None:
    first = sighted(None, FoundLease(THEIRS, 41), now_s=100.0)
    assert first == Sight(41, 100.0)
    assert sighted(first, FoundLease(THEIRS, 41), now_s=130.0) == first
    assert sighted(first, FoundLease(THEIRS, 42), now_s=130.0) == Sight(42, 130.0)


def test_lease_may_miss_renewals_before_it_runs_out() -> None:
    assert renew_every_s(TIMING) * 3 < TIMING.lease_s


def test_record_is_read_back_as_it_was_stored() -> None:
    assert decode_lease(encode_lease(THEIRS)) == THEIRS


def test_record_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    later = encode_lease(THEIRS)[:-1] + b',"rank":3}'
    assert decode_lease(later) == THEIRS


@pytest.mark.parametrize("body", [b"", b"{}", b'"held"', encode_lease(THEIRS)[:-1]])
def test_other_document_is_no_lease(body: bytes) -> None:
    with pytest.raises(CorruptRecordError):
        decode_lease(body)
