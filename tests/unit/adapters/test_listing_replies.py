"""What is no listing is answered with 200 all the same: its words are passed on, in every dialect."""

import json
from base64 import b64encode

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.errors import StoreError, Throttled, Unavailable, UnexpectedReply
from oms_engine.model import Credentials, KeyOrder, Secret
from oms_engine.store import Reply

KEYS = Credentials("acct", Secret(b64encode(b"k").decode()))
XML = {
    "s3": StoreConfig("s3", "bucket", region="eu-central-1", credentials=KEYS),
    "gateway": StoreConfig("s3", "bucket", endpoint="https://s3.example", credentials=KEYS),
    "obs": StoreConfig("obs", "bucket", region="ap-southeast-1", credentials=KEYS),
    "oss": StoreConfig("oss", "bucket", region="cn-hangzhou", credentials=KEYS),
    "cos": StoreConfig("cos", "bucket-1250000000", region="ap-guangzhou", credentials=KEYS),
    "ks3": StoreConfig("ks3", "bucket", region="BEIJING", credentials=KEYS),
    "qingstor": StoreConfig("qingstor", "bucket", region="pek3a", credentials=KEYS),
    "az": StoreConfig("az", "bucket", credentials=KEYS),
}
GOOGLE = StoreConfig("gs", "bucket", credentials=Credentials("", Secret(""), Secret("token")))
BUSY = {"az": "ServerBusy"}


def answered(config, body):
    """Return the error that a listing answered with 200 and this body raises."""
    with pytest.raises(StoreError) as caught:
        open_store(config).list_page("").read(Reply(200, {}, body))
    return caught.value


@pytest.mark.parametrize("name", XML)
@pytest.mark.parametrize("start", ["", '<?xml version="1.0" encoding="UTF-8"?>\n', "  \n"])
def test_an_error_document_with_200_is_that_error(name, start):
    """The store's code and words are shown, and its code decides what happens next."""
    code = BUSY.get(name, "SlowDown")
    body = f"{start}<Error><Code>{code}</Code><Message>one moment</Message></Error>".encode()
    error = answered(XML[name], body)
    assert type(error) is Throttled
    assert (error.vendor_code, "one moment" in str(error)) == (code, True)
    odd = answered(XML[name], body.replace(code.encode(), b"OddCode"))
    assert (type(odd), odd.vendor_code, "one moment" in str(odd)) == (Unavailable, "OddCode", True)


def test_googles_error_document_with_200_is_that_error():
    """Google's JSON states reason and message."""
    body = {"error": {"message": "one moment", "errors": [{"reason": "rateLimitExceeded"}]}}
    error = answered(GOOGLE, json.dumps(body, indent=2).encode())
    assert type(error) is Throttled
    assert "one moment" in str(error)


@pytest.mark.parametrize("config", [*XML.values(), GOOGLE], ids=[*XML, "gs"])
def test_a_web_page_with_200_is_called_one(config):
    """A login page at the endpoint is told from a listing in one sentence."""
    error = answered(config, b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>")
    assert type(error) is UnexpectedReply
    assert "web page" in str(error)


def test_the_order_of_a_bucket_is_what_its_vendor_keeps():
    """Byte order is believed where the vendor states it; a gateway's is not, and a bucket's option has the last word."""
    orders = {name: open_store(config).capabilities.order for name, config in {**XML, "gs": GOOGLE}.items()}
    assert {name for name, order in orders.items() if order is KeyOrder.UTF8} == {"s3", "oss", "cos", "gs"}
    assert orders["az"] is KeyOrder.UTF16
    gateway = StoreConfig("s3", "bucket", endpoint="https://s3.example", extra={"order": "path", "list_version": "1"})
    assert open_store(gateway).capabilities.order is KeyOrder.PATH
    with pytest.raises(Exception, match="utf8"):
        open_store(StoreConfig("obs", "bucket", region="ap-southeast-1", extra={"order": "sideways"}))


def test_qingstor_is_listed_by_marker_in_plain_names():
    """QingStor has neither start-after nor encoding-type: each page would be the first one."""
    query = open_store(XML["qingstor"]).list_page("p", start_after="p/a").request.query
    assert dict(query) == {"max-keys": "1000", "prefix": "p", "marker": "p/a"}
