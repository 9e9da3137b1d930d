"""The list of accounts as a person changes it: files and names judged, nothing asked of a broker.

Each change returns a whole new list, so that the caller saves it once or not at all.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from core.errors import ConfigError
from core.ids import RESERVED_ALIASES, is_alias
from core.modes import Environment, Mode
from infra.home import (
    AccountSettings,
    Installation,
    LoginSettings,
    RemovedAccount,
    SandboxAddress,
    check_private,
)
from infra.sandbox.logins.files import LOGIN_FILE, LoginFile

PROPERTIES_FILE: Final = "tiger_openapi_config.properties"
LIVE_WAITS: Final = (
    "a live account stays read_only: it can leave that mode only once limits and approvals exist"
)
# Source: tigeropen 3.8.0, `common/util/account_util.py` (read 2026-11-23): a paper account's number
# has 17 digits or more.
_PAPER_DIGITS_MIN: Final = 17
_KINDS: Final[Mapping[str, "Kind"]] = {"PAPER": "paper", "STANDARD": "prime"}
# Source: tigeropen 3.8.0, `trade_client.py`, `get_managed_accounts`: the words of `status`.
_ENDED: Final = frozenset({"Abandoned", "Rejected", "Closed"})
_SHOWN_DIGITS: Final = 4
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Kind = Literal["prime", "paper"]


class BrokerAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the broker tells of it, in its own words."""

    number: str
    account_type: str
    status: str


class NewAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be added, all of it checked with the broker.

    `login` is the name asked for, "" for the one that fits; `tiger_ids` are those of the logins
    that there are, by name.
    """

    alias: str
    login: str
    tiger_id: str
    properties: Path
    number: str
    environment: Environment
    mode: Mode
    sandbox: SandboxAddress | None
    tiger_ids: Mapping[str, str]


def find_properties(path: Path) -> Path:
    """Return the absolute path of Tiger's properties file, or of the one in a folder.

    Raises:
        ConfigError: there is none, or others than its owner may read it.
    """
    file = path.expanduser().absolute()
    if file.is_dir():
        file /= PROPERTIES_FILE
    if not file.is_file():
        raise ConfigError(
            f"expected Tiger's properties file at {file}, was none; export {PROPERTIES_FILE} from "
            "the developer page of Tiger's site"
        )
    check_private(file)
    return file


def sandbox_login(properties: Path) -> LoginFile | None:
    """Return what a sandbox says beside a properties file that it made, or nothing for another's.

    Raises:
        ConfigError: it is there and does not decode.
    """
    file = properties.with_name(LOGIN_FILE)
    try:
        return msgspec.json.decode(file.read_bytes(), type=LoginFile)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigError(
            f"expected {file} as the sandbox wrote it, was damaged; put it back from a copy, or "
            "take another login of that sandbox"
        ) from None


def kind_of(account: BrokerAccount) -> Kind:
    """Tell a paper account from a prime one, by the broker's word and by its number.

    Raises:
        ConfigError: it is neither, or the two contradict each other.
    """
    shown = masked(account.number)
    if account.status in _ENDED:
        raise ConfigError(f"account: the broker calls {shown} {account.status.lower()}")
    said = _KINDS.get(account.account_type)
    if said is None:
        raise ConfigError(
            f"account: expected {shown} to be a prime or a paper account, was another kind"
        )
    is_long = account.number.isdigit() and len(account.number) >= _PAPER_DIGITS_MIN
    if (said == "paper") != is_long:
        raise ConfigError(
            f"account: the broker calls {shown} {said}, but its number says otherwise; nothing was "
            "added, because paper and live must never be taken for each other"
        )
    return said


def choose(accounts: tuple[BrokerAccount, ...], *, wanted: str, written: str) -> BrokerAccount:
    """Return the account that is meant.

    Args:
        accounts: those that the login has.
        wanted: the number asked for, or "".
        written: the number in the properties file, or "".

    Raises:
        ConfigError: the login does not have it, or has several and none is named.
    """
    number = wanted or written
    if not number and len(accounts) == 1:
        return accounts[0]
    for account in accounts:
        if account.number == number:
            return account
    there = ", ".join(f"{masked(each.number)} ({each.account_type})" for each in accounts) or "none"
    if not number:
        raise ConfigError(
            f"account: missing in the properties file, and the login has {there}; give --account"
        )
    field = "--account" if wanted else "account"
    raise ConfigError(f"{field}: {masked(number)} is not this login's; the broker tells of {there}")


def environment_of(kind: Kind, sandbox: SandboxAddress | None) -> Environment:
    """Return the world of an account: only what listens on this machine is a sandbox."""
    if sandbox is not None:
        return Environment.SANDBOX
    return Environment.PAPER if kind == "paper" else Environment.LIVE


def sandbox_address(url: str, *, gateway_key: str, push_port: int) -> SandboxAddress:
    """Return where a person's own sandbox listens.

    Raises:
        ConfigError: it is not on this machine.
    """
    try:
        parts = urlsplit(url)
        is_here = parts.hostname in _LOOPBACK and parts.port is not None
    except ValueError:
        is_here = False
    if not is_here or parts.scheme != "http" or parts.username is not None:
        raise ConfigError(
            "--server-url: expected http://127.0.0.1:PORT/gateway of a sandbox on this machine; "
            "Tiger's own address is never given, it follows from the licence"
        )
    return SandboxAddress(server_url=url, gateway_key=gateway_key, push_port=push_port)


def with_account(installation: Installation, new: NewAccount) -> Installation:
    """Return the list with one account more; a known tiger_id's login takes it.

    Raises:
        ConfigError: its alias, number or tiger_id is in use in another way.
    """
    check_alias(installation, new.alias)
    _check_number(installation, new)
    holder = _holder(installation, new)
    if holder and new.login not in ("", holder):
        raise ConfigError(
            f"--login: this tiger_id is in use by login {holder}, and one login has one worker; "
            f"give --login {holder}"
        )
    name = holder or new.login or new.alias
    _check_name(name, field="--login")
    account = AccountSettings(
        alias=new.alias, number=new.number, environment=new.environment, mode=new.mode
    )
    for login in installation.logins:
        if login.name == name:
            if not holder:
                raise ConfigError(f"--login: login {name} exists with another tiger_id")
            grown = _grown(login, account, new)
            logins = tuple(grown if each is login else each for each in installation.logins)
            return replace(installation, logins=logins)
    for login in installation.logins:
        if new.alias in login.aliases:
            raise ConfigError(_bound(new.alias, login.name))
    added = LoginSettings(
        name=name, properties=str(new.properties), accounts=(account,), sandbox=new.sandbox
    )
    return replace(installation, logins=(*installation.logins, added))


def check_alias(installation: Installation, alias: str) -> None:
    """Refuse an alias that cannot name one account more.

    Raises:
        ConfigError: saying why.
    """
    _check_name(alias, field="ALIAS")
    if any(each.alias == alias for login in installation.logins for each in login.accounts):
        raise ConfigError(f"ALIAS: {alias} is in use; see `tiger-mcp account list`")


def _check_name(name: str, *, field: str) -> None:
    if name in RESERVED_ALIASES:
        raise ConfigError(f"{field}: {name} is the name of the service's own record; take another")
    if not is_alias(name):
        raise ConfigError(f"{field}: expected 1 to 32 of a-z, 0-9 and inner '-', was {name[:40]!r}")


def without_account(
    installation: Installation, alias: str, *, left_open: tuple[str, ...]
) -> Installation:
    """Return the list with one account fewer; its alias stays bound to its ledger.

    Args:
        installation: the list as it is.
        alias: of the account.
        left_open: ids of the orders that were open or in doubt.
    """

    def shrunk(login: LoginSettings) -> LoginSettings:
        gone = tuple(
            RemovedAccount(
                alias=each.alias,
                number=each.number,
                environment=each.environment,
                left_open=left_open,
            )
            for each in login.accounts
            if each.alias == alias
        )
        kept = tuple(each for each in login.accounts if each.alias != alias)
        return replace(login, accounts=kept, removed=(*login.removed, *gone))

    return replace(installation, logins=tuple(shrunk(login) for login in installation.logins))


def with_mode(installation: Installation, alias: str, mode: Mode) -> Installation:
    """Return the list with an account's mode set.

    Raises:
        ConfigError: it is a live account, which stays read_only.
    """
    account = account_of(installation, alias)
    check_mode(account.environment, mode)

    def set_in(login: LoginSettings) -> LoginSettings:
        accounts = tuple(
            replace(each, mode=mode) if each.alias == alias else each for each in login.accounts
        )
        return replace(login, accounts=accounts)

    return replace(installation, logins=tuple(set_in(login) for login in installation.logins))


def check_mode(environment: Environment, mode: Mode) -> None:
    """Refuse a mode that an account of this world cannot have yet.

    Raises:
        ConfigError: saying what it waits for.
    """
    if environment is Environment.LIVE and mode is not Mode.READ_ONLY:
        raise ConfigError(f"--mode {mode}: {LIVE_WAITS}")


def account_of(installation: Installation, alias: str) -> AccountSettings:
    """Return an account's settings.

    Raises:
        ConfigError: there is none of that name.
    """
    accounts = [each for login in installation.logins for each in login.accounts]
    for account in accounts:
        if account.alias == alias:
            return account
    known = ", ".join(each.alias for each in accounts) or "none yet"
    raise ConfigError(f"expected one of the accounts {known}, was {alias[:40]!r}")


def masked(number: str) -> str:
    """Return an account's number with all but its last four digits hidden."""
    if len(number) <= _SHOWN_DIGITS:
        return "…"
    return f"…{number[-_SHOWN_DIGITS:]}"


