"""Ctrl-C in `up` and `down` ends the waiting alone, and says so."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.cli.__main__ import main
from infra.config import Settings
from infra.supervisor import detached

GOES_ON = {
    "up": ("ensure_up", "goes on starting; `tiger-mcp down` stops it"),
    "down": ("stop", "goes on stopping; `tiger-mcp status` shows its end"),
}


@pytest.mark.parametrize("command", GOES_ON)
def test_an_interrupt_says_that_the_cluster_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    name, expected = GOES_ON[command]

    def interrupted(_: Settings, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(detached, name, interrupted)
    result = CliRunner().invoke(main, ["--home", str(tmp_path), command])
    assert result.exit_code == 1
    assert expected in result.output
    assert "Aborted" not in result.output
