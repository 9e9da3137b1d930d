"""Keeps a login's token alive: refreshed ahead of its end, proven by a call, never only believed.

Tiger's Hong Kong licence needs a token beside the key; other logins have none, and then nothing
here runs. The token stays in its file and in the SDK; events carry its times and its state alone.

Source: tigeropen 3.8.0, `tiger_open_config.py` (the first 27 bytes of the decoded token are two
moments in milliseconds) and `tiger_open_client.py` (`user_token_refresh`).
"""

import base64
import binascii
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import structlog

from adapters.tiger_worker.session import Session, TokenRefusedError
from core.errors import BrokerError, BrokerUnavailableError, CorruptRecordError
from core.items import TokenFact, TokenSeen
from core.ports import Clock

log = structlog.get_logger()
_LOOK_S: Final = 1.0
# A third of a token's life before its end, but not more than this.
AHEAD_MAX: Final = timedelta(days=3)
AGAIN: Final = timedelta(minutes=5)
# How long before the end it is told that it nears, the nearest last.
WARNINGS: Final = (timedelta(hours=24), timedelta(hours=1))
_STAMPS_LENGTH: Final = 27


class TokenLife(NamedTuple):
    """When a token was issued and when it ends."""

    issued_at: datetime
    expires_at: datetime


def life_of(token: str) -> TokenLife | None:
    """Return a token's life, or None for a text that is no token."""
    try:
        stamps = base64.b64decode(token)[:_STAMPS_LENGTH].decode().split(",")
        issued, expires = (datetime.fromtimestamp(int(s) / 1000, UTC) for s in stamps)
    except (binascii.Error, UnicodeDecodeError, ValueError, OverflowError, OSError):
        return None
    return TokenLife(issued, expires)


class TokenKeeper:
    """One login's token. `tell` hands an item to every account of the login."""

    def __init__(
        self,
        session: Session,
        *,
        clock: Clock,
        tell: Callable[[TokenSeen], None],
        probe: Callable[[], None],
        store: Callable[[str], None],
        on_failure: Callable[[BaseException], None],
        name: str,
    ) -> None:
        """Make a keeper.

        Args:
            probe: one reading with the session's present token; raises BrokerError or
                CorruptRecordError if it fails.
            store: puts a token where the next start finds it; raises OSError if it cannot, and is
                then asked again at each look.
            on_failure: is told if this keeper can look no more: the token would end unkept.
        """
        self._session = session
        self._clock = clock
        self._tell = tell
        self._probe = probe
        self._store = store
        self._on_failure = on_failure
        self._tried_at_s: float | None = None
        # A new token that no reading has proved yet: the old one may have ended with its making.
        self._unproven = ""
        self._unstored = ""
        self._told: set[tuple[TokenFact, datetime | None, str]] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to keep the token, if the login has one."""
        if self._session.token:
            self._thread.start()

    def stop(self) -> None:
        """Keep it no more."""
        self._stopping.set()

    def look(self) -> None:
        """Look at the token once: tell of its state, and refresh it if that is due."""
        if self._unstored:
            self._keep(self._unstored)
        life = life_of(self._session.token)
        if life is None:
            self._say(TokenFact.REVOKED, None, "the token file holds no token")
            return
        left = life.expires_at - self._clock.now()
        if left > timedelta(0):
            self._say(TokenFact.ISSUED, life)
        ahead = min(AHEAD_MAX, (life.expires_at - life.issued_at) / 3)
        if left <= ahead and self._is_try_due():
            self._refresh(life)
            life = life_of(self._session.token) or life
            left = life.expires_at - self._clock.now()
        if left <= timedelta(0):
            self._say(TokenFact.EXPIRED, life)
        elif any(left <= warning for warning in WARNINGS):
            nearest = min(warning for warning in WARNINGS if left <= warning)
            hours = int(nearest / timedelta(hours=1))
            self._say(TokenFact.EXPIRING, life, f"less than {hours} h are left")

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.look()
                self._stopping.wait(_LOOK_S)
        except Exception as error:  # noqa: BLE001 - the top of a thread
            # Its text may hold the token.
            log.error("token.keeper_failed", error=type(error).__name__)
            self._on_failure(error)

    def _is_try_due(self) -> bool:
        now_s = self._clock.boot_s()
        if self._tried_at_s is not None and now_s - self._tried_at_s < AGAIN.total_seconds():
            return False
        self._tried_at_s = now_s
        return True

    def _refresh(self, old: TokenLife) -> None:
        try:
            if not self._is_proved_late():
                self._prove(self._ask_longer_than(old))
        except TokenRefusedError as error:
            log.error("token.refused", reason=str(error))
            self._say(TokenFact.REVOKED, old, str(error))
            return
        except (BrokerError, CorruptRecordError) as error:
            log.error("token.refresh_failed", reason=str(error))
            self._say(TokenFact.REFRESH_FAILED, old, str(error), is_repeated=True)
            return
        self._keep(self._session.token)
        self._say(TokenFact.REFRESHED, life_of(self._session.token))

    def _ask_longer_than(self, old: TokenLife) -> str:
        token = self._session.ask_new_token()
        life = life_of(token)
        if life is None or life.expires_at <= max(old.expires_at, self._clock.now()):
            raise BrokerUnavailableError("the broker answered without a token that lives longer")
        return token

    def _is_proved_late(self) -> bool:
        # One that came at an earlier try, whose proof was what failed.
        if not self._unproven:
            return False
        try:
            self._prove(self._unproven)
        except (BrokerError, CorruptRecordError) as error:
            log.warning("token.not_proved", reason=str(error))
            return False
        return True

    def _prove(self, token: str) -> None:
        before, self._unproven = self._session.token, token
        self._session.use_token(token)
        try:
            self._probe()
        except (BrokerError, CorruptRecordError):
            self._session.use_token(before)
            raise
        self._unproven = ""

    def _keep(self, token: str) -> None:
        is_first_try = token != self._unstored
        self._unstored = token
        try:
            self._store(token)
        except OSError as error:
            # It is in use, and the only one that a next start could live on.
            if is_first_try:
                log.error("token.not_stored", reason=str(error))
            return
        self._unstored = ""
        log.info("token.stored")

    def _say(
        self,
        fact: TokenFact,
        life: TokenLife | None,
        detail: str = "",
        *,
        is_repeated: bool = False,
    ) -> None:
        ends = life.expires_at if life else None
        # One that came by a refresh was told of by that.
        is_known = fact is TokenFact.ISSUED and (TokenFact.REFRESHED, ends, "") in self._told
        if not is_repeated and (is_known or (fact, ends, detail) in self._told):
            return
        self._told.add((fact, ends, detail))
        self._tell(
            TokenSeen(
                fact=fact,
                issued_at=life.issued_at if life else None,
                expires_at=life.expires_at if life else None,
                detail=detail,
            )
        )
