"""The doctor as a client of `serve`: clean, noisy, silent, dead, or not there at all."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.doctor.finding import Verdict
from infra.doctor.stdio import Heard, check_stdio, heard_findings, listen
from tests.support.doctor import room_of

# Answers as a server does, whatever it is asked.
SERVER = """
import json, sys
{before}
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        result = {{"tools": [{{"name": "a"}}]}} if asked["method"] == "tools/list" else {{}}
        print(json.dumps({{"jsonrpc": "2.0", "id": asked["id"], "result": result}}), flush=True)
{after}
"""


def server(*, before: str = "", after: str = "") -> list[str]:
    return [sys.executable, "-c", SERVER.format(before=before, after=after)]


def verdicts(command: Sequence[str], heard: Heard) -> dict[str, Verdict]:
    return {each.check: each.verdict for each in heard_findings(heard, command)}


def test_clean_server_is_ok() -> None:
    heard = listen(server(), {})
    assert (heard.strays, heard.tools, heard.exit_code) == (0, 1, 0)
    assert set(verdicts(["x"], heard).values()) == {Verdict.OK}


@pytest.mark.parametrize(
    "noisy",
    [
        server(before="print('welcome, your token is abcdef')"),
        server(before="print(json.dumps({'level': 'info'}), flush=True)"),
        server(before="sys.stdout.write('\\n')"),
        server(after="print('bye')"),
    ],
)
def test_line_that_is_no_message_fails_and_is_not_shown(noisy: list[str]) -> None:
    heard = listen(noisy, {})
    assert (heard.strays, heard.tools) == (1, 1)
    found = list(heard_findings(heard, ["wrapper", "serve"]))
    assert [each.verdict for each in found] == [Verdict.FAILED, Verdict.OK]
    assert "abcdef" not in "".join(each.seen + each.mend for each in found)
    assert "wrapper serve" in found[0].mend


def test_server_that_dies_at_once_fails_with_its_code() -> None:
    heard = listen([sys.executable, "-c", "raise SystemExit(3)"], {})
    (_, start) = heard_findings(heard, ["x"])
    assert start.verdict is Verdict.FAILED
    assert start.seen == "it ended with code 3 before it answered"


def test_last_words_are_shown_of_our_own_program_alone() -> None:
    heard = listen([sys.executable, "-c", "import no_such_package"], {})
    foreign, ours = (list(heard_findings(heard, ["x"], is_ours=own))[1] for own in (False, True))
    assert "no_such_package" in ours.seen
    assert "no_such_package" not in foreign.seen


def test_server_that_never_answers_fails() -> None:
    heard = listen([sys.executable, "-c", "import sys; sys.stdin.read()"], {}, limit_s=0.2)
    assert (heard.answered_s, heard.tools) == (None, None)
    (_, start) = heard_findings(heard, ["x"])
    assert start.verdict is Verdict.FAILED
    # It ends when its input does, which is our doing.
    assert start.seen == "initialize was not answered in 30 s"


def test_slow_server_is_a_warning() -> None:
    slow = Heard(strays=0, answered_s=12.0, tools=20, exit_code=0, last_words="")
    assert verdicts(["x"], slow)["start"] is Verdict.WARNING


def test_program_that_is_not_there_fails(tmp_path: Path) -> None:
    found = list(check_stdio(room_of(tmp_path), [str(tmp_path / "none")]))
    assert found[1].verdict is Verdict.FAILED
    assert found[1].seen == "it ended with code 127 before it answered"


def test_server_without_tools_fails() -> None:
    bare = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}})
    heard = listen(
        [sys.executable, "-c", f"print({bare!r}, flush=True)\nfor _ in open(0): pass"], {}
    )
    assert verdicts(["x"], heard) == {"stdout": Verdict.OK, "start": Verdict.FAILED}
