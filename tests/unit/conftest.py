"""What several modules of unit tests begin with."""

from pathlib import Path

import pytest

from tests.support.halt_watch import Watch, hasten
from tests.support.http_gateway import Issuer


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    """Return an issuer of tokens with files of its own."""
    return Issuer(tmp_path)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have watches over halt files hurry."""
    hasten(monkeypatch)


@pytest.fixture
def watch(tmp_path: Path, quick: None) -> Watch:
    """Return a hurried watch over a halt file."""
    return Watch(tmp_path)
