"""What an account's record is bound to for ever, held against what the home's list says of it.

A line edited by hand would go on under the record of another account. The number at the broker is
kept as a short check: in the ledger, and beside the halt file, whose watch waits for no ledger and
cancels by that number.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import structlog

from adapters.tiger_worker.halt_journal import CancelJournal
from core.account_state import AccountState
from core.errors import ConfigError
from core.modes import Environment

log = structlog.get_logger()
# Enough to tell an edited number, and too little to find out which of all numbers it is.
_CHECK_LENGTH: Final = 4


@dataclass(frozen=True, kw_only=True)
class Binding:
    """What the home's list says of one account; `number` is the broker's, and stays here."""

    alias: str
    environment: Environment
    login: str
    ledger_id: str
    number: str

    @property
    def number_check(self) -> str:
        """What tells the number from another in the same ledger, and not what it is."""
        digest = hashlib.sha256(f"{self.ledger_id}\0{self.number}".encode())
        return digest.hexdigest()[:_CHECK_LENGTH]

    def check(self, state: AccountState) -> None:
        """Hold it against what is recorded.

        Raises:
            ConfigError: the account is bound to another environment, login, ledger or number.
        """
        opened = state.opened
        bound = (self.environment, self.login, self.ledger_id)
        if opened and (opened.environment, opened.login, opened.ledger_id) != bound:
            raise ConfigError(
                f"{self.alias} is bound for ever to {opened.environment} under {opened.login} with "
                f"ledger {opened.ledger_id}; expected the same in the home's list of accounts, was "
                f"{self.environment} under {self.login} with ledger {self.ledger_id}; put "
                "installation.json back from a copy, or take another home with --home"
            )
        self._check_number(state.number_check)

    def check_kept(self, journal: CancelJournal) -> None:
        """Hold it against what an earlier process kept beside the halt file.

        Raises:
            ConfigError: the account is bound to another number.
        """
        ledger_id, _, check = journal.bound().rpartition(":")
        # What is kept of another ledger says nothing of this one.
        self._check_number(check if ledger_id == self.ledger_id else "")

    def keep(self, journal: CancelJournal) -> None:
        """Keep beside the halt file what the ledger is bound to."""
        try:
            journal.bind(f"{self.ledger_id}:{self.number_check}")
        except OSError as error:
            # The ledger holds it, too; only a halt by file without a ledger cannot look.
            log.error("account.binding_not_kept", account=self.alias, reason=str(error))

    def _check_number(self, bound: str) -> None:
        # Records and homes of before know of none.
        if bound not in ("", self.number_check):
            raise ConfigError(
                f"{self.alias} is bound for ever to another number at the broker; expected that "
                "one in the home's list of accounts: add this one under an alias of its own"
            )
