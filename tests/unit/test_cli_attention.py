"""What `tiger-mcp status` says that an account needs, by the record and by the clock before it."""

from datetime import UTC, datetime, timedelta

import pytest

from core.items import TokenFact
from core.views import TokenRow
from infra.cli.attention import STARTING_MAX_S, account_needs
from tests.support.gateway_script import account_row

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DEAD = (TokenFact.EXPIRED, TokenFact.REVOKED)


def lines(state: TokenFact, *, ends_in: timedelta | None) -> list[str]:
    """Return what a person is told of an account that is well but for its token."""
    ends = None if ends_in is None else NOW + ends_in
    token = TokenRow(state=state, issued_at=None, expires_at=ends, detail="", recorded_at=NOW)
    return list(account_needs(account_row(token=token), now=NOW, ready_s=0.0))


@pytest.mark.parametrize("state", list(TokenFact))
def test_a_token_past_its_end_needs_a_person_whatever_is_recorded_of_it(state: TokenFact) -> None:
    said = " ".join(lines(state, ends_in=-timedelta(hours=1)))
    if state in DEAD:
        assert f"token is {state}" in said
    else:
        assert "ended at 2026-11-22 09:00 UTC" in said
        assert "put a new one into the login's token file" in said


@pytest.mark.parametrize("ends_in", [timedelta(seconds=1), None])
@pytest.mark.parametrize("state", [TokenFact.ISSUED, TokenFact.REFRESHED])
def test_a_token_that_is_well_needs_nobody(state: TokenFact, ends_in: timedelta | None) -> None:
    assert lines(state, ends_in=ends_in) == []


def test_the_end_is_past_at_its_very_moment() -> None:
    assert lines(TokenFact.ISSUED, ends_in=timedelta(0))


@pytest.mark.parametrize("ready_s", [0.0, STARTING_MAX_S])
def test_an_account_whose_worker_begins_just_now_needs_nobody(ready_s: float) -> None:
    row = account_row(state="starting", detail="not yet reconciled")
    assert list(account_needs(row, now=NOW, ready_s=ready_s)) == []


@pytest.mark.parametrize("detail", ["the broker gave no answer", ""])
def test_a_stale_account_is_named_with_what_to_type(detail: str) -> None:
    (line,) = account_needs(account_row(state="stale", detail=detail), now=NOW, ready_s=0.0)
    assert line == (
        f"stale: {detail or 'no cause is recorded'}; type `tiger-mcp doctor`, and "
        "`tiger-mcp logs worker-main` says more"
    )


def test_an_account_that_stays_behind_its_ready_worker_is_named_with_what_to_type() -> None:
    row = account_row(state="starting", detail="not yet reconciled")
    (line,) = account_needs(row, now=NOW, ready_s=STARTING_MAX_S + 0.1)
    assert line == (
        "its worker is ready, and still starting: not yet reconciled; type `tiger-mcp doctor`"
    )
