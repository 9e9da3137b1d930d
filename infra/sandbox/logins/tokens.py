"""Checks and refreshes the user tokens of TBHK logins."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from infra.sandbox.home import Login, user_token_key, write_user_token
from infra.sandbox.logins.register import Register
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.logins.user_token import new_user_token, read_user_token
from infra.sandbox.wire.envelope import GatewayError, to_ms

USER_TOKEN_ERROR = 2400
# Source: Tiger's error table, code 2400 (page error-code, read 2026-11-22).
TOKEN_EMPTY = "user token can not be empty"  # noqa: S105 - a message
TOKEN_EXPIRED = "user token expired invalid"  # noqa: S105 - a message
TOKEN_INVALID = "user token invalid"  # noqa: S105 - a message


class UserTokens:
    """The user tokens of a home's logins."""

    def __init__(
        self, home: Path, register: Register, switches: Callable[[], LoginSwitches]
    ) -> None:
        self._home = home
        self._key = user_token_key(home)
        self._register = register
        self._switches = switches

    def check(self, login: Login, authorization: str, now: datetime) -> None:
        """Let a request pass that carries what its login's licence demands.

        Raises:
            GatewayError: 2400.
        """
        if login.licence != "TBHK":
            return
        if not authorization:
            raise GatewayError(USER_TOKEN_ERROR, TOKEN_EMPTY)
        times = read_user_token(self._key, tiger_id=login.tiger_id, token=authorization)
        floor_ms = self._register.content.token_floors_ms.get(login.tiger_id, 0)
        if times is None or times.made_ms < floor_ms:
            raise GatewayError(USER_TOKEN_ERROR, TOKEN_INVALID)
        if times.ends_ms <= to_ms(now):
            raise GatewayError(USER_TOKEN_ERROR, TOKEN_EXPIRED)

    def refresh(self, login: Login, now: datetime) -> str:
        """Return a new token for a login whose request was let pass.

        Raises:
            GatewayError: 2400, for a login without such tokens.
        """
        if login.licence != "TBHK":
            raise GatewayError(USER_TOKEN_ERROR, TOKEN_INVALID)
        life = timedelta(seconds=self._switches().user_token_life_s)
        if self._switches().refresh_ends_older_tokens:
            self._register.content.token_floors_ms[login.tiger_id] = to_ms(now)
            self._register.keep()
        return new_user_token(self._key, tiger_id=login.tiger_id, now=now, life=life)

    def issue(self, login: Login, *, now: datetime, life: timedelta) -> str:
        """Put a token into the login's file, as its owner does on Tiger's page, and return it.

        A life of zero or less gives one that has expired.
        """
        if login.licence != "TBHK":
            raise ValueError(f"expected a login with the licence TBHK, was {login.name}")
        token = new_user_token(self._key, tiger_id=login.tiger_id, now=now, life=life)
        write_user_token(self._home, login.name, token)
        return token
