"""A login's token in the pure core: what is recorded of it, and that a dead one opens nothing."""

from typing import Final, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import account_events, events
from core.items import TokenFact, TokenSeen
from core.refusals import Refusal
from core.tokens import EVENT_OF_FACT, state_after
from projections.account_folds import with_token
from projections.entries import AccountEntry
from tests.support import core_facts as facts
from tests.support import core_items

DEATHS: Final = (TokenFact.EXPIRED, TokenFact.REVOKED)
BIRTHS: Final = (TokenFact.ISSUED, TokenFact.REFRESHED)
SAID_SINCE: Final = (TokenFact.REFRESH_FAILED, TokenFact.EXPIRING)


def seen(fact: TokenFact, *, ends_s: float = 3600.0, detail: str = "") -> TokenSeen:
    return TokenSeen(
        fact=fact, issued_at=facts.at(0), expires_at=facts.at(ends_s), detail=detail or str(fact)
    )


def ready_desk() -> facts.TestDesk:
    return facts.TestDesk(*facts.ready(facts.previewed()))


def is_refused_for_the_token(desk: facts.TestDesk) -> bool:
    answer = desk.when(core_items.submit())
    return isinstance(answer, events.OrderRefused) and answer.code is Refusal.LOGIN_EXPIRED


def test_each_fact_has_its_event_and_each_event_its_fact() -> None:
    assert set(EVENT_OF_FACT) == set(TokenFact)
    assert set(EVENT_OF_FACT.values()) == set(get_args(account_events.TokenEvent))
    assert len(set(EVENT_OF_FACT.values())) == len(EVENT_OF_FACT)


@pytest.mark.parametrize(
    ("fact", "event"),
    [
        (
            TokenFact.ISSUED,
            account_events.TokenIssued(issued_at=facts.at(0), expires_at=facts.at(60)),
        ),
        (
            TokenFact.REFRESHED,
            account_events.TokenRefreshed(issued_at=facts.at(0), expires_at=facts.at(60)),
        ),
        (
            TokenFact.REFRESH_FAILED,
            account_events.TokenRefreshFailed(expires_at=facts.at(60), cause="because"),
        ),
        (
            TokenFact.EXPIRING,
            account_events.TokenExpiring(expires_at=facts.at(60), detail="because"),
        ),
        (TokenFact.EXPIRED, account_events.TokenExpired(expires_at=facts.at(60))),
        (TokenFact.REVOKED, account_events.TokenRevoked(cause="because")),
    ],
)
def test_finding_is_recorded_once_as_its_event(
    fact: TokenFact, event: account_events.TokenEvent
) -> None:
    desk = ready_desk()
    finding = seen(fact, ends_s=60, detail="because")
    assert (desk.when(finding), desk.when(finding)) == (event, None)


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("since", SAID_SINCE)
def test_dead_token_opens_nothing_though_its_refresh_fails_again(
    death: TokenFact, since: TokenFact
) -> None:
    desk = ready_desk()
    for fact in (TokenFact.ISSUED, death, since):
        assert desk.when(seen(fact)) is not None
    assert is_refused_for_the_token(desk)


@pytest.mark.parametrize("birth", BIRTHS)
@pytest.mark.parametrize("death", DEATHS)
def test_new_token_opens_again(death: TokenFact, birth: TokenFact) -> None:
    desk = ready_desk()
    for fact in (death, TokenFact.REFRESH_FAILED, birth):
        desk.when(seen(fact))
    assert isinstance(desk.when(core_items.submit()), events.OrderSubmissionStarted)


_EVENTS: Final = st.sampled_from(TokenFact).flatmap(
    lambda fact: st.builds(
        EVENT_OF_FACT[fact],
        **{
            name: st.sampled_from(("a", "b"))
            if name in ("cause", "detail")
            else st.sampled_from((None, facts.at(0), facts.at(60)))
            for name in EVENT_OF_FACT[fact].__struct_fields__
        },
    )
)


def _died_at(line: list[account_events.TokenEvent]) -> int | None:
    """Return where the last death stands that no new token followed."""
    died: int | None = None
    for place, event in enumerate(line):
        if isinstance(event, account_events.TokenExpired | account_events.TokenRevoked):
            died = place
        elif isinstance(event, account_events.TokenIssued | account_events.TokenRefreshed):
            died = None
    return died


@given(line=st.lists(_EVENTS, min_size=1, max_size=12))
@settings(max_examples=300)
def test_token_is_dead_from_its_end_until_a_new_one_on_the_desk_and_in_the_views(
    line: list[account_events.TokenEvent],
) -> None:
    desk, entry = ready_desk(), AccountEntry(alias=facts.ACCOUNT)
    for n, event in enumerate(line, start=1):
        desk.store(event)
        entry = with_token(entry, event, facts.recorded(event, n))
    state, row = desk.state.token, entry.token
    assert state is not None
    assert row is not None
    died = _died_at(line)
    decisive = line[-1] if died is None else line[died]
    assert state.is_dead == (died is not None)
    assert EVENT_OF_FACT[TokenFact(state.fact)] is type(decisive)
    assert (state.event, row.state) == (line[-1], state.fact)
    assert is_refused_for_the_token(desk) == state.is_dead


@given(before=st.sampled_from((None, *TokenFact)), event=_EVENTS)
def test_nothing_but_a_death_makes_a_token_dead(
    before: TokenFact | None, event: account_events.TokenEvent
) -> None:
    after = state_after(before, event)
    is_death = isinstance(event, account_events.TokenExpired | account_events.TokenRevoked)
    assert not (after in DEATHS and before not in DEATHS and not is_death)


def test_view_of_a_dead_token_says_why_its_refresh_failed() -> None:
    ended = account_events.TokenExpired(expires_at=facts.at(-60))
    failed = account_events.TokenRefreshFailed(expires_at=facts.at(-60), cause="no new token")
    entry = with_token(AccountEntry(alias=facts.ACCOUNT), ended, facts.recorded(ended, 1))
    entry = with_token(entry, failed, facts.recorded(failed, 2))
    assert entry.token is not None
    assert (entry.token.state, entry.token.detail) == ("expired", "no new token")
