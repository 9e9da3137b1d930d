"""What people install: the wheel in an environment of its own, and the bundle."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from infra.doctor.stdio import listen, passing_home
from infra.nats.server import find_binary
from infra.packaging.bundle import PACKAGES, build_bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as pip and uv would."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("tiger_mcp-*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into a fresh environment that sees the pinned packages."""
    folder = tmp_path_factory.mktemp("installed")
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    options = ["--no-index", "--no-deps", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *options, str(wheel)], check=True)
    # The line only lengthens the path: the editable install of this tree is not followed.
    (packages / "pinned.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a person who has nothing set but where nats-server is."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "NATS_SERVER": str(find_binary()),
        "TMPDIR": str(home),
    }


def test_wheel_holds_every_source_file_of_ours_and_no_test(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == sources


def test_installed_wheel_runs_its_own_code_and_the_whole_demonstration(
    scripts: Path, tmp_path: Path
) -> None:
    where = subprocess.run(
        [
            scripts / "python",
            "-c",
            "import infra, core; print(infra.__path__[0], core.__path__[0])",
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert all(Path(place).is_relative_to(scripts.parent) for place in where)
    result = subprocess.run(
        [scripts / "tiger-mcp", "demo"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        env=environment(tmp_path),
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_bundle_is_the_same_bytes_every_time_and_unpacks_to_a_server_that_answers(
    tmp_path: Path,
) -> None:
    first, second = (build_bundle(ROOT, tmp_path / name) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(first) as archive:
        archive.extractall(unpacked)
    manifest = json.loads((unpacked / "manifest.json").read_bytes())
    entry = unpacked / manifest["server"]["entry_point"]
    # As `uv run` does: the entry point by its path, with the project's packages on the path.
    with passing_home() as home:
        given = {"PYTHONPATH": str(unpacked), "TIGER_MCP_HOME": str(home)}
        heard = listen([sys.executable, str(entry)], environment(tmp_path) | given)
    assert heard.strays == 0
    assert heard.tools
