"""How a process of ours reaches NATS: the server of the home, or the one that `NATS_URL` names."""

from core.errors import ConfigError
from infra.config import Settings
from infra.nats.layout import NatsHome
from infra.nats.link import LinkSettings
from infra.nats.ports import Ports, read_ports
from infra.nats.topology import inbox_prefix


def link_settings(settings: Settings, *, role: str, name: str) -> LinkSettings:
    """Return how `role`, shown as `name` in the server's monitor, connects.

    Raises:
        ConfigError: no server was ever started on this home, or its ports file is damaged.
    """
    return LinkSettings(
        url=settings.nats_url or home_ports(settings).client_url,
        role=role,
        seed_path=settings.keys / f"{role}.seed",
        inbox_prefix=inbox_prefix(role),
        name=name,
    )


def home_ports(settings: Settings) -> Ports:
    """Return the ports of the home's own server.

    Raises:
        ConfigError: as `link_settings`.
    """
    ports = read_ports(NatsHome(settings.home).ports_path)
    if ports is None:
        raise ConfigError(f"expected a cluster in {settings.home}; run `tiger-mcp up`")
    return ports