def _grown(login: LoginSettings, account: AccountSettings, new: NewAccount) -> LoginSettings:
    # A login that lost its last account may come back with a new file or another sandbox.
    properties = login.properties if login.accounts else str(new.properties)
    if login.accounts and login.sandbox != new.sandbox:
        raise ConfigError(
            f"--server-url: login {login.name} reaches its broker at another address; all accounts "
            "of one login share one"
        )
    for gone in login.removed:
        is_same = (gone.number, gone.environment) == (account.number, account.environment)
        if gone.alias == account.alias and not is_same:
            raise ConfigError(_bound(account.alias, login.name))
    return replace(
        login,
        properties=properties,
        sandbox=new.sandbox,
        accounts=(*login.accounts, account),
        removed=tuple(each for each in login.removed if each.alias != account.alias),
    )


# The login whose tiger_id this is; one whose file is gone is known by the account it had.
def _holder(installation: Installation, new: NewAccount) -> str:
    for name, known in new.tiger_ids.items():
        if known == new.tiger_id:
            return name
    for login in installation.logins:
        had = any((each.alias, each.number) == (new.alias, new.number) for each in login.removed)
        if had and login.name not in new.tiger_ids:
            return login.name
    return ""


def _check_number(installation: Installation, new: NewAccount) -> None:
    for login in installation.logins:
        for account in login.accounts:
            if account.number == new.number:
                raise ConfigError(
                    f"account: {masked(new.number)} is here already, as {account.alias}"
                )
        for gone in login.removed:
            if gone.number == new.number and gone.alias != new.alias:
                raise ConfigError(
                    f"ALIAS: {masked(new.number)} was here as {gone.alias}, and its record goes on "
                    f"under that name; add it as {gone.alias}"
                )


def _bound(alias: str, login: str) -> str:
    return (
        f"ALIAS: {alias} names the record of another account that was removed from login {login}; "
        "take another"
    )
