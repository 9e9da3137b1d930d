"""The authorization server on the wire: its addresses, forms and JSON answers.

On the Tiger port, under paths that no Tiger method uses; the client learns them from the metadata
(RFC 8414), so that only the issuer has to be configured.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from infra.sandbox.logins.oauth import AuthorizationServer, OAuthError, Request
from infra.sandbox.logins.register import Grant
from infra.sandbox.logins.scopes import SCOPES
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.wire.http_server import HttpReply, HttpRequest

METADATA_PATH = "/.well-known/oauth-authorization-server"
AUTHORIZE_PATH = "/oauth2/authorize"
TOKEN_PATH = "/oauth2/token"  # noqa: S105 - an address
REGISTER_PATH = "/oauth2/register"
DEVICE_PATH = "/oauth2/device_authorization"
VERIFY_PATH = "/oauth2/device"
REVOKE_PATH = "/oauth2/revoke"

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CODE_GRANT = "authorization_code"
REFRESH_GRANT = "refresh_token"
FORM_FIELD_COUNT_MAX = 50
# How long a browser's page waits for the holder's decision.
DECISION_S_MAX = 300.0
HTML_TYPE = "text/html;charset=UTF-8"
NO_STORE = (("Cache-Control", "no-store"),)

Form = dict[str, str]


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What an application says when it registers; other fields are ignored."""

    client_name: str = ""
    redirect_uris: tuple[str, ...] = ()


