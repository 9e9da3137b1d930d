"""Deliberate mistakes, one rule taken out each; the simulation must find every one of them.

A mutant changes the running code for as long as its context lasts. It is named by what it does
wrong, and `docs/reliability.md` holds the seed that found it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final
from unittest.mock import patch

from msgspec.structs import replace

import adapters.tiger_worker.account
import infra.ledger.append
from adapters.tiger_worker.broker import AccountBroker, Ended
from adapters.tiger_worker.desk import Desk
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.guard import HaltLatch, SendGuard
from adapters.tiger_worker.intake import Intake
from adapters.tiger_worker.parts import Intent, Work
from adapters.tiger_worker.push import PushLink
from adapters.tiger_worker.push_connection import PushConnection, Sign
from core import events, evolving, items, preview_events
from core.account_state import AccountState
from core.events import Event
from core.orders import Phase
from infra.ledger.append import AccountWriter
from infra.ledger.request import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, PublishAck
from tests.simulation.mutants_of_decisions import DECISIONS, Mutant
from tests.simulation.mutants_of_gates import GATES
from tests.simulation.mutants_of_leases import LEASES
from tests.simulation.mutants_of_readings import READINGS


def resend_on_timeout() -> AbstractContextManager[Any]:
    """A place without an answer is sent again."""
    place = AccountBroker.place

    def twice(self: AccountBroker, order: Any) -> Ended:
        ended = place(self, order)
        return place(self, order) if ended.outcome is items.Outcome.UNKNOWN else ended

    return patch.object(AccountBroker, "place", twice)


def retry_on_transport_error() -> AbstractContextManager[Any]:
    """A place that found no connection is tried again, whatever time has passed."""
    place = AccountBroker.place

    def twice(self: AccountBroker, order: Any) -> Ended:
        ended = place(self, order)
        return place(self, order) if ended.outcome is items.Outcome.NOT_SENT else ended

    return patch.object(AccountBroker, "place", twice)


def resend_after_restart() -> AbstractContextManager[Any]:
    """An order found submitting at start is sent again."""
    take = Desk.take

    def send_again(self: Desk, work: Work, **more: Any) -> None:
        order = None
        if isinstance(work.item, items.ActAbandoned):
            order = self.state.orders[work.item.order_id]
        take(self, work, **more)
        if order is not None and order.phase is Phase.SUBMITTING:
            context = self._context()
            intent = Intent(
                order_id=order.order_id,
                spec=order.spec,
                order_number=order.order_number,
                mark=order.mark,
                send_by=context.now.replace(year=context.now.year + 1),
                send_by_boot_s=1e12,
                is_clean=True,
            )
            self._acts.place(intent)

    return patch.object(Desk, "take", send_again)


def acknowledge_before_storing() -> AbstractContextManager[Any]:
    """A command leaves the stream when it is received."""
    take = Intake.take

    def take_and_acknowledge(self: Intake, held: Any) -> None:
        held.acknowledge()
        take(self, held)

    return patch.object(Intake, "take", take_and_acknowledge)


def drop_the_expected_sequence() -> AbstractContextManager[Any]:
    """An append no longer names the sequence it follows."""
    return patch.object(infra.ledger.append, "EXPECTED_SUBJECT", "X-Nothing")


def take_a_duplicate_for_stored() -> AbstractContextManager[Any]:
    """A "duplicate" answer counts as an ack, without reading back."""
    decode = infra.ledger.append.decode_ack

    def plain(data: bytes, *, stream: str) -> PublishAck:
        ack = decode(data, stream=stream)
        return replace(ack, duplicate=False)

    return patch.object(infra.ledger.append, "decode_ack", plain)


def take_silence_for_stored() -> AbstractContextManager[Any]:
    """An append without an answer counts as stored, without reading back."""

    async def append(
        self: AccountWriter, *, expected_sequence: int, **more: Any
    ) -> infra.ledger.append.Appended:
        headers = {
            EXPECTED_SEQUENCE: str(expected_sequence),
            EXPECTED_SUBJECT: self._line,
        }
        ack = await self._publish(more["subject"], more["body"], headers, more["deadline_s"])
        sequence = expected_sequence + 1 if ack is None or ack.error else ack.seq
        return infra.ledger.append.Appended(sequence=sequence, clean=True)

    return patch.object(AccountWriter, "append", append)


def act_on_an_unclean_ack() -> AbstractContextManager[Any]:
    """An intent whose first ack was lost is sent all the same."""
    return _guard_without("is_clean", lambda intent: intent._replace(is_clean=True))


def no_send_by() -> AbstractContextManager[Any]:
    """An intent may be sent however old it is."""

    def for_ever(intent: Intent) -> Intent:
        send_by = intent.send_by.replace(year=intent.send_by.year + 1)
        return intent._replace(send_by=send_by, send_by_boot_s=1e12)

    return _guard_without("send_by", for_ever)


def wall_clock_alone() -> AbstractContextManager[Any]:
    """Whether an intent is too old is asked of the wall clock alone."""
    return _guard_without("boot clock", lambda intent: intent._replace(send_by_boot_s=1e12))


def boot_clock_alone() -> AbstractContextManager[Any]:
    """Whether an intent is too old is asked of the boot clock alone."""

    def for_ever(intent: Intent) -> Intent:
        return intent._replace(send_by=intent.send_by.replace(year=intent.send_by.year + 1))

    return _guard_without("wall clock", for_ever)


def skip_the_halt_check() -> AbstractContextManager[Any]:
    """A halt that came after the intent does not stop its send."""
    objection = SendGuard.objection

    def deaf(self: SendGuard, intent: Intent) -> str | None:
        found = objection(self, intent)
        return None if found == "a halt had arrived" else found

    return patch.object(SendGuard, "objection", deaf)


def ignore_the_halt_file() -> AbstractContextManager[Any]:
    """The halt file does not stop a send."""
    objection = SendGuard.objection

    def blind(self: SendGuard, intent: Intent) -> str | None:
        found = objection(self, intent)
        return None if found == "the halt file is in place" else found

    return patch.object(SendGuard, "objection", blind)


def ignore_the_lock() -> AbstractContextManager[Any]:
    """A worker that lost its login's lock goes on sending."""
    objection = SendGuard.objection

    def careless(self: SendGuard, intent: Intent) -> str | None:
        found = objection(self, intent)
        return None if found == "the login's lock is lost" else found

    return patch.object(SendGuard, "objection", careless)


