"""The ledger as a worker's desk uses it: blocking, one account, answered or not at all."""

from typing import Final

import structlog

from core.errors import AppendUnknownError, LinkError
from core.ports import Appended, StoredRecord
from infra.ledger.append import AccountWriter
from infra.nats.link import LoopThread

log = structlog.get_logger()
# Each try asks for this long; a desk asks until it is answered, because only an answer says
# whether its event is stored.
TRY_S: Final = 5.0
_SLACK_S: Final = 5.0


class DeskLedger:
    """Appends for one account from a thread of its own; the writer runs on the loop's thread."""

    def __init__(self, loop: LoopThread, writer: AccountWriter) -> None:
        self._loop = loop
        self._writer = writer

    def append(
        self, *, subject: str, body: bytes, event_id: str, expected_sequence: int
    ) -> Appended:
        """Store one event; returns only with an answer.

        Raises:
            VersionConflictError: another writer owns the account.
            LinkError: the connection is closed for good.
        """
        is_first = True
        while True:
            try:
                stored = self._loop.run(
                    self._writer.append(
                        subject=subject,
                        body=body,
                        event_id=event_id,
                        expected_sequence=expected_sequence,
                        deadline_s=TRY_S,
                    ),
                    TRY_S + _SLACK_S,
                )
            except (AppendUnknownError, TimeoutError):
                is_first = False
                log.warning("append.unanswered", event_id=event_id, subject=subject)
            else:
                return Appended(stored.sequence, stored.clean and is_first)

    def tail(self) -> StoredRecord | None:
        """Return the account's last stored record.

        Raises:
            LinkError: the server does not answer.
        """
        try:
            found = self._loop.run(self._writer.read_tail(), TRY_S + _SLACK_S)
        except TimeoutError:
            raise LinkError("expected the account's last record, got no answer") from None
        return None if found is None else StoredRecord(found.subject, found.sequence, found.body)
