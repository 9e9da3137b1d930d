"""The demonstration ends well, notices a difference, and leaves nothing running."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--plant-difference",), 1)])
def test_the_demonstration_compares_the_book_with_the_ledger(
    arguments: tuple[str, ...], code: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "infra.demo", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == code, ended.stdout[-3000:] + ended.stderr[-2000:]
    assert "none is left" in ended.stdout
    assert ("at the broker" in ended.stdout) == bool(arguments)
