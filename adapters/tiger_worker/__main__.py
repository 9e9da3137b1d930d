"""`python -P -m adapters.tiger_worker --home H --login NAME`: the worker of one Tiger login."""

import argparse
import gc
import platform
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

import structlog
from nats.aio.client import Client

from adapters.tiger_worker.account import (
    AccountPlan,
    AccountWorker,
    LoginPlan,
    World,
    file_halt_of,
)
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.file_halt import FileHalt
from adapters.tiger_worker.lease import Holder, Lease, LeasedLedger, await_lease, may_arrive
from adapters.tiger_worker.login import (
    EXIT_FAILED,
    EXIT_WORN,
    Ending,
    begin,
    code_of,
    end,
    finish_halts,
    pulse_of,
    push_link_of,
    reach,
    say,
    token_keeper_of,
)
from adapters.tiger_worker.parts import Ledger
from adapters.tiger_worker.rates import NO_BUDGETS, TIGER_BUDGETS, RateBudget
from adapters.tiger_worker.reconcile import Pace
from adapters.tiger_worker.session import LoginAccess, Session
from adapters.tiger_worker.watchdog import exit_now
from core.context import Timing
from core.errors import ConfigError, ServiceError, VersionConflictError
from core.modes import Environment
from core.ports import StoredRecord
from core.subjects import Kind, history_consumer, ledger_stream
from infra import logs
from infra.access import link_settings
from infra.accounts import sandbox_login
from infra.clock import RandomIds, SystemClock
from infra.config import Settings, drop_sdk_settings, load_settings
from infra.home import Home, LoginSettings, check_private, write_private
from infra.keyring import command_keys, control_keys
from infra.ledger.append import AccountWriter
from infra.ledger.desk_ledger import DeskLedger
from infra.ledger.history import LedgerReader
from infra.login_lock import is_in_place, login_locks, take_login_lock
from infra.nats.home_lock import HomeLock
from infra.nats.lease_domain import lock_domain, read_boot_identity
from infra.nats.lease_store import LeaseStore
from infra.nats.link import LoopThread, connect
from infra.nats.login_messages import AccountEnd, LoginMessages
from infra.nats.topology import worker_role
from infra.sandbox.logins.files import (
    LOGIN_FILE,
    read_ports,
)
from infra.version import code_version

log = structlog.get_logger()
# `EX_TEMPFAIL`: another process holds this login.
EXIT_LOGIN_IN_USE: Final = 75
EXIT_CONFIG: Final = 78
# A desk waits for the interpreter at most this long behind a lane that parses a reply.
SWITCH_INTERVAL_S: Final = 0.0005
# Where the SDK looks for a token: beside the properties file.
LICENCE_FILE: Final = "tiger_openapi_token.properties"
HISTORY_LIMIT_S: Final = 600.0
CONNECT_LIMIT_S: Final = 10.0
STOP_LIMIT_S: Final = 5.0
_SANDBOX_PACE: Final = Pace(settle_s=0.03, gap_s=0.1, watching_s=0.2, idle_s=2.0, figures_s=2.0)
# Well under Tiger's 120 listings a minute, with the watched orders of several accounts.
_TIGER_PACE: Final = Pace(settle_s=0.03, gap_s=1.0, watching_s=2.0, idle_s=20.0, figures_s=30.0)

MakeBroker = Callable[[Session, str], AccountBroker]
MakeLedger = Callable[[LoopThread, AccountWriter], Ledger]
FindAccess = Callable[[Home, LoginSettings], LoginAccess]


