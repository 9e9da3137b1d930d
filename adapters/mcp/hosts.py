"""Which machine a host or an address is: this one, every one, or one among the clients."""

import ipaddress
from typing import Final

# What one client of IPv6 surely has to itself.
_IPV6_PREFIX: Final = 64


def is_loopback(host: str | None) -> bool:
    """Say whether a host is this machine itself."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_unspecified(host: str | None) -> bool:
    """Say whether a host is every address of this machine, which is none to ask for."""
    address = _address(host)
    return address is not None and address.is_unspecified


def address_of(host: str) -> str:
    """Return what counts as one address; "" is a client of this machine that has none."""
    address = _address(host.partition("%")[0])
    if address is None:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), _IPV6_PREFIX), strict=False))


def _address(host: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host or "")
    except ValueError:
        return None
