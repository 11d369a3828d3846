"""Which addresses a URL out of a list may be fetched from, and that both lanes of the wire obey."""

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import netguard
from oms_engine.digest import Digests
from oms_engine.errors import ConnectionBroken, Retry
from oms_engine.model import Attributes, ObjectHead
from oms_engine.netguard import AddressRefused, is_public, public_only
from oms_engine.store import Call, Endpoint, Request
from oms_engine.wire import Wire, WireSettings, blocking_pools, dns
from support.webserver import Page, serving

PRIVATE4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
]
PRIVATE6 = ["::/127", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "100::/64", "2001:db8::/32"]


def inside(network):
    """Draw addresses of a network."""
    first, last = int(network[0]), int(network[-1])
    kind = IPv4Address if isinstance(network, IPv4Network) else IPv6Address
    return st.integers(first, last).map(kind)


private4 = st.sampled_from(PRIVATE4).map(IPv4Network).flatmap(inside)
private6 = st.sampled_from(PRIVATE6).map(IPv6Network).flatmap(inside)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "169.254.170.2",
     "127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe",
     "2002:7f00:1::", "::127.0.0.1", "fe80::1%eth0", "255.255.255.255", "", "localhost", "0x7f.1", "2130706433"],
)  # fmt: skip
def test_metadata_services_and_this_machine_are_refused(address):
    """The clouds' metadata services and every spelling of this machine are no public addresses."""
    assert not is_public(address)


@given(private4 | private6)
def test_private_networks_are_refused(address):
    """No address of a private, shared, local, multicast or reserved network is public."""
    assert not is_public(str(address))


@given(private4)
def test_private_addresses_inside_others_are_refused(address):
    """An IPv6 address that carries a private IPv4 address is as private."""
    number = int(address)
    for carrier in ("::ffff:0:0", "64:ff9b::", "::"):
        assert not is_public(str(IPv6Address(int(IPv6Address(carrier)) | number)))
    assert not is_public(str(IPv6Address((0x2002 << 112) | (number << 80))))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "104.18.0.1", "2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8",
                "64:ff9b::808:808"],
)  # fmt: skip
def test_the_public_internet_is_not_refused(address):
    """Addresses of public services may be connected to."""
    assert is_public(address)


@given(st.lists(st.sampled_from(["8.8.8.8", "2606:4700::1111", "10.0.0.1", "::1", "169.254.169.254"])))
def test_only_public_addresses_are_left(addresses):
    """Public addresses keep their order; where none is left, the error names the host and is final."""
    public = [address for address in addresses if address in {"8.8.8.8", "2606:4700::1111"}]
    if public:
        assert public_only("host.test", addresses) == public
        return
    with pytest.raises(AddressRefused, match=r"host\.test") as caught:
        public_only("host.test", addresses)
    assert caught.value.retry is Retry.NEVER


# -- on the wire ----------------------------------------------------------------------------------------------------

SETTINGS = WireSettings(attempts=2, backoff=0.01, connect_timeout=3.0)


def get(host, port, path="/x", *, size=None):
    """Return a GET of a public-only endpoint."""
    request = Request("GET", Endpoint("http", host, port, public=True), path, (), {})
    return Call(request, lambda asked, _: asked, lambda _: ObjectHead("x", size, "", 0, Attributes()), "urls", "read")


def put(endpoint):
    """Return what would be written."""
    request = Request("PUT", endpoint, "/to", (), {}, body_size=5)
    return Call(request, lambda asked, _: asked, lambda _: None, "store", "write")


async def fetch(wire, call, lane):
    """Perform a read in a lane of the wire; the bulk lane would write to a place that does not answer."""
    if lane == "loop":
        return (await wire.fetch(call, limit=1000))[1]
    await wire.relay(call, lambda _head: put(Endpoint("http", "127.0.0.1", 9)), Digests, size=5)
    return b""


SPELLINGS = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "a.localhost", "::1",
             "::ffff:127.0.0.1", "0.0.0.0", "0"]  # fmt: skip


@pytest.mark.parametrize("lane", ["loop", "bulk"])
@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_this_machine_is_connected_to(host, lane):
    """Whatever spelling of this machine's address: the server hears nothing, in either lane."""
    with serving() as web:
        web.pages["/x"] = Page(b"hello")
        async with Wire(SETTINGS) as wire:
            with pytest.raises(AddressRefused):
                await fetch(wire, get(host, web.port), lane)
        assert web.log == []


