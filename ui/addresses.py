"""Where a request comes from, as far as its connection tells.

The address is that of the connection, or the one that a proxy on this machine names: uvicorn takes X-Forwarded-For
from 127.0.0.1, and from nobody else unless FORWARDED_ALLOW_IPS says so.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

FORWARDED = (b"x-forwarded-for", b"forwarded")


def client_network(connection: Mapping[str, Any]) -> str:
    """Whose requests are counted together: an IPv4 address, or the network that one household has in IPv6.

    Args:
        connection: a scope, a request or a websocket.
    """
    host = _host(connection)
    address = _address(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return host if address is None else str(address)


def is_on_this_machine(connection: Mapping[str, Any]) -> bool:
    """Whether the caller is on this machine. What came through a proxy is not, whatever address that names.

    A proxy that names none cannot be told from a caller.
    """
    address = _address(_host(connection))
    is_forwarded = any(name in FORWARDED for name, _ in connection["headers"])
    return address is not None and address.is_loopback and not is_forwarded


def _host(connection: Mapping[str, Any]) -> str:
    client = connection.get("client")
    return client[0] if client else ""


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
