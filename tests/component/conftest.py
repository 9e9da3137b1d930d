"""The view file of a test, and the questions that it answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from projections.queries import Queries
from projections.store import ViewStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ViewStore]:
    """Return an empty view file."""
    made = ViewStore.open(tmp_path)
    yield made
    made.close()


@pytest.fixture
def queries(store: ViewStore) -> Iterator[Queries]:
    """Return what answers from that file."""
    made = Queries(store.path)
    yield made
    made.close()
