"""A login's token, kept by the real SDK against the sandbox: refreshed, proven, or said dead."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.session import LoginAccess, Session
from adapters.tiger_worker.token_keeper import AGAIN, TokenKeeper, life_of
from core import events
from core.events import Environment
from core.items import BalancesSeen, TokenFact, TokenSeen
from core.refusals import Refusal
from infra.clock import SystemClock
from infra.sandbox.home import PROPERTIES_FILE, login_folder
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.settings import Settings
from infra.sandbox.wire import faults
from tests.support import core_facts as facts
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.worker_parts import ManualClock

REFRESH = "user_token_refresh"
LOGIN = "hongkong"


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

    def __init__(self, sandbox: Sandbox, *, life_s: int) -> None:
        sandbox.control.issue_user_token(LOGIN, life_s=life_s)
        folder: Path = login_folder(sandbox.home, LOGIN)
        access = LoginAccess(
            properties=folder / PROPERTIES_FILE,
            environment=Environment.SANDBOX,
            server_url=sandbox.url,
            gateway_key=sandbox.login(LOGIN).tiger_public_key,
        )
        self.session = Session(access, timeout_s=5.0)
        self.clock = ManualClock()
        self.clock.wall = SystemClock().now()
        self.told: list[TokenSeen] = []
        self.stored: list[str] = []
        self.readings: list[BalancesSeen] = []
        broker = AccountBroker(
            self.session, number=sandbox.account("kong", login=LOGIN), clock=self.clock
        )
        self.keeper = TokenKeeper(
            self.session,
            clock=self.clock,
            tell=self.told.append,
            probe=lambda: self.readings.append(broker.balances()),
            store=self.stored.append,
            name="token-test",
        )

    def look(self) -> list[TokenFact]:
        self.keeper.look()
        return [seen.fact for seen in self.told]


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
    assert kept.stored == [kept.session.token] != [old]
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
    assert told == [TokenFact.ISSUED, TokenFact.REFRESH_FAILED, TokenFact.EXPIRED]
    assert kept.session.token == old
    assert kept.stored == []
    desk = facts.TestDesk(*facts.ready(facts.previewed()))
    for seen in kept.told:
        desk.when(seen)
    assert [type(event) for event in desk.line[-2:]] == [
        events.TokenRefreshFailed,
        events.TokenExpired,
    ]
    refused = desk.when(facts.submit())
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.LOGIN_EXPIRED


@pytest.mark.parametrize(
    "effect",
    [
        faults.EmptyBody(),
        faults.MalformedBody(),
        faults.HttpStatus(status=502),
        faults.DropAfterAcceptance(),
        faults.ErrorCode(code=2400, message="user token error(invalid)"),
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
    kept.clock.pass_s(AGAIN / timedelta(seconds=1) + 1)
    assert kept.look()[-1] is TokenFact.REFRESHED


def test_new_token_that_the_broker_does_not_take_is_given_up(sandbox: Sandbox) -> None:
    kept = Kept(sandbox, life_s=3600)
    sandbox.control.add_fault(faults.HttpStatus(status=500), method="prime_assets")
    old = kept.session.token
    kept.clock.pass_s(3000)
    assert TokenFact.REFRESH_FAILED in kept.look()
    assert (kept.session.token, kept.stored) == (old, [])


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
