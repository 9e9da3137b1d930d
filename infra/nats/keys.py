"""Keys of a home: an nkey per role for NATS, and Ed25519 keys that sign commands and controls.

A private file is created for its owner alone and refused later if others may read it. On Windows,
where a mode says nothing, the file inherits the rights of the user's profile folder.
"""

import base64
import binascii
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Final

import nkeys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.errors import ConfigError
from infra.nats.layout import NatsHome
from infra.nats.topology import GATEWAY, Topology, role_names

_SEED_BYTES: Final = 32


def create_missing(home: NatsHome, topology: Topology) -> tuple[str, ...]:
    """Create the keys that are not there yet; return the names of those created.

    Existing keys are never replaced. The caller holds the home's lock.
    """
    home.make_folders()
    created = [role for role in role_names(topology) if _create_role_seed(home, role)]
    signers = (GATEWAY, *topology.operators)
    created.extend(f"{name}.sign" for name in signers if _create_signing_key(home, name))
    return tuple(created)


def read_public_keys(home: NatsHome, topology: Topology) -> dict[str, str]:
    """Return the public nkey of every role.

    Raises:
        ConfigError: for a missing, damaged or too widely readable seed.
    """
    return {role: public_nkey(home.seed_path(role)) for role in role_names(topology)}


def public_nkey(seed_path: Path) -> str:
    """Return the public nkey that belongs to a seed file.

    Raises:
        ConfigError: for a missing, damaged or too widely readable file.
    """
    seed = _read_private(seed_path)
    try:
        key: str = nkeys.from_seed(seed.strip()).public_key.decode()
    except (nkeys.NkeysError, ValueError):
        raise ConfigError(
            f"expected an nkey seed in {seed_path}, was something else; put it back, or remove it "
            "and the next start of the home's own server makes it anew"
        ) from None
    return key


def signing_key_path(home: NatsHome, name: str) -> Path:
    """Return the file with the private signing key of the gateway or of one operator."""
    return home.keys_dir / f"{name}.sign"


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key of a `.sign` file (base64 of the raw 32-byte seed).

    Raises:
        ConfigError: for a missing, damaged or too widely readable file.
    """
    return Ed25519PrivateKey.from_private_bytes(_decode_key(path, _read_private(path)))


def read_verify_key(path: Path) -> Ed25519PublicKey:
    """Return the public key of a `.pub` file (base64 of the raw 32 bytes).

    Raises:
        ConfigError: for a missing or damaged file.
    """
    return Ed25519PublicKey.from_public_bytes(_decode_key(path, _read(path)))


def _create_role_seed(home: NatsHome, role: str) -> bool:
    seed = nkeys.encode_seed(secrets.token_bytes(_SEED_BYTES), nkeys.PREFIX_BYTE_USER)
    return _create(home.seed_path(role), seed, mode=0o600)


def _create_signing_key(home: NatsHome, name: str) -> bool:
    path = signing_key_path(home, name)
    seed = secrets.token_bytes(_SEED_BYTES)
    is_new = _create(path, base64.b64encode(seed), mode=0o600)
    # Derived from what stands on disk, so that a public file lost or never written is mended.
    public = read_signing_key(path).public_key().public_bytes_raw()
    _create(path.with_suffix(".pub"), base64.b64encode(public), mode=0o644)
    return is_new


# Create the file whole or not at all, and never over an existing one.
def _create(path: Path, content: bytes, *, mode: int) -> bool:
    if path.exists():
        return False
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"expected a key in {path}, was no file") from None


def _read_private(path: Path) -> bytes:
    content = _read(path)
    if sys.platform != "win32":
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(f"expected {path} readable by its owner alone, was mode {mode:o}")
    return content


def _decode_key(path: Path, text: bytes) -> bytes:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != _SEED_BYTES:
        raise ConfigError(f"expected base64 of {_SEED_BYTES} bytes in {path}, was something else")
    return raw
