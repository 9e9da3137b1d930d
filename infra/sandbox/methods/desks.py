"""How the methods beside trading reach an account: its due business is settled first."""

from collections.abc import Iterator
from contextlib import contextmanager

from infra.sandbox.broker import exercise_desk, fund_desk
from infra.sandbox.broker.book import Account
from infra.sandbox.broker.desk_refusals import DeskRefusedError
from infra.sandbox.methods.calls import Call, account_of
from infra.sandbox.wire.envelope import account_error


def settled_account(call: Call, number: str) -> Account:
    """Return an account that the caller may use, with what was due until now done.

    Raises:
        GatewayError: 1010 without an account; 1200 for one that is not the login's.
    """
    account = account_of(call, number)
    fund_desk.settle_transfers(call.engine, account, call.now)
    exercise_desk.settle_due(call.engine, account, call.now)
    return account


@contextmanager
def refusals_of(account: Account) -> Iterator[None]:
    """Answer what a desk refuses with the code of the account's kind."""
    try:
        yield
    except DeskRefusedError as error:
        raise account_error(account.kind, f"{error.kind}:{error.text}") from None
