"""The push link without a socket: its pauses, its signs, its hints, and what a kick leads to."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tiger_worker import push_connection
from adapters.tiger_worker.login import EXIT_WORN, Ending
from adapters.tiger_worker.push import (
    JITTER_SHARE,
    ConnectPauses,
    LinkState,
    PushLink,
    PushPace,
)
from adapters.tiger_worker.push_connection import Push, PushConnection, Sign
from core import account_events, events, items
from core.account_state import kick_key
from core.refusals import Refusal
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.worker_parts import WAIT_S, ManualClock

PACE: Final = PushPace()
QUICK: Final = PushPace(pause_s=0.0, pause_s_max=0.0, held_s=0.0, follow_s=WAIT_S, silence_s=60.0)
OURS: Final = "51230321"


class Connection:
    """A connection whose signs a test gives."""

    def __init__(self, push: Push, clock: ManualClock) -> None:
        self.push = push
        self.begun_boot_s = clock.boot_s()
        self.heard_at = time.monotonic()
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.last_word: Sign | None = None

    def begin(self) -> bool:
        self.begun.set()
        return True

    def end(self) -> int:
        if self.last_word is not None:
            self.tell(self.last_word)
        self.ended.set()
        return 0

    def tell(self, sign: Sign) -> None:
        self.push.tell(cast(PushConnection, self), sign)


class Account:
    """Keeps what it was told; `is_frozen` until a person resumes."""

    def __init__(self, number: str = OURS) -> None:
        self.alias = f"account-{number}"
        self.number = number
        self.told: queue.Queue[str] = queue.Queue()
        self.is_frozen = False

    def look_again(self) -> None:
        self.told.put("look")

    def note_gap(self, cause: str) -> None:
        self.told.put(cause)

    def note_kick(self, connection: str) -> None:
        self.is_frozen = True
        self.told.put(f"kick {connection}")

    def awaits_resume(self, kick: str) -> bool:
        return self.is_frozen

    def next(self) -> str:
        return self.told.get(timeout=WAIT_S)


class LinkRig:
    """A link whose connections are the test's."""

    def __init__(self, *accounts: Account, pace: PushPace = QUICK) -> None:
        self.clock = ManualClock()
        self.made: queue.Queue[Connection] = queue.Queue()
        self.failures: list[BaseException] = []
        self.link = PushLink(
            cast("Callable[[Push], PushConnection]", self._make),
            accounts=accounts,
            name="push-1",
            clock=self.clock,
            on_worn=lambda: None,
            on_failure=self.failures.append,
            pace=pace,
        )

    def _make(self, push: Push) -> Connection:
        made = Connection(push, self.clock)
        self.made.put(made)
        return made

    def next(self) -> Connection:
        """Return the next connection once it is begun."""
        made = self.made.get(timeout=WAIT_S)
        assert made.begun.wait(WAIT_S)
        return made


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def rig(account: Account) -> Any:
    made = LinkRig(account)
    made.link.start()
    yield made
    made.link.stop()
    assert made.failures == []


def test_pauses_double_up_to_a_minute_and_begin_anew_after_one_that_held() -> None:
    pauses = ConnectPauses(PACE, lambda: 0.0)
    ended = [pauses.after(Sign.ENDED, held_s=0.0) for _ in range(8)]
    assert ended == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pauses.after(Sign.ENDED, held_s=PACE.held_s) == 1
    assert pauses.after(Sign.SILENT, held_s=PACE.held_s - 1) == 2


@pytest.mark.parametrize("end", [Sign.RENEW, Sign.KICKED])
def test_what_a_person_or_a_wake_asks_for_is_not_paused(end: Sign) -> None:
    pauses = ConnectPauses(PACE, lambda: 1.0)
    pauses.after(Sign.ENDED, held_s=0.0)
    assert pauses.after(end, held_s=0.0) == 0.0
    assert pauses.after(Sign.ENDED, held_s=0.0) == 1 + JITTER_SHARE


@given(
    held=st.lists(st.floats(min_value=0.0, max_value=29.0), min_size=30, max_size=80),
    jitter=st.floats(min_value=0.0, max_value=1.0),
)
def test_connections_that_do_not_hold_are_never_a_storm(held: list[float], jitter: float) -> None:
    pauses = ConnectPauses(PACE, lambda: jitter)
    gone_s = [pauses.after(Sign.ENDED, held_s=each) for each in held]
    assert sum(gone_s) >= 60.0 * (len(held) - 6)
    assert max(gone_s) <= 60.0 * (1 + JITTER_SHARE)


def test_first_connection_is_a_round_and_no_gap(rig: LinkRig, account: Account) -> None:
    rig.next().tell(Sign.FOLLOWING)
    assert account.next() == "look"
    assert rig.link.health.state is LinkState.FOLLOWING


def test_loss_and_return_are_gaps_and_the_return_a_round(rig: LinkRig, account: Account) -> None:
    first = rig.next()
    first.tell(Sign.FOLLOWING)
    first.tell(Sign.ENDED)
    second = rig.next()
    assert first.ended.is_set()
    second.tell(Sign.FOLLOWING)
    told = [account.next() for _ in range(4)]
    assert told == ["look", "push was lost: ended", "push is back", "look"]


def test_signs_of_a_past_connection_say_nothing_of_the_present(
    rig: LinkRig, account: Account
) -> None:
    first = rig.next()
    first.tell(Sign.FOLLOWING)
    first.tell(Sign.ENDED)
    second = rig.next()
    for sign in (Sign.FOLLOWING, Sign.KICKED, Sign.ENDED):
        first.tell(sign)
    second.tell(Sign.FOLLOWING)
    told = [account.next() for _ in range(4)]
    assert told[-1] == "look"
    assert not account.is_frozen
    assert rig.link.health.connects == 2


