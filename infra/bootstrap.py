"""`python3 -m infra.bootstrap RECIPE`: from a bare Python to a running recipe of the justfile.

Standard library only, because it runs before anything is installed: it makes `.venv`, installs what
`requirements.lock` pins by hash, installs this tree, and hands over to `just`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / ".installed"
PYTHON_MIN = (3, 11)
_IS_WINDOWS = sys.platform == "win32"


class SetupError(Exception):
    """The machine lacks something; the text says what to do."""


def main(arguments: list[str]) -> int:
    """Set up what is missing, then run the recipe; return its exit code."""
    try:
        check_python(sys.version_info[:2])
        is_new = not is_installed()
        if is_new:
            _install()
    except SetupError as error:
        _say(f"error: {error}")
        return 1
    # It is on nobody's PATH.
    if is_new or arguments[:1] == ["setup"]:
        _say(f"ready; the command is {_in_venv('tiger-mcp')}")
    just = _in_venv("just")
    return subprocess.call([str(just), *arguments], cwd=str(ROOT))  # noqa: S603  # our own program


def check_python(version: tuple[int, ...]) -> None:
    """Refuse a Python that is too old.

    Raises:
        SetupError: naming the oldest one that serves.
    """
    if version < PYTHON_MIN:
        wanted, found = (".".join(str(part) for part in each) for each in (PYTHON_MIN, version))
        raise SetupError(
            f"expected Python {wanted} or later, was {found}; run it with a newer python3"
        )


def is_installed() -> bool:
    """Say whether `.venv` holds what the lock and the project file ask for."""
    try:
        return STAMP.read_text() == _wanted_stamp() and _in_venv("just").exists()
    except OSError:
        return False


def _install() -> None:
    pip = _make_venv()
    _say("installing pinned packages (a few minutes at the first time)")
    _run([*pip, "install", "--quiet", "--require-hashes", "-r", str(LOCK)])
    _say("installing this project")
    _run([*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    STAMP.write_text(_wanted_stamp())


# Returns the command that installs into the environment.
def _make_venv() -> list[str]:
    python = _in_venv("python")
    options = ["--disable-pip-version-check", "--no-input"]
    # Debian's python3 comes without ensurepip; there the system's pip installs from outside.
    has_ensurepip = importlib.util.find_spec("ensurepip") is not None
    if not has_ensurepip and importlib.util.find_spec("pip") is None:
        raise SetupError(
            "expected pip or ensurepip, was neither; install your system's python3-pip "
            "or python3-venv"
        )
    if not _runs(python, "pass"):
        _say(f"making {VENV}")
        venv.EnvBuilder(clear=True, symlinks=not _IS_WINDOWS, with_pip=has_ensurepip).create(VENV)
    if _runs(python, "import pip"):
        return [str(python), "-m", "pip", *options]
    return [sys.executable, "-m", "pip", "--python", str(python), *options]


def _runs(python: Path, statement: str) -> bool:
    if not python.exists():
        return False
    command = [str(python), "-c", statement]
    return (
        subprocess.call(  # noqa: S603  # our own interpreter
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        == 0
    )


def _run(command: list[str]) -> None:
    if subprocess.call(command, cwd=str(ROOT)) != 0:  # noqa: S603  # our own command
        raise SetupError("installation failed; the lines above say why. It is safe to run again")


def _wanted_stamp() -> str:
    digest = hashlib.sha256()
    for path in (LOCK, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()} {ROOT}\n"


def _in_venv(name: str) -> Path:
    return VENV / ("Scripts" if _IS_WINDOWS else "bin") / (f"{name}.exe" if _IS_WINDOWS else name)


def _say(text: str) -> None:
    sys.stderr.write(f"setup: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
