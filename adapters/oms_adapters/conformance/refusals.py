"""Refusals: a missing bucket and wrong credentials are told apart, so that the user is told what to mend."""

from __future__ import annotations

from oms_adapters.conformance.case import case
from oms_adapters.conformance.harness import Harness
from oms_engine.errors import AccessDenied, BadCredentials, BucketNotFound, NotFound, StoreError
from oms_engine.model import WriteOptions
from oms_engine.store import AnyCall, BucketStore


def _calls(store: BucketStore) -> list[AnyCall]:
    return [
        store.list_page(""),
        store.read("openoms-none"),
        store.write("openoms-none", size=1, options=WriteOptions(), body=b"x"),
        store.start_upload("openoms-none", options=WriteOptions()),
    ]


def _expect(harness: Harness, call: AnyCall, *expected: type[StoreError]) -> None:
    try:
        harness.perform(call)
    except expected as error:
        told = (error.operation, error.store)
    else:
        raise AssertionError(f"{call.operation} was answered")
    assert told == (call.operation, call.store), "the error does not name its operation and store"


@case()
def check_missing_bucket(harness: Harness) -> None:
    """Every call to a bucket that does not exist says so; HEAD, which has no body, says NotFound."""
    store = harness.variant(bucket="openoms-no-such-bucket-4711")
    for call in _calls(store):
        _expect(harness, call, BucketNotFound)
    _expect(harness, store.head("k"), NotFound, BucketNotFound)


@case()
def check_wrong_secret(harness: Harness) -> None:
    """A wrong secret key is told as wrong credentials, not as a missing permission."""
    store = harness.with_credentials(secret="not-the-secret-of-this-account")  # noqa: S106 - made up
    for call in _calls(store):
        _expect(harness, call, BadCredentials)
    _expect(harness, store.head("k"), BadCredentials, AccessDenied)


@case()
def check_unknown_access_key(harness: Harness) -> None:
    """An unknown access key is told as wrong credentials."""
    store = harness.with_credentials(access_key="AKIDNOTKNOWNTOANYONE")
    for call in _calls(store):
        _expect(harness, call, BadCredentials)
