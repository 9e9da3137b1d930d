"""Signatures on commands and controls: who may sign which, from the key files of `infra.nats.keys`.

A model's command counts only under the gateway's key, a person's control only under a person's, so
that a gateway, whatever it was talked into, cannot resume what a person halted.
"""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from infra.nats.keys import read_signing_key, read_verify_key
from infra.nats.topology import GATEWAY


class FileSigner:
    """Signs with the private key `<keys>/<name>.sign`."""

    def __init__(self, keys: Path, name: str) -> None:
        """Read the key.

        Raises:
            ConfigError: it is missing, damaged, or readable by others.
        """
        self._key = read_signing_key(keys / f"{name}.sign")
        self._key_id = name

    @property
    def key_id(self) -> str:
        """Return the name under which verifiers know the public half."""
        return self._key_id

    def sign(self, message: bytes) -> str:
        """Return the base64 signature of `message`."""
        return base64.b64encode(self._key.sign(message)).decode()


class KeyRing:
    """Public keys by name."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._keys = dict(keys)

    def is_valid(self, key_id: str, message: bytes, signature: str) -> bool:
        """Say whether `signature` is that key's of `message`; False for an unknown key."""
        key = self._keys.get(key_id)
        if key is None:
            return False
        try:
            key.verify(base64.b64decode(signature, validate=True), message)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def command_keys(keys: Path) -> KeyRing:
    """Return the keys whose signature counts on `cmd.`: the gateway's.

    Raises:
        ConfigError: a key is missing or damaged.
    """
    return KeyRing({GATEWAY: read_verify_key(keys / f"{GATEWAY}.pub")})


def control_keys(keys: Path) -> KeyRing:
    """Return the keys whose signature counts on `ctl.`: those of the persons.

    Raises:
        ConfigError: a key is damaged.
    """
    files = (file for file in sorted(keys.glob("*.pub")) if file.stem != GATEWAY)
    return KeyRing({file.stem: read_verify_key(file) for file in files})
