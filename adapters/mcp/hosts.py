"""Which machine a host or an address is: this one, every one, or one among the clients."""

import ipaddress
import re
from typing import Final

# What one client of IPv6 surely has to itself.
_IPV6_PREFIX: Final = 64
# As a browser writes a page's origin: no path, and a name that is not ASCII in its other form.
# Source: RFC 6454 section 6.2.
_ORIGIN: Final = re.compile(
    r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.IGNORECASE
)
_DEFAULT_PORTS: Final = {"https": "443", "http": "80"}


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


def is_origin(text: str) -> bool:
    """Say whether a browser could write this as the origin of a page."""
    found = _ORIGIN.fullmatch(text)
    # A browser leaves out the port that goes without saying.
    return found is not None and found[3] != _DEFAULT_PORTS.get(found[1].lower(), "")


def _address(host: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host or "")
    except ValueError:
        return None
