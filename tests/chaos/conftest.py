"""How much chaos a run makes: a short share by itself, the whole by `just chaos`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption("--chaos-orders", type=int, default=40, help="orders to place")
    group.addoption("--chaos-seed", type=int, default=1, help="of who is killed or paused when")
