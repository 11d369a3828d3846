"""Which endpoint a store may redirect a call to."""

import pytest

from oms_engine.store import Endpoint
from oms_engine.wire.redirects import redirected_or_none, site_of


@pytest.mark.parametrize(
    ("here", "location", "followed"),
    [
        ("https://b.s3.us-east-1.amazonaws.com", "https://b.s3.eu-west-1.amazonaws.com/k", True),
        ("https://b.oss-cn-hangzhou.aliyuncs.com", "https://b.oss-cn-beijing.aliyuncs.com/", True),
        ("http://b.s3.amazonaws.com.cn", "http://b.s3.cn-north-1.amazonaws.com.cn/", True),
        ("https://s3.one.com.cn", "https://s3.other.com.cn/", False),
        ("https://b.s3.us-east-1.amazonaws.com", "http://b.s3.eu-west-1.amazonaws.com/k", False),
        ("https://b.s3.us-east-1.amazonaws.com", "https://attacker.example/", False),
        ("https://b.s3.us-east-1.amazonaws.com", "https://amazonaws.com.attacker.example/", False),
        ("https://b.s3.us-east-1.amazonaws.com", "https://169.254.169.254/latest/meta-data", False),
        ("https://b.s3.us-east-1.amazonaws.com", "https://localhost/", False),
        ("https://b.s3.us-east-1.amazonaws.com", "https://2130706433/", False),
        ("http://127.0.0.1:9000", "http://localhost:9001/", True),
        ("http://10.0.0.1:9000", "http://10.0.0.1:9001/", True),
        ("http://10.0.0.1:9000", "http://10.0.0.2:9000/", False),
        ("http://minio:9000", "http://minio:9001/", True),
        ("http://minio:9000", "http://other:9000/", False),
        ("http://127.0.0.1:9000", "/relative", False),
        ("http://127.0.0.1:9000", "ftp://127.0.0.1/", False),
    ],
)
def test_redirects_stay_at_the_site(here, location, followed):
    """A redirect is followed within the vendor's domain or this machine, never from https to http."""
    scheme, _, host = here.partition("://")
    name, _, port = host.partition(":")
    found = redirected_or_none(Endpoint(scheme, name, int(port or 443)), location)
    assert (found is not None) is followed


def test_what_must_be_public_stays_public():
    """The endpoint that a guarded endpoint redirects to is connected to on the public internet only."""
    here = Endpoint("https", "a.blob.core.windows.net", 443, public=True)
    found = redirected_or_none(here, "https://b.blob.core.windows.net/")
    assert found is not None
    assert found.public


def test_names_of_this_machine_are_one_site():
    """Loopback addresses and ``localhost`` names are the same site."""
    assert {site_of(host) for host in ("127.0.0.1", "LOCALHOST", "a.localhost", "::1", "127.8.0.1")} == {"localhost"}