def main() -> None:
    """Run until told to stop; the exit code says why it ended."""
    arguments = parse_arguments(sys.argv[1:])
    run(load_settings(home=arguments.home), arguments.login)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return `home` and `login`."""
    parser = argparse.ArgumentParser(description="The worker of one Tiger login.")
    parser.add_argument("--home", type=Path, required=True, help="folder of the installation")
    parser.add_argument("--login", required=True, help="name of the login in the installation")
    return parser.parse_args(arguments)


def tiger_broker(session: Session, number: str) -> AccountBroker:
    """Return the broker of an account behind the real SDK."""
    return AccountBroker(
        session, number=number, clock=SystemClock(), secrets=lambda: session.secrets
    )


def run(
    settings: Settings,
    login_name: str,
    *,
    timing: Timing | None = None,
    make_broker: MakeBroker = tiger_broker,
    make_ledger: MakeLedger = DeskLedger,
    find_access: FindAccess | None = None,
    locks: Path | None = None,
) -> None:
    """Run one login's worker in this process, which ends with it.

    Args:
        timing: the limits of time; none means those of the service.
        make_broker: makes an account's broker; tests hand in one that dies at a chosen step.
        make_ledger: likewise for its ledger.
        find_access: says how the login reaches its broker; none means as the home says.
        locks: folder of the locks of logins; none means the user's own.
    """
    logs.configure(f"worker-{login_name}", settings.log_level)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    drop_sdk_settings()
    try:
        parts = (timing or Timing(), make_broker, make_ledger, find_access or access_of, locks)
        code = _Login(settings, login_name, *parts).run()
    except ConfigError as error:
        log.error("worker.not_started", reason=str(error))
        code = EXIT_CONFIG
    except (ServiceError, TimeoutError) as error:
        log.error("worker.failed", reason=repr(error))
        code = code_of(error)
    sys.stderr.flush()
    # A thread that hangs in the SDK would hold up a normal exit.
    exit_now(code)


class _Login:
    def __init__(
        self,
        settings: Settings,
        login_name: str,
        timing: Timing,
        make_broker: MakeBroker,
        make_ledger: MakeLedger,
        find_access: FindAccess,
        locks: Path | None,
    ) -> None:
        self._settings = settings
        self._home = Home(settings.home)
        self._installation = self._home.load()
        self._login = self._installation.login(login_name)
        self._timing = timing
        self._make_broker = make_broker
        self._make_ledger = make_ledger
        self._find_access = find_access
        self._locks = locks
        self._ending = Ending()
        self._loop = LoopThread(f"nats-{login_name}")
        self._known: list[AccountWorker] = []
        self._lease: Lease | None = None

    def run(self) -> int:
        access = self._find_access(self._home, self._login)
        session = Session(access, timeout_s=self._timing.sdk_timeout_s)
        session.numbers = tuple(account.number for account in self._login.accounts)
        lock = take_login_lock(session.tiger_id, folder=self._locks or login_locks())
        if lock is None:
            log.error("worker.login_in_use", login=self._login.name)
            return EXIT_LOGIN_IN_USE
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: self._ending.stop())
        world = self._world(session, lock, access.environment)
        plan = self._login_plan(world)
        who = self._holder(world, lock)
        file_halts = [file_halt_of(each, plan, world) for each in self._account_plans()]
        for file_halt in file_halts:
            file_halt.start()
        try:
            return self._serve(world, plan, who, file_halts, access.properties.parent)
        except (ConfigError, VersionConflictError):
            # This is not, or no more, the worker of these accounts.
            raise
        except (ServiceError, TimeoutError):
            finish_halts(file_halts, self._ending)
            raise

    # From here on what a halt file asks for is done, whatever becomes of the rest.
    def _serve(
        self, world: World, plan: LoginPlan, who: Holder, file_halts: list[FileHalt], files: Path
    ) -> int:
        nc = reach(
            lambda: self._loop.run(self._connect(), CONNECT_LIMIT_S), file_halts, self._ending
        )
        if isinstance(nc, int):
            return nc
        self._lease = lease = Lease(
            LeaseStore(self._loop, nc, login=self._login.name),
            who,
            clock=world.clock,
            timing=self._timing,
            on_failure=self._ending.fail,
        )
        code = await_lease(lease, file_halts, self._ending, tell=say)
        if code is not None:
            return code
        lease.keep()
        accounts = self._accounts(nc, world, plan, file_halts, lease)
        for account in accounts:
            self._loop.run(self._restore(nc, account), HISTORY_LIMIT_S)
        self._known = accounts
        begin(accounts)
        keeper = token_keeper_of(
            accounts,
            world,
            store=lambda token: write_private(files / LICENCE_FILE, f"token={token}\n".encode()),
            name=f"token-{self._login.name}",
        )
        keeper.start()
        messages = self._messages(nc, accounts)
        self._loop.run(messages.start(), CONNECT_LIMIT_S)
        # What start-up made stays; the collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        pulse_of(accounts, self._ending).start()
        link = push_link_of(accounts, world, self._ending)
        link.start()
        code = self._ending.wait()
        if code == EXIT_FAILED:
            finish_halts(file_halts, self._ending)
        link.stop()
        keeper.stop()
        end(
            accounts,
            stop_taking=lambda: self._loop.run(messages.stop(), STOP_LIMIT_S),
            open_act_wait_s=self._timing.deadline_s,
        )
        if code != EXIT_WORN:
            lease.give_up(may_arrive=lambda: may_arrive(accounts))
        self._loop.run(messages.leave(), STOP_LIMIT_S)
        return code

    def _holder(self, world: World, lock: HomeLock) -> Holder:
        is_own_server = self._settings.nats_url is None
        domain = lock_domain(lock, is_own_server=is_own_server, boot=read_boot_identity())
        return Holder(world.ids.new("holder"), domain, platform.node())

    async def _connect(self) -> Client:
        role = worker_role(self._login.name)
        is_up = False

        def tell_closed() -> None:
            # A try that fails closes too.
            if is_up:
                self._ending.lost_link()

        nc = await connect(
            link_settings(self._settings, role=role, name=role),
            on_error=lambda error: log.error("nats.error", reason=repr(error)),
            on_closed=tell_closed,
        )
        is_up = True
        return nc

    def _world(self, session: Session, lock: HomeLock, environment: Environment) -> World:
        is_sandbox = environment is Environment.SANDBOX
        clock = SystemClock()
        keys = self._settings.keys
        return World(
            session=session,
            make_broker=lambda number: self._make_broker(session, number),
            budget=RateBudget(NO_BUDGETS if is_sandbox else TIGER_BUDGETS),
            contracts=ContractBook(clock),
            clock=clock,
            ids=RandomIds(),
            verifiers={Kind.COMMAND: command_keys(keys), Kind.CONTROL: control_keys(keys)},
            is_lock_held=lambda: is_in_place(lock),
            has_lease=lambda: self._lease is not None and self._lease.is_valid,
            is_number_used=lambda number: any(number in a.state.numbers for a in self._known),
            on_failure=self._ending.fail,
        )

    def _login_plan(self, world: World) -> LoginPlan:
        return LoginPlan(
            name=self._login.name,
            ledger_id=self._installation.ledger_id,
            run_id=world.ids.new("run"),
            code_version=code_version(),
            timing=self._timing,
            pace=_SANDBOX_PACE if world.budget.is_unlimited else _TIGER_PACE,
        )

    def _account_plans(self) -> list[AccountPlan]:
        return [
            AccountPlan(
                alias=account.alias,
                number=account.number,
                environment=account.environment,
                mode=account.mode,
                halt_file=self._home.halt_file(account.alias),
                halt_journal=self._home.halt_journal(account.alias),
            )
            for account in self._login.accounts
        ]

    def _accounts(
        self,
        nc: Client,
        world: World,
        login: LoginPlan,
        file_halts: list[FileHalt],
        lease: Lease,
    ) -> list[AccountWorker]:
        return [
            AccountWorker(
                plan,
                login,
                world,
                ledger=LeasedLedger(
                    self._make_ledger(
                        self._loop,
                        AccountWriter(nc, stream=ledger_stream(login.name), account=plan.alias),
                    ),
                    lease,
                ),
                file_halt=file_halt,
            )
            for plan, file_halt in zip(self._account_plans(), file_halts, strict=True)
        ]

    async def _restore(self, nc: Client, account: AccountWorker) -> None:
        reader = LedgerReader(
            nc,
            stream=ledger_stream(self._login.name),
            consumer=history_consumer(account.alias),
            is_filtered=True,
        )
        async with aclosing(reader.batches(0, until_caught_up=True)) as batches:
            async for batch in batches:
                account.restore(StoredRecord(r.subject, r.sequence, r.body) for r in batch)
        account.check_binding()

    def _messages(self, nc: Client, accounts: list[AccountWorker]) -> LoginMessages:
        ends = [AccountEnd(a.alias, a.take, a.asks.answer, a.ask_threads) for a in accounts]
        return LoginMessages(nc, ends, on_failure=self._ending.fail)


def access_of(home: Home, login: LoginSettings) -> LoginAccess:
    """Return how a login reaches its broker, as the home says.

    Raises:
        ConfigError: no accounts, or of two worlds; no sandbox; a file that others may read.
    """
    properties = home.path / login.properties
    for secret in (properties, properties.parent / LICENCE_FILE):
        if secret.exists():
            check_private(secret)
    environments = {account.environment for account in login.accounts}
    if not environments:
        raise ConfigError(f"expected login {login.name} to have an account, was none")
    if Environment.SANDBOX not in environments:
        first = min(environments)
        return LoginAccess(properties=properties, environment=first)
    if len(environments) > 1:
        raise ConfigError(f"login {login.name} has sandbox accounts beside others")
    if login.sandbox is not None:
        return LoginAccess(
            properties=properties,
            environment=Environment.SANDBOX,
            server_url=login.sandbox.server_url,
            gateway_key=login.sandbox.gateway_key,
            push_port=login.sandbox.push_port,
        )
    ports = read_ports(home.sandbox)
    if ports is None:
        raise ConfigError("expected a running sandbox broker; run `tiger-mcp up`")
    file = sandbox_login(properties)
    if file is None:
        raise ConfigError(f"expected {LOGIN_FILE} beside {properties}, as the sandbox wrote it")
    return LoginAccess(
        properties=properties,
        environment=Environment.SANDBOX,
        server_url=f"http://127.0.0.1:{ports.http}/gateway",
        gateway_key=file.tiger_public_key,
        push_port=ports.push,
    )


if __name__ == "__main__":
    main()
