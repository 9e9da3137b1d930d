"""What clients have registered: Claude Code's and Claude Desktop's files, and our entries in them.

Source: Claude Code's documentation (MCP, scopes: `.mcp.json`, `~/.claude.json`); for Desktop's
folder under the Windows package, anthropics/claude-code issue 26073 (2026-02-16).
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from core.errors import ConfigError
from infra.config import settings_from
from infra.doctor.finding import Finding, failed, not_checked, ok, warning
from infra.doctor.room import MACOS, WINDOWS, Room, our_command, typed

DESKTOP_FILE: Final = "claude_desktop_config.json"
OURS: Final = re.compile(r"tiger-mcp|infra\.cli|adapters\.mcp", re.IGNORECASE)
# Tiger's own server: it takes the quote right from the login's other clients.
OFFICIAL: Final = re.compile(r"(^|[/\\\s])tigermcp\b", re.IGNORECASE)
SECRET_NAME: Final = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|PASSWD|TIGER_ID", re.IGNORECASE)
# Paths and addresses of ours, not secrets.
HARMLESS: Final = frozenset(
    {
        "TIGER_MCP_NATS_KEYS",
        "TIGER_MCP_TOKEN_KEYS",
        "TIGER_MCP_TOKEN_ISSUER",
        "TIGER_MCP_HTTP_TLS_KEY",
    }
)
SECRET_VALUE: Final = re.compile(r"PRIVATE KEY|[A-Za-z0-9+/=_-]{100,}")
REFERENCE: Final = re.compile(r"\$\{[^}]+\}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

# Programs, with what follows, that fetch a package before they start it.
_FETCHERS: Final = (("uvx",), ("uv", "x"), ("uv", "tool", "run"), ("pipx", "run"))
_PACKAGE: Final = re.compile(r"tiger[-_]mcp([@=<>!~\[; ].*)?", re.IGNORECASE)

# Returns what the command line would say of its arguments, or nothing when they are valid.
Complaint = Callable[[list[str]], str]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file in which a client keeps its servers."""

    client: str
    path: Path
    is_desktop: bool = False


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One registered server: where it stands, and what was written."""

    source: Source
    name: str
    body: dict[str, Any]

    @property
    def words(self) -> str:
        """Return command and arguments, for telling whose it is."""
        return " ".join((self.command, *self.arguments))

    @property
    def command(self) -> str:
        """Return the program, or what stands in its place."""
        return str(self.body.get("command", ""))

    @property
    def arguments(self) -> list[str]:
        """Return the arguments; none where they are no list."""
        listed = self.body.get("args")
        return [str(each) for each in listed] if isinstance(listed, list) else []

    @property
    def program(self) -> str:
        """Return the name of the program, without its folder."""
        return Path(self.command.replace("\\", "/")).name.removesuffix(".exe")


def check_clients(room: Room, complaint: Complaint) -> Iterator[Finding]:
    """Look at every client's file, and at each entry that starts us."""
    sources = [source for source in client_files(room) if source.path.is_file()]
    entries: list[Entry] = []
    for source in sources:
        try:
            entries += entries_of(source, room)
        except OSError as error:
            seen = f"{source.path} cannot be read ({error.strerror})"
            yield failed("clients", seen, mend=typed("chmod", "u+rw", source.path))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            where = re.search(r"byte \d+", str(error))
            yield failed(
                "clients",
                f"{source.path} is no JSON{f' (near {where[0]})' if where else ''}: "
                f"{source.client} reads none of it",
                mend="mend the commas and quotes there; on Windows write \\\\ for \\",
            )
    ours = [entry for entry in entries if _is_ours(entry)]
    if not ours:
        yield not_checked("clients", "no client has tiger-mcp registered", mend=register_step())
    for entry in ours:
        yield from entry_findings(entry, complaint, room)
    yield from (_official_finding(entry) for entry in entries if OFFICIAL.search(entry.words))


def client_files(room: Room) -> list[Source]:
    """Return where Claude Code and Claude Desktop keep their servers on this platform."""
    user, code = room.user_home, "Claude Code"
    folders = {
        MACOS: [user / "Library" / "Application Support" / "Claude"],
        WINDOWS: [
            user / "AppData" / "Roaming" / "Claude",
            # Installed as a Windows package it reads this one alone.
            *sorted(
                (user / "AppData" / "Local" / "Packages").glob("Claude_*/LocalCache/Roaming/Claude")
            ),
        ],
    }.get(room.platform, [user / ".config" / "Claude"])
    return [
        Source(client=code, path=room.project / ".mcp.json"),
        Source(client=code, path=user / ".claude.json"),
        *(
            Source(client="Claude Desktop", path=folder / DESKTOP_FILE, is_desktop=True)
            for folder in folders
        ),
    ]


