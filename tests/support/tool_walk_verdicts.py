"""What must hold of every answer of the walk, whatever was asked; each breach is one sentence.

The rules: an error has a code of the closed list and says what to do, and of a bad argument which;
a result is compact JSON, the same as text and as data, and says whose money it speaks of; text from
the broker stands where it is marked as the broker's; nothing secret is in any of it.
"""

import base64
import binascii
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from mcp.types import CallToolResult

from adapters.mcp.faults import Fault
from core.refusals import Refusal
from infra.home import Home
from tests.support.cluster import text_of
from tests.support.tool_walk_calls import Call
from tests.support.tool_walk_values import ACCOUNTS, BROKER_MARK, CALLER_MARK
from tests.support.tool_walk_words import Arguments, Schema

# 20,000 tokens, at four bytes each.
ANSWER_BYTES_MAX: Final = 80_000
ERROR_LENGTH_MAX: Final = 2_000
BROKER_TEXT_LENGTH_MAX: Final = 300
_BROKER_FIELD: Final = "broker_text"
# What a caller wrote, or calls itself, comes back where it says so.
_CALLER_FIELDS: Final = frozenset({"reason", "detail", "by"})
_ERROR: Final = re.compile(r"([a-z_]+): (.+)", re.DOTALL)
_WAY_ON: Final = re.compile(
    r"list_accounts|get_orders|`tiger-mcp|[Tt]ry again|[Aa] person|must buy"
)
# Columns whose cells are money.
_MONEY: Final = re.compile(
    r"(?:^|_)(?:eps|price|cost|charges|cash|profit|bid|ask|last|open|high|low|close"
    r"|amount|value|balance|capitalization|revenue|income|inflow|outflow)$"
)
# Words of our own making and of the SDK's, which no user should ever read.
_INNARDS: Final = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|tigeropen|ApiException|TigerOpen|pydantic|msgspec"
    r"|ValidationError|jsonschema|asyncio|httpx|urllib3|nats\.|NoneType|object at 0x|Decimal\("
    r"|[A-Z][a-z]+(Error|Exception)\b|-----BEGIN|\beyJ[\w-]{10,}\.[\w-]+\.|\bS[UAOCNX][A-Z2-7]{54,}"
    r"|biz_content|tiger_id|private_key|\b[A-Za-z0-9+/]{80,}={0,2}"
)
# Refusals by the gateway itself: the person did not agree, or has not seen what is warned of.
_OF_THE_PERSON: Final = ("not_confirmed", "warned")
_NAME_SHOWN: Final = 40
_CURSOR: Final = re.compile(r'"cursor":"[^"]*"')
_CODED: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_SECRET_LENGTH_MIN: Final = 6
_NO_SECRETS: Final = frozenset({"license", "env", "props_path"})


class Leaf(NamedTuple):
    """One value in an answer, and the names that lead to it: fields and columns."""

    path: tuple[str, ...]
    value: Any


class Judge:
    """Holds answers against the rules; `broker_texts` had what was set at the broker."""

    def __init__(self, tools: Mapping[str, Schema], home: Path) -> None:
        self._tools = tools
        self._secrets = secrets_of(home)
        self.broker_texts = 0

    def breaches(self, call: Call, arguments: Arguments, result: CallToolResult) -> list[str]:
        """Return what is wrong with one answer; nothing where all is well."""
        text = text_of(result)
        self.broker_texts += BROKER_MARK in text
        found = [*self._leaks(text, arguments), *_size(result)]
        if result.is_error:
            return found + list(self._error(call, arguments, text))
        told = result.structured_content or {}
        if json.loads(text) != told:
            found.append("text and structured content differ")
        return found + list(_answer(call, arguments, told))

    def _leaks(self, text: str, arguments: Arguments) -> Iterator[str]:
        # What the caller itself sent is no secret to it.
        sent = json.dumps(arguments, ensure_ascii=False)
        opened = text + _opened(text)
        for name, secret in self._secrets.items():
            if secret.search(opened) and not secret.search(sent):
                yield f"shows {name}"
        for found in _INNARDS.finditer(_CURSOR.sub("", text)):
            if found[0] not in sent:
                yield f"shows something from within: {found[0][:60]!r}"

    def _error(self, call: Call, arguments: Arguments, text: str) -> Iterator[str]:
        form = _ERROR.fullmatch(text)
        if form is None or form[1] not in frozenset(Fault):
            yield "the error has no code of the closed list"
            return
        if form[1] == Fault.INTERNAL:
            yield "the gateway failed inside the call"
        if not text.isprintable():
            yield "the error has control characters"
        if len(text) > ERROR_LENGTH_MAX:
            yield f"the error has {len(text)} characters"
        if form[1] != Fault.INVALID_ARGUMENT:
            if _WAY_ON.search(form[2]) is None:
                yield "the error says nothing of what to do"
            return
        known = {*self._tools[call.tool]["properties"], *(name[:_NAME_SHOWN] for name in arguments)}
        said = form[2].partition(". ")[0]
        if not any(_names(said, name) for name in known):
            yield "the refusal names no argument"


# A name that is none of ours is quoted as the text that it is.
def _names(text: str, argument: str) -> bool:
    quoted = repr(argument)[1:-1]
    return any(re.search(rf"(?<!\w){re.escape(n)}(?!\w)", text) for n in (argument, quoted))


