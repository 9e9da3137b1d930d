"""Every tool, in both eras of the protocol, with calls from sensible to hostile, made by a seed.

First what a model would ask, with every word of every schema, while the broker is well; then calls
that a seed makes, while the broker fails now and then. What a walk finds is printed with the call
as it was sent, and with the command that makes the same calls again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import pytest_asyncio

from adapters.mcp.faults import Fault
from core.account_state import AccountState
from core.modes import Mode
from core.orders import Phase
from infra.config import Settings
from infra.demo.ledgers import states_of
from infra.home import Home, Installation
from infra.supervisor import detached
from infra.supervisor.status import ProcessState, live_status
from tests.support.cluster import cluster, sandbox_of
from tests.support.tool_walk import (
    Finding,
    Walker,
    let_the_broker_speak,
    make_home,
    reads_of,
    save_modes,
    tools_of,
    troubles_in,
    watched,
)
from tests.support.tool_walk_calls import ERAS, Kind, calls_of, turns_of
from tests.support.tool_walk_known import KNOWN, UNANSWERED
from tests.support.tool_walk_names import Names
from tests.support.tool_walk_values import ACCOUNTS, BROKER_TEXT, TRADED
from tests.support.tool_walk_verdicts import Judge
from tests.support.tool_walk_words import words_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
WRITES: Final = ("place_order", "modify_order", "cancel_order")
# Of the calls, one in so many is sent again where every account is read-only.
READ_ONLY_SHARE: Final = 4
# Of the calls that vary sensible ones, at least one in so many is answered.
ANSWERED_SHARE: Final = 3
# In a short walk there are too few of a tool to say so of each.
VARIED_MIN: Final = 10
SETTLE_S: Final = 120.0
SHOWN_MAX: Final = 20
REFUSED: Final = frozenset({"account_read_only", "invalid_argument", "unknown_account"})


class Walked(NamedTuple):
    """A walk that is over, on a cluster that still runs."""

    home: Path
    installation: Installation
    judge: Judge
    submitted: frozenset[str]
    stray: list[str]
    full: Walker
    full_tools: frozenset[str]
    # Every word of the tools' schemas, and those of answered calls while the broker was well.
    words: frozenset[str]
    answered: frozenset[str]
    # Those that say of themselves that they only read.
    reads: frozenset[str]
    read_only: Walker
    read_only_tools: frozenset[str]
    # Requests that reached the broker while every account was read-only, by method.
    writes_then: dict[str, int]
    states: dict[str, AccountState]
    replay: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walked(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Walked]:
    count: int = request.config.getoption("--walk-calls")
    seed: int = request.config.getoption("--walk-seed")
    home = tmp_path_factory.mktemp("walk") / "home"
    installation = make_home(home)
    stray: list[str] = []
    names = Names()
    async with cluster(home) as settings:
        await asyncio.to_thread(detached.ensure_up, settings)
        async with (
            watched(home, ERAS[0], stray) as modern,
            watched(home, ERAS[1], stray) as older,
        ):
            clients = dict(zip(ERAS, (modern, older), strict=True))
            assert [each.protocol_version for each in clients.values()] == [MODERN, LEGACY]
            # What an answer must look like is checked by each client, once it has the list.
            first, second = [await tools_of(client) for client in clients.values()]
            assert first == second
            assert frozenset(first) == frozenset(KNOWN), "each tool has calls that make sense"
            reads = await reads_of(modern)
            control = sandbox_of(home)
            judge = Judge(first, home)
            full = Walker(clients, judge, names, tools=first)
            text = BROKER_TEXT % installation.logins[0].accounts[0].number
            await full.prepare(control, text)
            await full.walk(turns_of(first))
            answered = frozenset(full.answered)
            let_the_broker_speak(control, text, seed)
            calls = calls_of(first, count=count, seed=seed)
            await full.walk(calls)
            states = await settled(settings, installation)
            save_modes(Home(home), installation, dict.fromkeys(ACCOUNTS, Mode.READ_ONLY))
            before = {method: control.request_count(method) for method in WRITES}
            read_only_tools = frozenset(await tools_of(modern))
            read_only = Walker(clients, judge, names, tools=first)
            await read_only.walk(calls[::READ_ONLY_SHARE])
        yield Walked(
            home=home,
            installation=installation,
            judge=judge,
            submitted=frozenset(names.submitted),
            stray=stray,
            full=full,
            full_tools=frozenset(first),
            words=words_of(first),
            answered=answered,
            reads=reads,
            read_only=read_only,
            read_only_tools=read_only_tools,
            writes_then={m: control.request_count(m) - before[m] for m in WRITES},
            states=states,
            replay=f"just walk --walk-calls {count} --walk-seed {seed}",
        )


async def settled(settings: Settings, installation: Installation) -> dict[str, AccountState]:
    """Wait until the outcome of every order is known, and return what the ledger says."""
    async with asyncio.timeout(SETTLE_S):
        while True:
            states = await states_of(settings, installation)
            phases = {order.phase for state in states.values() for order in state.orders.values()}
            if not phases & {Phase.SUBMITTING, Phase.ACCEPTED, Phase.UNKNOWN}:
                return states


def shown(found: Sequence[Finding], replay: str) -> str:
    """Return what a walk found, in words, and how to find it again."""
    told = "\n".join(map(str, found[:SHOWN_MAX]))
    return f"{len(found)} answers broke a rule; again with: {replay}\n{told}"


async def test_every_tool_is_asked_what_a_model_would_ask(
    walked: Walked, capsys: pytest.CaptureFixture[str]
) -> None:
    tally: Counter[str] = Counter()
    for (*_, outcome), count in (walked.full.outcomes + walked.read_only.outcomes).items():
        tally[outcome] += count
    with capsys.disabled():
        print(f"\n{tally.total()} calls: {dict(tally.most_common())}")  # noqa: T201 - long work shows itself
    for tool in sorted(walked.full_tools):
        for era in ERAS:
            ends = {
                outcome: count
                for (*what, kind, outcome), count in walked.full.outcomes.items()
                if (tuple(what), kind) == ((tool, era), Kind.KNOWN)
            }
            assert ends.keys() - {fault.value for fault in Fault}, (tool, era, ends)


async def test_every_word_of_every_schema_was_answered(walked: Walked) -> None:
    assert sorted(walked.words - walked.answered) == sorted(UNANSWERED)


async def test_calls_that_vary_what_a_model_would_ask_are_answered(walked: Walked) -> None:
    sent: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for (tool, _, kind, outcome), count in walked.full.outcomes.items():
        if kind is Kind.FITTING:
            sent[tool] += count
            answered[tool] += count * (outcome not in frozenset(Fault))
    assert sent.keys() == walked.full_tools
    assert [tool for tool, n in sent.items() if n >= VARIED_MIN and not answered[tool]] == []
    assert answered.total() > sent.total() / ANSWERED_SHARE, (answered, sent)


async def test_no_answer_breaks_a_rule_whatever_is_asked(walked: Walked) -> None:
    assert walked.full.findings == [], shown(walked.full.findings, walked.replay)


async def test_stdout_carries_the_protocol_alone(walked: Walked) -> None:
    assert walked.stray == []


async def test_what_the_broker_says_reaches_the_model_and_is_marked(walked: Walked) -> None:
    # Were it anywhere but under its mark, or whole, it would be among the findings.
    assert walked.judge.broker_texts > 0


async def test_every_order_at_the_broker_was_submitted_once(walked: Walked) -> None:
    control = sandbox_of(walked.home)
    sent = 0
    for login in walked.installation.logins:
        for account in login.accounts:
            orders = walked.states[account.alias].orders.values()
            ours = {order.mark: order for order in orders if order.mark}
            book = control.book(account.number).orders
            # Legs that hang on an order, and its counterpart of one-cancels-the-other, bear its
            # mark: they came with one request.
            requests = {
                (row.user_mark, row.oca_group or row.global_id)
                for row in book
                if row.user_mark and not row.parent_id
            }
            marks = Counter(mark for mark, _ in requests)
            assert set(marks.values()) <= {1}, account.alias
            assert set(marks) <= set(ours), account.alias
            absent = {order.phase for mark, order in ours.items() if mark not in marks}
            assert absent <= {Phase.NOT_SENT, Phase.NOT_FOUND, Phase.REJECTED}, account.alias
            assert {order.preview_id for order in ours.values()} <= walked.submitted
            sent += sum(order.phase is not Phase.NOT_SENT for order in ours.values())
    assert sent > 0
    assert control.request_count("place_order") == sent


async def test_where_all_is_read_only_nothing_is_listed_or_done_that_writes(
    walked: Walked,
) -> None:
    assert walked.read_only.findings == [], shown(walked.read_only.findings, walked.replay)
    assert walked.read_only_tools == walked.reads
    unlisted = walked.full_tools - walked.reads
    assert unlisted >= {"preview_order", "submit_order", "modify_order", "cancel_orders"}
    ends = {
        outcome
        for tool, _, _, outcome in walked.read_only.outcomes
        if tool in unlisted - {"preview_order"}
    }
    assert "account_read_only" in ends
    assert ends <= REFUSED
    assert walked.writes_then == dict.fromkeys(WRITES, 0)


async def test_afterwards_the_cluster_is_well_and_its_ledger_holds_together(
    walked: Walked,
) -> None:
    status = live_status(Home(walked.home))
    assert status is not None
    assert {each.state for each in status.processes} == {ProcessState.READY}
    assert {each.name: each.restarts for each in status.processes if each.restarts} == {}
    # Its chains were checked record by record when it was read.
    assert {alias for alias, state in walked.states.items() if state.orders} >= set(TRADED)
    logs = [*(walked.home / "logs").iterdir(), walked.home / "gateway.log"]
    assert troubles_in(logs) == []
