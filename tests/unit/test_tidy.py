"""Rules of STYLE that a machine can check, each shown to find a planted violation."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

from infra.config import NAMES, settings_from

ROOT: Final = Path(__file__).parents[2]
OURS: Final = ("core", "adapters", "projections", "infra")
FOLDERS: Final = (*OURS, "tests")
EMPTY_NAMES: Final = frozenset({"utils", "helpers", "common", "misc"})
# Where a person is spoken to on stdout.
SPEAKERS: Final = ("infra/cli/", "infra/demo/", "infra/bench/")
# The top loop of a process, and a broker lane, where anything unforeseen means unknown.
BROAD_EXCEPTS: Final = frozenset(
    {
        "adapters/tiger_worker/asks.py",
        "adapters/tiger_worker/broker.py",
        "adapters/tiger_worker/desk_thread.py",
        "adapters/tiger_worker/file_halt.py",
        "adapters/tiger_worker/lanes.py",
        "adapters/tiger_worker/lease.py",
        "adapters/tiger_worker/pulse.py",
        "adapters/tiger_worker/push.py",
        "adapters/tiger_worker/push_connection.py",
        "adapters/tiger_worker/reconcile.py",
        "adapters/tiger_worker/token_keeper.py",
        "adapters/tiger_worker/watchdog.py",
    }
)
_DURATION: Final = re.compile(r".*_[sS]")


def sources(*folders: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each of our Python files."""
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")


@cache
def parsed(source: str) -> ast.Module:
    """Return the tree of a source, made once for all rules."""
    return ast.parse(source)


def bad_file_name(path: str) -> bool:
    """Say whether a file is named after a standard module, or after nothing."""
    stem = Path(path).stem
    return stem in EMPTY_NAMES or (stem in sys.stdlib_module_names and not stem.startswith("__"))


def reads_environment(source: str) -> bool:
    """Say whether a source reads (or writes) the environment."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.ImportFrom) and any(alias.name in names for alias in node.names))
        for node in ast.walk(parsed(source))
    )


def floats(source: str) -> list[int]:
    """Return the lines where a float is named or written that is no duration (`…_s`)."""
    tree = parsed(source)
    allowed: set[ast.AST] = set()
    for node in ast.walk(tree):
        named = _name_of(node)
        if named is not None and _DURATION.fullmatch(named):
            allowed.update(ast.walk(node) if not isinstance(node, ast.FunctionDef) else ())
            if isinstance(node, ast.FunctionDef) and node.returns is not None:
                allowed.update(ast.walk(node.returns))
    return [
        node.lineno
        for node in ast.walk(tree)
        if node not in allowed
        and (
            (isinstance(node, ast.Name) and node.id == "float")
            or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        )
    ]


def _name_of(node: ast.AST) -> str | None:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.arg(arg=name):
            return name
        case ast.keyword(arg=name):
            return name
        case ast.FunctionDef(name=name):
            return name
        case _:
            return None


def broad_excepts(source: str) -> list[int]:
    """Return the lines that catch everything."""
    return [
        node.lineno
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type)
    ]


def _is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(_is_broad(each) for each in caught.elts)
    return caught is None or (
        isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException")
    )


def prints(source: str) -> list[int]:
    """Return the lines that print."""
    return [
        node.lineno
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("print", "pprint")
    ]


def relative_imports(source: str) -> list[int]:
    """Return the lines that import relatively."""
    return [
        node.lineno
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]


def open_ends(source: str) -> list[str]:
    """Return the notes of unfinished work that name no issue."""
    marks = "TO" + "DO", "FIX" + "ME", "XX" + "X"
    pattern = re.compile(rf"#.*\b({'|'.join(marks)})\b(?!\(#\d+\))")
    return [line.strip() for line in source.splitlines() if pattern.search(line)]


def example_settings(text: str) -> dict[str, str]:
    """Return names and values of an example of the environment."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", maxsplit=1) for line in lines)


