"""How long the walk over the tools is that a run makes, and by which seed."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("walk")
    group.addoption("--walk-calls", type=int, default=5000, help="calls that the seed makes")
    group.addoption("--walk-seed", type=int, default=1, help="of what the walk asks, in what order")
