"""One account's line of events as it was stored, and what is true after it."""

from core.account_state import AccountState
from core.codec import EMPTY_TAIL, Recorded, Tail
from core.ports import StoredRecord


class Line:
    """One account's line of events as it was stored, and what is true after it."""

    def __init__(self, account: str, number: str) -> None:
        self.account = account
        self.number = number
        self.records: list[StoredRecord] = []
        self.facts: list[Recorded] = []
        self.tail: Tail = EMPTY_TAIL
        self.state = AccountState(account=account)
        self.command_ids: set[str] = set()
        self.executions: set[str] = set()
