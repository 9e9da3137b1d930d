"""Where the files of the embedded nats-server stand inside a home."""

from pathlib import Path

import msgspec

from core.errors import ConfigError


class NatsHome(msgspec.Struct, frozen=True):
    """The paths below one home."""

    root: Path

    @property
    def keys_dir(self) -> Path:
        """Return the folder of the roles' seeds and the signing keys."""
        return self.root / "keys"

    @property
    def store_dir(self) -> Path:
        """Return the folder that JetStream owns."""
        return self.root / "nats" / "js"

    @property
    def config_path(self) -> Path:
        """Return the generated server configuration."""
        return self.root / "nats" / "nats-server.conf"

    @property
    def topology_path(self) -> Path:
        """Return the account list that the configuration was generated from."""
        return self.root / "nats" / "topology.json"

    @property
    def ports_path(self) -> Path:
        """Return the file that keeps the ports once chosen."""
        return self.root / "run" / "ports.json"

    @property
    def lock_path(self) -> Path:
        """Return the lock that whoever owns the store holds."""
        return self.root / "run" / "home.lock"

    @property
    def change_lock_path(self) -> Path:
        """Return the lock that whoever changes the account list holds."""
        return self.root / "run" / "change.lock"

    @property
    def pid_path(self) -> Path:
        """Return the file in which nats-server writes its process id."""
        return self.root / "run" / "nats-server.pid"

    @property
    def log_path(self) -> Path:
        """Return the server's own log."""
        return self.root / "logs" / "nats-server.log"

    def seed_path(self, role: str) -> Path:
        """Return the file with the nkey seed of one role."""
        return self.keys_dir / f"{role}.seed"

    def make_folders(self) -> None:
        """Create the folders, readable by their owner alone.

        Raises:
            ConfigError: one of them cannot be made.
        """
        for folder in (
            self.root,
            self.keys_dir,
            self.store_dir.parent,
            self.store_dir,
            self.lock_path.parent,
            self.log_path.parent,
        ):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(
                    f"expected a folder that can be written at {folder}, was: {error.strerror}; "
                    "choose another with TIGER_MCP_HOME or --home"
                ) from None