def test_kick_is_told_before_the_gap_and_waits_for_a_person(rig: LinkRig, account: Account) -> None:
    first = rig.next()
    first.tell(Sign.FOLLOWING)
    first.tell(Sign.KICKED)
    assert [account.next() for _ in range(3)] == [
        "look",
        "kick push-1:1",
        "push was lost: kicked",
    ]
    assert first.ended.wait(WAIT_S)
    assert rig.made.empty()
    account.is_frozen = False
    rig.next().tell(Sign.FOLLOWING)
    assert account.next() == "push is back"


def test_kick_before_the_subscription_stands_freezes_too(rig: LinkRig, account: Account) -> None:
    rig.next().tell(Sign.KICKED)
    assert account.next() == "kick push-1:1"


def test_kick_that_a_renewal_overtook_waits_for_a_person_too(
    rig: LinkRig, account: Account
) -> None:
    first = rig.next()
    first.tell(Sign.FOLLOWING)
    first.last_word = Sign.KICKED
    rig.clock.pass_s(10.0)
    rig.link.renew()
    assert [account.next() for _ in range(3)] == [
        "look",
        "push was lost: renew",
        "kick push-1:1",
    ]
    assert rig.made.empty()
    account.is_frozen = False
    rig.next().tell(Sign.FOLLOWING)
    assert account.next() == "push is back"


def test_connection_younger_than_the_pause_is_not_renewed(rig: LinkRig, account: Account) -> None:
    first = rig.next()
    first.tell(Sign.FOLLOWING)
    rig.clock.pass_s(1.0)
    # Taken in this order: the wish, which is not heeded, and then the end.
    rig.link.renew()
    first.tell(Sign.ENDED)
    second = rig.next()
    second.tell(Sign.FOLLOWING)
    assert [account.next() for _ in range(3)] == ["look", "push was lost: ended", "push is back"]
    rig.clock.pass_s(10.0)
    rig.link.renew()
    rig.next()
    assert [account.next() for _ in range(2)] == ["look", "push was lost: renew"]


def test_wake_ends_a_pause_between_two_connections(account: Account) -> None:
    rig = LinkRig(account, pace=QUICK._replace(pause_s=3600.0, pause_s_max=3600.0, held_s=1e9))
    rig.link.start()
    rig.next().tell(Sign.ENDED)
    rig.link.renew()
    rig.next()
    rig.link.stop()


def test_orders_and_fills_are_hints_each_but_figures_only_now_and_then(
    rig: LinkRig, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = rig.next()
    hear = connection.push.hear
    for kind in ("order", "transaction", "asset", "position", "asset"):
        hear(kind, OURS)
    assert (account.told.qsize(), rig.link.health.hints) == (3, 3)
    monkeypatch.setattr("adapters.tiger_worker.push.FIGURES_HINT_EVERY_S", 0.0)
    hear("position", OURS)
    assert rig.link.health.hints == 4


def test_message_of_a_stranger_is_counted(rig: LinkRig, account: Account) -> None:
    rig.next().push.hear("order", "999")
    assert (rig.link.health.strangers, rig.link.health.hints) == (1, 0)
    assert account.told.empty()


def test_login_without_accounts_to_follow_connects_nowhere() -> None:
    rig = LinkRig()
    rig.link.start()
    rig.link.stop()
    assert rig.made.empty()


def test_what_was_not_foreseen_is_told_and_ends_the_link(account: Account) -> None:
    failed = threading.Event()
    link = PushLink(
        lambda _push: cast(PushConnection, None),
        accounts=[account],
        name="push-1",
        clock=ManualClock(),
        on_worn=lambda: None,
        on_failure=lambda _error: failed.set(),
    )
    link.start()
    assert failed.wait(WAIT_S)
    link.stop()
    assert link.health.state is LinkState.STOPPED


def test_worn_process_has_an_exit_code_of_its_own() -> None:
    ending = Ending()
    ending.worn_out()
    ending.stop()
    assert ending.wait() == EXIT_WORN


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 0),
        ('{"code":0,"message":"success"}', 0),
        ('{"message":"success"}', 0),
        ('{"code":3005,"message":"no"}', 3005),
        ('{"code":"3005"}', 3005),
        ("success", -1),
        ("[]", -1),
        ('{"code":"x"}', -1),
    ],
)
def test_code_of_an_acknowledgement(text: str, code: int) -> None:
    assert push_connection._code_of(text) == code


def test_kick_freezes_openings_once_and_a_resume_lifts_it_until_the_next() -> None:
    desk = facts.TestDesk(*facts.ready(facts.previewed("1"), facts.previewed("2")))
    kick = items.PushKicked(connection="push-1:1")
    assert desk.when(kick) == account_events.AccountFrozen(cause="kicked", detail="push-1:1")
    assert desk.when(kick) is None
    refused = desk.when(core_items.submit("1", number="901"))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.ACCOUNT_FROZEN
    desk.when(core_items.resume())
    assert isinstance(
        desk.when(core_items.submit("2", number="902")), events.OrderSubmissionStarted
    )
    assert desk.when(kick) is None
    later = desk.when(items.PushKicked(connection="push-1:2"))
    assert isinstance(later, account_events.AccountFrozen)


def test_kick_is_known_by_its_key_among_other_findings() -> None:
    desk = facts.TestDesk(*facts.ready(facts.frozen("kicked_elsewhere"), facts.frozen("word")))
    before = {key for key, _ in desk.state.frozen_for.items()}
    desk.when(items.PushKicked(connection="push-1:1"))
    after = {key for key, _ in desk.state.frozen_for.items()}
    assert (len(before), after - before) == (2, {kick_key("push-1:1")})