def _size(result: CallToolResult) -> Iterator[str]:
    size = len(text_of(result).encode())
    if size > ANSWER_BYTES_MAX:
        yield f"the answer has {size} bytes"
    if len(result.content) != 1:
        yield f"the answer has {len(result.content)} parts"


def _answer(call: Call, arguments: Arguments, told: dict[str, Any]) -> Iterator[str]:
    if told.get("time_zone") != "UTC":
        yield "the answer does not say its time zone"
    if call.tool != "list_accounts":
        if told.get("environment") != "sandbox":
            yield "the answer does not say that it is the sandbox"
        if told.get("account") not in ACCOUNTS:
            yield "the answer does not say which account"
        if "as_of" not in told:
            yield "the answer does not say what time it speaks of"
    if "status" in told and not (told.get("next_step") or told.get("next_steps")):
        yield "the answer to a write says no next step"
    if "code" in told and told["code"] not in {*Refusal, *_OF_THE_PERSON}:
        yield "the refusal's code is not of the closed list"
    yield from _tables(told, arguments)
    for leaf in leaves(told):
        yield from _leaf(leaf)


def _tables(told: dict[str, Any], arguments: Arguments) -> Iterator[str]:
    asked = arguments.get("limit")
    for name, part in [("answer", told), *told.items()]:
        if not (isinstance(part, dict) and "rows" in part):
            continue
        if any(len(row) != len(part["columns"]) for row in part["rows"]):
            yield f"rows of {name} do not fit its columns"
        if isinstance(asked, int) and not isinstance(asked, bool) and len(part["rows"]) > asked:
            yield f"{name} has {len(part['rows'])} rows where at most {asked} were asked for"
        if part["rows"] and not _is_currency_told(part["columns"], told):
            yield f"{name} has money in no currency"


def _is_currency_told(columns: list[str], told: dict[str, Any]) -> bool:
    if not any(_MONEY.search(column) for column in columns):
        return True
    return (
        any(column.endswith("currency") for column in columns)
        or bool(told.get("currency"))
        or "currency" in told.get("note", "")
    )


def _leaf(leaf: Leaf) -> Iterator[str]:
    where = ".".join(leaf.path)
    if leaf.value is None:
        yield f"{where} is null"
    if not isinstance(leaf.value, str):
        return
    field = leaf.path[-1] if leaf.path else ""
    is_marked = field.startswith(_BROKER_FIELD)
    if BROKER_MARK in leaf.value and not is_marked:
        yield f"{where} has the broker's text without saying so"
    if CALLER_MARK in leaf.value and field not in _CALLER_FIELDS:
        yield f"{where} has a caller's text that nobody asked for"
    if is_marked and len(leaf.value) > BROKER_TEXT_LENGTH_MAX:
        yield f"{where} has {len(leaf.value)} characters of the broker's text"
    if not leaf.value.isprintable():
        yield f"{where} has control characters"


# What is in a cursor, and in what the broker put into it: words that are base64 of words.
def _opened(text: str, depth: int = 3) -> str:
    found = [_decoded(each[0]) for each in _CODED.finditer(text)] if depth else []
    return "".join(f"\n{each}{_opened(each, depth - 1)}" for each in found if each)


def _decoded(word: str) -> str:
    padded = word.rstrip("=") + "=" * (-len(word.rstrip("=")) % 4)
    with contextlib.suppress(binascii.Error, UnicodeDecodeError):
        return base64.urlsafe_b64decode(padded.replace("+", "-").replace("/", "_")).decode()
    return ""


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield every single value of an answer; a cell of a table by its column's name."""
    match value:
        case {"columns": list() as columns, "rows": list() as rows, **others}:
            for row in rows:
                for column, cell in zip(columns, row, strict=False):
                    yield from leaves(cell, (*path, column))
            yield from leaves(others, path)
        case dict():
            for name, each in value.items():
                yield from leaves(each, (*path, name))
        case list():
            for each in value:
                yield from leaves(each, path)
        case _:
            yield Leaf(path, value)


def secrets_of(home: Path) -> dict[str, re.Pattern[str]]:
    """Return what finds each secret of a home: account numbers, ids, keys, tokens, and paths."""
    found = {
        f"the account number of {account.alias}": account.number
        for login in Home(home).load().logins
        for account in login.accounts
    }
    for path in sorted(each for each in home.rglob("*") if _holds_secrets(each)):
        for n, line in enumerate(path.read_text().splitlines()):
            is_property = path.suffix == ".properties"
            name, _, value = line.partition("=") if is_property else ("", "", line)
            is_secret = name not in _NO_SECRETS and not value.startswith("-----")
            if is_secret and len(value) >= _SECRET_LENGTH_MIN:
                found[f"line {n} of {path.name}"] = value
    patterns = {
        name: re.compile(rf"(?<!\w){re.escape(secret)}(?!\w)") for name, secret in found.items()
    }
    folders = {"the home": home, "the user's home": Path.home(), "the code": Path.cwd()}
    return patterns | {name: re.compile(re.escape(str(path))) for name, path in folders.items()}


def _holds_secrets(path: Path) -> bool:
    is_key = path.suffix in (".pem", ".properties") or path.parent.name == "keys"
    return is_key and path.is_file()
