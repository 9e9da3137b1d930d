"""The gate in front of the methods: who calls, and may they call this now.

In this order: signature or access token, address, black list and rates, user token, quote rights.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from infra.sandbox.home import Login
from infra.sandbox.logins.oauth import AuthorizationServer
from infra.sandbox.logins.quote_rights import QuoteRights
from infra.sandbox.logins.register import Register
from infra.sandbox.logins.scopes import scope_for
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.logins.tokens import UserTokens
from infra.sandbox.wire.envelope import Authenticator, Envelope, GatewayError, require_fields
from infra.sandbox.wire.http_server import HttpRequest
from infra.sandbox.wire.rates import RateLimiter

BEARER = "bearer"
DEVICE_ID_LENGTH_MAX = 128
BEARER_FIELDS = ("method", "charset", "version", "timestamp")


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who was let in, and with which device."""

    login: Login
    device_id: str


class Gate:
    """Lets requests in."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizations: AuthorizationServer,
        tokens: UserTokens,
        rights: QuoteRights,
        rates: RateLimiter,
        switches: Callable[[], LoginSwitches],
    ) -> None:
        self.authorizations = authorizations
        self.tokens = tokens
        self.rights = rights
        self._authenticator = authenticator
        self._rates = rates
        self._switches = switches

    def admit(
        self, request: HttpRequest, envelope: Envelope, *, account: str, now: datetime
    ) -> Caller:
        """Return who calls.

        Raises:
            GatewayError: the request is not let in, with Tiger's code and reason.
        """
        method = envelope.text("method")
        is_bearer = _is_bearer(request, envelope)
        if is_bearer:
            login = self._bearer(request, envelope)
        else:
            login = self._authenticator.check(envelope)
        allowed = self._switches().ip_white_list
        if allowed and request.peer not in allowed:
            raise GatewayError(4, f"access forbidden(ip {request.peer} is not on the white list)")
        own = next((item for item in login.accounts if item.account == account), None)
        self._rates.check(
            tiger_id=login.tiger_id,
            method=method,
            account=own.account if own else "",
            is_paper=own is not None and own.kind == "paper",
            now=now,
        )
        if not is_bearer:
            self.tokens.check(login, request.authorization, now)
        device_id = envelope.text("device_id")[:DEVICE_ID_LENGTH_MAX]
        self.rights.check(
            login, device_id=device_id, method=method, business=envelope.business, now=now
        )
        return Caller(login=login, device_id=device_id)

    def _bearer(self, request: HttpRequest, envelope: Envelope) -> Login:
        access_token = request.authorization[len(BEARER) :].strip()
        login = self.authorizations.login_for_access_token(access_token)
        grant = self.authorizations.grant_for(access_token)
        if login is None or grant is None:
            raise GatewayError(4, "access forbidden(the access token does not hold)", status=401)
        require_fields(envelope, BEARER_FIELDS)
        scope = scope_for(envelope.text("method"))
        if scope not in grant.scopes:
            raise GatewayError(4, f"access forbidden(the scope {scope} is missing)", status=403)
        return login


def open_gate(
    home: Path,
    logins: Sequence[Login],
    *,
    switches: Callable[[], LoginSwitches],
    now: Callable[[], datetime],
) -> Gate:
    """Return the gate of a home, with what its register remembers.

    Raises:
        SandboxHomeError: the register does not decode.
    """
    register = Register(home)
    return Gate(
        authenticator=Authenticator(logins),
        authorizations=AuthorizationServer(
            register=register, logins=logins, switches=switches, now=now
        ),
        tokens=UserTokens(home, register, switches),
        rights=QuoteRights(register, switches),
        rates=RateLimiter(switches),
        switches=switches,
    )


def _is_bearer(request: HttpRequest, envelope: Envelope) -> bool:
    # A signature in the body decides for signed requests, whatever the headers say.
    is_signed = bool(envelope.text("sign") or envelope.text("tiger_id"))
    scheme, _, _ = request.authorization.partition(" ")
    return not is_signed and scheme.lower() == BEARER
