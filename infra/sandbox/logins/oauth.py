"""The authorization server: applications, authorizations that wait for their holder, tokens.

It speaks the parts of OAuth2 that Tiger's client uses: registration (RFC 7591), the device flow
(RFC 8628), the code flow with PKCE (RFC 7636), refresh with rotation and revocation (RFC 7009).
A holder's yes or no comes through the control port. `oauth_http` puts it on the wire.

Source: tigeropen 3.8.0, `auth/oauth2/session_manager.py`; Tiger's page authentication (read
2026-11-22): accounts and scopes are chosen by the holder, an authorization lasts 15 days at most.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec

from infra.sandbox.home import Login
from infra.sandbox.logins.register import Grant, OAuthClient, Register
from infra.sandbox.logins.switches import LoginSwitches

CLIENT_COUNT_MAX = 1000
REQUEST_COUNT_MAX = 1000
GRANT_COUNT_MAX = 10_000
NAME_LENGTH_MAX = 200
REDIRECT_COUNT_MAX = 10
# RFC 8628, section 3.5: what a client that is told no interval keeps to.
POLL_INTERVAL_S_DEFAULT = 5
# Letters and digits that nobody confuses with each other.
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


class OAuthError(Exception):
    """A refusal in OAuth2's words; `status` is the one of HTTP."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder said; without a login it is a no."""

    login: Login | None
    accounts: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()


class Request:
    """An authorization that an application asked for, until its tokens are fetched."""

    def __init__(self, *, client: OAuthClient, scopes: tuple[str, ...], ends_at: datetime) -> None:
        self.client = client
        self.scopes = scopes
        self.ends_at = ends_at
        self.secret = secrets.token_urlsafe(32)  # the device code, or the code of the code flow
        self.user_code = _user_code()
        self.redirect_uri = ""  # of the code flow
        self.challenge = ""  # of the code flow
        self.decision: Decision | None = None
        self.decided = asyncio.Event()
        self.polled_at: datetime | None = None


