"""What the broker remembers of logins over a restart: clients, grants, token floors, devices.

One small file of the home, written whole on each change.
"""

from datetime import datetime
from pathlib import Path

import msgspec

from infra.sandbox.home import SandboxHomeError, write_private

REGISTER_FILE = "authorizations.json"


class OAuthClient(msgspec.Struct, frozen=True, kw_only=True):
    """An application that registered itself."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holder gave an application, and its tokens of the moment."""

    client_id: str
    login_name: str
    accounts: tuple[str, ...]
    scopes: tuple[str, ...]
    ends_at: datetime
    access_token: str
    access_ends_at: datetime
    refresh_token: str


class Remembered(msgspec.Struct, kw_only=True):
    """The content of the file."""

    clients: dict[str, OAuthClient] = {}  # by client_id
    grants: dict[str, Grant] = {}  # by refresh token
    token_floors_ms: dict[str, int] = {}  # by tiger_id: older user tokens have ended
    quote_devices: dict[str, str] = {}  # by tiger_id: the device_id with the quote right


class Register:
    """The remembered things and their file."""

    def __init__(self, home: Path) -> None:
        self._path = home / REGISTER_FILE
        self.content = self._read()

    def keep(self) -> None:
        """Write down what has changed."""
        write_private(self._path, msgspec.json.encode(self.content))

    def _read(self) -> Remembered:
        if not self._path.exists():
            return Remembered()
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Remembered)
        except msgspec.MsgspecError as error:
            raise SandboxHomeError(f"expected authorizations in {REGISTER_FILE}: {error}") from None
