"""TLS with verification, and HTTP proxies, over both lanes."""

# ruff: noqa: SIM117 - one line per side reads better

import asyncio
import contextlib
import socket
import ssl

import pytest
import pytest_asyncio
import trustme

from faults.wire_scripted import (
    CREATED,
    LANES,
    LOOPS,
    OK,
    Joined,
    always,
    download,
    get,
    nothing_leaks,
    put,
    serve,
    settings,
)
from oms_engine.errors import ConfigError, ConnectionBroken
from oms_engine.store import Endpoint
from oms_engine.wire import CertificateRefused, Wire


@pytest.fixture(params=LOOPS)
def event_loop_policy(request):
    """Every test runs on asyncio's own loop and on uvloop."""
    return LOOPS[request.param]


@pytest_asyncio.fixture(autouse=True)
async def no_leaks():
    """Nothing outlives a test."""
    async with nothing_leaks():
        yield


@pytest.fixture(scope="module")
def authority():
    """A certificate authority nobody knows."""
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority, tmp_path_factory):
    """Its certificate as a file."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def secured(authority, *names: str, seen: list | None = None) -> ssl.SSLContext:
    """Return a server context with a certificate for the names; notes the server name it is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert(*names).configure_cert(context)
    if seen is not None:
        context.sni_callback = lambda _sock, name, _context: seen.append(name)
    return context


@pytest.mark.parametrize("lane", LANES)
async def test_a_trusted_certificate_is_accepted(authority, ca_file, lane):
    """With its authority's file the store is trusted, asked for by name (SNI), and one connection serves all."""
    names: list[str] = []
    context = secured(authority, "localhost", seen=names)
    async with serve(always(OK), context=context, host="localhost") as server:
        async with Wire(settings(ca_file=ca_file)) as wire:
            for _ in range(2):
                assert await download(wire, get(server.endpoint), lane) == b"hello"
        assert names == ["localhost"]


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("case", ["unknown authority", "wrong name"])
async def test_untrusted_certificates_are_refused_without_retry(authority, ca_file, lane, case):
    """An unknown authority or another host's certificate ends the call at once; nothing is sent."""
    context = secured(authority, "localhost" if case == "unknown authority" else "other.test")
    limits = settings() if case == "unknown authority" else settings(ca_file=ca_file)
    async with serve(always(OK), context=context, host="localhost") as server, Wire(limits) as wire:
        with pytest.raises(CertificateRefused, match="localhost"):
            await download(wire, get(server.endpoint), lane)
        assert server.seen == []
        assert wire.stats.retries == 0


@pytest.mark.parametrize("lane", LANES)
async def test_verification_can_be_opted_out(authority, lane):
    """With verify off any certificate will do."""
    context = secured(authority, "other.test")
    async with serve(always(OK), context=context) as server, Wire(settings(verify=False)) as wire:
        assert await download(wire, get(server.endpoint), lane) == b"hello"


def test_a_bad_ca_file_is_a_configuration_error(tmp_path):
    """A CA file that is missing or no PEM is named when the wire is made."""
    (tmp_path / "noise.pem").write_text("noise")
    for name in ("missing.pem", "noise.pem"):
        with pytest.raises(ConfigError, match=name):
            Wire(settings(ca_file=str(tmp_path / name)))


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Plain\r\n\r\n", b""])
async def test_plain_servers_are_no_tls(lane, answer):
    """A server at an https endpoint that answers in plain text or hangs up is ConnectionBroken."""

    async def script(peer, _):
        await peer.reader.read(1)
        await peer.send(answer)

    async with serve(script) as server, Wire(settings(attempts=1)) as wire:
        with pytest.raises(ConnectionBroken):
            await download(wire, get(server.endpoint._replace(scheme="https")), lane)


@pytest.mark.parametrize("lane", LANES)
async def test_handshakes_that_never_end_time_out(lane):
    """A server that is silent during the TLS handshake is given up after the connect timeout, its socket closed."""

    async def script(peer, _):
        await peer.reader.read()

    async with serve(script) as server, Wire(settings(attempts=1, connect_timeout=0.2)) as wire:
        with pytest.raises(ConnectionBroken, match=r"within 0\.2 s"):
            await download(wire, get(server.endpoint._replace(scheme="https")), lane)


async def test_relays_under_tls_carry_large_bodies(authority, ca_file):
    """Megabytes cross from TLS to TLS unchanged, in pieces larger than a TLS record."""
    body = bytes(range(256)) * 20_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    pieces: list[int] = []
    context = secured(authority, "localhost")
    async with serve(always(head, body), context=context, host="localhost") as source:
        async with serve(always(CREATED), context=context, host="localhost") as destination:
            async with Wire(settings(ca_file=ca_file)) as wire:
                for _ in range(2):
                    done = await wire.relay(
                        get(source.endpoint),
                        lambda _: put(destination.endpoint, size=len(body)),
                        Joined,
                        size=len(body),
                        on_bytes=pieces.append,
                    )
                    assert done.digests.data == destination.seen[-1].body == body
        assert source.connections == destination.connections == 1
    assert min(pieces[:-1]) > 16 * 1024


