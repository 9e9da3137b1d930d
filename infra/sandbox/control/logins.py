"""The control port's part for logins: user tokens, and a holder's word about authorizations."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from infra.sandbox.home import Login
from infra.sandbox.logins.gate import Gate
from infra.sandbox.logins.switches import DAY_S
from infra.sandbox.wire.http_server import HttpRequest

LIFE_S_MAX = 3650 * DAY_S

Route = Callable[[HttpRequest], Awaitable[object]]


class UserTokenCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make a user token of a TBHK login and put it into the login's token file."""

    login: str
    life_s: int = 30 * DAY_S  # zero or less: one that has expired


class UserTokenView(msgspec.Struct, frozen=True, kw_only=True):
    """The token that was made."""

    token: str


class WaitingAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization that waits for its holder."""

    user_code: str
    client_name: str
    scopes: tuple[str, ...]
    is_device: bool  # else a browser waits
    ends_at: datetime


class AuthorizationsView(msgspec.Struct, frozen=True, kw_only=True):
    """Those that wait, oldest first."""

    waiting: tuple[WaitingAuthorization, ...]


class DecisionCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the holder says."""

    user_code: str
    login: str | None  # none: no
    accounts: tuple[str, ...] | None = None  # none: all of the login
    scopes: tuple[str, ...] | None = None  # none: all that were asked for


class EndAccessCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End a login's access tokens; revoked, they can not be refreshed either."""

    login: str
    is_revoked: bool = False


class EndedView(msgspec.Struct, frozen=True, kw_only=True):
    """How many authorizations were met."""

    count: int


class LoginRoutes:
    """Answers the control requests about logins."""

    def __init__(self, *, gate: Gate, logins: Sequence[Login], now: Callable[[], datetime]) -> None:
        self._gate = gate
        self._logins = {login.name: login for login in logins}
        self._now = now
        self.routes: Mapping[tuple[str, str], Route] = {
            ("POST", "/logins/user_token"): self._user_token,
            ("GET", "/logins/authorizations"): self._authorizations,
            ("POST", "/logins/authorizations"): self._decide,
            ("POST", "/logins/end_access"): self._end_access,
        }

    async def _user_token(self, request: HttpRequest) -> object:
        command = msgspec.json.decode(request.body, type=UserTokenCommand)
        if abs(command.life_s) > LIFE_S_MAX:
            raise ValueError(f"expected life_s of at most {LIFE_S_MAX}")
        token = self._gate.tokens.issue(
            self._login(command.login), now=self._now(), life=timedelta(seconds=command.life_s)
        )
        return UserTokenView(token=token)

    async def _authorizations(self, _request: HttpRequest) -> object:
        waiting = tuple(
            WaitingAuthorization(
                user_code=item.user_code,
                client_name=item.client.name,
                scopes=item.scopes,
                is_device=not item.redirect_uri,
                ends_at=item.ends_at,
            )
            for item in self._gate.authorizations.waiting()
        )
        return AuthorizationsView(waiting=waiting)

    async def _decide(self, request: HttpRequest) -> object:
        command = msgspec.json.decode(request.body, type=DecisionCommand)
        self._gate.authorizations.decide(
            command.user_code,
            login_name=command.login,
            accounts=command.accounts,
            scopes=command.scopes,
        )
        return await self._authorizations(request)

    async def _end_access(self, request: HttpRequest) -> object:
        command = msgspec.json.decode(request.body, type=EndAccessCommand)
        login = self._login(command.login)
        count = self._gate.authorizations.end_access(login.name, is_revoked=command.is_revoked)
        return EndedView(count=count)

    def _login(self, name: str) -> Login:
        if name not in self._logins:
            raise ValueError(f"expected the name of a login, was {name}")
        return self._logins[name]
