"""A login's token, kept by the real SDK against the sandbox: refreshed, proven, or said dead."""

import base64
import errno
import json
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.session import LoginAccess, Session, TokenRefusedError
from adapters.tiger_worker.token_keeper import AGAIN, TokenKeeper, life_of
from core import account_events, events
from core.errors import BrokerUnavailableError
from core.items import TokenFact, TokenSeen
from core.modes import Environment
from core.readings import BalancesSeen
from core.refusals import Refusal
from infra.clock import SystemClock
from infra.home import write_private
from infra.sandbox.logins.files import (
    PROPERTIES_FILE,
    TOKEN_FILE,
    login_folder,
)
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.settings import Settings
from infra.sandbox.wire import faults
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.relay import relayed
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.worker_parts import ManualClock

REFRESH: Final = "user_token_refresh"
PROBE: Final = "prime_assets"
LOGIN: Final = "hongkong"
WAIT_S: Final = 30.0
AGAIN_S: Final = AGAIN.total_seconds() + 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    option = f"--login={LOGIN}=kong:prime;licence=TBHK"
    with running_sandbox(tmp_path_factory.mktemp("token"), option) as started:
        yield started


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    shared.control.clear_faults()
    shared.control.set_settings(Settings(price_drift=False))
    return shared


class Kept:
    """A keeper on a session of its own, looked at by hand."""

    def __init__(self, sandbox: Sandbox, *, life_s: int, url: str = "") -> None:
        sandbox.control.issue_user_token(LOGIN, life_s=life_s)
        folder: Path = login_folder(sandbox.home, LOGIN)
        self.token_file = folder / TOKEN_FILE
        access = LoginAccess(
            properties=folder / PROPERTIES_FILE,
            environment=Environment.SANDBOX,
            server_url=url or sandbox.url,
            gateway_key=sandbox.login(LOGIN).tiger_public_key,
        )
        self.access = access
        self.session = Session(access, timeout_s=WAIT_S)
        self.clock = ManualClock()
        self.clock.wall = SystemClock().now()
        self.told: list[TokenSeen] = []
        self.failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
        # What nobody foresaw in storing a token.
        self.unforeseen: Exception | None = None
        self.readings: list[BalancesSeen] = []
        broker = AccountBroker(
            self.session, number=sandbox.account("kong", login=LOGIN), clock=self.clock
        )
        self.keeper = TokenKeeper(
            self.session,
            clock=self.clock,
            tell=self.told.append,
            probe=lambda: self.readings.append(broker.balances()),
            store=self._store,
            on_failure=self.failures.put,
            name="token-test",
        )

    def _store(self, token: str) -> None:
        if self.unforeseen is not None:
            raise self.unforeseen
        write_private(self.token_file, f"token={token}\n".encode())

    @property
    def stored(self) -> str:
        """The token that a next start of the worker would have."""
        return Session(self.access, timeout_s=WAIT_S).token

    def look(self) -> list[TokenFact]:
        self.keeper.look()
        return [seen.fact for seen in self.told]