@pytest.fixture
def second_is_public(monkeypatch):
    """Let 127.0.0.2 stand for the public internet: there is no other address both sides of a test can have."""
    real = is_public
    monkeypatch.setattr(netguard, "is_public", lambda address: address == "127.0.0.2" or real(address))


@pytest.mark.parametrize("lane", ["loop", "bulk"])
async def test_the_address_that_was_judged_is_connected_to(second_is_public, monkeypatch, lane):
    """A name that answers publicly first and privately ever after (DNS rebinding) gains nothing."""
    del second_is_public
    answers = iter(["127.0.0.2"] + ["127.0.0.1"] * 100)

    async def ask(_host, _port):
        return [next(answers)]

    monkeypatch.setattr(dns.Resolver, "_ask", staticmethod(ask))
    monkeypatch.setattr(blocking_pools, "resolve_now", lambda _host, _port: [next(answers)])
    with serving("127.0.0.2") as public, serving("127.0.0.1", public.port) as private:
        public.pages["/x"] = private.pages["/x"] = Page(b"hello")
        settings = WireSettings(attempts=2, backoff=0.01, connect_timeout=3.0, dns_seconds=0.0)
        async with Wire(settings) as wire:
            for _ in range(3):
                with suppress(ConnectionBroken):
                    await fetch(wire, get("rebind.test", public.port, size=5), lane)
        assert {entry.server for entry in public.log} == {"127.0.0.2"}
        assert private.log == []


async def test_private_answers_beside_public_ones_are_left_out(second_is_public, monkeypatch):
    """Of a name with several addresses only the public ones are tried."""
    del second_is_public

    async def ask(_host, _port):
        return ["127.0.0.1", "127.0.0.2", "10.0.0.1"]

    monkeypatch.setattr(dns.Resolver, "_ask", staticmethod(ask))
    with serving("127.0.0.2") as public, serving("127.0.0.1", public.port) as private:
        public.pages["/x"] = Page(b"hello")
        async with Wire(SETTINGS) as wire:
            for _ in range(3):
                assert await fetch(wire, get("both.test", public.port), "loop") == b"hello"
        assert private.log == []


async def test_a_connection_to_a_store_is_not_lent_to_a_url():
    """A URL that names a store's own private address does not travel on a connection that the store has open."""
    with serving() as web:
        web.pages["/x"] = Page(b"hello")
        async with Wire(SETTINGS) as wire:
            store = get("127.0.0.1", web.port)
            store = store._replace(request=store.request._replace(endpoint=Endpoint("http", "127.0.0.1", web.port)))
            assert await fetch(wire, store, "loop") == b"hello"
            with pytest.raises(AddressRefused):
                await fetch(wire, get("127.0.0.1", web.port), "loop")
        assert len(web.log) == 1


@pytest.mark.parametrize("lane", ["loop", "bulk"])
async def test_a_proxy_is_no_way_around(lane):
    """Through a proxy the name is judged all the same, before the proxy hears of it."""
    with serving() as proxy:
        settings = WireSettings(attempts=1, connect_timeout=3.0, proxy=proxy.url)
        async with Wire(settings) as wire:
            with pytest.raises(AddressRefused):
                await fetch(wire, get("169.254.169.254", 80, "/latest/meta-data/"), lane)
        assert proxy.log == []


async def test_a_public_name_goes_through_the_proxy(second_is_public):
    """What is public goes through the proxy, which may itself have a private address."""
    del second_is_public
    with serving() as proxy:
        proxy.pages["http://127.0.0.2:1/x"] = Page(b"by proxy")
        async with Wire(WireSettings(attempts=1, proxy=proxy.url)) as wire:
            assert await fetch(wire, get("127.0.0.2", 1), "loop") == b"by proxy"


def test_the_system_resolves_what_looks_like_a_number():
    """The spellings of the tests above do lead to this machine here, so that refusing them means something."""
    for host in ("127.1", "2130706433", "0x7f000001", "0177.0.0.1"):
        assert {entry[4][0] for entry in socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)} == {"127.0.0.1"}
