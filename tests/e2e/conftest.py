"""How long a walk over the tools a run makes: a short share by itself, the whole by `just walk`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("walk")
    group.addoption("--walk-calls", type=int, default=400, help="calls of the walk over the tools")
    group.addoption("--walk-seed", type=int, default=1, help="of what the walk asks, in what order")
