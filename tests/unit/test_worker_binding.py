"""What an account's record is bound to, and what is told where the home's list says another."""

from dataclasses import replace

import pytest

from adapters.tiger_worker.binding import Binding
from core.account_events import AccountOpened
from core.account_state import AccountState
from core.errors import ConfigError
from core.modes import Environment, Mode

OURS = Binding(
    alias="main",
    environment=Environment.SANDBOX,
    login="alpha",
    ledger_id="tm1111111111",
    number="5123456",
)
OPENED = AccountOpened(
    environment=Environment.SANDBOX, mode=Mode.AUTO, ledger_id="tm1111111111", login="alpha"
)


@pytest.mark.parametrize(
    "other, words",
    [
        (replace(OURS, ledger_id="tm2222222222"), ("tm1111111111", "tm2222222222")),
        (replace(OURS, login="beta"), ("alpha", "beta")),
        (replace(OURS, environment=Environment.PAPER), ("sandbox", "paper")),
    ],
    ids=["ledger", "login", "environment"],
)
def test_list_that_says_another_is_refused_with_both_and_the_mend(
    other: Binding, words: tuple[str, str]
) -> None:
    OURS.check(AccountState(account="main", opened=OPENED))
    with pytest.raises(ConfigError) as refused:
        other.check(AccountState(account="main", opened=OPENED))
    text = str(refused.value)
    assert all(word in text for word in words)
    assert "put installation.json back from a copy" in text
    assert OURS.number not in text
