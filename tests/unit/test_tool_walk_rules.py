"""The walk over every tool would find what it looks for: each rule against a planted breach."""

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mcp.types import CallToolResult, TextContent

from infra.home import Home
from tests.support.tool_walk import make_home, troubles_in
from tests.support.tool_walk_calls import ERAS, Call, Kind, calls_of, filled, fitting
from tests.support.tool_walk_values import BROKER_MARK, CALLER_MARK, TRADED
from tests.support.tool_walk_verdicts import ANSWER_BYTES_MAX, Judge

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["account"],
    "properties": {
        "account": {"type": "string"},
        "symbol": {"type": "string", "pattern": "^[A-Z]{1,5}$", "description": "AAPL"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    },
    "additionalProperties": False,
}
SAID: dict[str, Any] = {
    "environment": "sandbox",
    "account": TRADED[0],
    "as_of": {"n": 1},
    "time_zone": "UTC",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules") / "home"
    make_home(folder)
    return folder


def breaches(
    home: Path, said: dict[str, Any] | str, *, arguments: dict[str, Any] | None = None
) -> list[str]:
    call = Call(0, ERAS[0], "get_orders", Kind.KNOWN, arguments or {"account": TRADED[0]})
    text = said if isinstance(said, str) else json.dumps(said)
    result = CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=None if isinstance(said, str) else said,
        is_error=isinstance(said, str),
    )
    return Judge({"get_orders": SCHEMA}, home).breaches(call, call.arguments, result)


def test_good_answers_break_no_rule(home: Path) -> None:
    assert breaches(home, SAID) == []
    assert breaches(home, "invalid_argument: symbol: expected text, was a number.") == []
    assert breaches(home, "unknown_account: there is no 'x'. See list_accounts.") == []
    marked = {"columns": ["broker_text"], "rows": [[BROKER_MARK]]}
    assert breaches(home, SAID | {"orders": marked}) == []
    money: dict[str, Any] = {"columns": ["price"], "rows": [["185.5"]]}
    assert breaches(home, SAID | money | {"currency": "USD"}) == []
    assert breaches(home, SAID | money | {"note": "in the company's own currency"}) == []
    with_currency = {"columns": ["price", "currency"], "rows": [["185.5", "USD"]]}
    assert breaches(home, SAID | {"fills": with_currency}) == []


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("it failed", "no code of the closed list"),
        ("went_wrong: symbol: try again", "no code of the closed list"),
        ("internal: the gateway failed; see `tiger-mcp logs`", "failed inside the call"),
        ("busy: no.", "nothing of what to do"),
        ("invalid_argument: expected text. Mend symbol.", "names no argument"),
        ("invalid_argument: sym: expected text.", "names no argument"),
        ("invalid_argument: symbol: was \x1b[2J", "control characters"),
        ("invalid_argument: symbol: " + "x" * 2_000, "characters"),
        ('invalid_argument: symbol: File "x", line 1', "from within"),
        ("invalid_argument: symbol: OverflowError", "from within"),
        ("invalid_argument: symbol: tigeropen said no", "from within"),
        (SAID | {"environment": "live"}, "not say that it is the sandbox"),
        (SAID | {"account": "nobody"}, "not say which account"),
        (SAID | {"time_zone": "CET"}, "time zone"),
        ({name: each for name, each in SAID.items() if name != "as_of"}, "what time"),
        (SAID | {"status": "refused"}, "no next step"),
        (SAID | {"code": "because"}, "code is not of the closed list"),
        (SAID | {"note": None}, "note is null"),
        (SAID | {"orders": {"columns": ["a", "b"], "rows": [["x", None]]}}, "orders.b is null"),
        (SAID | {"orders": {"columns": ["a"], "rows": [["x", "y"]]}}, "do not fit its columns"),
        (SAID | {"note": "x" * (ANSWER_BYTES_MAX + 1)}, "bytes"),
        (SAID | {"note": f"it says {BROKER_MARK}"}, "without saying so"),
        (SAID | {"broker_text": "x" * 301}, "301 characters of the broker's text"),
        (SAID | {"orders": {"columns": ["terms"], "rows": [[CALLER_MARK]]}}, "caller's text"),
        (SAID | {"broker_text": "\u202e"}, "control characters"),
        (SAID | {"columns": ["day", "actual_eps"], "rows": [["x", "1.64"]]}, "in no currency"),
        (SAID | {"fills": {"columns": ["price"], "rows": [["185.5"]]}}, "in no currency"),
    ],
)
def test_a_planted_breach_is_found(home: Path, said: dict[str, Any] | str, rule: str) -> None:
    assert any(rule in each for each in breaches(home, said)), breaches(home, said)


