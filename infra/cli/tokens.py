"""`token`: who may use this service over HTTP. A token is shown once, and kept nowhere."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from adapters.mcp.callers import EVERY_ACCOUNT, SCOPE_PREFIX, SERVICE_SCOPE, Role
from adapters.mcp.http_service import check_url
from core.errors import ConfigError
from infra.cli.context import with_settings
from infra.cli.token_store import IssuedToken, TokenStore, issuer_of, url_of
from infra.clock import RandomIds
from infra.config import Settings
from infra.home import Home

_DAYS: Final = 30
_DAYS_MAX: Final = 365
_PRINCIPAL_LENGTH_MAX: Final = 64
_ROLES: Final = ", ".join(role.value for role in Role)


@click.group()
def token() -> None:
    """Tokens of clients that come over HTTP."""


@token.command()
@click.argument("principal")
@click.option(
    "--grant",
    "grants",
    multiple=True,
    required=True,
    metavar="ACCOUNT=ROLE",
    help=f"What it may do where; ACCOUNT may be '*', ROLE is one of {_ROLES}. Repeatable.",
)
@click.option("--days", default=_DAYS, show_default=True, type=click.IntRange(1, _DAYS_MAX))
@with_settings
def issue(settings: Settings, principal: str, grants: tuple[str, ...], days: int) -> None:
    """Make a token for PRINCIPAL and print it, this once.

    It is bound to the address of the service as it is set now (TIGER_MCP_HTTP_URL, or host and
    port): after a change of that it is refused.
    """
    if settings.token_issuer is not None:
        raise ConfigError(f"the tokens of this home come from {settings.token_issuer}")
    _check_principal(principal)
    check_url(url_of(settings))
    now = datetime.now(UTC)
    issued = IssuedToken(
        token_id=RandomIds().new("tok"),
        principal=principal,
        scopes=(SERVICE_SCOPE, *_scopes(settings, grants)),
        issued_at=now,
        expires_at=now + timedelta(days=days),
        audience=url_of(settings),
    )
    text = TokenStore(settings.home).issue(issued, issuer=issuer_of(settings))
    told = f"{principal} at {issued.audience}, until {_shown(issued.expires_at)}"
    click.echo(f"{issued.token_id} for {told}:", err=True)
    click.echo(text)


@token.command("list")
@with_settings
def list_(settings: Settings) -> None:
    """Show each token's id, principal, grants and times; never the token.

    A grant on an account that is not there (any more) is marked so, and a token that the service
    refuses as it is set now: one of another address, of another issuer, or of another key.
    """
    store = TokenStore(settings.home)
    issued = store.issued()
    known = _accounts(settings) if issued else []
    now = datetime.now(UTC)
    for each in issued:
        is_revoked = store.is_revoked(each.token_id)
        state = "revoked" if is_revoked else _state(each, settings, store, now=now)
        click.echo(
            f"{each.token_id}  {each.principal}  {_granted(each, known)}  "
            f"issued {_shown(each.issued_at)}  until {_shown(each.expires_at)}  {state}"
        )


@token.command()
@click.argument("token_id")
@with_settings
def revoke(settings: Settings, token_id: str) -> None:
    """Revoke a token by its id; it counts no more from this moment."""
    store = TokenStore(settings.home)
    known = {each.token_id for each in store.issued()}
    # Of another issuer's tokens nothing is known here, and any id may be one.
    if settings.token_issuer is None and token_id not in known:
        raise ConfigError("expected the id of a token; see `tiger-mcp token list`")
    store.revoke(token_id)
    click.echo("revoked")


def _state(issued: IssuedToken, settings: Settings, store: TokenStore, *, now: datetime) -> str:
    if issued.expires_at <= now:
        return "expired"
    if settings.token_issuer is not None and issued.issuer != settings.token_issuer:
        return f"of another issuer than {settings.token_issuer}: refused"
    if issued.audience not in ("", url_of(settings)):
        return f"of another address ({issued.audience}): refused"
    if issued.issuer not in ("", issuer_of(settings)):
        return f"of another issuer ({issued.issuer}): refused"
    keys = settings.token_keys
    if keys is not None and "://" in keys:
        return f"not known here: the keys are at {keys}"
    # Of one by an older version nobody knows which key signed it.
    known = store.key_ids(None if keys is None else Path(keys))
    if issued.key_id and issued.key_id not in known:
        return f"of another key ({issued.key_id}): refused"
    return "good"


def _granted(issued: IssuedToken, known: Collection[str]) -> str:
    told = []
    for scope in issued.scopes:
        if scope.startswith(SCOPE_PREFIX):
            account, _, role = scope.removeprefix(SCOPE_PREFIX).partition(":")
            is_there = account in (*known, EVERY_ACCOUNT)
            told.append(f"{account}={role}{'' if is_there else ' (no such account)'}")
    return ", ".join(told) or "nothing granted"


def _accounts(settings: Settings) -> list[str]:
    logins = Home(settings.home).load().logins
    return [account.alias for login in logins for account in login.accounts]


def _check_principal(principal: str) -> None:
    fits = 0 < len(principal) <= _PRINCIPAL_LENGTH_MAX and principal.isprintable()
    if not fits or principal != principal.strip():
        raise ConfigError(
            f"expected a principal of 1 to {_PRINCIPAL_LENGTH_MAX} printable characters"
        )


def _scopes(settings: Settings, grants: tuple[str, ...]) -> list[str]:
    known = _accounts(settings)
    scopes = []
    for grant in grants:
        account, _, role = grant.partition("=")
        if account not in (*known, EVERY_ACCOUNT):
            raise ConfigError(f"expected one of the accounts {', '.join(known)}, was {account!r}")
        if role not in frozenset(Role):
            raise ConfigError(f"expected {account}=ROLE with one of {_ROLES}, was {role!r}")
        scopes.append(f"{SCOPE_PREFIX}{account}:{role}")
    return scopes


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
