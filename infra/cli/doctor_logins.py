"""The doctor's way to the worker's own reading of a login's files.

Only here, so that the doctor itself loads no SDK and works where that cannot be loaded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from core.errors import ConfigError
from core.modes import Environment
from infra.doctor.credentials import Credentials, Reading
from infra.home import SandboxAddress

# No call is made with it.
_LIMIT_S: Final = 1.0


def worker_reading() -> Reading:
    """Return how a worker reads a login's files."""
    return Reading(token=_token, login=_login)


def _token(properties: Path) -> str:
    with _with_sdk():
        from adapters.tiger_worker.properties_file import read_token
    return read_token(properties)


def _login(properties: Path, address: SandboxAddress | None) -> Credentials:
    with _with_sdk():
        from adapters.tiger_worker.credentials import read_credentials, read_private_key
        from adapters.tiger_worker.properties_file import read_config
        from adapters.tiger_worker.session import LoginAccess, Session
    read_credentials(properties, is_sandbox=address is not None)
    config = read_config(properties)
    url, push, reply_key = "", None, ""
    if address is None or address.server_url:
        access = LoginAccess(
            properties=properties,
            environment=Environment.LIVE if address is None else Environment.SANDBOX,
            server_url="" if address is None else address.server_url,
            gateway_key="" if address is None else address.gateway_key,
        )
        # Refuses every host that the worker refuses.
        session = Session(access, timeout_s=_LIMIT_S)
        url, reply_key = session.server_url, session.reply_key
        if address is None and session.push_address is not None:
            push = (session.push_address.host, session.push_address.port)
    return Credentials(
        tiger_id=config.tiger_id,
        key=read_private_key(properties),
        url=url,
        gateway_key=reply_key,
        push=push,
        secret_key=config.secret_key,
        token=config.token or "",
    )


@contextmanager
def _with_sdk() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"the package {error.name} is needed to read it, and cannot be loaded; see packages"
        ) from None
