"""How what a desk beside trading refuses is answered."""

from collections.abc import Iterator
from contextlib import contextmanager

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.desk_refusals import DeskRefusedError
from infra.sandbox.wire.envelope import account_error


@contextmanager
def refusals_of(account: Account) -> Iterator[None]:
    """Answer what a desk refuses with the code of the account's kind."""
    try:
        yield
    except DeskRefusedError as error:
        raise account_error(account.kind, f"{error.kind}:{error.text}") from None
