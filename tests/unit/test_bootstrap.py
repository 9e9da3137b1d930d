"""The set-up from a bare Python: which command it leaves behind."""

from pathlib import Path

import pytest

from infra import bootstrap


@pytest.mark.parametrize(
    ("recipe", "is_installed", "is_told"),
    [("setup", True, True), ("setup", False, True), ("demo", False, True), ("demo", True, False)],
)
def test_command_is_told_by_its_path_where_somebody_sets_up(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    recipe: str,
    is_installed: bool,
    is_told: bool,
) -> None:
    called: list[list[str]] = []

    def call(command: list[str], *, cwd: str) -> int:
        called.append(command)
        return 0

    monkeypatch.setattr(bootstrap, "is_installed", lambda: is_installed)
    monkeypatch.setattr(bootstrap, "_install", lambda: None)
    monkeypatch.setattr("infra.bootstrap.subprocess.call", call)
    assert bootstrap.main([recipe]) == 0
    said = capsys.readouterr().err
    assert ("setup: ready; the command is " in said) is is_told
    assert [each[1:] for each in called] == [[recipe]]
    if is_told:
        path = Path(said.rpartition(" is ")[2].strip())
        assert path.is_absolute()
        assert path.stem == "tiger-mcp"
        assert path.parent.parent == bootstrap.VENV
