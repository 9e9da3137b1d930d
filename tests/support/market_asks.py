"""A worker's answers to market questions, from the real SDK and a running sandbox."""

from adapters.tiger_worker.asks import Asks
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.rates import NO_BUDGETS, RateBudget
from adapters.tiger_worker.session import LoginAccess, Session
from core.modes import Environment
from infra.clock import SystemClock
from infra.sandbox.logins.files import PROPERTIES_FILE, login_folder
from tests.support.sandbox import Sandbox
from tests.support.worker_parts import WAIT_S


def asks_of(sandbox: Sandbox) -> Asks:
    """Return what answers for the sandbox's first login, whose calls are not counted."""
    access = LoginAccess(
        properties=login_folder(sandbox.home, "desk") / PROPERTIES_FILE,
        environment=Environment.SANDBOX,
        server_url=sandbox.url,
        gateway_key=sandbox.login().tiger_public_key,
    )
    session = Session(access, timeout_s=WAIT_S)
    broker = AccountBroker(session, number=sandbox.account(), clock=SystemClock())
    return Asks(broker, budget=RateBudget(NO_BUDGETS))