class AuthorizationServer:
    """All applications and authorizations of a home."""

    def __init__(
        self,
        *,
        register: Register,
        logins: Iterable[Login],
        switches: Callable[[], LoginSwitches],
        now: Callable[[], datetime],
    ) -> None:
        self._register = register
        self._logins = {login.name: login for login in logins}
        self._switches = switches
        self._now = now
        self._requests: dict[str, Request] = {}  # by secret

    def add_client(self, name: str, redirect_uris: tuple[str, ...]) -> OAuthClient:
        """Register an application.

        Raises:
            OAuthError: it says too much, or there are too many.
        """
        clients = self._register.content.clients
        texts = (name, *redirect_uris)
        if len(texts) > REDIRECT_COUNT_MAX or any(len(text) > NAME_LENGTH_MAX for text in texts):
            raise OAuthError("invalid_client_metadata", "too long")
        if len(clients) >= CLIENT_COUNT_MAX:
            raise OAuthError("temporarily_unavailable", "too many clients", status=503)
        client = OAuthClient(
            client_id=secrets.token_hex(16), name=name, redirect_uris=redirect_uris
        )
        clients[client.client_id] = client
        self._register.keep()
        return client

    def client(self, client_id: str) -> OAuthClient:
        """Return an application.

        Raises:
            OAuthError: it is not registered.
        """
        client = self._register.content.clients.get(client_id)
        if client is None:
            raise OAuthError("invalid_client", "no such client", status=401)
        return client

    def ask(self, client_id: str, scopes: tuple[str, ...]) -> Request:
        """Begin an authorization, which then waits for its holder.

        Raises:
            OAuthError: the application is unknown, or too many wait.
        """
        now = self._now()
        client = self.client(client_id)
        for secret, waiting in tuple(self._requests.items()):
            if waiting.ends_at <= now:
                del self._requests[secret]
        if len(self._requests) >= REQUEST_COUNT_MAX:
            raise OAuthError("temporarily_unavailable", "too many requests", status=503)
        life = timedelta(seconds=self._switches().device_code_life_s)
        request = Request(client=client, scopes=scopes, ends_at=now + life)
        self._requests[request.secret] = request
        return request

    def waiting(self) -> tuple[Request, ...]:
        """Return the authorizations that wait for a decision, oldest first."""
        now = self._now()
        return tuple(
            request
            for request in self._requests.values()
            if request.decision is None and request.ends_at > now
        )

    def decide(
        self,
        user_code: str,
        *,
        login_name: str | None,
        accounts: tuple[str, ...] | None = None,
        scopes: tuple[str, ...] | None = None,
    ) -> None:
        """Say yes for a login (to all accounts and scopes if none are named), or no without one.

        Raises:
            ValueError: no such code waits, or the login, an account or a scope is unknown.
        """
        request = next((item for item in self.waiting() if item.user_code == user_code), None)
        if request is None:
            raise ValueError("expected a user code that waits for a decision")
        request.decision = self._decision(request, login_name, accounts, scopes)
        request.decided.set()

    def poll(self, client_id: str, device_code: str) -> Grant:
        """Return the tokens for a device code, once.

        Raises:
            OAuthError: the holder has not decided, or said no, or the client asks too fast.
        """
        self.client(client_id)
        now = self._now()
        request = self._requests.get(device_code)
        if request is None or request.client.client_id != client_id or request.redirect_uri:
            raise OAuthError("invalid_grant", "no such device code")
        if request.ends_at <= now:
            raise OAuthError("expired_token", "the device code has expired")
        if request.decision is None:
            interval_s = self._switches().device_poll_interval_s or POLL_INTERVAL_S_DEFAULT
            # Half of it: a client that keeps to the interval must never be told to slow down.
            soonest = (request.polled_at or request.ends_at) + timedelta(seconds=interval_s / 2)
            is_hasty = request.polled_at is not None and now < soonest
            request.polled_at = now
            if is_hasty:
                raise OAuthError("slow_down", f"expected {interval_s} s between two polls")
            raise OAuthError("authorization_pending", "the holder has not decided yet")
        return self._redeem(request, now)

    def exchange(self, client_id: str, *, code: str, redirect_uri: str, verifier: str) -> Grant:
        """Return the tokens for the code of a code flow, once.

        Raises:
            OAuthError: code, address or verifier are not those of the authorization.
        """
        self.client(client_id)
        now = self._now()
        request = self._requests.get(code)
        if (
            request is None
            or request.ends_at <= now
            or request.decision is None
            or request.client.client_id != client_id
            or not request.redirect_uri
            or request.redirect_uri != redirect_uri
            or request.challenge != _challenge_of(verifier)
        ):
            raise OAuthError("invalid_grant", "the code does not hold")
        return self._redeem(request, now)

    def refresh(self, client_id: str, refresh_token: str) -> Grant:
        """Return new tokens for a refresh token, which ends with that.

        Raises:
            OAuthError: the refresh token, or the authorization, has ended.
        """
        self.client(client_id)
        now = self._now()
        grants = self._register.content.grants
        old = grants.get(refresh_token)
        if old is None or old.client_id != client_id or old.ends_at <= now:
            raise OAuthError("invalid_grant", "the refresh token does not hold")
        del grants[refresh_token]
        return self._keep(old, now)

    def revoke(self, client_id: str, token: str) -> None:
        """End the authorization that a token belongs to; an unknown token is no error.

        Raises:
            OAuthError: the application is unknown.
        """
        self.client(client_id)
        grants = self._register.content.grants
        for refresh_token, grant in tuple(grants.items()):
            if token in (refresh_token, grant.access_token) and grant.client_id == client_id:
                del grants[refresh_token]
        self._register.keep()

    def end_access(self, login_name: str, *, is_revoked: bool) -> int:
        """End a login's access tokens now, or its authorizations; return how many there were."""
        now = self._now()
        grants = self._register.content.grants
        found = [item for item in grants.items() if item[1].login_name == login_name]
        for refresh_token, grant in found:
            if is_revoked:
                del grants[refresh_token]
            else:
                grants[refresh_token] = msgspec.structs.replace(grant, access_ends_at=now)
        self._register.keep()
        return len(found)

    def grant_for(self, access_token: str) -> Grant | None:
        """Return the authorization of an access token that holds now."""
        now = self._now()
        for grant in self._register.content.grants.values():
            if grant.access_token == access_token:
                return grant if min(grant.access_ends_at, grant.ends_at) > now else None
        return None

    def login_for_access_token(self, access_token: str) -> Login | None:
        """Return who calls with an access token, with the accounts that the holder chose."""
        grant = self.grant_for(access_token)
        login = None if grant is None else self._logins.get(grant.login_name)
        if grant is None or login is None:
            return None
        chosen = tuple(item for item in login.accounts if item.account in grant.accounts)
        return msgspec.structs.replace(login, accounts=chosen)

    def _decision(
        self,
        request: Request,
        login_name: str | None,
        accounts: tuple[str, ...] | None,
        scopes: tuple[str, ...] | None,
    ) -> Decision:
        if login_name is None:
            return Decision(login=None)
        login = self._logins.get(login_name)
        if login is None:
            raise ValueError(f"expected the name of a login, was {login_name}")
        owned = tuple(item.account for item in login.accounts)
        decision = Decision(
            login=login,
            accounts=owned if accounts is None else accounts,
            scopes=request.scopes if scopes is None else scopes,
        )
        if not set(decision.accounts) <= set(owned):
            raise ValueError("expected accounts of the login")
        if not set(decision.scopes) <= set(request.scopes):
            raise ValueError("expected scopes that were asked for")
        return decision

    def _redeem(self, request: Request, now: datetime) -> Grant:
        del self._requests[request.secret]
        decision = request.decision
        if decision is None or decision.login is None:
            raise OAuthError("access_denied", "the holder said no")
        grant = Grant(
            client_id=request.client.client_id,
            login_name=decision.login.name,
            accounts=decision.accounts,
            scopes=decision.scopes,
            ends_at=now + timedelta(seconds=self._switches().grant_life_s),
            access_token="",
            access_ends_at=now,
            refresh_token="",
        )
        return self._keep(grant, now)

    def _keep(self, grant: Grant, now: datetime) -> Grant:
        # New tokens for an authorization; those of ended ones go on the way.
        grants = self._register.content.grants
        for refresh_token, old in tuple(grants.items()):
            if old.ends_at <= now:
                del grants[refresh_token]
        if len(grants) >= GRANT_COUNT_MAX:
            raise OAuthError("temporarily_unavailable", "too many authorizations", status=503)
        fresh = msgspec.structs.replace(
            grant,
            access_token=secrets.token_urlsafe(32),
            access_ends_at=now + timedelta(seconds=self._switches().access_token_life_s),
            refresh_token=secrets.token_urlsafe(32),
        )
        grants[fresh.refresh_token] = fresh
        self._register.keep()
        return fresh


def _user_code() -> str:
    letters = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def _challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
