"""Who connects: a login by its signature, or by an access token.

Source: tigeropen 3.8.0, `push/protobuf_push_client.py`: `sign` is the developer key's RSA-SHA1
signature of the tiger_id's text; with OAuth2 both are empty and `accessToken` is set.
"""

import base64
import binascii
from collections.abc import Callable, Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tigeropen.push.pb.Request_pb2 import Request

from infra.sandbox.home import Login

# Tiger's "access forbidden".
ACCESS_FORBIDDEN = 4
# Returns whose token it is, with the accounts it is good for; none: it is not good.
TokenLogin = Callable[[str], Login | None]


class PushAuthenticator:
    """Checks a CONNECT.

    Args:
        logins: those that may connect by a signature.
        token_login: tells whose access token it is.
    """

    def __init__(self, logins: Iterable[Login], *, token_login: TokenLogin) -> None:
        self._logins = {login.tiger_id: login for login in logins}
        self._token_login = token_login

    def login_of(self, connect: Request.Connect) -> Login | None:
        """Return who connects; none if it is not proved."""
        if connect.HasField("accessToken"):
            return self._token_login(connect.accessToken)
        login = self._logins.get(connect.tigerId)
        if login is None or not _is_signed(login, connect):
            return None
        return login

    def login_of_token(self, token: str) -> Login | None:
        """Return whose access token it is; none if it is not good."""
        return self._token_login(token)


def _is_signed(login: Login, connect: Request.Connect) -> bool:
    key = serialization.load_der_public_key(base64.b64decode(login.developer_public_key))
    if not isinstance(key, rsa.RSAPublicKey):
        raise TypeError(f"expected an RSA key for login {login.name}")
    try:
        signature = base64.b64decode(connect.sign, validate=True)
        # SHA-1 is what Tiger's protocol prescribes.
        key.verify(
            signature,
            connect.tigerId.encode(),
            padding.PKCS1v15(),
            hashes.SHA1(),  # noqa: S303
        )
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