def stay_without_the_lock() -> AbstractContextManager[Any]:
    """A worker that lost its login's lock stays, and refuses everything."""
    return patch.object(
        adapters.tiger_worker.account.AccountWorker, "_end_if_lock_is_lost", lambda self: None
    )


def ignore_jumps_of_the_clock() -> AbstractContextManager[Any]:
    """How far the clocks differ is what the last reading said, wherever the wall clock is now."""

    def tell(self: Desk, skew_s: float) -> None:
        self._skew_s = skew_s

    return patch.object(Desk, "clock_skew_s", property(lambda self: self._skew_s, tell))


def forget_previews_by_the_record() -> AbstractContextManager[Any]:
    """A preview is over when the ledger's time says so."""
    previewed = evolving._previewed

    def forget(
        state: AccountState, event: preview_events.OrderPreviewed, recorded: Any
    ) -> AccountState:
        after = previewed(state, event, recorded)
        previews = after.previews
        for old in state.previews.values():
            if old.expires_at < recorded.recorded_at:
                previews = previews.without(old.preview_id)
        return replace(after, previews=previews)

    return patch.object(evolving, "_previewed", forget)


def wait_for_hanging_reads() -> AbstractContextManager[Any]:
    """A reading for a preview or a number that hangs is waited for without end."""
    return patch.object(adapters.tiger_worker.account, "ROUND_ENDS_AFTER", 1e9)


def shrug_off_a_kick() -> AbstractContextManager[Any]:
    """That somebody else took the login's push connection freezes nothing."""
    return patch.object(
        adapters.tiger_worker.account.AccountWorker, "note_kick", lambda self, connection: None
    )


def come_back_after_a_kick() -> AbstractContextManager[Any]:
    """A push connection that was kicked out is opened again, whatever people say."""
    return patch.object(PushLink, "_await_resume", lambda self: not self._stopping.is_set())


def forget_a_kick_that_was_overtaken() -> AbstractContextManager[Any]:
    """A kick is not heard where another end of the push connection was taken before it."""

    def tell(self: PushLink, connection: PushConnection, sign: Sign) -> None:
        self._signs.put((connection, sign))

    return patch.object(PushLink, "_tell", tell)


def guess_that_unknown_is_rejected() -> AbstractContextManager[Any]:
    """A place without an answer counts as refused."""
    place = AccountBroker.place

    def guess(self: AccountBroker, order: Any) -> Ended:
        ended = place(self, order)
        is_unknown = ended.outcome is items.Outcome.UNKNOWN
        return ended._replace(outcome=items.Outcome.REFUSED, code=1) if is_unknown else ended

    return patch.object(AccountBroker, "place", guess)


def forget_wished_cancels() -> AbstractContextManager[Any]:
    """An order cancelled in doubt is left to rest when it is found."""
    return patch.object(Desk, "_wish_cancels", lambda self: None)


def forget_to_notice_a_pause() -> AbstractContextManager[Any]:
    """A machine that slept, or a process that stood still, is no gap."""
    return patch.object(Gaps, "pause", lambda self: None)


def send_before_storing() -> AbstractContextManager[Any]:
    """The order is sent when it is decided, before its intention is stored."""
    record = Desk._record

    def act_first(self: Desk, event: Event, work: Work) -> bool:
        if isinstance(event, events.OrderSubmissionStarted):
            self._act_on(event, work, boot_s=self._clock.boot_s(), is_clean=True)
            # Whatever comes of it is stored a moment later.
            record(self, event, work)
            return False
        return record(self, event, work)

    return patch.object(Desk, "_record", act_first)


def lose_the_latch() -> AbstractContextManager[Any]:
    """A halt that arrived but is not decided yet holds nothing back."""
    return patch.object(HaltLatch, "holds", lambda *_: False)


def _guard_without(_: str, relaxed: Callable[[Intent], Intent]) -> AbstractContextManager[Any]:
    objection = SendGuard.objection
    return patch.object(
        SendGuard, "objection", lambda self, intent: objection(self, relaxed(intent))
    )


MUTANTS: Final[dict[str, Mutant]] = {
    made.__name__: made
    for made in (
        resend_on_timeout,
        retry_on_transport_error,
        resend_after_restart,
        acknowledge_before_storing,
        drop_the_expected_sequence,
        take_a_duplicate_for_stored,
        take_silence_for_stored,
        act_on_an_unclean_ack,
        no_send_by,
        wall_clock_alone,
        boot_clock_alone,
        skip_the_halt_check,
        ignore_the_halt_file,
        ignore_the_lock,
        stay_without_the_lock,
        wait_for_hanging_reads,
        ignore_jumps_of_the_clock,
        forget_previews_by_the_record,
        shrug_off_a_kick,
        come_back_after_a_kick,
        forget_a_kick_that_was_overtaken,
        guess_that_unknown_is_rejected,
        forget_wished_cancels,
        forget_to_notice_a_pause,
        send_before_storing,
        lose_the_latch,
        *LEASES,
        *READINGS,
        *DECISIONS,
        *GATES,
    )
}
