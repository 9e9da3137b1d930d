"""Who may import whom (DESIGN, "Tree and imports"): the table, read from the sources."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
OURS: Final = ("core", "adapters", "projections", "infra")
# Of the standard library, what touches the world: files, network, time, chance, processes, logs.
IMPURE: Final = frozenset(
    {
        *("asyncio", "concurrent", "ctypes", "fcntl", "getpass", "glob", "http", "io", "locale"),
        *("logging", "mmap", "msvcrt", "multiprocessing", "os", "pathlib", "pickle", "platform"),
        *("random", "secrets", "select", "selectors", "shelve", "shutil", "signal", "site"),
        *("socket", "socketserver", "sqlite3", "ssl", "subprocess", "sys", "sysconfig", "tempfile"),
        *("threading", "time", "urllib", "uuid", "warnings", "zoneinfo"),
    }
)
JOINERS: Final = ("infra/cli/", "infra/demo/", "infra/bench/")


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import of a source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: expected absolute imports"
            assert node.module is not None
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def is_joiner(path: str) -> bool:
    """Say whether a file joins parts, and may know all of them."""
    return path.endswith("/__main__.py") or path.startswith(JOINERS)


def objections(path: str, source: str) -> list[str]:
    """Return the imports that a file may not make."""
    found = []
    for line, name in imported(source):
        reason = _objection(path, name)
        if reason:
            found.append(f"{path}:{line}: {reason} ({name})")
    return found


def _objection(path: str, name: str) -> str | None:
    top = name.split(".", maxsplit=1)[0]
    if path.startswith("core/"):
        return _core_objection(top)
    if top == "tigeropen" and not _may_import_tigeropen(path, name):
        return "only adapters/tiger_worker imports tigeropen"
    if top == "mcp" and not _may_import_mcp(path, name):
        return "only adapters/mcp imports the MCP server"
    if is_joiner(path) or top not in OURS:
        return None
    if path.startswith("infra/sandbox/"):
        return None if _is_below("infra.sandbox", name) else "the sandbox imports nothing of ours"
    home = _home(path)
    return None if top == "core" or _is_below(home, name) else f"{home} imports core only"


def _core_objection(top: str) -> str | None:
    if top in ("core", "msgspec"):
        return None
    if top in IMPURE:
        return "core touches no file, clock, chance or log"
    return None if top in sys.stdlib_module_names else "core imports core and msgspec only"


def _may_import_tigeropen(path: str, name: str) -> bool:
    if path.startswith(("infra/sandbox/push/", "infra/sandbox/push.py")):
        return _is_below("tigeropen.push.pb", name)
    return path.startswith(("adapters/tiger_worker/", "infra/demo/", "infra/bench/"))


def _may_import_mcp(path: str, name: str) -> bool:
    if path.startswith(("infra/demo/", "infra/bench/")):
        return not _is_below("mcp.server", name)
    return path.startswith("adapters/mcp/")


# The part that a file belongs to, as a dotted name.
def _home(path: str) -> str:
    parts = path.split("/")
    return ".".join(parts[:2]) if parts[0] == "adapters" else parts[0]


def _is_below(home: str, name: str) -> bool:
    return name == home or name.startswith(f"{home}.")


def test_every_import_is_in_the_table() -> None:
    files = [file for top in OURS for file in sorted((ROOT / top).rglob("*.py"))]
    found = [
        objection
        for file in files
        for objection in objections(
            file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")
        )
    ]
    assert files
    assert found == []


@pytest.mark.parametrize(
    "path, source",
    [
        ("core/x.py", "import time"),
        ("core/x.py", "import structlog"),
        ("core/x.py", "from random import choice"),
        ("core/x.py", "from infra.home import Home"),
        ("core/x.py", "from pathlib import Path"),
        ("projections/x.py", "from infra.ledger import history"),
        ("infra/x.py", "import adapters.mcp"),
        ("infra/x.py", "from projections.store import Store"),
        ("infra/x.py", "def f():\n    import tigeropen"),
        ("infra/sandbox/x.py", "from core.money import Money"),
        ("infra/sandbox/x.py", "from infra.home import Home"),
        ("infra/sandbox/push/x.py", "import tigeropen.trade"),
        ("adapters/mcp/x.py", "from adapters.tiger_worker import desk"),
        ("adapters/mcp/x.py", "from infra.home import Home"),
        ("adapters/mcp/__main__.py", "import tigeropen"),
        ("adapters/tiger_worker/x.py", "from mcp.server import MCPServer"),
        ("infra/bench/x.py", "from mcp.server import MCPServer"),
        ("projections/x.py", "import mcp"),
    ],
)
def test_planted_import_is_found(path: str, source: str) -> None:
    assert len(objections(path, source)) >= 1


@pytest.mark.parametrize(
    "path, source",
    [
        ("core/x.py", "import hashlib\nfrom core.money import Money\nimport msgspec"),
        ("projections/x.py", "import sqlite3\nfrom projections.store import Store"),
        ("projections/__main__.py", "from infra.ledger import history"),
        ("infra/cli/x.py", "from adapters.mcp.server import serve_stdio"),
        ("infra/sandbox/x.py", "from infra.sandbox.broker.book import Book"),
        ("adapters/mcp/x.py", "from mcp.server import MCPServer\nfrom core import views"),
        ("adapters/tiger_worker/x.py", "import tigeropen"),
        ("infra/bench/x.py", "from mcp.client import ClientSession"),
    ],
)
def test_import_of_the_table_is_allowed(path: str, source: str) -> None:
    assert objections(path, source) == []


def test_relative_import_is_found() -> None:
    with pytest.raises(AssertionError):
        objections("infra/x.py", "from . import home")
