"""`account add`: Tiger's own properties file becomes an account, once the broker knows it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click
import msgspec

from core.errors import ConfigError
from core.modes import Environment, Mode
from infra.accounts import (
    LIVE_WAITS,
    BrokerAccount,
    Kind,
    NewAccount,
    check_alias,
    check_mode,
    choose,
    environment_of,
    find_properties,
    kind_of,
    masked,
    sandbox_address,
    sandbox_login,
    with_account,
)
from infra.cli.account_changes import changing
from infra.cli.context import with_settings
from infra.config import Settings, drop_sdk_settings
from infra.home import Home, Installation, SandboxAddress, check_private
from infra.sandbox.logins.files import LOGIN_FILE, PORTS_FILE, LoginFile, Ports, read_ports

if TYPE_CHECKING:
    from adapters.tiger_worker.credentials import Credentials

_ASK_LIMIT_S: Final = 10.0
_PORT_MAX: Final = 65_535


@click.command()
@click.argument("alias")
@click.option(
    "--props",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Tiger's tiger_openapi_config.properties, or its folder; it stays where it is.",
)
@click.option("--login", default="", help="Name of the login [default: the alias].")
@click.option("--account", "number", default="", help="Number, where the login has several.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    help="What a model may do at first; without it a paper account is asked for once.",
)
@click.option("--yes", is_flag=True, help="Start a paper account in auto without asking.")
@click.option("--server-url", default="", help="Of a sandbox of your own on this machine.")
@click.option(
    "--gateway-key",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="File with that sandbox's public key [default: found beside its properties file].",
)
@click.option("--unsigned", is_flag=True, help="That sandbox signs no reply: take none signed.")
@click.option(
    "--push-port",
    type=click.IntRange(0, _PORT_MAX),
    help="That sandbox's push port in plain TCP; 0: none [default: found likewise].",
)
@with_settings
def add(
    settings: Settings,
    alias: str,
    props: Path,
    login: str,
    number: str,
    mode: str | None,
    yes: bool,
    server_url: str,
    gateway_key: Path | None,
    unsigned: bool,
    push_port: int | None,
) -> None:
    """Add an account of Tiger's as ALIAS; the broker is asked first, and nothing is ordered.

    The credentials stay in FILE, which only you may be able to read (mode 0600).
    """
    drop_sdk_settings()
    with changing(settings) as change:
        check_alias(change.installation, alias)
        file = find_properties(props)
        own = sandbox_login(file)
        key = _Key(file=gateway_key, is_unsigned=unsigned)
        sandbox = _sandbox_of(file, own, server_url=server_url, key=key, push_port=push_port)
        credentials = _credentials_of(file, is_sandbox=sandbox is not None)
        if sandbox is not None:
            _check_owner(file, own, credentials)
        accounts = _ask_broker(file, sandbox)
        found = choose(accounts, wanted=number, written=credentials.account)
        kind = kind_of(found)
        environment = environment_of(kind, sandbox)
        wanted = None if mode is None else Mode(mode)
        if wanted is not None:
            check_mode(environment, wanted)
        new = NewAccount(
            alias=alias,
            login=login,
            tiger_id=credentials.tiger_id,
            properties=file,
            number=found.number,
            environment=environment,
            # Judged first, so that a person is asked about an account that can be added.
            mode=Mode.READ_ONLY,
            sandbox=sandbox,
            tiger_ids=_tiger_ids(Home(settings.home), change.installation),
        )
        with_account(change.installation, new)
        if _is_returning(change.installation, alias):
            chosen = Mode.READ_ONLY
            click.echo(
                f"{alias}: comes back in read_only, as it went; "
                f"`tiger-mcp account mode {alias} auto` lets a model trade"
            )
        else:
            chosen = wanted or _first_mode(alias, kind, environment, is_yes=yes)
        after = with_account(change.installation, msgspec.structs.replace(new, mode=chosen))
        change.save(after)
        holder = next(each.name for each in after.logins if alias in each.aliases)
        click.echo(
            f"{alias}: added, {environment}, {kind} account {masked(found.number)}, "
            f"login {holder}, mode {chosen}"
        )
        if environment is Environment.LIVE:
            click.echo(LIVE_WAITS)
        change.wait_until_taken(holder)


# What a person said of the key that checks a sandbox's replies.
class _Key(NamedTuple):
    file: Path | None
    is_unsigned: bool


def _sandbox_of(
    file: Path, own: LoginFile | None, *, server_url: str, key: _Key, push_port: int | None
) -> SandboxAddress | None:
    if not server_url:
        if key.file is not None or key.is_unsigned or push_port is not None:
            raise ConfigError(
                "--gateway-key, --unsigned and --push-port are for a sandbox: give --server-url"
            )
        if own is not None:
            raise ConfigError(
                f"--server-url: {file} is a sandbox's; give the address that `tiger-mcp sandbox` "
                "prints"
            )
        return None
    address = sandbox_address(server_url, gateway_key=_gateway_key(own, key), push_port=0)
    if push_port is None:
        ports = _ports_beside(file) if own is not None else None
        is_its_own = ports is not None and f":{ports.http}/" in server_url
        push_port = ports.push if ports is not None and is_its_own else 0
    return msgspec.structs.replace(address, push_port=push_port)


def _gateway_key(own: LoginFile | None, key: _Key) -> str:
    if key.is_unsigned:
        if key.file is not None:
            raise ConfigError("--unsigned: expected no --gateway-key with it")
        # Whatever leads to Tiger could leave the signature out; a key that a sandbox made opens
        # nothing there.
        if own is None:
            raise ConfigError(
                f"--unsigned: expected the files that a sandbox made, with {LOGIN_FILE} beside the "
                "properties file, was none; a sandbox of another make signs its replies: "
                "--gateway-key"
            )
        return ""
    if key.file is None:
        text = "" if own is None else own.tiger_public_key
    else:
        try:
            text = key.file.read_text(encoding="ascii").strip()
        except UnicodeDecodeError:
            raise ConfigError(
                f"--gateway-key: expected the base64 of a public key in {key.file}, was no text"
            ) from None
    if not text:
        raise ConfigError(
            "--gateway-key: expected a file with the sandbox's public key, was none; without one "
            "whatever leads to Tiger would pass for a sandbox (one that signs no reply: --unsigned)"
        )
    return text


# A sandbox's files lie in `logins/NAME` of its folder.
def _ports_beside(file: Path) -> Ports | None:
    folder = file.parent.parent.parent
    try:
        return read_ports(folder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigError(
            f"expected {folder / PORTS_FILE} as the sandbox writes it, was damaged; start that "
            "sandbox again, or give --push-port"
        ) from None


# What Tiger exported names a licence; what a sandbox made has its own file beside it.
def _check_owner(file: Path, own: LoginFile | None, credentials: "Credentials") -> None:
    if own is None and credentials.licence:
        raise ConfigError(
            f"license: {file} is of a real Tiger login, and no sandbox made it; a sandbox takes "
            "the files in its own `logins` folder alone, and a real login no --server-url"
        )
    if own is not None and own.tiger_id != credentials.tiger_id:
        raise ConfigError(
            f"tiger_id: {file} has another one than the sandbox's file beside it; take both from "
            "one folder of the sandbox's `logins`"
        )


def _credentials_of(file: Path, *, is_sandbox: bool) -> "Credentials":
    # Only here: the SDK takes a second to import.
    from adapters.tiger_worker.credentials import read_credentials

    credentials = read_credentials(file, is_sandbox=is_sandbox)
    if credentials.token_path.exists():
        check_private(credentials.token_path)
    return credentials


def _ask_broker(file: Path, sandbox: SandboxAddress | None) -> tuple[BrokerAccount, ...]:
    from adapters.tiger_worker.credentials import managed_accounts
    from adapters.tiger_worker.session import LoginAccess, Session

    if sandbox is None:
        # Until the broker has told, the account counts as one with real money.
        access = LoginAccess(properties=file, environment=Environment.LIVE)
    else:
        access = LoginAccess(
            properties=file,
            environment=Environment.SANDBOX,
            server_url=sandbox.server_url,
            gateway_key=sandbox.gateway_key,
        )
    return tuple(
        BrokerAccount(number=each.number, account_type=each.account_type, status=each.status)
        for each in managed_accounts(Session(access, timeout_s=_ASK_LIMIT_S))
    )


def _tiger_ids(home: Home, installation: Installation) -> dict[str, str]:
    from adapters.tiger_worker.credentials import read_credentials

    found = {}
    for login in installation.logins:
        try:
            file = home.path / login.properties
            found[login.name] = read_credentials(file, is_sandbox=True).tiger_id
        except (ConfigError, OSError) as error:
            if login.accounts:
                aliases = (each.alias for each in login.accounts)
                gone = " and ".join(f"`tiger-mcp account remove {a} --force`" for a in aliases)
                raise ConfigError(
                    f"login {login.name}: its tiger_id must be known, so that no two logins share "
                    f"one, but {error}. Put the file back, or type {gone} and add it again"
                ) from None
    return found


def _is_returning(installation: Installation, alias: str) -> bool:
    return any(gone.alias == alias for login in installation.logins for gone in login.removed)


def _first_mode(alias: str, kind: Kind, environment: Environment, *, is_yes: bool) -> Mode:
    if environment is Environment.LIVE or kind != "paper":
        return Mode.READ_ONLY
    if is_yes:
        return Mode.AUTO
    if not sys.stdin.isatty():
        click.echo(
            f"{alias}: starts in read_only, because nobody can be asked here; "
            f"`tiger-mcp account mode {alias} auto` lets a model trade"
        )
        return Mode.READ_ONLY
    may_trade = click.confirm(
        f"{alias} is a paper account (play money). May a model trade on it by itself (auto)?",
        default=False,
    )
    return Mode.AUTO if may_trade else Mode.READ_ONLY