class OAuthEndpoints:
    """Answers the requests of applications and browsers."""

    def __init__(
        self,
        server: AuthorizationServer,
        *,
        base_url: Callable[[], str],
        switches: Callable[[], LoginSwitches],
        now: Callable[[], datetime],
    ) -> None:
        self._server = server
        self._base_url = base_url
        self._switches = switches
        self._now = now
        self._routes: dict[tuple[str, str], Callable[[HttpRequest], Awaitable[HttpReply]]] = {
            ("GET", METADATA_PATH): self._metadata,
            ("GET", AUTHORIZE_PATH): self._authorize,
            ("GET", VERIFY_PATH): self._verify,
            ("POST", REGISTER_PATH): self._register,
            ("POST", DEVICE_PATH): self._device,
            ("POST", TOKEN_PATH): self._token,
            ("POST", REVOKE_PATH): self._revoke,
        }
        self._paths = {path for _, path in self._routes}

    def serves(self, target: str) -> bool:
        """Say whether a request is for the authorization server, and not for Tiger's gateway."""
        return target.partition("?")[0] in self._paths

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Return the reply to a request for which `serves` is true."""
        route = self._routes.get((request.method, request.target.partition("?")[0]))
        if route is None:
            return HttpReply(status=405)
        try:
            return await route(request)
        except OAuthError as error:
            answer = {"error": error.error, "error_description": error.description}
            return _json(answer, status=error.status)

    async def _metadata(self, _request: HttpRequest) -> HttpReply:
        base = self._base_url()
        return _json(
            {
                "issuer": base,
                "authorization_endpoint": base + AUTHORIZE_PATH,
                "token_endpoint": base + TOKEN_PATH,
                "registration_endpoint": base + REGISTER_PATH,
                "device_authorization_endpoint": base + DEVICE_PATH,
                "revocation_endpoint": base + REVOKE_PATH,
                "scopes_supported": SCOPES,
                "response_types_supported": ["code"],
                "grant_types_supported": [CODE_GRANT, REFRESH_GRANT, DEVICE_GRANT],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
            }
        )

    async def _register(self, request: HttpRequest) -> HttpReply:
        try:
            wanted = msgspec.json.decode(request.body, type=Registration)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise OAuthError("invalid_client_metadata", "expected a JSON object") from None
        client = self._server.add_client(wanted.client_name, wanted.redirect_uris)
        return _json(
            {
                "client_id": client.client_id,
                "client_id_issued_at": int(self._now().timestamp()),
                "client_name": client.name,
                "redirect_uris": client.redirect_uris,
                "token_endpoint_auth_method": "none",
                "scope": " ".join(SCOPES),
            },
            status=201,
        )

    async def _device(self, request: HttpRequest) -> HttpReply:
        form = _form(request)
        asked = self._server.ask(form.get("client_id", ""), _scopes(form))
        verify = self._base_url() + VERIFY_PATH
        answer: dict[str, object] = {
            "device_code": asked.secret,
            "user_code": asked.user_code,
            "verification_uri": verify,
            "verification_uri_complete": f"{verify}?user_code={asked.user_code}",
            "expires_in": self._switches().device_code_life_s,
        }
        interval_s = self._switches().device_poll_interval_s
        return _json(answer if interval_s is None else answer | {"interval": interval_s})

    async def _token(self, request: HttpRequest) -> HttpReply:
        form = _form(request)
        client_id = form.get("client_id", "")
        match form.get("grant_type"):
            case "urn:ietf:params:oauth:grant-type:device_code":
                grant = self._server.poll(client_id, form.get("device_code", ""))
            case "refresh_token":
                grant = self._server.refresh(client_id, form.get("refresh_token", ""))
            case "authorization_code":
                grant = self._server.exchange(
                    client_id,
                    code=form.get("code", ""),
                    redirect_uri=form.get("redirect_uri", ""),
                    verifier=form.get("code_verifier", ""),
                )
            case _:
                raise OAuthError("unsupported_grant_type", "expected a grant type of the metadata")
        return _json(self._tokens(grant))

    async def _revoke(self, request: HttpRequest) -> HttpReply:
        form = _form(request)
        self._server.revoke(form.get("client_id", ""), form.get("token", ""))
        return HttpReply(headers=NO_STORE)

    async def _authorize(self, request: HttpRequest) -> HttpReply:
        # The page waits for the decision, and then sends the browser back to the application.
        form = _pairs(urlsplit(request.target).query)
        asked = self._code_request(form)
        try:
            async with asyncio.timeout(DECISION_S_MAX):
                await asked.decided.wait()
        except TimeoutError:
            return _page("Nobody decided in time.")
        is_yes = asked.decision is not None and asked.decision.login is not None
        answer = {"code": asked.secret} if is_yes else {"error": "access_denied"}
        if "state" in form:
            answer["state"] = form["state"]
        return HttpReply(status=302, location=f"{asked.redirect_uri}?{urlencode(answer)}")

    async def _verify(self, request: HttpRequest) -> HttpReply:
        code = _pairs(urlsplit(request.target).query).get("user_code", "")
        return _page(f"Decide about {code} through the sandbox's control port.")

    def _code_request(self, form: Form) -> Request:
        client = self._server.client(form.get("client_id", ""))
        redirect_uri = form.get("redirect_uri", "")
        if not any(_is_same_address(redirect_uri, known) for known in client.redirect_uris):
            raise OAuthError("invalid_request", "the redirect_uri is not registered")
        if form.get("code_challenge_method") != "S256" or not form.get("code_challenge"):
            raise OAuthError("invalid_request", "expected a code_challenge with S256")
        asked = self._server.ask(client.client_id, _scopes(form))
        asked.redirect_uri = redirect_uri
        asked.challenge = form["code_challenge"]
        return asked

    def _tokens(self, grant: Grant) -> dict[str, object]:
        return {
            "access_token": grant.access_token,
            "refresh_token": grant.refresh_token,
            "token_type": "Bearer",
            "expires_in": int((grant.access_ends_at - self._now()).total_seconds()),
            "scope": " ".join(grant.scopes),
        }


def _form(request: HttpRequest) -> Form:
    try:
        return _pairs(request.body.decode())
    except UnicodeDecodeError:
        raise OAuthError("invalid_request", "expected a form") from None


def _pairs(text: str) -> Form:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FORM_FIELD_COUNT_MAX))
    except ValueError:
        raise OAuthError("invalid_request", "expected a form") from None


def _scopes(form: Form) -> tuple[str, ...]:
    asked = tuple(sorted(set(form.get("scope", "").split())))
    if not asked or not set(asked) <= set(SCOPES):
        raise OAuthError("invalid_scope", "expected scopes of the metadata")
    return asked


def _is_same_address(wanted: str, known: str) -> bool:
    # RFC 8252, section 7.3: of an address on loopback, any port will do.
    if not (wanted.isascii() and wanted.isprintable()):
        return False
    try:
        one, other = urlsplit(wanted), urlsplit(known)
        is_loopback = one.hostname == other.hostname == "127.0.0.1" and one.port != 0
    except ValueError:
        return False
    parts = (one.scheme, one.path, one.query, one.fragment)
    return wanted == known or (
        is_loopback
        and not one.username
        and parts == (other.scheme, other.path, other.query, other.fragment)
    )


def _json(answer: object, *, status: int = 200) -> HttpReply:
    return HttpReply(status=status, body=msgspec.json.encode(answer), headers=NO_STORE)


def _page(text: str) -> HttpReply:
    body = f"<!doctype html><title>Sandbox</title><p>{escape(text)}</p>"
    return HttpReply(body=body.encode(), content_type=HTML_TYPE)