def entries_of(source: Source, room: Room) -> list[Entry]:
    """Return the servers in a file, those of the project that we stand in included.

    Raises:
        OSError: it cannot be read.
        msgspec.MsgspecError: it is no JSON object.
    """
    body = msgspec.json.decode(source.path.read_text(encoding="utf-8-sig"), type=dict[str, Any])
    project = _table(_table(body.get("projects")).get(str(room.project)))
    return [
        Entry(source=source, name=name, body=entry)
        for table in (body, project)
        for name, entry in _table(table.get("mcpServers")).items()
        if isinstance(entry, dict)
    ]


def register_step() -> str:
    """Return the command that registers this installation with Claude Code."""
    return "claude mcp add --scope user tiger -- " + typed(*our_command(), "serve")


def entry_findings(entry: Entry, complaint: Complaint, room: Room) -> Iterator[Finding]:
    """Judge one entry that starts us or reaches us."""
    check = f"{entry.source.client}, {entry.name}"
    found = [*_secret_objections(check, entry), *_setting_objections(check, entry, room)]
    if entry.source.is_desktop:
        found += _reference_objections(check, entry)
    if "url" in entry.body:
        found += _address_objections(check, entry)
    else:
        found += _command_objections(check, entry)
        found += _argument_objections(check, entry, complaint)
        found += _fetching_objections(check, entry)
        found += _home_objections(check, entry, room)
    yield from found or [ok(check, f"the entry in {entry.source.path} is sound")]


def _command_objections(check: str, entry: Entry) -> Iterator[Finding]:
    command = entry.body.get("command")
    if not isinstance(command, str) or not command:
        yield failed(check, "the entry has no command", mend=_write(entry, "command"))
        return
    path = Path(command)
    if not path.is_absolute() and path.name != command:
        seen = f"its command {command} depends on the folder that the client starts in"
        yield failed(check, seen, mend=_write(entry, "command"))
    elif shutil.which(command) is None:
        seen = f"its command {command} is not there or cannot be run"
        yield failed(check, seen, mend=_write(entry, "command"))
    elif not path.is_absolute() and entry.source.is_desktop:
        seen = f"its command {command} is found here, but Desktop starts with a shorter PATH"
        full = shutil.which(command) or command
        mend = f'write "command": {_quoted(full)} in {entry.source.path}'
        yield warning(check, seen, mend=mend)


def _argument_objections(check: str, entry: Entry, complaint: Complaint) -> Iterator[Finding]:
    arguments = entry.body.get("args", [])
    if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
        yield failed(check, "its args are no list of texts", mend=_write(entry, "args"))
        return
    ours = _our_arguments(entry)
    if ours is None:
        return
    if said := complaint(ours):
        yield failed(check, f"its args are not ours: {said}", mend=_write(entry, "args"))
    elif "--http" in ours:
        seen = "serve --http does not speak on stdio, which a command entry needs"
        yield failed(check, seen, mend=_write(entry, "args"))


# What follows our own program's name; nothing where another program takes them.
def _our_arguments(entry: Entry) -> list[str] | None:
    if entry.program == "tiger-mcp":
        return entry.arguments
    for index, word in enumerate(entry.arguments):
        is_after_from = index > 0 and entry.arguments[index - 1] == "--from"
        if word in ("infra.cli", "tiger-mcp") and not is_after_from:
            return entry.arguments[index + 1 :]
    return None


def _fetching_objections(check: str, entry: Entry) -> Iterator[Finding]:
    words = (entry.program, *entry.arguments)
    if not any(words[: len(start)] == start for start in _FETCHERS):
        return
    sources = _sources(entry.arguments)
    for source in sources:
        is_path = "://" not in source and re.search(r"[/\\]|^[.~]|\.(whl|tar\.gz)$", source)
        if is_path and not Path(source).is_absolute():
            seen = f"--from {source} depends on the folder that the client starts in"
            yield failed(check, seen, mend=_own_program(entry))
        elif is_path and not Path(source).exists():
            yield failed(check, f"--from {source} is not there", mend=_own_program(entry))
    is_by_name = any(_PACKAGE.fullmatch(source) for source in sources)
    if is_by_name or (not sources and any(_PACKAGE.fullmatch(each) for each in entry.arguments)):
        yield warning(
            check,
            f"{entry.program} takes tiger-mcp by its name from a public registry, where we publish "
            "nothing: whoever takes the name is started with your accounts",
            mend=_own_program(entry),
        )


