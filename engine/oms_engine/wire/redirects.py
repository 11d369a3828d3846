"""Which endpoint a store may redirect a call to. Pure.

What is redirected is signed anew for the place it is sent to, so a redirect must not lead credentials' signatures, or
a caller of the service, to somebody else's host or into a private network.
"""

from __future__ import annotations

from ipaddress import ip_address

from oms_engine.store import Endpoint
from oms_engine.wire.endpoints import endpoint_or_none

_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "net", "org"})
"""Under a country's domain these are registries' own: ``example.com.cn`` is one site, ``com.cn`` none."""


def redirected_or_none(here: Endpoint, location: str) -> Endpoint | None:
    """Return the endpoint that a redirect from ``here`` leads to; None when it must not be followed.

    =======================================  ========
    it leads                                 followed
    =======================================  ========
    nowhere: not an absolute http URL        no
    from https to http                       no
    to the same site (vendor's domain)       yes
    to another name of this machine          yes, from this machine
    to any other name or address             no
    =======================================  ========

    An endpoint that must be public leads to one that must be.
    """
    found = endpoint_or_none(location)
    if found is None or (here.scheme == "https" and found.scheme != "https"):
        return None
    if site_of(here.host) != site_of(found.host):
        return None
    return found._replace(public=here.public)


def site_of(host: str) -> str:
    """Return the registered domain of a host name, an address as it stands; ``localhost`` for all of this machine.

    A name of one label, as private networks have them, is its own site.
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return "localhost"
    try:
        address = ip_address(name.strip("[]"))
    except ValueError:
        labels = name.split(".")
        registry = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
        return ".".join(labels[-3 if registry else -2 :])
    return "localhost" if address.is_loopback else str(address)
