"""Which addresses a URL out of a list may be fetched from: those of the public internet, unless the operator says more.

Whoever writes a URL list must not be able to read what only the machine that runs the migration can reach: its own
services, its network, the cloud's metadata with the machine's credentials. So the address is judged, not the name, and
it is judged where the connection is made: after DNS, for every redirect anew, in both lanes of the wire. The address
that was judged is the one that is connected to, so a name that answers differently the next time gains nothing. Pure.

Behind a proxy the name is resolved and judged here before the proxy is asked, but the proxy resolves it once more and
connects for itself: there its own rules must keep private addresses out too. A name that cannot be resolved here is not
asked for; hosts exempt from the proxy are judged as without one.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from oms_engine.errors import ConnectionBroken, Retry

_NAT64 = IPv6Network("64:ff9b::/96")
"""https://www.rfc-editor.org/rfc/rfc6052: the last 32 bits are the IPv4 address that is reached."""

_SERVICES = (
    # Azure's WireServer, a public address that every Azure machine reaches privately:
    # https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16
    IPv4Network("168.63.129.16/32"),
    # IETF protocol assignments, which Python counts as global in part; Oracle's older metadata service is 192.0.0.192:
    # https://www.iana.org/assignments/iana-ipv4-special-registry/iana-ipv4-special-registry.xhtml
    IPv4Network("192.0.0.0/24"),
)
"""Services outside the ranges that are refused anyway (169.254.169.254, fd00:ec2::254, 100.100.100.200)."""


class AddressRefused(ConnectionBroken):
    """A URL leads to an address that is not of the public internet; it was not connected to."""

    retry = Retry.NEVER
    code = "CHECK_SRC_URL_ADDRESS_FAILURE"


def is_public(address: str) -> bool:
    """Whether a numeric address, as DNS or ``getaddrinfo`` gives it, belongs to the public internet.

    Refused: loopback, link-local, private (RFC 1918, unique local), shared (RFC 6598, carrier-grade NAT), multicast,
    reserved and unspecified ones, metadata services, and IPv6 addresses that carry one of these inside.
    """
    try:
        return _is_public(ip_address(address))
    except ValueError:
        return False


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return all(_is_public(one) for one in inner)
        if address.is_site_local:
            return False
    refused = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not refused and not any(address in network for network in _SERVICES)


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...] | None:
    """Return the IPv4 addresses an IPv6 address leads to; None where it stands for itself."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _NAT64 or int(address) >> 32 == 0:  # ::a.b.c.d, deprecated, still routed here and there
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return None


def public_only(host: str, addresses: Iterable[str]) -> list[str]:
    """Return those addresses of ``host`` that may be connected to, in their order.

    Raises:
        AddressRefused: none may.
    """
    found = list(addresses)
    kept = [address for address in found if is_public(address)]
    if not kept:
        shown = ", ".join(found[:3]) or "no address"
        raise AddressRefused(
            f"{host} leads to {shown}, which is no address of the public internet; it was not connected to. "
            "Give a public address, or have private ones allowed (--allow-private-urls; in the service the operator's "
            "settings work.allow_private_urls and work.allow_private_endpoints)."
        )
    return kept