def test_more_rows_than_asked_for_are_found(home: Path) -> None:
    table = {"columns": ["a"], "rows": [["x"], ["y"]]}
    asked = {"account": TRADED[0], "limit": 1}
    assert breaches(home, SAID | {"orders": table}, arguments=asked) == [
        "orders has 2 rows where at most 1 were asked for"
    ]


def test_every_secret_of_a_home_is_found_even_inside_a_cursor(home: Path) -> None:
    login = next(each for each in Home(home).load().logins if each.name == "two")
    number = login.accounts[0].number
    lines = (home / login.properties).read_text().splitlines()
    secrets = {name: value for name, _, value in (line.partition("=") for line in lines)}
    token = next((home / "sandbox").rglob("*token.properties")).read_text()
    planted = [
        number,
        secrets["tiger_id"],
        secrets["private_key_pk1"],
        token.strip().partition("=")[2],
        str(home),
        str(Path.home()),
    ]
    for each in planted:
        assert breaches(home, SAID | {"note": f"see {each}"}), each
    coded = base64.b64encode(base64.b64encode(f'{{"of":"{number}"}}'.encode())).decode()
    found = breaches(home, SAID | {"cursor": f"first~{coded}"})
    assert f"shows the account number of {login.accounts[0].alias}" in found
    # What the caller sent is no secret to it.
    asked = {"account": TRADED[0], "symbol": number}
    refused = f"invalid_argument: symbol: expected text like ^[A-Z]+$, was {number!r}."
    assert breaches(home, refused, arguments=asked) == []


def test_a_bug_in_a_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    log.write_text('{"event": "x", "level": "warning"}\n{"event": "y", "level": "error"}\n')
    assert troubles_in([log]) == ['gateway.log: {"event": "y", "level": "error"}']


def test_the_same_seed_makes_the_same_calls_of_every_tool_in_both_eras() -> None:
    tools = {"get_account": SCHEMA, "get_orders": SCHEMA}
    made = calls_of(tools, count=80, seed=7)
    assert made == calls_of(tools, count=80, seed=7)
    assert made != calls_of(tools, count=80, seed=8)
    shares = Counter((call.tool, call.era) for call in made)
    assert shares == {(tool, era): 20 for tool in tools for era in ERAS}
    assert {call.kind for call in made} == set(Kind)
    assert [call.number for call in made] == list(range(80))
    sensible = [
        sorted(str(call.arguments) for call in made if (call.kind, call.era) == (Kind.KNOWN, era))
        for era in ERAS
    ]
    assert sensible[0] == sensible[1]


def test_a_schema_that_says_more_than_the_walk_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="multipleOf"):
        fitting({"type": "integer", "multipleOf": 5})
    with pytest.raises(ValueError, match="was number"):
        fitting({"type": "number"})


def test_what_is_only_known_on_the_way_is_put_in_wherever_it_stands() -> None:
    found = filled(
        {"a": "{order:3}", "b": ["{order:0}", {"c": "{cursor:1}"}], "d": "x {order:0}"},
        lambda what, n: f"{what}-{n}",
    )
    assert found == {"a": "order-3", "b": ["order-0", {"c": "cursor-1"}], "d": "x {order:0}"}