def _sources(arguments: list[str]) -> list[str]:
    by_word = [value for name, value in pairwise(arguments) if name in ("--from", "--spec")]
    joined = (each.partition("=") for each in arguments)
    return by_word + [value for name, _, value in joined if value and name in ("--from", "--spec")]


def _home_objections(check: str, entry: Entry, room: Room) -> Iterator[Finding]:
    words = _our_arguments(entry) or []
    given = [value for name, value in pairwise(words) if name == "--home"]
    given += [word.removeprefix("--home=") for word in words if word.startswith("--home=")]
    by_env = str(_table(entry.body.get("env")).get("TIGER_MCP_HOME") or "")
    if by_env.startswith("~/"):
        by_env = str(room.user_home / by_env[2:])
    chosen = (given or [by_env])[-1]
    if not chosen or "\0" in chosen or REFERENCE.search(chosen):
        return
    home = Path(chosen)
    # A folder by each of its names is one.
    if not home.is_absolute() or os.path.realpath(home) != os.path.realpath(room.settings.home):
        yield warning(
            check,
            f"it serves the home {home}, and this examination is of {room.settings.home}",
            mend=f"tiger-mcp --home {home} doctor; or write the other home in {entry.source.path}",
        )


# Claude Code puts a variable in its place; Desktop hands the letters on.
def _reference_objections(check: str, entry: Entry) -> Iterator[Finding]:
    texts = {f"env {name}": value for name, value in _table(entry.body.get("env")).items()}
    texts |= {"command": entry.command, "args": " ".join(entry.arguments)}
    named = [name for name, value in texts.items() if REFERENCE.search(str(value))]
    if named:
        yield warning(
            check,
            f"{', '.join(named)}: holds ${{…}}, which Claude Desktop hands on as it stands",
            mend=f"write the value itself in {entry.source.path}",
        )


def _secret_objections(check: str, entry: Entry) -> Iterator[Finding]:
    for table in ("env", "headers"):
        for name, value in _table(entry.body.get(table)).items():
            text = value if isinstance(value, str) else ""
            if not text or name in HARMLESS or REFERENCE.search(text):
                continue
            if SECRET_NAME.search(name) or name == "Authorization" or SECRET_VALUE.search(text):
                yield failed(
                    check,
                    f"{table} in {entry.source.path} holds {name}: a secret in plain text, "
                    "and our processes do not read it",
                    mend=_secret_mend(table, name),
                )


def _secret_mend(table: str, name: str) -> str:
    if table == "headers":
        return f"write {name} with a reference such as ${{TIGER_TOKEN}} instead"
    return f"take {name} out; credentials stay in Tiger's own file, see tiger-mcp account --help"


def _setting_objections(check: str, entry: Entry, room: Room) -> Iterator[Finding]:
    given = {
        name: str(value)
        for name, value in _table(entry.body.get("env")).items()
        if not REFERENCE.search(str(value))
    }
    try:
        settings_from(given, home=None, user_home=room.user_home)
    except ConfigError as error:
        mend = f"mend env in {entry.source.path}; .env.example names every setting"
        yield failed(check, f"with its env we do not start: {error}", mend=mend)


def _address_objections(check: str, entry: Entry) -> Iterator[Finding]:
    try:
        parts = urlsplit(str(entry.body["url"]))
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        seen = "its url is no address"
        yield failed(check, seen, mend=f"mend the url in {entry.source.path} (docs/http.md)")
        return
    if entry.source.is_desktop:
        yield failed(
            check,
            f"Claude Desktop takes commands alone in {DESKTOP_FILE}, and skips this entry",
            mend="add the address under Settings, Connectors; or register the command",
        )
    if scheme != "https" and host not in _LOOPBACK:
        seen = "its address sends the token over the network in plain text"
        yield failed(check, seen, mend="use https (docs/http.md)")


def _official_finding(entry: Entry) -> Finding:
    return warning(
        f"{entry.source.client}, {entry.name}",
        "Tiger's own tigermcp runs beside us: on the same login it takes the quote right away, "
        "and it places orders without our record",
        mend="take the entry out, or give it a login of its own",
    )


def _is_ours(entry: Entry) -> bool:
    # By its address nobody can be told, so the name says it.
    is_named = "url" in entry.body and "tiger" in entry.name.lower()
    return OURS.search(entry.words) is not None or is_named


def _write(entry: Entry, field: str) -> str:
    command, *words = our_command()
    value = (
        _quoted(command) if field == "command" else msgspec.json.encode([*words, "serve"]).decode()
    )
    return f'write "{field}": {value} in {entry.source.path}'


def _own_program(entry: Entry) -> str:
    return f"{_write(entry, 'command')}, and {_write(entry, 'args')}"


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
