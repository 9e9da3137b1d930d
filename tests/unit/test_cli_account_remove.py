"""When `account remove` may say that it knows every order that is open."""

import pytest

from infra.cli.account_remove import doubt_of
from tests.support.gateway_script import account_row


@pytest.mark.parametrize("state", ["active", "frozen", "halted"])
def test_an_account_that_was_compared_with_the_broker_leaves_no_doubt(state: str) -> None:
    assert doubt_of(account_row(state=state, unverified_halts=("AAPL",))) == ""


@pytest.mark.parametrize("state", ["stale", "starting", "a later state"])
def test_an_account_that_is_not_reconciled_leaves_doubt(state: str) -> None:
    row = account_row(state=state, detail="no\x1banswer")
    assert doubt_of(row) == f"the account is {state}: no\\u001banswer"


def test_an_account_whose_halt_is_not_verified_leaves_doubt() -> None:
    assert doubt_of(account_row(state="halted", unverified_halts=("",)))


def test_an_account_that_nobody_serves_leaves_doubt() -> None:
    assert doubt_of(None)