def test_keeper_that_can_keep_no_more_ends_the_login_and_says_nothing_of_the_token(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Kept(sandbox, life_s=60)
    kept.clock.pass_s(50)
    kept.unforeseen = KeyError(kept.session.token)
    kept.keeper.start()
    assert kept.failures.get(timeout=WAIT_S) is kept.unforeseen
    kept.keeper._thread.join(WAIT_S)
    assert not kept.keeper._thread.is_alive()
    said = capsys.readouterr()
    assert "token.keeper_failed" in said.out + said.err
    assert str(kept.unforeseen.args[0]) not in said.out + said.err


def test_young_token_is_told_once_and_left_alone(sandbox: Sandbox) -> None:
    kept = Kept(sandbox, life_s=30 * 86_400)
    asked = sandbox.control.request_count(REFRESH)
    assert kept.look() == kept.look() == [TokenFact.ISSUED]
    assert sandbox.control.request_count(REFRESH) == asked


def test_token_near_its_end_is_refreshed_proven_and_stored(sandbox: Sandbox) -> None:
    kept = Kept(sandbox, life_s=60)
    old = kept.session.token
    kept.clock.pass_s(50)
    assert kept.look() == [TokenFact.ISSUED, TokenFact.REFRESHED]
    assert kept.stored == kept.session.token != old
    life = life_of(kept.session.token)
    assert life is not None
    assert kept.told[-1].expires_at == life.expires_at
    assert kept.look() == [TokenFact.ISSUED, TokenFact.REFRESHED]


def test_b18_refresh_that_succeeds_without_a_living_token_leaves_the_state_dead(
    sandbox: Sandbox,
) -> None:
    kept = Kept(sandbox, life_s=60)
    sandbox.control.set_settings(
        Settings(price_drift=False, logins=LoginSwitches(user_token_life_s=1))
    )
    old = kept.session.token
    kept.clock.pass_s(61)
    told = kept.look()
    assert told == [TokenFact.REFRESH_FAILED, TokenFact.EXPIRED]
    assert kept.session.token == kept.stored == old
    desk = facts.TestDesk(*facts.ready(facts.previewed()))
    for seen in kept.told:
        desk.when(seen)
    assert [type(event) for event in desk.line[-2:]] == [
        account_events.TokenRefreshFailed,
        account_events.TokenExpired,
    ]
    refused = desk.when(core_items.submit())
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.LOGIN_EXPIRED


@pytest.mark.parametrize(
    "effect",
    [
        faults.EmptyBody(),
        faults.MalformedBody(),
        faults.HttpStatus(status=502),
        faults.DropAfterAcceptance(),
        faults.WrongSign(),
        faults.ErrorCode(code=4, message="access forbidden"),
        faults.ErrorCode(code=0, message="success"),
    ],
    ids=lambda effect: type(effect).__name__,
)
def test_refresh_that_fails_in_any_way_keeps_the_old_token_and_is_tried_again(
    sandbox: Sandbox, effect: faults.AnyEffect
) -> None:
    kept = Kept(sandbox, life_s=3600)
    sandbox.control.add_fault(effect, method=REFRESH)
    old = kept.session.token
    kept.clock.pass_s(3000)
    assert kept.look()[-2:] == [TokenFact.REFRESH_FAILED, TokenFact.EXPIRING]
    assert kept.session.token == old
    asked = sandbox.control.request_count(REFRESH)
    kept.look()
    assert sandbox.control.request_count(REFRESH) == asked
    kept.clock.pass_s(AGAIN_S)
    assert kept.look()[-1] is TokenFact.REFRESHED


def stamped(stamps: str) -> bytes:
    """Return the reply to a refresh whose token says these times."""
    token = base64.b64encode(stamps.encode()).decode()
    return json.dumps({"code": 0, "data": {"token": token}}).encode()


# Replies to a refresh that bring no token one could use.
NO_TOKENS: Final = {
    "text that is no JSON": b'{"code": 0, "data": "no json"}',
    "text that is half": b'{"code": 0, "data": "{\\"token\\": "}',
    "text nested without end": b'{"code": 0, "data": "%s"}' % (b"[" * 100_000),
    "empty text": b'{"code": 0, "data": ""}',
    "a list": b'{"code": 0, "data": "[1]"}',
    "body nested without end": b"[" * 100_000,
    "body null": b"null",
    "body a number": b"2400",
    "body a list": b"[]",
    "body a text": b'"sign"',
    "body in no encoding": b"\xff\xfe\x00",
    "code a text": b'{"code": "0"}',
    "token a number": b'{"code": 0, "data": {"token": 7}}',
    "token empty": b'{"code": 0, "data": {"token": ""}}',
    "token in no letters": '{"code": 0, "data": {"token": "\u8001\u864e"}}'.encode(),
    "token of no times": stamped("a token, it seems"),
    "token that never ends": stamped("1," + "9" * 25),
    "token that ends when no calendar does": stamped("1," + "9" * 20),
    "token that ends after the last year": stamped("1,253402300800000"),
    "token of times that are none": stamped("1,inf"),
    "token of times long ago": stamped("-99999999999999,1"),
    # Longer than the old one by its words, and no token of the broker's.
    "token that was made up": stamped("1700000000000,9999999999999"),
    "token with a line of its own": json.dumps(
        {
            "code": 0,
            "data": {"token": base64.b64encode(b"1700000000000,9999999999999").decode() + "\nX: y"},
        }
    ).encode(),
}


@pytest.mark.parametrize("case", NO_TOKENS)
def test_reply_without_a_token_to_use_is_a_refresh_that_failed(sandbox: Sandbox, case: str) -> None:
    with relayed(sandbox) as relay:
        kept = Kept(sandbox, life_s=3600, url=relay.url)
        old = kept.session.token
        relay.bodies[REFRESH] = NO_TOKENS[case]
        kept.clock.pass_s(3000)
        assert kept.look()[-2:] == [TokenFact.REFRESH_FAILED, TokenFact.EXPIRING]
        assert kept.session.token == kept.stored == old
        relay.bodies.clear()
        kept.clock.pass_s(AGAIN_S)
        assert kept.look()[-1] is TokenFact.REFRESHED


def test_token_beside_an_error_is_none(sandbox: Sandbox) -> None:
    with relayed(sandbox) as relay:
        kept = Kept(sandbox, life_s=3600, url=relay.url)
        good = kept.session.ask_new_token()
        answer = {"code": 1, "message": "server error", "data": {"token": good}}
        relay.bodies[REFRESH] = json.dumps(answer).encode()
        with pytest.raises(BrokerUnavailableError):
            kept.session.ask_new_token()


# Replies to the reading that is to prove a new token, which prove nothing.
NO_PROOFS: Final = {
    "no segment": b'{"code": 0, "data": {"segments": []}}',
    "another segment": b'{"code": 0, "data": {"segments": [{"category": "C"}]}}',
    "segments that are none": b'{"code": 0, "data": {"segments": 7}}',
    "text that is no JSON": b'{"code": 0, "data": "no json"}',
    "time beyond all": b'{"code": 0, "timestamp": %s}' % (b"9" * 400),
    "body null": b"null",
    "body a number": b"0",
    "body nested without end": b"[" * 100_000,
    "refused": b'{"code": 2400, "message": "user token error"}',
}


@pytest.mark.parametrize("case", NO_PROOFS)
def test_new_token_that_no_reading_proves_is_not_used(sandbox: Sandbox, case: str) -> None:
    with relayed(sandbox) as relay:
        kept = Kept(sandbox, life_s=3600, url=relay.url)
        old = kept.session.token
        relay.bodies[PROBE] = NO_PROOFS[case]
        kept.clock.pass_s(2400)
        asked = sandbox.control.request_count(REFRESH)
        for tries in (1, 2):
            kept.clock.pass_s(AGAIN_S)
            assert kept.look().count(TokenFact.REFRESH_FAILED) == tries
            assert sandbox.control.request_count(REFRESH) == asked + tries
            assert kept.session.token == kept.stored == old
        relay.bodies.clear()
        kept.clock.pass_s(AGAIN_S)
        assert kept.look()[-1] is TokenFact.REFRESHED


def test_new_token_whose_proof_failed_is_kept_where_its_making_ended_the_old_one(
    sandbox: Sandbox,
) -> None:
    kept = Kept(sandbox, life_s=3600)
    old = kept.session.token
    switches = LoginSwitches(refresh_ends_older_tokens=True)
    sandbox.control.set_settings(Settings(price_drift=False, logins=switches))
    sandbox.control.add_fault(faults.HttpStatus(status=500), method=PROBE)
    kept.clock.pass_s(3000)
    assert TokenFact.REFRESH_FAILED in kept.look()
    assert kept.session.token == kept.stored == old
    asked = sandbox.control.request_count(REFRESH)
    kept.clock.pass_s(AGAIN_S)
    assert kept.look()[-1] is TokenFact.REFRESHED
    assert kept.stored == kept.session.token != old
    assert sandbox.control.request_count(REFRESH) == asked


def test_each_refresh_asks_for_a_token_of_its_own(sandbox: Sandbox) -> None:
    kept = Kept(sandbox, life_s=3600)
    switches = LoginSwitches(user_token_life_s=3600)
    sandbox.control.set_settings(Settings(price_drift=False, logins=switches))
    used = [kept.session.token]
    kept.clock.pass_s(2700)
    for tries in (1, 2):
        kept.clock.pass_s(AGAIN_S)
        assert kept.look().count(TokenFact.REFRESHED) == tries
        used.append(kept.session.token)
        assert kept.stored == kept.session.token
    assert len(set(used)) == 3


def test_token_that_cannot_be_stored_is_used_and_stored_as_soon_as_it_can(
    sandbox: Sandbox,
) -> None:
    kept = Kept(sandbox, life_s=60)
    old = kept.session.token
    kept.unforeseen = OSError(errno.ENOSPC, "no space left")
    kept.clock.pass_s(50)
    told = kept.look()
    assert told == [TokenFact.ISSUED, TokenFact.REFRESHED]
    new = kept.session.token
    assert (new != old, kept.stored) == (True, old)
    assert kept.look() == told
    assert kept.stored == old
    kept.unforeseen = None
    assert kept.look() == told
    assert kept.stored == kept.session.token == new
    # Stored once: what a person puts there afterwards stays.
    kept.token_file.write_text(f"token={old}\n")
    assert kept.look() == told
    assert kept.stored == old


def test_token_that_the_broker_refuses_at_its_refresh_is_revoked(sandbox: Sandbox) -> None:
    kept = Kept(sandbox, life_s=3600)
    kept.clock.pass_s(3000)
    # Somebody else refreshes, and that ends this login's token.
    switches = LoginSwitches(refresh_ends_older_tokens=True)
    sandbox.control.set_settings(Settings(price_drift=False, logins=switches))
    other = Session(kept.access, timeout_s=WAIT_S)
    new = other.ask_new_token()
    with pytest.raises(TokenRefusedError):
        other.ask_new_token()
    desk = facts.TestDesk(*facts.ready(facts.previewed(), facts.previewed("2")))
    assert kept.look()[-2:] == [TokenFact.REVOKED, TokenFact.EXPIRING]
    for seen in kept.told:
        desk.when(seen)
    refused = desk.when(core_items.submit())
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.LOGIN_EXPIRED
    # A person puts the other's token in.
    kept.session.use_token(new)
    assert kept.look()[-1] is TokenFact.ISSUED
    desk.when(kept.told[-1])
    assert isinstance(desk.when(core_items.submit("2")), events.OrderSubmissionStarted)


def test_refusal_for_another_reason_is_no_revocation(sandbox: Sandbox) -> None:
    kept = Kept(sandbox, life_s=3600)
    sandbox.control.add_fault(faults.ErrorCode(code=4000, message="no right"), method=REFRESH)
    with pytest.raises(BrokerUnavailableError):
        kept.session.ask_new_token()


def test_wall_clock_that_went_back_does_not_put_off_the_next_try(sandbox: Sandbox) -> None:
    kept = Kept(sandbox, life_s=3600)
    sandbox.control.add_fault(faults.HttpStatus(status=502), method=REFRESH)
    kept.clock.pass_s(3000)
    assert TokenFact.REFRESH_FAILED in kept.look()
    kept.clock.pass_s(AGAIN_S)
    kept.clock.set_wall(-600)
    assert kept.look()[-1] is TokenFact.REFRESHED


def test_restart_with_a_token_that_is_over_does_not_call_it_issued(sandbox: Sandbox) -> None:
    kept = Kept(sandbox, life_s=60)
    sandbox.control.add_fault(faults.HttpStatus(status=502), method=REFRESH)
    kept.clock.pass_s(61)
    assert kept.look() == [TokenFact.REFRESH_FAILED, TokenFact.EXPIRED]


def test_failure_tells_neither_token_nor_request(sandbox: Sandbox) -> None:
    kept = Kept(sandbox, life_s=3600)
    sandbox.control.add_fault(faults.DropAfterAcceptance(), method=REFRESH)
    kept.clock.pass_s(3000)
    kept.look()
    said = " ".join(seen.detail for seen in kept.told)
    assert kept.session.token not in said
    assert "sign" not in said


@pytest.mark.parametrize("text", ["", "x", "bm90IGEgdG9rZW4=", "MTIzLDQ1Ng"])
def test_text_that_is_no_token_has_no_life(text: str) -> None:
    assert life_of(text) is None