@contextlib.asynccontextmanager
async def proxy(*, refuse: bytes | None = None):
    """Run an HTTP proxy: CONNECT tunnels, and absolute targets forwarded; yields its server and URL."""
    pumps: set[asyncio.Task] = set()

    async def pump(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def script(peer, _):
        first = await peer.request(body=False)
        if first is None:
            return
        if refuse is not None:
            await peer.send(refuse)
            return
        if first.method == "CONNECT":
            host, _, port = first.target.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            await peer.send(b"HTTP/1.1 200 Tunnel\r\n\r\n")
        else:
            authority, _, path = first.target.removeprefix("http://").partition("/")
            host, _, port = authority.partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            lines = "".join(f"{n}: {v}\r\n" for n, v in first.headers.items() if n != "proxy-authorization")
            writer.write(f"{first.method} /{path} HTTP/1.1\r\n{lines}\r\n".encode())
        back = asyncio.create_task(pump(reader, peer.writer))
        pumps.add(back)
        await pump(peer.reader, writer)
        await back

    async with serve(script) as server:
        yield server, f"http://us%40er:pa%3Ass@127.0.0.1:{server.endpoint.port}"
    for task in pumps:
        task.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)


BASIC = "Basic dXNAZXI6cGE6c3M="
"""us@er:pa:ss"""


@pytest.mark.parametrize("lane", ["fetch", "stream"])
async def test_http_goes_through_the_proxy_with_its_absolute_url(lane):
    """A plain request names its full URL to the proxy, with the credentials of the proxy's URL."""
    async with serve(always(OK)) as server, proxy() as (through, url), Wire(settings(proxy=url)) as wire:
        assert await download(wire, get(server.endpoint, "/b/a%20b"), lane) == b"hello"
        assert through.seen[0].target == f"http://{server.endpoint.netloc}/b/a%20b"
        assert through.seen[0].headers["proxy-authorization"] == BASIC
        assert "proxy-authorization" not in server.seen[0].headers


async def test_relays_of_http_go_through_the_proxy():
    """Both sides of a plain relay name their full URLs to the proxy."""
    async with serve(always(OK)) as server, proxy() as (through, url), Wire(settings(proxy=url)) as wire:
        assert await download(wire, get(server.endpoint), "relay") == b"hello"
        assert [seen.method for seen in through.seen] == ["GET", "PUT"]
        assert all(seen.target.startswith("http://127.0.0.1:") for seen in through.seen)


@pytest.mark.parametrize("lane", LANES)
async def test_https_goes_through_a_tunnel(authority, ca_file, lane):
    """TLS runs inside a CONNECT tunnel, verified against the store's name; the proxy sees no request."""
    context = secured(authority, "localhost")
    async with serve(always(OK), context=context, host="localhost") as server, proxy() as (through, url):
        async with Wire(settings(proxy=url, ca_file=ca_file, no_proxy=("127.0.0.1",))) as wire:
            for _ in range(2):
                assert await download(wire, get(server.endpoint), lane) == b"hello"
        assert [(seen.method, seen.target) for seen in through.seen] == [
            ("CONNECT", f"localhost:{server.endpoint.port}")
        ]
        assert through.seen[0].headers["proxy-authorization"] == BASIC
        assert all("proxy-authorization" not in seen.headers for seen in server.seen)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", b"what\r\n\r\n", b""])
async def test_refused_tunnels_break(authority, lane, answer):
    """A proxy that refuses the tunnel, talks nonsense or hangs up is ConnectionBroken; its password stays unsaid."""
    context = secured(authority, "localhost")
    async with serve(always(OK), context=context, host="localhost") as server, proxy(refuse=answer) as (_, url):
        limits = settings(proxy=url, no_proxy=("127.0.0.1",), attempts=1)
        assert "ss@" not in repr(limits)
        async with Wire(limits) as wire:
            with pytest.raises(ConnectionBroken, match="proxy") as caught:
                await download(wire, get(server.endpoint), lane)
            assert "pa" not in str(caught.value).replace("path", "")


@pytest.mark.parametrize("lane", LANES)
async def test_a_proxy_that_nobody_answers_for_is_named(lane):
    """It is the proxy's address that is wrong then, not the store's; its password stays unsaid."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        there = f"127.0.0.1:{taken.getsockname()[1]}"
        limits = settings(proxy=f"http://user:hush@{there}", attempts=1)
        async with Wire(limits) as wire:
            with pytest.raises(
                ConnectionBroken, match=f"no connection to store.invalid:80 through the proxy {there}"
            ) as caught:
                await download(wire, get(Endpoint("http", "store.invalid", 80)), lane)
            assert "hush" not in str(caught.value)


@pytest.mark.parametrize("lane", LANES)
async def test_no_proxy_goes_direct(lane):
    """Exempt hosts are reached without the proxy."""
    async with serve(always(OK)) as server, proxy() as (through, url):
        async with Wire(settings(proxy=url, no_proxy=("127.0.0.0/8",))) as wire:
            assert await download(wire, get(server.endpoint), lane) == b"hello"
        assert through.seen == []