def foreign_owners(owners: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return which distributions, other than ours, claim one of our top-level names."""
    claims = {name: set(owners.get(name, ())) - {"tiger-mcp"} for name in FOLDERS}
    return {name: sorted(others) for name, others in claims.items() if others}


def test_no_file_is_named_after_a_standard_module_or_after_nothing() -> None:
    assert [path for path, _ in sources(*FOLDERS) if bad_file_name(path)] == []


def test_every_folder_is_a_package() -> None:
    folders = {(ROOT / path).parent for path, _ in sources(*FOLDERS)}
    above = {parent for folder in folders for parent in folder.parents if ROOT in parent.parents}
    assert [each for each in folders | above if not (each / "__init__.py").exists()] == []


def test_only_config_reads_the_environment() -> None:
    found = [path for path, source in sources(*OURS) if reads_environment(source)]
    assert found == ["infra/config.py"]


def test_core_has_no_float_but_durations() -> None:
    assert {path: lines for path, source in sources("core") if (lines := floats(source))} == {}


def test_everything_is_caught_only_where_it_may_be() -> None:
    found = {path for path, source in sources(*OURS) if broad_excepts(source)}
    assert found <= BROAD_EXCEPTS


def test_services_do_not_print() -> None:
    found = [
        path for path, source in sources(*OURS) if prints(source) and not path.startswith(SPEAKERS)
    ]
    assert found == []


def test_no_import_is_relative() -> None:
    assert [path for path, source in sources(*FOLDERS) if relative_imports(source)] == []


def test_no_end_is_left_open_without_an_issue() -> None:
    assert {
        path: open_ends(source) for path, source in sources(*FOLDERS) if open_ends(source)
    } == {}


def test_example_of_the_environment_is_complete_and_says_the_defaults() -> None:
    example = example_settings((ROOT / ".env.example").read_text(encoding="utf-8"))
    assert set(example) == set(NAMES)
    user_home = ROOT
    assert settings_from(example, home=None, user_home=user_home) == settings_from(
        {}, home=None, user_home=user_home
    )


def test_no_installed_package_claims_our_names() -> None:
    owners = {name: list(each) for name, each in metadata.packages_distributions().items()}
    assert foreign_owners(owners) == {}


@pytest.mark.parametrize("path", ["core/queue.py", "infra/token.py", "infra/utils.py"])
def test_planted_file_name_is_found(path: str) -> None:
    assert bad_file_name(path)


@pytest.mark.parametrize(
    "source",
    ["import os\nos.environ['A']", "import os\nos.getenv('A')", "from os import environ"],
)
def test_planted_read_of_the_environment_is_found(source: str) -> None:
    assert reads_environment(source)


@pytest.mark.parametrize(
    "source",
    [
        "price: float = 1",
        "def cost() -> float: ...",
        "x = 0.5",
        "def f(price: float) -> None: ...",
        "y = float('1')",
        "def wait_s() -> float:\n    price = 0.5",
    ],
)
def test_planted_float_is_found(source: str) -> None:
    assert floats(source) != []


def test_duration_may_be_a_float() -> None:
    assert floats("wait_s: float = 0.5\ndef age_s(now_s: float) -> float:\n    f(wait_s=1.5)") == []


@pytest.mark.parametrize("caught", ["", " Exception", " BaseException", " (OSError, Exception)"])
def test_planted_broad_except_is_found(caught: str) -> None:
    assert broad_excepts(f"try:\n    f()\nexcept{caught}:\n    g()") == [3]


def test_planted_print_is_found() -> None:
    assert prints("def f():\n    print('x')") == [2]


def test_planted_relative_import_is_found() -> None:
    assert relative_imports("from . import x\nfrom .y import z") == [1, 2]


def test_planted_open_end_is_found() -> None:
    mark = "TO" + "DO"
    assert len(open_ends(f"x = 1  # {mark}: later")) == 1
    assert open_ends(f"x = 1  # {mark}(#12): later") == []


def test_planted_claim_of_a_name_is_found() -> None:
    owners = {"core": ["tiger-mcp", "other"], "infra": ["tiger-mcp"], "scripts": ["tigeropen"]}
    assert foreign_owners(owners) == {"core": ["other"]}
