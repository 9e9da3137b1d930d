"""The doctor on versions, packages and what stands on the path: each state good and broken."""

from pathlib import Path

import pytest

from infra.config import settings_from
from infra.doctor.finding import Verdict
from infra.doctor.programs import (
    check_nats_server,
    check_zones,
    mcp_finding,
    names_finding,
    package_findings,
    python_finding,
)
from infra.doctor.versions import is_within, parse, requirement
from tests.support.doctor import room_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "version, ranges, expected",
    [
        ("2.3.0", ">=2.3,<3", True),
        ("2.10", ">=2.3,<3", True),
        ("3.0.0", ">=2.3,<3", False),
        ("3.0.0rc1", ">=2.3,<3", False),
        ("2.3.0rc1", ">=2.3", False),
        ("2.3.0.post1", ">=2.3", True),
        ("1.30.0", "<3,>=2.3", False),
        ("3.8.5", "~=3.8.2", True),
        ("3.9.0", "~=3.8.2", False),
        ("1.0", "==1.0.0", True),
        ("1.0", "!=1", False),
        ("0.22.1", ">0.22,<=0.23", True),
        ("5", "", True),
    ],
)
def test_version_is_judged_by_its_range(version: str, ranges: str, expected: bool) -> None:
    assert is_within(version, ranges) is expected


def test_what_is_no_version_or_range_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a version"):
        parse("latest")
    with pytest.raises(ValueError, match="expected a range"):
        is_within("1", "^1")


def test_requirement_is_read_with_extra_and_marker() -> None:
    assert requirement("mcp<3,>=2.3") == ("mcp", "<3,>=2.3", True)
    assert requirement('pywin32>=310; sys_platform == "win32"') == ("pywin32", ">=310", False)
    assert requirement("pyjwt[crypto] (>=2)") == ("pyjwt", ">=2", True)


def test_python_in_range_is_ok_and_one_too_old_fails_with_what_to_install() -> None:
    assert python_finding("3.11.7", ">=3.11").verdict is Verdict.OK
    too_old = python_finding("3.10.14", ">=3.11")
    assert too_old.verdict is Verdict.FAILED
    assert "3.11" in too_old.mend


def distribution(folder: Path, name: str, version: str) -> Path:
    """Lay what an installed package leaves behind."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder


def test_packages_in_range_are_ok_and_one_outside_or_missing_fails(tmp_path: Path) -> None:
    path = [str(distribution(tmp_path, "mcp", "1.30.0"))]
    (good,) = package_findings(["mcp<2"], path)
    assert good.verdict is Verdict.OK
    old, missing = package_findings(["mcp<3,>=2.3", "nkeys>=0.2", 'x; extra == "y"'], path)
    assert (old.verdict, missing.verdict) == (Verdict.FAILED, Verdict.FAILED)
    assert "1.30.0" in old.seen
    assert "-m pip install" in old.mend
    assert "mcp<3,>=2.3" in old.mend
    assert "not installed" in missing.seen


def sdk(folder: Path, version: str, *, is_first: bool = False) -> str:
    """Lay an MCP SDK of a version as pip would."""
    package = distribution(folder, "mcp", version) / "mcp"
    (package / "server" / ("fastmcp" if is_first else "mcpserver")).mkdir(parents=True)
    (package / "__init__.py").touch()
    return str(folder)


def test_one_mcp_sdk_is_ok(tmp_path: Path) -> None:
    assert mcp_finding([sdk(tmp_path, "2.3.0")]).verdict is Verdict.OK


def test_first_sdk_of_version_1_or_none_or_a_bare_folder_fails(tmp_path: Path) -> None:
    old, new = sdk(tmp_path / "old", "1.30.0", is_first=True), sdk(tmp_path / "new", "2.3.0")
    (tmp_path / "bare" / "mcp").mkdir(parents=True)
    assert mcp_finding([old, new]).verdict is Verdict.FAILED
    assert mcp_finding([]).verdict is Verdict.FAILED
    assert mcp_finding([str(tmp_path / "bare")]).verdict is Verdict.FAILED


def test_second_copy_of_the_sdk_is_a_warning_that_names_it(tmp_path: Path) -> None:
    new, old = sdk(tmp_path / "new", "2.3.0"), sdk(tmp_path / "old", "1.30.0", is_first=True)
    found = mcp_finding([new, old])
    assert found.verdict is Verdict.WARNING
    assert str(tmp_path / "old") in found.mend


def test_another_package_of_one_of_our_names_fails(tmp_path: Path) -> None:
    assert names_finding([str(ROOT)], ROOT).verdict is Verdict.OK
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").touch()
    found = names_finding([str(tmp_path), str(ROOT)], ROOT)
    assert found.verdict is Verdict.FAILED
    assert str(tmp_path / "core") in found.seen


def test_zones_are_known_here(tmp_path: Path) -> None:
    (found,) = check_zones(room_of(tmp_path))
    assert found.verdict is Verdict.OK


def test_missing_zones_fail_with_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.doctor.programs.ZONES", ("Nowhere/Land",))
    (found,) = check_zones(room_of(tmp_path))
    assert found.verdict is Verdict.FAILED
    assert "tzdata" in found.mend


def test_nats_server_that_runs_is_ok_and_another_program_or_none_fails(tmp_path: Path) -> None:
    (good,) = check_nats_server(room_of(tmp_path))
    assert good.verdict is Verdict.OK
    for given in ("/bin/echo", str(tmp_path / "none")):
        settings = settings_from({"NATS_SERVER": given}, home=tmp_path, user_home=tmp_path)
        (bad,) = check_nats_server(room_of(tmp_path, settings=settings))
        assert bad.verdict is Verdict.FAILED
        assert "NATS_SERVER" in bad.mend


def test_foreign_nats_server_is_not_checked(tmp_path: Path) -> None:
    given = {"NATS_URL": "nats://a:1", "TIGER_MCP_NATS_MONITOR": "http://a:2"}
    settings = settings_from(given, home=tmp_path, user_home=tmp_path)
    (found,) = check_nats_server(room_of(tmp_path, settings=settings))
    assert found.verdict is Verdict.NOT_CHECKED
