"""What a home is made of at its first start: a sandbox broker with two logins, three accounts.

Safe by default: nothing here knows a real broker, and every home has numbers of its own.
"""

import secrets
from typing import Final

from core.errors import ConfigError
from core.modes import Environment, Mode
from core.subjects import ledger_stream
from infra.home import AccountSettings, Home, Installation, LoginSettings
from infra.nats.layout import NatsHome
from infra.nats.topology import LoginPlan, Topology
from infra.sandbox.home import (
    AccountSpec,
    Login,
    LoginSpec,
    SandboxHomeError,
    create_home,
)
from infra.sandbox.logins.files import (
    PROPERTIES_FILE,
    login_folder,
)

_LEDGER_ID_BYTES: Final = 5
LIST_LOST_MEND: Final = "put it back from a copy, or take another home with --home"
DEFAULT_LOGINS: Final = (
    LoginSpec(
        name="alpha",
        accounts=(
            AccountSpec(alias="sandbox", kind="prime"),
            AccountSpec(alias="sandbox-paper", kind="paper"),
        ),
    ),
    LoginSpec(name="beta", accounts=(AccountSpec(alias="sandbox-two", kind="paper"),)),
)


def load_or_make(home: Home) -> Installation:
    """Return the installation of a home, made first where there is none.

    The caller holds the home's lock.

    Raises:
        ConfigError: the home's files do not decode or do not fit each other, or its list is lost.
    """
    if home.installation_file.exists():
        return home.load()
    check_not_lost(home)
    try:
        logins = create_home(home.sandbox, DEFAULT_LOGINS)
    except SandboxHomeError as error:
        raise ConfigError(f"{home.sandbox}: {error}") from error
    installation = Installation(
        ledger_id=new_ledger_id(),
        logins=tuple(login_settings(home, login) for login in logins),
    )
    home.save(installation)
    return installation


def is_list_lost(home: Home) -> bool:
    """Say whether a home has no list of accounts, and served accounts before.

    The list is saved before a server or a worker first starts. So a ledger, or what an account is
    bound to, is never what a first start left that was cut off.
    """
    if home.installation_file.exists():
        return False
    ledgers = NatsHome(home.path).store_dir.glob(f"jetstream/*/streams/{ledger_stream('*')}")
    # A server of somebody else keeps its ledgers elsewhere.
    return any(ledgers) or any(home.halt.glob("*.bound"))


def check_not_lost(home: Home) -> None:
    """Refuse to make a list of accounts where one was lost: their records are bound to that one.

    Raises:
        ConfigError: the home served accounts before.
    """
    if is_list_lost(home):
        raise ConfigError(
            f"the list of accounts {home.installation_file} is missing, and this home served "
            f"accounts before; {LIST_LOST_MEND}"
        )


def new_ledger_id() -> str:
    """Return what begins every order's mark, so that two homes on one login know their own."""
    return f"tm{secrets.token_hex(_LEDGER_ID_BYTES)}"


def topology_of(installation: Installation) -> Topology:
    """Return who exists on NATS for an installation; the gateway is granted every account.

    A removed account keeps its place in its login's ledger, where its line can still be read; no
    model reaches it.
    """
    return Topology(
        logins=tuple(
            LoginPlan(name=login.name, accounts=login.aliases) for login in installation.logins
        ),
        gateway_accounts=tuple(
            account.alias for login in installation.logins for account in login.accounts
        ),
    )


def has_sandbox(installation: Installation) -> bool:
    """Say whether an account needs the sandbox broker of the home."""
    return any(
        account.environment is Environment.SANDBOX
        for login in installation.logins
        for account in login.accounts
        if login.sandbox is None
    )


def login_settings(home: Home, login: Login) -> LoginSettings:
    """Return the settings of a sandbox login whose files lie in the home."""
    properties = login_folder(home.sandbox, login.name) / PROPERTIES_FILE
    return LoginSettings(
        name=login.name,
        properties=properties.relative_to(home.path).as_posix(),
        accounts=tuple(
            AccountSettings(
                alias=account.alias,
                number=account.account,
                environment=Environment.SANDBOX,
                mode=Mode.AUTO,
            )
            for account in login.accounts
        ),
    )
